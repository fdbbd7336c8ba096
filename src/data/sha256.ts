// SHA-256 for digests: a portable one, and the shape in which a core's faster one is passed in.
import { sha256 as portableSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** SHA-256 of some bytes, 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const sha256: Sha256 = portableSha256;

export const toHex: (bytes: Uint8Array) => string = bytesToHex;

export const DIGEST_BYTES = 32;
const DIGEST_WORDS = DIGEST_BYTES / 4;
const BLOCK_BYTES = 64;

/** Anything that hashes many padded messages at once, such as a core. */
export interface BlockHasher {
  /** @param blocks [n, blockCount, 64] bytes   @returns [n, 32] bytes */
  sha256Many(blocks: Uint8Array, blockCount: number): Uint8Array;
}

const BATCH_MESSAGES_MAX = 2048;
const BATCH_MESSAGES_MIN = 4; // as many as a core hashes at a time
/** A row of 16,384 columns is a message of 144 KiB: 2,048 of them would take 288 MiB. */
const BATCH_BYTES = 1 << 20;

/**
 * Digests of messages that differ only in some of their bytes.
 *
 * @param template the message; every one starts as it
 * @param rows which row each message is of; its digest goes to that place of `digests`
 * @param fill writes row i's own bytes into the message that begins at `at`
 * @param hasher hashes the padded messages; the portable SHA-256 when absent
 */
export function digestMessages(
  template: Uint8Array,
  rows: Uint32Array,
  fill: (view: DataView, at: number, row: number) => void,
  digests: Uint8Array,
  hasher: BlockHasher | undefined,
): void {
  const { length } = template;
  const blockCount = blocksOf(length);
  const stride = blockCount * BLOCK_BYTES;
  const batch = new Uint8Array(batchMessages(stride, rows.length) * stride);
  const view = new DataView(batch.buffer);
  for (let at = 0; at < batch.length; at += stride) {
    batch.set(template, at);
    pad(batch, view, at, length, stride);
  }
  digestBatches(rows, batch, blockCount, digests, hasher, (at, row) => {
    fill(view, at, row);
    return length;
  });
}

/**
 * Digests of messages of different lengths.
 *
 * @param lengths [n] bytes of each message
 * @param fill writes message i, which begins at `at`
 */
export function digestVariedMessages(
  lengths: Uint32Array,
  fill: (bytes: Uint8Array, view: DataView, at: number, row: number) => void,
  digests: Uint8Array,
  hasher: BlockHasher | undefined,
): void {
  // Messages of equally many blocks are hashed together.
  const groups = new Map<number, number>();
  for (const length of lengths)
    groups.set(blocksOf(length), (groups.get(blocksOf(length)) ?? 0) + 1);
  for (const [blockCount, count] of groups) {
    const rows = new Uint32Array(count);
    let found = 0;
    for (let i = 0; found < count; i++) if (blocksOf(lengths[i]!) === blockCount) rows[found++] = i;
    const stride = blockCount * BLOCK_BYTES;
    const batch = new Uint8Array(batchMessages(stride, count) * stride);
    const view = new DataView(batch.buffer);
    digestBatches(rows, batch, blockCount, digests, hasher, (at, row) => {
      const length = lengths[row]!;
      fill(batch, view, at, row);
      for (let k = at + length; k < at + stride; k++) batch[k] = 0;
      pad(batch, view, at, length, stride);
      return length;
    });
  }
}

function blocksOf(length: number): number {
  return Math.ceil((length + 9) / BLOCK_BYTES);
}

function batchMessages(stride: number, count: number): number {
  const messages = Math.max(
    BATCH_MESSAGES_MIN,
    Math.min(BATCH_MESSAGES_MAX, Math.floor(BATCH_BYTES / stride)),
  );
  return Math.min(messages, count);
}

/** FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits as a big-endian u64. */
function pad(bytes: Uint8Array, view: DataView, at: number, length: number, stride: number): void {
  bytes[at + length] = 0x80;
  view.setUint32(at + stride - 8, Math.floor(length / 2 ** 29));
  view.setUint32(at + stride - 4, length << 3);
}

/** @param write puts the message of a row into the batch, padded, and returns its length */
function digestBatches(
  rows: Uint32Array,
  batch: Uint8Array,
  blockCount: number,
  digests: Uint8Array,
  hasher: BlockHasher | undefined,
  write: (at: number, row: number) => number,
): void {
  const stride = blockCount * BLOCK_BYTES;
  const messages = batch.length / stride;
  const lengths = new Uint32Array(messages);
  const words = new Uint32Array(digests.buffer, digests.byteOffset, digests.length / 4);
  for (let from = 0; from < rows.length; from += messages) {
    const count = Math.min(messages, rows.length - from);
    for (let k = 0; k < count; k++) lengths[k] = write(k * stride, rows[from + k]!);
    const hashed = hasher?.sha256Many(batch.subarray(0, count * stride), blockCount);
    if (hashed) {
      const hashedWords = new Uint32Array(hashed.buffer, hashed.byteOffset, hashed.length / 4);
      for (let k = 0; k < count; k++) {
        const place = rows[from + k]! * DIGEST_WORDS;
        for (let word = 0; word < DIGEST_WORDS; word++) {
          words[place + word] = hashedWords[k * DIGEST_WORDS + word]!;
        }
      }
      continue;
    }
    for (let k = 0; k < count; k++) {
      const message = batch.subarray(k * stride, k * stride + lengths[k]!);
      digests.set(portableSha256(message), rows[from + k]! * DIGEST_BYTES);
    }
  }
}
