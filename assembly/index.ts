// The ABI: what a host may call. Each export checks its pointers and hands over; README.md beside it is the reference.
import * as check from "./check";
import * as descent from "./descent";
import { exp as expOf } from "./exp";
import { log as logOf } from "./log";
import { LOSS_BOUND, sigmoid as sigmoidOf } from "./logistic";
import * as column from "./moments";
import { messageLanes, SCHEDULE_BYTES, sha256 as sha256Of } from "./sha256";
import { isBound, sumOf, TERM_LOSS, TERM_RIGHT, TERM_SQUARE, TERM_VALUE } from "./sums";
import * as tiles from "./tiles";

/** Number of this interface. It changes when an export changes its meaning. */
export function abi(): i32 {
  return 1;
}

/** First address that is free for the host, 16-byte aligned. A function, since an exported global is not MVP here. */
export function heapBase(): usize {
  return (__heap_base + 15) & ~15;
}

export function exp(x: usize, n: u32, out: usize): i32 {
  const status = check.checkArray(x, n) || check.checkArray(out, n);
  if (status) return status;
  for (let i: usize = 0; i < n; i++) {
    store<f64>(out + (i << 3), expOf<f64>(load<f64>(x + (i << 3))));
  }
  return check.OK;
}

export function log(x: usize, n: u32, out: usize): i32 {
  const status = check.checkArray(x, n) || check.checkArray(out, n);
  if (status) return status;
  for (let i: usize = 0; i < n; i++) store<f64>(out + (i << 3), logOf(load<f64>(x + (i << 3))));
  return check.OK;
}

export function sigmoid(z: usize, n: u32, p: usize): i32 {
  const count = check.padded(n);
  const status = check.checkArray(z, count) || check.checkArray(p, count);
  if (status) return status;
  const bytes = (<usize>count) << 3;
  if (ASC_FEATURE_SIMD) {
    for (let at: usize = 0; at < bytes; at += 16) {
      store<v128>(p + at, sigmoidOf<v128>(load<v128>(z + at)));
    }
  } else {
    for (let at: usize = 0; at < bytes; at += 8) {
      store<f64>(p + at, sigmoidOf<f64>(load<f64>(z + at)));
    }
  }
  return check.OK;
}

export function range(x: usize, n: u32, out: usize): i32 {
  const status = check.checkArray(x, n) || check.checkArray(out, 2);
  if (status) return status;
  if (n == 0) return check.OUT_OF_RANGE;
  column.range(x, n, out);
  return check.OK;
}

export function moments(x: usize, n: u32, least: f64, most: f64, out: usize): i32 {
  return momentsOfPresent(x, n, n, least, most, out);
}

export function momentsOfPresent(
  x: usize,
  n: u32,
  rows: u32,
  least: f64,
  most: f64,
  out: usize,
): i32 {
  const status = check.checkArray(x, n) || check.checkArray(out, 2);
  if (status) return status;
  const width = most - least;
  if (n == 0 || rows < n || !isBound(width) || !isBound(width * width)) return check.OUT_OF_RANGE;
  column.moments(x, n, rows, least, most, out);
  return check.OK;
}

export function momentsOfIndicator(ones: u32, n: u32, out: usize): i32 {
  const status = check.checkArray(out, 2);
  if (status) return status;
  if (n > check.COUNT_MAX) return check.TOO_LARGE;
  if (n == 0 || ones > n) return check.OUT_OF_RANGE;
  column.momentsOfIndicator(ones, n, out);
  return check.OK;
}

export function pack(x: usize, n: u32, mean: f64, std: f64, X: usize, d: u32, j: u32): i32 {
  const count = check.product(check.padded(n), d);
  const status = check.checkArray(x, n) || check.checkArray(X, count);
  if (status) return status;
  if (j >= d) return check.OUT_OF_RANGE;
  if (ASC_FEATURE_SIMD) tiles.pack<v128>(x, n, mean, std, X, d, j);
  else tiles.pack<f64>(x, n, mean, std, X, d, j);
  return check.OK;
}

