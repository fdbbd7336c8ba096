"""A scikit-learn classifier whose numbers come from the core."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .core import ROWS_PER_CALL, Core, shared_core
from .model import Model


class RaisinClassifier(ClassifierMixin, BaseEstimator):
    """Binary logistic regression by gradient descent in the WebAssembly core.

    Columns are standardised with the mean and population standard deviation of the rows that `fit` gets; the penalty is
    on the weights of standardised columns. The same rows in any order, on any machine, give the same bits.

    Parameters
    ----------
    lr : float, default=0.1
        Step size, above 0.
    iterations : int, default=2000
        Updates of gradient descent, from zeros.
    l2 : float, default=0.0
        Weight of the penalty l2/2·|w|²; the bias goes free.
    class_weight : {None, "balanced"} or dict, default=None
        "balanced": both classes count as much in all, as scikit-learn's. A dict gives the weight of each class, from 0.
    threshold : float, default=0.5
        A row is of the second class from this probability on.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    coef_ : ndarray of shape (1, n_features_in_)
        Weights of standardised columns.
    intercept_ : ndarray of shape (1,)
    mean_, scale_ : ndarray of shape (n_features_in_,)
    n_iter_ : ndarray of shape (1,)
    gradient_max_ : float
        Largest magnitude of the gradient at the end: what tells whether the descent has converged.
    """

    def __init__(self, *, lr=0.1, iterations=2000, l2=0.0, class_weight=None, threshold=0.5):
        self.lr = lr
        self.iterations = iterations
        self.l2 = l2
        self.class_weight = class_weight
        self.threshold = threshold

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _check_params(self):
        rules = {
            "lr": (np.isfinite(self.lr) and self.lr > 0, "a finite number above 0"),
            "iterations": (
                self.iterations == int(self.iterations) and 1 <= self.iterations < 2**31,
                "a whole number from 1 to 2147483647",
            ),
            "l2": (np.isfinite(self.l2) and self.l2 >= 0, "a finite number from 0"),
            "class_weight": (
                self.class_weight is None or self.class_weight == "balanced" or isinstance(self.class_weight, dict),
                'None, "balanced" or a dict',
            ),
            "threshold": (0 < self.threshold < 1, "a number between 0 and 1"),
        }
        for name, (holds, says) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {says}: it is {getattr(self, name)!r}")

    def fit(self, X, y, sample_weight=None):
        """Trains on X [n, d] and y [n] of two classes.

        Raises
        ------
        ValueError
            For parameters or data that cannot be; ValueRangeError (a ValueError) for values beyond what the core carries.
        """
        self._check_params()
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"This classifier needs two classes: the data have one class, {self.classes_[0]!r}")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        core = Core()
        weights = self._row_weights(core, codes, weights)
        if weights is not None and not weights.any():
            raise ValueError("All rows have weight 0")
        columns = [X[:, j] for j in range(X.shape[1])]
        rows, moments = core.standardised(columns, getattr(self, "feature_names_in_", None))
        rows.label(codes, weights)
        start, l2 = np.zeros(X.shape[1] + 1), float(self.l2)
        w = rows.descend(start, moments.bounds, float(self.lr), l2, int(self.iterations))
        self.gradient_max_ = float(np.abs(rows.gradient(w, moments.bounds, l2)).max())
        self.mean_, self.scale_ = moments.mean, moments.std
        self.coef_, self.intercept_ = w[None, :-1], w[-1:]
        self.n_iter_ = np.array([int(self.iterations)])
        return self

    def _row_weights(self, core, codes, weights):
        if self.class_weight is None:
            return weights
        own = np.ones(len(codes)) if weights is None else weights
        if isinstance(self.class_weight, dict):
            each = np.array([self.class_weight.get(name, 1.0) for name in self.classes_.tolist()], dtype=np.float64)
            if not (np.isfinite(each) & (each >= 0)).all():
                raise ValueError(f"class_weight must give finite numbers from 0: it is {self.class_weight!r}")
            return own * each[codes]
        sums = [core.sum(own[codes == label], own[codes == label].max()) for label in (0, 1)]
        if min(sums) == 0:
            raise ValueError("Cannot balance the classes: all rows of one have weight 0")
        return own * np.array([sum(sums) / (2 * each) for each in sums])[codes]

    def _score(self, X, width, what):
        """[n, width] of what(rows, weights, out) for rows of X, part by part."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        w, found = np.append(self.coef_[0], self.intercept_), np.empty((len(X), width))
        core = shared_core().here()
        for start in range(0, len(X), ROWS_PER_CALL):
            part = X[start : start + ROWS_PER_CALL]
            core.reset()
            rows = core.pack([part[:, j] for j in range(X.shape[1])], self.mean_, self.scale_)
            what(rows, w, found[start : start + ROWS_PER_CALL])
        return found

    def decision_function(self, X):
        """[n] logits."""

        def logits(rows, w, out):
            out[:, 0] = rows.predict(w)[0]

        return self._score(X, 1, logits)[:, 0]

    def predict_proba(self, X):
        """[n, 2] probabilities of both classes."""

        def both(rows, w, out):
            second = rows.predict(w)[1]
            np.subtract(1, second, out=out[:, 0])
            out[:, 1] = second

        return self._score(X, 2, both)

    def predict(self, X):
        """[n] classes."""
        second = self.predict_proba(X)[:, 1]
        return self.classes_[(second >= self.threshold).astype(int)]

    def explain(self, X):
        """[n, d] what each column adds to the logit: the bias and these, in order, are the logit to the last bit."""

        def parts(rows, w, out):
            out[:] = rows.contributions(w)

        check_is_fitted(self)
        return self._score(X, self.n_features_in_, parts)

    def to_model(self, label="label"):
        """The model as model.npz has it."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        spec = {
            "format": 1,
            "label": label,
            "classes": [str(name) for name in self.classes_.tolist()],
            "threshold": float(self.threshold),
            "columns": [{"name": str(name), "as": "number"} for name in names],
        }
        return Model(spec, self.mean_, self.scale_, self.coef_[0], float(self.intercept_[0]))

    def save(self, path, label="label"):
        """Writes a model.npz that every host of the core opens."""
        self.to_model(label).save(path)
