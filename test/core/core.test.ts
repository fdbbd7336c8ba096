// Does the host's face of the core refuse what it must, give equal bits on both builds, and never let memory out?
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Arena } from "../../src/core/arena.ts";
import { type Column, columnLength } from "../../src/core/column.ts";
import {
  Core,
  checkMagnitudes,
  RANGE_LIMIT,
  type RowsInput,
  VALUE_LIMIT,
  ValueRangeError,
} from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import type { CoreExports, CoreSource } from "../../src/core/source.ts";
import { createRandom, hexOf, toHex } from "../contract/bits.ts";
import { randomRowWeights, weigh } from "../contract/cases.ts";
import { reference } from "../contract/reference.ts";
import { readBuild } from "../support/core-exports.ts";
import { generate } from "../training/generated.ts";

const simd = loadCore("simd");
const scalar = loadCore("scalar");

/** A source that lets a test look at the exports of the instance it makes. */
function watched(source: CoreSource = simd): { source: CoreSource; bytes: () => number } {
  let exports: CoreExports | undefined;
  return {
    source: {
      ...source,
      instantiate: () => {
        exports = source.instantiate();
        return exports;
      },
    },
    bytes: () => exports!.memory.buffer.byteLength,
  };
}

interface PlainInput extends RowsInput {
  columns: readonly Float64Array[];
  y: Uint8Array;
}

function inputOf(n: number, d: number, seed = 1): PlainInput {
  // Twenty more rows, so that both classes are there for any n.
  const more = generate({ n: n + 20, d, seed });
  const columns = (more.columns as Float64Array[]).map((column) => column.slice(0, n));
  const y = more.y.slice(0, n);
  const core = new Core(simd);
  const moments = columns.map((column, j) => core.moments(`x${j}`, column));
  return {
    columns,
    y,
    mean: Float64Array.from(moments, ({ mean }) => mean),
    std: Float64Array.from(moments, ({ std }) => std),
  };
}

function boundsOf({ columns, mean, std }: PlainInput): Float64Array {
  return Float64Array.from(columns, (column, j) =>
    column.reduce((most, x) => Math.max(most, Math.abs((x - mean[j]!) / std[j]!)), 0),
  );
}

function weightsFor(d: number, seed = 1): Float64Array {
  const random = createRandom(seed);
  return new Float64Array(d + 1).map(() => random.normal());
}

describe("loadCore()", () => {
  it("names the release core.wasm by its digest, whichever build runs", () => {
    const digest = createHash("sha256").update(readBuild("core")).digest("hex");
    expect(simd.digest).toBe(digest);
    expect(scalar.digest).toBe(digest);
    expect(Buffer.from(scalar.bytes).equals(readBuild("core"))).toBe(true);
    expect(loadCore()).toBe(simd);
  });

  it("gives instances that share no memory", () => {
    const [a, b] = [simd.instantiate(), simd.instantiate()];
    expect(a.memory).not.toBe(b.memory);
  });
});

