// Are folds made of content, scores those of a plain training, and candidates ranked as they should be?
import { describe, expect, test } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { datasetFromArrays } from "../../src/data/dataset.ts";
import { digestRows } from "../../src/data/digest.ts";
import { FoldError, splitRows } from "../../src/data/split.ts";
import { predictColumns } from "../../src/model/predict.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import {
  CrossValidation,
  candidatesOf,
  type FoldScore,
  foldsOf,
  GridError,
  parseGrids,
  ranked,
  spreadOf,
} from "../../src/training/tune.ts";
import { createRandom } from "../contract/bits.ts";

const source = loadCore();

interface Row {
  readonly x: readonly number[];
  readonly y: string;
}

function noisyRows(n: number, seed = 1): Row[] {
  const random = createRandom(seed);
  return Array.from({ length: n }, () => {
    const x = [random.normal(), 10 + 3 * random.normal(), 100 * random.between(0, 1)];
    const score = x[0]! + x[1]! - 10 + 2 * random.normal();
    return { x, y: score > 0.5 ? "yes" : "no" };
  });
}

type Data = Parameters<typeof foldsOf>[1];

/** Folds as `raisin tune` makes them. */
function validationOf(dataset: Data, base: TrainingParams, count: number, core = source) {
  return new CrossValidation(core, dataset, foldsOf(core, dataset, base, count));
}

function datasetOf(rows: readonly Row[]) {
  return datasetFromArrays(
    rows.map(({ x }) => [...x]),
    rows.map(({ y }) => y),
    { name: "noisy", positive: "yes" },
  );
}

