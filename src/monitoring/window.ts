// The last rows that a model has seen, in memory that never grows.
import type { Column } from "../core/column.ts";
import { featuresOf, type InputColumn } from "../data/encoding.ts";
import type { DriftRows } from "./drift.ts";

/** Most bytes of a window: one of a very wide model holds fewer rows. */
const BYTES_MAX = 8 << 20;

/** What one input column's rows are kept in. */
interface Ring {
  /** Numbers, NaN where they are missing; null for a category. */
  readonly numbers: Float64Array | null;
  readonly codes: Int32Array | null;
  /** Place of the column's first feature. */
  readonly at: number;
  readonly column: InputColumn;
}

/** A ring of rows. A category is one code a row, however many features it has. */
export class DriftWindow {
  /** Most rows. */
  readonly capacity: number;
  /** Rows that were ever pushed. */
  seen = 0;
  readonly #rings: readonly Ring[];
  readonly #logits: Float64Array;
  readonly #probabilities: Float64Array;
  readonly #d: number;

  constructor(columns: readonly InputColumn[], capacity: number) {
    const bytesOfRow = 16 + columns.reduce((sum, { as }) => sum + (as === "number" ? 8 : 4), 0);
    const rows = Math.max(1, Math.min(capacity, Math.floor(BYTES_MAX / bytesOfRow)));
    this.capacity = rows;
    let at = 0;
    this.#rings = columns.map((column) => {
      const isNumber = column.as === "number";
      const ring = {
        numbers: isNumber ? new Float64Array(rows) : null,
        codes: isNumber ? null : new Int32Array(rows),
        at,
        column,
      };
      at += featuresOf(column).length;
      return ring;
    });
    this.#d = at;
    this.#logits = new Float64Array(rows);
    this.#probabilities = new Float64Array(rows);
  }

  /** Rows that are held. */
  get size(): number {
    return Math.min(this.seen, this.capacity);
  }

  /**
   * Takes n rows, of which the last ones stay.
   *
   * @param columns [d] features in model order, as `encode` gives them
   */
  push(
    columns: readonly Column[],
    logits: Float64Array,
    probabilities: Float64Array,
    n: number,
  ): void {
    const first = Math.max(0, n - this.capacity);
    let to = (this.seen + first) % this.capacity;
    for (let i = first; i < n; i++) {
      for (let k = 0; k < this.#rings.length; k++) {
        const { numbers, codes, at } = this.#rings[k]!;
        const column = columns[at];
        if (numbers !== null) {
          if (column instanceof Float64Array) numbers[to] = column[i]!;
          else if (column !== undefined && "optional" in column) numbers[to] = column.optional[i]!;
        } else if (column !== undefined && "codes" in column) {
          codes![to] = column.codes[i]!;
        }
      }
      this.#logits[to] = logits[i]!;
      this.#probabilities[to] = probabilities[i]!;
      to = to + 1 === this.capacity ? 0 : to + 1;
    }
    this.seen += n;
  }

  /** Copies of the rows held, oldest first. */
  rows(): DriftRows {
    const { size, capacity } = this;
    const start = this.seen > capacity ? this.seen % capacity : 0;
    const unroll = <T extends Float64Array | Int32Array>(ring: T, into: T): T => {
      const tail = ring.subarray(start, Math.min(start + size, capacity));
      into.set(tail);
      into.set(ring.subarray(0, size - tail.length), tail.length);
      return into;
    };
    const columns: Column[] = new Array(this.#d);
    for (const { numbers, codes, at, column } of this.#rings) {
      if (numbers !== null) {
        const values = unroll(numbers, new Float64Array(size));
        columns[at] = column.missing ? { optional: values } : values;
        if (column.missing) {
          const isMissing = Uint8Array.from(values, (value) => Number(Number.isNaN(value)));
          columns[at + 1] = { codes: isMissing, code: 1 };
        }
      } else {
        const all = unroll(codes!, new Int32Array(size));
        const { length } = featuresOf(column);
        for (let code = 0; code < length; code++) columns[at + code] = { codes: all, code };
      }
    }
    return {
      columns,
      logits: unroll(this.#logits, new Float64Array(size)),
      probabilities: unroll(this.#probabilities, new Float64Array(size)),
    };
  }
}
