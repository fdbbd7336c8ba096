# The seed's loop in NumPy: clip, exp, X.T @ (p - y), sums, no loss. Prints microseconds a step as JSON.
import json
import sys
import time

import numpy as np

n, d, steps = (int(text) for text in sys.argv[1:4])
rng = np.random.default_rng(1)
X = rng.uniform(-1, 1, size=(n, d))
y = (np.arange(n) % 3 == 0).astype(float)


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


descend(max(1, steps // 10))
start = time.perf_counter()
descend(steps)
seconds = time.perf_counter() - start
print(json.dumps({"us": seconds / steps * 1e6, "numpy": np.__version__}))
