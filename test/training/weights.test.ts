// Does train() weigh rows and classes as the contract says, and does a recorded run with weights verify?
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ValueRangeError } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { DataError } from "../../src/data/data-error.ts";
import { type Dataset, datasetFromArrays } from "../../src/data/dataset.ts";
import { digestRows } from "../../src/data/digest.ts";
import { type ReadCsvOptions, readCsv } from "../../src/data/files.ts";
import { type RecordedTraining, recordTraining } from "../../src/recording/record.ts";
import { Verifier } from "../../src/recording/verify.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "../../src/training/params.ts";
import { type DigestedDataset, type TrainingResult, train } from "../../src/training/train.ts";
import { createRandom, hexOf } from "../contract/bits.ts";
import { csvOf, datasetOf } from "../data/tables.ts";
import { readJson, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";
import { numbersOf } from "../support/numbers.ts";
import { fitPlainly, generate, largestDifference, type PlainFit, reorder } from "./generated.ts";

const source = loadCore();
const DATA = generate({ n: 203, d: 4, seed: 7 });
const N = DATA.rowCount;
const QUICK: TrainingParams = { ...DEFAULT_PARAMS, iterations: 60, logEvery: 25, lr: 0.4 };
const ALL_ROWS = { valFraction: 0 };
const BALANCED = { classWeight: "balanced" } as const;

function run(
  params: Partial<TrainingParams> = {},
  dataset: DigestedDataset = DATA,
): Promise<TrainingResult> {
  return train(source, dataset, { ...QUICK, ...params });
}

/** The dataset with the weights that a rule gives its rows, whatever else it had. */
function weighted<T extends Dataset>(weightOf: (row: number) => number, dataset: T) {
  const values = Float64Array.from({ length: dataset.rowCount }, (_, i) => weightOf(i));
  return { ...dataset, weights: { name: "w", values } };
}

/** Weights from a seed: a fifth of them 0, the others of many sizes. */
function someWeights(seed: number, n = N): Float64Array {
  const random = createRandom(seed);
  return new Float64Array(n).map(() =>
    random.below(5) === 0 ? 0 : random.between(0.1, 1) * 2 ** (random.below(12) - 6),
  );
}

const SOME = someWeights(1);
const SOMEHOW = weighted((i) => SOME[i]!, DATA);

/** Every bit of a model that comes of the descent. */
const bitsOf = ({ model }: TrainingResult) => hexOf([...model.w, model.b]);
const standardsOf = ({ model }: TrainingResult) => hexOf([...model.mean, ...model.std]);

/** Figures by weight, without the number of rows. */
function figuresOf({ train: figures }: TrainingResult): Record<string, unknown> {
  const { rows, weight, ...rest } = figures;
  return rest;
}

/** The two classes' sums of training weights. */
function classSums(
  { split }: TrainingResult,
  y: Uint8Array,
  weights: ArrayLike<number>,
): [number, number] {
  const sums: [number, number] = [0, 0];
  for (const i of split.train) sums[y[i] as 0 | 1] += weights[i]!;
  return sums;
}

/** Batch gradient descent with weights as anybody would write it; unweighted moments of the chosen rows. */
function fitWeighted(
  dataset: Dataset,
  rows: ArrayLike<number>,
  weights: ArrayLike<number>,
  options: { lr: number; iterations: number; l2: number },
): PlainFit {
  const index = Array.from(rows);
  const n = index.length;
  const X = dataset.columns.map(numbersOf).map((column) => {
    const values = index.map((i) => column[i]!);
    const mean = values.reduce((sum, x) => sum + x, 0) / n;
    const std = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n);
    return values.map((x) => (x - mean) / std);
  });
  const y = index.map((i) => dataset.y[i]!);
  const s = index.map((i) => weights[i]!);
  const total = s.reduce((sum, weight) => sum + weight, 0);
  const w = X.map(() => 0);
  let b = 0;
  const probabilities = () =>
    y.map((_, i) => 1 / (1 + Math.exp(-X.reduce((z, x, j) => z + w[j]! * x[i]!, b))));
  for (let step = 0; step < options.iterations; step++) {
    const r = probabilities().map((p, i) => s[i]! * (p - y[i]!));
    X.forEach((x, j) => {
      const g = r.reduce((sum, value, i) => sum + value * x[i]!, 0) / total + options.l2 * w[j]!;
      w[j]! -= options.lr * g;
    });
    b -= (options.lr * r.reduce((sum, value) => sum + value, 0)) / total;
  }
  const losses = probabilities().map((p, i) => -s[i]! * Math.log(y[i] === 1 ? p : 1 - p));
  return { w, b, loss: losses.reduce((sum, value) => sum + value, 0) / total };
}

