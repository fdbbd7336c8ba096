// Does the library do by its public names what its documentation says?
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  CsvError,
  DataError,
  DivergenceError,
  datasetFromArrays,
  LogisticRegression,
  ModelFormatError,
  type Progress,
  readCsv,
  ValueRangeError,
} from "../../src/index.ts";
import {
  createRandom,
  noisyTable,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";

/** Rows and labels that look random and that no line separates. */
function sample(rows = 80, seed = 5): { X: number[][]; y: number[] } {
  const random = createRandom(seed);
  const X = Array.from({ length: rows }, () => [random() * 4 - 2, random() * 100, -random()]);
  const y = X.map(([a, b]) => Number(a! + b! / 50 - 1 + random() * 2 - 1 > 0));
  return { X, y };
}

const { X, y } = sample();
const options = { iterations: 80, logEvery: 20 };
const flat = Float64Array.from(X.flat());
const fitted = (
  labels: ArrayLike<number | boolean | string> = y,
  rows: number[][] | Float64Array = X,
) => new LogisticRegression(options).fit(rows, labels);

let model: LogisticRegression;
beforeAll(async () => {
  model = await fitted();
});

describe("fit()", () => {
  test("returns the model itself", async () => {
    const fresh = new LogisticRegression(options);
    expect(await fresh.fit(X, y)).toBe(fresh);
  });

  test("takes rows as arrays or row by row in one Float64Array, to the same bytes", async () => {
    expect((await fitted(y, flat)).save()).toEqual(model.save());
  });

  test("takes labels as numbers, booleans, strings and typed arrays", async () => {
    const texts = await fitted(y.map((label) => (label ? "ripe" : "not")));
    expect(texts.classes).toEqual(["not", "ripe"]);
    expect(model.classes).toEqual(["0", "1"]);
    for (const labels of [y.map(Boolean), Uint8Array.from(y), y.map(String)]) {
      const other = await fitted(labels);
      expect(other.classes).toEqual(["0", "1"]);
      expect(other.save()).toEqual(model.save());
    }
    expect(texts.predictProba(X)).toEqual(model.predictProba(X));
    expect(texts.digest).not.toBe(model.digest); // the classes are part of the model
  });

  test("makes the label that sorts last class 1, unless told otherwise", async () => {
    const labels = y.map((label) => (label ? "a" : "b"));
    const turned = await new LogisticRegression({ ...options, positive: "a" }).fit(X, labels);
    expect((await fitted(labels)).classes).toEqual(["a", "b"]);
    expect(turned.classes).toEqual(["b", "a"]);
    expect(turned.predictProba(X)).toEqual(model.predictProba(X));
    expect((await fitted(y.map((label) => (label ? 10 : 9)))).classes).toEqual(["9", "10"]);
  });

  test("takes a dataset, and names of features for arrays", async () => {
    const dataset = datasetFromArrays(X, y, { features: ["a", "b", "c"] });
    const byDataset = await new LogisticRegression(options).fit(dataset);
    const byArrays = await new LogisticRegression(options).fit(X, y, { features: ["a", "b", "c"] });
    expect(byDataset.model.featureNames).toEqual(["a", "b", "c"]);
    expect(byDataset.save()).toEqual(byArrays.save());
    expect(model.model.featureNames).toEqual(["x1", "x2", "x3"]);
  });

  test("has the defaults of `raisin train`, but holds no row back", async () => {
    const { params } = new LogisticRegression();
    expect(params).toEqual({
      lr: 0.1,
      iterations: 2000,
      l2: 0,
      valFraction: 0,
      seed: 42,
      logEvery: 50,
      threshold: 0.5,
      classWeight: "none",
    });
    expect(model.metrics.train.rows).toBe(80);
    expect(model.metrics.validation).toMatchObject({ rows: 0, loss: null, accuracy: null });
  });

  test("tells of progress at 0, every logEvery steps and the last, and waits for it", async () => {
    const seen: Progress[] = [];
    let isBusy = false;
    await new LogisticRegression({ iterations: 50, logEvery: 20, valFraction: 0.25 }).fit(X, y, {
      onProgress: async (progress) => {
        expect(isBusy).toBe(false);
        isBusy = true;
        await new Promise((resolve) => setTimeout(resolve, 1));
        isBusy = false;
        seen.push(progress);
      },
    });
    expect(seen.map(({ step }) => step)).toEqual([0, 20, 40, 50]);
    expect(seen.map(({ iterations }) => iterations)).toEqual([50, 50, 50, 50]);
    const keys = ["train_loss", "train_accuracy", "gradient_max", "val_loss", "val_accuracy"];
    expect(seen[1]!.records.map(({ key }) => key)).toEqual(keys);
    const losses = seen.map(({ records }) => records[0]!.value);
    expect(losses[0]).toBe(Math.LN2);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
  });

  test("stops when the signal fires, with the signal's reason, and keeps the earlier model", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const twice = await fitted();
    const before = twice.save();
    const training = twice.fit(X.slice(0, 40), y.slice(0, 40), {
      signal: controller.signal,
      onProgress: ({ step }) => {
        if (step === 20) controller.abort(reason);
      },
    });
    await expect(training).rejects.toBe(reason);
    expect(twice.save()).toEqual(before);
    await expect(
      new LogisticRegression().fit(X, y, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });

  test("lets timers run while it trains", async () => {
    // Far longer than the millisecond that a timer takes at least.
    let hasFired = false;
    const timer = setTimeout(() => {
      hasFired = true;
    }, 0);
    await new LogisticRegression({ iterations: 200_000, logEvery: 2_000 }).fit(X, y);
    clearTimeout(timer);
    expect(hasFired).toBe(true);
  });

  test("two at once give the bytes of one after the other", async () => {
    const other = sample(120, 9);
    const train = (data: typeof other) => new LogisticRegression(options).fit(data.X, data.y);
    const [a, b] = await Promise.all([train({ X, y }), train(other)]);
    const [c, d] = [await train({ X, y }), await train(other)];
    expect(a.save()).toEqual(c.save());
    expect(b.save()).toEqual(d.save());
    expect(a.save()).not.toEqual(b.save());
  });

  test("gives the bytes of `raisin train` on the same table", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "wine.csv"), noisyTable());
    const args = ["train", "--data", "wine.csv", "--iterations", "80"];
    const { model_digest, metrics } = await raisinJson<TrainAnswer>(args, { cwd });
    const byLibrary = await new LogisticRegression({ iterations: 80, valFraction: 0.2 }).fit(
      await readCsv(join(cwd, "wine.csv"), { label: "Class" }),
    );
    expect(byLibrary.digest).toBe(model_digest);
    expect(Buffer.from(byLibrary.save())).toEqual(readFileSync(join(cwd, "model.npz")));
    expect(byLibrary.metrics.validation.loss).toBe(metrics.val_loss);
    expect(byLibrary.metrics.train.accuracy).toBe(metrics.train_accuracy);
  });

  test("says whether it converged", async () => {
    expect(model.converged).toBe(false);
    expect((await new LogisticRegression({ lr: 1, iterations: 3000 }).fit(X, y)).converged).toBe(
      true,
    );
  });
});

