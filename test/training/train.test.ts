// Does train() give what a plain loop gives, the same bytes for any row order, and the errors and hooks it promises?
import { describe, expect, it } from "vitest";
import { Core, ValueRangeError } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { DataError } from "../../src/data/data-error.ts";
import { type Dataset, datasetFromArrays } from "../../src/data/dataset.ts";
import { digestRows } from "../../src/data/digest.ts";
import { decodeModel, modelDigest } from "../../src/model/model-file.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "../../src/training/params.ts";
import {
  type Checkpoint,
  CONVERGED_AT,
  type DigestedDataset,
  DivergenceError,
  type MetricRecord,
  type Progress,
  type TrainingHooks,
  type TrainingResult,
  train,
} from "../../src/training/train.ts";
import { createRandom, hexOf } from "../contract/bits.ts";
import { numbersOf } from "../support/numbers.ts";
import { fitPlainly, generate, largestDifference, reorder } from "./generated.ts";

const source = loadCore();
const DATA = generate({ n: 203, d: 4, seed: 7 });
const QUICK: TrainingParams = { ...DEFAULT_PARAMS, iterations: 60, logEvery: 25, lr: 0.4 };

function run(
  params: Partial<TrainingParams> = {},
  dataset: Dataset = DATA,
  hooks: TrainingHooks = {},
): Promise<TrainingResult> {
  return train(source, dataset, { ...QUICK, ...params }, hooks);
}

function recorded(result: TrainingResult, key: string, step: number): number | undefined {
  return result.records.find((record) => record.key === key && record.step === step)?.value;
}

describe("train() against a plain loop", () => {
  // Both round about 1e-16 a term; N4's one fold adds 2^-42 = 2.3e-13 of the bound to a gradient. Standardised
  // features reach about 4, steps and the curvature keep the sum of all of it below a hundred of these.
  const TOLERANCE = 1e-10;

  it.each([
    { n: 2, d: 1, l2: 0.1, iterations: 100, valFraction: 0 },
    { n: 9, d: 2, l2: 0.1, iterations: 100, valFraction: 0.2 },
    { n: 257, d: 5, l2: 0, iterations: 300, valFraction: 0.2 },
    { n: 600, d: 3, l2: 0.05, iterations: 300, valFraction: 0.4 },
  ])("$n rows, $d features, l2 $l2", async ({ n, d, ...params }) => {
    const dataset = n === 2 ? datasetFromArrays([[1], [4]], [0, 1]) : generate({ n, d, seed: n });
    const result = await run({ ...params, lr: 0.3 }, dataset);
    const plain = fitPlainly(dataset, result.split.train, { ...params, lr: 0.3 });
    const actual = [...result.model.w, result.model.b, result.train.loss!];
    const difference = largestDifference(actual, [...plain.w, plain.b, plain.loss], 1e-3);
    console.info(`train(), ${n} × ${d}: largest difference from a plain loop ${difference}`);
    expect(difference).toBeLessThan(TOLERANCE);
    expect(Math.max(...actual.map(Math.abs))).toBeGreaterThan(0.05);
  });

  it("one feature of standard deviation 1 about 0 needs no standardising", async () => {
    const dataset = datasetFromArrays([[-1], [1], [-1], [1]], [0, 1, 1, 1]);
    const { model } = await run({ valFraction: 0, iterations: 1, lr: 1 }, dataset);
    // At 0 every p is 1/2: g = (0.5·-1 + -0.5·1 + -0.5·-1 + -0.5·1)/4 = -0.25, gb = (0.5 - 0.5·3)/4.
    expect([...model.w, model.b, ...model.mean, ...model.std]).toEqual([0.25, 0.25, 0, 1]);
  });
});