// Both round about 1e-16 a term; N4's one fold adds 2^-42 = 2.3e-13 of its bound, max s·B_j, to the share of each row
// of a gradient that is divided by Σs. The largest weight is about 14 times the mean one, B_j about 4, and the
// roundings of n rows cancel but for about 1/sqrt(n): some 1e-12 a step. Damping keeps 300 steps below 100 of these.
const TOLERANCE = 1e-10;

describe("train() with row weights against a plain loop", () => {
  it.each([
    { n: 12, d: 1, l2: 0.1, iterations: 100, valFraction: 0 },
    { n: 257, d: 5, l2: 0, iterations: 300, valFraction: 0.2 },
    { n: 600, d: 3, l2: 0.05, iterations: 300, valFraction: 0.4 },
  ])("$n rows, $d features, l2 $l2", async ({ n, d, ...params }) => {
    const plainData = generate({ n, d, seed: n });
    const weights = someWeights(n, n);
    const dataset = weighted((i) => weights[i]!, plainData);
    const result = await run({ ...params, lr: 0.3 }, dataset);
    const plain = fitWeighted(dataset, result.split.train, weights, { ...params, lr: 0.3 });
    const actual = [...result.model.w, result.model.b, result.train.loss!];
    const difference = largestDifference(actual, [...plain.w, plain.b, plain.loss], 1e-3);
    console.info(`train(), ${n} × ${d}, weighted: ${difference} from a plain loop`);
    expect(difference).toBeLessThan(TOLERANCE);
    // Control: the weights are not just carried along.
    const other = fitPlainly(dataset, result.split.train, { ...params, lr: 0.3 });
    expect(largestDifference(actual.slice(0, d), other.w, 1e-3)).toBeGreaterThan(1e-3);
  });

  it("one step from 0 by hand", async () => {
    const dataset = datasetFromArrays([[-1], [1], [-1], [1]], [0, 1, 1, 1], {
      weights: [4, 1, 2, 1],
    });
    const { model, train: figures } = await run({ ...ALL_ROWS, iterations: 1, lr: 1 }, dataset);
    // At 0 every p is 1/2: g = (4·0.5·-1 + 1·-0.5·1 + 2·-0.5·-1 + 1·-0.5·1)/8 = -0.25, gb = (2 - 0.5 - 1 - 0.5)/8 = 0.
    expect([...model.w, model.b, ...model.mean, ...model.std]).toEqual([0.25, 0, 0, 1]);
    expect(figures.weight).toBe(8);
    expect(figures.confusion).toEqual({ tn: 4, fp: 0, fn: 2, tp: 2 });
    expect(figures.accuracy).toBe(6 / 8);
  });

  it("records are weighted: the first loss is ln 2, the last ones are the figures at the end", async () => {
    const { records, train: figures, validation, gradientMax } = await run({}, SOMEHOW);
    const at = (key: string, step: number) =>
      records.find((record) => record.key === key && record.step === step)?.value;
    expect(at("train_loss", 0)).toBeCloseTo(Math.LN2, 15);
    expect(at("val_loss", 0)).toBeCloseTo(Math.LN2, 15);
    expect(at("train_loss", QUICK.iterations)).toBe(figures.loss);
    expect(at("train_accuracy", QUICK.iterations)).toBe(figures.accuracy);
    expect(at("val_accuracy", QUICK.iterations)).toBe(validation.accuracy);
    expect(at("val_brier", QUICK.iterations)).toBe(validation.brier);
    expect(at("gradient_max", QUICK.iterations)).toBe(gradientMax);
  });
});

