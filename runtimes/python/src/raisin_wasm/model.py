"""Models as they stand in model.npz: opened, written in the same bytes, applied to arrays and tables."""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass, field

import numpy as np
import rfc8785

from .core import ROWS_PER_CALL, Core, Indicator, Optional, shared_core

KEYS = ("w", "b", "mean", "std", "feature_names", "class_names", "spec")
DIGEST_KEYS = ("spec", "feature_names", "class_names", "mean", "std", "w", "b")
FILE_BYTES_MAX = 16 << 20


class ModelError(ValueError):
    """A file that is no sound model, or a table that a model cannot read."""


def features_of(column):
    """Names of the features of an input column of a spec."""
    name, missing = column["name"], [f"{column['name']} is missing"] if "missing" in column else []
    if column["as"] == "number":
        return [name, *missing]
    levels = [f"{name}={level}" for level in column["levels"] if level != column["base"]]
    return [*levels, *([f"{name} is other"] if column.get("other") else []), *missing]


def encode(columns, cells, unseen=None):
    """Features of input columns: [n] floats with NaN for gaps, or [n] texts with None for gaps.

    Raises
    ------
    ModelError
        For a gap or a level that the column does not know.
    """
    features = []
    for column, values in zip(columns, cells):
        name, has_gaps = column["name"], "missing" in column
        if column["as"] == "number":
            values = _numbers(values, name)
            gaps = np.isnan(values)
            if np.isinf(values).any():
                raise ModelError(f"Column {name!r} holds a value that is not finite")
            if not has_gaps and gaps.any():
                raise ModelError(f"Column {name!r} has a gap in row {int(gaps.argmax()) + 1}, and the model knows none there")
            features += [Optional(values), Indicator(gaps.astype(np.int32), 1)] if has_gaps else [values]
            continue
        names = features_of(column)
        others = [level for level in column["levels"] if level != column["base"]]
        place = {level: code for code, level in enumerate(others)} | {column["base"]: -1}
        how = unseen or column.get("unseen", "error")
        other = len(others) if column.get("other") else -1
        codes = np.empty(len(values), dtype=np.int32)
        for row, value in enumerate(values):
            if value is None or value != value:
                if not has_gaps:
                    raise ModelError(f"Column {name!r} has a gap in row {row + 1}, and the model knows none there")
                codes[row] = len(names) - 1
            elif value in place:
                codes[row] = place[value]
            elif other < 0 and how == "error":
                raise ModelError(f"Column {name!r} has {value!r} in row {row + 1}, which the model has not learned")
            else:
                codes[row] = other
        features += [Indicator(codes, code) for code in range(len(names))]
    return features


def _numbers(values, name):
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"Column {name!r} holds what is no number: {error}") from error


