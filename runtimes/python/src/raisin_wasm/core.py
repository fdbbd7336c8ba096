"""A host of the core in Python: arrays in, arrays out, no addresses. Written from assembly/README.md."""

import ctypes
import hashlib
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import wasmtime

ABI = 1
TILE = 8
WORK = 6  # values of scratch memory a feature, and once more for the bias
VALUE_LIMIT = 2.0**400
RANGE_LIMIT = 2.0**-400
PAGE = 65536
CELLS_PER_CALL = 2**28  # rows · features · steps: a call cannot be interrupted
ROWS_PER_CALL = 1 << 16  # rows that are scored at once: they stay in the processor's cache


class CoreError(RuntimeError):
    """A core that this host cannot use, or that did not do its work."""


class ValueRangeError(ValueError):
    """Values that the numbers of the core cannot carry: not finite, too large, or too close together."""


class _Kernel:
    """An exported function that returns an i32, ready to be called many times.

    wasmtime's own call asks for the function's type each time, which takes thirty times as long as the call. Its C
    interface has one that does not; where the package does not show that, its own is used.
    """

    def __init__(self, store, function):
        self._store, self._function = store, function
        kind = function.type(store)
        self._fields = [str(one) for one in kind.params]
        self._raw = None
        if _ffi is not None and set(self._fields) <= {"i32", "f64"} and [str(one) for one in kind.results] == ["i32"]:
            self._raw = (_ffi.wasmtime_val_raw_t * max(1, len(self._fields)))()

    def __call__(self, *args):
        if self._raw is None:
            return self._function(self._store, *args)
        if len(args) != len(self._fields):
            raise TypeError(f"{len(self._fields)} arguments are needed, {len(args)} were given")
        for slot, field, value in zip(self._raw, self._fields, args):
            if field == "f64":
                slot.f64 = value
            else:
                slot.i32 = value
        trap = ctypes.POINTER(_ffi.wasm_trap_t)()
        error = _ffi.wasmtime_func_call_unchecked(
            self._store._context(),
            ctypes.byref(self._function._func),
            self._raw,
            len(self._raw),
            ctypes.byref(trap),
        )
        if error:
            _ffi.wasmtime_error_delete(error)
        if trap:
            _ffi.wasm_trap_delete(trap)
        if error or trap:
            raise CoreError("it trapped")
        return self._raw[0].i32


def _find_ffi():
    try:
        from wasmtime import _ffi as found

        names = ("wasmtime_val_raw_t", "wasmtime_func_call_unchecked", "wasm_trap_t", "wasm_trap_delete", "wasmtime_error_delete")
        return found if all(hasattr(found, name) for name in names) else None
    except ImportError:
        return None


_ffi = _find_ffi()


@dataclass(frozen=True)
class Indicator:
    """A feature that is 1 where codes have a code, and 0 elsewhere."""

    codes: np.ndarray  # [n] int32
    code: int

    def __len__(self):
        return len(self.codes)


@dataclass(frozen=True)
class Optional:
    """A feature whose missing values (NaN) stand at the mean of the others."""

    values: np.ndarray  # [n] float64

    def __len__(self):
        return len(self.values)


@dataclass(frozen=True)
class Moments:
    mean: np.ndarray  # [d]
    std: np.ndarray  # [d]
    bounds: np.ndarray  # [d] largest magnitudes of the standardised values


def padded(n):
    return -(-n // TILE) * TILE


@lru_cache(maxsize=4)
def _compiled(wasm):
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, wasm)


@lru_cache(maxsize=1)
def packaged_core():
    """The bytes of the packaged core."""
    return resources.files(__package__).joinpath("core.wasm").read_bytes()


@lru_cache(maxsize=1)
def released_cores():
    """Versions by the SHA-256 of their core."""
    text = resources.files(__package__).joinpath("released.json").read_text()
    return {entry["core"]: entry["version"] for entry in json.loads(text)}


