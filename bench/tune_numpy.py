# The fits of a grid in NumPy, in two processes: 5 stratified folds of 80 % of the rows, gradient descent from zeros, the
# loss of each fold. Prints wall seconds, without imports and reading, as JSON.
import csv
import json
import sys
import time
from multiprocessing import Pool

import numpy as np

path, lrs, l2s, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with open(path) as file:
    rows = list(csv.reader(file))[1:]
rows = [row for row in rows if row]
values = np.array([[float(cell) for cell in row[:-1]] for row in rows])
labels = np.array([row[-1] for row in rows])
y = (labels == sorted(set(labels))[-1]).astype(float)
order = np.random.default_rng(1).permutation(len(y))
train = np.sort(order[: int(0.8 * len(y))])
fold_of = np.zeros(len(y), dtype=int)
for label in (0, 1):
    own = [i for i in train if y[i] == label]
    fold_of[own] = np.arange(len(own)) * 5 // len(own)


def fit(task):
    fold, lr, l2 = task
    others = train[fold_of[train] != fold]
    own = train[fold_of[train] == fold]
    mean, std = values[others].mean(axis=0), values[others].std(axis=0)
    X, t = (values[others] - mean) / std, y[others]
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(steps):
        r = 1 / (1 + np.exp(-np.clip(X @ w + b, -35, 35))) - t
        w = w - lr * (X.T @ r / len(t) + l2 * w)
        b = b - lr * r.mean()
    p = 1 / (1 + np.exp(-np.clip(((values[own] - mean) / std) @ w + b, -35, 35)))
    return float(-np.mean(np.log(np.where(y[own] == 1, p, 1 - p))))


if __name__ == "__main__":
    tasks = [
        (fold, float(lr), float(l2))
        for fold in range(5)
        for lr in lrs.split(",")
        for l2 in l2s.split(",")
    ]
    with Pool(2) as pool:
        pool.map(fit, tasks[:4])
        start = time.perf_counter()
        pool.map(fit, tasks, chunksize=25)
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "numpy": np.__version__}))
