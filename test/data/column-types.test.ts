// Is each column told for what it is, from all rows in any order, and whatever stands in the way named with what to do?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ColumnType,
  isIdentifier,
  LEVELS_MAX,
  MISSING_TOKENS,
  typeOf,
} from "../../src/data/column-types.ts";
import type { Texts } from "../../src/data/csv-column.ts";
import type { CsvFix, CsvProblem, CsvProblemKind } from "../../src/data/csv-error.ts";
import { DataError } from "../../src/data/data-error.ts";
import { PLAIN_DIALECT } from "../../src/data/dialect.ts";
import { inputsOfObjects } from "../../src/data/objects.ts";
import type { TableDataset } from "../../src/data/table-dataset.ts";
import { check, createRandom, readTableOf, SEED, shuffled } from "./support.ts";
import { csvOf, datasetOf, refusalOf, someNumbers, type TextOptions, tableOf } from "./tables.ts";

/** The type of a column of these cells. */
function typeOfColumn(cells: readonly (string | number)[], name = "c"): ColumnType {
  // A second column, or blank cells would be blank lines.
  const text = csvOf([[name, "other"], ...cells.map((cell) => [cell, 1])]);
  const table = readTableOf(text, { label: null, infer: true, missingTokens: MISSING_TOKENS });
  return typeOf(name, table.columns[0]!, table.facts[0]!);
}

const times = <T>(count: number, make: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i));
const cycle = <T>(items: readonly T[], count: number) =>
  times(count, (i) => items[i % items.length]!);

describe("typeOf()", () => {
  test.each<[type: ColumnType, what: string, cells: readonly (string | number)[], name?: string]>([
    ["numeric", "fractions", [1.5, 2, 3.25]],
    ["numeric", "fractions and gaps", [1.5, "", "NA", 3.25]],
    ["numeric", "whole numbers, some twice", [3, 1, 2, 3]],
    ["numeric", "a counter of nine rows", times(9, (i) => i + 1)],
    ["numeric", "ten whole numbers with a gap", [...times(9, (i) => i + 1), 11]],
    ["numeric", "zeros and ones and a two", [0, 1, 2]],
    ["numeric", "zeros and halves", [0, 0.5, 1]],
    ["numeric", "two whole numbers under the name of an identifier", [7, 9], "id"],
    ["numeric", "repeated numbers under the name of an identifier", [7, 9, 7], "user_id"],
    ["numeric", "fractions under the name of an identifier", [7.5, 9, 8], "id"],
    ["numeric", "numbers of two values", [3, 4, 3, 4]],
    ["boolean", "zeros and ones", [0, 1, 1, 0]],
    ["boolean", "zeros and ones in other writings", ["0.0", "1", "1e0", "-0"]],
    ["boolean", "zeros, ones and gaps", [0, "", 1, "?"]],
    ["boolean", "yes and no", ["yes", "no", "yes"]],
    ["boolean", "Yes and No", ["Yes", "No"]],
    ["boolean", "true and false", ["TRUE", "FALSE", ""]],
    ["boolean", "t and f", ["t", "f"]],
    ["boolean", "y and n", ["n", "y"]],
    ["boolean", "on and off", ["on", "off"]],
    ["categorical", "words of two languages", ["yes", "non"]],
    ["categorical", "yes, no and maybe", ["yes", "no", "maybe"]],
    ["categorical", "one word in two writings", ["yes", "Yes"]],
    ["categorical", "a few texts, each once", ["a", "b", "c", "d"]],
    ["categorical", "nine texts, each once", times(9, (i) => `t${i}`)],
    [
      "categorical",
      "ten texts in twenty rows",
      cycle(
        times(10, (i) => `t${i}`),
        20,
      ),
    ],
    ["categorical", "codes", cycle(["A11", "A12", "A13"], 30)],
    ["categorical", "a version", cycle(["1.2.3", "1.2.4"], 10)],
    ["categorical", "ranges", cycle(["10-20", "20-30", "30-40"], 12)],
    ["identifier", "a counter of ten rows", times(10, (i) => i + 1)],
    [
      "identifier",
      "a counter from 0, backwards, with gaps in the cells",
      [...times(10, (i) => 9 - i), "", ""],
    ],
    ["identifier", "whole numbers, each once, under such a name", [70, 12, 9], "user_id"],
    [
      "identifier",
      "ten texts in nineteen rows",
      cycle(
        times(10, (i) => `t${i}`),
        19,
      ),
    ],
    ["identifier", "three texts, each once, under such a name", ["a", "b", "c"], "customerID"],
    ["identifier", "names of people", times(40, (i) => `Mr. ${i}, of that name`)],
    ["constant", "one number", [5, 5, "5.0"]],
    ["constant", "one number and gaps", [5, "", 5]],
    ["constant", "one text", ["p", " p", "p "]],
    ["constant", "one text and gaps", ["p", "?", "p"]],
    ["constant", "zeros", [0, 0, "-0"]],
    ["date", "ISO dates", ["2020-01-31", "2021-02-01"]],
    ["date", "dates and times", ["2020-01-31T10:00:00Z", "2021-02-01 10:00"]],
    ["date", "dates of points", ["31.01.2020", "1.2.2021"]],
    ["date", "dates of strokes", ["1/31/20", "12/1/1999", ""]],
    ["date", "months", ["2020-01", "2020-02"]],
    ["date", "months in words", ["31 Jan 2020", "1-Feb-21"]],
    ["date", "months first", ["Jan 31, 2020", "February 1st 2021"]],
    ["date", "times", ["10:00", "23:59:59"]],
    ["date", "times with am and pm", ["10:00 am", "11:30 PM"]],
    [
      "date",
      "dates of which each comes once",
      times(30, (i) => `2020-01-${String(i + 1).padStart(2, "0")}`),
    ],
    ["mixed", "numbers and a text", [1, 2, "three"]],
    ["mixed", "a number among texts", ["A1", "A2", "7"]],
    ["mixed", "numbers and dates", [1, "2020-01-01"]],
    ["mixed", "decimal commas", ["1,5", "2,5", "3,5"]],
    ["mixed", "decimal commas of which each comes once", times(30, (i) => `${i},5`)],
    ["mixed", "amounts with a sign, each once", times(30, (i) => `$${i}.50`)],
    ["empty", "nothing", ["", " ", "\t"]],
    ["empty", "tokens only", ["?", "NA", "null"]],
  ])("says %s of %s", (type, _, cells, name) => {
    const random = createRandom();
    for (const order of [cells, [...cells].reverse(), ...times(4, () => shuffled(cells, random))]) {
      expect(typeOfColumn(order, name)).toBe(type);
    }
  });

  test.each([
    "id",
    "ID",
    "Id",
    " id ",
    "user_id",
    "user id",
    "userId",
    "CustomerID",
    "uuid",
    "GUID",
    "Unnamed: 0",
    "index",
    "row",
    "row_number",
    "RowNumber",
    "No.",
    "Nr",
    "key",
    "Passenger-ID",
  ])("takes %j for an identifier's name", (name) => {
    expect(isIdentifier(name, Float64Array.of(12, 99, 7))).toBe(true);
  });

  test.each([
    "humid",
    "paid",
    "Solid",
    "acid",
    "width",
    "Area",
    "idle",
    "indexed",
    "rowing",
    "normal",
    "monkey",
    "grid",
    "node",
    "kid",
    "",
  ])("does not take %j for one", (name) => {
    expect(isIdentifier(name, Float64Array.of(12, 99, 7))).toBe(false);
  });
});