describe("a fitted model", () => {
  test("decisionFunction() is the logit, predictProba() its sigmoid, predict() the class", () => {
    const logits = model.decisionFunction(X);
    const p = model.predictProba(X);
    expect([logits.length, p.length]).toEqual([80, 80]);
    const { w, b, mean, std } = model.model;
    X.forEach((row, i) => {
      const z = row.reduce((sum, x, j) => sum + w[j]! * ((x - mean[j]!) / std[j]!), b);
      expect(logits[i]).toBe(z);
      expect(Math.abs(p[i]! - 1 / (1 + Math.exp(-z)))).toBeLessThan(1e-15);
    });
    expect(model.predict(X)).toEqual(Array.from(p, (value) => (value >= 0.5 ? "1" : "0")));
    expect(model.predictProba(flat)).toEqual(p);
    const right = model.predict(X).filter((label, i) => label === String(y[i])).length;
    expect(model.metrics.train.accuracy).toBe(right / 80);
  });

  test("a threshold is part of the model and moves the classes", async () => {
    const strict = await new LogisticRegression({ ...options, threshold: 0.9 }).fit(X, y);
    const expected = Array.from(strict.predictProba(X), (p) => (p >= 0.9 ? "1" : "0"));
    expect(strict.predict(X)).toEqual(expected);
    expect(LogisticRegression.load(strict.save()).predict(X)).toEqual(expected);
    expect(strict.predict(X)).not.toEqual(model.predict(X));
  });

  test("explain() takes a row as array or object, and its parts are the logit exactly", () => {
    for (const row of X.slice(0, 20)) {
      const said = model.explain(row);
      const contributions = Object.values(said.feature_contrib_logit);
      expect(contributions.reduce((z, part) => z + part, said.base_value)).toBe(said.logit);
      expect(said.base_value).toBe(model.model.b);
      expect(Object.keys(said.feature_contrib_logit)).toEqual(["x1", "x2", "x3"]);
      expect([said.logit, said.p_class1, said.label]).toEqual([
        model.decisionFunction([row])[0],
        model.predictProba([row])[0],
        model.predict([row])[0],
      ]);
      expect(said.pred).toBe(Number(said.label));
      const [x1, x2, x3] = row as [number, number, number];
      expect(model.explain({ x3, x1, other: 5, x2 })).toEqual(said);
      expect(model.decisionFunction([{ x3, x1, x2 }])).toEqual(Float64Array.of(said.logit));
    }
  });

  test("save() and load() keep every bit, as bytes and as a file", async () => {
    const path = join(temporaryDirectory(), "model.npz");
    expect(await model.save(path)).toBeUndefined();
    expect(readFileSync(path).equals(model.save())).toBe(true);
    for (const from of [path, model.save()]) {
      const loaded = LogisticRegression.load(from);
      expect(loaded.save()).toEqual(model.save());
      expect(loaded.digest).toBe(model.digest);
      expect(loaded.predictProba(X)).toEqual(model.predictProba(X));
      expect(() => loaded.converged).toThrow("without fit()");
      expect(() => loaded.metrics).toThrow("without fit()");
    }
  });

  test("does not depend on arrays that the caller changes afterwards", async () => {
    const mine = Float64Array.from(flat);
    const other = await fitted(y, mine);
    mine.fill(0);
    expect(other.predictProba(flat)).toEqual(model.predictProba(flat));
    other.predictProba(flat).fill(0);
    other.save().fill(0);
    expect(other.predictProba(flat)).toEqual(model.predictProba(flat));
  });
});

