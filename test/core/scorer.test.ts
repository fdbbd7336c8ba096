// Does a scorer give the bits of `Rows`, row by row and slice by slice, whatever kind the columns are?
import { describe, expect, it } from "vitest";
import type { Column } from "../../src/core/column.ts";
import { Core, ValueRangeError } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { Scorer } from "../../src/core/scorer.ts";
import { createRandom } from "../support/cli.ts";

const N = 2503;
const random = createRandom(5);
const codes = Int32Array.from({ length: N }, () => Math.floor(random() * 4) - 1);
const columns: Column[] = [
  Float64Array.from({ length: N }, () => (random() - 0.5) * 1e6),
  { optional: Float64Array.from({ length: N }, () => (random() < 0.2 ? Number.NaN : random())) },
  { codes, code: 0 },
  { codes, code: 1 },
  { codes: Uint8Array.from(codes, (code) => Number(code === 2)), code: 1 },
];
const mean = Float64Array.of(3, 0.4, 0.25, 0.2, 0.3);
const std = Float64Array.of(3e5, 0.3, 0.43, 0.4, 0.45);
const w = Float64Array.of(0.7, -1.3, 2.1, 1e-3, -0.4);
const b = -0.25;

const rows = new Core(loadCore()).rows({ columns, mean, std });
const weights = Float64Array.of(...w, b);
const { logits, probabilities } = rows.predict(weights);
const contributions = rows.contributions(weights);
const scorer = new Scorer(loadCore(), { mean, std, w, b });

describe("a scorer", () => {
  it("gives the bits of Rows for every slice", () => {
    expect(scorer.sliceRows).toBe(1000);
    for (const size of [1, 7, 8, 9, 1000]) {
      for (let from = 0; from < N; from += size === 1000 ? size : 301) {
        const n = Math.min(size, N - from);
        const slice = scorer.score(columns, from, n, true);
        expect(slice.logits).toEqual(logits.subarray(from, from + n));
        expect(slice.probabilities).toEqual(probabilities.subarray(from, from + n));
        expect(slice.contributions).toEqual(contributions.subarray(from * 5, (from + n) * 5));
      }
    }
  });

  it("gives them for a row by itself", () => {
    for (let i = 0; i < 200; i++) {
      const values = columns.map((column, j) => {
        if (column instanceof Float64Array) return column[i]!;
        if ("code" in column) return Number(column.codes[i] === column.code);
        return Number.isNaN(column.optional[i]) ? mean[j]! : column.optional[i]!;
      });
      const slice = scorer.scoreRow(values, true);
      expect(slice.logits[0]).toBe(logits[i]);
      expect(slice.contributions).toEqual(contributions.subarray(i * 5, i * 5 + 5));
      expect(scorer.scoreRow(values, false).contributions).toBeUndefined();
    }
  });

  it("gives them with the scalar build", () => {
    const scalar = new Scorer(loadCore("scalar"), { mean, std, w, b });
    expect(scalar.score(columns, 0, 1000, true).logits).toEqual(logits.subarray(0, 1000));
  });

  it("names the row whose logit is not finite, and goes on with others", () => {
    const far = Float64Array.from(columns[0] as Float64Array);
    far[1203] = 1e308;
    const tight = new Scorer(loadCore(), { mean, std: std.map(() => 1e-3), w, b });
    expect(() => tight.score([far, ...columns.slice(1)], 1000, 500, false)).toThrow(/row 1204/);
    expect(() => tight.score([far, ...columns.slice(1)], 1000, 500, false)).toThrow(
      ValueRangeError,
    );
    expect(() => tight.score(columns, 1000, 500, false)).not.toThrow();
  });

  it("refuses what it has no room for", () => {
    expect(() => scorer.score(columns, 0, 1001, false)).toThrow(TypeError);
    expect(() => scorer.score(columns, 0, 0, false)).toThrow(TypeError);
    expect(() => scorer.score(columns.slice(1), 0, 1, false)).toThrow(TypeError);
    expect(() => scorer.scoreRow([1, 2, 3, 4, Number.NaN], false)).toThrow(RangeError);
  });

  it("takes fewer rows at a time for a wide model", () => {
    const d = 32_768;
    const ones = new Float64Array(d).fill(1);
    const wide = new Scorer(loadCore(), { mean: ones, std: ones, w: ones, b: 0 });
    expect(wide.sliceRows).toBe(16);
    expect(wide.scoreRow(new Float64Array(d).fill(1), false).logits[0]).toBe(0);
  });
});
