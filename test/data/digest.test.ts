// Are the digests those of N10, for any rows in any order, and do they tell different contents apart?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Dataset, datasetFromArrays, sortLabels } from "../../src/data/dataset.ts";
import { compareDigests, contentDigest, digestRows, sortDigests } from "../../src/data/digest.ts";
import { compareCodePoints } from "../../src/data/labels.ts";
import { contentDigestOf, rowDigestOf, sortClasses } from "./oracle.ts";
import { check, createRandom, hexOf, SEED, shuffled } from "./support.ts";

interface Row {
  values: number[];
  label: string;
}

function datasetOf(rows: readonly Row[], options: { features?: string[]; positive?: string } = {}) {
  return datasetFromArrays(
    rows.map(({ values }) => values),
    rows.map(({ label }) => label),
    options,
  );
}

const digestOf = (dataset: Dataset) => contentDigest(dataset, digestRows(dataset));

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, -1, 5e-324, Number.MAX_VALUE),
);
/** Two labels and rows of d values, among which are equal rows. */
const tables = fc
  .record({
    d: fc.integer({ min: 1, max: 8 }),
    labels: fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), {
      minLength: 2,
      maxLength: 2,
    }),
  })
  .chain(({ d, labels }) => {
    const row = fc.record({
      values: fc.array(value, { minLength: d, maxLength: d }),
      label: fc.constantFrom(...labels),
    });
    return fc.tuple(
      fc.array(row, { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.constant(labels.map((label) => ({ values: Array(d).fill(0.5), label }))),
    );
  })
  .map(([rows, copies, both]) => [...both, ...rows, ...copies.map((k) => rows[k % rows.length]!)]);

describe(`digests, seed ${SEED}`, () => {
  test("are those of the specification, recomputed from its words", () => {
    check(
      fc.property(tables, (rows) => {
        const dataset = datasetOf(rows);
        const expected = rows.map(({ values, label }) =>
          rowDigestOf(
            values.map((x) => x + 0),
            label,
          ),
        );
        const digests = digestRows(dataset);
        expect(hexOf(digests)).toBe(hexOf(Buffer.concat(expected)));
        const header = {
          classes: sortClasses(dataset.classes),
          columns: rows[0]!.values.map((_, j) => `x${j + 1}`),
          label: "label",
        };
        expect(contentDigest(dataset, digests)).toBe(contentDigestOf(header, expected));
      }),
      300,
    );
  });

  test("do not depend on the order of rows, but on how often each is there", () => {
    const random = createRandom();
    check(
      fc.property(tables, (rows) => {
        const digest = digestOf(datasetOf(rows));
        expect(digestOf(datasetOf(shuffled(rows, random)))).toBe(digest);
        expect(digestOf(datasetOf([...rows, rows[0]!]))).not.toBe(digest);
      }),
      300,
    );
  });
});

const ROWS: Row[] = [
  { values: [1, 2], label: "A" },
  { values: [3, 4], label: "B" },
  { values: [0, 4], label: "B" },
];

describe("contentDigest()", () => {
  test("is a given one for given rows, for good", () => {
    // The figure is from hashlib of Python: another one would make every recorded digest void.
    expect(digestOf(datasetOf(ROWS, { features: ["a", "b"] }))).toBe(
      "2f0643e42b30addb75e845714a0c5b27ab9dc4a241471206b67ec8da6b382d8c",
    );
  });

  test("is the same whichever class is positive", () => {
    const [usual, turned] = [datasetOf(ROWS), datasetOf(ROWS, { positive: "A" })];
    expect(turned.classes).toEqual(["B", "A"]);
    expect([...turned.y]).toEqual([...usual.y].map((y) => 1 - y));
    expect(hexOf(digestRows(turned))).toBe(hexOf(digestRows(usual)));
    expect(digestOf(turned)).toBe(digestOf(usual));
  });

  test("takes -0 for 0", () => {
    const negative = ROWS.map(({ values, label }) => ({
      values: values.map((x) => (x === 0 ? -0 : x)),
      label,
    }));
    expect(digestOf(datasetOf(negative))).toBe(digestOf(datasetOf(ROWS)));
  });

  // biome-ignore format: one line a case
  test.each<[what: string, rows: Row[], features: string[]]>([
    ["one value by one ulp", [{ values: [1 + 2 ** -52, 2], label: "A" }, ...ROWS.slice(1)], ["a", "b"]],
    ["a label of one row", [ROWS[0]!, ROWS[1]!, { values: [0, 4], label: "A" }], ["a", "b"]],
    ["a row more", [...ROWS, { values: [5, 6], label: "A" }], ["a", "b"]],
    ["two values of a row changed over", [{ values: [2, 1], label: "A" }, ...ROWS.slice(1)], ["a", "b"]],
    ["the name of a column", ROWS, ["a", "c"]],
    ["the order of columns", ROWS.map(({ values, label }) => ({ values: [...values].reverse(), label })), ["b", "a"]],
    ["the name of a class", ROWS.map(({ values, label }) => ({ values, label: label === "A" ? "a" : label })), ["a", "b"]],
    ["names that could run together", ROWS, ["a\",\"b", "c"]],
  ])("changes with %s", (_, rows, features) => {
    expect(digestOf(datasetOf(rows, { features }))).not.toBe(
      digestOf(datasetOf(ROWS, { features: ["a", "b"] })),
    );
  });
});

describe("sortDigests() and compareDigests()", () => {
  test("order as bytes do, equal digests by index", () => {
    const random = createRandom();
    const n = 3000;
    const digests = new Uint8Array(n * 32);
    for (let i = 0; i < n; i++) {
      // Few first bytes, and differences in one late byte, so that every part of the order matters.
      digests[i * 32] = Math.floor(random() * 4) * 80;
      digests[i * 32 + 1] = Math.floor(random() * 3) * 120;
      digests[i * 32 + 2 + Math.floor(random() * 30)] = Math.floor(random() * 256);
    }
    const row = (i: number) => digests.subarray(i * 32, (i + 1) * 32);
    const expected = Array.from({ length: n }, (_, i) => i).sort(
      (a, b) => Buffer.compare(row(a), row(b)) || a - b,
    );
    expect([...sortDigests(digests)]).toEqual(expected);
    const view = new DataView(digests.buffer);
    for (let i = 1; i < n; i++) {
      expect(Math.sign(compareDigests(view, i - 1, i))).toBe(Buffer.compare(row(i - 1), row(i)));
    }
  });

  test("order nothing, and one", () => {
    expect([...sortDigests(new Uint8Array(0))]).toEqual([]);
    expect([...sortDigests(new Uint8Array(32))]).toEqual([0]);
  });
});

describe("labels", () => {
  test(`are ordered by code point, which is how their UTF-8 bytes are ordered, seed ${SEED}`, () => {
    // JavaScript compares UTF-16 units, which puts U+1F347 before U+FF21.
    expect(["\u{1f347}", "\uff21"].sort()).toEqual(["\u{1f347}", "\uff21"]);
    expect(sortLabels(["\u{1f347}", "\uff21"])).toEqual(["\uff21", "\u{1f347}"]);
    const text = fc.string({ unit: fc.constantFrom(..."aZ~é\uff21\uffee\u{10000}\u{1f347}") });
    check(
      fc.property(text, text, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareCodePoints(a, b))).toBe(expected);
      }),
      1000,
    );
  });

  // biome-ignore format: one line a case
  test.each([
    [["Kecimen", "Besni"], ["Besni", "Kecimen"]],
    [["10", "9"], ["9", "10"]],
    [["1", "-1"], ["-1", "1"]],
    [["1e1", "9.5"], ["9.5", "1e1"]],
    [["1.0", "0"], ["0", "1.0"]],
    [["1", "1.0"], ["1", "1.0"]],
    [["10", "9a"], ["10", "9a"]],
    [["a10", "a9"], ["a10", "a9"]],
    [["0x2", "0x10"], ["0x10", "0x2"]],
    [["b", "B"], ["B", "b"]],
    [["ab", "a"], ["a", "ab"]],
  ])("%j are sorted as %j, by value where all are numbers", (labels, sorted) => {
    expect(sortLabels(labels)).toEqual(sorted);
    expect(sortLabels([...labels].reverse())).toEqual(sorted);
  });
});
