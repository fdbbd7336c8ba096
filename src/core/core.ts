// The typed calls of a core: arrays in, arrays out, no addresses.
//
// Design:
// - Checked above, unchecked below: lengths, finiteness and labels are checked here and refused with a named error.
// - Rows live in the core's memory as tiles (`Rows`) from `rows()` until `reset()`; everything else is copied in and
//   out at each call.
// - Row indexes choose rows of a column without a copy of the column on the host's side.
// - Row weights stay with their rows: whoever has `Rows` calls it the same way with and without them.
import { Arena } from "./arena.ts";
import {
  type Column,
  columnLength,
  countCodes,
  gather,
  gatherCodes,
  gatherPresent,
  type Indicator,
} from "./column.ts";
import {
  type CoreExports,
  checkStatus as check,
  type Instantiable,
  instantiateChecked,
} from "./source.ts";

// Literals: ECMAScript leaves the last bits of ** to the engine.
/** Largest magnitude of a value, 2^400, and smallest range of a column that is not constant, 2^-400 (N4). */
export const VALUE_LIMIT = 2.5822498780869086e120;
export const RANGE_LIMIT = 3.8725919148493183e-121;

/** Values or weights that the numbers of the core cannot carry: too large, too close together, or too far out. */
export class ValueRangeError extends RangeError {
  override readonly name: string = "ValueRangeError";
}

/** N4, for all rows of a column, whichever of them a seed puts into the training. @throws ValueRangeError */
export function checkMagnitudes(name: string, column: Column): void {
  if ("codes" in column) return;
  const values = column instanceof Float64Array ? column : column.optional;
  const row = values.findIndex((value) => Math.abs(value) > VALUE_LIMIT);
  if (row >= 0) throw magnitudeError(name, `${values[row]} in row ${row + 1}`);
}

function magnitudeError(name: string, found: string): ValueRangeError {
  return new ValueRangeError(
    `Cannot standardise column "${name}" as magnitudes must be at most 2^400: found ${found}`,
  );
}

/** N4: the largest of some row weights. @throws ValueRangeError */
export function checkLargestWeight(most: number): void {
  if (most < RANGE_LIMIT || most > VALUE_LIMIT) {
    throw new ValueRangeError(
      `Cannot weigh rows as the largest weight must be from 2^-400 to 2^400: found ${most}`,
    );
  }
}

const TILE_ROWS = 8;
const WORK_VALUES = 6; // f64 values of a work record, per feature and for the bias

/** Range, mean and population standard deviation of a column; std is 1 for a constant one. */
export interface Moments {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
}

/** How well probabilities fit labels. With row weights s, means are Σ s·value / Σs. */
export interface Score {
  /** [n] logits before the clip. */
  readonly logits: Float64Array;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
  /** Mean cross-entropy, without the L2 term. */
  readonly loss: number;
  /** Mean squared error of the probabilities. */
  readonly brier: number;
  /** How many rows' predictions are right; with row weights, the Σs of these rows. */
  readonly correct: number;
}

export interface RowsInput {
  /** [d] columns, all of one length. */
  readonly columns: readonly Column[];
  /** [d] means and standard deviations to standardise with; std > 0. A missing value stands at the mean: it becomes 0. */
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** Which rows to take; all when absent. */
  readonly index?: Uint32Array;
  /** Labels of all rows of the columns, 0 or 1. Needed by `score`, `gradient` and `descend`. */
  readonly y?: Uint8Array;
  /** Weights of all rows of the columns: finite, at least 0. Every row weighs 1 when absent. */
  readonly weights?: Float64Array;
}

/** Row weights s in the core's memory: their address, Σs and max s. */
interface RowWeights {
  readonly at: number;
  readonly total: number;
  readonly most: number;
}

function paddedCount(n: number): number {
  return Math.ceil(n / TILE_ROWS) * TILE_ROWS;
}

