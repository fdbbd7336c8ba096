// What a training reads: named input columns and the features made of them, two classes, and the warnings that came along.
import type { Column } from "../core/column.ts";
import { isIdentifier, rangeOf } from "./column-types.ts";
import { DataError } from "./data-error.ts";
import { parseDecimal } from "./decimal.ts";
import type { Input } from "./encoding.ts";
import { compareCodePoints } from "./labels.ts";
import { shown } from "./shown.ts";

/** Weights of rows: how much each counts in the loss, the gradient and the metrics. */
export interface RowWeights {
  /** Column that they came from. */
  readonly name: string;
  /** [n] finite numbers from 0, not all of them 0. */
  readonly values: Float64Array;
}

/** Rows of a table, ready for training. Arrays belong to the dataset and are not to be written. */
export interface Dataset {
  /** What to call it: the file's stem, or what the caller says. */
  readonly name: string;
  /** Names of the d features, in model order. */
  readonly features: readonly string[];
  /** [d] columns of n values. A feature that is an input column as it is, is a Float64Array of finite numbers. */
  readonly columns: readonly Column[];
  /** Input columns in file order; when absent, each feature is an input column as it is. */
  readonly inputs?: readonly Input[];
  /** Name of the label column. */
  readonly label: string;
  /** Both classes, the negative one (0) first. */
  readonly classes: readonly [string, string];
  /** Present where class 0 stands for all labels but one. */
  readonly rest?: true;
  /** [n] 0 or 1. */
  readonly y: Uint8Array;
  readonly weights?: RowWeights;
  /** Texts that stood for a missing value; the model reads new rows by them. */
  readonly missingTokens?: readonly string[];
  readonly rowCount: number;
  /** What a reader should know before trusting a model of these rows; each a sentence. */
  readonly warnings: readonly string[];
}

/** The input columns of a dataset, each with its cells. */
export function inputsOf(
  dataset: Pick<Dataset, "inputs" | "features" | "columns">,
): readonly Input[] {
  return (
    dataset.inputs ??
    dataset.features.map((name, j) => ({
      column: { name, as: "number" },
      cells: dataset.columns[j] as Float64Array,
    }))
  );
}

/**
 * Both classes, the negative one first: the class that sorts last is class 1, by value if all labels are numbers,
 * else by code point; `positive` chooses otherwise.
 *
 * @throws DataError unless there are exactly two labels and `positive`, if given, is one of them
 */
export function orderClasses(labels: Iterable<string>, positive?: string): [string, string] {
  const sorted = sortLabels(labels);
  if (sorted.length !== 2) {
    throw new DataError(
      `Cannot order classes as there must be exactly two: found ${sorted.length}`,
    );
  }
  const [first, second] = sorted as [string, string];
  if (positive === undefined || positive === second) return [first, second];
  if (positive === first) return [second, first];
  throw new DataError(
    `Cannot make ${shown(positive)} the positive class as the classes are ${shown(first)} and ${shown(second)}`,
  );
}

/** Labels by value if all are numbers, else by code point. */
export function sortLabels(labels: Iterable<string>): string[] {
  const distinct = [...new Set(labels)];
  const values = new Map(distinct.map((label) => [label, parseDecimal(label)]));
  const numeric = [...values.values()].every(Number.isFinite);
  return distinct.sort(
    (a, b) => (numeric ? values.get(a)! - values.get(b)! : 0) || compareCodePoints(a, b),
  );
}

/** What is odd about number columns: identifiers teach a model nothing that holds for other rows, nor do constants. */
export function columnWarnings(
  features: readonly string[],
  columns: readonly Float64Array[],
): string[] {
  const warnings: string[] = [];
  features.forEach((name, j) => {
    const column = columns[j]!;
    const [min, max] = rangeOf(column);
    if (min === max) {
      if (column.length > 1)
        warnings.push(`Column ${shown(name)} is constant and tells the model nothing`);
    } else if (isIdentifier(name, column)) {
      warnings.push(
        `Column ${shown(name)} looks like an identifier (whole numbers, each once); leave it out with --drop unless it is a measurement`,
      );
    }
  });
  return warnings;
}

export interface ArrayOptions {
  /** Names of the features; x1, x2, … when absent. */
  features?: readonly string[];
  /** Name of the label; "label" when absent. */
  label?: string;
  /** Which label is class 1. */
  positive?: string;
  /** [n] row weights, finite numbers from 0, not all of them 0. */
  weights?: ArrayLike<number>;
  /** What to call the dataset. */
  name?: string;
}

