"""Derives a recorded run of raisin again in Python, and says where it first differs."""

import hashlib
import json
import os
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import rfc8785

from .core import Core
from .model import Model, encode, take


class NotRepeatableError(ValueError):
    """A run that cannot be derived again, or data that are not its own at all."""


@dataclass(frozen=True)
class Verdict:
    """What came of it. `difference` names the first thing that differs; None where nothing does."""

    run_id: str
    reproduced: bool
    difference: str | None
    model_digest: str
    core: str
    release: str | None

    def __str__(self):
        core = f"released with raisin {self.release}" if self.release else "of no release"
        word = "reproduced" if self.reproduced else f"not reproduced ({self.difference})"
        return f"{word}: run {self.run_id}, model {self.model_digest}, core {self.core[:12]}…, {core}"


@dataclass(frozen=True)
class Table:
    """The columns that a training used, and its labels."""

    names: list  # of input columns, in file order
    cells: list  # floats with NaN, or texts with None
    labels: np.ndarray  # [n] texts
    weights: np.ndarray | None


MARKS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
QUOTES = {"double": '"', "single": "'"}
THOUSANDS = {"none": None, "comma": ",", "point": ".", "space": " ", "apostrophe": "'"}


def read_table(path, params):
    """Reads a CSV as a run's params.json says: numbers to the nearest float64, texts as they stand.

    Raises
    ------
    NotRepeatableError
        For a file without the run's columns.
    """
    import pandas

    quote = QUOTES.get(params.get("quote", "double"))
    dialect = {
        "sep": MARKS[params.get("delimiter", "comma")],
        "encoding": "utf-8-sig",
        "keep_default_na": False,
        "skip_blank_lines": True,
        **({"quotechar": quote} if quote else {"quoting": 3}),
    }
    names, label, weight = params["features"], params["label"], params.get("weight")
    header = list(pandas.read_csv(path, nrows=0, **dialect).columns)
    missing = [name for name in [*names, label, *([weight] if weight else [])] if name not in header]
    if missing:
        raise NotRepeatableError(f"{path} is not the data of this run: it lacks the columns {missing}")
    categories = set(params.get("categorical", []))
    numbers = [name for name in header if (name in names and name not in categories) or name == weight]
    tokens = ["", *params.get("missing_tokens", [])]
    # One pass for texts, one for numbers: "round_trip" gives the nearest float64, as CONTRACT.md, N8 asks.
    texts = pandas.read_csv(path, usecols=[*categories, label], dtype=str, na_values=[], **dialect)
    with warnings.catch_warnings():
        # pandas 3 calls it deprecated, since its own default has become the same.
        warnings.filterwarnings("ignore", message=".*float_precision")
        values = pandas.read_csv(
            path,
            usecols=numbers,
            dtype=np.float64,
            float_precision="round_trip",
            na_values=tokens,
            decimal="," if params.get("decimal") == "comma" else ".",
            thousands=THOUSANDS[params.get("thousands", "none")],
            **dialect,
        )
    gaps = {token.strip(" \t") for token in tokens}
    ordered = [name for name in header if name in names]
    cells = [
        [None if text.strip(" \t") in gaps else text for text in texts[name]]
        if name in categories
        else values[name].to_numpy() + 0.0  # -0 is 0
        for name in ordered
    ]
    labels = texts[label].to_numpy(dtype=object)
    weights = values[weight].to_numpy() if weight else None
    if params.get("missing", "error") == "drop":
        kept = np.array([text.strip(" \t") not in gaps for text in labels])
        for column in cells:
            kept &= [value is not None and value == value for value in column]
        cells = [np.asarray(c)[kept] if isinstance(c, np.ndarray) else [v for v, k in zip(c, kept) if k] for c in cells]
        labels, weights = labels[kept], None if weights is None else weights[kept]
    return Table(ordered, cells, labels, weights)


def learn_columns(table, params):
    """The input columns of a spec, as `raisin train` learns them."""
    return [_learn(name, cells, params) for name, cells in zip(table.names, table.cells)]


