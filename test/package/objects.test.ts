// Does the library take rows as objects as it takes a file: the same model bytes, gaps and texts told, parts that add up?
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { featuresOf } from "../../src/data/encoding.ts";
import {
  CsvError,
  DataError,
  datasetFromObjects,
  type Explanation,
  LogisticRegression,
  type RowObject,
  readCsv,
} from "../../src/index.ts";
import { createRandom, temporaryDirectory } from "../support/cli.ts";

const folder = temporaryDirectory();

interface Person extends RowObject {
  readonly age: number | null;
  readonly income: number;
  readonly job: string | null;
  readonly member: boolean;
  readonly w: number;
  readonly left: string;
}

const JOBS = ["cook", "driver", "écuyer", "\u{1F347} grower", "smith, black"];

const people: readonly Person[] = (() => {
  const random = createRandom(11);
  return Array.from({ length: 150 }, (_, i): Person => {
    const age = Math.round(random() * 60 * 8) / 8 + 18;
    const job = JOBS[Math.floor(random() * JOBS.length)]!;
    const member = random() < 0.4;
    const score = age / 20 - 3 + (job === "cook" ? 2 : 0) - Number(member) + random() * 3 - 1.5;
    return {
      age: i % 11 === 3 ? null : age,
      income: Math.round(random() * 1e5) / 100,
      job: i % 13 === 5 ? null : job,
      member,
      w: i % 4,
      left: score > 0 ? "yes" : "no",
    };
  });
})();

const OPTIONS = { iterations: 60, logEvery: 20 };
const fitted = (rows: readonly RowObject[] = people, options: object = {}, params: object = {}) =>
  new LogisticRegression({ ...OPTIONS, ...params }).fit(rows, {
    label: "left",
    drop: ["w"],
    missing: "indicator",
    ...options,
  });

