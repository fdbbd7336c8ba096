// Many rows at once: scored in slices, between which the event loop answers others.
import type { Slice } from "../core/scorer.ts";
import { HttpError } from "./http-error.ts";
import type { Rows } from "./inputs.ts";
import type { ServedModel } from "./served-model.ts";

/** Bodies larger than this wait for their turn: what a body becomes takes several times its bytes. */
const LARGE_BYTES = 1 << 16;

/** Most large bodies that wait. */
const WAITING_MAX = 16;

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/** Runs `work` at once for a small body, for a large one when no other is being worked on. @throws HttpError when too many wait */
export function inTurn<T>(bytes: number, work: () => T | Promise<T>): T | Promise<T> {
  if (bytes <= LARGE_BYTES) return work();
  if (waiting >= WAITING_MAX) {
    throw new HttpError(
      "overloaded",
      "Too many large requests wait: try again",
      {},
      {
        "retry-after": "1",
      },
    );
  }
  waiting++;
  const turn = last.then(work).finally(() => {
    waiting--;
  });
  last = turn.catch(() => {});
  return turn;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What a model says of rows. */
export interface Scores {
  /** [n] */
  readonly logits: Float64Array;
  /** [n] */
  readonly probabilities: Float64Array;
}

/**
 * Scores rows, uncounted.
 *
 * @param use called with each slice, in order; the slice's arrays are the model's own
 * @throws HttpError naming the first row whose logit is not finite
 */
export async function scoreRows(
  model: ServedModel,
  rows: Rows,
  explain: boolean,
  use: (slice: Slice, n: number) => void,
): Promise<Scores> {
  const logits = new Float64Array(rows.n);
  const probabilities = new Float64Array(rows.n);
  for (let from = 0; from < rows.n; from += model.sliceRows) {
    if (from > 0) await nextTurn();
    const n = Math.min(model.sliceRows, rows.n - from);
    const slice = model.score(rows, from, n, explain);
    logits.set(slice.logits, from);
    probabilities.set(slice.probabilities, from);
    use(slice, n);
  }
  return { logits, probabilities };
}

/** The same, counted as answered once all rows are scored. @throws HttpError */
export async function predictRows(
  model: ServedModel,
  rows: Rows,
  explain: boolean,
  use: (slice: Slice, n: number) => void,
): Promise<void> {
  model.observe(rows, await scoreRows(model, rows, explain, use));
}

/** Text as UTF-8 that grows: strings that wait to be joined would be copied again and again by a small young generation. */
class TextBytes {
  #bytes: Buffer<ArrayBuffer>;
  #end = 0;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  add(text: string): void {
    // A UTF-16 unit takes at most three bytes.
    const needed = this.#end + 3 * text.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * needed);
      this.#bytes.copy(larger, 0, 0, this.#end);
      this.#bytes = larger;
    }
    this.#end += this.#bytes.write(text, this.#end);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#end);
  }
}

/** Bytes to begin with, for a row's text and each of its numbers. */
const TEXT_BYTES = 64;
const NUMBER_BYTES = 22;

/**
 * The texts of all rows, in order, between a head and a foot; counted as answered.
 *
 * @throws HttpError as `scoreRows` does
 */
export async function textOfRows(
  model: ServedModel,
  rows: Rows,
  explain: boolean,
  textOf: (slice: Slice, i: number) => string,
  { head, between, foot }: { head: string; between: string; foot: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const width = TEXT_BYTES + (explain ? NUMBER_BYTES * model.model.w.length : 0);
  const text = new TextBytes(head.length * 3 + rows.n * width);
  text.add(head);
  let isFirst = true;
  await predictRows(model, rows, explain, (slice, n) => {
    for (let i = 0; i < n; i++) {
      if (!isFirst) text.add(between);
      isFirst = false;
      text.add(textOf(slice, i));
    }
  });
  text.add(foot);
  return text.bytes;
}
