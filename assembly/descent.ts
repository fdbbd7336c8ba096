// The gradient of the logistic loss in one pass over the tiles, and batch gradient descent on it; rows may be weighted.
//
//   X [ceil(n/8), d, 8] f64 tiles     y [ceil(n/8)·8] f64, 0 or 1     w [d + 1] f64, bias last     g [d + 1] f64
//   s [ceil(n/8)·8] f64 row weights ≥ 0, or address 0 if every row weighs 1
//   bounds [d + 1] f64: bounds[j] ≥ max s·max|x_ij|, bounds[d] ≥ max s
//   work [d + 1] records of 48 bytes: M, q f64 · high, low i64 · the accumulators of one or two lanes
import { add, keep, laneCount, mul, odd, splat, splatAt, sub } from "./lane";
import { sigmoid } from "./logistic";
import { exponentOf, flushed, quantumOf, startOf, TERMS_PER_FLUSH, total } from "./sums";
import { TILE_ROWS, tileCount } from "./tiles";

/** Bytes of work per feature, and once more for the bias. */
export const RECORD_BYTES: usize = 48;
const QUANTUM: usize = 8;
const HIGH: usize = 16;
const LOW: usize = 24;
const ACC: usize = 32;
const SECOND_LANE: usize = 40;

/** The weights of a tile whose rows are not weighted. */
const ONES: usize = memory.data<f64>([1, 1, 1, 1, 1, 1, 1, 1]);

function prepare(bounds: usize, d: usize, work: usize): void {
  for (let j: usize = 0; j <= d; j++) {
    const E = exponentOf(load<f64>(bounds + (j << 3)));
    store<f64>(work + j * RECORD_BYTES, startOf(E));
    store<f64>(work + j * RECORD_BYTES, quantumOf(E), QUANTUM);
  }
}

/** Moves every accumulator into its integer total and starts it again at M. */
function flush<V>(work: usize, d: usize): void {
  const end = work + (d + 1) * RECORD_BYTES;
  for (let record = work; record < end; record += RECORD_BYTES) {
    const M = load<f64>(record);
    let k = flushed(load<f64>(record, ACC), M);
    if (laneCount<V>() == 2) k += flushed(load<f64>(record, SECOND_LANE), M);
    store<i64>(record, load<i64>(record, HIGH) + (k >> 32), HIGH);
    store<i64>(record, load<i64>(record, LOW) + (k & 0xffffffff), LOW);
    store<V>(record, splat<V>(M), ACC);
  }
}

/** Adds the terms of four vectors of rows to the accumulators: r = s·(p - y) for the bias, r·x for each feature. */
function addRows<V>(
  x: usize,
  y: usize,
  s: usize,
  w: usize,
  d: usize,
  work: usize,
  rows: i32,
): void {
  const lanes = laneCount<V>();
  const b = splatAt<V>(w + (d << 3));
  let z0 = b;
  let z1 = b;
  let z2 = b;
  let z3 = b;
  let column = x;
  const end = x + ((d * TILE_ROWS) << 3);
  for (let weight = w; column < end; weight += 8) {
    const wj = splatAt<V>(weight);
    z0 = add<V>(z0, mul<V>(wj, load<V>(column)));
    z1 = add<V>(z1, mul<V>(wj, load<V>(column, sizeof<V>())));
    z2 = add<V>(z2, mul<V>(wj, load<V>(column, 2 * sizeof<V>())));
    z3 = add<V>(z3, mul<V>(wj, load<V>(column, 3 * sizeof<V>())));
    column += TILE_ROWS << 3;
  }
  // Inlined: four calls would spill the logits, and the constants of exp are shared this way (measured: 18 %).
  let r0 = sub<V>(inline.always(sigmoid<V>(z0)), load<V>(y));
  let r1 = sub<V>(inline.always(sigmoid<V>(z1)), load<V>(y, sizeof<V>()));
  let r2 = sub<V>(inline.always(sigmoid<V>(z2)), load<V>(y, 2 * sizeof<V>()));
  let r3 = sub<V>(inline.always(sigmoid<V>(z3)), load<V>(y, 3 * sizeof<V>()));
  r0 = mul<V>(r0, load<V>(s));
  r1 = mul<V>(r1, load<V>(s, sizeof<V>()));
  r2 = mul<V>(r2, load<V>(s, 2 * sizeof<V>()));
  r3 = mul<V>(r3, load<V>(s, 3 * sizeof<V>()));
  if (rows < 4 * lanes) {
    r0 = keep<V>(r0, rows);
    r1 = keep<V>(r1, rows - lanes);
    r2 = keep<V>(r2, rows - 2 * lanes);
    r3 = keep<V>(r3, rows - 3 * lanes);
  }
  let record = work;
  for (column = x; column < end; column += TILE_ROWS << 3) {
    let acc = load<V>(record, ACC);
    acc = add<V>(acc, odd<V>(mul<V>(r0, load<V>(column))));
    acc = add<V>(acc, odd<V>(mul<V>(r1, load<V>(column, sizeof<V>()))));
    acc = add<V>(acc, odd<V>(mul<V>(r2, load<V>(column, 2 * sizeof<V>()))));
    acc = add<V>(acc, odd<V>(mul<V>(r3, load<V>(column, 3 * sizeof<V>()))));
    store<V>(record, acc, ACC);
    record += RECORD_BYTES;
  }
  let acc = load<V>(record, ACC);
  acc = add<V>(add<V>(acc, odd<V>(r0)), odd<V>(r1));
  acc = add<V>(add<V>(acc, odd<V>(r2)), odd<V>(r3));
  store<V>(record, acc, ACC);
}

