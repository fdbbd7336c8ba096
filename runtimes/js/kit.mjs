// Runs the kit on a core in any JavaScript engine, and says what is equal (runtimes/kit/README.md).

const word = new DataView(new ArrayBuffer(8));

/** @returns the core's exports, and where a host's memory begins */
function instantiate(module, bytes) {
  const core = new WebAssembly.Instance(module, {}).exports;
  if (core.abi() !== 1) throw new Error(`this host knows interface 1, the core has ${core.abi()}`);
  const base = core.heapBase() >>> 0;
  const missing = base + bytes - core.memory.buffer.byteLength;
  if (missing > 0) core.memory.grow(Math.ceil(missing / 65536)); // throws where there is no more
  return { core, base };
}

function argument(text, base) {
  if (text.startsWith("@")) return base + Number(text.slice(1));
  if (!text.startsWith("=")) return Number(text);
  word.setBigUint64(0, BigInt(`0x${text.slice(1)}`));
  return word.getFloat64(0);
}

/**
 * @param module a compiled core
 * @param start when the program began, by the same clock as `now`
 * @returns the lines that a runner prints, and its exit code
 */
export function runKit(module, text, start = 0, now = () => 0) {
  const lines = [];
  let [name, core, base, isFirst] = ["", null, 0, true];
  for (const line of text.split("\n")) {
    const [verb, what, place, ...words] = line.split(" ");
    if (verb === "case") {
      name = what;
      ({ core, base } = instantiate(module, Number(place)));
    } else if (verb === "put" || verb === "raw") {
      const view = new DataView(core.memory.buffer, base + Number(place));
      words.forEach((hex, k) => {
        view.setBigUint64(8 * k, BigInt(`0x${hex}`), true);
        if (verb === "put" && !Number.isFinite(view.getFloat64(8 * k, true))) {
          throw new Error(`${name} ${what}: a value is not finite`);
        }
      });
    } else if (verb === "call") {
      const args = line.split(" ").slice(2);
      const status = core[what](...args.map((arg) => argument(arg, base)));
      if (status !== 0) throw new Error(`${name} ${what}: status ${status}`);
    } else if (verb === "expect") {
      const view = new DataView(core.memory.buffer, base + Number(place));
      const got = (k) =>
        view
          .getBigUint64(8 * k, true)
          .toString(16)
          .padStart(16, "0");
      const at = words.findIndex((hex, k) => hex !== got(k));
      if (isFirst) lines.push(`first ${(now() - start).toFixed(1)}`);
      isFirst = false;
      lines.push(
        at < 0
          ? `equal ${name} ${what}`
          : `different ${name} ${what} ${at} ${got(at)} ${words[at]}`,
      );
    }
  }
  return { lines, code: Number(lines.some((line) => line.startsWith("different"))) };
}