const find = (problems: readonly CsvProblem[], column: string) =>
  problems.filter((problem) => problem.column === column);

/** The options that a fix makes of some options, as the command does. */
function withFix(options: TextOptions, fix: CsvFix): TextOptions {
  const {
    drop = [],
    categorical = [],
    decimal,
    thousands,
    label: _,
    rest,
    unseen,
    ...others
  } = fix;
  const { features, dialect = PLAIN_DIALECT, ...given } = options;
  const left = features?.filter((name) => !drop.includes(name));
  return {
    ...given,
    ...others,
    ...(rest && { rest }),
    ...(unseen && { unseen }),
    ...(left ? { features: left } : { drop: [...(options.drop ?? []), ...drop] }),
    categorical: [...(options.categorical ?? []), ...categorical].filter(
      (name) => !drop.includes(name),
    ),
    dialect: {
      ...dialect,
      ...(decimal !== undefined && { decimal }),
      ...(thousands !== undefined && { thousands }),
    },
  };
}

interface Finding {
  readonly what: string;
  readonly cells: readonly (string | number)[];
  readonly options?: TextOptions;
  readonly kind: CsvProblemKind;
  /** Of the first one; the header is line 1. */
  readonly line: number;
  readonly count: number;
  readonly value: string;
  readonly fix: CsvFix;
  /** What the message says to do. */
  readonly says: readonly string[];
  /** Cells that are no finding. */
  readonly control: readonly (string | number)[];
}