export function packIndicator(
  codes: usize,
  n: u32,
  code: i32,
  mean: f64,
  std: f64,
  X: usize,
  d: u32,
  j: u32,
): i32 {
  const padded = check.padded(n);
  const status =
    check.checkArray(X, check.product(padded, d)) || check.checkArray(codes, padded >> 1);
  if (status) return status;
  if (j >= d) return check.OUT_OF_RANGE;
  tiles.packIndicator(codes, n, code, mean, std, X, d, j);
  return check.OK;
}

export function logits(X: usize, n: u32, d: u32, w: usize, z: usize): i32 {
  const status =
    check.checkArray(X, check.product(check.padded(n), d)) ||
    check.checkArray(w, <u64>d + 1) ||
    check.checkArray(z, check.padded(n));
  if (status) return status;
  if (ASC_FEATURE_SIMD) tiles.logits<v128>(X, n, d, w, z);
  else tiles.logits<f64>(X, n, d, w, z);
  return check.OK;
}

export function contributions(X: usize, n: u32, d: u32, w: usize, c: usize): i32 {
  const status =
    check.checkArray(X, check.product(check.padded(n), d)) ||
    check.checkArray(w, <u64>d + 1) ||
    check.checkArray(c, check.product(n, d));
  if (status) return status;
  tiles.contributions(X, n, d, w, c);
  return check.OK;
}

export function sum(v: usize, n: u32, bound: f64, out: usize): i32 {
  const status = check.checkArray(v, n) || check.checkArray(out, 1);
  if (status) return status;
  if (!isBound(bound)) return check.OUT_OF_RANGE;
  store<f64>(out, sumOf(TERM_VALUE, v, 0, 0, n, 0, 0, bound));
  return check.OK;
}

export function score(p: usize, y: usize, n: u32, threshold: f64, out: usize): i32 {
  const status = check.checkArray(p, n) || check.checkArray(y, n) || check.checkArray(out, 3);
  if (status) return status;
  storeScore(p, y, 0, n, threshold, 1, out);
  return check.OK;
}

export function weightedScore(
  p: usize,
  y: usize,
  s: usize,
  n: u32,
  threshold: f64,
  most: f64,
  out: usize,
): i32 {
  const status =
    check.checkArray(p, n) ||
    check.checkArray(y, n) ||
    check.checkArray(s, n) ||
    check.checkArray(out, 3);
  if (status) return status;
  if (!isBound(most) || !isBound(LOSS_BOUND * most)) return check.OUT_OF_RANGE;
  storeScore(p, y, s, n, threshold, most, out);
  return check.OK;
}

function storeScore(
  p: usize,
  y: usize,
  s: usize,
  n: u32,
  threshold: f64,
  most: f64,
  out: usize,
): void {
  store<f64>(out, sumOf(TERM_LOSS, p, y, s, n, 0, 0, LOSS_BOUND * most));
  store<f64>(out, sumOf(TERM_SQUARE, p, y, s, n, 0, 0, most), 8);
  store<f64>(out, sumOf(TERM_RIGHT, p, y, s, n, threshold, 0, most), 16);
}

function checkProblem(
  X: usize,
  n: u32,
  d: u32,
  y: usize,
  w: usize,
  bounds: usize,
  work: usize,
): i32 {
  const status =
    check.checkArray(X, check.product(check.padded(n), d)) ||
    check.checkArray(y, check.padded(n)) ||
    check.checkArray(w, <u64>d + 1) ||
    check.checkArray(bounds, <u64>d + 1) ||
    check.checkArray(work, (<u64>d + 1) * (descent.RECORD_BYTES >> 3));
  if (status) return status;
  if (n == 0) return check.OUT_OF_RANGE;
  for (let j: usize = 0; j <= d; j++) {
    if (!isBound(load<f64>(bounds + (j << 3)))) return check.OUT_OF_RANGE;
  }
  return check.OK;
}

