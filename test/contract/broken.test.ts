// Would the contract notice a wrong core? Cores are broken on purpose, and each must be reported.

import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";
import { describe, expect, it } from "vitest";
import {
  Arena,
  BUILDS,
  type BuildName,
  type CoreExports,
  instantiate,
  openCore,
  padded,
  readBuild,
} from "../support/core-exports.ts";
import { step } from "./bits.ts";
import { createCases, differences, resultsOf } from "./cases.ts";
import { SEED } from "./core.contract.ts";
import { reference } from "./reference.ts";

const cases = createCases(SEED);
const expected = resultsOf(reference, cases);

/** The kernels that the contract finds wrong. */
function findWrong(exports: CoreExports): string[] {
  const lines = differences(cases, resultsOf(openCore(exports), cases), expected);
  return [...new Set(lines.map((line) => line.slice(0, line.indexOf("("))))].sort();
}

interface Edit {
  file: string;
  from: string;
  to: string;
}

/** The scalar core or the one with vectors, from sources of which one place is another. */
async function compile(edit?: Edit, features = ""): Promise<CoreExports> {
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  let isEdited = edit === undefined;
  const { error, stderr } = await asc.main(
    `assembly/index.ts --config none --runtime stub --use abort= -O1 --outFile core.wasm${features}`.split(
      " ",
    ),
    {
      readFile(name) {
        const url = new URL(`../../${name}`, import.meta.url);
        if (!name.startsWith("assembly/")) return null;
        const text = readFileSync(url, "utf8");
        if (name !== `assembly/${edit?.file}` || !edit) return text;
        isEdited = text.includes(edit.from);
        return text.replace(edit.from, edit.to);
      },
      writeFile(_, contents) {
        wasm = new Uint8Array(contents as Uint8Array);
      },
      listFiles: () => [],
    },
  );
  if (error || !wasm) throw new Error(`${error?.message}\n${stderr.toString()}`);
  if (!isEdited) throw new Error(`Not in assembly/${edit?.file} any more: ${edit?.from}`);
  return instantiate(wasm);
}