class Core:
    """An instance of the core and its memory. It serves one thread; others get one of their own by `here()`.

    Parameters
    ----------
    wasm : bytes, optional
        A core; by default the packaged one.

    Raises
    ------
    CoreError
        For bytes that are no core, one that imports anything, or one of another interface.
    """

    def __init__(self, wasm=None):
        wasm = packaged_core() if wasm is None else bytes(wasm)
        self._wasm, self._owner, self._others = wasm, threading.get_ident(), threading.local()
        self.digest = hashlib.sha256(wasm).hexdigest()
        self.release = released_cores().get(self.digest)
        try:
            engine, module = _compiled(wasm)
            if module.imports:
                raise CoreError("Cannot use this core: it imports something")
            self._store = wasmtime.Store(engine)
            self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
            abi = self._exports["abi"](self._store)
            self._base = self._exports["heapBase"](self._store) & 0xFFFFFFFF
            self._memory = self._exports["memory"]
            self._kernels = {}
        except (wasmtime.WasmtimeError, wasmtime.Trap, KeyError) as error:
            raise CoreError(f"Cannot use this core: {error}") from error
        if abi != ABI:
            raise CoreError(f"Cannot use this core: this host knows interface {ABI}, the core has {abi}")
        self._next = self._base

    def __repr__(self):
        name = f"released with raisin {self.release}" if self.release else "of no release"
        return f"<core {self.digest[:12]}…, {name}>"

    def here(self):
        """An instance of the same core for the calling thread: this one where it was made."""
        if threading.get_ident() == self._owner:
            return self
        if not hasattr(self._others, "core"):
            self._others.core = Core(self._wasm)
        return self._others.core

    # Memory

    def reset(self):
        """Gives back all memory."""
        self._next = self._base

    def _place(self, count):
        address = self._next
        self._next += -(-count // 2) * 16
        missing = self._next - self._memory.data_len(self._store)
        if missing > 0:
            try:
                self._memory.grow(self._store, -(-missing // PAGE))
            except wasmtime.WasmtimeError as error:
                raise MemoryError(f"Cannot give the core {self._next >> 20} MiB of memory") from error
        return address

    def _view(self, address, count, dtype=np.float64):
        """A view of the core's memory: made anew at each use, since growing may move it."""
        size = count * np.dtype(dtype).itemsize
        pointer = self._memory.data_ptr(self._store)
        start = ctypes.addressof(pointer.contents) + address
        return np.frombuffer((ctypes.c_ubyte * size).from_address(start), dtype=dtype)

    def _put(self, values, count=None):
        address = self._place(len(values) if count is None else count)
        view = self._view(address, len(values) if count is None else count)
        view[: len(values)] = values
        view[len(values) :] = 0
        return address

    def _take(self, address, count):
        return self._view(address, count).copy()

    def _call(self, name, *args):
        try:
            kernel = self._kernels.get(name)
            if kernel is None:
                kernel = self._kernels[name] = _Kernel(self._store, self._exports[name])
            status = kernel(*args)
        except (wasmtime.Trap, wasmtime.WasmtimeError, CoreError, KeyError) as error:
            raise CoreError(f"Cannot run kernel {name}: {error}") from error
        if status != 0:
            raise CoreError(f"Cannot run kernel {name}: status {status}")

    # Statistics

    def moments(self, column, name="x"):
        """(mean, std, bound) of a feature (N5).

        Raises
        ------
        ValueRangeError
            For a value that is not finite or beyond 2^400, or a range below 2^-400 that is not 0.
        """
        mark = self._next
        out = self._place(2)
        try:
            if isinstance(column, Indicator):
                ones = int(np.count_nonzero(column.codes == column.code))
                self._call("momentsOfIndicator", ones, len(column), out)
                low, high = (0.0 if ones < len(column) else 1.0), (1.0 if ones else 0.0)
            else:
                values = column.values if isinstance(column, Optional) else column
                present = values[~np.isnan(values)] if isinstance(column, Optional) else values
                if len(present) == 0:
                    return 0.0, 1.0, 0.0
                low, high = self._range(present, name)
                x = self._put(present)
                if isinstance(column, Optional):
                    self._call("momentsOfPresent", x, len(present), len(column), low, high, out)
                else:
                    self._call("moments", x, len(present), low, high, out)
            mean, std = self._take(out, 2)
        finally:
            self._next = mark
        return mean, std, max(abs((low - mean) / std), abs((high - mean) / std))

    @staticmethod
    def _range(values, name):
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueRangeError(f"Cannot standardise column {name!r}: a value is not finite")
        if max(-low, high) > VALUE_LIMIT or (low < high and high - low < RANGE_LIMIT):
            raise ValueRangeError(
                f"Cannot standardise column {name!r}: magnitudes must be at most 2^400, and a range 0 or at least 2^-400"
            )
        return low, high

    def standardise(self, columns, names=None):
        """Moments of features."""
        names = [f"x{j}" for j in range(len(columns))] if names is None else names
        found = [self.moments(column, name) for column, name in zip(columns, names)]
        return Moments(*(np.array(part, dtype=np.float64) for part in zip(*found)))

    def standardised(self, columns, names=None):
        """(rows, moments): features of plain numbers, standardised by their own moments, each copied once."""
        n, d = len(columns[0]), len(columns)
        names = [f"x{j}" for j in range(d)] if names is None else names
        X, out = self._place(padded(n) * d), self._place(2)
        mark, found = self._next, []
        for j, column in enumerate(columns):
            x = self._place(n)
            self._view(x, n)[:] = column
            low, high = self._range(self._view(x, n), names[j])
            self._call("moments", x, n, low, high, out)
            mean, std = self._take(out, 2).tolist()
            self._call("pack", x, n, mean, std, X, d, j)
            found.append((mean, std, max(abs((low - mean) / std), abs((high - mean) / std))))
            self._next = mark
        moments = Moments(*(np.array(part, dtype=np.float64) for part in zip(*found)))
        return Rows(self, X, n, d), moments

    def sum(self, values, bound):
        """The sum of values, whatever their order (N4)."""
        mark = self._next
        try:
            out = self._place(1)
            self._call("sum", self._put(values), len(values), float(bound), out)
            return self._take(out, 1)[0]
        finally:
            self._next = mark

    # Rows

    def pack(self, columns, mean, std):
        """Standardised rows in the core's memory."""
        n, d = len(columns[0]), len(columns)
        X = self._place(padded(n) * d)
        mark = self._next
        for j, column in enumerate(columns):
            mu, sigma = float(mean[j]), float(std[j])
            if isinstance(column, Indicator):
                codes = self._place(-(-padded(n) // 2))
                self._view(codes, n, np.int32)[:] = column.codes
                self._call("packIndicator", codes, n, column.code, mu, sigma, X, d, j)
            else:
                values = column.values if isinstance(column, Optional) else column
                x = self._place(n)
                view = self._view(x, n)
                view[:] = values
                if isinstance(column, Optional):
                    view[np.isnan(view)] = mu
                self._call("pack", x, n, mu, sigma, X, d, j)
            self._next = mark
        return Rows(self, X, n, d)


class Rows:
    """Standardised rows in a core's memory, until its next reset."""

    def __init__(self, core, X, n, d):
        self.core, self.n, self.d = core, n, d
        self._X = X
        self._y = self._s = None
        self.weight = float(n)
        self._most = 1.0

    def label(self, y, weights=None):
        """Labels (0 or 1), and weights, of these rows."""
        core = self.core
        self._y = core._put(np.asarray(y, dtype=np.float64), padded(self.n))
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            self._most = float(weights.max())
            if not RANGE_LIMIT <= self._most <= VALUE_LIMIT:
                raise ValueRangeError(f"Cannot weigh rows: the largest weight is {self._most}")
            self.weight = float(core.sum(weights, self._most))
            self._s = core._put(weights, padded(self.n))
        return self

    def predict(self, w):
        """(logits, probabilities) of all rows. @param w: weights, the bias last"""
        core, mark = self.core, self.core._next
        try:
            z, p = self._predict(w)
            return core._take(z, self.n), core._take(p, self.n)
        finally:
            core._next = mark

    def _predict(self, w):
        core = self.core
        at = core._put(w)
        z, p = core._place(padded(self.n)), core._place(padded(self.n))
        core._call("logits", self._X, self.n, self.d, at, z)
        if not np.isfinite(core._view(z, self.n)).all():
            raise ValueRangeError("Cannot score these rows: a logit is not finite")
        core._call("sigmoid", z, self.n, p)
        return z, p

    def score(self, w, threshold):
        """(mean loss, mean squared error, weight of the rows that are right)."""
        core, mark = self.core, self.core._next
        try:
            out = core._place(3)
            _, p = self._predict(w)
            if self._s is None:
                core._call("score", p, self._y, self.n, threshold, out)
            else:
                core._call("weightedScore", p, self._y, self._s, self.n, threshold, self._most, out)
            loss, squares, right = core._take(out, 3)
            return loss / self.weight, squares / self.weight, right
        finally:
            core._next = mark

    def contributions(self, w):
        """[n, d]: what each feature adds to the logit."""
        core, mark = self.core, self.core._next
        try:
            out = core._place(self.n * self.d)
            core._call("contributions", self._X, self.n, self.d, core._put(w), out)
            return core._take(out, self.n * self.d).reshape(self.n, self.d)
        finally:
            core._next = mark

    def _problem(self, w, bounds):
        core = self.core
        B = core._put(np.append(bounds, 1.0) * self._most)
        return core._put(w), B, core._place(WORK * (self.d + 1))

    def gradient(self, w, bounds, l2):
        """[d + 1], the bias last."""
        core, mark, l2 = self.core, self.core._next, float(l2)
        try:
            at, B, work = self._problem(w, bounds)
            out = core._place(self.d + 1)
            rows = (self._X, self.n, self.d, self._y)
            if self._s is None:
                core._call("gradient", *rows, at, B, work, l2, out)
            else:
                core._call("weightedGradient", *rows, self._s, self.weight, at, B, work, l2, out)
            return core._take(out, self.d + 1)
        finally:
            core._next = mark

    def descend(self, w, bounds, lr, l2, steps):
        """Weights after more steps of gradient descent (N7). Steps may be divided between calls as one likes.

        Raises
        ------
        ValueRangeError
            When the weights leave what the core can carry: the learning rate is too large.
        """
        core, mark, lr, l2 = self.core, self.core._next, float(lr), float(l2)
        try:
            at, B, work = self._problem(w, bounds)
            rows = (self._X, self.n, self.d, self._y)
            at_once = max(1, CELLS_PER_CALL // (self.n * self.d))
            while steps > 0:
                some = min(steps, at_once)
                if self._s is None:
                    core._call("descend", *rows, at, B, work, lr, l2, some)
                else:
                    core._call("weightedDescend", *rows, self._s, self.weight, at, B, work, lr, l2, some)
                steps -= some
                if not (np.abs(core._view(at, self.d + 1)) <= VALUE_LIMIT).all():
                    raise ValueRangeError("The weights grew beyond 2^400: lower lr")
            return core._take(at, self.d + 1)
        finally:
            core._next = mark


@lru_cache(maxsize=1)
def shared_core():
    """The packaged core, for predictions: ask `here()` for the calling thread's instance."""
    return Core()
