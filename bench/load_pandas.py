# Reads one CSV with pandas and float_precision="round_trip". Prints the seconds as JSON.
import json
import sys
import time

import pandas as pd

start = time.perf_counter()
pd.read_csv(sys.argv[1], float_precision="round_trip")
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "pandas": pd.__version__}))