describe("the contract", () => {
  it("finds nothing wrong with the sources as they are", async () => {
    expect(findWrong(await compile())).toEqual([]);
  });

  it.each<Edit & { wrong: string[] }>([
    {
      file: "sums.ts",
      from: "TERMS_PER_FLUSH: i32 = 256",
      to: "TERMS_PER_FLUSH: i32 = 1024",
      wrong: ["sum"],
    },
    {
      file: "sums.ts",
      from: "QUANTUM_BITS: i64 = 42",
      to: "QUANTUM_BITS: i64 = 41",
      wrong: ["gradient", "sum"],
    },
    {
      file: "sums.ts",
      from: "floor : floor + 1",
      to: "floor + 1 : floor + 1",
      wrong: ["gradient", "sum"],
    },
    { file: "sums.ts", from: "high + (low >> 32)", to: "high", wrong: ["gradient", "sum"] },
    {
      file: "lane.ts",
      from: "reinterpret<u64>(value) | 1",
      to: "reinterpret<u64>(value) | 0",
      wrong: ["sum"],
    },
    { file: "lane.ts", from: "count >= 1 ? a : 0", to: "a", wrong: ["gradient"] },
    {
      file: "logistic.ts",
      from: "LOGIT_LIMIT: f64 = 35",
      to: "LOGIT_LIMIT: f64 = 36",
      wrong: ["sigmoid"],
    },
    { file: "logistic.ts", from: "_MIN: f64 = 1e-12", to: "_MIN: f64 = 1e-11", wrong: ["score"] },
    {
      file: "log.ts",
      from: "L7: f64 = 0.14798198605116586",
      to: "L7: f64 = 0.1479",
      wrong: ["log"],
    },
    { file: "exp-table.ts", from: "0x3feff63da9fb3335", to: "0x3feff63da9fb3334", wrong: ["exp"] },
    {
      file: "moments.ts",
      from: "least == most ? least : least / 2 + most / 2",
      to: "least",
      wrong: ["moments"],
    },
    { file: "moments.ts", from: "value > most", to: "value > most && i > 1", wrong: ["range"] },
    {
      file: "moments.ts",
      from: "squares / <f64>rows",
      to: "squares / <f64>n",
      wrong: ["momentsOfPresent"],
    },
    {
      file: "moments.ts",
      from: "v0 * v0, zeros, v1 * v1, ones",
      to: "v0 * v0, ones, v1 * v1, zeros",
      wrong: ["momentsOfIndicator"],
    },
    {
      file: "sums.ts",
      from: "(a >> 32) * na + (b >> 32) * nb",
      to: "(a >> 32) * na",
      wrong: ["momentsOfIndicator"],
    },
    {
      file: "sums.ts",
      from: "v *= load<f64>(s + (i << 3))",
      to: "v *= load<f64>(s)",
      wrong: ["weightedScore"],
    },
    {
      file: "descent.ts",
      from: "r0 = mul<V>(r0, load<V>(s))",
      to: "r0 = mul<V>(r0, load<V>(s, sizeof<V>()))",
      wrong: ["weightedDescend", "weightedGradient"],
    },
    {
      file: "descent.ts",
      from: "weightBytes: usize = s == 0 ? 0 :",
      to: "weightBytes: usize = s == 0 ? 8 :",
      wrong: ["descend", "gradient"],
    },
    {
      file: "index.ts",
      from: "descent.gradient<f64>(X, n, d, y, s, total,",
      to: "descent.gradient<f64>(X, n, d, y, s, <f64>n,",
      wrong: ["weightedGradient"],
    },
    {
      file: "index.ts",
      from: "n, 0, 0, LOSS_BOUND * most",
      to: "n, 0, 0, LOSS_BOUND",
      wrong: ["weightedScore"],
    },
    {
      file: "index.ts",
      from: "TERM_RIGHT, p, y, s,",
      to: "TERM_RIGHT, p, y, 0,",
      wrong: ["weightedScore"],
    },
    {
      file: "tiles.ts",
      from: "const zero = (0 - mean) / std",
      to: "const zero = -mean * (1 / std)",
      wrong: ["standardiseIndicator"],
    },
    {
      file: "tiles.ts",
      from: "div<V>(sub<V>(load<V>(x + at), means), stds)",
      to: "mul<V>(sub<V>(load<V>(x + at), means), div<V>(splat<V>(1), stds))",
      wrong: ["standardise"],
    },
    {
      file: "tiles.ts",
      from: "const b = splatAt<V>(w + (d << 3));",
      to: "const b = splatAt<V>(w);",
      wrong: ["logits"],
    },
    { file: "logistic.ts", from: ">= threshold", to: "> 0.5", wrong: ["score"] },
    { file: "sha256.ts", from: "0xc67178f2", to: "0xc67178f3", wrong: ["sha256"] },
    { file: "sha256.ts", from: "rotate<V>(a, 22)", to: "rotate<V>(a, 21)", wrong: ["sha256"] },
    { file: "sha256.ts", from: "(t + 9) & 15", to: "(t + 8) & 15", wrong: ["sha256"] },
    { file: "sha256.ts", from: "block < count", to: "block < 1", wrong: ["sha256"] },
  ])("reports $file with $to", async ({ wrong, ...edit }) => {
    expect(findWrong(await compile(edit))).toEqual(expect.arrayContaining(wrong));
  });

  // What only the build with vectors runs.
  it.each<Edit>([
    { file: "sha256.ts", from: "at + 3 * stride", to: "at + 2 * stride" },
    { file: "sha256.ts", from: "i32x4.shl(a, 32 - count)", to: "i32x4.shl(a, 31 - count)" },
    { file: "sha256.ts", from: "at + 2 * DIGEST_BYTES", to: "at + 3 * DIGEST_BYTES" },
    { file: "index.ts", from: "i += messageLanes<v128>()", to: "i += 8" },
  ])("reports $file with vectors and $to", async (edit) => {
    expect(findWrong(await compile(edit, " --enable simd"))).toEqual(["sha256"]);
  });

  /** A build with the lowest bit of a byte flipped wherever a pattern stands. */
  function flip(build: BuildName, pattern: ArrayBuffer, offset: number): CoreExports {
    const bytes = readBuild(build);
    let flipped = 0;
    for (let at = 0; ; flipped++) {
      at = Buffer.from(bytes.buffer).indexOf(Buffer.from(pattern), at);
      if (at < 0) break;
      bytes[at + offset]! ^= 1;
    }
    expect(flipped).toBeGreaterThan(0);
    return instantiate(bytes);
  }

  it.each(BUILDS)("reports one flipped bit of a coefficient of exp in build/%s.wasm", (build) => {
    const C3 = new DataView(new ArrayBuffer(8));
    C3.setFloat64(0, 0.16666666666665886, true);
    // 2^-20 of the coefficient; its last bits are below what exp rounds
    expect(findWrong(flip(build, C3.buffer, 4))).toEqual(
      expect.arrayContaining(["descend", "exp", "gradient", "sigmoid"]),
    );
  });

  it.each(BUILDS)("reports one flipped bit of a constant of sha256 in build/%s.wasm", (build) => {
    expect(findWrong(flip(build, Uint32Array.of(0x428a2f98).buffer, 0))).toEqual(["sha256"]);
  });

  it("reports one lane that is off by one ulp", () => {
    const exports = instantiate(readBuild("core"));
    const broken: CoreExports = {
      ...exports,
      logits(X, n, d, w, z) {
        const status = exports.logits(X, n, d, w, z);
        const values = new Float64Array(exports.memory.buffer, z, padded(n));
        if (n === 17) values[16] = step(values[16]!, 1);
        return status;
      },
    };
    expect(findWrong(broken)).toEqual(["logits"]);
  });

  it("reports -0 in the place of +0", () => {
    const exports = instantiate(readBuild("core"));
    const broken: CoreExports = {
      ...exports,
      sum(v, n, bound, out) {
        const status = exports.sum(v, n, bound, out);
        const [value] = new Float64Array(exports.memory.buffer, out, 1);
        if (value === 0) new Float64Array(exports.memory.buffer, out, 1)[0] = -0;
        return status;
      },
    };
    expect(findWrong(broken)).toEqual(["sum"]);
  });

  it("reports one bit of the last digest", () => {
    const exports = instantiate(readBuild("core"));
    const broken: CoreExports = {
      ...exports,
      sha256(blocks, count, n, work, digests) {
        const status = exports.sha256(blocks, count, n, work, digests);
        if (n === 9) new Uint8Array(exports.memory.buffer)[digests + 32 * n - 1]! ^= 1;
        return status;
      },
    };
    expect(findWrong(broken)).toEqual(["sha256"]);
  });

  it("reports kernels that refuse, write past an end or spoil an input", () => {
    const exports = instantiate(readBuild("core"));
    const touch = (pointer: number) => {
      new Uint8Array(exports.memory.buffer)[pointer]! ^= 1;
    };
    const broken: CoreExports = {
      ...exports,
      range: () => 1,
      exp(x, n, out) {
        const status = exports.exp(x, n, out);
        touch(out + 8 * n);
        return status;
      },
      log(x, n, out) {
        const status = exports.log(x, n, out);
        touch(x);
        return status;
      },
      contributions(X, n, d, w, c) {
        const status = exports.contributions(X, n, d, w, c);
        touch(c - 1);
        return status;
      },
      weightedGradient(X, n, d, y, s, ...rest) {
        const status = exports.weightedGradient(X, n, d, y, s, ...rest);
        touch(s);
        return status;
      },
      sha256(blocks, count, n, work, digests) {
        const status = exports.sha256(blocks, count, n, work, digests);
        touch(work + 256);
        return status;
      },
    };
    expect(findWrong(broken)).toEqual([
      "contributions",
      "exp",
      "log",
      "moments",
      "momentsOfPresent",
      "range",
      "sha256",
      "weightedGradient",
    ]);
  });
});