@dataclass(frozen=True)
class Model:
    """A logistic regression over standardised features.

    Parameters
    ----------
    spec : dict
        Label, classes, threshold and input columns, as model.npz has it.
    mean, std, w : ndarray of shape (d,)
    b : float
    """

    spec: dict
    mean: np.ndarray
    std: np.ndarray
    w: np.ndarray
    b: float
    core: Core = field(default_factory=shared_core, compare=False, repr=False)

    @property
    def feature_names(self):
        return [name for column in self.spec["columns"] for name in features_of(column)]

    @property
    def input_names(self):
        return [column["name"] for column in self.spec["columns"]]

    @property
    def classes(self):
        return tuple(self.spec["classes"])

    @property
    def weights(self):
        return np.append(self.w, self.b)

    # Files

    def members(self):
        """The arrays of model.npz as the bytes of .npy files, by key."""
        arrays = {
            "w": self.w,
            "b": np.float64(self.b),
            "mean": self.mean,
            "std": self.std,
            "feature_names": np.array(self.feature_names),
            "class_names": np.array(self.classes),
            "spec": np.array(rfc8785.dumps(self.spec).decode()),
        }
        found = {}
        for key in KEYS:
            file = io.BytesIO()
            np.lib.format.write_array(file, np.asarray(arrays[key]), version=(1, 0), allow_pickle=False)
            found[key] = file.getvalue()
        return found

    def digest(self):
        """The model digest (N10), 64 hex digits."""
        members = self.members()
        return hashlib.sha256(b"".join(members[key] for key in DIGEST_KEYS)).hexdigest()

    def to_bytes(self):
        """model.npz, in the bytes that every host of the core writes."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for key, content in self.members().items():
                info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o600 << 16
                archive.writestr(info, content)
        return file.getvalue()

    def save(self, path):
        """Writes model.npz: the whole file, or what was there before."""
        temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
        with open(temporary, "xb") as file:
            file.write(self.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)

    @classmethod
    def load(cls, source, core=None):
        """Opens a model.npz: a path, or its bytes.

        Raises
        ------
        ModelError
            For a file that is no sound model.
        """
        data = source if isinstance(source, bytes) else _read(source)
        if len(data) > FILE_BYTES_MAX:
            raise ModelError(f"Cannot read the model: it has {len(data)} bytes, at most {FILE_BYTES_MAX} are allowed")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sorted(archive.namelist()) != sorted(f"{key}.npy" for key in KEYS):
                    raise ModelError(f"Cannot read the model: its members are {archive.namelist()}")
                if sum(info.file_size for info in archive.infolist()) > FILE_BYTES_MAX:
                    raise ModelError("Cannot read the model: its members are larger than a model can be")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {key: arrays[key] for key in KEYS}
            spec = json.loads(str(found["spec"]))
            model = cls(spec, found["mean"], found["std"], found["w"], float(found["b"]), core or shared_core())
            model._check(found)
        except ModelError:
            raise
        except Exception as error:  # whatever a hostile file makes NumPy, zipfile or json say
            raise ModelError(f"Cannot read the model: {error}") from error
        return model

    def _check(self, found):
        if self.spec.get("format") not in (1, 2):
            raise ModelError(f"Cannot read the model: its format is {self.spec.get('format')!r}, this version knows 1 and 2")
        numbers = [self.mean, self.std, self.w]
        d = len(self.feature_names)
        if any(a.dtype != np.float64 or a.shape != (d,) or not np.isfinite(a).all() for a in numbers):
            raise ModelError(f"Cannot read the model: mean, std and w must be {d} finite numbers")
        if not (self.std > 0).all() or not np.isfinite(self.b) or found["b"].shape != ():
            raise ModelError("Cannot read the model: std must be above 0, and b one finite number")
        if found["feature_names"].tolist() != self.feature_names or found["class_names"].tolist() != list(self.classes):
            raise ModelError("Cannot read the model: its names are not those of its spec")
        if rfc8785.dumps(self.spec).decode() != str(found["spec"]):
            raise ModelError("Cannot read the model: its spec is not canonical JSON")

    # Predictions

    def features(self, table, unseen=None):
        """Features of a DataFrame with the model's input columns (others do not matter), or of an array [n, inputs]."""
        return encode(self.spec["columns"], self._cells(table), unseen)

    def _cells(self, table):
        names = self.input_names
        if hasattr(table, "columns"):
            missing = [name for name in names if name not in table.columns]
            if missing:
                raise ModelError(f"Cannot predict: the table lacks {missing}; the model's columns are {names}")
            return [_cells_of(table[column["name"]], column) for column in self.spec["columns"]]
        array = np.asarray(table)
        if array.ndim != 2 or array.shape[1] != len(names):
            raise ModelError(f"Cannot predict: give rows of {len(names)} columns {names}, not shape {array.shape}")
        return [_cells_of(array[:, j], column) for j, column in enumerate(self.spec["columns"])]

    def _each(self, table, unseen):
        features = self.features(table, unseen)
        n, core = len(features[0]), self.core.here()
        for start in range(0, n, ROWS_PER_CALL):
            part = slice(start, start + ROWS_PER_CALL)
            core.reset()
            yield part, core.pack([take(one, part) for one in features], self.mean, self.std)

    def predict_proba(self, table, unseen=None):
        """[n] probabilities of class 1, the bits that `raisin predict` gives."""
        return np.concatenate([rows.predict(self.weights)[1] for _, rows in self._each(table, unseen)] or [np.empty(0)])

    def decision_function(self, table, unseen=None):
        """[n] logits."""
        return np.concatenate([rows.predict(self.weights)[0] for _, rows in self._each(table, unseen)] or [np.empty(0)])

    def predict(self, table, unseen=None):
        """[n] names of classes."""
        above = self.predict_proba(table, unseen) >= self.spec["threshold"]
        return np.array(self.classes)[above.astype(int)]

    def explain(self, table, unseen=None):
        """[n, d] what each feature adds to the logit: the bias and these, in order, are the logit to the last bit.

        A DataFrame gives a DataFrame.
        """
        parts = [rows.contributions(self.weights) for _, rows in self._each(table, unseen)]
        values = np.concatenate(parts or [np.empty((0, len(self.w)))])
        if hasattr(table, "columns"):
            return type(table)(values, index=table.index, columns=self.feature_names)
        return values


def _read(path):
    with open(path, "rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def _cells_of(values, column):
    if column["as"] == "number":
        return values
    return [None if value is None or value != value else str(value) for value in np.asarray(values, dtype=object)]


def take(feature, rows):
    """Some rows of a feature."""
    if isinstance(feature, Indicator):
        return Indicator(feature.codes[rows], feature.code)
    return Optional(feature.values[rows]) if isinstance(feature, Optional) else feature[rows]