/** A core and its memory. It serves one caller at a time and is not shared across an `await` of somebody else. */
export class Core {
  readonly #exports: CoreExports;
  readonly #arena: Arena;
  #counted:
    | {
        readonly codes: Indicator["codes"];
        readonly index: Uint32Array | undefined;
        readonly counts: Uint32Array;
      }
    | undefined;

  /** @throws Error when the core speaks another interface than this host */
  constructor(source: Instantiable) {
    this.#exports = instantiateChecked(source);
    this.#arena = new Arena(this.#exports.memory, this.#exports.heapBase() >>> 0);
  }

  /** Gives back all memory that `rows()` took; earlier `Rows` are not to be used any more. */
  reset(): void {
    this.#arena.reset();
  }

  /**
   * Standardisation statistics of the chosen rows of a column (N5). If all of them are missing, the column is constant 0.
   *
   * @param name of the column, for errors
   * @throws RangeError when a value is not finite or beyond 2^400, or the range is below 2^-400 and not 0
   */
  moments(name: string, column: Column, index?: Uint32Array): Moments {
    const rows = index?.length ?? columnLength(column);
    return this.#arena.scratch(() => {
      const out = this.#arena.allocate(2);
      if ("code" in column) {
        const ones = this.#countOnes(column, index);
        check(this.#exports.momentsOfIndicator(ones, rows, out), "momentsOfIndicator");
        const [mean, std] = this.#read(out, 2) as unknown as [number, number];
        return { min: Number(ones === rows), max: Number(ones > 0), mean, std };
      }
      const x = this.#arena.allocate(rows);
      const n = gatherPresent(column, index, this.#arena.view(x, rows));
      if (n === 0 && "optional" in column) return { min: 0, max: 0, mean: 0, std: 1 };
      check(this.#exports.range(x, n, out), "range");
      const [min, max] = this.#read(out, 2) as unknown as [number, number];
      const largest = Math.max(Math.abs(min), Math.abs(max));
      if (largest > VALUE_LIMIT) {
        throw magnitudeError(name, String(largest));
      }
      if (min < max && max - min < RANGE_LIMIT) {
        throw new ValueRangeError(
          `Cannot standardise column "${name}" as its range must be 0 or at least 2^-400: found ${max - min}`,
        );
      }
      check(this.#exports.momentsOfPresent(x, n, rows, min, max, out), "momentsOfPresent");
      const [mean, std] = this.#read(out, 2) as unknown as [number, number];
      return { min, max, mean, std };
    });
  }

  /**
   * Order-independent sum (N4, two folds).
   *
   * @param bound every |value| is at most this
   * @throws RangeError when a value is beyond the bound
   */
  sum(values: Float64Array, bound: number): number {
    for (const value of values) {
      if (!(Math.abs(value) <= bound)) {
        throw new RangeError(`Cannot add values beyond the bound ${bound}: found ${value}`);
      }
    }
    return this.#arena.scratch(() => {
      const out = this.#arena.allocate(1);
      const v = this.#arena.allocate(values.length);
      this.#arena.view(v, values.length).set(values);
      check(this.#exports.sum(v, values.length, bound, out), "sum");
      return this.#read(out, 1)[0]!;
    });
  }

  /**
   * Standardises the chosen rows and keeps them, in tiles, in the core's memory.
   *
   * @throws RangeError when a value is not finite or a label not 0 or 1
   * @throws ValueRangeError when a weight is not finite or below 0, all are 0, or the largest is not from 2^-400 to 2^400
   */
  rows(input: RowsInput): Rows {
    const { columns, mean, std, index, y, weights } = input;
    const d = columns.length;
    const length = columns[0] ? columnLength(columns[0]) : 0;
    if (d === 0 || mean.length !== d || std.length !== d) {
      throw new TypeError(
        `Cannot pack rows as columns, means and deviations must be equally many and not none: ${d}, ${mean.length}, ${std.length}`,
      );
    }
    const lengths = [...columns.map(columnLength), y?.length ?? length, weights?.length ?? length];
    if (lengths.some((one) => one !== length)) {
      throw new TypeError(
        "Cannot pack rows as all columns, the labels and the weights must have one length",
      );
    }
    const n = index?.length ?? length;
    const X = this.#arena.allocate(paddedCount(n) * d);
    const labels = y ? this.#arena.allocate(paddedCount(n)) : 0;
    if (y) {
      const view = this.#arena.view(labels, paddedCount(n)).fill(0);
      for (let i = 0; i < n; i++) {
        const label = y[index ? index[i]! : i]!;
        if (label > 1) throw new RangeError(`Cannot use label ${label}: labels are 0 or 1`);
        view[i] = label;
      }
    }
    const rowWeights = weights && this.#weigh(weights, index);
    this.#arena.scratch(() => {
      const x = this.#arena.allocate(n);
      const codesAt = this.#arena.allocate(paddedCount(n) / 2);
      let codes: Indicator["codes"] | undefined; // those that stand there
      for (let j = 0; j < d; j++) {
        const column = columns[j]!;
        const [m, s] = [mean[j]!, std[j]!];
        if ("code" in column) {
          if (column.codes !== codes) {
            gatherCodes(column.codes, index, this.#arena.integers(codesAt, n));
            codes = column.codes;
          }
          const status = this.#exports.packIndicator(codesAt, n, column.code, m, s, X, d, j);
          check(status, "packIndicator");
        } else {
          gather(column, index, m, this.#arena.view(x, n));
          check(this.#exports.pack(x, n, m, s, X, d, j), "pack");
        }
      }
    });
    return new Rows(this.#exports, this.#arena, { n, d, X, y: labels, index, rowWeights });
  }

  /** e^x of each value, |x| ≤ 700. For tests and for other hosts' self-tests. */
  exp(x: Float64Array): Float64Array {
    return this.#map("exp", x);
  }

  /** Natural logarithm of each value, normal and positive. */
  log(x: Float64Array): Float64Array {
    return this.#map("log", x);
  }

  /** Sigmoid of each logit, clipped to ±35 (N6). */
  sigmoid(z: Float64Array): Float64Array {
    return this.#map("sigmoid", z);
  }

  /**
   * SHA-256 of many messages of one length, several at a time.
   *
   * @param blocks [n, blockCount, 64] bytes: each message padded as FIPS 180-4 says, one after the other
   * @returns [n, 32] bytes
   * @throws RangeError when the blocks are not those of whole messages of at least one block
   */
  sha256Many(blocks: Uint8Array, blockCount: number): Uint8Array {
    const n = blocks.length / (blockCount * 64);
    if (!Number.isInteger(blockCount) || blockCount < 1 || !Number.isInteger(n)) {
      throw new RangeError(
        `Cannot hash ${blocks.length} bytes as messages of ${blockCount} blocks of 64 bytes`,
      );
    }
    return this.#arena.scratch(() => {
      const lanes = Math.ceil(n / 4) * 4;
      const from = this.#arena.allocate(lanes * blockCount * 8);
      const work = this.#arena.allocate(32);
      const to = this.#arena.allocate(lanes * 4);
      this.#arena.bytes(from, blocks.length).set(blocks);
      check(this.#exports.sha256(from, blockCount, n, work, to), "sha256");
      return this.#arena.bytes(to, n * 32).slice();
    });
  }

  #map(kernel: "exp" | "log" | "sigmoid", values: Float64Array): Float64Array {
    return this.#arena.scratch(() => {
      const count = paddedCount(values.length);
      const from = this.#arena.allocate(count);
      const to = this.#arena.allocate(count);
      this.#arena.view(from, count).fill(1).set(values);
      check(this.#exports[kernel](from, values.length, to), kernel);
      return this.#read(to, values.length);
    });
  }

