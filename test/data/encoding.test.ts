// Do input columns become the features that CONTRACT.md (N8a) says, from rows in any order, by one function for all hosts?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Column } from "../../src/core/column.ts";
import type { Cells, Texts } from "../../src/data/csv-column.ts";
import { CsvError } from "../../src/data/csv-error.ts";
import { DataError } from "../../src/data/data-error.ts";
import {
  type CategoryColumn,
  checkFeatureNames,
  countTexts,
  DEFAULT_ENCODING,
  type EncodingOptions,
  encode,
  encodeOrThrow,
  featureNamesOf,
  featuresOf,
  type InputColumn,
  isPlain,
  learnColumn,
  missingCount,
} from "../../src/data/encoding.ts";
import { inputsOfObjects } from "../../src/data/objects.ts";
import { valuesOfFeature } from "../support/numbers.ts";
import { check, createRandom, SEED, shuffled } from "./support.ts";
import { datasetOf, tableOf } from "./tables.ts";

/** A column of texts, null where they are missing. */
function textsOf(values: readonly (string | null)[]): Texts {
  const texts = [...new Set(values)].filter((text) => text !== null);
  return {
    codes: Int32Array.from(values, (text) => (text === null ? -1 : texts.indexOf(text))),
    texts,
    places: texts.map((text) => values.indexOf(text) + 2), // the line in a file
  };
}

const numbersOf = (values: readonly (number | null)[]) =>
  Float64Array.from(values, (value) => value ?? Number.NaN);

const learn = (
  values: readonly (string | null)[],
  options: Partial<EncodingOptions> = {},
  hasMissing = values.includes(null),
) =>
  learnColumn("c", textsOf(values), hasMissing, {
    ...DEFAULT_ENCODING,
    ...options,
  }) as CategoryColumn;

/** What a column holds, with null for a missing number. */
function valuesOf(column: Column): (number | null)[] {
  return Array.from(valuesOfFeature(column), (value) => (Number.isNaN(value) ? null : value));
}

const matrixOf = (columns: readonly Column[]) => columns.map(valuesOf);

describe("learnColumn()", () => {
  test("takes numbers as they are, and says where they may be missing", () => {
    const cells = numbersOf([1, 2]);
    expect(learnColumn("x", cells, false, DEFAULT_ENCODING)).toEqual({ name: "x", as: "number" });
    expect(learnColumn("x", cells, true, DEFAULT_ENCODING)).toEqual({
      name: "x",
      as: "number",
      missing: "indicator",
    });
  });

  test("sorts levels by code point, which is not JavaScript's order beyond U+FFFF", () => {
    const levels = ["\u{1F347}", "\uFF5E", "é", "z", "Z", "10", "9", "", " a", "e\u0301"];
    const expected = ["", " a", "10", "9", "Z", "e\u0301", "z", "é", "\uFF5E", "\u{1F347}"];
    expect(learn(levels).levels).toEqual(expected);
    expect(learn(levels).base).toBe("");
    // A control: UTF-16 puts the grape, whose first unit is a surrogate, before U+FF5E.
    expect([...levels].sort()).not.toEqual(expected);
  });

  test("takes the first level as base, or the most frequent one, and of equals the first", () => {
    const values = ["b", "a", "c", "c", "b", "\u{1F347}", "\uFF5E"];
    expect(learn(values).base).toBe("a");
    expect(learn(values, { base: "most-frequent" }).base).toBe("b");
    expect(learn([...values, "c"], { base: "most-frequent" }).base).toBe("c");
    expect(learn(["\u{1F347}", "\uFF5E"], { base: "most-frequent" }).base).toBe("\uFF5E");
    // The levels stand in code point order whatever the base is.
    expect(learn([...values, "c"], { base: "most-frequent" }).levels[0]).toBe("a");
  });

  test("does not count a missing cell as a level", () => {
    const column = learn(["b", null, null, null, "a"], { base: "most-frequent" });
    expect(column).toMatchObject({ levels: ["a", "b"], base: "a", missing: "indicator" });
    expect(learn(["a", "b"], {}, true).missing).toBe("indicator"); // as it was told
    expect(learn(["a", "b"]).missing).toBeUndefined();
  });

  test("keeps the most frequent levels, of equals the first, and makes the rest other", () => {
    const values = ["d", "d", "d", "a", "b", "c", "b", "c"];
    const keep = (maxLevels: number | null, more: Partial<EncodingOptions> = {}) =>
      learn(values, { maxLevels, ...more });
    expect(keep(null)).toEqual({
      name: "c",
      as: "category",
      levels: ["a", "b", "c", "d"],
      base: "a",
    });
    expect(keep(4)).toEqual(keep(null)); // nothing is left for other
    expect(keep(5)).toEqual(keep(null));
    expect(keep(3)).toMatchObject({ levels: ["b", "c", "d"], base: "b", other: true });
    expect(keep(2)).toMatchObject({ levels: ["b", "d"], base: "b", other: true });
    expect(keep(1)).toMatchObject({ levels: ["d"], base: "d", other: true });
    expect(keep(2, { base: "most-frequent" })).toMatchObject({ levels: ["b", "d"], base: "d" });
  });

  test("says that unseen levels count as the base only where that was asked for", () => {
    expect(learn(["a", "b"], { unseen: "base" }).unseen).toBe("base");
    expect("unseen" in learn(["a", "b"], { unseen: "error" })).toBe(false);
  });

  test("does not see texts that no row has any more", () => {
    const cells = { ...textsOf(["a", "b", "c"]), codes: Int32Array.of(2, 1, 1) };
    const options = { ...DEFAULT_ENCODING, base: "most-frequent" } as const;
    expect(learnColumn("c", cells, false, options)).toMatchObject({
      levels: ["b", "c"],
      base: "b",
    });
  });
});