describe("a row of weight 2 is the row twice", () => {
  /** ±1 in three columns; each row stands beside its negative, so any such pairs have mean 0 and deviation 1. */
  function signs(pairs: number): { X: number[][]; y: number[] } {
    const random = createRandom(5);
    const X = Array.from({ length: pairs }, () => {
      const row = [0, 1, 2].map(() => 2 * random.below(2) - 1);
      return [row, row.map((x) => -x)];
    }).flat();
    const y = X.map(([a, b]) => Number(a! + b! / 2 + 2 * random.normal() > 0));
    return { X, y };
  }

  it("step by step, where repeating rows does not move the standardisation", async () => {
    const { X, y } = signs(70);
    const times = X.map((_, i) => (i >> 1) % 4);
    const repeated = <T>(values: readonly T[]) =>
      values.flatMap((value, i) => Array.from({ length: times[i]! }, () => value));
    const byWeight = await run(ALL_ROWS, datasetFromArrays(X, y, { weights: times }));
    const byRows = await run(ALL_ROWS, datasetFromArrays(repeated(X), repeated(y)));
    expect(standardsOf(byWeight)).toEqual(standardsOf(byRows));
    const difference = largestDifference(
      [...byWeight.model.w, byWeight.model.b],
      [...byRows.model.w, byRows.model.b],
    );
    console.info(`weight k against k rows: weights within ${difference}`);
    // One fold rounds to 2^-42 of the bound, 3 of the weighted rows and 1 of the others: what is left of that after 60
    // steps is far below this, and the two are not bound to be equal to the last bit.
    expect(difference).toBeLessThan(TOLERANCE);
    // Counts are whole numbers on both sides, so what is made of them is equal to the last bit.
    const { rows, weight, loss, brier, ...counts } = byWeight.train;
    expect(counts).toEqual(expect.objectContaining({ confusion: byRows.train.confusion }));
    for (const key of ["accuracy", "precision", "recall", "f1", "mcc"] as const) {
      expect(counts[key], key).toBe(byRows.train[key]);
    }
    expect(weight).toBe(byRows.train.rows);
    expect(
      largestDifference([loss!, brier!], [byRows.train.loss!, byRows.train.brier!]),
    ).toBeLessThan(TOLERANCE);
    // Control: counted once each, the rows give another model.
    const once = await run(ALL_ROWS, datasetFromArrays(X, y));
    expect(largestDifference(once.model.w, byRows.model.w)).toBeGreaterThan(1e-3);
  });

  it("at the optimum, in the units of the columns, however they were standardised", async () => {
    const times = Array.from({ length: N }, (_, i) => 1 + (i % 3));
    const order = times.flatMap((count, i) => Array.from({ length: count }, () => i));
    const settled = { ...ALL_ROWS, lr: 1, iterations: 4000, logEvery: 4000 };
    const byWeight = await run(
      settled,
      weighted((i) => times[i]!, DATA),
    );
    const byRows = await run(settled, { ...reorder(DATA, order), rowCount: order.length });
    const slopes = ({ model }: TrainingResult) => model.w.map((w, j) => w / model.std[j]!);
    expect(standardsOf(byWeight)).not.toEqual(standardsOf(byRows));
    // The gradients end within some 1e-12 of 0 (N4, one fold), and the curvature there is above 0.01.
    expect(Math.max(byWeight.gradientMax, byRows.gradientMax)).toBeLessThan(1e-11);
    expect(largestDifference(slopes(byWeight), slopes(byRows))).toBeLessThan(1e-9);
    const once = await run(settled);
    expect(largestDifference(slopes(once), slopes(byRows))).toBeGreaterThan(1e-3);
  });

  it("rows of weight 0 are as if they were not there, where they do not move the standardisation", async () => {
    const { X, y } = signs(70);
    const times = X.map((_, i) => (i >> 1) % 3);
    const counted = <T>(values: readonly T[]) => values.filter((_, i) => times[i]! > 0);
    const all = await run(ALL_ROWS, datasetFromArrays(X, y, { weights: times }));
    const some = await run(
      ALL_ROWS,
      datasetFromArrays(counted(X), counted(y), { weights: counted(times) }),
    );
    expect(all.train.rows).toBeGreaterThan(some.train.rows);
    // A row of weight 0 contributes exactly nothing (N4), so here no tolerance is needed.
    expect(bitsOf(all)).toEqual(bitsOf(some));
    expect(figuresOf(all)).toEqual(figuresOf(some));
    expect(all.records).toEqual(some.records);
  });
});

