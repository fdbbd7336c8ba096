// What a training reads: named numeric columns, two classes, and the warnings that came with them.

import { parseDecimal } from "./decimal.ts";
import { compareCodePoints } from "./labels.ts";
import { shown } from "./shown.ts";

/** Rows of a table, ready for training. Arrays belong to the dataset and are not to be written. */
export interface Dataset {
  /** What to call it: the file's stem, or what the caller says. */
  readonly name: string;
  /** Names of the d features, in model order, which is the file's. */
  readonly features: readonly string[];
  /** [d] columns of n finite numbers. */
  readonly columns: readonly Float64Array[];
  /** Name of the label column. */
  readonly label: string;
  /** Both classes, the negative one (0) first. */
  readonly classes: readonly [string, string];
  /** [n] 0 or 1. */
  readonly y: Uint8Array;
  readonly rowCount: number;
  /** What a reader should know before trusting a model of these rows; each a sentence. */
  readonly warnings: readonly string[];
}

/** Most characters (code points) of a column's name or a label: what a model file can hold. */
export const NAME_MAX = 1024;

export function isNameTooLong(name: string): boolean {
  // A code point has at most two units, so most names need no counting.
  return name.length > NAME_MAX && Array.from(name).length > NAME_MAX;
}

/** A table that cannot become a dataset. */
export class DataError extends SyntaxError {
  override readonly name: string = "DataError";
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

/** Names of identifiers, whatever their case: "index", "row_id", "Unnamed: 0" (pandas), "No.". */
const IDENTIFIER_NAME =
  /^(?:unnamed.*|index|row.?(?:id|num|number|index)?|no\.?|nr\.?|key|(?:.*\P{L})?(?:id|uuid|guid))$/isu;

/** "userId", "userID"; case counts here, or "humid", "paid" and "Solid" would be identifiers. */
const IDENTIFIER_CAMEL = /\p{Ll}(?:Id|ID|Uuid|UUID|Guid|GUID)$/u;

/** A shorter column that counts 1, 2, 3 … may do so by chance: 10 draws from 10 numbers do once in 2,700. */
const COUNTER_ROWS_MIN = 10;

/** What is odd about the columns: identifiers teach a model nothing that holds for other rows, nor do constants. */
export function columnWarnings(
  features: readonly string[],
  columns: readonly Float64Array[],
): string[] {
  const warnings: string[] = [];
  features.forEach((name, j) => {
    const column = columns[j]!;
    if (column.every((value) => value === column[0])) {
      if (column.length > 1)
        warnings.push(`Column ${shown(name)} is constant and tells the model nothing`);
    } else if (looksLikeIdentifier(name, column)) {
      warnings.push(
        `Column ${shown(name)} looks like an identifier (whole numbers, each once); leave it out with --drop unless it is a measurement`,
      );
    }
  });
  return warnings;
}

function looksLikeIdentifier(name: string, column: Float64Array): boolean {
  if (column.length < 3 || !column.every(Number.isInteger)) return false;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of column) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const isCounter = column.length >= COUNTER_ROWS_MIN && max - min === column.length - 1;
  const title = name.trim();
  if (!isCounter && !IDENTIFIER_NAME.test(title) && !IDENTIFIER_CAMEL.test(title)) return false;
  const sorted = column.slice().sort();
  return sorted.every((value, i) => i === 0 || value !== sorted[i - 1]);
}

export interface ArrayOptions {
  /** Names of the features; x1, x2, … when absent. */
  features?: readonly string[];
  /** Name of the label; "label" when absent. */
  label?: string;
  /** Which label is class 1. */
  positive?: string;
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
    rowCount: n,
    warnings: columnWarnings(features, columns),
  };
}

function textOfLabel(label: unknown): string {
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
