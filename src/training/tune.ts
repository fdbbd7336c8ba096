// Which parameters fit best, by stratified cross-validation on the training rows of a content split. No disk, no clock.
//
// Design:
// - The rows that validate in the end are not seen: folds are made of the training rows alone, by the keys of the split.
// - A fold is standardised and packed once, by its own training rows, and all candidates descend on it.
// - The score of a candidate on a fold depends on nothing but these two, so any division of the work gives the same.
import { Core, checkMagnitudes, ValueRangeError } from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import { DataError } from "../data/data-error.ts";
import { digestRows } from "../data/digest.ts";
import { FoldError, foldRows, type Split, splitRows } from "../data/split.ts";
import { metricsOf } from "../model/metrics.ts";
import {
  type ClassWeight,
  checkParams,
  type NumberParam,
  PARAM_RULES,
  snakeCase,
  type TrainingParams,
} from "./params.ts";
import { type Standardised, standardise } from "./standardise.ts";
import { type DigestedDataset, hasDiverged, pick, stepsPerCall, weighingOf } from "./train.ts";

/** Parameters that a grid may vary. The others say which rows are trained on. */
export const TUNABLE = ["lr", "iterations", "l2", "classWeight", "threshold"] as const;
export type Tunable = (typeof TUNABLE)[number];

/** Values to try for each parameter. */
export type Grid = { readonly [K in Tunable]?: readonly TrainingParams[K][] };

export const CANDIDATES_MAX = 10_000;
export const FOLDS_MAX = 100;

/** How a candidate did on the rows of one fold; null where its descent diverged. */
export interface FoldScore {
  readonly val_loss: number;
  readonly val_accuracy: number;
  readonly val_roc_auc: number | null;
  readonly val_brier: number;
}

/** What candidates are ranked by. */
export type Selection = "val_loss" | "val_accuracy" | "val_roc_auc" | "val_brier";
export const SELECTIONS: readonly Selection[] = [
  "val_loss",
  "val_accuracy",
  "val_roc_auc",
  "val_brier",
];
const IS_GAIN: Readonly<Record<Selection, boolean>> = {
  val_loss: false,
  val_accuracy: true,
  val_roc_auc: true,
  val_brier: false,
};

/** A grid, or a part of it, that cannot be searched. */
export class GridError extends RangeError {
  override readonly name: string = "GridError";
}

/**
 * A grid as JSON has it: an object of lists under the names of params.json, or a list of such objects.
 *
 * @throws GridError naming the first thing that is wrong
 */
export function parseGrids(value: unknown): Grid[] {
  const parts = Array.isArray(value) ? value : [value];
  if (parts.length === 0) throw new GridError("the list is empty");
  return parts.map((part: unknown, k) => {
    const where = Array.isArray(value) ? `part ${k + 1}: ` : "";
    if (typeof part !== "object" || part === null || Array.isArray(part)) {
      throw new GridError(`${where}it must be an object such as {"lr": [0.1, 0.5]}`);
    }
    const names = Object.keys(snakeCase(TUNABLE_EXAMPLE));
    const entries = Object.entries(part).map(([name, values]) => {
      const key = TUNABLE[names.indexOf(name)];
      if (key === undefined) {
        throw new GridError(
          `${where}${JSON.stringify(name)} is no parameter of a grid: those are ${names.join(", ")}`,
        );
      }
      const list = Array.isArray(values) ? values : [values];
      checkValues(key, list, `${where}${name}`);
      return [key, list];
    });
    return Object.fromEntries(entries) as Grid;
  });
}

const TUNABLE_EXAMPLE = Object.fromEntries(TUNABLE.map((key) => [key, 0])) as never;

/** @param name of the parameter, as whoever gave the values calls it @throws GridError */
export function checkValues(key: Tunable, values: readonly unknown[], name: string): void {
  if (values.length === 0) throw new GridError(`${name} has no value`);
  values.forEach((value, k) => {
    const says =
      key === "classWeight" ? '"none" or "balanced"' : PARAM_RULES[key as NumberParam].says;
    const holds =
      key === "classWeight"
        ? value === "none" || value === "balanced"
        : typeof value === "number" && PARAM_RULES[key as NumberParam].holds(value);
    if (!holds) {
      throw new GridError(
        `${name} must be ${says}: value ${k + 1} is ${JSON.stringify(value)?.slice(0, 60)}`,
      );
    }
    if (values.indexOf(value) !== k) throw new GridError(`${name} has ${String(value)} twice`);
  });
}

/**
 * Every combination of each grid's values, the last parameter changing fastest; each once.
 *
 * @param base what the grids leave open
 * @throws GridError for too many of them
 */
export function candidatesOf(grids: readonly Grid[], base: TrainingParams): TrainingParams[] {
  const candidates = new Map<string, TrainingParams>();
  for (const grid of grids) {
    let some: TrainingParams[] = [base];
    for (const key of TUNABLE) {
      const values = grid[key];
      if (values === undefined) continue;
      if (some.length * values.length > CANDIDATES_MAX) throw tooMany();
      some = some.flatMap((params) => values.map((value) => ({ ...params, [key]: value })));
    }
    for (const params of some) {
      checkParams(params);
      candidates.set(JSON.stringify(TUNABLE.map((key) => params[key])), params);
    }
    if (candidates.size > CANDIDATES_MAX) throw tooMany();
  }
  return [...candidates.values()];
}

