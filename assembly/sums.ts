// Sums whose bits do not depend on the order of their terms (CONTRACT.md, N4).
//
//   E = ceil(log2 B)   quantum q = 2^(E + 8 - 50)   start M = 1.5 · 2^52 · q   for terms |v| ≤ B
//
// Design:
// - An accumulator starts at M and stays within M's binade for 2^8 terms, so its last bit is worth q and each addition
//   by itself rounds the term to a multiple of q. `v | 1` rules out ties, the only case in which rounding would look
//   at the accumulator.
// - (acc - M)/q is then the difference of the two bit patterns, an exact integer.
// - Integers are added in two limbs, low 32 bits and the rest, which is exact in any order.
import { odd } from "./lane";
import { lossTerm, rightTerm, squareTerm } from "./logistic";

/** Terms that one accumulator takes before it is flushed. */
export const TERMS_PER_FLUSH: i32 = 256;

/** The smallest and largest E for which q of a second fold and M are normal numbers. */
const EXPONENT_MIN: i64 = -900;
const EXPONENT_MAX: i64 = 1000;

const QUANTUM_BITS: i64 = 42; // 50 - 8: q = 2^(E - 42)

/** ceil(log2 B), from the exponent bits; 0 for B = 0, whose terms are all zero and add nothing to any accumulator. */
export function exponentOf(B: f64): i64 {
  if (B == 0) return 0;
  const bits = reinterpret<u64>(B);
  const floor = <i64>((bits >> 52) & 0x7ff) - 1023;
  return (bits & 0xfffffffffffff) == 0 ? floor : floor + 1;
}

/** Whether a sum with this bound stays within normal numbers. */
export function isBound(B: f64): bool {
  if (B == 0) return true;
  const E = exponentOf(B);
  return B > 0 && E >= EXPONENT_MIN && E <= EXPONENT_MAX;
}

function powerOfTwo(e: i64): f64 {
  return reinterpret<f64>((e + 1023) << 52);
}

/** q for E. */
export function quantumOf(E: i64): f64 {
  return powerOfTwo(E - QUANTUM_BITS);
}

/** M = 1.5 · 2^52 · q for E. */
export function startOf(E: i64): f64 {
  return 1.5 * powerOfTwo(E - QUANTUM_BITS + 52);
}

/** The integer (acc - M)/q. */
export function flushed(acc: f64, M: f64): i64 {
  return reinterpret<i64>(acc) - reinterpret<i64>(M);
}

/** (high · 2^32 + low) · q, rounded once. */
export function total(high: i64, low: i64, q: f64): f64 {
  const carried = high + (low >> 32);
  return (<f64>carried * 4294967296.0 + <f64>(low & 0xffffffff)) * q;
}

/** What `sumOf` adds up over i. */
export const TERM_VALUE: i32 = 0; // a[i]
export const TERM_OFFSET: i32 = 1; // a[i] - c
export const TERM_SPREAD: i32 = 2; // ((a[i] - c) - d)²
export const TERM_LOSS: i32 = 3; // cross-entropy of p = a[i], y[i]
export const TERM_SQUARE: i32 = 4; // (a[i] - y[i])²
export const TERM_RIGHT: i32 = 5; // 1 where a[i] ≥ c says y[i], else 0

function term(kind: i32, a: f64, y: f64, c: f64, d: f64): f64 {
  if (kind == TERM_LOSS) return lossTerm(a, y);
  if (kind == TERM_SQUARE) return squareTerm(a, y);
  if (kind == TERM_RIGHT) return rightTerm(a, y, c);
  if (kind == TERM_VALUE) return a;
  const u = a - c;
  if (kind == TERM_OFFSET) return u;
  const v = u - d;
  return v * v;
}

/** A term's share of a fold that starts at M: the whole number nearest to (v|1)/q. */
function shareOf(v: f64, M: f64): i64 {
  return flushed(M + odd<f64>(v), M);
}

/** na times the share a and nb times the share b, times q, rounded once. */
function totalOfTwo(a: i64, na: i64, b: i64, nb: i64, q: f64): f64 {
  return total((a >> 32) * na + (b >> 32) * nb, (a & 0xffffffff) * na + (b & 0xffffffff) * nb, q);
}

/**
 * The same as `sumOf` for na terms a and nb terms b, without going through them: shares are integers, so na equal terms
 * are na times the share.
 *
 * @param na, nb below 2^30, so that products with 32 bits of a share stay integers of 63
 * @param B |a|, |b| ≤ B, isBound(B)
 */
export function sumOfTwo(a: f64, na: i64, b: f64, nb: i64, B: f64): f64 {
  const E = exponentOf(B);
  const M1 = startOf(E);
  const M2 = startOf(E - QUANTUM_BITS);
  const first = totalOfTwo(shareOf(a, M1), na, shareOf(b, M1), nb, quantumOf(E));
  const ra = a - (M1 + odd<f64>(a) - M1);
  const rb = b - (M1 + odd<f64>(b) - M1);
  const q2 = quantumOf(E - QUANTUM_BITS);
  return first + totalOfTwo(shareOf(ra, M2), na, shareOf(rb, M2), nb, q2);
}

/**
 * Sum of n terms in two folds: the remainder that the first fold rounds away, r = v - ((M + (v|1)) - M), is exact and
 * is added in the same way with bound q. Error at most 2^-84 B a term, and the rounding of the results.
 *
 * @param kind what a term is, one of TERM_…
 * @param a [n] f64, finite
 * @param y [n] f64, read by TERM_LOSS, TERM_SQUARE and TERM_RIGHT only
 * @param s [n] f64, what each term is multiplied by, or 0
 * @param c, d the constants of TERM_OFFSET, TERM_SPREAD and TERM_RIGHT
 * @param B every |term| ≤ B, isBound(B)
 *
 * Source: Ahrens, Demmel, Nguyen, ACM TOMS 46(3), 2020, with a bound known beforehand and an integer carry.
 */
export function sumOf(
  kind: i32,
  a: usize,
  y: usize,
  s: usize,
  n: usize,
  c: f64,
  d: f64,
  B: f64,
): f64 {
  const E = exponentOf(B);
  const M1 = startOf(E);
  const M2 = startOf(E - QUANTUM_BITS);
  const reads = kind >= TERM_LOSS;
  let high1: i64 = 0;
  let low1: i64 = 0;
  let high2: i64 = 0;
  let low2: i64 = 0;
  let i: usize = 0;
  while (i < n) {
    const end = min(i + TERMS_PER_FLUSH, n);
    let acc1 = M1;
    let acc2 = M2;
    for (; i < end; i++) {
      let v = term(kind, load<f64>(a + (i << 3)), reads ? load<f64>(y + (i << 3)) : 0, c, d);
      if (s != 0) v *= load<f64>(s + (i << 3));
      const t = odd<f64>(v);
      acc1 += t;
      acc2 += odd<f64>(v - (M1 + t - M1));
    }
    const k1 = flushed(acc1, M1);
    const k2 = flushed(acc2, M2);
    high1 += k1 >> 32;
    low1 += k1 & 0xffffffff;
    high2 += k2 >> 32;
    low2 += k2 & 0xffffffff;
  }
  return total(high1, low1, quantumOf(E)) + total(high2, low2, quantumOf(E - QUANTUM_BITS));
}
