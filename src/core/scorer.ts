// Scores rows for one model, again and again, in memory that is laid out once: what a server needs.
//
// Design:
// - The weights are written when a scorer is made; a call writes rows, runs the kernels of `Rows`, and reads results.
// - Rows go through in slices, so that memory does not depend on how many there are.
// - Nothing grows after the constructor, so its views stay valid.

import { Arena } from "./arena.ts";
import {
  type Column,
  columnLength,
  gather,
  gatherCodes,
  type Indicator,
  sliceColumns,
} from "./column.ts";
import { ValueRangeError } from "./core.ts";
import { type CoreExports, type CoreSource, checkStatus, instantiateChecked } from "./source.ts";

/** What a slice of n rows gets. The views are the scorer's own: the next call writes over them. */
export interface Slice {
  /** [n] logits before the clip. */
  readonly logits: Float64Array;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
  /** [n, d] row by row, when asked for: bias plus a row's contributions, in feature order, is its logit exactly. */
  readonly contributions: Float64Array | undefined;
}

const TILE_ROWS = 8;
const SLICE_ROWS = 1000;
const SLICE_VALUES = 1 << 19; // standardised values in a slice: 4 MiB, and as much again for contributions

/** One model's kernels. It serves one call at a time; a call is synchronous. */
export class Scorer {
  readonly d: number;
  /** Most rows of one call. */
  readonly sliceRows: number;
  readonly #exports: CoreExports;
  readonly #mean: Float64Array;
  readonly #std: Float64Array;
  readonly #X: number;
  readonly #w: number;
  readonly #xAt: number;
  readonly #codesAt: number;
  readonly #zAt: number;
  readonly #pAt: number;
  readonly #cAt: number;
  readonly #x: Float64Array;
  readonly #codes: Int32Array;
  readonly #z: Float64Array;
  readonly #p: Float64Array;
  readonly #c: Float64Array;

  /** @param model [d] means, standard deviations > 0 and weights of standardised features; the bias */
  constructor(
    source: CoreSource,
    model: {
      readonly mean: Float64Array;
      readonly std: Float64Array;
      readonly w: Float64Array;
      readonly b: number;
    },
  ) {
    const { mean, std, w, b } = model;
    const d = w.length;
    this.d = d;
    this.#exports = instantiateChecked(source);
    this.#mean = mean;
    this.#std = std;
    const most = Math.min(SLICE_ROWS, Math.floor(SLICE_VALUES / d));
    const rows = Math.max(TILE_ROWS, most - (most % TILE_ROWS));
    this.sliceRows = rows;
    const arena = new Arena(this.#exports.memory, this.#exports.heapBase() >>> 0);
    this.#X = arena.allocate(rows * d);
    this.#cAt = arena.allocate(rows * d);
    this.#w = arena.allocate(d + 1);
    // A row by itself is written feature after feature, a slice column after column.
    this.#xAt = arena.allocate(Math.max(rows, d));
    this.#codesAt = arena.allocate(rows / 2);
    this.#zAt = arena.allocate(rows);
    this.#pAt = arena.allocate(rows);
    arena.view(this.#w, d + 1).set(w);
    arena.view(this.#w, d + 1)[d] = b;
    this.#x = arena.view(this.#xAt, Math.max(rows, d));
    this.#codes = arena.integers(this.#codesAt, rows);
    this.#z = arena.view(this.#zAt, rows);
    this.#p = arena.view(this.#pAt, rows);
    this.#c = arena.view(this.#cAt, rows * d);
  }

  /**
   * Scores the rows [from, from + n) of some columns.
   *
   * @param columns [d] features in model order, as `encode` gives them
   * @param n at most `sliceRows`
   * @throws ValueRangeError naming the first row (from 1, of all) whose logit is not finite
   */
  score(columns: readonly Column[], from: number, n: number, explain: boolean): Slice {
    const { d } = this;
    if (columns.length !== d || n < 1 || n > this.sliceRows) {
      throw new TypeError(`Cannot score ${n} rows of ${columns.length} features`);
    }
    let codes: Indicator["codes"] | undefined; // those that stand there
    const slice = n === columnLength(columns[0]!) ? columns : sliceColumns(columns, from, n);
    for (let j = 0; j < d; j++) {
      const column = slice[j]!;
      const [mean, std] = [this.#mean[j]!, this.#std[j]!];
      if ("code" in column) {
        if (column.codes !== codes) {
          codes = column.codes;
          gatherCodes(codes, undefined, this.#codes);
        }
        const [at, { code }] = [this.#codesAt, column];
        const status = this.#exports.packIndicator(at, n, code, mean, std, this.#X, d, j);
        checkStatus(status, "packIndicator");
      } else {
        gather(column, undefined, mean, this.#x);
        checkStatus(this.#exports.pack(this.#xAt, n, mean, std, this.#X, d, j), "pack");
      }
    }
    return this.#run(from, n, explain);
  }

  /**
   * Scores one row.
   *
   * @param values [d] finite features in model order; a missing number stands at its training mean
   * @throws ValueRangeError when the logit is not finite
   */
  scoreRow(values: ArrayLike<number>, explain: boolean): Slice {
    const { d } = this;
    for (let j = 0; j < d; j++) {
      const value = values[j]!;
      if (!Number.isFinite(value)) throw new RangeError(`Cannot score ${value}: it is not finite`);
      this.#x[j] = value;
    }
    for (let j = 0; j < d; j++) {
      const [mean, std] = [this.#mean[j]!, this.#std[j]!];
      checkStatus(this.#exports.pack(this.#xAt + 8 * j, 1, mean, std, this.#X, d, j), "pack");
    }
    return this.#run(0, 1, explain);
  }

  #run(from: number, n: number, explain: boolean): Slice {
    const { d } = this;
    checkStatus(this.#exports.logits(this.#X, n, d, this.#w, this.#zAt), "logits");
    for (let i = 0; i < n; i++) {
      if (!Number.isFinite(this.#z[i]!)) {
        throw new ValueRangeError(
          `Cannot score row ${from + i + 1}: its values are so far from the training data that the logit is not finite`,
        );
      }
    }
    checkStatus(this.#exports.sigmoid(this.#zAt, n, this.#pAt), "sigmoid");
    if (explain) {
      checkStatus(this.#exports.contributions(this.#X, n, d, this.#w, this.#cAt), "contributions");
    }
    return {
      logits: this.#z.subarray(0, n),
      probabilities: this.#p.subarray(0, n),
      contributions: explain ? this.#c.subarray(0, n * d) : undefined,
    };
  }
}
