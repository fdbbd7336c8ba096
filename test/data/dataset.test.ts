// Do arrays become a dataset, which class is 1, and is what is odd about columns said, without false alarms?
import { describe, expect, test } from "vitest";
import { bundledRaisins } from "../../src/data/bundled.ts";
import { DataError } from "../../src/data/data-error.ts";
import { columnWarnings, datasetFromArrays, orderClasses } from "../../src/data/dataset.ts";
import { readCsv } from "../../src/data/files.ts";
import { nearest } from "../../src/data/nearest.ts";
import { cut, shown } from "../../src/data/shown.ts";
import { numbersOf } from "../support/numbers.ts";
import { createRandom } from "./support.ts";

const random = createRandom();
const wholes = (n: number, limit: number) =>
  Float64Array.from({ length: n }, () => Math.floor(random() * limit));
const counter = (n: number, from = 1) => Float64Array.from({ length: n }, (_, i) => from + i);
/** Whole numbers, each once, with gaps. */
const unique = (n: number) => counter(n).map((x) => x * 37 + Math.floor(random() * 30));

describe("columnWarnings()", () => {
  // biome-ignore format: one line a case
  const IDENTIFIERS = [
    "id", "ID", "Id", " id ", "row_id", "row id", "Row-ID", "row.id", "userId", "userID", "customerUuid", "uuid", "GUID",
    "patient_uuid", "index", "Index", "row", "rownum", "row_number", "Row Index", "no", "No.", "nr", "Nr.", "key",
    "Unnamed: 0", "unnamed", "sample\nid", "größe_id",
  ];
  test.each(IDENTIFIERS.map((name) => [name]))(
    "takes unique whole numbers named %j for an identifier",
    (name) => {
      expect(columnWarnings([name], [unique(50)])).toEqual([
        `Column ${JSON.stringify(name)} looks like an identifier (whole numbers, each once); leave it out with --drop unless it is a measurement`,
      ]);
    },
  );

  // biome-ignore format: one line a case
  const MEASUREMENTS = [
    "humid", "paid", "Paid", "PAID", "Solid", "SOLID", "valid", "acid", "grid", "Fluid", "void", "idle", "ideal", "width",
    "Area", "ConvexArea", "Perimeter", "monkey", "turkey", "nitrogen", "note", "north", "nrm", "indexed", "rowing", "arrow",
    "brow", "keyboard", "liquid", "druid", "ovoïd", "féculoïd", "x1",
  ];
  test.each(MEASUREMENTS.map((name) => [name]))(
    "takes them for a measurement when named %j",
    (name) => {
      expect(columnWarnings([name], [unique(50)])).toEqual([]);
    },
  );

  test("takes numbers that count rows for an identifier, whatever their name and order", () => {
    for (const from of [0, 1, 1000, -5]) {
      const column = counter(50, from);
      expect(columnWarnings(["Area"], [column])).toHaveLength(1);
      expect(columnWarnings(["Area"], [column.reverse()])).toHaveLength(1);
    }
    // As well as 1, 2, 3 in a table of three rows: by chance.
    expect(columnWarnings(["Area"], [Float64Array.of(5, 4, 6)])).toEqual([]);
    expect(columnWarnings(["Area"], [counter(9)])).toEqual([]);
    expect(columnWarnings(["Area"], [counter(10)])).toHaveLength(1);
  });

  test("has no word against measurements: whole numbers with repetitions, large ones, fractions", () => {
    const names = ["Area", "age", "pixels", "share", "id", "row_id", "flag"];
    const repeated = wholes(500, 300);
    const columns = [
      wholes(500, 200_000),
      wholes(500, 90),
      unique(500),
      Float64Array.from({ length: 500 }, random),
      repeated, // an identifier would come once
      counter(500).map((x) => x / 10),
      wholes(500, 2),
    ];
    expect(columnWarnings(names, columns)).toEqual([]);
  });

  test("says that a column is constant, unless there is one row", () => {
    expect(columnWarnings(["id"], [new Float64Array(5).fill(3)])).toEqual([
      'Column "id" is constant and tells the model nothing',
    ]);
    expect(columnWarnings(["a"], [Float64Array.of(1)])).toEqual([]);
    expect(columnWarnings([], [])).toEqual([]);
  });

  test("names each odd column once, and shows its name without driving a terminal", () => {
    const warnings = columnWarnings(
      ["a", "\u001b[2J_id", "b", '"; rm -rf ~; "'],
      [new Float64Array(20), unique(20), wholes(20, 3), new Float64Array(20)],
    );
    expect(warnings).toHaveLength(3);
    expect(warnings[1]).toMatch(/^Column "\\u001b\[2J_id" looks like/);
    expect(warnings[2]).toBe('Column "\\"; rm -rf ~; \\"" is constant and tells the model nothing');
  });

  test("takes no time that grows faster than a name", () => {
    for (const name of [
      "a_".repeat(200_000),
      `unnamed${"\n".repeat(200_000)}`,
      "iI".repeat(200_000),
    ]) {
      columnWarnings([name], [unique(50)]);
    }
  });

  test("has no word against the bundled raisins", async () => {
    const raisins = await readCsv(bundledRaisins(), { label: "Class" });
    expect(raisins.warnings).toEqual([]);
    expect(raisins.rowCount).toBe(900);
    expect(raisins.classes).toEqual(["Besni", "Kecimen"]);
  });
});