def _learn(name, cells, params):
    has_gaps = params.get("missing", "error") == "indicator" and any(value is None or value != value for value in cells)
    missing = {"missing": "indicator"} if has_gaps else {}
    if isinstance(cells, np.ndarray):
        return {"name": name, "as": "number", **missing}
    counts = {}
    for text in cells:
        if text is not None:
            counts[text] = counts.get(text, 0) + 1
    by_count = sorted(counts, key=lambda text: (-counts[text], text))
    most = params.get("max_levels")
    kept = by_count if most is None else by_count[:most]
    levels = sorted(kept)
    return {
        "name": name,
        "as": "category",
        "levels": levels,
        "base": levels[0] if params.get("base", "first") == "first" else kept[0],
        **({"other": True} if len(kept) < len(by_count) else {}),
        **missing,
        **({"unseen": "base"} if params.get("unseen") == "base" else {}),
    }


def _number_text(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _classes(labels, params):
    if params.get("rest"):
        return [f"not {params['positive']}", params["positive"]]
    found = sorted(set(labels))
    if len(found) != 2:
        raise NotRepeatableError(f"The data have the classes {found[:4]}, and a run has two")
    return [found[1 - found.index(params["positive"])], params["positive"]] if params["positive"] in found else found


def _sorted_labels(classes):
    values = [_number_text(name) for name in classes]
    if None in values:
        return sorted(classes)
    return [name for _, name in sorted(zip(values, classes))]


def row_digests(table, labels):
    """[n] SHA-256 of each row's cells and label (N10)."""
    text_cell = {}

    def text(value):
        if value not in text_cell:
            data = value.encode()
            text_cell[value] = b"\x02" + struct.pack("<I", len(data)) + data
        return text_cell[value]

    columns = []
    for cells in table.cells:
        if isinstance(cells, np.ndarray):
            columns.append([b"\x00" if value != value else b"\x01" + struct.pack("<d", value) for value in cells.tolist()])
        else:
            columns.append([b"\x00" if value is None else text(value) for value in cells])
    columns.append([text(label) for label in labels])
    return [hashlib.sha256(b"".join(row)).digest() for row in zip(*columns)]


def content_digest(table, digests, classes, params):
    """The digest of a dataset, whatever the order of its rows (N10)."""
    header = {"classes": _sorted_labels(classes), "columns": table.names, "label": params["label"]}
    if table.weights is not None:
        header["weight"] = params["weight"]
        pack = struct.Struct("<d").pack
        digests = [hashlib.sha256(d + b"\x01" + pack(s)).digest() for d, s in zip(digests, table.weights.tolist())]
    buckets = [[] for _ in range(256)]
    for digest in digests:
        buckets[digest[0]].append(digest)
    parts = [hashlib.sha256(b"".join(sorted(bucket))).digest() for bucket in buckets]
    return hashlib.sha256(rfc8785.dumps(header) + b"\0" + b"".join(parts)).hexdigest()


def split_rows(digests, y, fraction, seed):
    """(training rows, validation rows), by content (N9)."""
    validates = np.zeros(len(y), dtype=bool)
    if fraction > 0:
        prefix = struct.pack("<Q", seed)
        keys = [hashlib.sha256(prefix + digest).digest() for digest in digests]
        for label in (0, 1):
            rows = sorted(np.flatnonzero(y == label).tolist(), key=lambda row: keys[row])
            wanted = min(int(np.floor(fraction * len(rows) + 0.5)), len(rows) - 1)
            taken = start = 0
            while start < len(rows):
                end = start + 1
                while end < len(rows) and keys[rows[end]] == keys[rows[start]]:
                    end += 1
                if taken + end - start <= wanted:
                    validates[rows[start:end]] = True
                    taken += end - start
                start = end
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def train(core, table, params):
    """(model, {(key, step): value}): what `raisin train` makes of these rows and parameters."""
    classes = _classes(table.labels, params)
    labels = np.where(table.labels == params["positive"], params["positive"], classes[0]) if params.get("rest") else table.labels
    y = (labels == classes[1]).astype(np.uint8)
    digests = row_digests(table, labels)
    rows, validation = split_rows(digests, y, params["val_fraction"], params["seed"])
    columns = learn_columns(table, params)
    features = encode(columns, table.cells, "base")
    weights = table.weights
    if params.get("class_weight", "none") == "balanced":
        own = np.ones(len(y)) if weights is None else weights
        part = [own[rows][y[rows] == label] for label in (0, 1)]
        sums = [core.sum(each, each.max()) for each in part]
        weights = own * np.array([sum(sums) / (2 * each) for each in sums])[y]
    core.reset()
    own = [take(feature, rows) for feature in features]
    moments = core.standardise(own)
    packed = core.pack(own, moments.mean, moments.std).label(y[rows], None if weights is None else weights[rows])
    held = None
    if len(validation) and (weights is None or weights[validation].any()):
        held = core.pack([take(feature, validation) for feature in features], moments.mean, moments.std)
        held.label(y[validation], None if weights is None else weights[validation])
    steps, threshold = params["iterations"], params["threshold"]
    w, step, metrics = np.zeros(len(features) + 1), 0, {}
    while True:
        metrics["gradient_max", step] = np.abs(packed.gradient(w, moments.bounds, params["l2"])).max()
        for prefix, part in (("train", packed), ("val", held)):
            if part is not None:
                loss, _, right = part.score(w, threshold)
                metrics[f"{prefix}_loss", step], metrics[f"{prefix}_accuracy", step] = loss, right / part.weight
        if step == steps:
            break
        some = min(params["log_every"], steps - step)
        w = packed.descend(w, moments.bounds, params["lr"], params["l2"], some)
        step += some
    needs_tokens = any("missing" in column for column in columns)
    plain = all(column["as"] == "number" and "missing" not in column for column in columns)
    spec = {
        "format": 1 if plain and not params.get("rest") else 2,
        "label": params["label"],
        "classes": classes,
        "threshold": threshold,
        "columns": columns,
        **({"rest": True} if params.get("rest") else {}),
        **({"missing_tokens": sorted(set(params["missing_tokens"]))} if needs_tokens else {}),
    }
    return Model(spec, moments.mean, moments.std, w[:-1], float(w[-1]), core), metrics, digests, classes


def verify_run(directory, data=None, core=None):
    """Derives a run of raisin again: data content, every byte of model.npz, and the metrics of its descent.

    Parameters
    ----------
    directory : path
        Of the run: it holds meta.json, params.json, metrics.jsonl and artifacts.
    data : path, optional
        The table; by default where the run found it.
    core : Core, optional
        By default the run's own, which must be one that this host can use.

    Raises
    ------
    NotRepeatableError
        For a run that is no finished training, or data that are not its own at all.
    """
    read = lambda *parts: open(os.path.join(directory, *parts), "rb").read()
    try:
        meta, params = json.loads(read("meta.json")), json.loads(read("params.json"))
        recorded = meta["dataset"]["content_digest"], meta["model_digest"], meta["core_digest"]
    except (OSError, ValueError, KeyError) as error:
        raise NotRepeatableError(f"Cannot verify {directory}: {error}") from error
    if meta.get("kind") != "train" or meta.get("status") != "FINISHED":
        raise NotRepeatableError(f"Cannot verify run {meta.get('run_id')}: it is no finished training")
    content, model_digest, core_digest = recorded
    wasm = read("artifacts", "core", "core.wasm")
    own = core or Core(wasm)

    def verdict(difference):
        return Verdict(meta["run_id"], difference is None, difference, model_digest, own.digest, own.release)

    if hashlib.sha256(wasm).hexdigest() != core_digest:
        return verdict("core: artifacts/core/core.wasm has another digest than meta.json records")
    table = read_table(data or meta["dataset"]["path"], params)
    model, metrics, digests, classes = train(own, table, params)
    found = content_digest(table, digests, classes, params)
    if found != content:
        return verdict(f"data: content digest {found}, the run recorded {content}")
    for line in read("metrics.jsonl").decode().splitlines():
        record = json.loads(line)
        value = metrics.get((record["key"], record["step"]))
        if value is not None and value != record["value"]:
            return verdict(f"iterations: {record['key']} at step {record['step']} is {record['value']}, derived again {value}")
    if model.digest() != model_digest:
        return verdict(f"model: digest {model.digest()}, the run recorded {model_digest}")
    if model.to_bytes() != read("artifacts", "model", "model.npz"):
        return verdict("encoding: model.npz has other bytes")
    return verdict(None)
