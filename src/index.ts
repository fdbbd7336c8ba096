// The library: what `import … from "raisin"` gives.
import { Core } from "./core/core.ts";
import { loadCore } from "./core/node.ts";
import { columnsOf, type Dataset, datasetFromArrays } from "./data/dataset.ts";
import { nearest } from "./data/nearest.ts";
import { readFileIfAny, targetOf, writeTarget } from "./miniflow/store.ts";
import type { Metrics } from "./model/metrics.ts";
import type { Model } from "./model/model.ts";
import { decodeModel, encodeModel, modelDigest } from "./model/model-file.ts";
import { type Explanation, explainRow, type Predictions, predictColumns } from "./model/predict.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "./training/params.ts";
import { type Progress, type TrainingResult, train } from "./training/train.ts";

export { ValueRangeError } from "./core/core.ts";
export { CsvError } from "./data/csv-error.ts";
export { DataError, type Dataset, datasetFromArrays } from "./data/dataset.ts";
export { type FileDataset, type ReadCsvOptions, readCsv } from "./data/files.ts";
export { ModelFormatError } from "./model/format-error.ts";
export type { Metrics } from "./model/metrics.ts";
export type { Model } from "./model/model.ts";
export type { Explanation } from "./model/predict.ts";
export type { TrainingParams } from "./training/params.ts";
export { DivergenceError, type Progress } from "./training/train.ts";

/** Training parameters; what is left out has the default of `raisin train`, except that no row is held back. */
export interface LogisticRegressionOptions extends Partial<TrainingParams> {
  /** For arrays: which label is class 1; by default the one that sorts last. */
  readonly positive?: string;
}

export interface FitOptions {
  /** Stops the training; `fit` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called at 0, every `logEvery` steps and the last. */
  readonly onProgress?: (progress: Progress) => void | Promise<void>;
  /** For arrays: names of the columns. */
  readonly features?: readonly string[];
}

/** Rows to predict: one array each, or all values row by row, in model order. */
export type RowsLike = readonly (readonly number[])[] | Float64Array;

/** One row: values in model order, or by feature name. */
export type RowLike = readonly number[] | Readonly<Record<string, number>>;

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
   * Trains on a dataset, or on arrays.
   *
   * @param X [n][d] rows, or [n·d] row by row     @param y [n] 0 and 1, booleans, or two strings
   * @returns this model
   * @throws RangeError for parameters out of range; TypeError for shapes; DataError for values and classes;
   *   DivergenceError when the step size is too large
   */
  fit(dataset: Dataset, options?: FitOptions): Promise<this>;
  fit(X: RowsLike, y: ArrayLike<number | boolean | string>, options?: FitOptions): Promise<this>;
  async fit(
    data: Dataset | RowsLike,
    second?: ArrayLike<number | boolean | string> | FitOptions,
    third?: FitOptions,
  ): Promise<this> {
    const isArrays = Array.isArray(data) || data instanceof Float64Array;
    if (isArrays && typeof (second as ArrayLike<unknown> | undefined)?.length !== "number") {
      throw new TypeError("Cannot fit rows without labels: give them as the second argument");
    }
    const { signal, onProgress, features } = (isArrays ? third : (second as FitOptions)) ?? {};
    const dataset = isArrays
      ? datasetFromArrays(data as RowsLike, second as ArrayLike<number | boolean | string>, {
          ...(this.#positive !== undefined && { positive: this.#positive }),
          ...(features && { features }),
        })
      : (data as Dataset);
    this.#result = await train(loadCore(), dataset, this.params, {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      // Lets timers and signals run between calls into the core.
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    });
    this.#model = this.#result.model;
    return this;
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
  predictProba(rows: RowsLike): Float64Array {
    return this.#predict(rows).probabilities;
  }

  /** [n] logits, before any clip. */
  decisionFunction(rows: RowsLike): Float64Array {
    return this.#predict(rows).logits;
  }

  /** [n] predicted classes. */
  predict(rows: RowsLike): string[] {
    return Array.from(this.#predict(rows).pred, (pred) => this.classes[pred]!);
  }

  /**
   * One row's prediction and what each feature adds to its logit. `base_value` plus the contributions, added in
   * the order of `featureNames`, is `logit` to the last bit.
   */
  explain(row: RowLike): Explanation {
    const { featureNames } = this.model;
    const values = Array.isArray(row)
      ? (row as readonly number[])
      : this.#inOrder(row as Record<string, number>);
    if (values.length !== featureNames.length) {
      throw new TypeError(
        `Cannot explain a row of ${values.length} values with ${featureNames.length} features`,
      );
    }
    const columns = columnsOf([values], 1);
    return explainRow(
      this.#core,
      this.model,
      columns.map((column) => column[0]!),
    );
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

  #inOrder(row: Record<string, number>): number[] {
    return this.model.featureNames.map((name) => {
      if (!Object.hasOwn(row, name))
        throw new TypeError(`Cannot explain a row without feature "${name}"`);
      return row[name]!;
    });
  }

  #predict(rows: RowsLike): Predictions {
    const d = this.model.featureNames.length;
    const n = rows instanceof Float64Array ? rows.length / d : rows.length;
    if (!Number.isInteger(n)) {
      throw new TypeError(
        `Cannot predict as ${rows.length} values are no whole number of rows of ${d} features`,
      );
    }
    const columns =
      n === 0 ? this.model.featureNames.map(() => new Float64Array(0)) : columnsOf(rows, n);
    if (columns.length !== d) {
      throw new TypeError(`Cannot predict rows of ${columns.length} values with ${d} features`);
    }
    return predictColumns(this.#core, this.model, columns);
  }
}