describe("orderClasses()", () => {
  // biome-ignore format: one line a case
  test.each<[labels: string[], positive: string | undefined, classes: string[]]>([
    [["Kecimen", "Besni"], undefined, ["Besni", "Kecimen"]],
    [["Kecimen", "Besni"], "Besni", ["Kecimen", "Besni"]],
    [["Kecimen", "Besni"], "Kecimen", ["Besni", "Kecimen"]],
    [["10", "9"], undefined, ["9", "10"]],
    [["1", "0"], undefined, ["0", "1"]],
    [["yes", "no", "yes"], undefined, ["no", "yes"]],
    [["\u{1f347}", "\uff21"], undefined, ["\uff21", "\u{1f347}"]],
  ])("puts %j with positive %j as %j", (labels, positive, classes) => {
    expect(orderClasses(labels, positive)).toEqual(classes);
  });

  test("refuses other than two classes, and a positive class that is none of them", () => {
    expect(() => orderClasses([])).toThrow(/must be exactly two: found 0$/);
    expect(() => orderClasses(["a", "a"])).toThrow(/found 1$/);
    expect(() => orderClasses(["a", "b", "c"])).toThrow(/found 3$/);
    expect(() => orderClasses(["a", "b"], "\u001b[2J")).toThrow(
      new DataError('Cannot make "\\u001b[2J" the positive class as the classes are "a" and "b"'),
    );
  });
});