describe("featuresOf()", () => {
  const category: CategoryColumn = {
    name: "job",
    as: "category",
    levels: ["a", "b", "c"],
    base: "b",
  };

  test.each<[string, InputColumn, string[]]>([
    ["a number", { name: "x", as: "number" }, ["x"]],
    [
      "a number that may be missing",
      { name: "x", as: "number", missing: "indicator" },
      ["x", "x is missing"],
    ],
    ["a category", category, ["job=a", "job=c"]],
    ["one with other", { ...category, other: true }, ["job=a", "job=c", "job is other"]],
    [
      "one that may be missing",
      { ...category, missing: "indicator" },
      ["job=a", "job=c", "job is missing"],
    ],
    [
      "one with both",
      { ...category, other: true, missing: "indicator" },
      ["job=a", "job=c", "job is other", "job is missing"],
    ],
    ["one level and other", { ...category, levels: ["b"], other: true }, ["job is other"]],
    [
      "one level and missing",
      { ...category, levels: ["b"], missing: "indicator" },
      ["job is missing"],
    ],
  ])("names those of %s", (_, column, names) => {
    expect(featuresOf(column)).toEqual(names);
    expect(isPlain(column)).toBe(names.length === 1 && names[0] === column.name);
  });

  test("stand one column behind the other", () => {
    expect(featureNamesOf([category, { name: "x", as: "number" }])).toEqual([
      "job=a",
      "job=c",
      "x",
    ]);
  });
});

describe("checkFeatureNames()", () => {
  const number = (name: string): InputColumn => ({ name, as: "number" });
  const category = (name: string, ...levels: string[]): CategoryColumn => ({
    name,
    as: "category",
    levels,
    base: levels[0]!,
  });

  test.each<[what: string, columns: InputColumn[]]>([
    ["a column named as a level of another", [category("a", "x", "y"), number("a=y")]],
    ["the same, the other way round", [number("a=y"), category("a", "x", "y")]],
    ["levels of two columns", [category("a", "", "b=c"), category("a=b", "", "c")]],
    [
      "an indicator and a column",
      [{ ...number("a"), missing: "indicator" } as InputColumn, number("a is missing")],
    ],
    ["other and a column", [{ ...category("a", "x"), other: true }, number("a is other")]],
    [
      "other of one and the level of another",
      [{ ...category("a=b", "x"), other: true }, category("a", "", "b is other")],
    ],
    [
      "a base that is a column, as a feature of a third",
      [category("a", "b", "c"), category("a=c", "d", "e")],
    ],
  ])("refuses %s", (_, columns) => {
    expect(() => checkFeatureNames(columns)).toThrow(DataError);
    expect(() => checkFeatureNames(columns)).toThrow(/rename one of them, or leave it out/);
    expect(() => checkFeatureNames(columns.slice(0, 1))).not.toThrow();
  });

  test("takes names that only look alike", () => {
    const columns = [
      category("a", "x", "y"),
      number("a=x "),
      number("a is missing"),
      number("A=y"),
    ];
    expect(() => checkFeatureNames(columns)).not.toThrow();
  });

  test("is asked of a table", () => {
    const colliding = tableOf({ "a=y": [1, 2, 3, 5], a: ["x", "y", "x", "y"] });
    expect(() => datasetOf(colliding)).toThrow(/"a=y"/);
    expect(() => datasetOf(colliding, { drop: ["a=y"] })).not.toThrow();
  });
});