  #weigh(weights: Float64Array, index: Uint32Array | undefined): RowWeights {
    const n = index?.length ?? weights.length;
    const at = this.#arena.allocate(paddedCount(n));
    const view = this.#arena.view(at, n);
    let most = 0;
    for (let i = 0; i < n; i++) {
      const row = index ? index[i]! : i;
      const weight = weights[row]!;
      if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
        throw new ValueRangeError(
          `Cannot weigh row ${row + 1} as weights must be finite and at least 0: found ${weight}`,
        );
      }
      view[i] = weight;
      if (weight > most) most = weight;
    }
    if (n > 0 && most === 0) throw new ValueRangeError("Cannot weigh rows as all weights are 0");
    if (n > 0) checkLargestWeight(most);
    const total = this.#arena.scratch(() => {
      const out = this.#arena.allocate(1);
      check(this.#exports.sum(at, n, most, out), "sum");
      return this.#read(out, 1)[0]!;
    });
    return { at, total, most };
  }

  #read(address: number, count: number): Float64Array {
    return this.#arena.view(address, count).slice();
  }

  /** In how many of the chosen rows an indicator is 1. The indicators of a category ask one after the other. */
  #countOnes({ codes, code }: Indicator, index: Uint32Array | undefined): number {
    if (this.#counted?.codes !== codes || this.#counted.index !== index) {
      this.#counted = { codes, index, counts: countCodes(codes, index) };
    }
    return this.#counted.counts[code + 1] ?? 0;
  }
}