describe("Core", () => {
  it("refuses a core of another interface", () => {
    const source = { ...simd, instantiate: () => ({ ...simd.instantiate(), abi: () => 2 }) };
    expect(() => new Core(source)).toThrow(/this host speaks interface 1: the core speaks 2/);
  });

  it("gives equal bits on both builds, for every call and size", () => {
    const results = (source: CoreSource) => {
      const core = new Core(source);
      const bits: string[][] = [];
      for (const n of [1, 2, 7, 8, 9, 16, 17, 255, 257, 513]) {
        for (const d of [1, 2, 5]) {
          const input = inputOf(n, d, n + d);
          const [bounds, w] = [boundsOf(input), weightsFor(d, n)];
          core.reset();
          const moments = input.columns.map((column) => core.moments("x", column));
          const rows = core.rows(input);
          const { logits, probabilities } = rows.predict(w);
          const weights = randomRowWeights(createRandom(n), n, 0.3);
          const optional = input.columns[0]!.map((x, i) => (i % 3 === 1 ? Number.NaN : x));
          const columns: Column[] = [{ optional }, ...input.columns.slice(1)];
          const weighted = core.rows({ ...input, columns, weights });
          const judged = weighted.score(w, 0.4);
          const score = rows.score(w, 0.4);
          bits.push(
            hexOf(moments.flatMap(({ min, max, mean, std }) => [min, max, mean, std])),
            hexOf(logits),
            hexOf(probabilities),
            hexOf([score.loss, score.brier, score.correct]),
            hexOf(rows.contributions(w)),
            hexOf(rows.gradient(w, bounds, 0.1)),
            hexOf(rows.descend(w, bounds, { lr: 0.2, l2: 0.1, steps: 7 })),
            hexOf(core.sigmoid(logits)),
            hexOf(core.exp(probabilities)),
            hexOf(core.log(probabilities)),
            [toHex(core.sum(logits, 1000))],
            hexOf(Object.values(core.moments("x", { optional }))),
            hexOf([judged.loss, judged.brier, judged.correct, weighted.weight]),
            hexOf(weighted.gradient(w, bounds, 0.1)),
            hexOf(weighted.descend(w, bounds, { lr: 0.2, l2: 0.1, steps: 7 })),
          );
        }
      }
      return bits;
    };
    expect(results(scalar)).toEqual(results(simd));
  });

  it.each([simd, scalar])(
    "hashes padded messages as Node does, whatever their length and number",
    (source) => {
      const core = new Core(source);
      const random = createRandom(6);
      for (const length of [0, 1, 55, 56, 63, 64, 119, 120, 200]) {
        for (const n of [0, 1, 3, 4, 5, 9]) {
          const blockCount = Math.ceil((length + 9) / 64);
          const blocks = new Uint8Array(n * blockCount * 64);
          const expected = Array.from({ length: n }, (_, k) => {
            const message = new Uint8Array(length).map(() => random.below(256));
            const at = k * blockCount * 64;
            blocks.set(message, at);
            blocks[at + length] = 0x80;
            new DataView(blocks.buffer).setUint32(at + blockCount * 64 - 4, 8 * length);
            return createHash("sha256").update(message).digest("hex");
          });
          const digests = Buffer.from(core.sha256Many(blocks, blockCount)).toString("hex");
          expect(digests, `${n} messages of ${length}`).toBe(expected.join(""));
        }
      }
    },
  );

  it("takes rows by index as if their columns had been gathered", () => {
    const input = inputOf(60, 3);
    const index = Uint32Array.of(5, 5, 59, 0, 17, 4, 33, 2, 8);
    const pick = (column: Float64Array) => Float64Array.from(index, (i) => column[i]!);
    const core = new Core(simd);
    const w = weightsFor(3);
    const chosen = core.rows({ ...input, index });
    const gathered = core.rows({
      ...input,
      columns: input.columns.map(pick),
      y: Uint8Array.from(index, (i) => input.y[i]!),
    });
    expect(chosen.n).toBe(9);
    expect(chosen.score(w, 0.5)).toEqual(gathered.score(w, 0.5));
    const bounds = boundsOf(input);
    expect(chosen.gradient(w, bounds, 0)).toEqual(gathered.gradient(w, bounds, 0));
    const column = input.columns[1]!;
    expect(core.moments("x", column, index)).toEqual(core.moments("x", pick(column)));
  });

  it("scores no rows as nothing", () => {
    const rows = new Core(simd).rows({ ...inputOf(9, 2), index: new Uint32Array(0) });
    expect(rows.n).toBe(0);
    expect(rows.predict(weightsFor(2)).logits).toHaveLength(0);
    expect(rows.contributions(weightsFor(2))).toHaveLength(0);
  });

  const input = inputOf(20, 2);
  const bounds = boundsOf(input);
  const w = weightsFor(2);
  const nan = (at: number) => input.columns[0]!.map((x, i) => (i === at ? Number.NaN : x));
  const refused: [string, (core: Core) => unknown, new (message?: string) => Error, RegExp][] = [
    ["a column with NaN", (c) => c.moments("a", nan(3)), RangeError, /pass NaN to the core/],
    [
      "a column with Infinity",
      (c) => c.moments("a", Float64Array.of(1, -Infinity)),
      RangeError,
      /pass -Infinity to the core: values must be finite/,
    ],
    [
      "a column beyond 2^400",
      (c) => c.moments("far", Float64Array.of(1, -1e200)),
      ValueRangeError,
      /"far" as magnitudes must be at most 2\^400: found 1e\+200/,
    ],
    [
      "a range below 2^-400",
      (c) => c.moments("near", Float64Array.of(0, 1e-200)),
      ValueRangeError,
      /"near" as its range must be 0 or at least 2\^-400: found 1e-200/,
    ],
    ["moments of no rows", (c) => c.moments("a", new Float64Array(0)), Error, /range: status 4/],
    ["no columns", (c) => c.rows({ ...input, columns: [] }), TypeError, /not none: 0, 2, 2/],
    ["fewer means", (c) => c.rows({ ...input, mean: Float64Array.of(1) }), TypeError, /2, 1, 2/],
    [
      "fewer deviations",
      (c) => c.rows({ ...input, std: Float64Array.of(1) }),
      TypeError,
      /2, 2, 1/,
    ],
    [
      "columns of two lengths",
      (c) => c.rows({ ...input, columns: [input.columns[0]!, new Float64Array(19)] }),
      TypeError,
      /must have one length/,
    ],
    [
      "too few labels",
      (c) => c.rows({ ...input, y: new Uint8Array(19) }),
      TypeError,
      /must have one length/,
    ],
    [
      "a label of 2",
      (c) => c.rows({ ...input, y: new Uint8Array(20).fill(2) }),
      RangeError,
      /label 2: labels are 0 or 1/,
    ],
    [
      "a row that is not finite",
      (c) => c.rows({ ...input, columns: [nan(19), input.columns[1]!] }),
      RangeError,
      /must be finite/,
    ],
    [
      "an index beyond the rows",
      (c) => c.rows({ ...input, index: Uint32Array.of(0, 20) }),
      RangeError,
      /pass undefined to the core/,
    ],
    [
      "an index beyond the codes",
      (c) => c.moments("a", { codes: Uint8Array.of(1), code: 0 }, Uint32Array.of(0, 1)),
      RangeError,
      /take row 2 of 1/,
    ],
    [
      "an index beyond numbers of which some are missing",
      (c) => c.moments("a", { optional: Float64Array.of(1) }, Uint32Array.of(0, 1)),
      RangeError,
      /pass undefined to the core/,
    ],
    [
      "Infinity among numbers of which some are missing",
      (c) => c.moments("a", { optional: Float64Array.of(Number.NaN, Infinity) }),
      RangeError,
      /pass Infinity to the core: values must be finite/,
    ],
    [
      "such a column beyond 2^400",
      (c) => c.moments("far", { optional: Float64Array.of(Number.NaN, 1e200) }),
      ValueRangeError,
      /"far" as magnitudes must be at most 2\^400: found 1e\+200/,
    ],
    [
      "a row of such a column that is not finite",
      (c) => {
        const optional = Float64Array.from(input.columns[0]!, (x, i) => (i === 7 ? -Infinity : x));
        return c.rows({ ...input, columns: [{ optional }, input.columns[1]!] });
      },
      RangeError,
      /pass -Infinity to the core/,
    ],
    [
      "codes that are too few",
      (c) =>
        c.rows({ ...input, columns: [input.columns[0]!, { codes: new Int32Array(19), code: 1 }] }),
      TypeError,
      /must have one length/,
    ],
    [
      "row weights that are too few",
      (c) => c.rows({ ...input, weights: new Float64Array(19).fill(1) }),
      TypeError,
      /must have one length/,
    ],
    ...[Number.NaN, Infinity, -1, -5e-324].map((weight): (typeof refused)[number] => [
      `a row weight of ${weight}`,
      (c) => c.rows({ ...input, weights: new Float64Array(20).fill(1).fill(weight, 4, 6) }),
      ValueRangeError,
      new RegExp(`weigh row 5 as weights must be finite and at least 0: found ${weight}`),
    ]),
    [
      "row weights that are all 0",
      (c) => c.rows({ ...input, weights: new Float64Array(20) }),
      ValueRangeError,
      /all weights are 0/,
    ],
    [
      "chosen row weights that are all 0",
      (c) => {
        const weights = new Float64Array(20).fill(1, 10);
        return c.rows({ ...input, weights, index: Uint32Array.of(0, 9) });
      },
      ValueRangeError,
      /all weights are 0/,
    ],
    ...[RANGE_LIMIT / 2, VALUE_LIMIT * 2].map((weight): (typeof refused)[number] => [
      `a largest row weight of ${weight}`,
      (c) => c.rows({ ...input, weights: new Float64Array(20).fill(weight, 3) }),
      ValueRangeError,
      /the largest weight must be from 2\^-400 to 2\^400: found \d/,
    ]),
    [
      "too few weights",
      (c) => c.rows(input).predict(w.subarray(1)),
      TypeError,
      /2 weights where 3/,
    ],
    [
      "too few bounds",
      (c) => c.rows(input).gradient(w, bounds.subarray(1), 0),
      TypeError,
      /1 bounds for 2 features/,
    ],
    [
      "a bound that is none",
      (c) => c.rows(input).gradient(w, Float64Array.of(1, Number.NaN), 0),
      Error,
      /gradient: status 4, out of range/,
    ],
    [
      "score without labels",
      (c) => c.rows({ columns: input.columns, mean: input.mean, std: input.std }).score(w, 0.5),
      TypeError,
      /without labels/,
    ],
    [
      "a logit that is not finite",
      (c) => c.rows(input).predict(Float64Array.of(1.7e308, 1.7e308, 1.7e308)),
      ValueRangeError,
      /score row \d+: its values are so far/,
    ],
    [
      "a value beyond its bound",
      (c) => c.sum(Float64Array.of(1, -2), 1),
      RangeError,
      /1: found -2/,
    ],
    ["a sum with NaN", (c) => c.sum(Float64Array.of(Number.NaN), 1), RangeError, /found NaN/],
    [
      "half a step",
      (c) => c.rows(input).descend(w, bounds, { lr: 0.1, l2: 0, steps: 1.5 }),
      RangeError,
      /whole number/,
    ],
    [
      "a learning rate that is no number",
      (c) => c.rows(input).descend(w, bounds, { lr: Number.NaN, l2: 0, steps: 1 }),
      RangeError,
      /lr and l2 finite/,
    ],
  ];

  it.each(refused)("refuses %s", (_, call, kind, message) => {
    const core = new Core(simd);
    expect(() => call(core)).toThrow(kind);
    expect(() => call(core)).toThrow(message);
  });

  it("has its limits as exact powers of two", () => {
    const bits = (value: number) => new BigUint64Array(Float64Array.of(value).buffer)[0];
    expect(bits(VALUE_LIMIT)).toBe((1023n + 400n) << 52n);
    expect(bits(RANGE_LIMIT)).toBe((1023n - 400n) << 52n);
  });

  it("takes the values at the limits", () => {
    const core = new Core(simd);
    const far = core.moments("far", Float64Array.of(-VALUE_LIMIT, VALUE_LIMIT));
    expect(far).toEqual({ min: -VALUE_LIMIT, max: VALUE_LIMIT, mean: 0, std: VALUE_LIMIT });
    const near = core.moments("near", Float64Array.of(0, RANGE_LIMIT));
    expect(near.std).toBe(RANGE_LIMIT / 2);
    expect(core.moments("tiny but constant", Float64Array.of(5e-324, 5e-324)).std).toBe(1);
    expect(core.moments("one row", Float64Array.of(3)).mean).toBe(3);
  });

  it("gives memory back when a call fails, and after each call", () => {
    const { source, bytes } = watched();
    const core = new Core(source);
    const big = new Float64Array(50_000).map((_, i) => i % 7);
    const bad = big.map((x, i) => (i === 49_999 ? Number.NaN : x));
    core.moments("a", big);
    const once = bytes();
    for (let k = 0; k < 20; k++) {
      core.moments("a", big);
      core.sigmoid(big.subarray(0, 20_000));
      expect(() => core.moments("a", bad)).toThrow(RangeError);
    }
    expect(bytes()).toBe(once);
  });

  it("reset() gives back the rows", () => {
    const { source, bytes } = watched();
    const core = new Core(source);
    const rows = inputOf(5000, 3);
    core.rows(rows).predict(weightsFor(3));
    const once = bytes();
    for (let k = 0; k < 20; k++) {
      core.reset();
      core.rows(rows).predict(weightsFor(3));
    }
    expect(bytes()).toBe(once);
    core.rows(rows);
    core.rows(rows);
    expect(bytes()).toBeGreaterThan(once);
  });

  it("keeps rows and results through growth, and hands out copies only", () => {
    const { source, bytes } = watched();
    const core = new Core(source);
    const rows = core.rows(input);
    const before = rows.predict(w);
    const gradient = rows.gradient(w, bounds, 0.1);
    const [z, p] = [hexOf(before.logits), hexOf(before.probabilities)];
    const size = bytes();
    const more = core.rows(inputOf(40_000, 3));
    expect(bytes()).toBeGreaterThan(size);
    // What was given out earlier is not detached, and the rows are where they were.
    expect(hexOf(before.logits)).toEqual(z);
    expect(hexOf(before.probabilities)).toEqual(p);
    expect(before.logits.buffer.byteLength).toBe(8 * input.y.length);
    // Writing into results changes nothing inside.
    before.logits.fill(0);
    gradient.fill(0);
    more.contributions(weightsFor(3)).fill(0);
    expect(hexOf(rows.predict(w).logits)).toEqual(z);
    expect(hexOf(rows.gradient(w, bounds, 0.1))).not.toEqual(hexOf(gradient));
  });

  it("leaves its arguments as they are", () => {
    const own = inputOf(30, 2, 9);
    const said = JSON.stringify([
      own.columns.map(hexOf),
      hexOf(own.mean),
      hexOf(own.std),
      [...own.y],
    ]);
    const start = weightsFor(2);
    const started = hexOf(start);
    const rows = new Core(simd).rows(own);
    rows.descend(start, boundsOf(own), { lr: 1, l2: 0, steps: 3 });
    rows.score(start, 0.5);
    expect(hexOf(start)).toEqual(started);
    expect(
      JSON.stringify([own.columns.map(hexOf), hexOf(own.mean), hexOf(own.std), [...own.y]]),
    ).toBe(said);
  });

  it("descends by no step to where it was", () => {
    const rows = new Core(simd).rows(input);
    expect(hexOf(rows.descend(w, bounds, { lr: 0.1, l2: 0.1, steps: 0 }))).toEqual(hexOf(w));
  });
});

