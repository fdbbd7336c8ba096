"""Is it a scikit-learn classifier?"""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas
import pytest
from raisin_wasm import Model, RaisinClassifier
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "rows of weight 0 still count in the mean and deviation that columns are standardised with, as in raisin train"
        " (CONTRACT.md, N5)"
    )
}


@parametrize_with_checks(
    [RaisinClassifier(iterations=200), RaisinClassifier(iterations=200, class_weight="balanced", l2=0.1)],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_estimator(estimator, check):
    check(estimator)


def data(n=300, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 100, 1e-3] + [0, 5, 7]
    return X, np.where(X[:, 0] + rng.normal(size=n) > 0, "yes", "no")


def test_works_in_pipelines_and_searches():
    X, y = data()
    table = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(hue=np.resize(["red", "blue", "green"], len(X)))
    encoder = make_column_transformer((OneHotEncoder(drop="first"), ["hue"]), remainder="passthrough")
    pipeline = make_pipeline(encoder, RaisinClassifier(iterations=300))
    assert cross_val_score(pipeline, table, y).mean() > 0.65
    search = GridSearchCV(RaisinClassifier(iterations=100), {"lr": [0.01, 0.5], "l2": [0, 0.1]}).fit(X, y)
    assert search.best_score_ > 0.65 and set(search.best_params_) == {"lr", "l2"}


def test_keeps_feature_names_and_refuses_others():
    X, y = data()
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    classifier = RaisinClassifier(iterations=50).fit(table, y)
    assert classifier.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table.rename(columns={"a": "z"}))
    model = classifier.to_model()
    assert model.predict_proba(table[["c", "b", "a"]]).tolist() == classifier.predict_proba(table)[:, 1].tolist()


def test_row_order_changes_no_bit():
    X, y = data()
    order = np.random.default_rng(2).permutation(len(X))
    one = RaisinClassifier(iterations=100).fit(X, y)
    other = RaisinClassifier(iterations=100).fit(X[order], y[order])
    assert one.coef_.tobytes() == other.coef_.tobytes()
    assert one.predict_proba(X)[order].tobytes() == other.predict_proba(X[order]).tobytes()


def test_probabilities_do_not_depend_on_how_many_rows_are_asked():
    X, y = data(200_000)
    classifier = RaisinClassifier(iterations=5).fit(X, y)
    whole = classifier.predict_proba(X)
    for part in (slice(0, 1), slice(65_530, 65_545), slice(199_999, 200_000)):
        assert classifier.predict_proba(X[part]).tobytes() == whole[part].tobytes()


def test_threads_do_not_share_memory():
    X, y = data(3000)
    classifiers = [RaisinClassifier(iterations=20 + k).fit(X, y) for k in range(4)]
    wanted = [one.predict_proba(X).tobytes() for one in classifiers]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: classifiers[k % 4].predict_proba(X).tobytes(), range(200)))
    assert all(one == wanted[k % 4] for k, one in enumerate(found))


def test_can_be_pickled_and_saved(tmp_path):
    X, y = data()
    classifier = RaisinClassifier(iterations=50, threshold=0.3).fit(X, y)
    again = pickle.loads(pickle.dumps(classifier))
    assert again.predict_proba(X).tobytes() == classifier.predict_proba(X).tobytes()
    classifier.save(tmp_path / "model.npz")
    model = Model.load(tmp_path / "model.npz")
    assert model.predict(X).tolist() == classifier.predict(X).tolist()


def test_a_weight_of_two_is_a_row_twice_in_the_gradient():
    X, y = data(60)
    weights = np.random.default_rng(4).integers(1, 4, size=60).astype(float)
    one = RaisinClassifier(iterations=50).fit(X, y, sample_weight=weights)
    same = RaisinClassifier(iterations=50).fit(X, y, sample_weight=2 * weights)
    # All weights doubled are the same means, rounded alike: powers of two.
    assert one.coef_.tobytes() == same.coef_.tobytes()
    plain = RaisinClassifier(iterations=50).fit(X, y)
    ones = RaisinClassifier(iterations=50).fit(X, y, sample_weight=np.ones(60))
    assert plain.coef_.tobytes() == ones.coef_.tobytes()
    assert one.coef_.tobytes() != plain.coef_.tobytes()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"lr": 0}, "lr must be a finite number above 0"),
        ({"lr": float("nan")}, "lr must be"),
        ({"iterations": 1.5}, "iterations must be a whole number"),
        ({"l2": -1}, "l2 must be"),
        ({"class_weight": "heavy"}, "class_weight must be"),
        ({"class_weight": {"yes": -1}}, "class_weight must give"),
        ({"threshold": 1}, "threshold must be"),
    ],
)
def test_parameters_out_of_range_are_named(params, says):
    with pytest.raises(ValueError, match=says):
        RaisinClassifier(**params).fit(*data())
