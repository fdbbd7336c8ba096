// Sums of standardised features that add up over replicas and over time: the drift score of any window is their quotient.
import type { Column } from "../core/column.ts";

/**
 * Farthest that one value counts, in training standard deviations. A counter is an f64: one value of 1e300 would swallow
 * all that comes after it.
 */
export const STANDARDISED_MAX = 1e6;

/** Σ max(x, 0) and Σ max(−x, 0) of each standardised feature x, as the model sees it: a missing number counts as 0. */
export class FeatureSums {
  /** [d] */
  readonly positive: Float64Array;
  /** [d] */
  readonly negative: Float64Array;
  rows = 0;
  readonly #mean: Float64Array;
  readonly #std: Float64Array;

  constructor({ mean, std }: { readonly mean: Float64Array; readonly std: Float64Array }) {
    this.#mean = mean;
    this.#std = std;
    this.positive = new Float64Array(mean.length);
    this.negative = new Float64Array(mean.length);
  }

  /** @param columns [d] features of n rows, in model order */
  add(columns: readonly Column[], n: number): void {
    this.rows += n;
    for (let j = 0; j < columns.length; j++) {
      const column = columns[j]!;
      if ("code" in column) {
        const { codes, code } = column;
        let ones = 0;
        for (let i = 0; i < n; i++) ones += Number(codes[i] === code);
        this.#count(j, 1, ones);
        this.#count(j, 0, n - ones);
      } else {
        const values = column instanceof Float64Array ? column : column.optional;
        for (let i = 0; i < n; i++) this.#count(j, values[i]!, 1);
      }
    }
  }

  #count(j: number, value: number, times: number): void {
    const x = (value - this.#mean[j]!) / this.#std[j]!;
    if (x > 0) this.positive[j]! += Math.min(x, STANDARDISED_MAX) * times;
    else if (x < 0) this.negative[j]! += Math.min(-x, STANDARDISED_MAX) * times;
  }
}