describe("columns", () => {
  const n = 40;
  const codes = Int32Array.from({ length: n }, (_, i) => (i * 7) % 3);
  const indicated = Float64Array.from(codes, (code) => (code === 2 ? 1 : 0));
  const plain = inputOf(n, 2).columns[0]!;
  const gaps = plain.map((x, i) => (i % 5 === 2 ? Number.NaN : x));
  const index = Uint32Array.of(2, 2, 39, 0, 12, 7, 22, 1, 31);
  const standard = { mean: Float64Array.of(0.25), std: Float64Array.of(0.5) };
  const logitsOf = (column: Column, chosen?: Uint32Array) =>
    hexOf(
      new Core(simd)
        .rows({ columns: [column], ...standard, ...(chosen && { index: chosen }) })
        .predict(Float64Array.of(1.5, -0.25)).logits,
    );

  it.each<[string, Column, Float64Array]>([
    ["codes of 32 bits", { codes, code: 2 }, indicated],
    ["codes of 8 bits", { codes: Uint8Array.from(codes), code: 2 }, indicated],
    ["a code that no row has", { codes, code: 9 }, new Float64Array(n)],
    ["numbers of which none is missing", { optional: plain }, plain],
  ])("%s are the same numbers written out, to the last bit", (_, column, numbers) => {
    const core = new Core(simd);
    expect(columnLength(column)).toBe(n);
    for (const chosen of [undefined, index]) {
      expect(core.moments("x", column, chosen)).toEqual(core.moments("x", numbers, chosen));
      expect(logitsOf(column, chosen)).toEqual(logitsOf(numbers, chosen));
    }
  });

  it.each([simd, scalar])("a missing value adds exactly 0, wherever it stands", (source) => {
    const core = new Core(source);
    const columns = [{ optional: gaps }, plain];
    const both = { mean: Float64Array.of(0.1, 0.2), std: Float64Array.of(0.3, 0.7) };
    const alone = { mean: Float64Array.of(0.2), std: Float64Array.of(0.7) };
    const w = Float64Array.of(3, -0.7, 0.4);
    for (const chosen of [undefined, index]) {
      const choice = chosen && { index: chosen };
      const rows = core.rows({ columns, ...both, ...choice });
      const without = core.rows({ columns: [plain], ...alone, ...choice });
      const [z, other] = [rows.predict(w).logits, without.predict(w.subarray(1)).logits];
      const added = rows.contributions(w);
      const isMissing = Array.from(z, (_, k) => Number.isNaN(gaps[chosen ? chosen[k]! : k]));
      expect(isMissing).toContain(true);
      isMissing.forEach((missing, k) => {
        // The control: a value that is there adds something.
        expect(toHex(added[2 * k]!) === toHex(0)).toBe(missing);
        expect(toHex(z[k]!) === toHex(other[k]!)).toBe(missing);
      });
    }
  });

  it("moments share the squares among all chosen rows, missing ones too", () => {
    const core = new Core(simd);
    for (const chosen of [undefined, index]) {
      const values = chosen ? Float64Array.from(chosen, (i) => gaps[i]!) : gaps;
      const there = values.filter((value) => !Number.isNaN(value));
      const [least, most] = reference.range(there) as unknown as [number, number];
      const { min, max, mean, std } = core.moments("x", { optional: gaps }, chosen);
      expect([min, max]).toEqual([least, most]);
      expect(hexOf([mean, std])).toEqual(
        hexOf(reference.momentsOfPresent(there, values.length, least, most)),
      );
      expect(std).toBeLessThan(core.moments("x", there).std);
    }
  });

  it("of which no chosen value is there are constant 0", () => {
    const nothing = { min: 0, max: 0, mean: 0, std: 1 };
    const core = new Core(simd);
    expect(core.moments("x", { optional: new Float64Array(3).fill(Number.NaN) })).toEqual(nothing);
    expect(core.moments("x", { optional: gaps }, Uint32Array.of(2, 7))).toEqual(nothing);
    expect(core.moments("x", { optional: gaps }, Uint32Array.of(2, 8)).mean).toBe(gaps[8]);
  });

  it("are checked for magnitudes, but for what is missing or a code", () => {
    const far = Float64Array.of(1, Number.NaN, -1e200, 1e300);
    expect(() => checkMagnitudes("far", { optional: far })).toThrow(
      /"far".*found -1e\+200 in row 3/,
    );
    expect(() => checkMagnitudes("far", far.slice(3))).toThrow(/"far".*found 1e\+300 in row 1/);
    checkMagnitudes("near", { optional: far.subarray(0, 2) });
    checkMagnitudes("codes", { codes, code: 1 });
  });
});

