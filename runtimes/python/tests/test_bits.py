"""Are these the bits of the command: trained, predicted, explained, written, verified?"""

import json

import numpy as np
import pandas
import pytest
from raisin_wasm import Core, Model, NotRepeatableError, RaisinClassifier, verify_run


# As the package reads; pandas 3 has it as its default.
ROUND_TRIP = {} if int(pandas.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}


def read(path):
    return pandas.read_csv(path, keep_default_na=False, na_values=[""], **ROUND_TRIP)


@pytest.mark.parametrize("flags", [[], ["--l2", "0.01", "--lr", "0.5", "--iterations", "777"], ["--class-weight", "balanced"]])
def test_fit_gives_the_model_of_raisin_train(raisin, numbers, flags):
    answer = raisin.train(numbers, "--label", "kind", "--val-fraction", "0", *flags)
    params = answer["params"]
    table = read(numbers)
    balanced = None if params["class_weight"] == "none" else "balanced"
    chosen = {key: params[key] for key in ("lr", "iterations", "l2", "threshold")}
    classifier = RaisinClassifier(class_weight=balanced, **chosen).fit(table[["a", "b", "c"]], table["kind"])
    model = classifier.to_model("kind")
    assert model.digest() == answer["model_digest"]
    assert model.to_bytes() == (raisin.folder / "model.npz").read_bytes()
    assert classifier.gradient_max_ == answer["gradient_max"]


def test_predictions_and_contributions_are_those_of_raisin_predict(raisin, mixed):
    raisin.train(mixed, "--label", "back", "--missing", "indicator")
    raisin("predict", "--data", mixed, "--explain", "--model-file", "model.npz", "--out", "scored.csv")
    scored, table = read(raisin.folder / "scored.csv"), pandas.read_csv(mixed, keep_default_na=False, na_values=["", "NA"])
    model = Model.load(raisin.folder / "model.npz")
    assert model.predict_proba(table).tolist() == scored["p_class1"].tolist()
    assert model.predict(table).tolist() == scored["label"].tolist()
    explained = model.explain(table)
    for name in model.feature_names:
        assert explained[name].tolist() == scored[f"contrib_{name}"].tolist()
    logits = np.full(len(table), model.b)
    for name in model.feature_names:
        logits = logits + explained[name].to_numpy()
    assert logits.tolist() == model.decision_function(table).tolist()


def test_a_model_is_written_in_the_same_bytes(raisin, mixed):
    raisin.train(mixed, "--label", "back", "--missing", "indicator")
    data = (raisin.folder / "model.npz").read_bytes()
    model = Model.load(data)
    assert model.to_bytes() == data
    model.save(raisin.folder / "again.npz")
    assert (raisin.folder / "again.npz").read_bytes() == data
    assert not list(raisin.folder.glob("*.tmp"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--missing", "indicator"],
        ["--missing", "drop", "--weight", "n"],
        ["--missing", "indicator", "--weight", "n", "--class-weight", "balanced", "--l2", "0.01"],
        ["--missing", "indicator", "--max-levels", "2", "--base", "most-frequent"],
        ["--missing", "indicator", "--positive", "no", "--rest", "--unseen", "base", "--seed", "7"],
        ["--missing", "indicator", "--val-fraction", "0", "--log-every", "33"],
    ],
)
def test_a_run_is_derived_again_to_the_last_byte(raisin, mixed, flags):
    run = raisin.train(mixed, "--label", "back", "--iterations", "120", *flags)["run_dir"]
    verdict = verify_run(run)
    assert verdict.reproduced, verdict
    assert verdict.release == "0.1.0"
    assert str(verdict).startswith("reproduced: run ")


def test_another_dialect_is_read_too(raisin, mixed):
    text = mixed.read_text(encoding="utf-8").replace(".", "#").replace(",", ";").replace("#", ",")
    path = raisin.folder / "semicolons.csv"
    path.write_text(text, encoding="utf-8")
    run = raisin.train(path, "--label", "back", "--missing", "indicator", "--decimal", "comma", "--iterations", "50")["run_dir"]
    assert verify_run(run).reproduced


def test_a_changed_cell_or_record_is_named(raisin, numbers):
    run = raisin.train(numbers, "--label", "kind", "--iterations", "60")["run_dir"]
    lines = numbers.read_text().splitlines()
    changed = raisin.folder / "changed.csv"
    changed.write_text("\n".join([*lines[:5], lines[5].replace(".", ".1", 1), *lines[6:]]))
    assert verify_run(run, data=changed).difference.startswith("data: content digest")
    shuffled = raisin.folder / "shuffled.csv"
    shuffled.write_text("\n".join([lines[0], *sorted(lines[1:])]))
    assert verify_run(run, data=shuffled).reproduced
    path = raisin.folder / run / "params.json"
    path.write_text(path.read_text().replace('"lr": 0.1', '"lr": 0.2'))
    assert verify_run(run).difference.startswith("iterations: train_loss at step 50")
    other = raisin.write("other.csv", ["city", "people"], [["Ulm", 1], ["Bonn", 2]])
    with pytest.raises(NotRepeatableError, match="not the data of this run"):
        verify_run(run, data=other)


def test_a_core_of_no_release_is_named_as_such(raisin, numbers):
    assert Core().release == "0.1.0"
    from raisin_wasm.core import packaged_core

    marked = Core(packaged_core() + bytes([0, 5, 4]) + b"mark")
    assert marked.release is None
    assert "of no release" in repr(marked)
    run = raisin.train(numbers, "--label", "kind", "--iterations", "20")["run_dir"]
    verdict = verify_run(run, core=marked)
    assert verdict.reproduced and verdict.release is None
    assert "of no release" in str(verdict)


def test_only_finished_trainings_are_derived(raisin, numbers):
    run = raisin.folder / raisin.train(numbers, "--label", "kind", "--iterations", "20")["run_dir"]
    meta = json.loads((run / "meta.json").read_text())
    (run / "meta.json").write_text(json.dumps({**meta, "status": "KILLED"}))
    with pytest.raises(NotRepeatableError, match="no finished training"):
        verify_run(run)
    with pytest.raises(NotRepeatableError):
        verify_run(raisin.folder)
