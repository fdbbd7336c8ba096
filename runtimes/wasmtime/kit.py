"""Runs the kit on wasmtime: python kit.py core.wasm kit.txt (runtimes/kit/README.md; the interface: assembly/README.md)."""
import math
import struct
import sys
import time

START = time.perf_counter()

import wasmtime  # noqa: E402  (the clock begins before it is loaded)


class Host:
    """A core, and where the host's part of its memory begins."""

    def __init__(self, engine, module, size):
        self.store = wasmtime.Store(engine)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        abi = self.exports["abi"](self.store)
        if abi != 1:
            raise ValueError(f"this host knows interface 1, the core has {abi}")
        self.base = self.exports["heapBase"](self.store) & 0xFFFFFFFF
        self.memory = self.exports["memory"]
        missing = self.base + size - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, -(-missing // 65536))

    def argument(self, text):
        if text[0] == "@":
            return self.base + int(text[1:])
        return number(text[1:]) if text[0] == "=" else int(text)

    def call(self, name, words):
        status = self.exports[name](self.store, *map(self.argument, words))
        if status != 0:
            raise ValueError(f"{name}: status {status}")

    def write(self, address, words):
        data = b"".join(bytes.fromhex(word)[::-1] for word in words)
        self.memory.write(self.store, data, self.base + address)

    def read(self, address, count):
        data = self.memory.read(self.store, self.base + address, self.base + address + 8 * count)
        return [bytes(data[8 * k : 8 * k + 8][::-1]).hex() for k in range(count)]


def number(word):
    return struct.unpack(">d", bytes.fromhex(word))[0]


def run(core, kit):
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, core)
    host, name, is_first, code = None, "", True, 0
    for line in open(kit, encoding="utf-8"):
        verb, *words = line.split() or [""]
        if verb == "case":
            name, host = words[0], Host(engine, module, int(words[1]))
        elif verb in ("put", "raw"):
            if verb == "put" and not all(math.isfinite(number(word)) for word in words[2:]):
                raise ValueError(f"{name} {words[0]}: a value is not finite")
            host.write(int(words[1]), words[2:])
        elif verb == "call":
            host.call(words[0], words[1:])
        elif verb == "expect":
            got, wanted = host.read(int(words[1]), len(words) - 2), words[2:]
            if is_first:
                print(f"first {(time.perf_counter() - START) * 1000:.1f}")
                is_first = False
            if got == wanted:
                print(f"equal {name} {words[0]}")
            else:
                at = next(k for k, word in enumerate(wanted) if word != got[k])
                print(f"different {name} {words[0]} {at} {got[at]} {wanted[at]}")
                code = 1
    return code


if __name__ == "__main__":
    try:
        sys.exit(run(*sys.argv[1:3]))
    except (ValueError, OSError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