describe("rows of weight 0", () => {
  const ignored = Array.from({ length: N }, (_, i) => i).filter((i) => SOME[i] === 0);

  /** The dataset with the features of some rows dealt out among them anew, and, where asked, their labels turned. */
  function mixed<T extends Dataset>(dataset: T, rows: readonly number[], turned: boolean) {
    const dealt = createRandom(2).shuffled(rows);
    const columns = dataset.columns.map((column) => {
      const from = numbersOf(column);
      const to = from.slice();
      rows.forEach((row, k) => {
        to[row] = from[dealt[k]!]!;
      });
      return to;
    });
    const y = dataset.y.slice();
    if (turned) for (const row of rows) y[row] = 1 - y[row]!;
    return { ...dataset, columns, y };
  }

  it("say nothing by their labels, nor by which values stand in which of them", async () => {
    expect(ignored.length).toBeGreaterThan(20);
    const before = await run(ALL_ROWS, SOMEHOW);
    const after = await run(ALL_ROWS, mixed(SOMEHOW, ignored, true));
    expect(bitsOf(after)).toEqual(bitsOf(before));
    expect(after.train).toEqual(before.train);
    expect(after.records).toEqual(before.records);
    expect(after.contentDigest).not.toBe(before.contentDigest);
    // Control: as many rows that weigh something.
    const heard = Array.from({ length: N }, (_, i) => i).filter((i) => SOME[i]! > 0);
    const other = await run(ALL_ROWS, mixed(SOMEHOW, heard.slice(0, ignored.length), true));
    expect(bitsOf(other)).not.toEqual(bitsOf(before));
  });

  it("say nothing among the validation rows either", async () => {
    const { split, validation, ...before } = await run({}, SOMEHOW);
    // Rows of other values would have other keys, so the digests are kept as they were.
    const rowDigests = digestRows(SOMEHOW);
    const idle = [...split.validation].filter((i) => SOME[i] === 0);
    expect(idle.length).toBeGreaterThan(2);
    const after = await run({}, { ...mixed(SOMEHOW, idle, false), rowDigests });
    expect(after.split).toEqual(split);
    expect(after.validation).toEqual(validation);
    expect(after.records).toEqual(before.records);
    const heard = [...split.validation].filter((i) => SOME[i]! > 0);
    const other = await run({}, { ...mixed(SOMEHOW, heard, false), rowDigests });
    expect(other.split).toEqual(split);
    expect(other.validation).not.toEqual(validation);
  });

  it("count in the split, the standardisation, the profile and the numbers of rows, as all rows do", async () => {
    const [without, result] = [await run(), await run({}, SOMEHOW)];
    expect(result.split).toEqual(without.split);
    expect(standardsOf(result)).toEqual(standardsOf(without));
    expect(result.card.split).toEqual(without.card.split);
    const { logit, ...profile } = result.profile;
    const { logit: logitWithout, ...profileWithout } = without.profile;
    expect(profile).toEqual(profileWithout);
    expect(result.train.rows).toBe(without.train.rows);
    expect(bitsOf(result)).not.toEqual(bitsOf(without));
    // So leaving them out gives another model than weighing them with 0.
    const kept = Array.from({ length: N }, (_, i) => i).filter((i) => SOME[i]! > 0);
    const fewer = weighted((k) => SOME[kept[k]!]!, {
      ...reorder(DATA, kept),
      rowCount: kept.length,
    });
    const [all, some] = [await run(ALL_ROWS, SOMEHOW), await run(ALL_ROWS, fewer)];
    expect(standardsOf(some)).not.toEqual(standardsOf(all));
    expect(bitsOf(some)).not.toEqual(bitsOf(all));
  });
});