describe("errors", () => {
  const attempt = (rows: unknown, labels: unknown, params = {}) =>
    new LogisticRegression({ iterations: 2, ...params }).fit(
      rows as number[][],
      labels as number[],
    );

  test.each<[string, unknown, unknown, new (message: string) => Error, RegExp]>([
    ["ragged rows", [[1, 2], [3]], [0, 1], TypeError, /row 2 as rows must have 2 values: it has 1/],
    ["fewer labels than rows", [[1], [2], [3]], [0, 1], TypeError, /3 rows with 2 labels/],
    ["no rows", [], [], TypeError, /there are none/],
    ["rows without columns", [[], []], [0, 1], TypeError, /at least one/],
    [
      "a flat array that is no whole number of rows",
      new Float64Array(5),
      [0, 1],
      TypeError,
      /5 values as 2 rows/,
    ],
    ["NaN", [[1], [Number.NaN]], [0, 1], DataError, /row 2, column 1 .*current value is NaN/],
    ["infinity", [[1], [Number.POSITIVE_INFINITY]], [0, 1], DataError, /Infinity/],
    ["text for a number", [[1], ["2"]], [0, 1], DataError, /row 2, column 1/],
    ["a hole", [[1], [undefined]], [0, 1], DataError, /undefined/],
    ["one class", [[1], [2]], [1, 1], DataError, /exactly two classes: found 1/],
    ["three classes", [[1], [2], [3]], [0, 1, 2], DataError, /found 3/],
    [
      "labels of no kind",
      [[1], [2]],
      [0, null],
      DataError,
      /labels must be finite numbers, booleans or strings/,
    ],
    ["a value too large to standardise", [[1], [1e200]], [0, 1], ValueRangeError, /"x1"/],
  ])("fit() refuses %s", async (_, rows, labels, kind, message) => {
    const error = await attempt(rows, labels).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });

  test("an option that there is not is refused, with the one that may be meant", () => {
    expect(() => new LogisticRegression({ iteratons: 1 } as object)).toThrow(/iterations may be/);
  });

  test("rows without labels, and a table without its label column, are refused in words", async () => {
    const model = new LogisticRegression();
    await expect(model.fit([[1], [2]] as never)).rejects.toThrow(/without labels/);
    await expect(readCsv("x.csv", undefined as never)).rejects.toThrow(/label column/);
  });

  test.each([
    [{ lr: 0 }, /lr must be a finite number above 0: current value is 0/],
    [{ iterations: 1.5 }, /iterations/],
    [{ l2: -1 }, /l2/],
    [{ valFraction: 1 }, /valFraction/],
    [{ seed: -1 }, /seed/],
    [{ logEvery: 0 }, /logEvery/],
    [{ threshold: Number.NaN }, /threshold/],
    [{ lr: "0.1" }, /lr/],
    [{ classWeight: "even" }, /classWeight must be "none" or "balanced": current value is "even"/],
  ])("fit() refuses parameters %j", async (params, message) => {
    const error = await attempt(X, y, params).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toMatch(message);
  });

  test("a positive class that no row has, and features with one name twice", async () => {
    await expect(attempt(X, y, { positive: "2" })).rejects.toThrow('"2"');
    await expect(new LogisticRegression().fit(X, y, { features: ["a", "a", "b"] })).rejects.toThrow(
      TypeError,
    );
  });

  test.each([
    ["weight", Array(80).fill(1)],
    ["weight", "w"],
    ["features", ["x1"]],
    ["missing", "indicator"],
    ["positive", "0"],
  ])("fit() refuses an option that a dataset would not hear: %s", async (option, value) => {
    const dataset = datasetFromArrays(X, y);
    const training = new LogisticRegression(options).fit(dataset, { [option]: value });
    await expect(training).rejects.toThrow(TypeError);
    await expect(training).rejects.toThrow(`Cannot use option "${option}" with a dataset`);
  });

  test.each([
    ["weight", "w"],
    ["missing", "drop"],
    ["categorical", ["x1"]],
    ["rest", true],
  ])("fit() refuses an option that arrays would not hear: %s", async (option, value) => {
    const training = new LogisticRegression(options).fit(X, y, { [option]: value });
    await expect(training).rejects.toThrow(TypeError);
    await expect(training).rejects.toThrow(`Cannot use option "${option}" with arrays`);
  });

  test("a step size that is too large is a DivergenceError", async () => {
    await expect(attempt(X, y, { lr: 1e300, l2: 1, iterations: 50 })).rejects.toThrow(
      DivergenceError,
    );
  });

  test("nothing works before fit()", () => {
    const empty = new LogisticRegression();
    for (const use of [
      () => empty.predict(X),
      () => empty.predictProba(X),
      () => empty.explain([1]),
      () => empty.save(),
      () => empty.digest,
      () => empty.classes,
      () => empty.model,
    ]) {
      expect(use).toThrow("before fit() or load()");
    }
    expect(() => empty.converged).toThrow("without fit()");
  });

  test("rows of another width, and rows that are no numbers", () => {
    expect(() => model.predict([[1, 2]])).toThrow("rows of 2 values with 3 features");
    expect(() => model.predictProba(new Float64Array(4))).toThrow(TypeError);
    expect(() => model.predict([[1, 2, Number.NaN]])).toThrow(DataError);
    expect(() => model.explain([1, 2])).toThrow("Cannot explain rows of 2 values with 3 features");
    const absent = 'Cannot read row 1 as it has no feature "x3"';
    expect(() => model.explain({ x1: 1, x2: 2 })).toThrow(absent);
    expect(() => model.explain(JSON.parse('{"__proto__": 1, "x1": 1, "x2": 2}'))).toThrow(absent);
    for (const x3 of [Number.NaN, null, undefined, Number.POSITIVE_INFINITY, "3", true]) {
      const rows = [
        { x1: 1, x2: 2, x3: 3 },
        { x1: 1, x2: 2, x3 },
      ];
      expect(() => model.explain(rows[1]!), String(x3)).toThrow(DataError);
      expect(() => model.predict(rows), String(x3)).toThrow(/row 2.*"x3"|"x3".*row 2/);
    }
  });

  test("load() refuses what is no model, and says what is missing", () => {
    expect(() => LogisticRegression.load(new Uint8Array(10))).toThrow(ModelFormatError);
    const path = join(temporaryDirectory(), "absent.npz");
    expect(() => LogisticRegression.load(path)).toThrow(
      `Cannot load ${path}: there is no such file`,
    );
    const damaged = model.save();
    damaged[damaged.length >> 1]! ^= 1;
    expect(() => LogisticRegression.load(damaged)).toThrow(ModelFormatError);
  });

  test("save() to a path that cannot be rejects, and leaves nothing", async () => {
    const path = join(temporaryDirectory(), "absent/model.npz");
    await expect(model.save(path)).rejects.toThrow(path);
    expect(existsSync(path)).toBe(false);
  });

  test("readCsv() rejects with every problem at once", async () => {
    const path = join(temporaryDirectory(), "bad.csv");
    writeFileSync(path, "a,b,Class\n1,x,yes\n,2,no\n");
    const error = await readCsv(path, { label: "Class" }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CsvError);
    expect((error as CsvError).problems).toMatchObject([
      { kind: "empty", column: "a", line: 3, value: "", count: 1 },
      { kind: "mixed", column: "b", line: 2, value: "x", count: 1 },
    ]);
    const { fix } = error as CsvError;
    expect(fix).toEqual({ missing: "indicator", categorical: ["b"] });
    const { features } = await readCsv(path, { label: "Class", ...fix });
    expect(features).toEqual(["a", "a is missing", "b=x"]);
  });
});

describe("no rows and odd names", () => {
  test("no rows give no predictions", () => {
    for (const none of [[], new Float64Array(0)]) {
      expect(model.predictProba(none)).toEqual(new Float64Array(0));
      expect(model.decisionFunction(none)).toEqual(new Float64Array(0));
      expect(model.predict(none)).toEqual([]);
    }
  });

  test("contributions add up in the order of featureNames, whatever JavaScript's order of keys", async () => {
    const features = ["10", "2", "a"];
    const odd = await new LogisticRegression(options).fit(X, y, { features });
    expect(odd.featureNames).toEqual(features);
    let differing = 0;
    for (const row of X) {
      const { base_value: base, feature_contrib_logit: parts, logit } = odd.explain(row);
      expect(Object.keys(parts)).toEqual(["2", "10", "a"]);
      expect(odd.featureNames.reduce((sum, name) => sum + parts[name]!, base)).toBe(logit);
      differing += Number(Object.values(parts).reduce((sum, part) => sum + part, base) !== logit);
    }
    expect(differing).toBeGreaterThan(0); // the order does matter
  });
});