function tooMany(): GridError {
  return new GridError(`it has more than ${CANDIDATES_MAX} combinations`);
}

/** The folds of a dataset's training rows. */
export class CrossValidation {
  readonly folds: number;
  readonly #core: Core;
  readonly #source: CoreSource;
  readonly #dataset: DigestedDataset;
  readonly #train: Uint32Array;
  readonly #foldOf: Uint8Array;
  #last: { key: string; problem: Standardised; split: Split } | undefined;

  /**
   * @param base seed and validation share of the split
   * @throws FoldError for a number of folds that the rows do not fill
   */
  constructor(
    source: CoreSource,
    dataset: DigestedDataset,
    base: Pick<TrainingParams, "seed" | "valFraction">,
    folds: number,
  ) {
    if (!Number.isInteger(folds) || folds < 2 || folds > FOLDS_MAX) {
      throw new FoldError(
        `Cannot make ${folds} folds: their number is a whole one from 2 to ${FOLDS_MAX}`,
      );
    }
    this.folds = folds;
    this.#source = source;
    this.#core = new Core(source);
    this.#dataset = dataset;
    const { y, classes, columns, features } = dataset;
    const { seed, valFraction: fraction } = base;
    columns.forEach((column, j) => {
      checkMagnitudes(features[j]!, column);
    });
    const digests = dataset.rowDigests ?? digestRows(dataset, this.#core);
    this.#train = splitRows(digests, y, { fraction, seed }, this.#core).train;
    const options = { folds, seed, classes };
    this.#foldOf = foldRows(digests, y, this.#train, options, this.#core);
  }

  /** The rows of a fold, and those of all others. @param fold from 0 */
  splitOf(fold: number): Split {
    const rows = this.#train;
    return {
      train: rows.filter((_, k) => this.#foldOf[k] !== fold),
      validation: rows.filter((_, k) => this.#foldOf[k] === fold),
    };
  }

  /**
   * Trains on the other folds and scores on this one. Folds are best asked one after the other: each is packed when it is
   * first asked for, and kept until the next.
   *
   * @param pause called between calls into the core
   * @returns null when the descent diverged
   * @throws RangeError for a column that cannot be standardised; DataError for weights that weigh nothing
   */
  async score(
    fold: number,
    params: TrainingParams,
    pause?: () => Promise<void>,
  ): Promise<FoldScore | null> {
    const { problem, split } = this.#problemOf(fold, params.classWeight);
    const { trainRows, validationRows, bounds } = problem;
    const { lr, l2, iterations, threshold } = params;
    const stepsAtOnce = stepsPerCall(trainRows);
    let weights: Float64Array = new Float64Array(trainRows.d + 1);
    for (let step = 0; step < iterations; step += stepsAtOnce) {
      const steps = Math.min(stepsAtOnce, iterations - step);
      weights = trainRows.descend(weights, bounds, { lr, l2, steps });
      if (hasDiverged(weights)) return null;
      await pause?.();
    }
    try {
      const metrics = metricsOf(
        validationRows.score(weights, threshold),
        pick(this.#dataset.y, split.validation),
        threshold,
        weighingOf(problem.weights, validationRows, split.validation),
      );
      const { loss, accuracy, roc_auc, brier } = metrics;
      return {
        val_loss: loss!,
        val_accuracy: accuracy!,
        val_roc_auc: roc_auc,
        val_brier: brier!,
      };
    } catch (error) {
      // Weights so large that a row of the fold has no finite logit.
      if (error instanceof ValueRangeError) return null;
      throw error;
    }
  }

  #problemOf(fold: number, classWeight: ClassWeight) {
    const key = `${fold} ${classWeight}`;
    if (this.#last?.key !== key) {
      const split = this.splitOf(fold);
      // A core of its own, whose memory goes with the fold.
      const core = new Core(this.#source);
      const problem = standardise(core, this.#dataset, split, classWeight);
      if (problem.validationRows.n === 0) {
        throw new DataError(`Cannot score fold ${fold + 1} as all of its rows have weight 0`);
      }
      this.#last = { key, problem, split };
    }
    return this.#last;
  }
}

/** A candidate's scores in all folds. */
export interface Tried {
  readonly params: TrainingParams;
  /** [folds]; null where it diverged. */
  readonly scores: readonly (FoldScore | null)[];
}

/** Mean and standard deviation over folds (the population's, as scikit-learn gives it); null where there is none. */
export interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** @returns null where the candidate diverged, or has no such figure, in some fold */
export function spreadOf({ scores }: Pick<Tried, "scores">, metric: Selection): Spread | null {
  const values = scores.map((score) => score?.[metric] ?? null);
  if (values.includes(null)) return null;
  const numbers = values as number[];
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  // A product: engines differ in the last bits of a power.
  const square = numbers.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / numbers.length;
  return { mean, std: Math.sqrt(square) };
}

/** Candidates from the best to the worst, by their mean; of equal ones the earlier in the grid first, those that diverged last. */
export function ranked(tried: readonly Tried[], metric: Selection): number[] {
  const means = tried.map((one) => spreadOf(one, metric)?.mean ?? null);
  const sign = IS_GAIN[metric] ? -1 : 1;
  return tried
    .map((_, k) => k)
    .sort((a, b) => {
      const [x, y] = [means[a]!, means[b]!];
      if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
      return sign * (x - y) || a - b;
    });
}
