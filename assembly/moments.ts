// Standardisation (CONTRACT.md, N5): range, mean and population standard deviation of one column.
import { sumOf, TERM_OFFSET, TERM_SPREAD } from "./sums";

/**
 * The smallest and the largest value.
 *
 * @param x [n] f64, finite, n ≥ 1
 * @param out [2] f64: min, max
 */
export function range(x: usize, n: usize, out: usize): void {
  let least = load<f64>(x);
  let most = least;
  for (let i: usize = 1; i < n; i++) {
    const value = load<f64>(x + (i << 3));
    if (value < least) least = value;
    if (value > most) most = value;
  }
  store<f64>(out, least);
  store<f64>(out, most, 8);
}

/**
 * Mean and standard deviation about the midpoint c of the range, so that a column of 1.7e12 ± 1 keeps its digits.
 *
 *   c = min if min = max, else min/2 + max/2     d = Σ(x - c)/n     mean = c + d
 *   std = sqrt(Σ((x - c) - d)²/n), or 1 if that is 0
 *
 * @param x [n] f64, finite, n ≥ 1, |x| ≤ 2^400, range 0 or at least 2^-400
 * @param least, most the range of x
 * @param out [2] f64: mean, std
 *
 * Accuracy: std within 2.1e-16 relative of exact rationals on normal columns (test/assembly/moments.test.ts).
 */
export function moments(x: usize, n: usize, least: f64, most: f64, out: usize): void {
  // Half of an odd subnormal number rounds, so a constant column is its own midpoint.
  const c = least == most ? least : least / 2 + most / 2;
  const d = sumOf(TERM_OFFSET, x, 0, n, c, 0, max(most - c, c - least)) / <f64>n;
  const H = max(most - c - d, d - (least - c));
  const squares = sumOf(TERM_SPREAD, x, 0, n, c, d, H * H);
  store<f64>(out, c + d);
  store<f64>(out, least < most && squares > 0 ? sqrt(squares / <f64>n) : 1, 8);
}
