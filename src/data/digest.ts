// Digests of rows and of a whole content (CONTRACT.md, N10), the same for any row order.
import { canonicalJson } from "./canonical-json.ts";
import type { Texts } from "./csv-column.ts";
import { type Dataset, inputsOf, type RowWeights, sortLabels } from "./dataset.ts";
import {
  type BlockHasher,
  DIGEST_BYTES,
  digestMessages,
  digestVariedMessages,
  type Sha256,
  sha256,
  toHex,
} from "./sha256.ts";

const DIGEST_WORDS = DIGEST_BYTES / 4;
/** Rows of one first byte up to which a place and 32 bits fit an f64 exactly. */
const GROUP_MAX = 1 << 21;

const TAG_MISSING = 0;
const TAG_NUMBER = 1;
const TAG_TEXT = 2;
const NUMBER_CELL_BYTES = 9; // tag and f64, little endian

function textCell(text: string): Uint8Array {
  const utf8 = new TextEncoder().encode(text);
  const cell = new Uint8Array(5 + utf8.length);
  cell[0] = TAG_TEXT;
  new DataView(cell.buffer).setUint32(1, utf8.length, true);
  cell.set(utf8, 5);
  return cell;
}

/**
 * Row digests: SHA-256 over the cells of the input columns in file order, then the label as a text cell.
 *
 * @returns [n · 32] bytes, row by row
 */
export function digestRows(dataset: Dataset, hasher?: BlockHasher): Uint8Array {
  const inputs = inputsOf(dataset).map(({ cells }) => cells);
  const { classes, y, rowCount } = dataset;
  const labels: CellBytes = { ...cellBytesOf(classes), codes: y };
  const lengths = new Uint32Array(rowCount);
  const columns = [...inputs, labels].map((cells) => {
    const column =
      cells instanceof Float64Array ? cells : "pool" in cells ? cells : textBytes(cells);
    addLengths(lengths, column);
    return column;
  });
  const digests = new Uint8Array(rowCount * DIGEST_BYTES);
  const fill = (bytes: Uint8Array, view: DataView, from: number, row: number) => {
    let at = from;
    for (const column of columns) {
      if (column instanceof Float64Array) {
        const value = column[row]!;
        if (!Number.isNaN(value)) {
          bytes[at] = TAG_NUMBER;
          view.setFloat64(at + 1, value, true);
          at += NUMBER_CELL_BYTES;
        } else bytes[at++] = TAG_MISSING;
      } else {
        const code = column.codes[row]! + 1;
        const { pool } = column;
        const end = column.starts[code + 1]!;
        for (let k = column.starts[code]!; k < end; k++) bytes[at++] = pool[k]!;
      }
    }
  };
  digestVariedMessages(lengths, fill, digests, hasher);
  return digests;
}

/** The cells of texts by code, one after the other; before them that of a missing text, whose code is -1. */
interface CellBytes {
  readonly pool: Uint8Array;
  /** Where the cell of code - 1 begins, and where the last one ends. */
  readonly starts: Uint32Array;
  readonly codes: ArrayLike<number>;
}

function cellBytesOf(texts: readonly string[]): Omit<CellBytes, "codes"> {
  const cells = [Uint8Array.of(TAG_MISSING), ...texts.map(textCell)];
  const starts = new Uint32Array(cells.length + 1);
  cells.forEach((cell, k) => {
    starts[k + 1] = starts[k]! + cell.length;
  });
  const pool = new Uint8Array(starts[cells.length]!);
  cells.forEach((cell, k) => {
    pool.set(cell, starts[k]!);
  });
  return { pool, starts };
}

function textBytes({ codes, texts }: Texts): CellBytes {
  return { ...cellBytesOf(texts), codes };
}

function addLengths(lengths: Uint32Array, column: Float64Array | CellBytes): void {
  if (column instanceof Float64Array) {
    for (let i = 0; i < lengths.length; i++) {
      lengths[i]! += Number.isNaN(column[i]!) ? 1 : NUMBER_CELL_BYTES;
    }
  } else {
    const { starts, codes } = column;
    for (let i = 0; i < lengths.length; i++) {
      const code = codes[i]! + 1;
      lengths[i]! += starts[code + 1]! - starts[code]!;
    }
  }
}

/** What the content digest is made of: [n · 32] digests of rows, or of rows and their weights where they have some. */
export function weighedDigests(
  { weights }: Pick<Dataset, "weights">,
  rowDigests: Uint8Array,
  hasher?: BlockHasher,
): Uint8Array {
  return weights ? weighDigests(rowDigests, weights, hasher) : rowDigests;
}

/**
 * With row weights the content is made of SHA-256(row digest ‖ weight as a number cell), so that the weights belong to
 * it; the split goes by the row digests alone, or equal rows of different weight could stand on both sides.
 */
function weighDigests(digests: Uint8Array, weights: RowWeights, hasher?: BlockHasher): Uint8Array {
  const template = new Uint8Array(DIGEST_BYTES + NUMBER_CELL_BYTES);
  template[DIGEST_BYTES] = TAG_NUMBER;
  const rows = Uint32Array.from({ length: weights.values.length }, (_, i) => i);
  const from = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  const weighed = new Uint8Array(digests.length);
  const fill = (view: DataView, at: number, row: number) => {
    for (let k = 0; k < DIGEST_BYTES; k += 4) {
      view.setUint32(at + k, from.getUint32(row * DIGEST_BYTES + k));
    }
    view.setFloat64(at + DIGEST_BYTES + 1, weights.values[row]!, true);
  };
  digestMessages(template, rows, fill, weighed, hasher);
  return weighed;
}