/** Rows in the core's memory: n rows of d standardised features. Weights are [d + 1], bias last. */
export class Rows {
  readonly n: number;
  readonly d: number;
  /** Σs, or n without row weights. */
  readonly weight: number;
  readonly #exports: CoreExports;
  readonly #arena: Arena;
  readonly #X: number;
  readonly #y: number;
  readonly #index: Uint32Array | undefined;
  readonly #rowWeights: RowWeights | undefined;

  /** @param at addresses of rows and labels; `index` says which rows of the table they are, for errors */
  constructor(
    exports: CoreExports,
    arena: Arena,
    at: {
      n: number;
      d: number;
      X: number;
      y: number;
      index: Uint32Array | undefined;
      rowWeights: RowWeights | undefined;
    },
  ) {
    this.#exports = exports;
    this.#arena = arena;
    this.n = at.n;
    this.d = at.d;
    this.#X = at.X;
    this.#y = at.y;
    this.#index = at.index;
    this.#rowWeights = at.rowWeights;
    this.weight = at.rowWeights?.total ?? at.n;
  }

  /**
   * Logits and probabilities of all rows.
   *
   * @throws RangeError naming the first row (of the table, from 1) whose logit is not finite: its values are too far
   *   out to standardise
   */
  predict(weights: Float64Array): { logits: Float64Array; probabilities: Float64Array } {
    return this.#arena.scratch(() => {
      const { z, p } = this.#predict(weights);
      return { logits: this.#read(z, this.n), probabilities: this.#read(p, this.n) };
    });
  }

  /** Predictions and their fit to the labels. A row is right when (p ≥ threshold) equals its label. */
  score(weights: Float64Array, threshold: number): Score {
    return this.#arena.scratch(() => {
      const out = this.#arena.allocate(3);
      const { z, p } = this.#predict(weights);
      const [y, s] = [this.#labels(), this.#rowWeights];
      check(
        s
          ? this.#exports.weightedScore(p, y, s.at, this.n, threshold, s.most, out)
          : this.#exports.score(p, y, this.n, threshold, out),
        "score",
      );
      const [loss, squares, correct] = this.#read(out, 3) as unknown as [number, number, number];
      return {
        logits: this.#read(z, this.n),
        probabilities: this.#read(p, this.n),
        loss: loss / this.weight,
        brier: squares / this.weight,
        correct,
      };
    });
  }

  /** [n, d] row by row: what each feature adds to the logit. Bias plus these, in order, is the logit to the last bit. */
  contributions(weights: Float64Array): Float64Array {
    return this.#arena.scratch(() => {
      const w = this.#write(weights, this.d + 1);
      const c = this.#arena.allocate(this.n * this.d);
      check(this.#exports.contributions(this.#X, this.n, this.d, w, c), "contributions");
      return this.#read(c, this.n * this.d);
    });
  }

  /**
   * [d + 1] mean gradient with the L2 term, bias last.
   *
   * @param bounds [d] largest magnitude of each standardised feature, whatever the rows weigh
   */
  gradient(weights: Float64Array, bounds: Float64Array, l2: number): Float64Array {
    return this.#arena.scratch(() => {
      const g = this.#arena.allocate(this.d + 1);
      const [w, boundsAt, work] = this.#problem(weights, bounds);
      const [X, n, d, y, s] = [this.#X, this.n, this.d, this.#labels(), this.#rowWeights];
      check(
        s
          ? this.#exports.weightedGradient(X, n, d, y, s.at, s.total, w, boundsAt, work, l2, g)
          : this.#exports.gradient(X, n, d, y, w, boundsAt, work, l2, g),
        "gradient",
      );
      return this.#read(g, this.d + 1);
    });
  }

  /**
   * The weights after `steps` more updates of gradient descent (N7).
   *
   * @throws RangeError when `steps` is no whole number from 0 to 2^32 - 1, or `lr` or `l2` is not finite
   */
  descend(
    weights: Float64Array,
    bounds: Float64Array,
    options: { lr: number; l2: number; steps: number },
  ): Float64Array {
    const { lr, l2, steps } = options;
    // JavaScript would turn 1.9 steps into 1 and NaN into 0 without a word.
    if (steps >>> 0 !== steps || !Number.isFinite(lr) || !Number.isFinite(l2)) {
      throw new RangeError(
        `Cannot descend as steps must be a whole number and lr and l2 finite: ${steps}, ${lr}, ${l2}`,
      );
    }
    return this.#arena.scratch(() => {
      const [w, at, work] = this.#problem(weights, bounds);
      const [X, n, d, y, s] = [this.#X, this.n, this.d, this.#labels(), this.#rowWeights];
      check(
        s
          ? this.#exports.weightedDescend(X, n, d, y, s.at, s.total, w, at, work, lr, l2, steps)
          : this.#exports.descend(X, n, d, y, w, at, work, lr, l2, steps),
        "descend",
      );
      return this.#read(w, this.d + 1);
    });
  }

  #labels(): number {
    if (this.#y === 0) throw new TypeError("Cannot score rows without labels");
    return this.#y;
  }

  #predict(weights: Float64Array): { z: number; p: number } {
    const w = this.#write(weights, this.d + 1);
    const z = this.#arena.allocate(paddedCount(this.n));
    const p = this.#arena.allocate(paddedCount(this.n));
    check(this.#exports.logits(this.#X, this.n, this.d, w, z), "logits");
    const row = this.#arena.view(z, this.n).findIndex((logit) => !Number.isFinite(logit));
    if (row >= 0) {
      throw new ValueRangeError(
        `Cannot score row ${(this.#index?.[row] ?? row) + 1}: its values are so far from the training data that the logit is not finite`,
      );
    }
    check(this.#exports.sigmoid(z, this.n, p), "sigmoid");
    return { z, p };
  }

  #problem(weights: Float64Array, bounds: Float64Array): [number, number, number] {
    const w = this.#write(weights, this.d + 1);
    const boundsAt = this.#arena.allocate(this.d + 1);
    const view = this.#arena.view(boundsAt, this.d + 1);
    if (bounds.length !== this.d) {
      throw new TypeError(`Cannot use ${bounds.length} bounds for ${this.d} features`);
    }
    // N4: a term is at most max s·B_j, and for the bias max s·|p - y| ≤ max s.
    const most = this.#rowWeights?.most ?? 1;
    view.set(bounds.map((bound) => most * bound));
    view[this.d] = most;
    return [w, boundsAt, this.#arena.allocate((this.d + 1) * WORK_VALUES)];
  }

  #write(values: Float64Array, count: number): number {
    if (values.length !== count) {
      throw new TypeError(`Cannot use ${values.length} weights where ${count} are needed`);
    }
    const address = this.#arena.allocate(count);
    this.#arena.view(address, count).set(values);
    return address;
  }

  #read(address: number, count: number): Float64Array {
    return this.#arena.view(address, count).slice();
  }
}
