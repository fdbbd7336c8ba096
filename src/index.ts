// The library: what `import … from "raisin"` gives.

import type { Column } from "./core/column.ts";
import { Core } from "./core/core.ts";
import { loadCore } from "./core/node.ts";
import { columnsOf, type Dataset, datasetFromArrays, weightsFromArray } from "./data/dataset.ts";
import { encodeOrThrow } from "./data/encoding.ts";
import { nearest } from "./data/nearest.ts";
import { datasetFromObjects, inputsOfObjects, type RowObject } from "./data/objects.ts";
import type { TableOptions } from "./data/table-dataset.ts";
import { readFileIfAny, targetOf, writeTarget } from "./miniflow/store.ts";
import type { Metrics } from "./model/metrics.ts";
import type { Model } from "./model/model.ts";
import { decodeModel, encodeModel, modelDigest } from "./model/model-file.ts";
import {
  type Explanation,
  explainRow,
  isPlainModel,
  type Predictions,
  predictColumns,
} from "./model/predict.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "./training/params.ts";
import { type Progress, type TrainingResult, train } from "./training/train.ts";

export { ValueRangeError } from "./core/core.ts";
export { CsvError } from "./data/csv-error.ts";
export { DataError } from "./data/data-error.ts";
export { type Dataset, datasetFromArrays } from "./data/dataset.ts";
export { type FileDataset, type ReadCsvOptions, readCsv, type TrainingFile } from "./data/files.ts";
export { datasetFromObjects, type RowObject } from "./data/objects.ts";
export { ModelFormatError } from "./model/format-error.ts";
export type { Metrics } from "./model/metrics.ts";
export type { Model } from "./model/model.ts";
export type { Explanation } from "./model/predict.ts";
export type { TrainingParams } from "./training/params.ts";
export { DivergenceError, type Progress } from "./training/train.ts";

/** Training parameters; what is left out has the default of `raisin train`, except that no row is held back. */
export interface LogisticRegressionOptions extends Partial<TrainingParams> {
  /** For arrays and objects: which label is class 1; by default the one that sorts last. */
  readonly positive?: string;
}

export interface FitOptions extends Partial<Omit<TableOptions, "weight">> {
  /** Stops the training; `fit` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called at 0, every `logEvery` steps and the last. */
  readonly onProgress?: (progress: Progress) => void | Promise<void>;
  /** For arrays: names of the columns. For objects: the keys to use. */
  readonly features?: readonly string[];
  /** For arrays and objects: how much each row counts, finite numbers from 0; or, for objects, the key that says it. */
  readonly weight?: ArrayLike<number> | string;
}

/** Rows to predict: one array each, or all values row by row, in model order. */
export type RowsLike = readonly (readonly number[])[] | Float64Array;

/** One row: values in model order, or by the names of the input columns. */
export type RowLike = readonly number[] | RowObject;

/**
 * Logistic regression by batch gradient descent, the same bits everywhere.
 *
 * @example
 * const model = await new LogisticRegression({ iterations: 500 }).fit([[1], [2], [3], [4]], [0, 0, 1, 1]);
 * model.predict([[1.5], [3.5]]); // ["0", "1"]
 */
export class LogisticRegression {
  readonly params: TrainingParams;
  readonly #positive: string | undefined;
  readonly #core = new Core(loadCore());
  #model: Model | undefined;
  #result: TrainingResult | undefined;

  constructor(options: LogisticRegressionOptions = {}) {
    const { positive, ...params } = options;
    for (const key of Object.keys(params)) {
      if (Object.hasOwn(DEFAULT_PARAMS, key)) continue;
      const known = Object.keys(DEFAULT_PARAMS);
      throw new TypeError(
        `Cannot use option "${key}"; ${nearest(key, known) ?? known.join(", ")} may be meant`,
      );
    }
    this.#positive = positive;
    this.params = { ...DEFAULT_PARAMS, valFraction: 0, ...params };
  }

