// Does a sketch of a few kilobytes tell what differs from a dataset: which rows, how many, in which columns?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Dataset, datasetFromArrays } from "../../src/data/dataset.ts";
import { digestRows, weighedDigests } from "../../src/data/digest.ts";
import { datasetFromObjects, type RowObject } from "../../src/data/objects.ts";
import { compareToSketch, parseSketch, type RowSketch, sketchOf } from "../../src/data/sketch.ts";
import { createRandom } from "../contract/bits.ts";

const digestsOf = (dataset: Dataset) => weighedDigests(dataset, digestRows(dataset));
/** As a reader gets it: through JSON. */
const sketch = (dataset: Dataset): RowSketch =>
  parseSketch(JSON.parse(JSON.stringify(sketchOf(dataset, digestsOf(dataset)))))!;
const compare = (before: Dataset, now: Dataset) =>
  compareToSketch(sketch(before), now, digestsOf(now));

const NAMES = ["a", "b", "c"];
const rowsOf = (n: number, seed = 1): number[][] => {
  const random = createRandom(seed);
  return Array.from({ length: n }, () => NAMES.map(() => random.normal()));
};
const datasetOf = (rows: readonly (readonly number[])[], y = rows.map((_, i) => i % 2)) =>
  datasetFromArrays(rows, y, { features: NAMES });
const NOTHING = { added: [], missing: 0, isComplete: true, columns: [] };

describe("compareToSketch()", () => {
  const rows = rowsOf(900);
  const y = rows.map((_, i) => i % 2);
  const before = datasetOf(rows, y);

  test("finds nothing between equal rows in any order, and -0 is 0", () => {
    const random = createRandom(3);
    const order = random.shuffled(rows.map((_, i) => i));
    const shuffled = datasetOf(
      order.map((i) => rows[i]!),
      order.map((i) => y[i]!),
    );
    expect(compare(before, shuffled)).toEqual(NOTHING);
    const zeros = [...rows.slice(1), [0, 0, 0]];
    expect(compare(datasetOf(zeros), datasetOf([...rows.slice(1), [-0, 0, -0]]))).toEqual(NOTHING);
  });

  test("names the row and the column of a cell that was changed", () => {
    const changed = rows.map((row) => [...row]);
    changed[416]![1]! += 2 ** -50;
    expect(compare(before, datasetOf(changed, y))).toEqual({
      added: [{ rows: [416], surplus: 1 }],
      missing: 1,
      isComplete: true,
      columns: ["b"],
    });
  });

  test("names a label that was changed", () => {
    const labels = y.map((label, i) => (i === 7 ? 1 - label : label));
    expect(compare(before, datasetOf(rows, labels))).toEqual({
      added: [{ rows: [7], surplus: 1 }],
      missing: 1,
      isComplete: true,
      columns: [before.label],
    });
  });

  test("counts rows that are missing, and names those that stand twice or four times", () => {
    const without = datasetOf(rows.toSpliced(5, 1), y.toSpliced(5, 1));
    expect(compare(before, without)).toMatchObject({ added: [], missing: 1, isComplete: true });
    const more = [...rows, rows[3]!, rows[3]!, rows[3]!, rows[10]!];
    const twice = datasetOf(more, [...y, y[3]!, y[3]!, y[3]!, y[10]!]);
    expect(compare(before, twice)).toMatchObject({
      added: [
        { rows: [3, 900, 901, 902], surplus: 3 },
        { rows: [10, 903], surplus: 1 },
      ],
      missing: 0,
      isComplete: true,
    });
  });

  test("sees a weight that was changed", () => {
    const weigh = (weight: number): Dataset => ({
      ...before,
      weights: { name: "w", values: Float64Array.from(rows, (_, i) => (i === 9 ? weight : 1)) },
    });
    expect(compare(weigh(1), weigh(2))).toEqual({
      added: [{ rows: [9], surplus: 1 }],
      missing: 1,
      isComplete: true,
      columns: ["w"],
    });
  });

  test("sees categories and missing cells", () => {
    const objects: RowObject[] = [
      { size: "s", w: 1, y: "n" },
      { size: "m", w: 2, y: "p" },
      { size: null, w: null, y: "n" },
      { size: "s", w: 4, y: "p" },
    ];
    const options = { label: "y", missing: "indicator" } as const;
    const table = datasetFromObjects(objects, null, options);
    const changed = objects.with(2, { size: "m", w: null, y: "n" });
    expect(compare(table, datasetFromObjects(changed, null, options))).toEqual({
      added: [{ rows: [2], surplus: 1 }],
      missing: 1,
      isComplete: true,
      columns: ["size"],
    });
  });

  test("tells all differences apart up to some thirty changed rows, and says when there are too many", () => {
    const differing = (count: number, seed: number) => {
      const others = rowsOf(count, seed);
      return compare(before, datasetOf([...others, ...rows.slice(count)], y));
    };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 2, max: 10_000 }),
        (n, seed) => {
          const found = differing(n, seed);
          // Rarely even a few cannot be told apart; then that is said.
          if (!found.isComplete) return fc.pre(false);
          expect(found).toEqual({
            added: Array.from({ length: n }, (_, i) => ({ rows: [i], surplus: 1 })),
            missing: n,
            isComplete: true,
            columns: NAMES,
          });
        },
      ),
      { numRuns: 200, seed: 20261125 },
    );
    const found = differing(500, 2);
    expect(found.isComplete).toBe(false);
    expect(found.columns).toEqual(NAMES);
  });

  test("its size does not depend on the rows' number", () => {
    const [few, many] = [100, 20_000].map(
      (n) => JSON.stringify(sketch(datasetOf(rowsOf(n)))).length,
    );
    expect(many! / few!).toBeLessThan(1.5);
    expect(many!).toBeLessThan(8192);
  });
});

test("parseSketch() refuses what is none", () => {
  const good = sketch(datasetOf(rowsOf(10)));
  expect(parseSketch(good)).toEqual(good);
  for (const bad of [
    null,
    3,
    {},
    { ...good, format: 2 },
    { ...good, rows: "10" },
    { ...good, columns: { a: 1 } },
    { ...good, cells: good.cells.slice(1) },
    { ...good, cells: good.cells.map((cell) => cell.map(String)) },
  ]) {
    expect(parseSketch(bad)).toBeUndefined();
  }
});

test("a sketch that somebody made up ends all the same", () => {
  const now = datasetOf(rowsOf(10));
  const good = sketch(now);
  const random = createRandom(5);
  for (let k = 0; k < 200; k++) {
    const cells = good.cells.map((cell) => cell.map((sum) => sum + random.below(3) - 1));
    expect(compareToSketch({ ...good, cells }, now, digestsOf(now)).isComplete).toBe(false);
  }
});