/** The integer sums of s·(p - y)·x_j and of s·(p - y) over all rows, left in the work records. */
function sumRows<V>(X: usize, n: usize, d: usize, y: usize, s: usize, w: usize, work: usize): void {
  for (let j: usize = 0; j <= d; j++) {
    const record = work + j * RECORD_BYTES;
    store<i64>(record, 0, HIGH);
    store<i64>(record, 0, LOW);
    store<V>(record, splat<V>(load<f64>(record)), ACC);
  }
  const lanes = laneCount<V>();
  const step: usize = 4 * lanes; // rows that addRows takes
  const tileBytes = (d * TILE_ROWS) << 3;
  const tilesPerFlush = (TERMS_PER_FLUSH * lanes) / <i32>TILE_ROWS;
  let untilFlush = tilesPerFlush;
  // Without weights every tile reads the same ones. 1·r is r, and costs no more than a branch (3 % less in one lane).
  let weights = s == 0 ? ONES : s;
  const weightBytes: usize = s == 0 ? 0 : TILE_ROWS << 3;
  let rowsLeft = n;
  for (let t = tileCount(n); t > 0; t--) {
    const rows = min(rowsLeft, TILE_ROWS);
    for (let first: usize = 0; first < rows; first += step) {
      // Inlined: seven arguments do not fit into registers (measured: 5 %).
      inline.always(
        addRows<V>(
          X + (first << 3),
          y + (first << 3),
          weights + (first << 3),
          w,
          d,
          work,
          <i32>(rows - first),
        ),
      );
    }
    X += tileBytes;
    y += TILE_ROWS << 3;
    weights += weightBytes;
    rowsLeft -= rows;
    if (--untilFlush == 0) {
      flush<V>(work, d);
      untilFlush = tilesPerFlush;
    }
  }
  flush<V>(work, d);
}

/** Mean gradient of feature j (j = d: of the bias), with the L2 term: g_j/Σs + l2·w_j. */
function meanGradient(work: usize, j: usize, d: usize, weight: f64, w: usize, l2: f64): f64 {
  const record = work + j * RECORD_BYTES;
  const sum = total(load<i64>(record, HIGH), load<i64>(record, LOW), load<f64>(record, QUANTUM));
  const mean = sum / weight;
  return j < d ? mean + l2 * load<f64>(w + (j << 3)) : mean;
}

/**
 * Mean gradient at w.
 *
 *   z_i as in N3     r_i = s_i·(sigmoid(z_i) - y_i)     g_j = Σ r_i·x_ij / Σs + l2·w_j     g_d = Σ r_i / Σs
 *
 * @param s row weights, or 0     @param weight Σs as the host has it; n without weights
 * @param g [d + 1] f64, overwritten     @param l2 ≥ 0
 *
 * Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed., eq. 4.21.
 * Accuracy: each term within 2^-42 of its bound (N4).
 */
export function gradient<V>(
  X: usize,
  n: usize,
  d: usize,
  y: usize,
  s: usize,
  weight: f64,
  w: usize,
  bounds: usize,
  work: usize,
  l2: f64,
  g: usize,
): void {
  prepare(bounds, d, work);
  sumRows<V>(X, n, d, y, s, w, work);
  for (let j: usize = 0; j <= d; j++) {
    store<f64>(g + (j << 3), meanGradient(work, j, d, weight, w, l2));
  }
}

/**
 * Gradient descent steps on w, in place (N7): w ← w - lr·(g/Σs + l2·w), b ← b - lr·(gb/Σs).
 *
 * @param lr > 0     @param steps how many; calling it for a and then for b steps equals one call for a + b
 */
export function descend<V>(
  X: usize,
  n: usize,
  d: usize,
  y: usize,
  s: usize,
  weight: f64,
  w: usize,
  bounds: usize,
  work: usize,
  lr: f64,
  l2: f64,
  steps: u32,
): void {
  prepare(bounds, d, work);
  for (let k: u32 = 0; k < steps; k++) {
    sumRows<V>(X, n, d, y, s, w, work);
    for (let j: usize = 0; j <= d; j++) {
      const place = w + (j << 3);
      store<f64>(place, load<f64>(place) - lr * meanGradient(work, j, d, weight, w, l2));
    }
  }
}