describe("train() and the order of rows", () => {
  const order = createRandom(3).shuffled([...Array(DATA.rowCount).keys()]);

  it.each(["simd", "scalar"] as const)(
    "shuffled rows give the same of everything, %s",
    async (build) => {
      const expected = await run();
      const shuffled = reorder(DATA, order);
      const result = await train(loadCore(build), shuffled, QUICK);
      expect(Buffer.from(result.modelBytes).equals(expected.modelBytes)).toBe(true);
      const { split, ...rest } = result;
      const { split: splitExpected, ...restExpected } = expected;
      expect(rest).toEqual(restExpected);
      const rowsOf = (index: Uint32Array) =>
        Array.from(index, (i) => order[i]!).sort((a, b) => a - b);
      expect(rowsOf(split.train)).toEqual([...splitExpected.train]);
      expect(rowsOf(split.validation)).toEqual([...splitExpected.validation]);
    },
  );

  it("twice gives the same bytes, and other parameters or one other value give others", async () => {
    const bytes = async (params: Partial<TrainingParams> = {}, dataset = DATA) =>
      Buffer.from((await run(params, dataset)).modelBytes).toString("hex");
    const first = await bytes();
    expect(await bytes()).toBe(first);
    // Neither logging nor how often it happens can be seen in the model.
    expect(await bytes({ logEvery: 1 })).toBe(first);
    const others = [
      { seed: 43 },
      { lr: 0.41 },
      { l2: 1e-9 },
      { iterations: 61 },
      { threshold: 0.4 },
    ];
    for (const params of others)
      expect(await bytes(params), JSON.stringify(params)).not.toBe(first);
    const { split } = await run();
    const columns = DATA.columns.map((column) => numbersOf(column).slice());
    columns[0]![split.train[0]!]! *= 1 + 2 ** -40;
    expect(await bytes({}, { ...DATA, columns })).not.toBe(first);
  });

  it("a training cut into several calls of the core gives the same bits", async () => {
    // 1,000 × 8 cells a step: 2^28 of them are 33,554 steps, so the first training takes two calls and the second 5.
    const dataset = generate({ n: 1000, d: 8, seed: 5 });
    const counted = async (logEvery: number) => {
      let pauses = 0;
      const params = { iterations: 35_000, logEvery, lr: 0.01, valFraction: 0 };
      const pause = async () => {
        pauses++;
      };
      return { result: await run(params, dataset, { pause }), pauses };
    };
    const [whole, cut] = [await counted(35_000), await counted(7_000)];
    expect([whole.pauses, cut.pauses]).toEqual([2, 5]);
    expect(hexOf(cut.result.model.w)).toEqual(hexOf(whole.result.model.w));
    expect(cut.result.modelDigest).toBe(whole.result.modelDigest);
  });
});

describe("train()'s records", () => {
  it.each([
    { iterations: 10, logEvery: 3, steps: [0, 3, 6, 9, 10] },
    { iterations: 10, logEvery: 5, steps: [0, 5, 10] },
    { iterations: 10, logEvery: 10, steps: [0, 10] },
    { iterations: 10, logEvery: 99, steps: [0, 10] },
    { iterations: 3, logEvery: 1, steps: [0, 1, 2, 3] },
    { iterations: 1, logEvery: 50, steps: [0, 1] },
  ])("$iterations iterations, every $logEvery", async ({ steps, ...params }) => {
    const progress: Progress[] = [];
    const result = await run(params, DATA, {
      onProgress: (at) => {
        progress.push(at);
      },
    });
    expect(progress.map(({ step }) => step)).toEqual(steps);
    expect(progress.every(({ iterations }) => iterations === params.iterations)).toBe(true);
    const curves = ["train_loss", "train_accuracy", "gradient_max", "val_loss", "val_accuracy"];
    for (const key of curves) {
      expect(result.records.filter((record) => record.key === key).map(({ step }) => step)).toEqual(
        steps,
      );
    }
    const told = progress.flatMap(({ records }) => records);
    expect(result.records.slice(0, told.length)).toEqual(told);
    // What follows are the figures made once, at the end.
    const rest = result.records.slice(told.length);
    expect(rest.every(({ step }) => step === params.iterations)).toBe(true);
    expect(new Set(result.records.map(({ key, step }) => `${key} ${step}`)).size).toBe(
      result.records.length,
    );
  });

  it("a record of step k describes the weights after k updates", async () => {
    const long = await run({ iterations: 60, logEvery: 20 });
    const short = await run({ iterations: 20 });
    expect(recorded(long, "train_loss", 20)).toBe(short.train.loss);
    expect(recorded(long, "val_loss", 20)).toBe(short.validation.loss);
    expect(recorded(long, "gradient_max", 20)).toBe(short.gradientMax);
    // At zero weights every p is 1/2.
    expect(recorded(long, "train_loss", 0)).toBeCloseTo(Math.log(2), 15);
    expect(recorded(long, "train_loss", 60)).toBe(long.train.loss);
    expect(recorded(long, "train_accuracy", 60)).toBe(long.train.accuracy);
    expect(recorded(long, "val_roc_auc", 60)).toBe(long.validation.roc_auc);
    expect(recorded(long, "gradient_max", 60)).toBe(long.gradientMax);
    expect(long.train.loss!).toBeLessThan(recorded(long, "train_loss", 0)!);
  });

  it("losses are without the L2 term", async () => {
    const result = await run({ l2: 0.3, valFraction: 0 });
    const plain = fitPlainly(DATA, result.split.train, { ...QUICK, l2: 0.3 });
    expect(largestDifference([result.train.loss!], [plain.loss])).toBeLessThan(1e-12);
  });
});

