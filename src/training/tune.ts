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
  snakeName,
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
/** Whether a mean is better than another. */
export function isBetter(metric: Selection, mean: number, other: number): boolean {
  return metric === "val_loss" || metric === "val_brier" ? mean < other : mean > other;
}

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
    const names = TUNABLE.map(snakeName);
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

/** @param name of the parameter, as whoever gave the values calls it @throws GridError */
export function checkValues(key: Tunable, values: readonly unknown[], name: string): void {
  if (values.length === 0) throw new GridError(`${name} has no value`);
  if (values.length > CANDIDATES_MAX) throw tooMany();
  const before = new Set<unknown>();
  values.forEach((value, k) => {
    const says =
      key === "classWeight" ? '"none" or "balanced"' : PARAM_RULES[key as NumberParam].says;
    const holds =
      key === "classWeight"
        ? value === "none" || value === "balanced"
        : typeof value === "number" && PARAM_RULES[key as NumberParam].holds(value);
    if (!holds) {
      throw new GridError(
        `${name} must be ${says}: value ${k + 1} is ${typeof value === "number" ? value : JSON.stringify(value)?.slice(0, 60)}`,
      );
    }
    if (before.has(value)) throw new GridError(`${name} has ${String(value)} twice`);
    before.add(value);
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

/** Training rows and the fold of each, from 0. */
export interface Folds {
  readonly count: number;
  /** [n] indexes into the dataset. */
  readonly rows: Uint32Array;
  /** [n] */
  readonly foldOf: Uint8Array;
}

/**
 * Divides the training rows of a dataset's split.
 *
 * @throws FoldError for a number of folds that the rows do not fill; RangeError for values that no core can carry
 */
export function foldsOf(
  source: CoreSource,
  dataset: DigestedDataset,
  base: Pick<TrainingParams, "seed" | "valFraction">,
  count: number,
): Folds {
  if (!Number.isInteger(count) || count < 2 || count > FOLDS_MAX) {
    throw new FoldError(
      `Cannot make ${count} folds: their number is a whole one from 2 to ${FOLDS_MAX}`,
    );
  }
  const { y, classes, columns, features } = dataset;
  const { seed, valFraction: fraction } = base;
  columns.forEach((column, j) => {
    checkMagnitudes(features[j]!, column);
  });
  const core = new Core(source);
  const digests = dataset.rowDigests ?? digestRows(dataset, core);
  const rows = splitRows(digests, y, { fraction, seed }, core).train;
  return { count, rows, foldOf: foldRows(digests, y, rows, { folds: count, seed, classes }, core) };
}

/** Cells (rows · features · folds) up to which all folds are kept packed, in 256 MiB; beyond, the one at hand. */
export const CELLS_KEPT = 2 ** 25;

/** Trains and scores candidates on folds. */
export class CrossValidation {
  readonly #source: CoreSource;
  readonly #dataset: DigestedDataset;
  readonly #folds: Folds;
  readonly #kept = new Map<string, Fold>();

  constructor(source: CoreSource, dataset: DigestedDataset, folds: Folds) {
    this.#source = source;
    this.#dataset = dataset;
    this.#folds = folds;
  }

  /** The rows of a fold, and those of all others. @param fold from 0 */
  splitOf(fold: number): Split {
    const { rows, foldOf } = this.#folds;
    return {
      train: rows.filter((_, k) => foldOf[k] !== fold),
      validation: rows.filter((_, k) => foldOf[k] === fold),
    };
  }

  /**
   * Trains candidates on the other folds and scores them on this one. Those that differ in nothing but their steps and their
   * threshold share a descent, which gives the same bits as one each.
   *
   * @param pause called between calls into the core
   * @returns a score for each; null where the descent diverged
   * @throws RangeError for a column that cannot be standardised; DataError for weights that weigh nothing
   */
  async scores(
    fold: number,
    candidates: readonly TrainingParams[],
    pause?: () => Promise<void>,
  ): Promise<(FoldScore | null)[]> {
    const found = new Array<FoldScore | null>(candidates.length).fill(null);
    const groups = new Map<string, number[]>();
    candidates.forEach(({ classWeight, lr, l2 }, place) => {
      const key = `${classWeight} ${lr} ${l2}`;
      groups.set(key, [...(groups.get(key) ?? []), place]);
    });
    for (const places of groups.values()) {
      places.sort((a, b) => candidates[a]!.iterations - candidates[b]!.iterations);
      const { lr, l2, classWeight } = candidates[places[0]!]!;
      const packed = this.#foldOf(fold, classWeight);
      const { trainRows, bounds } = packed.rows;
      const stepsAtOnce = stepsPerCall(trainRows);
      let weights: Float64Array = new Float64Array(trainRows.d + 1);
      let step = 0;
      for (const place of places) {
        const { iterations, threshold } = candidates[place]!;
        while (step < iterations && !hasDiverged(weights)) {
          const steps = Math.min(stepsAtOnce, iterations - step);
          weights = trainRows.descend(weights, bounds, { lr, l2, steps });
          step += steps;
          await pause?.();
        }
        if (!hasDiverged(weights)) found[place] = this.#score(packed, weights, threshold);
      }
    }
    return found;
  }

  #score({ rows, split }: Fold, weights: Float64Array, threshold: number): FoldScore | null {
    const { validationRows } = rows;
    try {
      const { loss, accuracy, roc_auc, brier } = metricsOf(
        validationRows.score(weights, threshold),
        pick(this.#dataset.y, split.validation),
        threshold,
        weighingOf(rows.weights, validationRows, split.validation),
      );
      return { val_loss: loss!, val_accuracy: accuracy!, val_roc_auc: roc_auc, val_brier: brier! };
    } catch (error) {
      // Weights so large that a row of the fold has no finite logit.
      if (error instanceof ValueRangeError) return null;
      throw error;
    }
  }

  #foldOf(fold: number, classWeight: ClassWeight): Fold {
    const key = `${fold} ${classWeight}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const { rows, count } = this.#folds;
    if (rows.length * this.#dataset.columns.length * count > CELLS_KEPT) this.#kept.clear();
    const split = this.splitOf(fold);
    // A core of its own, whose memory goes with the fold.
    const made = standardise(new Core(this.#source), this.#dataset, split, classWeight);
    if (made.validationRows.n === 0) {
      throw new DataError(`Cannot score fold ${fold + 1} as all of its rows have weight 0`);
    }
    const packed = { rows: made, split };
    this.#kept.set(key, packed);
    return packed;
  }
}

/** One of the folds, standardised by the rows of the others. */
interface Fold {
  readonly rows: Standardised;
  readonly split: Split;
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
  return tried
    .map((_, k) => k)
    .sort((a, b) => {
      const [x, y] = [means[a]!, means[b]!];
      if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
      if (x === y) return a - b;
      return isBetter(metric, x, y) ? -1 : 1;
    });
}