/** Whether Σs is a number to divide by: normal and positive. */
function isWeight(total: f64): bool {
  return total >= f64.MIN_NORMAL_VALUE && total <= f64.MAX_VALUE;
}

export function gradient(
  X: usize,
  n: u32,
  d: u32,
  y: usize,
  w: usize,
  bounds: usize,
  work: usize,
  l2: f64,
  g: usize,
): i32 {
  const status = checkProblem(X, n, d, y, w, bounds, work) || check.checkArray(g, <u64>d + 1);
  if (status) return status;
  if (ASC_FEATURE_SIMD) descent.gradient<v128>(X, n, d, y, 0, <f64>n, w, bounds, work, l2, g);
  else descent.gradient<f64>(X, n, d, y, 0, <f64>n, w, bounds, work, l2, g);
  return check.OK;
}

export function weightedGradient(
  X: usize,
  n: u32,
  d: u32,
  y: usize,
  s: usize,
  total: f64,
  w: usize,
  bounds: usize,
  work: usize,
  l2: f64,
  g: usize,
): i32 {
  const status =
    checkProblem(X, n, d, y, w, bounds, work) ||
    check.checkArray(s, check.padded(n)) ||
    check.checkArray(g, <u64>d + 1);
  if (status) return status;
  if (!isWeight(total)) return check.OUT_OF_RANGE;
  if (ASC_FEATURE_SIMD) descent.gradient<v128>(X, n, d, y, s, total, w, bounds, work, l2, g);
  else descent.gradient<f64>(X, n, d, y, s, total, w, bounds, work, l2, g);
  return check.OK;
}

export function descend(
  X: usize,
  n: u32,
  d: u32,
  y: usize,
  w: usize,
  bounds: usize,
  work: usize,
  lr: f64,
  l2: f64,
  steps: u32,
): i32 {
  const status = checkProblem(X, n, d, y, w, bounds, work);
  if (status) return status;
  if (ASC_FEATURE_SIMD)
    descent.descend<v128>(X, n, d, y, 0, <f64>n, w, bounds, work, lr, l2, steps);
  else descent.descend<f64>(X, n, d, y, 0, <f64>n, w, bounds, work, lr, l2, steps);
  return check.OK;
}

export function weightedDescend(
  X: usize,
  n: u32,
  d: u32,
  y: usize,
  s: usize,
  total: f64,
  w: usize,
  bounds: usize,
  work: usize,
  lr: f64,
  l2: f64,
  steps: u32,
): i32 {
  const status = checkProblem(X, n, d, y, w, bounds, work) || check.checkArray(s, check.padded(n));
  if (status) return status;
  if (!isWeight(total)) return check.OUT_OF_RANGE;
  if (ASC_FEATURE_SIMD) descent.descend<v128>(X, n, d, y, s, total, w, bounds, work, lr, l2, steps);
  else descent.descend<f64>(X, n, d, y, s, total, w, bounds, work, lr, l2, steps);
  return check.OK;
}

export function sha256(blocks: usize, count: u32, n: u32, work: usize, digests: usize): i32 {
  const messages = (<u64>n + 3) & ~3;
  const status =
    check.checkArray(blocks, check.product(messages, (<u64>count) << 3)) ||
    check.checkArray(work, SCHEDULE_BYTES >> 3) ||
    check.checkArray(digests, messages << 2);
  if (status) return status;
  if (count == 0) return check.OUT_OF_RANGE;
  if (ASC_FEATURE_SIMD) {
    for (let i: usize = 0; i < n; i += messageLanes<v128>()) {
      sha256Of<v128>(blocks + i * count * 64, count, work, digests + i * 32);
    }
  } else {
    for (let i: usize = 0; i < n; i++) {
      sha256Of<u32>(blocks + i * count * 64, count, work, digests + i * 32);
    }
  }
  return check.OK;
}