describe("row weights", () => {
  const input = inputOf(60, 3, 4);
  const bounds = boundsOf(input);
  const w = weightsFor(3);
  const random = createRandom(8);
  const weights = randomRowWeights(random, 60, 0.3);
  const scaled = input.columns.map((x, j) =>
    reference.standardise(x, input.mean[j]!, input.std[j]!),
  );
  const pick = (x: Float64Array, index: Uint32Array) => Float64Array.from(index, (i) => x[i]!);

  it("that are all 1 change no bit", () => {
    const core = new Core(simd);
    const index = Uint32Array.of(5, 5, 59, 0, 17, 4, 33, 2, 8);
    for (const chosen of [undefined, index]) {
      const choice = chosen && { index: chosen };
      const plain = core.rows({ ...input, ...choice });
      const weighted = core.rows({ ...input, ...choice, weights: new Float64Array(60).fill(1) });
      expect([weighted.weight, plain.weight]).toEqual([plain.n, plain.n]);
      expect(weighted.score(w, 0.4)).toEqual(plain.score(w, 0.4));
      expect(hexOf(weighted.gradient(w, bounds, 0.1))).toEqual(
        hexOf(plain.gradient(w, bounds, 0.1)),
      );
      const options = { lr: 0.3, l2: 0.1, steps: 9 };
      expect(hexOf(weighted.descend(w, bounds, options))).toEqual(
        hexOf(plain.descend(w, bounds, options)),
      );
    }
  });

  it.each([simd, scalar])("give the bits of the reference, for chosen rows too", (source) => {
    const core = new Core(source);
    const some = Uint32Array.from({ length: 23 }, (_, k) => (k * 11) % 60);
    for (const index of [undefined, some]) {
      const rows = core.rows({ ...input, weights, ...(index && { index }) });
      const chosen = index ?? Uint32Array.from({ length: 60 }, (_, i) => i);
      const y = Float64Array.from(chosen, (i) => input.y[i]!);
      const columns = scaled.map((x) => pick(x, chosen));
      const unit = { columns, y, bounds: Float64Array.of(...bounds, 1) };
      const problem = weigh(unit, pick(weights, chosen));
      const most = Math.max(...problem.s);
      expect(toHex(rows.weight)).toBe(toHex(problem.total));
      expect(hexOf(rows.gradient(w, bounds, 0.1))).toEqual(
        hexOf(reference.weightedGradient(problem, w, 0.1)),
      );
      expect(hexOf(rows.descend(w, bounds, { lr: 0.2, l2: 0.1, steps: 5 }))).toEqual(
        hexOf(reference.weightedDescend(problem, w, 0.2, 0.1, 5)),
      );
      const p = reference.sigmoid(reference.logits(columns, y.length, w));
      const sums = reference.weightedScore(p, y, problem.s, 0.4, most);
      const { loss, brier, correct } = rows.score(w, 0.4);
      const { total } = problem;
      expect(hexOf([loss, brier, correct])).toEqual(
        hexOf([sums[0]! / total, sums[1]! / total, sums[2]!]),
      );
    }
  });

  it("are copied, stay through growth and are left as they are", () => {
    const { source, bytes } = watched();
    const core = new Core(source);
    const own = weights.slice();
    const rows = core.rows({ ...input, weights: own });
    expect(hexOf(own)).toEqual(hexOf(weights));
    const before = hexOf(rows.gradient(w, bounds, 0));
    own.fill(1);
    const size = bytes();
    core.rows(inputOf(40_000, 3));
    expect(bytes()).toBeGreaterThan(size);
    expect(hexOf(rows.gradient(w, bounds, 0))).toEqual(before);
    expect(hexOf(core.rows({ ...input, weights: own }).gradient(w, bounds, 0))).not.toEqual(before);
  });

  it("may be as small and as large as the limits, and 0 where rows do not count", () => {
    const core = new Core(simd);
    for (const most of [RANGE_LIMIT, VALUE_LIMIT]) {
      const rows = core.rows({ ...input, weights: new Float64Array(60).fill(most) });
      expect(rows.weight).toBe(60 * most);
      const plain = core.rows(input);
      // A power of two scales every term and its quantum: the means are the same bits.
      expect(hexOf(rows.gradient(w, bounds, 0))).toEqual(hexOf(plain.gradient(w, bounds, 0)));
      expect(rows.score(w, 0.5).brier).toBe(plain.score(w, 0.5).brier);
    }
    const half = new Float64Array(60).fill(1, 30);
    const rest = Uint32Array.from({ length: 30 }, (_, i) => 30 + i);
    expect(hexOf(core.rows({ ...input, weights: half }).gradient(w, bounds, 0))).toEqual(
      hexOf(core.rows({ ...input, index: rest }).gradient(w, bounds, 0)),
    );
  });

  it("of no rows are nothing", () => {
    const rows = new Core(simd).rows({ ...input, weights, index: new Uint32Array(0) });
    expect([rows.n, rows.weight]).toEqual([0, 0]);
    expect(rows.predict(w).logits).toHaveLength(0);
    expect(rows.score(w, 0.5).correct).toBe(0);
  });
});

