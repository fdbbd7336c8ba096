// The typed calls of a core: arrays in, arrays out, no addresses.
//
// Design:
// - Checked above, unchecked below: lengths, finiteness and labels are checked here and refused with a named error.
// - Rows live in the core's memory as tiles (`Rows`) from `rows()` until `reset()`; everything else is copied in and
//   out at each call.
// - Row indexes choose rows of a column without a copy of the column on the host's side.
import { Arena } from "./arena.ts";
import { type CoreExports, type CoreSource, HOST_ABI } from "./source.ts";

// Literals: ECMAScript leaves the last bits of ** to the engine.
/** Largest magnitude of a value, 2^400, and smallest range of a column that is not constant, 2^-400 (N4). */
export const VALUE_LIMIT = 2.5822498780869086e120;
export const RANGE_LIMIT = 3.8725919148493183e-121;

/** Values that the numbers of the core cannot carry: too large, too close together, or too far out. */
export class ValueRangeError extends RangeError {
  override readonly name: string = "ValueRangeError";
}

/** N4, for all rows of a column, whichever of them a seed puts into the training. @throws ValueRangeError */
export function checkMagnitudes(name: string, column: Float64Array): void {
  const row = column.findIndex((value) => Math.abs(value) > VALUE_LIMIT);
  if (row >= 0) throw magnitudeError(name, `${column[row]} in row ${row + 1}`);
}

function magnitudeError(name: string, found: string): ValueRangeError {
  return new ValueRangeError(
    `Cannot standardise column "${name}" as magnitudes must be at most 2^400: found ${found}`,
  );
}

const TILE_ROWS = 8;
const WORK_VALUES = 6; // f64 values of a work record, per feature and for the bias

const STATUS_NAMES = ["ok", "out of bounds", "misaligned", "too large", "out of range"];

/** Range, mean and population standard deviation of a column; std is 1 for a constant one. */
export interface Moments {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
}

/** How well probabilities fit labels. */
export interface Score {
  /** [n] logits before the clip. */
  readonly logits: Float64Array;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
  /** Mean cross-entropy, without the L2 term. */
  readonly loss: number;
  /** Mean squared error of the probabilities. */
  readonly brier: number;
  /** Rows whose prediction is right. */
  readonly correct: number;
}

export interface RowsInput {
  /** [d] columns, all of one length. */
  readonly columns: readonly Float64Array[];
  /** [d] means and standard deviations to standardise with; std > 0. */
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** Which rows to take; all when absent. */
  readonly index?: Uint32Array;
  /** Labels of all rows of the columns, 0 or 1. Needed by `score`, `gradient` and `descend`. */
  readonly y?: Uint8Array;
}

function check(status: number, kernel: string): void {
  if (status !== 0) {
    throw new Error(
      `Cannot run kernel ${kernel}: status ${status}, ${STATUS_NAMES[status] ?? "?"}`,
    );
  }
}

function paddedCount(n: number): number {
  return Math.ceil(n / TILE_ROWS) * TILE_ROWS;
}

/** A core and its memory. It serves one caller at a time and is not shared across an `await` of somebody else. */
export class Core {
  readonly #exports: CoreExports;
  readonly #arena: Arena;

  /** @throws Error when the core speaks another interface than this host */
  constructor(source: CoreSource) {
    this.#exports = source.instantiate();
    const abi = this.#exports.abi();
    if (abi !== HOST_ABI) {
      throw new Error(
        `Cannot use this core as this host speaks interface ${HOST_ABI}: the core speaks ${abi}`,
      );
    }
    this.#arena = new Arena(this.#exports.memory, this.#exports.heapBase() >>> 0);
  }

  /** Gives back all memory that `rows()` took; earlier `Rows` are not to be used any more. */
  reset(): void {
    this.#arena.reset();
  }