describe("folds", () => {
  const rows = noisyRows(203);
  const dataset = datasetOf(rows);
  const validation = validationOf(dataset, DEFAULT_PARAMS, 5);
  const splits = [0, 1, 2, 3, 4].map((fold) => validation.splitOf(fold));

  test("divide the training rows of the split, and leave the rows that validate alone", () => {
    const { valFraction: fraction, seed } = DEFAULT_PARAMS;
    const expected = splitRows(digestRows(dataset), dataset.y, { fraction, seed }).train;
    const divided = splits.flatMap((split) => [...split.validation]).sort((a, b) => a - b);
    expect(divided).toEqual([...expected]);
    for (const { train: others, validation: own } of splits) {
      expect([...others, ...own].sort((a, b) => a - b)).toEqual([...expected]);
    }
  });

  test("have each class in equal parts, to a row", () => {
    for (const label of [0, 1]) {
      const counts = splits.map(
        (split) => [...split.validation].filter((i) => dataset.y[i] === label).length,
      );
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });

  test("are the same rows in any order of the table, and others with another seed", () => {
    const shuffled = createRandom(9).shuffled(rows);
    const keyOf = (row: Row) => row.x.join();
    const foldsOf = (some: readonly Row[], seed: number) => {
      const cv = validationOf(datasetOf(some), { ...DEFAULT_PARAMS, seed }, 5);
      return [0, 1, 2, 3, 4].map((fold) =>
        [...cv.splitOf(fold).validation].map((i) => keyOf(some[i]!)).sort(),
      );
    };
    expect(foldsOf(shuffled, 42)).toEqual(foldsOf(rows, 42));
    expect(foldsOf(rows, 43)).not.toEqual(foldsOf(rows, 42));
  });

  test("keep equal rows together", () => {
    const some = noisyRows(40);
    const twins = [...some, ...some, ...some];
    const cv = validationOf(datasetOf(twins), DEFAULT_PARAMS, 4);
    for (let fold = 0; fold < 4; fold++) {
      const counts = new Map<number, number>();
      for (const i of cv.splitOf(fold).validation)
        counts.set(i % 40, (counts.get(i % 40) ?? 0) + 1);
      expect(new Set(counts.values())).toEqual(new Set([3]));
    }
  });

  test("are filled, however often a row stands in the table", () => {
    const some = noisyRows(60);
    const often = some[4]!;
    const rest = some.filter(({ y }) => y !== often.y);
    const alike = some.filter(({ y }) => y === often.y).slice(0, 8);
    const rows = [...rest, ...alike, ...Array.from({ length: 40 }, () => often)];
    const cv = validationOf(datasetOf(rows), { ...DEFAULT_PARAMS, valFraction: 0 }, 8);
    for (let fold = 0; fold < 8; fold++) {
      const labels = new Set([...cv.splitOf(fold).validation].map((i) => rows[i]!.y));
      expect(labels.size).toBe(2);
    }
  });

  test("need rows to fill them", () => {
    const few = [...noisyRows(60).map((row) => ({ ...row, y: "no" })), ...noisyRows(5, 2)];
    for (const folds of [6, 1, 101, 2.5]) {
      expect(() => validationOf(datasetOf(few), DEFAULT_PARAMS, folds)).toThrow(FoldError);
    }
  });
});

describe("a score", () => {
  const rows = noisyRows(150);

  test.each<[string, Partial<TrainingParams>]>([
    ["by the defaults", {}],
    ["with a penalty and another threshold", { l2: 0.1, threshold: 0.3, lr: 0.5 }],
    ["with few steps", { iterations: 7 }],
  ])("is that of a training on the other folds, %s", async (_, changes) => {
    const params = { ...DEFAULT_PARAMS, iterations: 200, ...changes };
    const cv = validationOf(datasetOf(rows), params, 3);
    for (let fold = 0; fold < 3; fold++) {
      const split = cv.splitOf(fold);
      const others = datasetOf([...split.train].map((i) => rows[i]!));
      const own = datasetOf([...split.validation].map((i) => rows[i]!));
      const { model } = await train(source, others, { ...params, valFraction: 0 });
      const { probabilities } = predictColumns(new Core(source), model, own.columns);
      const losses = [...own.y].map((y, i) =>
        y === 1 ? -Math.log(probabilities[i]!) : -Math.log1p(-probabilities[i]!),
      );
      const score = (await cv.scores(fold, [params]))[0]!;
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
      // Summed in another order, by other logarithms.
      expect(Math.abs(score.val_loss / mean - 1)).toBeLessThan(1e-13);
      const right = [...own.y].filter(
        (y, i) => Number(probabilities[i]! >= params.threshold) === y,
      ).length;
      expect(score.val_accuracy).toBe(right / own.rowCount);
    }
  });

  test("is the same bits whichever fold was asked before, and by the scalar core", async () => {
    const params = { ...DEFAULT_PARAMS, iterations: 100 };
    const scores = async (order: readonly number[], build: "simd" | "scalar") => {
      const cv = validationOf(datasetOf(rows), params, 4, loadCore(build));
      const found: (FoldScore | null)[] = [];
      for (const fold of order) found[fold] = (await cv.scores(fold, [params]))[0]!;
      return found;
    };
    const expected = await scores([0, 1, 2, 3], "simd");
    expect(await scores([3, 1, 0, 2], "simd")).toEqual(expected);
    expect(await scores([0, 1, 2, 3], "scalar")).toEqual(expected);
  });

  test("is the same when candidates share a descent as by themselves", async () => {
    const some = [300, 10, 300, 40].flatMap((iterations, k) =>
      [0.1, 0.5].map((lr) => ({ ...DEFAULT_PARAMS, iterations, lr, threshold: 0.3 + k / 10 })),
    );
    const cv = validationOf(datasetOf(rows), DEFAULT_PARAMS, 3);
    const together = await cv.scores(1, some);
    for (const [k, params] of some.entries()) {
      const alone = validationOf(datasetOf(rows), DEFAULT_PARAMS, 3);
      expect(await alone.scores(1, [params])).toEqual([together[k]]);
    }
  });

  test("is null where the descent diverges", async () => {
    const params = { ...DEFAULT_PARAMS, lr: 1e6, l2: 1, iterations: 200 };
    const cv = validationOf(datasetOf(rows), params, 3);
    expect(await cv.scores(0, [params])).toEqual([null]);
  });
});

describe("a grid", () => {
  test("gives every combination once, the last parameter fastest", () => {
    const grids = parseGrids([
      { lr: [0.1, 0.2], l2: [0, 1] },
      { lr: 0.1, class_weight: "balanced" },
    ]);
    const said = candidatesOf([...grids, grids[0]!], DEFAULT_PARAMS).map(
      ({ lr, l2, classWeight }) => `${lr} ${l2} ${classWeight}`,
    );
    expect(said).toEqual([
      "0.1 0 none",
      "0.1 1 none",
      "0.2 0 none",
      "0.2 1 none",
      "0.1 0 balanced",
    ]);
  });

  test.each<[unknown, RegExp]>([
    [{ lr: [0.1, 0] }, /^lr must be a finite number above 0: value 2 is 0$/],
    [{ lr: "0.1" }, /^lr must be .*: value 1 is "0\.1"$/],
    [{ iterations: [1.5] }, /^iterations must be a whole number/],
    [{ l2: [] }, /^l2 has no value$/],
    [{ l2: [1, 1] }, /^l2 has 1 twice$/],
    [
      { class_weight: ["heavy"] },
      /^class_weight must be "none" or "balanced": value 1 is "heavy"$/,
    ],
    [{ threshold: [1] }, /^threshold must be a number between 0 and 1/],
    [
      { seed: [1] },
      /^"seed" is no parameter of a grid: those are lr, iterations, l2, class_weight, threshold$/,
    ],
    [{ classWeight: ["none"] }, /^"classWeight" is no parameter/],
    [[{ lr: [0.1] }, 3], /^part 2: it must be an object/],
    [{ lr: [Number.POSITIVE_INFINITY] }, /: value 1 is Infinity$/],
    [{ lr: Array.from({ length: 300_000 }, (_, k) => k + 1) }, /more than 10000/],
    [[], /^the list is empty$/],
    [null, /^it must be an object/],
  ])("%j names what is wrong with it", (value, said) => {
    expect(() => parseGrids(value)).toThrow(GridError);
    expect(() => parseGrids(value)).toThrow(said);
  });

  test("is refused when it is too large to be meant", () => {
    const values = (count: number) => Array.from({ length: count }, (_, k) => k + 1);
    const grid = { iterations: values(200), l2: values(100) };
    expect(() => candidatesOf([grid], DEFAULT_PARAMS)).toThrow(/more than 10000 combinations/);
  });
});

describe("ranking", () => {
  const tried = (...losses: (number | null)[][]) =>
    losses.map((some) => ({
      params: DEFAULT_PARAMS,
      scores: some.map((loss) =>
        loss === null
          ? null
          : { val_loss: loss, val_accuracy: loss, val_roc_auc: null, val_brier: 0 },
      ),
    }));

  test("goes by the mean, ties by the grid, and what diverged comes last", () => {
    const some = tried([0.3, 0.5], [null, 0.1], [0.2, 0.2], [0.5, 0.3], [0.1, null]);
    expect(ranked(some, "val_loss")).toEqual([2, 0, 3, 1, 4]);
    expect(ranked(some, "val_accuracy")).toEqual([0, 3, 2, 1, 4]);
  });

  test("has the mean and the population's standard deviation", () => {
    const [one, other] = tried([0.25, 0.5, 0.75, 1], [0.25, null]);
    // numpy.std([0.25, 0.5, 0.75, 1]) is sqrt(0.078125).
    expect(spreadOf(one!, "val_loss")).toEqual({ mean: 0.625, std: Math.sqrt(0.078125) });
    expect(spreadOf(other!, "val_loss")).toBeNull();
    expect(spreadOf(one!, "val_roc_auc")).toBeNull();
  });
});