describe("train() and validation rows", () => {
  it("a fraction of 0 trains on every row and judges on none", async () => {
    const {
      split,
      validation,
      records,
      evaluation,
      card,
      train: fit,
    } = await run({ valFraction: 0 });
    expect(split.train).toHaveLength(DATA.rowCount);
    expect(split.validation).toHaveLength(0);
    const { rows, confusion, ...figures } = validation;
    expect(rows).toBe(0);
    expect(confusion).toEqual({ tn: 0, fp: 0, fn: 0, tp: 0 });
    expect(Object.values(figures).every((figure) => figure === null)).toBe(true);
    expect(records.some(({ key }) => key.startsWith("val_"))).toBe(false);
    expect(evaluation.curve).toEqual([]);
    expect(evaluation.calibration.every(({ rows: count }) => count === 0)).toBe(true);
    expect(card.split.validation).toEqual({ rows: 0, labels: { no: 0, yes: 0 } });
    expect(fit.roc_auc).toBeGreaterThan(0.5);
  });

  it("a class without validation rows has no figure that needs one", async () => {
    const random = createRandom(2);
    const X = Array.from({ length: 41 }, () => [random.normal(), random.normal()]);
    const dataset = datasetFromArrays(
      X,
      X.map((_, i) => Number(i === 17)),
    );
    const { split, validation, evaluation, card, records } = await run({}, dataset);
    expect(split.validation).toHaveLength(8);
    expect(split.train).toContain(17);
    expect(validation.rows).toBe(8);
    expect(validation.loss).toBeGreaterThan(0);
    expect(validation.accuracy).not.toBeNull();
    expect(validation.brier).not.toBeNull();
    expect([validation.roc_auc, validation.average_precision, validation.mcc]).toEqual([
      null,
      null,
      null,
    ]);
    expect(validation.recall).toBeNull();
    expect(records.some(({ key }) => key === "val_roc_auc")).toBe(false);
    expect(records.some(({ key }) => key === "val_loss")).toBe(true);
    expect(evaluation.metrics).toEqual(validation);
    expect(card.split.validation.labels).toEqual({ "0": 8, "1": 0 });
  });

  it("statistics come from the training rows only", async () => {
    const { split, model } = await run();
    const columns = DATA.columns.map((column) => numbersOf(column).slice());
    // A validation row of other values would have another key, so the digests are kept as they were.
    const rowDigests = digestRows(DATA);
    for (const i of split.validation) columns[1]![i] = 1e6;
    const moved = await run({}, { ...DATA, columns, rowDigests } as DigestedDataset);
    expect(moved.split).toEqual(split);
    expect(hexOf(moved.model.std)).toEqual(hexOf(model.std));
    expect(hexOf(moved.model.w)).toEqual(hexOf(model.w));
    expect(moved.validation.loss).not.toBe((await run()).validation.loss);
  });
});