const FINDINGS: readonly Finding[] = [
  {
    what: "a blank cell",
    cells: [1, 2, " ", 3, ""],
    kind: "empty",
    line: 4,
    count: 2,
    value: "",
    fix: { missing: "indicator" },
    says: ["--missing indicator", "--missing drop"],
    control: [1, 2, 0, 3, 1],
  },
  {
    what: "a token among numbers",
    cells: [1, "NA", 2, "?", 3],
    kind: "missing",
    line: 3,
    count: 2,
    value: "NA",
    fix: { missing: "indicator" },
    says: ['"NA"', "--missing indicator", "--missing drop"],
    control: [1, 5, 2, 2, 3],
  },
  {
    what: "a token among texts",
    cells: ["a", "b", "?", "a", "b"],
    kind: "missing",
    line: 4,
    count: 1,
    value: "?",
    fix: { missing: "indicator" },
    says: ['"?"', "--missing indicator"],
    control: ["a", "b", "??", "a", "b"],
  },
  {
    what: "a text among numbers, which may be a token",
    cells: [1, 2, "none", 3, "none"],
    kind: "mixed",
    line: 4,
    count: 2,
    value: "none",
    fix: { missingTokens: ["none"], missing: "indicator" },
    says: ["--missing-tokens", "--categorical", "--drop"],
    control: [1, 2, 4, 3, 4],
  },
  {
    what: "many texts among numbers",
    cells: [1, 2, 3, 4, 5, "a", "b", "c", "d"],
    kind: "mixed",
    line: 7,
    count: 4,
    value: "a",
    fix: { drop: ["c"] },
    says: ["--categorical", "--drop"],
    control: [1, 2, 3, 4, 5, 5, 4, 3, 2],
  },
  {
    what: "a category that is a number in one row",
    cells: ["a", "b", "7", "a", "b", "a"],
    kind: "mixed",
    line: 4,
    count: 1,
    value: "7",
    fix: { categorical: ["c"] },
    says: ["7", "--categorical", "--drop"],
    control: ["a", "b", "c7", "a", "b", "a"],
  },
  {
    what: "decimal commas",
    cells: ["1,5", "2,25", "-3,5", "4"],
    kind: "number_format",
    line: 2,
    count: 3,
    value: "1,5",
    fix: { decimal: "," },
    says: ["--decimal comma", "--categorical"],
    control: [1.5, 2.25, -3.5, 4],
  },
  {
    what: "decimal commas and a text, which may be a token",
    cells: ["1,5", "2,25", "none", "-3,5", "none"],
    kind: "number_format",
    line: 2,
    count: 5,
    value: "1,5",
    fix: { decimal: ",", missingTokens: ["none"], missing: "indicator" },
    says: ["--decimal comma", '"none"', "--missing-tokens"],
    control: [1.5, 2.25, "", -3.5, ""].map((cell) => cell || 4),
  },
  {
    what: "thousands between commas",
    cells: ["1,234,567", "2,345,678.5", "1,000,000", "12"],
    kind: "number_format",
    line: 2,
    count: 3,
    value: "1,234,567",
    fix: { thousands: "," },
    says: ["--thousands comma"],
    control: [1234567, 2345678.5, 1e6, 12],
  },
  {
    what: "thousands between points, fractions behind commas",
    cells: ["1.234,5", "2.345.678,25", "12", "13"],
    kind: "number_format",
    line: 2,
    count: 2,
    value: "1.234,5",
    fix: { decimal: ",", thousands: "." },
    says: ["--decimal comma", "--thousands point"],
    control: [1234.5, 2345678.25, 12, 13],
  },
  {
    what: "thousands between blanks",
    cells: ["1 234", "2 345.5", "12"],
    kind: "number_format",
    line: 2,
    count: 2,
    value: "1 234",
    fix: { thousands: " " },
    says: ["--thousands space"],
    control: [1234, 2345.5, 12],
  },
  {
    what: "thousands between apostrophes",
    cells: ["1'234", "2'345.5", "12"],
    kind: "number_format",
    line: 2,
    count: 2,
    value: "1'234",
    fix: { thousands: "'" },
    says: ["--thousands apostrophe"],
    control: [1234, 2345.5, 12],
  },
  {
    what: "a comma and three digits, which may be either",
    cells: ["1,234", "2,345", "3,456"],
    kind: "number_format",
    line: 2,
    count: 3,
    value: "1,234",
    fix: {},
    says: ["--decimal comma", "--thousands comma", "say which"],
    control: [1.234, 2.345, 3.456],
  },
  {
    what: "dates",
    cells: ["2020-01-02", "2020-02-03", "2020-03-04"],
    kind: "date",
    line: 2,
    count: 3,
    value: "2020-01-02",
    fix: { drop: ["c"] },
    says: ["date", "days", "--drop", "--categorical"],
    control: ["Q1-20", "Q2-20", "Q3-20"],
  },
  {
    what: "amounts of money",
    cells: ["$1.50", "$1,200", "$3"],
    kind: "unit",
    line: 2,
    count: 3,
    value: "$1.50",
    fix: { drop: ["c"] },
    says: ["currency", "--drop"],
    control: [1.5, 1200, 3],
  },
  {
    what: "amounts with the sign behind",
    cells: ["1.50 €", "1.200,00 €", "3 €"],
    kind: "unit",
    line: 2,
    count: 3,
    value: "1.50 €",
    fix: { drop: ["c"] },
    says: ["currency", "--drop"],
    control: [1.5, 1200, 3],
  },
  {
    what: "per cent",
    cells: ["1%", "2.5 %", "30%"],
    kind: "unit",
    line: 2,
    count: 3,
    value: "1%",
    fix: { drop: ["c"] },
    says: ["per cent", "--drop"],
    control: [1, 2.5, 30],
  },
  {
    what: "an empty column",
    cells: ["", " ", "NA", "?"],
    kind: "empty_column",
    line: 2,
    count: 4,
    value: "",
    fix: { drop: ["c"] },
    says: ["empty throughout", "--drop"],
    control: [1, 2, 2, 1],
  },
  {
    what: "an empty column, with an indicator",
    cells: ["", " ", "NA", "?"],
    options: { missing: "indicator" },
    kind: "empty_column",
    line: 2,
    count: 4,
    value: "",
    fix: { drop: ["c"] },
    says: ["empty throughout", "--drop"],
    control: ["", " ", "NA", 5],
  },
  {
    what: "an empty column, when rows with gaps are dropped",
    cells: ["", " ", "NA", "?"],
    options: { missing: "drop" },
    kind: "empty_column",
    line: 2,
    count: 4,
    value: "",
    fix: { drop: ["c"] },
    says: ["empty throughout", "--drop"],
    control: ["", "1", "2", "?"],
  },
  {
    what: "one text, in a column that was asked for",
    cells: ["p", "p", "p"],
    options: { features: ["c", "x"] },
    kind: "one_level",
    line: 2,
    count: 3,
    value: "p",
    fix: { drop: ["c"] },
    says: ["one text", "--drop"],
    control: ["p", "q", "p"],
  },
  {
    what: "one text in the rows that stay, in a column that was asked for",
    cells: ["", "q", "p", "p", "p"],
    // x is missing where q stands.
    options: { features: ["c", "x"], missing: "drop" },
    kind: "one_level",
    line: 4,
    count: 3,
    value: "p",
    fix: { drop: ["c"] },
    says: ["one text", "--drop"],
    control: ["", "q", "p", "q", "p"],
  },
  {
    what: "too many levels",
    cells: cycle(
      times(LEVELS_MAX + 1, (i) => `l${i}`),
      3 * (LEVELS_MAX + 1),
    ),
    kind: "too_many_levels",
    line: 2,
    count: 3 * (LEVELS_MAX + 1),
    value: "l0",
    fix: { maxLevels: 50 },
    says: [String(LEVELS_MAX + 1), "--max-levels", "--drop"],
    control: cycle(
      times(LEVELS_MAX, (i) => `l${i}`),
      3 * LEVELS_MAX,
    ),
  },
  {
    what: "too many levels of an identifier that was asked for",
    cells: times(LEVELS_MAX + 1, (i) => `l${i}`),
    options: { categorical: ["c"] },
    kind: "too_many_levels",
    line: 2,
    count: LEVELS_MAX + 1,
    value: "l0",
    fix: { drop: ["c"] },
    says: ["--max-levels", "--drop"],
    control: times(LEVELS_MAX, (i) => `l${i}`),
  },
  {
    what: "a level that is too long",
    cells: ["a", "b".repeat(513), "a", "b".repeat(513)],
    kind: "level_too_long",
    line: 3,
    count: 2,
    value: `${"b".repeat(64)}…`,
    fix: { drop: ["c"] },
    says: ["512"],
    control: ["a", "b".repeat(512), "a", "b".repeat(512)],
  },
  {
    what: "a level of too many characters beyond U+FFFF",
    cells: ["a", "🍇".repeat(513), "a"],
    kind: "level_too_long",
    line: 3,
    count: 1,
    value: `${"🍇".repeat(64)}…`,
    fix: { drop: ["c"] },
    says: ["512"],
    control: ["a", "🍇".repeat(512), "a"],
  },
  {
    what: "numbers that are not finite",
    cells: [1, "inf", 2, "-Infinity", "inf"],
    kind: "non_finite",
    line: 3,
    count: 2,
    value: "inf",
    fix: { drop: ["c"] },
    says: ["finite"],
    control: [1, 5, 2, 6, 5],
  },
  {
    what: "numbers that are too large",
    cells: [1, 2, "1e999", 3],
    kind: "too_large",
    line: 4,
    count: 1,
    value: "1e999",
    fix: { drop: ["c"] },
    says: ["largest"],
    control: [1, 2, "1e308", 3],
  },
  {
    what: "a control character",
    cells: ["a", "b\u0007", "a", "b\u0007"],
    kind: "control",
    line: 3,
    count: 2,
    value: "b\u0007",
    fix: { drop: ["c"] },
    says: ["control character"],
    control: ["a", "b\t7", "a", "b\n7"],
  },
  {
    what: "a carriage return within quotes",
    cells: ["a", "b\rc", "a"],
    kind: "carriage_return",
    line: 3,
    count: 1,
    value: "b\rc",
    fix: { drop: ["c"] },
    says: ["carriage return"],
    control: ["a", "bc", "a"],
  },
];

