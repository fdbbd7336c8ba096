// The rows of a split as a descent needs them: moments of the training rows, both sides standardised by them, weights.
import { type Core, checkLargestWeight, type Moments, type Rows } from "../core/core.ts";
import { DataError } from "../data/data-error.ts";
import type { Dataset } from "../data/dataset.ts";
import { shown } from "../data/shown.ts";
import type { Split } from "../data/split.ts";
import type { ClassWeight } from "./params.ts";

/** Both sides of a split in a core's memory. */
export interface Standardised {
  /** [d] of the training rows. */
  readonly moments: readonly Moments[];
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** [d] largest magnitudes of the standardised training values. */
  readonly bounds: Float64Array;
  readonly trainRows: Rows;
  /** None of them where all weigh nothing. */
  readonly validationRows: Rows;
  /** [n] row weights, class weights included; null when every row counts once. */
  readonly weights: Float64Array | null;
}

/** @throws RangeError for a column that cannot be standardised, DataError for weights that weigh nothing */
export function standardise(
  core: Core,
  dataset: Dataset,
  split: Split,
  classWeight: ClassWeight,
): Standardised {
  const { columns, features, y } = dataset;
  const moments = columns.map((column, j) => core.moments(features[j]!, column, split.train));
  const mean = Float64Array.from(moments, (m) => m.mean);
  const std = Float64Array.from(moments, (m) => m.std);
  const weights = rowWeights(core, dataset, classWeight, split.train);
  const rowsAt = (index: Uint32Array) =>
    core.rows({ columns, mean, std, y, index, ...(weights && index.length > 0 && { weights }) });
  const isWeighty = weights === null || split.validation.some((i) => weights[i]! > 0);
  return {
    moments,
    mean,
    std,
    bounds: Float64Array.from(moments, boundOf),
    trainRows: rowsAt(split.train),
    validationRows: rowsAt(isWeighty ? split.validation : new Uint32Array(0)),
    weights,
  };
}

/**
 * Row weights times class weights; null when every row counts once. Balanced: class k counts S/(2·S_k), where S_k is
 * the sum of its training rows' weights and S that of both (CONTRACT.md, N7; as scikit-learn's "balanced").
 */
function rowWeights(
  core: Core,
  { weights, y, classes }: Dataset,
  classWeight: ClassWeight,
  train: Uint32Array,
): Float64Array | null {
  if (weights && !train.some((i) => weights.values[i]! > 0)) {
    throw new DataError(
      `Cannot weigh rows by column ${shown(weights.name)} as all training rows have weight 0`,
    );
  }
  if (classWeight === "none") return weights?.values ?? null;
  const own = weights?.values ?? new Float64Array(y.length).fill(1);
  const sums = [0, 1].map((label) => {
    const values = Float64Array.from(
      train.filter((i) => y[i] === label),
      (i) => own[i]!,
    );
    const most = values.reduce((a, b) => Math.max(a, b), 0);
    if (most === 0) {
      throw new DataError(
        `Cannot balance the classes as all training rows of ${shown(classes[label]!)} have weight 0`,
      );
    }
    checkLargestWeight(most);
    return core.sum(values, most);
  }) as [number, number];
  const all = sums[0] + sums[1];
  const ofClass = sums.map((sum) => all / (2 * sum));
  return own.map((weight, i) => weight * ofClass[y[i]!]!);
}

/** N4: the largest magnitude of a standardised training value, exact since rounding is monotone. */
function boundOf({ min, max, mean, std }: Moments): number {
  return Math.max(Math.abs((min - mean) / std), Math.abs((max - mean) / std));
}
