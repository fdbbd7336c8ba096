// Tails of the distributions that drift is judged by, and the correction for asking of many features at once.
//
// None of this reaches a model, so the engine's own Math may serve. Accuracy: relative 1e-12 against SciPy for the tails
// that are not below 1e-280 (test/monitoring/statistics.test.ts).

/** ln Γ(x) for x > 0: Lanczos' approximation, g = 7, nine terms (Godfrey's coefficients). */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406,
    12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  const sum = terms.reduce((so, term, k) => so + term / (x + k), 0.9999999999998099);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

const ITERATIONS_MAX = 10_000;
const PRECISION = 1e-16;

/**
 * The upper regularised incomplete gamma function Q(a, x), a > 0, x ≥ 0 (DLMF 8.2.4): a series below x = a + 1 (8.7.1),
 * Legendre's continued fraction above (8.9.2), by the modified method of Lentz.
 */
export function gammaTail(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < ITERATIONS_MAX && term > sum * PRECISION; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - scale * sum);
  }
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < ITERATIONS_MAX; n++) {
    const an = -n * (n - a);
    b += 2;
    d = an * d + b;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = b + an / c;
    if (Math.abs(c) < tiny) c = tiny;
    h *= d * c;
    if (Math.abs(d * c - 1) < PRECISION) break;
  }
  return scale * h;
}

/** P(|Z| ≥ |z|) of a standard normal Z: erfc(|z|/√2) = Q(1/2, z²/2). */
export function normalTail(z: number): number {
  return gammaTail(0.5, (z * z) / 2);
}

/** P(X ≥ x) of a chi-squared X. @param df degrees of freedom, at least 1 */
export function chiSquaredTail(x: number, df: number): number {
  return gammaTail(df / 2, x / 2);
}

/** How many rows of two samples have something. */
export interface TwoByTwo {
  readonly trainOnes: number;
  readonly trainRows: number;
  readonly ones: number;
  readonly rows: number;
}

/**
 * Fisher's exact test of two shares: given how many rows have it in all, those of one sample are hypergeometric. Twice
 * the smaller tail, at most 1. Valid for samples of any size and shares however small, where a normal or chi-squared tail
 * is not. Whole numbers; relative error about 1e-16 times the terms added, which are some tens of √rows. May underflow to 0.
 */
export function fisherTail({ trainOnes, trainRows, ones, rows }: TwoByTwo): number {
  const all = trainRows + rows;
  const allOnes = trainOnes + ones;
  const least = Math.max(0, rows - (all - allOnes));
  const most = Math.min(rows, allOnes);
  const mode = Math.floor(((rows + 1) * (allOnes + 1)) / (all + 2));
  const start = Math.max(least, Math.min(most, mode));
  let [lower, upper, total] = [0, 0, 0];
  // Weights are those of the mode times ratios of neighbours: no factorial, and nothing overflows.
  const add = (k: number, weight: number) => {
    total += weight;
    if (k <= ones) lower += weight;
    if (k >= ones) upper += weight;
  };
  const ratio = (k: number) =>
    (((allOnes - k) / (k + 1)) * (rows - k)) / (all - allOnes - rows + k + 1);
  let weight = 1;
  for (let k = start; k <= most && weight > 0; k++) {
    add(k, weight);
    weight *= ratio(k);
  }
  weight = 1;
  for (let k = start - 1; k >= least && weight > 0; k--) {
    weight /= ratio(k);
    add(k, weight);
  }
  return Math.min(1, (2 * Math.min(lower, upper)) / total);
}

/**
 * The two-sided sign test: twice the probability of at most `ones` heads in n tosses of a fair coin, at most 1, where
 * `ones` is the smaller count. Whole numbers; summed from the mode outwards, so that nothing overflows.
 */
export function signTail(ones: number, n: number): number {
  const mode = Math.floor(n / 2);
  let [lower, total] = [0, 0];
  const add = (k: number, weight: number) => {
    total += weight;
    if (k <= ones) lower += weight;
  };
  let weight = 1;
  for (let k = mode; k <= n && weight > 0; k++) {
    add(k, weight);
    weight *= (n - k) / (k + 1);
  }
  weight = 1;
  for (let k = mode - 1; k >= 0 && weight > 0; k--) {
    weight *= (k + 1) / (n - k);
    add(k, weight);
  }
  return Math.min(1, (2 * lower) / total);
}

/**
 * P(K ≥ distance) of the two-sample Kolmogorov-Smirnov distance without a difference: Kolmogorov's limit with Stephens'
 * correction (J. R. Stat. Soc. B 32, 1970).
 *
 * @param n effective rows, 1/(1/n1 + 1/n2)
 */
export function kolmogorovTail(distance: number, n: number): number {
  const root = Math.sqrt(n);
  const x = (root + 0.12 + 0.11 / root) * distance;
  if (x < 0.2) return 1; // the series, which alternates, begins to tell at 0.3: 1 - 1e-5
  let sum = 0;
  for (let k = 1; k <= 100; k++) {
    const term = Math.exp(-2 * k * k * x * x);
    sum += k % 2 === 1 ? term : -term;
    if (term < PRECISION) break;
  }
  return Math.min(1, Math.max(0, 2 * sum));
}

/** Holm's step-down correction: p-values that may each be held against alpha. Nulls are no questions and stay null. */
export function holm(values: readonly (number | null)[]): (number | null)[] {
  const asked = values.flatMap((p, at) => (p === null ? [] : [{ p, at }]));
  asked.sort((a, b) => a.p - b.p);
  const corrected: (number | null)[] = values.map(() => null);
  let most = 0;
  asked.forEach(({ p, at }, k) => {
    most = Math.max(most, Math.min(1, p * (asked.length - k)));
    corrected[at] = most;
  });
  return corrected;
}