describe("what all rows weigh", () => {
  it("changes no bit of the model where it is 1, and says the weight", async () => {
    const [none, ones] = [
      await run(),
      await run(
        {},
        weighted(() => 1, DATA),
      ),
    ];
    expect(Buffer.from(ones.modelBytes).equals(none.modelBytes)).toBe(true);
    expect(ones.records).toEqual(none.records);
    expect(ones.train).toEqual({ ...none.train, weight: none.train.rows });
    expect(ones.validation).toEqual({ ...none.validation, weight: none.validation.rows });
    expect(none.weights).toBeNull();
    expect(ones.contentDigest).not.toBe(none.contentDigest);
    expect([none.card.data.weight, ones.card.data.weight]).toEqual([null, "w"]);
  });

  // Of four, not of two, as the figures hold square roots (mcc).
  it.each([4, 2 ** -10, 2 ** 380, 2 ** -380])(
    "changes no bit where each weighs %d times as much, a power of four",
    async (factor) => {
      const expected = await run({}, SOMEHOW);
      const result = await run(
        {},
        weighted((i) => factor * SOME[i]!, DATA),
      );
      expect(bitsOf(result)).toEqual(bitsOf(expected));
      expect(figuresOf(result)).toEqual({
        ...figuresOf(expected),
        confusion: Object.fromEntries(
          Object.entries(expected.train.confusion).map(([key, count]) => [key, factor * count]),
        ),
      });
      expect(result.train.weight).toBe(factor * expected.train.weight!);
    },
  );

  it("changes no more than roundings where it is another number", async () => {
    const expected = await run({}, SOMEHOW);
    const result = await run(
      {},
      weighted((i) => 3 * SOME[i]!, DATA),
    );
    expect(largestDifference(result.model.w, expected.model.w)).toBeLessThan(TOLERANCE);
  });

  it.each([
    ["none", 1e-130],
    ["none", 1e130],
    ["balanced", 1e-130],
    ["balanced", 1e130],
    // Out of the range of the core's sums as well.
    ["none", 1e-300],
    ["none", 1e305],
    ["balanced", 1e-300],
    ["balanced", 1e305],
  ] as const)("is refused beyond 2^±400: class weights %s, %d", async (classWeight, weight) => {
    const promise = run(
      { classWeight },
      weighted(() => weight, DATA),
    );
    await expect(promise).rejects.toThrow(ValueRangeError);
    await expect(promise).rejects.toThrow(
      /the largest weight must be from 2\^-400 to 2\^400: found/,
    );
  });
});

describe("balanced classes", () => {
  /** Whole weights, so that a class's sum is exact in any order. */
  const whole = Float64Array.from({ length: N }, (_, i) => (i * 7) % 5);

  it.each([
    ["rows that count once", DATA, new Float64Array(N).fill(1)],
    ["rows with weights", weighted((i) => whole[i]!, DATA), whole],
  ])("are weights of S/(2·S_k) times the row's own: %s", async (_, dataset, own) => {
    const result = await run(BALANCED, dataset);
    const sums = classSums(result, DATA.y, own);
    const all = sums[0] + sums[1];
    expect(sums[0]).not.toBe(sums[1]);
    const explicit = Float64Array.from(own, (s, i) => s * (all / (2 * sums[DATA.y[i] as 0 | 1])));
    expect(hexOf(result.weights!)).toEqual(hexOf(explicit));
    const same = await run(
      {},
      weighted((i) => explicit[i]!, DATA),
    );
    expect(Buffer.from(same.modelBytes).equals(result.modelBytes)).toBe(true);
    expect(same.records).toEqual(result.records);
    expect(same.train).toEqual(result.train);
    expect(same.validation).toEqual(result.validation);
    expect(same.evaluation).toEqual(result.evaluation);
    // Controls: unbalanced, and with the sums of all rows in place of the training rows.
    expect(bitsOf(await run({}, dataset))).not.toEqual(bitsOf(result));
    const everywhere: [number, number] = [0, 0];
    own.forEach((s, i) => {
      everywhere[DATA.y[i] as 0 | 1] += s;
    });
    expect(everywhere[0] / everywhere[1]).not.toBe(sums[0] / sums[1]);
  });

  it("weigh the same in training, whatever the weights of their rows", async () => {
    const result = await run(BALANCED, SOMEHOW);
    const [negative, positive] = classSums(result, DATA.y, result.weights!);
    // Each weight is rounded twice and a sum of some hundred of them as often: 2^-52 · 200 = 4e-14.
    expect(largestDifference([negative], [positive])).toBeLessThan(1e-13);
    const { tn, fp, fn, tp } = result.train.confusion;
    expect(largestDifference([tn + fp], [fn + tp])).toBeLessThan(1e-13);
    const [before, after] = classSums(result, DATA.y, SOME);
    expect(Math.abs(before - after)).toBeGreaterThan(1);
  });

  it("that have equally many training rows already change no bit", async () => {
    const rows = [0, 1].flatMap((label) =>
      Array.from(DATA.y.keys())
        .filter((i) => DATA.y[i] === label)
        .slice(0, 80),
    );
    const even = { ...reorder(DATA, rows), rowCount: rows.length };
    const [none, balanced] = [await run({}, even), await run(BALANCED, even)];
    expect([...new Set(balanced.weights)]).toEqual([1]);
    expect(bitsOf(balanced)).toEqual(bitsOf(none));
  });

  it("are part of the parameters, not of the data", async () => {
    const [none, balanced] = [await run(), await run(BALANCED)];
    expect(balanced.contentDigest).toBe(none.contentDigest);
    expect(balanced.split).toEqual(none.split);
    expect(balanced.card.parameters.class_weight).toBe("balanced");
    expect(balanced.card.data.weight).toBeNull();
    expect(balanced.train.weight).toBeCloseTo(none.train.rows, 9);
  });
});