/**
 * Content digest: SHA-256 of the header as RFC 8785 JSON, a zero byte, then 256 bucket digests. Bucket i is SHA-256
 * over the row digests whose first byte is i, in ascending order.
 *
 * @param rowDigests [n · 32] row digests, in any order
 * @returns 64 hex digits
 */
export function contentDigest(
  dataset: Dataset,
  rowDigests: Uint8Array,
  hash: Sha256 = sha256,
  hasher?: BlockHasher,
): string {
  const { weights } = dataset;
  const digests = weighedDigests(dataset, rowDigests, hasher);
  const header = canonicalJson({
    classes: sortLabels(dataset.classes),
    columns: inputsOf(dataset).map(({ column }) => column.name),
    label: dataset.label,
    ...(weights && { weight: weights.name }),
  });
  const head = new TextEncoder().encode(header);
  const message = new Uint8Array(head.length + 1 + 256 * DIGEST_BYTES);
  message.set(head);
  const order = sortDigests(digests);
  let from = 0;
  for (let bucket = 0; bucket < 256; bucket++) {
    let to = from;
    while (to < order.length && digests[order[to]! * DIGEST_BYTES] === bucket) to++;
    const bucketDigests = takeDigests(digests, order.subarray(from, to));
    message.set(hash(bucketDigests), head.length + 1 + bucket * DIGEST_BYTES);
    from = to;
  }
  return toHex(hash(message));
}

/** SHA-256 over the digests of some rows in ascending order, 64 hex digits: which rows they are, in any order. */
export function digestOfRows(digests: Uint8Array, rows: Uint32Array, hasher?: BlockHasher): string {
  const chosen = takeDigests(digests, rows);
  const message = takeDigests(chosen, sortDigests(chosen));
  const digest = new Uint8Array(DIGEST_BYTES);
  digestMessages(message, Uint32Array.of(0), () => {}, digest, hasher);
  return toHex(digest);
}

/** The digests of some rows, one after the other. */
function takeDigests(digests: Uint8Array, rows: ArrayLike<number>): Uint8Array {
  const from = new Uint32Array(digests.buffer, digests.byteOffset, digests.length / 4);
  const words = new Uint32Array(rows.length * DIGEST_WORDS);
  for (let k = 0; k < rows.length; k++) {
    const [row, place] = [rows[k]! * DIGEST_WORDS, k * DIGEST_WORDS];
    for (let word = 0; word < DIGEST_WORDS; word++) words[place + word] = from[row + word]!;
  }
  return new Uint8Array(words.buffer);
}

/** Row indexes in ascending byte order of their digests; rows of equal digest stand by index. */
export function sortDigests(digests: Uint8Array): Uint32Array {
  const n = digests.length / DIGEST_BYTES;
  const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  const { order, starts } = groupByFirstByte(digests, n);
  for (let bucket = 0; bucket < 256; bucket++) {
    const rows = order.subarray(starts[bucket], starts[bucket + 1]);
    if (rows.length >= GROUP_MAX) {
      rows.sort((a, b) => compareDigests(view, a, b) || a - b);
      continue;
    }
    // The next four bytes and the place in the group make one exact f64, and f64 sort fast.
    const keys = new Float64Array(rows.length);
    for (let place = 0; place < rows.length; place++) {
      keys[place] = view.getUint32(rows[place]! * DIGEST_BYTES + 1) * GROUP_MAX + place;
    }
    keys.sort();
    const unsorted = rows.slice();
    let previous = -1;
    for (let k = 0; k < rows.length; k++) {
      const head = Math.floor(keys[k]! / GROUP_MAX);
      rows[k] = unsorted[keys[k]! - head * GROUP_MAX]!;
      // Rows that agree in five bytes, rare unless they are equal, are put right by all of them.
      if (head === previous) sink(rows, k, view);
      previous = head;
    }
  }
  return order;
}

/** Moves the row at k down to its place among those before it. */
function sink(rows: Uint32Array, k: number, view: DataView): void {
  const row = rows[k]!;
  let place = k;
  while (place > 0 && compareDigests(view, rows[place - 1]!, row) > 0) {
    rows[place] = rows[place - 1]!;
    place--;
  }
  rows[place] = row;
}

function groupByFirstByte(
  digests: Uint8Array,
  n: number,
): { order: Uint32Array; starts: Uint32Array } {
  const starts = new Uint32Array(257);
  for (let i = 0; i < n; i++) starts[digests[i * DIGEST_BYTES]! + 1]!++;
  for (let k = 0; k < 256; k++) starts[k + 1]! += starts[k]!;
  const next = starts.slice();
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[next[digests[i * DIGEST_BYTES]!]!++] = i;
  return { order, starts };
}

/** Byte order of the digests of rows a and b: negative, 0 or positive. */
export function compareDigests(view: DataView, a: number, b: number): number {
  for (let at = 0; at < DIGEST_BYTES; at += 4) {
    const difference =
      view.getUint32(a * DIGEST_BYTES + at) - view.getUint32(b * DIGEST_BYTES + at);
    if (difference !== 0) return difference;
  }
  return 0;
}
