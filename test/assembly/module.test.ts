// Can any runtime take the modules: no imports, the ABI's exports, no feature too many, small?
import { readdirSync, readFileSync } from "node:fs";
import binaryen from "binaryen";
import { describe, expect, it } from "vitest";
import { expTable } from "../../scripts/exp-table.mjs";
import { BUILDS, type BuildName, instantiate, readBuild } from "../support/core-exports.ts";

const FUNCTIONS = [
  "abi",
  "contributions",
  "descend",
  "exp",
  "gradient",
  "heapBase",
  "log",
  "logits",
  "moments",
  "momentsOfIndicator",
  "momentsOfPresent",
  "pack",
  "packIndicator",
  "range",
  "score",
  "sha256",
  "sigmoid",
  "sum",
  "weightedDescend",
  "weightedGradient",
  "weightedScore",
];

const {
  MVP,
  MutableGlobals,
  SignExt,
  NontrappingFPToInt,
  BulkMemory,
  BulkMemoryOpt,
  SIMD128,
  RelaxedSIMD,
  Atomics: Threads,
} = binaryen.Features;
const WITHOUT_SIMD = MutableGlobals | SignExt | NontrappingFPToInt | BulkMemory | BulkMemoryOpt;

function isValidWith(bytes: Uint8Array, features: number): boolean {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(features);
  const { warn, error } = console;
  console.warn = console.error = () => {}; // binaryen prints what is wrong with the module
  try {
    return module.validate() === 1;
  } finally {
    Object.assign(console, { warn, error });
    module.dispose();
  }
}

/** A module with one instruction of a feature, to see that the gate closes. */
function fromText(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

describe.each(BUILDS)("build/%s.wasm", (build) => {
  const bytes = readBuild(build);
  const module = new WebAssembly.Module(bytes);

  it("imports nothing", () => {
    expect(WebAssembly.Module.imports(module)).toEqual([]);
  });

  it("exports its memory, the ABI's functions and nothing else", () => {
    const exports = WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`);
    expect(exports.sort()).toEqual([
      ...FUNCTIONS.map((name) => `function ${name}`),
      "memory memory",
    ]);
  });

  it("speaks ABI 1 and leaves the host what is free, aligned to 16", () => {
    const { abi, heapBase, memory } = instantiate(bytes);
    expect(abi()).toBe(1);
    expect(heapBase() % 16).toBe(0);
    expect(heapBase()).toBeGreaterThanOrEqual(128 * 16); // the table of exp lies below
    expect(heapBase()).toBeLessThan(memory.buffer.byteLength);
  });

  it("keeps no state: a kernel gives the same bits the second time, in a used memory", () => {
    const core = instantiate(bytes);
    const [x, out] = [core.heapBase(), core.heapBase() + 64];
    const bits = () => new BigUint64Array(core.memory.buffer, out, 1)[0];
    new Float64Array(core.memory.buffer, x, 1)[0] = 1.25;
    expect(core.exp(x, 1, out)).toBe(0);
    const first = bits();
    expect(core.exp(x, 1, out)).toBe(0);
    expect(bits()).toBe(first);
  });
});

describe("features", () => {
  const gates: [BuildName, boolean, boolean][] = [
    ["core", false, false],
    ["core.scalar", true, true],
    ["core.debug", false, false],
  ];
  it.each(gates)("build/%s.wasm: plain MVP %s, without SIMD %s", (build, isMvp, isWithoutSimd) => {
    const bytes = readBuild(build);
    expect(isValidWith(bytes, MVP)).toBe(isMvp);
    expect(isValidWith(bytes, WITHOUT_SIMD)).toBe(isWithoutSimd);
    // Atomics and relaxed SIMD are not in this set, so neither is in the module.
    expect(isValidWith(bytes, WITHOUT_SIMD | SIMD128)).toBe(true);
  });

  it("the gate closes on relaxed SIMD and on atomics", () => {
    const relaxed = fromText(`(module (func (param v128) (result v128)
      (f64x2.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))`);
    const atomic = fromText(
      "(module (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0)))))",
    );
    expect(isValidWith(relaxed, WITHOUT_SIMD | SIMD128)).toBe(false);
    expect(isValidWith(relaxed, WITHOUT_SIMD | SIMD128 | RelaxedSIMD)).toBe(true);
    expect(isValidWith(atomic, WITHOUT_SIMD | SIMD128)).toBe(false);
    expect(isValidWith(atomic, WITHOUT_SIMD | SIMD128 | Threads)).toBe(true);
  });

  it("build/core.wasm is no larger than 16 KiB", () => {
    expect(readBuild("core").length).toBeLessThanOrEqual(16 * 1024);
    expect(readBuild("core.scalar").length).toBeLessThanOrEqual(16 * 1024);
  });
});

describe("sources in assembly/", () => {
  const folder = new URL("../../assembly/", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  const EXACT = ["abs", "ceil", "floor", "max", "min", "round", "sqrt", "trunc"];

  it.each(names)("%s takes from Math only what is exact, and nothing relaxed", (name) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    const used = [...text.matchAll(/\b(?:Math|Mathf|NativeMath|JSMath)\s*\.\s*(\w+)/g)];
    expect(used.map((match) => match[1]).filter((what) => !EXACT.includes(what ?? ""))).toEqual([]);
    expect(text).not.toMatch(/relaxed/i);
  });

  it("exp-table.ts is what scripts/exp-table.mjs writes", () => {
    expect(readFileSync(new URL("exp-table.ts", folder), "utf8")).toBe(expTable());
  });
});