describe("the order of weighted rows", () => {
  const order = createRandom(3).shuffled([...Array(N).keys()]);
  const shuffled = weighted((k) => SOME[order[k]!]!, reorder(DATA, order));

  it.each([
    ["simd", "none"],
    ["scalar", "none"],
    ["simd", "balanced"],
    ["scalar", "balanced"],
  ] as const)("changes nothing: %s, class weights %s", async (build, classWeight) => {
    const expected = await run({ classWeight }, SOMEHOW);
    const result = await train(loadCore(build), shuffled, { ...QUICK, classWeight });
    expect(Buffer.from(result.modelBytes).equals(expected.modelBytes)).toBe(true);
    const { split, weights, ...rest } = result;
    const { split: splitExpected, weights: weightsExpected, ...restExpected } = expected;
    expect(rest).toEqual(restExpected);
    expect(hexOf(weights!)).toEqual(hexOf(order.map((i) => weightsExpected![i]!)));
    const validation = Array.from(split.validation, (i) => order[i]!).sort((a, b) => a - b);
    expect(validation).toEqual([...splitExpected.validation]);
  });

  it("changes the model where weights stay behind when their rows move", async () => {
    const expected = await run({}, SOMEHOW);
    const astray = await run(
      {},
      weighted((i) => SOME[i]!, reorder(DATA, order)),
    );
    expect(astray.modelDigest).not.toBe(expected.modelDigest);
    expect(astray.contentDigest).not.toBe(expected.contentDigest);
  });

  it("changes nothing in a table of categories, gaps and weights", async () => {
    const random = createRandom(11);
    const rows = Array.from({ length: 120 }, (_, i) => [
      random.below(4) === 0 ? "" : String(random.normal()),
      ["ash", "elm", "", "Ω", "\u{1F347}"][random.below(5)]!,
      String(random.below(4) / 4),
      ["no", "yes"][Number(random.normal() + (i % 3) - 1 > 0)]!,
    ]);
    const read = (records: string[][]) =>
      datasetOf(csvOf([["x", "tree", "w", "y"], ...records]), {
        weight: "w",
        missing: "indicator",
      });
    for (const classWeight of ["none", "balanced"] as const) {
      const expected = await run({ classWeight }, read(rows));
      expect(expected.model.featureNames).toEqual(
        expect.arrayContaining(["x", "x is missing", "tree=Ω", "tree is missing"]),
      );
      const result = await run({ classWeight }, read(random.shuffled(rows)));
      expect(Buffer.from(result.modelBytes).equals(expected.modelBytes)).toBe(true);
      expect(result.contentDigest).toBe(expected.contentDigest);
      expect(result.card).toEqual(expected.card);
      expect(result.evaluation).toEqual(expected.evaluation);
      expect(result.profile).toEqual(expected.profile);
    }
  });
});