/** The table of a finding: its cells in c, some numbers in x, of which the second is missing where rows are dropped. */
function tableOfFinding(cells: Finding["cells"], options: TextOptions | undefined): string {
  // Whole numbers, which every dialect reads.
  const x: (string | number)[] = someNumbers(cells.length).map(Math.floor);
  if (options?.missing === "drop" && options.features) x[1] = "";
  return tableOf({ x, c: cells });
}

describe("a finding", () => {
  test.each(FINDINGS)("of $what is named, with line, count and a way out", (finding) => {
    const { cells, options = {}, kind, line, count, value, fix, says } = finding;
    const text = tableOfFinding(cells, options);
    const error = refusalOf(text, options);
    const [problem, ...more] = find(error.problems, "c").filter((one) => one.kind === kind);
    expect(problem).toMatchObject({ kind, column: "c", line, count, value });
    // Another text of the same kind is another finding; nothing else is.
    expect(more.every((one) => one.value !== value)).toBe(true);
    expect(error.problems.every(({ column }) => column === "c")).toBe(true);
    expect(error.fix).toEqual(fix);
    for (const words of says) expect(error.message).toContain(words);
    expect(error.message).toContain('column "c"');
    if (Object.keys(fix).length > 0) {
      expect(() => datasetOf(text, withFix(options, error.fix))).not.toThrow();
    }
  });

  test.each(FINDINGS)("of $what has a control that is none", ({ control, options }) => {
    expect(() => datasetOf(tableOfFinding(control, options), options)).not.toThrow();
  });

  test.each(FINDINGS)("of $what is one in any order of the rows", ({ cells, options, kind }) => {
    const [header, ...rows] = tableOfFinding(cells, options)
      .split(/\n(?=(?:[^"]*"[^"]*")*[^"]*$)/)
      .filter((line) => line !== "");
    for (const seed of [1, 2, 3]) {
      const order = shuffled(rows, createRandom(seed));
      const error = refusalOf(`${[header, ...order].join("\n")}\n`, options);
      expect(error.problems.map((problem) => problem.kind)).toContain(kind);
    }
  });

  test.each<[what: string, decimal: "." | ",", cells: readonly string[], fix: CsvFix]>([
    ["points where commas are read", ",", ["0.5", "1.25", "3.75"], { decimal: "." }],
    ["points and three digits where commas are read", ",", ["1.234", "2.345"], {}],
    ["points and three digits, and others", ",", ["1.234", "2.34"], { decimal: "." }],
    ["groups of points where commas are read", ",", ["1.234", "2.345.678"], { thousands: "." }],
    ["commas and three digits, and others", ".", ["1,234", "2,34"], { decimal: "," }],
    ["groups of commas", ".", ["1,234", "2,345,678"], { thousands: "," }],
  ])("of numbers in another writing is clear or not: %s", (_, decimal, cells, fix) => {
    const dialect = { ...PLAIN_DIALECT, decimal };
    const text = tableOf({ x: [1, 2, 4, 1, 2, 4], c: cycle(cells, 6) });
    const error = refusalOf(text, { dialect });
    expect(error.problems).toMatchObject([{ kind: "number_format", column: "c", count: 6 }]);
    expect(error.fix).toEqual(fix);
    if (Object.keys(fix).length > 0) {
      expect(() => datasetOf(text, withFix({ dialect }, fix))).not.toThrow();
    }
  });

  test("stands with all others in one error, and one fix cures them all", () => {
    const n = 12;
    const text = tableOf({
      x: someNumbers(n),
      when: times(n, (i) => `2020-01-${10 + i}`),
      gap: [1, "", ...someNumbers(n - 2)],
      price: times(n, (i) => `$${i}`),
      comma: times(n, (i) => `${i},5`),
      token: [...someNumbers(n - 1), "unknown"],
      grade: [...cycle(["a", "b"], n - 1), "3"],
      nothing: times(n, () => ""),
    });
    const error = refusalOf(text);
    expect(new Set(error.problems.map(({ kind, column }) => `${column} ${kind}`))).toEqual(
      new Set([
        "when date",
        "gap empty",
        "price unit",
        "comma number_format",
        "token mixed",
        "grade mixed",
        "nothing empty_column",
      ]),
    );
    expect(error.message.split("\n")[0]).toContain("7 problems");
    expect(error.fix).toMatchObject({
      drop: ["when", "price", "nothing"],
      categorical: ["grade"],
      decimal: ",",
      missing: "indicator",
      missingTokens: ["unknown"],
    });
  });

  test("offers nothing where no column would be left", () => {
    const error = refusalOf(tableOf({ when: ["2020-01-01", "2020-01-02", "2020-01-03"] }));
    expect(error.problems).toHaveLength(1);
    expect(error.fix).toEqual({});
  });

  test("offers nothing where one of them has no remedy", () => {
    const text = tableOf({ x: [1, 2, 2.5], a: ["1,234", "2,345", "3,456"], g: [1, "", 2] });
    expect(refusalOf(text).problems).toHaveLength(2);
    expect(refusalOf(text).fix).toEqual({});
  });

  test("keeps all tokens that were met among those that it offers, in any order of rows", () => {
    const x = [1, "NA", 2, "?", 3, "null", 1.5, ""];
    const g = [1, 2, "none", 3, 4.5, "-", 7, 8];
    for (const seed of [1, 2, 3, 4]) {
      const text = tableOf({ x: shuffled(x, createRandom(seed)), g });
      const { fix } = refusalOf(text);
      expect(fix.missingTokens).toEqual(["-", "?", "NA", "none", "null"]);
      expect(() => datasetOf(text, withFix({}, fix))).not.toThrow();
    }
    // Of a column that is to be left out they do not matter.
    const text = tableOf({ x: x.map((cell) => cell || 4), gone: x.map(() => "N/A"), g });
    expect(refusalOf(text).fix).toMatchObject({
      drop: ["gone"],
      missingTokens: ["-", "?", "NA", "none", "null"],
    });
    // Of one that is left out for having one text they do: with another token it would have two.
    const same = tableOf({ x: someNumbers(8), same: ["p", "p", "?", "p", "p", "p", "p", "p"], g });
    expect(refusalOf(same).fix.missingTokens).toEqual(["-", "?", "none"]);
  });

  test("a category is a guess for who names it as a feature, and none for who names it as a category", () => {
    const text = tableOf({ x: someNumbers(12), k: times(12, (i) => `k${i % 3}`) });
    expect(datasetOf(text, { features: ["x", "k"] }).guesses).toEqual([
      'column "k" is a category of 3 levels, base "k0", 2 features',
    ]);
    expect(datasetOf(text, { features: ["x", "k"], categorical: ["k"] }).guesses).toEqual([]);
  });

  test("does not come of a column that is left out", () => {
    const n = 40;
    const text = tableOf({
      x: someNumbers(n),
      name: times(n, (i) => (i === 3 ? "" : `name ${i}`)),
      same: times(n, () => "s"),
    });
    const { features, columnReports } = datasetOf(text);
    expect(features).toEqual(["x"]);
    expect(columnReports.map(({ use }) => use)).toEqual(["number", "left out", "left out"]);
  });

  test("comes of one text and gaps, since a gap may tell what a text that is alone does not", () => {
    const promo = tableOf({ x: someNumbers(40), promo: times(40, (i) => (i % 3 ? "yes" : "")) });
    const error = refusalOf(promo);
    expect(error.problems).toMatchObject([{ kind: "empty", column: "promo", line: 2, count: 14 }]);
    expect(error.fix).toEqual({ missing: "indicator" });
    expect(datasetOf(promo, { missing: "indicator" }).features).toEqual(["x", "promo is missing"]);
    // Without the rows that have a gap the text is alone.
    const { features, rowCount } = datasetOf(promo, { missing: "drop" });
    expect([features, rowCount]).toEqual([["x"], 40]);
  });

  test("comes of a number in words that the user called a category only where it must", () => {
    const cells = ["2020-01-01", "$5", "1,5", "7", "inf", "2020-01-01"];
    const { inputs } = datasetOf(tableOf({ x: someNumbers(6), c: cells }), { categorical: ["c"] });
    expect(inputs[1]!.column).toMatchObject({ as: "category", levels: [...new Set(cells)].sort() });
  });
});

describe("what is left out or kept", () => {
  const n = 30;
  const columns = {
    x: someNumbers(n),
    row: times(n, (i) => i + 1),
    name: times(n, (i) => `n${i}`),
    veil: times(n, () => "p"),
    five: times(n, () => 5),
    grade: cycle(["b", "a", "c"], n),
    flag: cycle(["yes", "no"], n),
    bit: cycle([0, 1, 1], n),
  };
  const text = tableOf(columns);
  const usesOf = ({ columnReports }: TableDataset) =>
    Object.fromEntries(columnReports.map(({ name, use }) => [name, use]));

  test("is said of each column, and each guess that changes the model is a sentence", () => {
    const dataset = datasetOf(text);
    expect(usesOf(dataset)).toEqual({
      x: "number",
      row: "left out",
      name: "left out",
      veil: "left out",
      five: "number",
      grade: "category",
      flag: "category",
      bit: "number",
    });
    expect(dataset.guesses).toHaveLength(5);
    for (const name of ["row", "name", "veil", "grade", "flag"]) {
      expect(dataset.guesses.filter((guess) => guess.includes(`"${name}"`))).toHaveLength(1);
    }
    expect(dataset.warnings.join()).toContain('"five"');
  });

  test("is what the user says, without a guess", () => {
    const keep = datasetOf(text, { numeric: ["row"], categorical: ["name", "bit"] });
    expect(usesOf(keep)).toMatchObject({ row: "number", name: "category", bit: "category" });
    for (const name of ["row", "name", "bit"]) {
      expect(keep.guesses.join()).not.toContain(`"${name}"`);
      expect(keep.columnReports.find((report) => report.name === name)?.given).toBe(true);
    }
    expect(keep.warnings.join()).toContain('"row"'); // kept, and warned of
    const drop = datasetOf(text, { drop: ["row", "name", "veil", "grade", "flag"] });
    expect(drop.guesses).toEqual([]);
    expect(drop.features).toEqual(["x", "five", "bit"]);
  });

  test("stays with --features, identifiers and all", () => {
    const dataset = datasetOf(text, { features: ["row", "x"] });
    expect(dataset.features).toEqual(["x", "row"]); // in file order
    expect(dataset.guesses).toEqual([]);
  });

  test("is an error where nothing is left", () => {
    const error = refusalOf(tableOf({ row: columns.row, name: columns.name, veil: columns.veil }));
    for (const name of ["row", "name", "veil"]) expect(error.message).toContain(`"${name}"`);
    expect(error.message).toContain("--categorical");
  });

  test("is refused where one column is said to be two things", () => {
    for (const options of [
      { numeric: ["x"], categorical: ["x"] },
      { features: ["y"] },
      { drop: ["y"] },
      { weight: "y" },
      { weight: "bit", numeric: ["bit"] },
    ]) {
      expect(() => datasetOf(text, options)).toThrow(DataError);
    }
    expect(() => datasetOf(text, { categorical: ["no such"] })).toThrow(/no such/);
    expect(() => datasetOf(text, { weight: "bit" })).not.toThrow();
  });

  test("is refused where a text stands in a column of numbers", () => {
    const error = refusalOf(text, { numeric: ["grade"] });
    expect(error.problems).toEqual([
      { kind: "text", column: "grade", line: 2, value: "b", count: n },
    ]);
  });
});

describe("missing cells", () => {
  const text = csvOf([
    ["x", "job", "y"],
    [1.5, "cook", "n"],
    ["", "cook", "p"],
    [2.5, "?", "n"],
    [" NA ", "smith", "p"],
    [4, "smith", "n"],
    [1, "cook", "p"],
  ]);

  test("are refused, put at an indicator, or leave with their rows", () => {
    expect(refusalOf(text).problems.map(({ column, count }) => [column, count])).toEqual([
      ["x", 2],
      ["job", 1],
    ]);
    const indicator = datasetOf(text, { missing: "indicator" });
    expect(indicator.features).toEqual(["x", "x is missing", "job=smith", "job is missing"]);
    expect(indicator.rowCount).toBe(6);
    expect(indicator.missingTokens).toEqual(MISSING_TOKENS);
    const drop = datasetOf(text, { missing: "drop" });
    expect(drop.features).toEqual(["x", "job=smith"]);
    expect(drop.rowCount).toBe(3);
    expect(drop.missingTokens).toBeUndefined();
    expect(Array.from(drop.y)).toEqual([0, 0, 1]);
    expect(drop.guesses.at(-1)).toContain("3 rows");
  });

  test("get no indicator in a column that has none", () => {
    const whole = text.replace(",?", ",cook");
    expect(datasetOf(whole, { missing: "indicator" }).features).toEqual([
      "x",
      "x is missing",
      "job=smith",
    ]);
  });

  test("are those that the tokens name, and no others", () => {
    const codes = tableOf({ x: someNumbers(4), c: ["a", "-", "?", "a"] });
    const { inputs } = datasetOf(codes, { missing: "indicator", missingTokens: ["-"] });
    expect(inputs[1]!.column).toMatchObject({ levels: ["?", "a"], missing: "indicator" });
    expect(datasetOf(codes, { missingTokens: ["none"] }).inputs[1]!.column).toMatchObject({
      levels: ["-", "?", "a"],
    });
    // Blank cells always are.
    const blank = tableOf({ x: someNumbers(4), c: ["a", "b", "", "a"] });
    expect(refusalOf(blank, { missingTokens: [] }).problems).toMatchObject([{ kind: "empty" }]);
  });

  test("are a token that is a number in every writing of it, in each kind of column", () => {
    const cells = [-999, "-999.0", "-9.99e2", " -999 ", 5, 6.5];
    const mark = { missing: "indicator", missingTokens: ["-999"] } as const;
    const numbers = datasetOf(tableOf({ x: cells }), mark);
    expect(Array.from(numbers.inputs[0]!.cells as Float64Array)).toEqual([
      Number.NaN,
      Number.NaN,
      Number.NaN,
      Number.NaN,
      5,
      6.5,
    ]);
    const texts = ["-999", "a", "-999.0", "b", "a"];
    const table = tableOf({ x: someNumbers(5), c: texts });
    // Found to be a category, or said to be one: it has to be the same, or a run could not be derived again.
    const [found, said] = [
      datasetOf(table, mark),
      datasetOf(table, { ...mark, categorical: ["c"] }),
    ];
    expect(found.inputs[1]!.column).toMatchObject({ levels: ["a", "b"], missing: "indicator" });
    expect(said.inputs).toEqual(found.inputs);
    const [input] = inputsOfObjects(
      [found.inputs[1]!.column],
      texts.map((c) => ({ c })),
      ["-999"],
    );
    // Places are rows here, and lines there.
    const { codes, texts: levels } = found.inputs[1]!.cells as Texts;
    expect(input!.cells).toMatchObject({ codes, texts: levels });
  });

  test("of a label are refused, or leave with their rows", () => {
    const labels = text.replace("cook,p", "cook,").replace("smith,n", "smith,NA");
    const error = refusalOf(labels, { missing: "indicator" });
    expect(error.problems).toMatchObject([
      { kind: "label_empty", column: "y", line: 3, count: 1 },
      { kind: "label_missing", column: "y", line: 6, count: 1 },
    ]);
    expect(error.fix).toEqual({ missing: "drop" });
    const drop = datasetOf(labels, { missing: "drop" });
    // Only cooks are whole, so job is left out, and the row that has no job is back.
    expect(drop.rowCount).toBe(3);
    expect(drop.classes).toEqual(["n", "p"]);
    expect(Array.from(drop.y)).toEqual([0, 0, 1]);
  });

  test("drop a column of which one text stays, and then no rows for its gaps", () => {
    const lone = csvOf([
      ["x", "job", "y"],
      [1.5, "cook", "n"],
      ["", "smith", "p"],
      [2.5, "cook", "n"],
      [4, "?", "p"],
      [1, "cook", "p"],
    ]);
    const dataset = datasetOf(lone, { missing: "drop" });
    expect(dataset.features).toEqual(["x"]);
    expect(dataset.rowCount).toBe(4); // the one with "?" is back
    expect(dataset.guesses.join()).toContain('"job" is left out');
    // A control: with another smith the column stays, and the row goes.
    const kept = datasetOf(lone.replace("2.5,cook", "2.5,smith"), { missing: "drop" });
    expect(kept.features).toEqual(["x", "job=smith"]);
    expect(kept.rowCount).toBe(3);
  });

  test("are no reason to go on when every row, or every row of a class, has some", () => {
    const all = tableOf({ a: [1, "", 2, ""], b: ["", 1.5, "", 2] });
    expect(refusalOf(all, { missing: "drop" }).message).toContain("every row has a missing cell");
    const ofClass = tableOf({ a: ["", 1.5, "", 2, "", 3] }); // each row of class n
    for (const options of [{}, { positive: "n", rest: true }, { positive: "p", rest: true }]) {
      const error = refusalOf(ofClass, { ...options, missing: "drop" });
      expect(error.message).toContain("--missing indicator");
      expect(error.fix).toEqual({ missing: "indicator" });
      expect(() => datasetOf(ofClass, { ...options, missing: "indicator" })).not.toThrow();
    }
  });

  test("take weights along when their rows leave", () => {
    const weighted = csvOf([
      ["x", "w", "y"],
      [1.5, 1, "n"],
      ["", 2, "p"],
      [2.5, 0, "n"],
      [4, 3.5, "p"],
    ]);
    expect(datasetOf(weighted, { missing: "drop", weight: "w" }).weights).toEqual({
      name: "w",
      values: Float64Array.of(1, 0, 3.5),
    });
    const only = weighted.replace("1.5,1,", "1.5,0,").replace("4,3.5", "4,0");
    expect(() => datasetOf(only, { missing: "drop", weight: "w" })).toThrow(/all weights are 0/);
    expect(() => datasetOf(only, { missing: "indicator", weight: "w" })).not.toThrow();
  });
});

describe("one class against the rest", () => {
  const text = tableOf({ x: someNumbers(6) }).replaceAll(/[np]$/gm, "?");
  const labelled = (labels: readonly string[]) => {
    let at = 0;
    return text.replaceAll("?", () => labels[at++]!);
  };
  const iris = labelled(["b", "a", "c", "a", "b", "c"]);

  test("makes two classes of many, the one and all others", () => {
    const dataset = datasetOf(iris, { positive: "a", rest: true });
    expect(dataset.classes).toEqual(["not a", "a"]);
    expect(dataset.rest).toBe(true);
    expect(Array.from(dataset.y)).toEqual([0, 1, 0, 1, 0, 0]);
  });

  test("is what an error of many classes offers", () => {
    const error = refusalOf(iris);
    expect(error.message).toContain("--positive");
    expect(error.fix).toEqual({ positive: "c", rest: true });
    expect(datasetOf(iris, withFix({}, error.fix)).classes).toEqual(["not c", "not c".slice(4)]);
  });

  test("is refused where the one is not there, or nothing else is", () => {
    expect(refusalOf(iris, { positive: "d", rest: true }).message).toContain('"d"');
    const one = labelled(["a", "a", "a", "a", "a", "a"]);
    expect(refusalOf(one, { positive: "a", rest: true }).message).toContain("every row has it");
    expect(() => datasetOf(iris, { rest: true })).toThrow(TypeError);
  });

  test("tells apart what looks alike, and more labels than there are codes", () => {
    const named = labelled(["not a", "a", "A", "a ", "a", " a"]);
    expect(Array.from(datasetOf(named, { positive: "a", rest: true }).y)).toEqual([
      0, 1, 0, 0, 1, 0,
    ]);
    const n = 700;
    const many = csvOf([["x", "y"], ...times(n, (i) => [(i % 11) + 0.5, `l${i % 350}`])]);
    const dataset = datasetOf(many, { positive: "l349", rest: true });
    expect(dataset.y.reduce((sum, label) => sum + label, 0)).toBe(2);
    expect(Array.from(dataset.y.keys()).filter((i) => dataset.y[i] === 1)).toEqual([349, 699]);
  });
});

describe("the order of rows", () => {
  interface Made {
    readonly rows: readonly (readonly string[])[];
    readonly options: TextOptions;
  }
  const text = fc.constantFrom("a", "b", "B", "é", "\u{1F347}", "\uFF5E", "10", "x y", "", "?");
  const number = fc.constantFrom("1", "2.5", "-3", "1e2", "", "NA", "-999");
  const made: fc.Arbitrary<Made> = fc.record({
    rows: fc.array(
      fc.tuple(number, text, text, fc.constantFrom("yes", "no"), fc.constantFrom("n", "p", "")),
      { minLength: 6, maxLength: 30 },
    ),
    options: fc.record({
      missing: fc.constantFrom("indicator", "drop"),
      base: fc.constantFrom("first", "most-frequent"),
      maxLevels: fc.constantFrom(null, 1, 2, 3),
      categorical: fc.constantFrom(["c1", "c2"], ["x", "c1", "c2"]),
      missingTokens: fc.constantFrom(["?", "NA"], ["-999", "?", "NA"], ["10", "NA"]),
    }),
  });
  const header = ["x", "c1", "c2", "flag", "y"];
  const outcome = (rows: Made["rows"], options: TextOptions) => {
    try {
      return datasetOf(csvOf([header, ...rows]), options);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      return error.message.split("\n")[0]!;
    }
  };

  test(`has no influence on columns, levels, classes and guesses, seed ${SEED}`, () => {
    let taken = 0;
    check(
      fc.property(made, fc.nat(), ({ rows, options }, seed) => {
        const first = outcome(rows, options);
        const second = outcome(shuffled(rows, createRandom(seed)), options);
        if (typeof first === "string" || typeof second === "string") {
          expect(typeof second).toBe(typeof first);
          return;
        }
        taken++;
        for (const key of [
          "features",
          "classes",
          "guesses",
          "columnReports",
          "rowCount",
          "warnings",
          "missingTokens",
        ] as const) {
          expect(second[key]).toEqual(first[key]);
        }
        expect(second.inputs.map(({ column }) => column)).toEqual(
          first.inputs.map(({ column }) => column),
        );
      }),
      300,
    );
    expect(taken).toBeGreaterThan(50);
  });

  test("and the sizes of chunks have none on the whole dataset", () => {
    const rows = times(300, (i) => [
      i % 7 === 0 ? "" : String((i * 31) % 17),
      ["a", " a", "b ", "é", "?"][i % 5]!,
      i % 3 ? "yes" : "no",
      i % 2 ? "p" : "n",
    ]);
    const file = rows.map((fields) => fields.join(",")).join("\n");
    const read = (sizes?: number | readonly number[]) =>
      datasetOf(`x,c,f,y\n${file}\n`, { missing: "indicator", ...(sizes && { sizes }) });
    const whole = read();
    expect(whole.inputs[1]!.column).toMatchObject({ levels: ["a", "b", "é"] });
    for (const sizes of [1, 2, 3, 64, [5, 1, 1000]]) expect(read(sizes)).toEqual(whole);
  });
});