/**
 * A dataset from arrays.
 *
 * @param X [n][d] rows, or [n·d] row by row
 * @param y [n] labels: 0 and 1, booleans, or two strings
 * @throws TypeError when shapes disagree; DataError when a value is not finite or there are not two classes
 */
export function datasetFromArrays(
  X: readonly (readonly number[])[] | Float64Array,
  y: ArrayLike<number | boolean | string>,
  options: ArrayOptions = {},
): Dataset {
  const n = y.length;
  const columns = columnsOf(X, n);
  const d = columns.length;
  const features = options.features ?? columns.map((_, j) => `x${j + 1}`);
  if (features.length !== d || new Set(features).size !== d) {
    throw new TypeError(`Cannot name ${d} columns with ${new Set(features).size} distinct names`);
  }
  const labels = Array.from(y, (label) => textOfLabel(label));
  const counts = new Set(labels);
  if (counts.size !== 2) {
    throw new DataError(
      `Cannot fit as labels must be of exactly two classes: found ${counts.size} (${[...counts].slice(0, 5).map(shown).join(", ")})`,
    );
  }
  const classes = orderClasses(counts, options.positive);
  return {
    name: options.name ?? "arrays",
    features,
    columns,
    label: options.label ?? "label",
    classes,
    y: Uint8Array.from(labels, (label) => Number(label === classes[1])),
    ...(options.weights && { weights: weightsFromArray(options.weights, n) }),
    rowCount: n,
    warnings: columnWarnings(features, columns),
  };
}

/** @throws TypeError for another length; DataError naming the first row whose weight is none */
export function weightsFromArray(weights: ArrayLike<number>, n: number): RowWeights {
  if (weights.length !== n) {
    throw new TypeError(`Cannot weigh ${n} rows with ${weights.length} weights`);
  }
  const toWeight = (value: unknown) => (typeof value === "number" ? value + 0 : Number.NaN);
  return checkWeights({ name: "weight", values: Float64Array.from(weights, toWeight) });
}

/** @throws DataError for a weight that is not a finite number from 0, or when all of them are 0 */
export function checkWeights(weights: RowWeights): RowWeights {
  const { name, values } = weights;
  const row = values.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (row >= 0) {
    throw new DataError(
      `Cannot weigh row ${row + 1} by column ${shown(name)} as weights must be finite numbers from 0: current value is ${values[row]}`,
    );
  }
  if (!values.some((value) => value > 0)) {
    throw new DataError(`Cannot weigh rows by column ${shown(name)} as all weights are 0`);
  }
  return weights;
}

export function textOfLabel(label: unknown): string {
  if (typeof label === "string") return label;
  if (typeof label === "boolean") return String(Number(label));
  if (typeof label === "number" && Number.isFinite(label)) return String(label);
  throw new DataError(
    `Cannot fit as labels must be finite numbers, booleans or strings: current value is ${String(label)}`,
  );
}

/**
 * Columns of row-major values, each checked to be finite; -0 is read as 0.
 *
 * @throws TypeError when rows are ragged; DataError naming row and column of a value that is not a finite number
 */
export function columnsOf(
  X: readonly (readonly number[])[] | Float64Array,
  n: number,
): Float64Array[] {
  const isFlat = X instanceof Float64Array;
  const d = isFlat ? X.length / n : (X[0]?.length ?? 0);
  if (n === 0) throw new TypeError("Cannot read rows as there are none");
  if (!isFlat && X.length !== n) {
    throw new TypeError(`Cannot read ${X.length} rows with ${n} labels`);
  }
  if (!Number.isInteger(d) || d === 0) {
    throw new TypeError(
      `Cannot read ${X.length} values as ${n} rows: each row must have the same number of values, at least one`,
    );
  }
  return Array.from({ length: d }, (_, j) =>
    Float64Array.from({ length: n }, (_, i) => {
      const row = isFlat ? undefined : X[i];
      if (!isFlat && row?.length !== d) {
        throw new TypeError(
          `Cannot read row ${i + 1} as rows must have ${d} values: it has ${row?.length ?? "none"}`,
        );
      }
      const value = isFlat ? X[i * d + j] : row![j];
      if (typeof value !== "number" || !Number.isFinite(value)) {
        throw new DataError(
          `Cannot read row ${i + 1}, column ${j + 1} as values must be finite numbers: current value is ${String(value)}`,
        );
      }
      return value + 0;
    }),
  );
}