describe("Arena", () => {
  it("gives out 16-byte aligned arrays one after the other, from its base", () => {
    const arena = new Arena(new WebAssembly.Memory({ initial: 1 }), 2048);
    expect([arena.allocate(1), arena.allocate(3), arena.allocate(0), arena.allocate(2)]).toEqual([
      2048, 2064, 2096, 2096,
    ]);
    arena.reset();
    expect(arena.allocate(1)).toBe(2048);
  });

  it("grows by the pages it needs, and no more", () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const arena = new Arena(memory, 1024);
    arena.allocate((65536 - 1024) / 8);
    expect(memory.buffer.byteLength).toBe(65536);
    arena.allocate(1);
    expect(memory.buffer.byteLength).toBe(2 * 65536);
  });

  it("scratch() gives back what was allocated inside, also when it throws", () => {
    const arena = new Arena(new WebAssembly.Memory({ initial: 1 }), 1024);
    const inside = arena.scratch(() => arena.scratch(() => arena.allocate(4)) + arena.allocate(2));
    expect(inside).toBe(2048);
    expect(() =>
      arena.scratch(() => {
        arena.allocate(100);
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(arena.allocate(1)).toBe(1024);
  });

  it("says so when memory cannot grow, and takes nothing then", () => {
    const arena = new Arena(new WebAssembly.Memory({ initial: 1, maximum: 2 }), 1024);
    expect(() => arena.allocate(65536)).toThrow(RangeError);
    expect(() => arena.allocate(65536)).toThrow(/give the core 1 MiB of memory/);
    expect(arena.allocate(1)).toBe(1024);
  });
});
