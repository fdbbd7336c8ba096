// Does the window hold the last rows, whatever comes in whatever portions?
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Column } from "../../src/core/column.ts";
import type { InputColumn } from "../../src/data/encoding.ts";
import { FeatureSums } from "../../src/monitoring/feature-sums.ts";
import { DriftWindow } from "../../src/monitoring/window.ts";

const COLUMNS: InputColumn[] = [
  { name: "a", as: "number" },
  { name: "b", as: "number", missing: "indicator" },
  { name: "c", as: "category", levels: ["x", "y", "z"], base: "x", missing: "indicator" },
];

type Row = readonly [a: number, b: number | null, c: number];

/** The features of some rows, as `encode` gives them. */
function columnsOf(rows: readonly Row[]): Column[] {
  const codes = Int32Array.from(rows, ([, , c]) => c);
  return [
    Float64Array.from(rows, ([a]) => a),
    { optional: Float64Array.from(rows, ([, b]) => b ?? Number.NaN) },
    { codes: Uint8Array.from(rows, ([, b]) => Number(b === null)), code: 1 },
    { codes, code: 0 },
    { codes, code: 1 },
    { codes, code: 2 },
  ];
}

const row = fc.tuple(
  fc.double({ noNaN: true }),
  fc.option(fc.double({ noNaN: true })),
  fc.integer({ min: -1, max: 2 }),
);

describe("a window", () => {
  it("holds the last rows, oldest first, whatever the portions", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(row, { minLength: 1, maxLength: 12 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 20 }),
        (portions, capacity) => {
          const window = new DriftWindow(COLUMNS, capacity);
          for (const rows of portions) {
            const logits = Float64Array.from(rows, ([a]) => a / 2);
            window.push(columnsOf(rows), logits, logits, rows.length);
          }
          const all = portions.flat();
          const last = all.slice(-capacity);
          expect([window.seen, window.size]).toEqual([all.length, last.length]);
          const { columns, logits, probabilities } = window.rows();
          expect(columns).toEqual(columnsOf(last));
          expect(logits).toEqual(Float64Array.from(last, ([a]) => a / 2));
          expect(probabilities).toEqual(logits);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("takes no more memory for a very wide model: it holds fewer rows", () => {
    const wide = Array.from(
      { length: 16_384 },
      (_, j): InputColumn => ({ name: `c${j}`, as: "number" }),
    );
    const window = new DriftWindow(wide, 1000);
    expect(window.capacity * 16_384 * 8).toBeLessThanOrEqual(8 << 20);
    expect(window.capacity).toBeGreaterThan(10);
    expect(new DriftWindow(COLUMNS, 1000).capacity).toBe(1000);
  });
});

describe("sums of standardised features", () => {
  it("are those of each row, however the rows come", () => {
    const mean = Float64Array.of(1, 2, 0.2, 0.3, 0.3, 0.1);
    const std = Float64Array.of(2, 0.5, 0.4, 0.5, 0.5, 0.3);
    const rows: Row[] = [
      [3, 2.5, -1],
      [-1, null, 0],
      [5, 1, 2],
    ];
    const sums = new FeatureSums({ mean, std });
    for (const one of rows) sums.add(columnsOf([one]), 1);
    const together = new FeatureSums({ mean, std });
    together.add(columnsOf(rows), 3);
    expect([together.positive[0], together.negative[0]]).toEqual([3, 1]);
    // The missing value counts as the mean.
    expect([together.positive[1], together.negative[1]]).toEqual([1, 2]);
    for (let j = 0; j < 6; j++) {
      expect(sums.positive[j]! - sums.negative[j]!).toBeCloseTo(
        together.positive[j]! - together.negative[j]!,
        12,
      );
    }
    expect(sums.rows).toBe(3);
  });
});