describe("datasetFromArrays()", () => {
  const X = [
    [1, 2],
    [3, 4],
    [-0, 6],
  ];

  test("takes rows or row-major values alike, and copies them", () => {
    const flat = Float64Array.from(X.flat());
    const dataset = datasetFromArrays(X, [0, 1, 1]);
    expect(datasetFromArrays(flat, [0, 1, 1])).toEqual(dataset);
    expect(dataset).toEqual({
      name: "arrays",
      features: ["x1", "x2"],
      columns: [Float64Array.of(1, 3, 0), Float64Array.of(2, 4, 6)],
      label: "label",
      classes: ["0", "1"],
      y: Uint8Array.of(0, 1, 1),
      rowCount: 3,
      warnings: [],
    });
    const options = { features: ["a", "b"], label: "kind", positive: "no", name: "mine" };
    const named = datasetFromArrays(flat, ["no", "yes", "no"], options);
    flat.fill(9);
    expect([...numbersOf(named.columns[0])]).toEqual([1, 3, 0]);
    expect([...named.y]).toEqual([1, 0, 1]);
    expect(named).toMatchObject({ features: ["a", "b"], label: "kind", name: "mine" });
  });

  test("takes booleans for 0 and 1, typed arrays, and numbers by value", () => {
    expect([...datasetFromArrays(X, [true, false, true]).y]).toEqual([1, 0, 1]);
    expect(datasetFromArrays(X, [true, false, true]).classes).toEqual(["0", "1"]);
    expect([...datasetFromArrays(X, Uint8Array.of(0, 1, 0)).y]).toEqual([0, 1, 0]);
    expect(datasetFromArrays(X, [10, 9, 10]).classes).toEqual(["9", "10"]);
    expect(datasetFromArrays(X, [-0, 1, 0]).classes).toEqual(["0", "1"]);
  });

  const any = (value: unknown) => value as never;
  // biome-ignore format: one line a case
  test.each<[what: string, create: () => unknown, error: typeof TypeError | typeof DataError, says: RegExp]>([
    ["no rows", () => datasetFromArrays([], []), TypeError, /there are none/],
    ["no columns", () => datasetFromArrays([[], []], [0, 1]), TypeError, /at least one/],
    ["fewer labels than rows", () => datasetFromArrays(X, [0, 1]), TypeError, /3 rows with 2 labels/],
    ["values that are no whole number of rows", () => datasetFromArrays(new Float64Array(5), [0, 1]), TypeError, /5 values as 2 rows/],
    ["a short row", () => datasetFromArrays([[1, 2], [3]], [0, 1]), TypeError, /row 2 as rows must have 2 values: it has 1/],
    ["a long row", () => datasetFromArrays([[1], [2, 3]], [0, 1]), TypeError, /row 2 as rows must have 1 values: it has 2/],
    ["a row that is missing", () => datasetFromArrays(any([[1], undefined]), [0, 1]), TypeError, /row 2 as rows must have 1 values: it has none/],
    ["NaN", () => datasetFromArrays([[1, 2], [3, Number.NaN]], [0, 1]), DataError, /row 2, column 2 as values must be finite numbers: current value is NaN/],
    ["Infinity", () => datasetFromArrays(Float64Array.of(1, -1 / 0), [0, 1]), DataError, /row 2, column 1.*current value is -Infinity/],
    ["text", () => datasetFromArrays(any([[1], ["2"]]), [0, 1]), DataError, /row 2, column 1.*current value is 2/],
    ["a hole", () => datasetFromArrays(any([[1], [undefined]]), [0, 1]), DataError, /row 2, column 1.*current value is undefined/],
    ["one class", () => datasetFromArrays(X, [1, 1, 1]), DataError, /exactly two classes: found 1 \("1"\)$/],
    ["three classes", () => datasetFromArrays(X, ["a", "b", "c"]), DataError, /exactly two classes: found 3 \("a", "b", "c"\)$/],
    ["a label that is NaN", () => datasetFromArrays(X, [0, 1, Number.NaN]), DataError, /labels must be finite numbers, booleans or strings: current value is NaN$/],
    ["a label that is NaN for want of a class", () => datasetFromArrays(X, [1, 1, Number.NaN]), DataError, /current value is NaN$/],
    ["a label that is missing", () => datasetFromArrays(X, any([0, 1, undefined])), DataError, /current value is undefined$/],
    ["a label that is null", () => datasetFromArrays(X, any([0, null, 0])), DataError, /current value is null$/],
    ["a positive class that is none", () => datasetFromArrays(X, [0, 1, 1], { positive: "2" }), DataError, /Cannot make "2" the positive class/],
    ["too few names", () => datasetFromArrays(X, [0, 1, 1], { features: ["a"] }), TypeError, /Cannot name 2 columns with 1 distinct names/],
    ["equal names", () => datasetFromArrays(X, [0, 1, 1], { features: ["a", "a"] }), TypeError, /Cannot name 2 columns with 1 distinct names/],
  ])("refuses %s", (_, create, error, says) => {
    expect(create).toThrow(error);
    expect(create).toThrow(says);
  });
});

describe("nearest()", () => {
  // biome-ignore format: one line a case
  test.each<[word: string, names: string[], found: string | undefined]>([
    ["Class", ["Area", "class"], "class"],
    ["Class", ["Area", " CLASS "], " CLASS "],
    ["Class", ["Area", "Klass"], "Klass"],
    ["Class", ["Area", "target"], undefined],
    ["Perimeter", ["Area", "Perimetre"], "Perimetre"],
    ["a", ["b"], "b"],
    ["", [], undefined],
    ["__proto__", ["constructor"], undefined],
    ["ab", ["abc", "ab"], "ab"],
  ])("of %j among %j is %j", (word, names, found) => {
    expect(nearest(word, names)).toBe(found);
  });
});

describe("shown() and cut()", () => {
  // biome-ignore format: one line a case
  test.each([
    ["plain", '"plain"'],
    ['a "b"\n', '"a \\"b\\"\\n"'],
    ["\u001b[31m", '"\\u001b[31m"'],
    ["\u009b31m\u007f", '"\\u009b31m\\u007f"'],
    ["\u202eabc\u2066", '"\\u202eabc\\u2066"'],
    ["a\u2028b\ufeff", '"a\\u2028b\\ufeff"'],
    ["\u{e0041}", '"\\u{e0041}"'],
    ["\ud800", '"\\ud800"'],
    ["é€🍇", '"é€🍇"'],
    ["x".repeat(64), `"${"x".repeat(64)}"`],
    ["x".repeat(65), `"${"x".repeat(64)}…"`],
    ["🍇".repeat(65), `"${"🍇".repeat(64)}…"`],
  ])("%j", (text, expected) => {
    expect(shown(text)).toBe(expected);
    expect(cut(cut(text))).toBe(cut(text));
  });
});