describe("encode()", () => {
  const job: CategoryColumn = { name: "job", as: "category", levels: ["a", "b", "c"], base: "b" };

  test("switches on the feature of a row's level, and none for the base", () => {
    const { columns, problems, unseen } = encode([
      { column: job, cells: textsOf(["a", "b", "c", "a"]) },
    ]);
    expect(matrixOf(columns)).toEqual([
      [1, 0, 0, 1],
      [0, 0, 1, 0],
    ]);
    expect({ problems, unseen }).toEqual({ problems: [], unseen: 0 });
  });

  test("gives other and missing their features, and numbers their indicator", () => {
    const column: InputColumn = { ...job, other: true, missing: "indicator" };
    const { columns, unseen } = encode([
      { column, cells: textsOf(["a", null, "z", "b", "c"]) },
      {
        column: { name: "x", as: "number", missing: "indicator" },
        cells: numbersOf([1.5, null, 0, -2, null]),
      },
    ]);
    expect(matrixOf(columns)).toEqual([
      [1, 0, 0, 0, 0],
      [0, 0, 0, 0, 1],
      [0, 0, 1, 0, 0],
      [0, 1, 0, 0, 0],
      [1.5, null, 0, -2, null],
      [0, 1, 0, 0, 1],
    ]);
    expect(unseen).toBe(0); // what is other has been seen, in a way
  });

  test("names an unseen level, or counts it as the base", () => {
    const cells = textsOf(["a", "zoo", "c", "zoo", "zebra"]);
    const refused = encode([{ column: job, cells }]);
    expect(refused.problems).toEqual([
      { kind: "level_unknown", column: "job", line: 3, value: "zoo", count: 2 },
      { kind: "level_unknown", column: "job", line: 6, value: "zebra", count: 1 },
    ]);
    for (const asked of [
      encode([{ column: job, cells }], "base"),
      encode([{ column: { ...job, unseen: "base" }, cells }]),
    ]) {
      expect(asked).toMatchObject({ problems: [], unseen: 3 });
      expect(matrixOf(asked.columns)).toEqual([
        [1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
      ]);
    }
    // What the caller says goes before what the model says.
    expect(encode([{ column: { ...job, unseen: "base" }, cells }], "error").problems).toHaveLength(
      2,
    );
  });

  test("does not count texts that no row has", () => {
    const cells = { ...textsOf(["a", "zoo"]), codes: Int32Array.of(0, 0) };
    expect(encode([{ column: job, cells }])).toMatchObject({ problems: [], unseen: 0 });
  });

  test("names a number where a category was learned", () => {
    const asText = encode([{ column: job, cells: textsOf(["a", "7", "c", "7.5"]) }]);
    expect(asText.problems).toEqual([
      { kind: "number_for_level", column: "job", line: 3, value: "7", count: 1 },
      { kind: "number_for_level", column: "job", line: 5, value: "7.5", count: 1 },
    ]);
    const asNumbers = encode([{ column: job, cells: numbersOf([7, 8]) }]);
    expect(asNumbers.problems).toMatchObject([
      { kind: "number_for_level", column: "job", value: "7", count: 2 },
    ]);
    // Where levels are numbers, another number is a level that was not learned.
    const codes: CategoryColumn = { name: "zip", as: "category", levels: ["1", "2"], base: "1" };
    expect(encode([{ column: codes, cells: textsOf(["1", "7"]) }]).problems).toMatchObject([
      { kind: "level_unknown", value: "7" },
    ]);
    expect(encode([{ column: codes, cells: textsOf(["1", "2.0"]) }]).problems).toHaveLength(1);
  });

  test("names a missing cell where none was learned, and a text where numbers were", () => {
    expect(
      encode([{ column: job, cells: textsOf(["a", null, "b", null]) }]).problems,
    ).toMatchObject([{ kind: "empty", column: "job", count: 2 }]);
    const x: InputColumn = { name: "x", as: "number" };
    expect(encode([{ column: x, cells: numbersOf([1, null]) }]).problems).toMatchObject([
      { kind: "empty", column: "x", line: 2, count: 1 },
    ]);
    expect(encode([{ column: x, cells: textsOf(["oak"]) }]).problems).toMatchObject([
      { kind: "text", column: "x", value: "oak" },
    ]);
    // Controls.
    expect(encode([{ column: x, cells: numbersOf([1, 2]) }]).problems).toEqual([]);
    expect(
      encode([{ column: { ...job, missing: "indicator" }, cells: textsOf([null]) }]).problems,
    ).toEqual([]);
  });

  test("takes all rows missing, and none at all", () => {
    const column: InputColumn = { ...job, missing: "indicator" };
    expect(matrixOf(encode([{ column, cells: textsOf([null, null]) }]).columns)).toEqual([
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
    expect(matrixOf(encode([{ column, cells: textsOf([]) }]).columns)).toEqual([[], [], []]);
  });
});

describe("encodeOrThrow()", () => {
  const job: CategoryColumn = { name: "job", as: "category", levels: ["a", "b"], base: "b" };
  const about = { width: 2, unit: "line" } as const;

  test("gives what encode gives, or one error of all that is wrong and what would do", () => {
    const good = [{ column: job, cells: textsOf(["a", "b"]) }];
    expect(encodeOrThrow(good, about)).toEqual(encode(good));
    const x: InputColumn = { name: "x", as: "number" };
    const bad = [
      { column: job, cells: textsOf(["a", "zoo"]) },
      { column: x, cells: textsOf(["oak"]) },
    ];
    let error: unknown;
    try {
      encodeOrThrow(bad, about);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(CsvError);
    const { message, problems } = error as CsvError;
    expect(problems.map(({ kind }) => kind)).toEqual(["level_unknown", "text"]);
    for (const words of [
      "2 problems",
      '"job"',
      '"zoo"',
      '"x"',
      '"oak"',
      '"a", "b"',
      "--unseen base",
    ]) {
      expect(message).toContain(words);
    }
    expect(encodeOrThrow(bad.slice(0, 1), about, "base").unseen).toBe(1);
  });

  test("shows twenty levels and counts the others, and cuts what is long", () => {
    const levels = Array.from(
      { length: 400 },
      (_, i) => `l${String(i).padStart(3, "0")}${"x".repeat(400)}`,
    );
    const column = { ...job, levels, base: levels[0]! };
    const cells = textsOf([`\u202e${"z".repeat(60_000)}`]);
    expect(() => encodeOrThrow([{ column, cells }], about)).toThrow(/and 380 more/);
    try {
      encodeOrThrow([{ column, cells }], about);
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(4000);
      expect((error as Error).message).not.toContain("\u202e");
    }
  });
});

// An oracle: features row by row, as N8a has them in words, from values and not from codes.

type Value = number | string | null;

function oracleFeatures(
  column: InputColumn,
  value: Value,
): { row: (number | null)[]; unseen: boolean } {
  const missing = column.missing ? [value === null ? 1 : 0] : [];
  if (column.as === "number") return { row: [value as number | null, ...missing], unseen: false };
  const isLevel = typeof value === "string" && column.levels.includes(value);
  const isOther = typeof value === "string" && !isLevel;
  const row = column.levels
    .filter((level) => level !== column.base)
    .map((level) => (value === level ? 1 : 0));
  const other = column.other ? [isOther ? 1 : 0] : [];
  return { row: [...row, ...other, ...missing], unseen: isOther && !column.other };
}

function oracleColumn(values: readonly (string | null)[], options: EncodingOptions): InputColumn {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  const points = (text: string) => Array.from(text, (c) => c.codePointAt(0)!);
  const before = (a: string, b: string) => {
    const [x, y] = [points(a), points(b)];
    for (let k = 0; k < Math.min(x.length, y.length); k++) if (x[k] !== y[k]) return x[k]! - y[k]!;
    return x.length - y.length;
  };
  const ranked = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)! || before(a, b));
  const kept = ranked.slice(0, options.maxLevels ?? ranked.length);
  const levels = [...kept].sort(before);
  return {
    name: "c",
    as: "category",
    levels,
    base: options.base === "first" ? levels[0]! : kept[0]!,
    ...(kept.length < ranked.length && { other: true as const }),
    ...(values.includes(null) && { missing: "indicator" as const }),
    ...(options.unseen === "base" && { unseen: "base" as const }),
  };
}

describe("learning and encoding", () => {
  const level = fc.constantFrom(
    "a",
    "b",
    "B",
    "",
    "é",
    "e\u0301",
    "\uFF5E",
    "\u{1F347}",
    "\u{1F347}b",
    "10",
    "9",
    "__proto__",
    "constructor",
  );
  const values = fc.array(fc.option(level, { freq: 6 }), { minLength: 1, maxLength: 40 });
  const options: fc.Arbitrary<EncodingOptions> = fc.record({
    base: fc.constantFrom("first", "most-frequent"),
    maxLevels: fc.constantFrom(null, 1, 2, 3, 5),
    unseen: fc.constantFrom("error", "base"),
  });

  test(`are those of an oracle, for the rows that were learned from and for new ones, seed ${SEED}`, () => {
    check(
      fc.property(values, values, options, fc.nat(), (old, fresh, how, seed) => {
        fc.pre(old.some((value) => value !== null));
        const column = learn(old, how);
        expect(column).toEqual(oracleColumn(old, how));
        expect(learn(shuffled(old, createRandom(seed)), how)).toEqual(column);
        for (const rows of [old, fresh]) {
          const encoded = encode([{ column, cells: textsOf(rows) }]);
          const expected = rows.map((value) => oracleFeatures(column, value));
          const isMissingNew = rows.includes(null) && column.missing === undefined;
          const unseen = expected.filter((one) => one.unseen).length;
          const isUnseenNew = unseen > 0 && column.unseen === undefined;
          expect(encoded.problems.length > 0).toBe(isMissingNew || isUnseenNew);
          if (encoded.problems.length > 0) continue;
          expect(encoded.unseen).toBe(unseen);
          expect(encoded.columns).toHaveLength(featuresOf(column).length);
          expect(matrixOf(encoded.columns)).toEqual(
            featuresOf(column).map((_, j) => expected.map(({ row }) => row[j]!)),
          );
        }
      }),
      500,
    );
  });

  test(`count problems cell by cell, seed ${SEED}`, () => {
    check(
      fc.property(values, (rows) => {
        const column: CategoryColumn = { name: "c", as: "category", levels: ["a", "b"], base: "a" };
        const { problems } = encode([{ column, cells: textsOf(rows) }]);
        const unknown = rows.filter((value) => value !== null && !["a", "b"].includes(value));
        const missing = rows.filter((value) => value === null);
        const sum = (kinds: string[]) =>
          problems
            .filter(({ kind }) => kinds.includes(kind))
            .reduce((all, { count }) => all + count, 0);
        expect(sum(["level_unknown", "number_for_level"])).toBe(unknown.length);
        expect(sum(["empty"])).toBe(missing.length);
        expect(missingCount(textsOf(rows))).toBe(missing.length);
        const counts = countTexts(textsOf(rows).codes, textsOf(rows).texts.length);
        expect(counts.reduce((a, b) => a + b, 0)).toBe(rows.length - missing.length);
      }),
      200,
    );
  });

  test("give the same of a table and of objects", () => {
    const rows = [
      { x: 1.5, job: "cook", ok: true },
      { x: null, job: "smith", ok: false },
      { x: -0, job: null, ok: true },
      { x: 7, job: "cook", ok: false },
    ];
    const text = tableOf({
      x: rows.map(({ x }) => (x === null ? "" : String(x))),
      job: rows.map(({ job }) => job ?? "?"),
      ok: rows.map(({ ok }) => String(ok)),
    });
    const { inputs, columns } = datasetOf(text, { missing: "indicator" });
    const specs = inputs.map(({ column }) => column);
    const others: Cells[] = inputsOfObjects(specs, rows).map(({ cells }) => cells);
    const encoded = encode(specs.map((column, j) => ({ column, cells: others[j]! })));
    expect(matrixOf(encoded.columns)).toEqual(matrixOf(columns));
    expect(encoded.problems).toEqual([]);
  });
});
