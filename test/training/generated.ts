// Small datasets that a seed determines, and a plain logistic regression to compare with.
import { type Dataset, datasetFromArrays } from "../../src/data/dataset.ts";
import { createRandom } from "../contract/bits.ts";
import { numbersOf } from "../support/numbers.ts";

/** Rows of d correlated features at different places and scales, and labels that follow them, with noise. */
export function generate(options: { n: number; d: number; seed: number }): Dataset {
  const { n, d, seed } = options;
  const random = createRandom(seed);
  const X = Array.from({ length: n }, () => {
    const shared = random.normal();
    return Array.from(
      { length: d },
      (_, j) => 10 * j - 5 + 3 ** (j - 1) * (shared / 2 + random.normal()),
    );
  });
  const y = X.map((row) => {
    const z = row.reduce((sum, x, j) => sum + ((x - (10 * j - 5)) / 3 ** (j - 1)) * (-1) ** j, 0.3);
    return z + 2 * random.normal() > 0 ? "yes" : "no";
  });
  return datasetFromArrays(X, y, { name: "generated", label: "answer" });
}

/** The same rows in another order. */
export function reorder(dataset: Dataset, order: readonly number[]): Dataset {
  return {
    ...dataset,
    columns: dataset.columns
      .map(numbersOf)
      .map((column) => Float64Array.from(order, (i) => column[i]!)),
    y: Uint8Array.from(order, (i) => dataset.y[i]!),
  };
}

export interface PlainFit {
  w: number[];
  b: number;
  loss: number;
}

/** Batch gradient descent as anybody would write it: Math.exp, sums from first to last, the chosen rows only. */
export function fitPlainly(
  dataset: Dataset,
  rows: ArrayLike<number>,
  options: { lr: number; iterations: number; l2: number },
): PlainFit {
  const n = rows.length;
  const index = Array.from(rows);
  const X = dataset.columns.map(numbersOf).map((column) => {
    const values = index.map((i) => column[i]!);
    const mean = values.reduce((sum, x) => sum + x, 0) / n;
    const std = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n) || 1;
    return values.map((x) => (x - mean) / std);
  });
  const y = index.map((i) => dataset.y[i]!);
  const w = X.map(() => 0);
  let b = 0;
  const probabilities = () =>
    y.map((_, i) => 1 / (1 + Math.exp(-X.reduce((z, x, j) => z + w[j]! * x[i]!, b))));
  for (let step = 0; step < options.iterations; step++) {
    const r = probabilities().map((p, i) => p - y[i]!);
    X.forEach((x, j) => {
      const g = r.reduce((sum, value, i) => sum + value * x[i]!, 0) / n + options.l2 * w[j]!;
      w[j]! -= options.lr * g;
    });
    b -= (options.lr * r.reduce((sum, value) => sum + value, 0)) / n;
  }
  const losses = probabilities().map((p, i) => -Math.log(y[i] === 1 ? p : 1 - p));
  return { w, b, loss: losses.reduce((sum, value) => sum + value, 0) / n };
}

/** Largest |a - b|, relative to the larger of the two where that is above the scale. */
export function largestDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale = 0,
): number {
  return Array.from(actual, (a, i) => {
    const b = expected[i]!;
    return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), scale);
  }).reduce((most, value) => Math.max(most, value), 0);
}
