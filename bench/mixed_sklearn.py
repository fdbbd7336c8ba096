# The same table through pandas (float_precision="round_trip") and scikit-learn's transformer, then the seed's NumPy loop.
import json
import sys
import time

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

path, steps = sys.argv[1], int(sys.argv[2])

start = time.perf_counter()
table = pd.read_csv(path, float_precision="round_trip")
y = (table.pop("y") == "good").to_numpy(float)
numbers = table.select_dtypes("number").columns
categories = table.columns.difference(numbers, sort=False)
transformer = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (
            "categories",
            make_pipeline(OneHotEncoder(drop="first", sparse_output=False), StandardScaler()),
            categories,
        ),
    ]
)
X = transformer.fit_transform(table)
load = time.perf_counter() - start

n, d = X.shape


def descend(steps):
    w = np.zeros(d)
    b = 0.0
    for _ in range(steps):
        z = np.clip(X @ w + b, -35, 35)
        p = 1 / (1 + np.exp(-z))
        r = p - y
        w = w - 0.1 * (X.T @ r / n)
        b = b - 0.1 * (r.sum() / n)
    return w, b


descend(3)
start = time.perf_counter()
descend(steps)
seconds = time.perf_counter() - start
print(
    json.dumps(
        {
            "load": load,
            "steps": seconds,
            "features": d,
            "pandas": pd.__version__,
            "sklearn": sklearn.__version__,
            "numpy": np.__version__,
        }
    )
)