describe("train()'s hooks", () => {
  it("waits for onProgress and for pause", async () => {
    const events: string[] = [];
    await run({ iterations: 4, logEvery: 2 }, DATA, {
      onProgress: async ({ step }) => {
        events.push(`begin ${step}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        events.push(`end ${step}`);
      },
      pause: async () => {
        await Promise.resolve();
        events.push("pause");
      },
    });
    const at = (step: number) => [`begin ${step}`, `end ${step}`];
    expect(events).toEqual([...at(0), "pause", ...at(2), "pause", ...at(4)]);
  });

  it("stops with the signal's reason: before it starts, and in the middle", async () => {
    const reason = new Error("enough");
    const steps: number[] = [];
    const onProgress = ({ step }: Progress) => {
      steps.push(step);
    };
    await expect(run({}, DATA, { signal: AbortSignal.abort(reason), onProgress })).rejects.toBe(
      reason,
    );
    expect(steps).toEqual([]);

    const controller = new AbortController();
    const promise = run({ iterations: 100, logEvery: 10 }, DATA, {
      signal: controller.signal,
      onProgress: ({ step }) => {
        steps.push(step);
        if (step === 20) controller.abort(reason);
      },
    });
    await expect(promise).rejects.toBe(reason);
    expect(steps).toEqual([0, 10, 20]);
  });

  it("passes on what onProgress throws", async () => {
    const onProgress = () => Promise.reject(new Error("disk full"));
    await expect(run({}, DATA, { onProgress })).rejects.toThrow("disk full");
  });

  it("trainings that take turns do not disturb each other", async () => {
    const alone = [await run(), await run({ seed: 5, l2: 0.1 })];
    const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
    const together = await Promise.all([
      run({ logEvery: 1 }, DATA, { pause }),
      run({ logEvery: 2, seed: 5, l2: 0.1 }, DATA, { pause }),
    ]);
    expect(together.map(({ modelDigest: digest }) => digest)).toEqual(
      alone.map(({ modelDigest: digest }) => digest),
    );
  });
});

describe("train()'s checkpoints", () => {
  const checkpointsOf = async (params: Partial<TrainingParams>, every: number) => {
    const checkpoints: Checkpoint[] = [];
    const whole = await run(params, DATA, {
      checkpointEvery: every,
      onCheckpoint: (checkpoint) => {
        checkpoints.push(checkpoint);
      },
    });
    return { whole, checkpoints };
  };

  it("are every so many steps, none of them at the end, and change nothing", async () => {
    const { whole, checkpoints } = await checkpointsOf({}, 20);
    expect(checkpoints.map(({ step }) => step)).toEqual([20, 40]);
    expect(whole.modelBytes).toEqual((await run()).modelBytes);
    // Some seconds of work by default, which this training is not.
    let count = 0;
    await run({}, DATA, { onCheckpoint: () => void count++ });
    expect(count).toBe(0);
  });

  it("lead to the same bytes and the same records from each of them, with and without weights", async () => {
    for (const params of [{}, { classWeight: "balanced", l2: 0.01, logEvery: 7 }] as const) {
      const { whole, checkpoints } = await checkpointsOf(params, 11);
      expect(checkpoints.map(({ step }) => step)).toEqual([11, 22, 33, 44, 55]);
      for (const from of checkpoints) {
        const told: MetricRecord[] = [];
        const resumed = await run(params, DATA, {
          from,
          onProgress: ({ records }) => {
            told.push(...records);
          },
        });
        expect(resumed.modelBytes).toEqual(whole.modelBytes);
        expect(resumed.records).toEqual(whole.records);
        expect(resumed.evaluation).toEqual(whole.evaluation);
        expect(told.every(({ step }) => step > from.step)).toBe(true);
      }
      // Control: other weights lead elsewhere.
      const { step, weights, records } = checkpoints[0]!;
      const moved = { step, records, weights: weights.map((weight) => weight + 2 ** -40) };
      expect((await run(params, DATA, { from: moved })).modelBytes).not.toEqual(whole.modelBytes);
    }
  });

  it("are refused when they cannot be of this training", async () => {
    const weights = new Float64Array(DATA.features.length + 1);
    for (const from of [
      { step: 60, weights },
      { step: -1, weights },
      { step: 1.5, weights },
      { step: 1, weights: weights.slice(1) },
      { step: 1, weights: weights.map(() => Number.NaN) },
    ]) {
      await expect(run({}, DATA, { from: { ...from, records: [] } })).rejects.toThrow(
        /Cannot go on from step/,
      );
    }
    for (const checkpointEvery of [0, 1.5]) {
      await expect(run({}, DATA, { checkpointEvery })).rejects.toThrow(/Cannot make a checkpoint/);
    }
  });
});

describe("train()'s errors", () => {
  it.each([
    ["a penalty that makes each step longer", { lr: 10, l2: 1, iterations: 1000, logEvery: 1000 }],
    ["the same, looked at after every step", { lr: 10, l2: 1, iterations: 1000, logEvery: 1 }],
    ["a step beyond all numbers", { lr: 1.7e308, l2: 1e10, iterations: 5 }],
    ["a step that lands just inside the finite numbers", { lr: 1e307, iterations: 1 }],
  ])("DivergenceError names the learning rate: %s", async (_, params) => {
    const promise = run(params);
    await expect(promise).rejects.toThrow(DivergenceError);
    await expect(promise).rejects.toThrow(`lower the learning rate (now ${params.lr})`);
  });

  it("the longest and the shortest steps that stay inside train", async () => {
    for (const lr of [1e100, 1e-300, 5e-324]) {
      const { train: fit, profile } = await run({ lr, iterations: 3 });
      expect(fit.loss, `lr ${lr}`).toBeGreaterThan(0);
      expect(profile.logit.mean, `lr ${lr}`).toBeTypeOf("number");
    }
  });

  it.each([
    ["far", 1e200, /"far".*2\^400/],
    ["near", 1e-200, /"near".*2\^-400/],
  ])("ValueRangeError names the column: %s", async (name, size, message) => {
    const random = createRandom(4);
    const X = Array.from({ length: 30 }, () => [random.normal(), random.normal() * size]);
    const dataset = datasetFromArrays(
      X,
      X.map(([a]) => Number(a! + random.normal() > 0)),
      { features: ["plain", name] },
    );
    await expect(run({}, dataset)).rejects.toThrow(ValueRangeError);
    await expect(run({}, dataset)).rejects.toThrow(message);
  });

  it("a validation row too far out to have a finite logit is named", async () => {
    const columns = DATA.columns.map((column) =>
      Float64Array.from(numbersOf(column), (x) => x * 1e-119),
    );
    const rowDigests = digestRows({ ...DATA, columns });
    const { split } = await run({}, { ...DATA, columns });
    columns[0]![split.validation[2]!] = 2e120;
    // 2e120 / 1e-119 is 1e239: finite, and so is its logit for weights of the usual size.
    const { validation } = await run({}, { ...DATA, columns, rowDigests } as DigestedDataset);
    expect(validation.rows).toBe(split.validation.length);
    const wild = run({ lr: 1e110, iterations: 1 }, {
      ...DATA,
      columns,
      rowDigests,
    } as DigestedDataset);
    // The row of the table, not its place among the validation rows.
    const row = split.validation[2]! + 1;
    expect(row).not.toBe(3);
    await expect(wild).rejects.toThrow(`Cannot score row ${row}: its values are so far`);
  });

  it("a value beyond 2^400 is refused by name and row, whichever part the seed puts it in", async () => {
    const columns = DATA.columns.map((column) => numbersOf(column).slice());
    columns[2]![150] = -1e308;
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const tooFar = run({ seed, iterations: 1 }, { ...DATA, columns });
      await expect(tooFar).rejects.toThrow(ValueRangeError);
      await expect(tooFar).rejects.toThrow(
        /column "x3" .* at most 2\^400: found -1e\+308 in row 151$/,
      );
    }
  });

  it("a model that could not be stored is refused before the first step", async () => {
    let calls = 0;
    const hooks = { onProgress: () => void calls++ };
    for (const name of ["n".repeat(2000), "\ud800"]) {
      const X = [[1], [2], [3], [4]];
      const long = datasetFromArrays(X, [0, 1, 0, 1], { features: [name] });
      await expect(run({}, long, hooks)).rejects.toThrow(DataError);
      await expect(run({}, long, hooks)).rejects.toThrow(/could not be stored: a column must/);
      const label = datasetFromArrays(X, ["a", name, "a", name]);
      await expect(run({}, label, hooks)).rejects.toThrow(/could not be stored: a label must/);
    }
    expect(calls).toBe(0);
  });
});

describe("train()'s result", () => {
  it("says whether the descent converged, by the gradient at the end", async () => {
    const easy = await run({ l2: 0.1, lr: 1, iterations: 300 });
    expect(easy.gradientMax).toBeLessThanOrEqual(CONVERGED_AT);
    expect(easy.converged).toBe(true);
    const early = await run({ iterations: 1 });
    expect(early.gradientMax).toBeGreaterThan(CONVERGED_AT);
    expect(early.converged).toBe(false);
    expect([easy.card.convergence.converged, early.card.convergence.converged]).toEqual([
      true,
      false,
    ]);
  });

  it("the gradient at the end is what one more step moves the weights by, L2 term included", async () => {
    const params = { l2: 0.2, valFraction: 0, iterations: 10 };
    const { model, gradientMax } = await run(params);
    const next = await run({ ...params, iterations: 11 });
    const plain = fitPlainly(DATA, next.split.train, { ...QUICK, ...params });
    expect(largestDifference(model.w, plain.w)).toBeLessThan(1e-10);
    const before = [...model.w, model.b];
    const moved = [...next.model.w, next.model.b].map((weight, j) => Math.abs(weight - before[j]!));
    expect(Math.max(...moved) / QUICK.lr).toBeCloseTo(gradientMax, 12);
  });

  it("L2 draws the weights towards 0 and leaves the bias alone", async () => {
    const size = (result: TrainingResult) => Math.hypot(...result.model.w);
    const settled = { iterations: 3000, lr: 1, valFraction: 0, logEvery: 3000 };
    const [free, some, much] = [
      await run({ ...settled, l2: 0 }),
      await run({ ...settled, l2: 0.1 }),
      await run({ ...settled, l2: 0.9 }),
    ];
    expect(size(some)).toBeLessThan(size(free));
    expect(size(much)).toBeLessThan(size(some));
    // With the bias free, the mean probability is the share of class 1 whatever the penalty.
    const share = DATA.y.reduce((sum, label) => sum + label, 0) / DATA.rowCount;
    const core = new Core(source);
    for (const { model } of [free, some, much]) {
      const rows = core.rows({ columns: DATA.columns, mean: model.mean, std: model.std });
      const { probabilities } = rows.predict(Float64Array.of(...model.w, model.b));
      expect(probabilities.reduce((sum, p) => sum + p, 0) / DATA.rowCount).toBeCloseTo(share, 9);
    }
  });

  it("holds the model of its bytes and digest", async () => {
    const { model, modelBytes, modelDigest: digest } = await run();
    expect(decodeModel(modelBytes)).toEqual(model);
    expect(modelDigest(decodeModel(modelBytes))).toBe(digest);
    expect(model.spec).toEqual({
      format: 1,
      label: "answer",
      classes: ["no", "yes"],
      threshold: 0.5,
      columns: ["x1", "x2", "x3", "x4"].map((name) => ({ name, as: "number" })),
    });
  });

  it("leaves the dataset as it was", async () => {
    const before = [...DATA.columns.map((column) => hexOf(numbersOf(column))), [...DATA.y]];
    await run();
    expect([...DATA.columns.map((column) => hexOf(numbersOf(column))), [...DATA.y]]).toEqual(
      before,
    );
  });
});

describe("the bounds of N4", () => {
  it("are the largest magnitudes of the standardised values, to the last bit", () => {
    const core = new Core(source);
    const random = createRandom(8);
    for (let trial = 0; trial < 300; trial++) {
      const scale = 2 ** (random.below(600) - 300);
      const offset = random.normal() * scale * 10 ** random.below(6);
      const column = new Float64Array(1 + random.below(40)).map(
        () => offset + scale * random.normal(),
      );
      const { min, max, mean, std } = core.moments("x", column);
      const bound = Math.max(Math.abs((min - mean) / std), Math.abs((max - mean) / std));
      const largest = column.reduce((most, x) => Math.max(most, Math.abs((x - mean) / std)), 0);
      expect(bound).toBe(largest);
    }
  });

  // Huge, tiny and constant columns round as others do. The mean of a column about 1.7e12 is an f64, whose ulp there is
  // 2.4e-4 of the standard deviation; weights of a descent that has not converged feel that.
  it.each([
    ["huge, tiny and constant", [0, 1e110, 1e-110, 0], 1e-10],
    ["far from 0", [1.7e12, 1, 1, 0], 1e-4],
  ] as const)("hold for columns that are %s", async (_, [offset, large, small], tolerance) => {
    const random = createRandom(9);
    const X = Array.from({ length: 80 }, () => {
      const x = random.normal();
      return [offset + x, large * (x + random.normal()), small * random.normal(), 5];
    });
    const y = X.map(([a]) => Number(a! - offset + random.normal() > 0));
    const dataset = datasetFromArrays(X, y);
    const params = { valFraction: 0, iterations: 200 };
    const result = await run(params, dataset);
    const unit = X.map(([a, b, c, e]) => [a! - offset, b! / large, c! / small, e!]);
    const plain = fitPlainly(datasetFromArrays(unit, y), result.split.train, {
      ...QUICK,
      ...params,
    });
    expect(largestDifference(result.model.w, plain.w, 1e-3)).toBeLessThan(tolerance);
    expect(result.model.w[3]).toBe(0);
    const order = random.shuffled([...Array(80).keys()]);
    const shuffled = await run(params, reorder(dataset, order));
    expect(shuffled.modelDigest).toBe(result.modelDigest);
  });
});
