"""What pandas, scikit-learn and NumPy make of a mixed table: the scaled matrix, the weights of the seed's loop, metrics.

    encoding.py REQUEST.json

Prints JSON. Numbers are written so that they come back to the last bit.
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd
import sklearn.metrics as metrics
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight


def read(path, request):
    texts = [*request["categories"], request["label"]]
    table = pd.read_csv(
        path,
        float_precision="round_trip",
        keep_default_na=False,
        na_values=request["missing_tokens"] + [""],
        dtype={name: object for name in texts},
    )
    # One kind of missing value, which OneHotEncoder puts behind all levels.
    for name in request["categories"]:
        table[name] = table[name].where(table[name].notna(), np.nan).astype(object)
    return table


def transformer_of(request, table):
    def levels(name):
        present = sorted(table[name].dropna().unique())  # by code point
        return [*present, np.nan] if table[name].isna().any() else present

    drop = request.get("drop", "first")
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="mean", add_indicator=True), StandardScaler()),
                request["numbers"],
            ),
            (
                "categories",
                make_pipeline(
                    OneHotEncoder(
                        categories=[levels(name) for name in request["categories"]],
                        drop=drop,
                        handle_unknown="ignore",
                        sparse_output=False,
                    ),
                    StandardScaler(),
                ),
                request["categories"],
            ),
        ],
        verbose_feature_names_out=False,
    )


def descend(X, y, s, lr, iterations):
    """The seed's loop, with row weights s that sum to n where there are none."""
    w = np.zeros(X.shape[1])
    b = 0.0
    total = s.sum()
    for _ in range(iterations):
        z = X @ w + b
        p = 1 / (1 + np.exp(-np.clip(z, -35, 35)))
        r = s * (p - y)
        w = w - lr * (X.T @ r / total)
        b = b - lr * (r.sum() / total)
    return w, b


def sample_weights(request, table, y):
    s = table[request["weight"]].to_numpy(float) if request.get("weight") else np.ones(len(y))
    if request.get("class_weight") == "balanced":
        if not request.get("weight"):
            return compute_sample_weight("balanced", y)
        # scikit-learn counts rows here; with row weights a class counts as much as its rows weigh.
        of_class = [s.sum() / (2 * s[y == k].sum()) for k in (0, 1)]
        return s * np.where(y == 1, of_class[1], of_class[0])
    return s


def score(p, y, s, threshold=0.5):
    pred = (p >= threshold).astype(int)
    weighted = {"sample_weight": s}
    tn, fp, fn, tp = metrics.confusion_matrix(y, pred, **weighted).ravel().tolist()
    return {
        "loss": metrics.log_loss(y, p, **weighted),
        "accuracy": metrics.accuracy_score(y, pred, **weighted),
        "roc_auc": metrics.roc_auc_score(y, p, **weighted),
        "average_precision": metrics.average_precision_score(y, p, **weighted),
        "brier": metrics.brier_score_loss(y, p, **weighted),
        "precision": metrics.precision_score(y, pred, **weighted),
        "recall": metrics.recall_score(y, pred, **weighted),
        "f1": metrics.f1_score(y, pred, **weighted),
        "mcc": metrics.matthews_corrcoef(y, pred, **weighted),
        "confusion": {"tn": tn, "fp": fp, "fn": fn, "tp": tp},
    }


def main(path):
    with open(path, encoding="utf-8") as file:
        requests = json.load(file)
    answers = []
    for request in requests:
        table = read(request["csv"], request)
        y = (table[request["label"]] == request["positive"]).to_numpy(int)
        transformer = transformer_of(request, table)
        X = transformer.fit_transform(table)
        s = sample_weights(request, table, y)
        w, b = descend(X, y, s, request["lr"], request["iterations"])
        with warnings.catch_warnings():
            # That an unknown level is taken as the base is what is asked for.
            warnings.simplefilter("ignore")
            fresh = transformer.transform(read(request["new_csv"], request))
        answers.append(
            {
                "features": transformer.get_feature_names_out().tolist(),
                "matrix": X.T.tolist(),
                "fresh": fresh.T.tolist(),
                "sample_weight": s.tolist(),
                "w": w.tolist(),
                "b": float(b),
                "metrics": score(np.array(request["probabilities"]), y, s),
            }
        )
    json.dump(answers, sys.stdout)


main(*sys.argv[1:])
