# The Python package against its peers: predict_proba on 1M×7 against scikit-learn's, fit on 100k×16 against the seed's loop in
# NumPy. Prints seconds of both sides as JSON, round by round.
import json
import sys
import time

import numpy as np
import sklearn
from raisin_wasm import RaisinClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rounds, steps = int(sys.argv[1]), 100
rng = np.random.default_rng(1)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def seed_loop(X, y, steps):
    """The seed's training: standardise, then clip, exp, X.T @ (p - y), sums."""
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    w, b, n = np.zeros(X.shape[1]), 0.0, len(y)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(X @ w + b, -35, 35)))
        r = p - y
        w = w - 0.1 * (X.T @ r / n)
        b = b - 0.1 * (r.sum() / n)
    return w, b


X, y = rng.normal(size=(1_000_000, 7)), np.arange(1_000_000) % 2
ours = RaisinClassifier(iterations=5).fit(X[:1000], y[:1000])
peer = LogisticRegression().fit(X[:1000], y[:1000])
scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:1000], y[:1000])
Z, t = rng.normal(size=(100_000, 16)), np.arange(100_000) % 2
found = {"predict": [], "sklearn": [], "sklearn_scaled": [], "fit": [], "numpy": []}
for _ in range(rounds):
    found["predict"].append(timed(lambda: ours.predict_proba(X)))
    found["sklearn"].append(timed(lambda: peer.predict_proba(X)))
    found["sklearn_scaled"].append(timed(lambda: scaled.predict_proba(X)))
    found["fit"].append(timed(lambda: RaisinClassifier(iterations=steps).fit(Z, t)))
    found["numpy"].append(timed(lambda: seed_loop(Z, t, steps)))
print(json.dumps({**found, "versions": {"numpy": np.__version__, "sklearn": sklearn.__version__}, "steps": steps}))