  /**
   * Trains on a dataset, on arrays, or on rows as objects, whose texts and truth values are categories.
   *
   * @param X [n][d] rows, or [n·d] row by row, or [n] objects with the same keys
   * @param y [n] 0 and 1, booleans, or two strings; objects may hold them under `options.label` instead
   * @returns this model
   * @throws RangeError for parameters out of range; TypeError for shapes; DataError for values and classes;
   *   DivergenceError when the step size is too large
   */
  fit(dataset: Dataset, options?: FitOptions): Promise<this>;
  fit(X: RowsLike, y: Labels, options?: FitOptions): Promise<this>;
  fit(rows: readonly RowObject[], y: Labels, options?: FitOptions): Promise<this>;
  fit(rows: readonly RowObject[], options: FitOptions & { readonly label: string }): Promise<this>;
  async fit(
    data: Dataset | RowsLike | readonly RowObject[],
    second?: Labels | FitOptions,
    third?: FitOptions,
  ): Promise<this> {
    const hasLabels = typeof (second as ArrayLike<unknown> | undefined)?.length === "number";
    const y = hasLabels ? (second as Labels) : null;
    const options = (hasLabels ? third : (second as FitOptions | undefined)) ?? {};
    const { signal, onProgress } = options;
    const dataset = this.#datasetOf(data, y, options);
    this.#result = await train(loadCore(), dataset, this.params, {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      // Lets timers and signals run between calls into the core.
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    });
    this.#model = this.#result.model;
    return this;
  }

  #datasetOf(
    data: Dataset | RowsLike | readonly RowObject[],
    y: Labels | null,
    { signal, onProgress, weight, ...options }: FitOptions,
  ): Dataset {
    if (!Array.isArray(data) && !(data instanceof Float64Array)) {
      refuseIdle({ ...options, weight }, [], "a dataset: say it where the dataset is made");
      return data as Dataset;
    }
    const positive = options.positive ?? this.#positive;
    const isObjects = areObjects(data);
    if (y === null && !(isObjects && options.label !== undefined)) {
      throw new TypeError("Cannot fit rows without labels: give them as the second argument");
    }
    const weights = typeof weight === "string" || weight === undefined ? undefined : weight;
    if (!isObjects) {
      const known = ["features", "label", "positive"];
      const idle = { ...options, ...(typeof weight === "string" && { weight }) };
      refuseIdle(idle, known, "arrays: give the rows as objects");
      const { features, label } = options;
      return datasetFromArrays(data as RowsLike, y!, {
        ...(positive !== undefined && { positive }),
        ...(features && { features }),
        ...(label !== undefined && { label }),
        ...(weights && { weights }),
      });
    }
    const dataset = datasetFromObjects(data, y, {
      ...options,
      ...(positive !== undefined && { positive }),
      ...(typeof weight === "string" && { weight }),
    });
    if (!weights) return dataset;
    if (dataset.rowCount < data.length) {
      throw new TypeError(
        "Cannot weigh rows of which some are left out: name the key of the weight",
      );
    }
    return { ...dataset, weights: weightsFromArray(weights, data.length) };
  }

  /** The trained model. @throws Error before `fit` */
  get model(): Model {
    if (this.#model === undefined) throw new Error("Cannot use a model before fit() or load()");
    return this.#model;
  }

  /** Names of the features in model order: that of a row's values, and that in which contributions are added. */
  get featureNames(): readonly string[] {
    return this.model.featureNames;
  }

  /** Both classes, the negative one first. */
  get classes(): readonly [string, string] {
    return this.model.spec.classes;
  }

  /** Whether max|gradient| ≤ 1e-4 at the end. @throws Error for a loaded model, which does not know */
  get converged(): boolean {
    return this.#trained().converged;
  }

  /** Figures on the training rows, and on the validation rows if any were held back. */
  get metrics(): { readonly train: Metrics; readonly validation: Metrics } {
    const { train: ofTraining, validation } = this.#trained();
    return { train: ofTraining, validation };
  }

  /** SHA-256 of the model's content (CONTRACT.md, N10). */
  get digest(): string {
    return modelDigest(this.model);
  }

  /** [n] probabilities of class 1. @throws TypeError for rows of another width; DataError for values */
  predictProba(rows: RowsLike | readonly RowObject[]): Float64Array {
    return this.#predict(rows).probabilities;
  }

  /** [n] logits, before any clip. */
  decisionFunction(rows: RowsLike | readonly RowObject[]): Float64Array {
    return this.#predict(rows).logits;
  }

  /** [n] predicted classes. */
  predict(rows: RowsLike | readonly RowObject[]): string[] {
    return Array.from(this.#predict(rows).pred, (pred) => this.classes[pred]!);
  }

  /**
   * One row's prediction and what each feature adds to its logit. `base_value` plus the contributions, added in
   * the order of `featureNames`, is `logit` to the last bit. Where an input column is several features,
   * `column_contrib_logit` has their sums.
   */
  explain(row: RowLike): Explanation {
    const rows = [row] as readonly (readonly number[])[] | readonly RowObject[];
    return explainRow(this.#core, this.model, this.#columnsOf(rows, "explain"));
  }

  /** The model as bytes of a model.npz, or written to a path as a whole. */
  save(): Uint8Array;
  save(path: string): Promise<void>;
  save(path?: string): Uint8Array | Promise<void> {
    const bytes = encodeModel(this.model);
    if (path === undefined) return bytes;
    return Promise.resolve().then(() => writeTarget(targetOf(path), bytes));
  }

  /** A model from a model.npz, as bytes or path. @throws ModelFormatError for anything malformed */
  static load(from: Uint8Array | string): LogisticRegression {
    const bytes = typeof from === "string" ? readFileIfAny(from) : from;
    if (bytes === undefined) throw new Error(`Cannot load ${String(from)}: there is no such file`);
    const model = decodeModel(bytes);
    const loaded = new LogisticRegression({ threshold: model.spec.threshold });
    loaded.#model = model;
    return loaded;
  }

  #trained(): TrainingResult {
    if (this.#result === undefined)
      throw new Error("Cannot say how the training went without fit()");
    return this.#result;
  }

  #predict(rows: RowsLike | readonly RowObject[]): Predictions {
    return predictColumns(this.#core, this.model, this.#columnsOf(rows, "predict"));
  }

  /** The features of some rows. */
  #columnsOf(rows: RowsLike | readonly RowObject[], verb: string): readonly Column[] {
    const { spec } = this.model;
    const d = this.model.featureNames.length;
    if (areObjects(rows)) {
      const inputs = inputsOfObjects(spec.columns, rows, spec.missing_tokens);
      return encodeOrThrow(inputs, { width: spec.columns.length, unit: "row" }).columns;
    }
    if (!isPlainModel(this.model) && rows.length > 0) {
      throw new TypeError(
        `Cannot ${verb} rows of numbers as the model reads categories or missing values: give objects with the keys ${spec.columns.map(({ name }) => name).join(", ")}`,
      );
    }
    const n = rows instanceof Float64Array ? rows.length / d : rows.length;
    if (!Number.isInteger(n)) {
      throw new TypeError(
        `Cannot ${verb} as ${rows.length} values are no whole number of rows of ${d} features`,
      );
    }
    const columns =
      n === 0 ? this.model.featureNames.map(() => new Float64Array(0)) : columnsOf(rows, n);
    if (columns.length !== d) {
      throw new TypeError(`Cannot ${verb} rows of ${columns.length} values with ${d} features`);
    }
    return columns;
  }
}

/** @throws TypeError naming an option that would change nothing, since whoever gives it means to change something */
function refuseIdle(options: object, known: readonly string[], whither: string): void {
  const idle = Object.entries(options).find(([k, v]) => v !== undefined && !known.includes(k));
  if (idle) throw new TypeError(`Cannot use option "${idle[0]}" with ${whither}`);
}

type Labels = ArrayLike<number | boolean | string>;

function areObjects(rows: unknown): rows is readonly RowObject[] {
  if (!Array.isArray(rows)) return false;
  const first: unknown = rows[0];
  return (
    typeof first === "object" &&
    first !== null &&
    !Array.isArray(first) &&
    !ArrayBuffer.isView(first)
  );
}
