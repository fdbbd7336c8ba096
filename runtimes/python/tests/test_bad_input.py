"""Does it say what is wrong, and return no number that it cannot vouch for?"""

import io
import json
import zipfile

import numpy as np
import pandas
import pytest
from raisin_wasm import Core, CoreError, Model, ModelError, RaisinClassifier, ValueRangeError
from raisin_wasm.core import packaged_core

CHANGE = """
import binaryen from "binaryen";
import { readFileSync } from "node:fs";
const module = binaryen.readBinary(readFileSync("build/core.wasm"));
module.setFeatures(binaryen.Features.All);
%s
process.stdout.write(module.emitBinary());
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            'module.removeExport("abi"); module.addFunction("two", binaryen.none, binaryen.i32, [], module.i32.const(2));'
            'module.addFunctionExport("two", "abi");',
            "interface 1, the core has 2",
        ),
        ('module.addFunctionImport("leak", "env", "leak", binaryen.none, binaryen.none);', "imports something"),
        ('module.removeExport("heapBase");', "heapBase"),
    ],
)
def test_other_cores_are_refused(node, change, says):
    with pytest.raises(CoreError, match=says):
        Core(node(CHANGE % change))


def test_what_is_no_core_is_refused():
    for wasm in (b"", b"none of it", packaged_core()[:1000]):
        with pytest.raises(CoreError):
            Core(wasm)


def test_too_little_memory_is_said(node):
    small = node(CHANGE % 'module.removeExport("memory"); module.setMemory(1, 2, "memory");')
    core = Core(small)
    columns = [np.arange(100_000.0)]
    with pytest.raises(MemoryError, match="Cannot give the core"):
        core.pack(columns, [0.0], [1.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e130])
def test_values_that_are_not_finite_or_too_large(bad):
    X = np.arange(20.0).reshape(10, 2)
    y = np.arange(10) % 2
    broken = X.copy()
    broken[3, 1] = bad
    with pytest.raises(ValueError):
        RaisinClassifier(iterations=5).fit(broken, y)
    if not np.isfinite(bad):
        with pytest.raises(ValueError):
            RaisinClassifier(iterations=5).fit(X, y).predict_proba(broken)


def test_a_range_below_what_the_core_can_carry():
    X = np.array([[0.0], [1e-130], [0.0], [1e-130]])
    with pytest.raises(ValueRangeError, match="'x0'"):
        RaisinClassifier().fit(X, [0, 1, 0, 1])


def test_a_descent_that_diverges():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    with pytest.raises(ValueRangeError, match="lower lr"):
        RaisinClassifier(lr=1e6, l2=1.0, iterations=500).fit(X, y)


@pytest.fixture
def model():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    return RaisinClassifier(iterations=5).fit(pandas.DataFrame(X, columns=["a", "b"]), y).to_model()


def test_tables_without_the_models_columns(model):
    with pytest.raises(ModelError, match=r"lacks \['b'\]"):
        model.predict_proba(pandas.DataFrame({"a": [1.0], "c": [2.0]}))
    with pytest.raises(ModelError, match="rows of 2 columns"):
        model.predict_proba(np.ones((3, 5)))
    for value, says in ((np.nan, "gap in row 1"), (np.inf, "not finite"), ("x", "no number")):
        with pytest.raises(ModelError, match=says):
            model.predict_proba(pandas.DataFrame({"a": [value], "b": [1.0]}))
    assert model.predict_proba(pandas.DataFrame({"a": [], "b": []})).shape == (0,)


def test_files_that_are_no_models(model, tmp_path):
    data = model.to_bytes()
    for bad in (b"", b"PK", data[:-30], data.replace(b"<f8", b"<f4")):
        with pytest.raises(ModelError):
            Model.load(bad)
    members = {name: zipfile.ZipFile(io.BytesIO(data)).read(name) for name in zipfile.ZipFile(io.BytesIO(data)).namelist()}

    def rewrite(changes):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in {**members, **changes}.items():
                archive.writestr(name, content)
        return file.getvalue()

    def array(values):
        file = io.BytesIO()
        np.save(file, values, allow_pickle=True)
        return file.getvalue()

    assert Model.load(rewrite({})) is not None  # the control
    for changes in (
        {"w.npy": array(np.ones(3))},
        {"w.npy": array(np.array([np.nan, 1.0]))},
        {"std.npy": array(np.array([0.0, 1.0]))},
        {"feature_names.npy": array(np.array(["a", "z"]))},
        {"class_names.npy": array(np.array(["p", "q"]))},
        {"w.npy": array(np.array([{}, {}], dtype=object))},
        {"spec.npy": array(np.array("{}"))},
        {"spec.npy": array(np.array(json.dumps({**model.spec, "format": 9})))},
        {"extra.npy": array(np.ones(1))},
    ):
        with pytest.raises(ModelError):
            Model.load(rewrite(changes))


def test_levels_and_gaps_that_a_model_does_not_know(raisin, mixed):
    raisin.train(mixed, "--label", "back", "--missing", "indicator", "--iterations", "20")
    model = Model.load(raisin.folder / "model.npz")
    row = {"age": 40.0, "town": "Ulm", "note": "short", "n": 1.0}
    with pytest.raises(ModelError, match="'Rom' in row 1, which the model has not learned"):
        model.predict_proba(pandas.DataFrame([{**row, "town": "Rom"}]))
    with pytest.raises(ModelError, match="has a gap in row 1"):
        model.predict_proba(pandas.DataFrame([{**row, "town": None}]))
    base = model.spec["columns"][1]["base"]
    as_base = model.predict_proba(pandas.DataFrame([{**row, "town": "Rom"}]), unseen="base")
    assert as_base.tolist() == model.predict_proba(pandas.DataFrame([{**row, "town": base}])).tolist()
    assert model.predict_proba(pandas.DataFrame([{**row, "note": None}])).shape == (1,)
