// Divides rows into training and validation by their content (CONTRACT.md, N9).
import { compareDigests, sortDigests } from "./digest.ts";
import { type BlockHasher, DIGEST_BYTES, digestMessages } from "./sha256.ts";

const SEED_BYTES = 8;

/** Row indexes, ascending. Together they are every row once. */
export interface Split {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Stratified split by content: a row's key is SHA-256(seed as u64, little endian, then its row digest). Within each
 * class floor(fraction·n + 1/2) rows validate, but never the last training row; groups of equal keys are taken whole,
 * in ascending byte order, if they still fit. Row order does not matter; equal rows never stand on both sides.
 *
 * @param digests [n · 32] row digests     @param y [n] 0 or 1
 * @param options fraction in [0, 1), seed a whole number from 0 to 2^53 - 1
 * @throws RangeError when fraction or seed is out of range
 */
export function splitRows(
  digests: Uint8Array,
  y: Uint8Array,
  options: { fraction: number; seed: number },
  hasher?: BlockHasher,
): Split {
  const { fraction, seed } = options;
  if (!(fraction >= 0 && fraction < 1)) {
    throw new RangeError(
      `Cannot split as the fraction must be in [0, 1): current value is ${fraction}`,
    );
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(
      `Cannot split as the seed must be a whole number from 0: current value is ${seed}`,
    );
  }
  const n = y.length;
  const isValidation = new Uint8Array(n);
  if (fraction > 0) {
    const keys = keysOf(digests, seed, hasher);
    const view = new DataView(keys.buffer);
    const order = sortDigests(keys);
    for (const label of [0, 1]) chooseClass(order, view, y, label, fraction, isValidation);
  }
  const train = new Uint32Array(n);
  const validation = new Uint32Array(n);
  let trainCount = 0;
  let validationCount = 0;
  for (let i = 0; i < n; i++) {
    if (isValidation[i]) validation[validationCount++] = i;
    else train[trainCount++] = i;
  }
  return { train: train.slice(0, trainCount), validation: validation.slice(0, validationCount) };
}

/** More folds than the rows of a class can fill. */
export class FoldError extends RangeError {
  override readonly name: string = "FoldError";
}

/**
 * Stratified folds by content: within each class, groups of equal rows go one after the other, in the order of the split's
 * keys, to the fold that has the fewest rows of the class so far, the first of several. So the parts of a class differ by one
 * row where all rows differ, and every fold has some where there are groups enough.
 *
 * @param rows indexes of the rows to divide     @returns [rows.length] the fold of each, from 0
 * @throws FoldError when a class has fewer different rows than there are folds
 */
export function foldRows(
  digests: Uint8Array,
  y: Uint8Array,
  rows: Uint32Array,
  options: { folds: number; seed: number; classes: readonly [string, string] },
  hasher?: BlockHasher,
): Uint8Array {
  const { folds, seed, classes } = options;
  const keys = keysOf(digests, seed, hasher);
  const view = new DataView(keys.buffer);
  const placeOf = new Map(Array.from(rows, (row, place) => [row, place] as const));
  const order = sortDigests(keys).filter((row) => placeOf.has(row));
  const foldOf = new Uint8Array(rows.length);
  for (const label of [0, 1]) {
    const ofClass = order.filter((row) => y[row] === label);
    const sizes = new Uint32Array(folds);
    let groups = 0;
    let fold = 0;
    ofClass.forEach((row, k) => {
      if (k === 0 || compareDigests(view, ofClass[k - 1]!, row) !== 0) {
        groups++;
        fold = sizes.indexOf(Math.min(...sizes));
      }
      sizes[fold]!++;
      foldOf[placeOf.get(row)!] = fold;
    });
    if (groups < folds) {
      throw new FoldError(
        `Cannot make ${folds} folds as there are ${groups} different training rows of ${JSON.stringify(classes[label])}: equal ones stay together`,
      );
    }
  }
  return foldOf;
}

function keysOf(digests: Uint8Array, seed: number, hasher: BlockHasher | undefined): Uint8Array {
  const keys = new Uint8Array(digests.length);
  const message = new Uint8Array(SEED_BYTES + DIGEST_BYTES);
  new DataView(message.buffer).setBigUint64(0, BigInt(seed), true);
  const from = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  const rows = Uint32Array.from({ length: digests.length / DIGEST_BYTES }, (_, i) => i);
  const fill = (view: DataView, at: number, row: number) => {
    for (let k = 0; k < DIGEST_BYTES; k += 4) {
      view.setUint32(at + SEED_BYTES + k, from.getUint32(row * DIGEST_BYTES + k));
    }
  };
  digestMessages(message, rows, fill, keys, hasher);
  return keys;
}

function chooseClass(
  order: Uint32Array,
  keys: DataView,
  y: Uint8Array,
  label: number,
  fraction: number,
  isValidation: Uint8Array,
): void {
  const rows = order.filter((i) => y[i] === label);
  const wanted = Math.min(Math.floor(fraction * rows.length + 0.5), rows.length - 1);
  let taken = 0;
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && compareDigests(keys, rows[from]!, rows[to]!) === 0) to++;
    if (taken + (to - from) <= wanted) {
      for (let k = from; k < to; k++) isValidation[rows[k]!] = 1;
      taken += to - from;
    }
    from = to;
  }
}