/** The same rows as a file; gaps are blank. */
function fileOf(name: string, rows: readonly RowObject[] = people): string {
  const path = join(folder, name);
  const keys = Object.keys(rows[0]!);
  const cell = (value: unknown) => {
    const text = String(value ?? "");
    return /[",]/.test(text) ? `"${text}"` : text;
  };
  const lines = [keys, ...rows.map((row) => keys.map((key) => row[key]))];
  writeFileSync(path, lines.map((line) => `${line.map(cell).join()}\n`).join(""));
  return path;
}

const file = fileOf("people.csv");

/** Bias and contributions, added in feature order. */
function added(
  model: LogisticRegression,
  { base_value, feature_contrib_logit }: Explanation,
): number {
  return model.featureNames.reduce((sum, name) => sum + feature_contrib_logit[name]!, base_value);
}

describe("fit() of objects", () => {
  test.each<[what: string, options: object, params: object]>([
    ["as they are", {}, {}],
    ["with a held-back share", {}, { valFraction: 0.25, seed: 3 }],
    ["with the most frequent base and few levels", { base: "most-frequent", maxLevels: 2 }, {}],
    ["with rows left out", { missing: "drop" }, {}],
    ["with weights", { drop: [], weight: "w" }, {}],
    ["with balanced classes", {}, { classWeight: "balanced" }],
    ["with weights and balanced classes", { drop: [], weight: "w" }, { classWeight: "balanced" }],
    ["with some columns", { drop: [], features: ["job", "income"] }, {}],
    [
      "with one class against the rest",
      { label: "job", positive: "cook", rest: true, missing: "drop" },
      {},
    ],
    ["with the other class as class 1", { positive: "no" }, {}],
    ["with unseen levels as the base", { unseen: "base" }, {}],
    ["with other tokens", { missingTokens: ["driver"] }, {}],
    [
      "with a flag that is no category",
      { numeric: ["income"], categorical: ["member", "job"] },
      {},
    ],
  ])("gives the bytes of the equal file: %s", async (_, options, params) => {
    const all = { label: "left", drop: ["w"], missing: "indicator", ...options };
    const dataset = await readCsv(file, all as Parameters<typeof readCsv>[1]);
    const [fromFile, fromObjects] = await Promise.all([
      new LogisticRegression({ ...OPTIONS, ...params }).fit(dataset),
      fitted(people, options, params),
    ]);
    expect(fromObjects.featureNames).toEqual(fromFile.featureNames);
    expect(fromObjects.save()).toEqual(fromFile.save());
    expect(fromObjects.metrics).toEqual(fromFile.metrics);
    // What was decided is said the same way, but for the delimiter, which objects have not.
    const objects = datasetFromObjects(
      people,
      null,
      all as Parameters<typeof datasetFromObjects>[2],
    );
    expect(objects.guesses).toEqual(dataset.guesses);
    expect(objects.columnReports).toEqual(dataset.columnReports);
  });

  test("does not depend on the order of rows, nor of their keys but in the first one", async () => {
    const expected = (await fitted()).save();
    expect((await fitted([...people].reverse())).save()).toEqual(expected);
    const turned = people.map((row, i) =>
      i === 0 ? row : (Object.fromEntries(Object.entries(row).reverse()) as Person),
    );
    expect((await fitted(turned)).save()).toEqual(expected);
  });

  test("takes null, undefined, NaN, blanks and tokens for missing, all alike", async () => {
    const expected = (await fitted()).save();
    for (const gap of [undefined, Number.NaN, "", " \t", "?", "NA", " NaN "]) {
      const rows = people.map((row) => ({
        ...row,
        age: row.age ?? (gap as never),
        job: row.job ?? (typeof gap === "string" ? gap : null),
      }));
      expect((await fitted(rows)).save()).toEqual(expected);
    }
  });

  test("takes labels beside the rows, of every kind", async () => {
    const rows = people.map(({ left: _, ...row }) => row);
    const labels = people.map(({ left }) => left);
    const options = { label: "left", drop: ["w"], missing: "indicator" } as const;
    const of = (y: ArrayLike<string | number | boolean>) =>
      new LogisticRegression(OPTIONS).fit(rows, y, options);
    expect((await of(labels)).save()).toEqual((await fitted()).save());
    const bits = labels.map((label) => Number(label === "yes"));
    const numbers = await of(bits);
    expect(numbers.classes).toEqual(["0", "1"]);
    expect((await of(bits.map(Boolean))).save()).toEqual(numbers.save());
    expect((await of(Uint8Array.from(bits))).save()).toEqual(numbers.save());
  });

  test("takes weights by key or beside the rows, to the same numbers", async () => {
    const byKey = await fitted(people, { drop: [], weight: "w" });
    const beside = await fitted(people, { weight: people.map(({ w }) => w) });
    expect(beside.save()).toEqual(byKey.save());
    expect(byKey.metrics.train.weight).toBe(people.reduce((sum, { w }) => sum + w, 0));
    expect(byKey.digest).not.toBe((await fitted()).digest);
  });
});

describe("fit() refuses objects", () => {
  const change = (row: number, part: object) =>
    people.map((person, i) => (i === row ? { ...person, ...part } : person));
  const without = (row: number, key: string) =>
    people.map((person, i) =>
      i === row
        ? Object.fromEntries(Object.entries(person).filter(([name]) => name !== key))
        : person,
    );

  test.each<
    [what: string, rows: readonly unknown[], options: object, error: unknown, says: RegExp]
  >([
    [
      "a numeric string",
      change(4, { income: "12.5" }),
      {},
      DataError,
      /row 5, column "income".*"12\.5"/,
    ],
    ["a numeric string among texts", change(4, { job: "7" }), {}, DataError, /row 5, column "job"/],
    [
      "a text among numbers",
      change(4, { income: "much" }),
      {},
      CsvError,
      /column "income"[\s\S]*"much"/,
    ],
    [
      "a number among texts",
      change(4, { job: 7 }),
      {},
      CsvError,
      /column "job"[\s\S]*--categorical/,
    ],
    ["a truth value among numbers", change(4, { income: true }), {}, CsvError, /column "income"/],
    [
      "an infinite number",
      change(4, { income: Number.POSITIVE_INFINITY }),
      {},
      DataError,
      /row 5.*Infinity/,
    ],
    ["a big integer", change(4, { income: 5n }), {}, DataError, /row 5, column "income"/],
    ["a date", change(4, { income: new Date(0) }), {}, DataError, /row 5, column "income"/],
    ["a list", change(4, { job: ["cook"] }), {}, DataError, /row 5, column "job"/],
    ["a function", change(4, { job: () => "cook" }), {}, DataError, /row 5, column "job"/],
    ["a key less", without(4, "job"), {}, TypeError, /row 5.*lacks "job"; give null/],
    ["a key more", change(4, { jbo: "cook" }), {}, TypeError, /row 5.*"jbo" besides/],
    ["a row that is null", [...people, null], {}, TypeError, /row 151.*null/],
    ["a row that is a list", [...people, [1, 2]], {}, TypeError, /row 151.*an array/],
    [
      "gaps, by default",
      people,
      { missing: "error" },
      CsvError,
      /column "age"[\s\S]*column "job"[\s\S]*--missing indicator/,
    ],
    ["an unknown label", people, { label: "lft" }, TypeError, /"lft".*"left"/],
    ["an unknown feature", people, { features: ["agee"] }, TypeError, /"agee"/],
    ["an unknown category", people, { categorical: ["jobs"] }, TypeError, /"jobs"/],
    ["an unknown weight", people, { weight: "ww" }, TypeError, /"ww"/],
    ["a weight that is the label", people, { weight: "left" }, DataError, /"left"/],
    [
      "a weight that is a feature",
      people,
      { drop: [], features: ["age", "w"], weight: "w" },
      DataError,
      /"w"/,
    ],
    [
      "a label that is a feature",
      people,
      { drop: [], features: ["age", "left"] },
      DataError,
      /"left"/,
    ],
    [
      "a column of two kinds",
      people,
      { numeric: ["job"], categorical: ["job"] },
      DataError,
      /"job"/,
    ],
    [
      "texts in a column of numbers",
      people,
      { numeric: ["job"] },
      DataError,
      /row 1, column "job"/,
    ],
    [
      "a negative weight",
      change(4, { w: -1 }),
      { drop: [], weight: "w" },
      DataError,
      /row 5.*"w".*-1/,
    ],
    [
      "a weight that is a text",
      change(4, { w: "1" }),
      { drop: [], weight: "w" },
      DataError,
      /row 5.*"w"/,
    ],
    [
      "weights of 0",
      people.map((row) => ({ ...row, w: 0 })),
      { drop: [], weight: "w" },
      DataError,
      /all weights are 0/,
    ],
    [
      "weights of another number",
      people,
      { weight: [1, 2, 3] },
      TypeError,
      /150 rows with 3 weights/,
    ],
    [
      "weights beside rows of which some are left out",
      people,
      { missing: "drop", weight: people.map(() => 1) },
      TypeError,
      /name the key/,
    ],
    [
      "one class",
      people.map((row) => ({ ...row, left: "yes" })),
      {},
      DataError,
      /exactly two classes: found 1/,
    ],
    ["three classes", change(4, { left: "maybe" }), {}, DataError, /exactly two classes: found 3/],
    [
      "a label that is null",
      change(4, { left: null }),
      {},
      DataError,
      /row 5.*label is missing.*"drop"/,
    ],
    ["a label that is blank", change(4, { left: " " }), {}, DataError, /row 5.*label is missing/],
    [
      "a label that is a token",
      change(4, { left: "NA" }),
      {},
      DataError,
      /row 5.*label is missing/,
    ],
    ["a rest without the one", people, { rest: true }, TypeError, /positive/],
    [
      "a rest against what is not there",
      people,
      { rest: true, positive: "never" },
      DataError,
      /"never"/,
    ],
    ["an unknown policy", people, { missing: "mean" }, TypeError, /"mean".*indicator/],
    ["no level at all", people, { maxLevels: 0 }, RangeError, /maxLevels/],
    ["a lone surrogate", change(4, { job: "\ud800" }), {}, DataError, /surrogate/],
    [
      "a control character",
      change(4, { job: "a\0" }),
      {},
      CsvError,
      /column "job".*control character/,
    ],
    ["no rows", [], {}, TypeError, /./],
  ])("%s", async (_, rows, options, kind, says) => {
    const attempt = fitted(rows as readonly RowObject[], options);
    await expect(attempt).rejects.toBeInstanceOf(kind);
    await expect(attempt).rejects.toThrow(says);
  });

  test("but takes what the control has", async () => {
    const rows = change(4, { job: "7a", income: 12.5, w: 1, left: "no" });
    await expect(fitted(rows, { drop: [], weight: "w" })).resolves.toBeInstanceOf(
      LogisticRegression,
    );
    const dropped = change(4, { left: null });
    const { rowCount } = datasetFromObjects(dropped, null, {
      label: "left",
      missing: "drop",
      drop: ["w", "age", "job"],
    });
    expect(rowCount).toBe(people.length - 1);
    await expect(fitted(change(4, { job: "7" }), { categorical: ["job"] })).resolves.toBeInstanceOf(
      LogisticRegression,
    );
  });

  test("and options that say nothing for what they are given with", async () => {
    const model = () => new LogisticRegression(OPTIONS);
    const dataset = datasetFromObjects(people, null, { label: "left", missing: "indicator" });
    await expect(model().fit(dataset, { weight: people.map(() => 1) })).rejects.toThrow(TypeError);
    await expect(model().fit([[1], [2], [3]], [0, 1, 0], { weight: "w" })).rejects.toThrow(
      TypeError,
    );
    await expect(model().fit([[1], [2], [3]], [0, 1, 0], { missing: "drop" })).rejects.toThrow(
      TypeError,
    );
    await expect(
      model().fit([[1], [2], [3]], [0, 1, 0], { weight: [1, 1, 2] }),
    ).resolves.toBeDefined();
  });
});

describe("predict() and explain() of objects", async () => {
  const model = await fitted();
  const complete = people.filter(({ age, job }) => age !== null && job !== null);

  test("know gaps as they were learned, other keys by nothing", () => {
    const row = { age: null, income: 100, job: "cook", member: true };
    const others = [undefined, Number.NaN, "", "?", "NA"].map((age) => ({ ...row, age, more: {} }));
    const [expected] = model.predictProba([row]);
    for (const other of others) {
      expect(model.predictProba([other as unknown as RowObject])[0]).toBe(expected);
    }
    const mean = model.model.mean[model.featureNames.indexOf("age")]!;
    const { feature_contrib_logit: parts } = model.explain(row);
    expect(parts.age).toBe(0); // it stands at the training mean
    expect(parts["age is missing"]).not.toBe(0);
    expect(Math.abs(model.explain({ ...row, age: mean }).feature_contrib_logit.age!)).toBe(0);
  });

  test("give one row what they give many, and after save() and load()", () => {
    const loaded = LogisticRegression.load(model.save());
    const logits = model.decisionFunction(people);
    expect(loaded.decisionFunction(people)).toEqual(logits);
    people.forEach((person, i) => {
      expect(model.explain(person).logit).toBe(logits[i]);
    });
  });

  test("give parts that add up to the logit exactly, and sums of columns that are their sums", () => {
    for (const person of people) {
      const said = model.explain(person);
      expect(added(model, said)).toBe(said.logit);
      const sums = said.column_contrib_logit!;
      expect(Object.keys(sums)).toEqual(["age", "income", "job", "member"]);
      for (const column of model.model.spec.columns) {
        const [first, ...rest] = featuresOf(column).map(
          (name) => said.feature_contrib_logit[name]!,
        );
        expect(sums[column.name]).toBe(rest.reduce((sum, part) => sum + part, first!));
      }
      const total = Object.values(sums).reduce((sum, part) => sum + part, said.base_value);
      // Nine additions of parts below 4, in another order: each rounds by at most 2^-52.
      expect(Math.abs(total - said.logit)).toBeLessThan(10 * 2 ** -51);
    }
  });

  test("say nothing of columns where each is one number", async () => {
    const plain = await new LogisticRegression(OPTIONS).fit(
      complete.map(({ age, income, left }) => ({ age, income, left })),
      { label: "left" },
    );
    expect(plain.explain({ age: 30, income: 5 })).not.toHaveProperty("column_contrib_logit");
    expect(plain.explain([30, 5])).toEqual(plain.explain({ age: 30, income: 5 }));
  });

  test.each<[what: string, row: object, kind: unknown, says: RegExp]>([
    [
      "a key that is not there",
      { job: "cook", income: 1, member: true },
      TypeError,
      /row 1.*"age".*null/,
    ],
    [
      "a level that was not learned",
      { age: 1, income: 1, job: "king", member: true },
      CsvError,
      /"king"[\s\S]*"cook"/,
    ],
    [
      "a number where a category was learned",
      { age: 1, income: 1, job: 5, member: true },
      CsvError,
      /number 5.*categories/,
    ],
    [
      "a truth value where a number was",
      { age: true, income: 1, job: "cook", member: true },
      DataError,
      /row 1, column "age"/,
    ],
    [
      "a numeric string where a number was",
      { age: "31", income: 1, job: "cook", member: true },
      DataError,
      /row 1, column "age".*"31"/,
    ],
    [
      "a gap where none was learned",
      { age: 1, income: null, job: "cook", member: true },
      CsvError,
      /column "income".*empty/,
    ],
    [
      "a token where none was learned",
      { age: 1, income: 1, job: "cook", member: "?" },
      CsvError,
      /column "member"/,
    ],
    [
      "a number that is not finite",
      { age: 1, income: Number.NEGATIVE_INFINITY, job: "cook", member: true },
      DataError,
      /-Infinity/,
    ],
  ])("refuse %s", (_, row, kind, says) => {
    for (const use of [
      () => model.predict([row as RowObject]),
      () => model.explain(row as RowObject),
    ]) {
      expect(use).toThrow(kind as new () => Error);
      expect(use).toThrow(says);
    }
    // A control.
    expect(() => model.predict([{ age: 1, income: 1, job: "cook", member: true }])).not.toThrow();
  });

  test("name the row", () => {
    const rows: RowObject[] = [...complete.slice(0, 6), { ...complete[6]!, job: "king" }];
    expect(() => model.predict(rows)).toThrow(/row 7/);
  });

  test("refuse numbers in model order, which would be features and not columns", () => {
    const d = model.featureNames.length;
    expect(() => model.predict([new Array<number>(d).fill(0)])).toThrow(
      /keys age, income, job, member/,
    );
    expect(() => model.explain(new Array<number>(d).fill(0))).toThrow(TypeError);
    expect(model.predict([])).toEqual([]);
  });

  test("take a level that was not learned as the base where the model says so", async () => {
    const lenient = await fitted(people, { unseen: "base" });
    const base = { age: 40, income: 5, job: "cook", member: false };
    expect(lenient.predictProba([{ ...base, job: "king" }])).toEqual(lenient.predictProba([base]));
    expect(lenient.model.spec.columns[2]).toMatchObject({ base: "cook", unseen: "base" });
  });

  test("take texts with blanks round them, and truth values as their texts", () => {
    const row = { age: 40, income: 5, job: "driver", member: false };
    const logit = model.decisionFunction([row]);
    expect(model.decisionFunction([{ ...row, job: " driver\t" }])).toEqual(logit);
    expect(model.decisionFunction([{ ...row, member: "false" }])).toEqual(logit);
  });

  test("take names that every object has", async () => {
    const rows = Array.from({ length: 30 }, (_, i) =>
      JSON.parse(
        `{"__proto__":"${"xyz"[i % 3]}","constructor":${(i * 7) % 11},"toString":"${"ab"[i % 2]}","y":"${i % 4 ? "p" : "n"}"}`,
      ),
    ) as RowObject[];
    const odd = await new LogisticRegression(OPTIONS).fit(rows, { label: "y" });
    expect(odd.featureNames).toEqual(["__proto__=y", "__proto__=z", "constructor", "toString=b"]);
    const said = odd.explain(rows[0]!);
    expect(Object.keys(said.column_contrib_logit!)).toEqual([
      "__proto__",
      "constructor",
      "toString",
    ]);
    expect(added(odd, said)).toBe(said.logit);
    expect(() => odd.predict([{}])).toThrow(TypeError);
  });
});