describe("weights that leave nothing to go by", async () => {
  const { split } = await run();
  const validates = new Set(split.validation);
  const isNegative = (i: number) => DATA.y[i] === 0;

  it.each(["none", "balanced"] as const)(
    "validation rows that all weigh 0 are not judged on, class weights %s",
    async (classWeight) => {
      const dataset = weighted((i) => Number(!validates.has(i)), DATA);
      const result = await run({ classWeight }, dataset);
      expect(result.split).toEqual(split);
      const { rows, confusion, ...figures } = result.validation;
      expect(rows).toBe(0);
      expect(confusion).toEqual({ tn: 0, fp: 0, fn: 0, tp: 0 });
      expect(Object.values(figures).every((figure) => figure === null)).toBe(true);
      expect(result.records.some(({ key }) => key.startsWith("val_"))).toBe(false);
      expect(result.evaluation.curve).toEqual([]);
      // They stand in the split all the same.
      const { validation } = result.card.split;
      expect(validation.rows).toBe(split.validation.length);
      expect(validation.labels.no! + validation.labels.yes!).toBe(validation.rows);
      // And the model is that of any other weights of theirs.
      const heavy = weighted((i) => (validates.has(i) ? 9 : 1), DATA);
      expect(bitsOf(await run({ classWeight }, heavy))).toEqual(bitsOf(result));
    },
  );

  it("one validation row that weighs something is enough to be judged on", async () => {
    const row = split.validation[3]!;
    const dataset = weighted((i) => Number(!validates.has(i) || i === row), DATA);
    const { validation, records } = await run({}, dataset);
    expect(validation).toMatchObject({
      rows: split.validation.length,
      weight: 1,
      roc_auc: null,
    });
    expect([0, 1]).toContain(validation.accuracy);
    expect(records.some(({ key }) => key === "val_loss")).toBe(true);
  });

  it.each(["none", "balanced"] as const)(
    "training rows that all weigh 0 are refused by the column, class weights %s",
    async (classWeight) => {
      const promise = run(
        { classWeight },
        weighted((i) => Number(validates.has(i)), DATA),
      );
      await expect(promise).rejects.toThrow(DataError);
      await expect(promise).rejects.toThrow(
        'Cannot weigh rows by column "w" as all training rows have weight 0',
      );
      // Another seed has other training rows.
      const other = weighted((i) => Number(validates.has(i)), DATA);
      expect((await run({ classWeight, seed: 43 }, other)).train.weight).toBeGreaterThan(0);
    },
  );

  it.each([
    [0, "no", 0],
    [1, "yes", 0],
  ])("classes cannot be balanced where class %i has none: %s, %d", async (label, name, weight) => {
    const dataset = weighted((i) => (DATA.y[i] === label && !validates.has(i) ? weight : 1), DATA);
    const promise = run(BALANCED, dataset);
    await expect(promise).rejects.toThrow(DataError);
    await expect(promise).rejects.toThrow(
      `Cannot balance the classes as all training rows of "${name}" have weight 0`,
    );
  });

  it("a class of next to no weight is balanced all the same: the bound of its sum is its own", async () => {
    const light = (i: number) => (DATA.y[i] === 1 && !validates.has(i) ? 2 ** -100 : 1);
    const { weights } = await run(BALANCED, weighted(light, DATA));
    const sums = [0, 1].map((label) =>
      split.train.filter((i) => DATA.y[i] === label).reduce((sum, i) => sum + weights![i]!, 0),
    );
    // Plain sums of a few dozen terms: equal but for their roundings.
    expect(sums[1]! / sums[0]!).toBeCloseTo(1, 12);
  });

  it("without balance, a class of no weight trains, and figures that need it are null", async () => {
    const dataset = weighted((i) => Number(!isNegative(i) || validates.has(i)), DATA);
    const { train: figures, model } = await run({}, dataset);
    expect(figures).toMatchObject({ roc_auc: null, average_precision: null, mcc: null, recall: 1 });
    // Every row that counts is of class 1.
    expect(model.b).toBeGreaterThan(0);
    // One row of the class that weighs something is enough to balance them.
    const row = split.train.find(isNegative)!;
    const one = weighted((i) => Number(!isNegative(i) || validates.has(i) || i === row), DATA);
    const balanced = await run(BALANCED, one);
    const others = split.train.filter((i) => !isNegative(i)).length;
    expect(balanced.weights![row]).toBe((others + 1) / 2);
    expect(balanced.train.roc_auc).not.toBeNull();
  });
});

