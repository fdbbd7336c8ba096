// Digests of rows and of a whole content (CONTRACT.md, N10), the same for any row order.
import { canonicalJson } from "./canonical-json.ts";
import type { Dataset } from "./dataset.ts";
import { sortLabels } from "./dataset.ts";
import { type Sha256, sha256, toHex } from "./sha256.ts";

export const DIGEST_BYTES = 32;

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
export function digestRows(dataset: Dataset, hash: Sha256 = sha256): Uint8Array {
  const { columns, y, rowCount } = dataset;
  const labelAt = columns.length * NUMBER_CELL_BYTES;
  const messages = dataset.classes.map((label) => {
    const cell = textCell(label);
    const message = new Uint8Array(labelAt + cell.length);
    for (let j = 0; j < columns.length; j++) message[j * NUMBER_CELL_BYTES] = TAG_NUMBER;
    message.set(cell, labelAt);
    return { bytes: message, view: new DataView(message.buffer) };
  });
  const digests = new Uint8Array(rowCount * DIGEST_BYTES);
  for (let i = 0; i < rowCount; i++) {
    const message = messages[y[i]!]!;
    for (let j = 0; j < columns.length; j++) {
      message.view.setFloat64(j * NUMBER_CELL_BYTES + 1, columns[j]![i]!, true);
    }
    digests.set(hash(message.bytes), i * DIGEST_BYTES);
  }
  return digests;
}

/**
 * Content digest: SHA-256 of the header as RFC 8785 JSON, a zero byte, then 256 bucket digests. Bucket i is SHA-256
 * over the row digests whose first byte is i, in ascending order.
 *
 * @param digests [n · 32] row digests, in any order
 * @returns 64 hex digits
 */
export function contentDigest(
  dataset: Dataset,
  digests: Uint8Array,
  hash: Sha256 = sha256,
): string {
  const header = canonicalJson({
    classes: sortLabels(dataset.classes),
    columns: dataset.features,
    label: dataset.label,
  });
  const head = new TextEncoder().encode(header);
  const message = new Uint8Array(head.length + 1 + 256 * DIGEST_BYTES);
  message.set(head);
  const order = sortDigests(digests);
  let from = 0;
  for (let bucket = 0; bucket < 256; bucket++) {
    let to = from;
    while (to < order.length && digests[order[to]! * DIGEST_BYTES] === bucket) to++;
    const rows = new Uint8Array((to - from) * DIGEST_BYTES);
    for (let k = from; k < to; k++) {
      const at = order[k]! * DIGEST_BYTES;
      rows.set(digests.subarray(at, at + DIGEST_BYTES), (k - from) * DIGEST_BYTES);
    }
    message.set(hash(rows), head.length + 1 + bucket * DIGEST_BYTES);
    from = to;
  }
  return toHex(hash(message));
}

/** Row indexes in ascending byte order of their digests; rows of equal digest stand by index. */
export function sortDigests(digests: Uint8Array): Uint32Array {
  const n = digests.length / DIGEST_BYTES;
  const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  // A radix pass on the first two bytes, then each small group by comparison: much faster than one comparison sort.
  const starts = new Uint32Array(65537);
  for (let i = 0; i < n; i++) starts[view.getUint16(i * DIGEST_BYTES) + 1]!++;
  for (let k = 0; k < 65536; k++) starts[k + 1]! += starts[k]!;
  const order = new Uint32Array(n);
  const next = starts.slice();
  for (let i = 0; i < n; i++) order[next[view.getUint16(i * DIGEST_BYTES)]!++] = i;
  for (let k = 0; k < 65536; k++) {
    const from = starts[k]!;
    const to = starts[k + 1]!;
    if (to - from > 1) order.subarray(from, to).sort((a, b) => compareDigests(view, a, b) || a - b);
  }
  return order;
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