describe("what the contract runs on", () => {
  it("is finite and has variance", () => {
    const constant: string[] = [];
    cases.forEach(({ kernel, name }, index) => {
      const result = expected[index];
      if (typeof result === "string" || !result) throw new Error(`${kernel}(), ${name}: ${result}`);
      expect(result.every(Number.isFinite), `${kernel}(), ${name}`).toBe(true);
      if (result.length > 8 && new Set(result).size < result.length / 2) {
        constant.push(`${kernel}(), ${name}`);
      }
    });
    // Without features every logit is the bias; an indicator has two values.
    const isMeant = (line: string) =>
      (line.startsWith("logits(), ") && line.endsWith(", d = 0")) ||
      line.startsWith("standardiseIndicator(), ");
    expect(constant.filter((line) => !isMeant(line))).toEqual([]);
    expect(cases.length).toBeGreaterThan(1000);
  });

  it("is the same for the same seed only", () => {
    const again = resultsOf(reference, createCases(SEED));
    expect(differences(cases, again, expected)).toEqual([]);
    const others = createCases(SEED + 1);
    expect(differences(others, resultsOf(reference, others), expected).length).toBeGreaterThan(900);
  });
});

describe("the arena", () => {
  it("notices each guard byte and each input", () => {
    const exports = instantiate(readBuild("core"));
    const values = Float64Array.of(1, 2, 3);
    for (const offset of [-24, -1, 0, 23, 24, 47]) {
      const arena = new Arena(exports);
      const pointer = arena.input(values);
      arena.verify();
      new Uint8Array(exports.memory.buffer)[pointer + offset]! ^= 1;
      expect(() => arena.verify(), `byte ${offset}`).toThrow();
    }
  });
});