describe("a recorded run with weights", () => {
  /** A mixed table with weights, and what it takes to record a training on it. */
  function workshop() {
    const directory = temporaryDirectory();
    const store = join(directory, "miniflow");
    const path = join(directory, "trees.csv");
    const random = createRandom(21);
    const rows = Array.from({ length: 150 }, () => {
      const x = random.normal();
      const tree = ["ash", "elm", "fir"][random.below(3)]!;
      const label = ["no", "yes"][Number(x + random.normal() > 0.8)]!;
      return [x, tree, random.below(5), label];
    });
    const write = (records: readonly (readonly (string | number)[])[]) =>
      writeFileSync(path, csvOf([["x", "tree", "w", "y"], ...records]));
    write(rows);
    const record = async (
      options: Partial<ReadCsvOptions>,
      params: Partial<TrainingParams>,
    ): Promise<RecordedTraining> =>
      recordTraining(source, await readCsv(path, { label: "y", ...options }), {
        store,
        experiment: "x",
        model: "m",
        gate: { metric: "val_loss" },
        promote: true,
        params: { ...QUICK, ...params },
        environment: Promise.resolve(ENVIRONMENT),
      });
    return { rows, write, record };
  }

  const WEIGHED: Partial<ReadCsvOptions> = { weight: "w" };
  const DROPPED: Partial<ReadCsvOptions> = { drop: ["w"] };

  it.each<[string, Partial<ReadCsvOptions>, Partial<TrainingParams>]>([
    ["row weights", WEIGHED, {}],
    ["balanced classes", DROPPED, BALANCED],
    ["row weights and balanced classes", WEIGHED, BALANCED],
  ])("verifies: %s", async (_, options, params) => {
    const { rows, write, record } = workshop();
    const { directory, result, params: recorded } = await record(options, params);
    expect(recorded).toMatchObject({
      weight: options.weight ?? null,
      class_weight: params.classWeight ?? "none",
      features: ["x", "tree"],
    });
    expect(await new Verifier().verify(directory)).toMatchObject({
      reproduced: true,
      difference: null,
      metricsCompared: result.records.length,
      modelDigest: result.modelDigest,
    });
    // The rows in another order are the same data.
    write(createRandom(1).shuffled(rows));
    expect((await new Verifier().verify(directory)).reproduced).toBe(true);
    // One other weight is other data, but only where weights were read.
    write(rows.map((row, i) => (i === 7 ? [row[0]!, row[1]!, Number(row[2]) + 1, row[3]!] : row)));
    const verdict = await new Verifier().verify(directory);
    expect(verdict.reproduced).toBe(options.weight === undefined);
    if (options.weight !== undefined) {
      expect(verdict.stage).toBe("data");
      expect(verdict.difference).toMatch(/row 8 is not as recorded, in "w" \(content digest/);
    }
  });

  it("does not verify with other class weights or without its weights", async () => {
    const { record } = workshop();
    const { directory } = await record(WEIGHED, BALANCED);
    const path = join(directory, "params.json");
    const text = readFileSync(path, "utf8");
    const { weight, class_weight, ...params } = readJson(path);
    expect([weight, class_weight]).toEqual(["w", "balanced"]);
    writeFileSync(path, JSON.stringify({ ...params, weight, class_weight: "none" }));
    expect((await new Verifier().verify(directory)).stage).toBe("iterations");
    writeFileSync(path, JSON.stringify({ ...params, weight: null, class_weight }));
    expect((await new Verifier().verify(directory)).stage).toBe("data");
    writeFileSync(path, text);
    expect((await new Verifier().verify(directory)).reproduced).toBe(true);
  });

  it.each([
    ["row weights", WEIGHED, {}],
    ["row weights and balanced classes", WEIGHED, BALANCED],
  ])("is compared with production by these weights: %s", async (_, options, params) => {
    const { record } = workshop();
    const first = await record(options, params);
    expect(first.decision.promoted).toBe(true);
    // The same training again: the production model's figure on these rows is this one's, to the last bit.
    const { decision, result } = await record(options, params);
    expect(decision.candidate).toBe(result.validation.loss);
    expect(decision.production).toBe(decision.candidate);
    expect(decision.promoted).toBe(false);
    // Control: without weights the same rows give another figure of the same production model.
    const plain = await record(DROPPED, {});
    expect(plain.result.split.validation.length).toBeGreaterThan(0);
    expect(plain.decision.production).not.toBe(decision.production);
  });
});
