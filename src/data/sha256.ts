// SHA-256 for digests: a portable one, and the shape in which a core's faster one is passed in.
import { sha256 as portableSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** SHA-256 of some bytes, 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const sha256: Sha256 = portableSha256;

export const toHex: (bytes: Uint8Array) => string = bytesToHex;

export const DIGEST_BYTES = 32;
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
  const blockCount = Math.ceil((length + 9) / BLOCK_BYTES);
  const stride = blockCount * BLOCK_BYTES;
  const messages = Math.max(
    BATCH_MESSAGES_MIN,
    Math.min(BATCH_MESSAGES_MAX, Math.floor(BATCH_BYTES / stride)),
  );
  const batch = new Uint8Array(Math.min(messages, rows.length) * stride);
  const view = new DataView(batch.buffer);
  // FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits as a big-endian u64.
  for (let at = 0; at < batch.length; at += stride) {
    batch.set(template, at);
    batch[at + length] = 0x80;
    view.setBigUint64(at + stride - 8, BigInt(length) * 8n);
  }
  for (let from = 0; from < rows.length; from += messages) {
    const count = Math.min(messages, rows.length - from);
    for (let k = 0; k < count; k++) fill(view, k * stride, rows[from + k]!);
    const hashed = hasher?.sha256Many(batch.subarray(0, count * stride), blockCount);
    for (let k = 0; k < count; k++) {
      const digest = hashed
        ? hashed.subarray(k * DIGEST_BYTES, (k + 1) * DIGEST_BYTES)
        : portableSha256(batch.subarray(k * stride, k * stride + length));
      digests.set(digest, rows[from + k]! * DIGEST_BYTES);
    }
  }
}