  /**
   * Standardisation statistics of the chosen rows of a column (N5).
   *
   * @param name of the column, for errors
   * @throws RangeError when a value is not finite or beyond 2^400, or the range is below 2^-400 and not 0
   */
  moments(name: string, column: Float64Array, index?: Uint32Array): Moments {
    return this.#arena.scratch(() => {
      const n = index?.length ?? column.length;
      const out = this.#arena.allocate(2);
      const x = this.#arena.allocate(n);
      this.#gather(x, column, index);
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
      check(this.#exports.moments(x, n, min, max, out), "moments");
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

  /** Standardises the chosen rows and keeps them, in tiles, in the core's memory. */
  rows(input: RowsInput): Rows {
    const { columns, mean, std, index, y } = input;
    const d = columns.length;
    const length = columns[0]?.length ?? 0;
    if (d === 0 || mean.length !== d || std.length !== d) {
      throw new TypeError(
        `Cannot pack rows as columns, means and deviations must be equally many and not none: ${d}, ${mean.length}, ${std.length}`,
      );
    }
    if (columns.some((column) => column.length !== length) || (y && y.length !== length)) {
      throw new TypeError("Cannot pack rows as all columns and the labels must have one length");
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
    this.#arena.scratch(() => {
      const x = this.#arena.allocate(n);
      for (let j = 0; j < d; j++) {
        this.#gather(x, columns[j]!, index);
        check(this.#exports.pack(x, n, mean[j]!, std[j]!, X, d, j), "pack");
      }
    });
    return new Rows(this.#exports, this.#arena, { n, d, X, y: labels, index });
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

  #gather(x: number, column: Float64Array, index: Uint32Array | undefined): void {
    const n = index?.length ?? column.length;
    const view = this.#arena.view(x, n);
    for (let i = 0; i < n; i++) {
      const value = column[index ? index[i]! : i]!;
      if (!Number.isFinite(value)) {
        throw new RangeError(`Cannot pass ${value} to the core: values must be finite`);
      }
      view[i] = value;
    }
  }

  #read(address: number, count: number): Float64Array {
    return this.#arena.view(address, count).slice();
  }
}

/** Rows in the core's memory: n rows of d standardised features. Weights are [d + 1], bias last. */
export class Rows {
  readonly n: number;
  readonly d: number;
  readonly #exports: CoreExports;
  readonly #arena: Arena;
  readonly #X: number;
  readonly #y: number;
  readonly #index: Uint32Array | undefined;

  /** @param at addresses of rows and labels; `index` says which rows of the table they are, for errors */
  constructor(
    exports: CoreExports,
    arena: Arena,
    at: { n: number; d: number; X: number; y: number; index: Uint32Array | undefined },
  ) {
    this.#exports = exports;
    this.#arena = arena;
    this.n = at.n;
    this.d = at.d;
    this.#X = at.X;
    this.#y = at.y;
    this.#index = at.index;
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
      check(this.#exports.score(p, this.#labels(), this.n, threshold, out), "score");
      const [loss, squares, correct] = this.#read(out, 3) as unknown as [number, number, number];
      return {
        logits: this.#read(z, this.n),
        probabilities: this.#read(p, this.n),
        loss: loss / this.n,
        brier: squares / this.n,
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
   * @param bounds [d] largest magnitude of each standardised feature
   */
  gradient(weights: Float64Array, bounds: Float64Array, l2: number): Float64Array {
    return this.#arena.scratch(() => {
      const g = this.#arena.allocate(this.d + 1);
      const [w, boundsAt, work] = this.#problem(weights, bounds);
      const status = this.#exports.gradient(
        this.#X,
        this.n,
        this.d,
        this.#labels(),
        w,
        boundsAt,
        work,
        l2,
        g,
      );
      check(status, "gradient");
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
      const [w, boundsAt, work] = this.#problem(weights, bounds);
      const status = this.#exports.descend(
        this.#X,
        this.n,
        this.d,
        this.#labels(),
        w,
        boundsAt,
        work,
        lr,
        l2,
        steps,
      );
      check(status, "descend");
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
    view.set(bounds);
    view[this.d] = 1; // a bias term is at most |p - y| ≤ 1
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
