// What does the core compute? The whole algorithm (CONTRACT.md, N1-N8) and SHA-256, readable, to the last bit.
//
//   columns [d] of [n] f64, standardised     y [n] f64, 0 or 1     w [d + 1] f64, bias last
//   bounds [d + 1] f64: bounds[j] ≥ max|x_ij|, bounds[d] = 1, times max s if rows are weighted
//   s [n] f64 row weights ≥ 0     z logit     p probability     g gradient

/** What there is to learn from: the columns, the labels, and the bounds of N4. */
export interface Problem {
  columns: Float64Array[];
  y: Float64Array;
  bounds: Float64Array;
}

/** The same with row weights s, and their sum as the host has it. */
export interface WeightedProblem extends Problem {
  s: Float64Array;
  total: number;
}

/** The kernels without addresses. The reference and every build of the core have this one face. */
export interface Core {
  exp(x: Float64Array): Float64Array;
  log(x: Float64Array): Float64Array;
  sigmoid(z: Float64Array): Float64Array;
  range(x: Float64Array): Float64Array; // min, max
  moments(x: Float64Array, least: number, most: number): Float64Array; // mean, std
  /** The same of a column of `rows` values, of which x are those that are there. */
  momentsOfPresent(x: Float64Array, rows: number, least: number, most: number): Float64Array;
  momentsOfIndicator(ones: number, n: number): Float64Array; // of n values, so many of them 1, the others 0
  standardise(x: Float64Array, mean: number, std: number): Float64Array;
  /** Of ones where a code is `code`, and zeros elsewhere. */
  standardiseIndicator(codes: Int32Array, code: number, mean: number, std: number): Float64Array;
  logits(columns: Float64Array[], n: number, w: Float64Array): Float64Array;
  contributions(columns: Float64Array[], n: number, w: Float64Array): Float64Array; // [n, d]
  sum(v: Float64Array, bound: number): number;
  /** Σ loss, Σ (p - y)², and how many are correct. */
  score(p: Float64Array, y: Float64Array, threshold: number): Float64Array;
  /** Σ s·loss, Σ s·(p - y)², and Σ s of the correct ones; most is max s. */
  weightedScore(
    p: Float64Array,
    y: Float64Array,
    s: Float64Array,
    threshold: number,
    most: number,
  ): Float64Array;
  gradient(problem: Problem, w: Float64Array, l2: number): Float64Array;
  weightedGradient(problem: WeightedProblem, w: Float64Array, l2: number): Float64Array;
  descend(problem: Problem, w: Float64Array, lr: number, l2: number, steps: number): Float64Array;
  weightedDescend(
    problem: WeightedProblem,
    w: Float64Array,
    lr: number,
    l2: number,
    steps: number,
  ): Float64Array;
  /** [n, count, 64] bytes of padded messages to [n, 32] bytes of digests. */
  sha256(blocks: Uint8Array, count: number): Uint8Array;
}

const view = new DataView(new ArrayBuffer(8));

function powerOfTwo(e: number): number {
  view.setUint32(0, (e + 1023) << 20);
  view.setUint32(4, 0);
  return view.getFloat64(0);
}

// N2: exp by table, log by polynomial. The table: 2^(i/128) as head + head·tail, from 240 bits.

const ONE = 1n << 240n;

function squareRoot(value: bigint): bigint {
  let root = value;
  for (let next = ONE << 1n; next < root; next = (root + value / root) >> 1n) root = next;
  return root;
}

function expTable(): { head: number; tail: number }[] {
  let root = ONE << 1n;
  for (let i = 0; i < 7; i++) root = squareRoot(root << 240n);
  const table = [];
  for (let i = 0, power = ONE; i < 128; i++, power = (power * root) >> 240n) {
    const head = Number(power) / Number(ONE);
    const H = BigInt(head * 2 ** 52) << 188n;
    table.push({ head, tail: Number(((power - H) << 160n) / H) / 2 ** 160 });
  }
  return table;
}

const TABLE = expTable();

function exp(x: number): number {
  // k = round(x · 128/ln2), then r = x - k · ln2/128, with ln2/128 in two parts
  const k = x * 184.6649652337873 + 6755399441055744 - 6755399441055744;
  const r = x + k * -0.005415212348111709 + k * -1.2864023111638346e-14;
  const { head, tail } = TABLE[k & 127]!;
  const scale = head * powerOfTwo((k - (k & 127)) / 128);
  const low = r * r * (0.49999999999996786 + r * 0.16666666666665886);
  const high = r * r * (r * r) * (0.0416666808410674 + r * 0.008333335853059549);
  return scale + scale * (tail + r + low + high);
}

const SQRT_HALF = 0.7071065902709961; // upper 32 bits of sqrt(1/2), 3fe6a09e00000000

function log(x: number): number {
  let k = 0; // x = 2^k · m with m about sqrt(1/2) … sqrt(2)
  let m = x;
  for (; m < SQRT_HALF; k--) m *= 2;
  for (; m >= 2 * SQRT_HALF; k++) m /= 2;
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const half = 0.5 * f * f;
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  const inner = 0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586);
  const rest = z * (0.6666666666666735 + w * inner) + even;
  return s * (half + rest) + k * 1.9082149292705877e-10 - half + f + k * 0.6931471803691238;
}

function sigmoid(z: number): number {
  return 1 / (1 + exp(-Math.max(Math.min(z, 35), -35))); // N6
}

function lossTerm(p: number, y: number): number {
  const q = Math.max(Math.min(p, 1 - 1e-12), 1e-12); // N6
  return -log(y === 1 ? q : 1 - q);
}

// N4: sums whose bits do not depend on the order of the terms.

/** The numbers of N4. Others exist only as controls, which must turn out to depend on the order. */
export interface SumRules {
  isOdd: boolean; // whether a term's last bit is set
  termsPerFlush: number;
  quantumExponent: number; // q = 2^(E + 8 + quantumExponent)
}

export const N4: SumRules = { isOdd: true, termsPerFlush: 256, quantumExponent: -50 };

/** E = ceil(log2 B); 0 for B = 0. */
export function exponentOf(B: number): number {
  if (B === 0) return 0;
  let E = 0;
  while (powerOfTwo(E) < B) E++;
  while (powerOfTwo(E - 1) >= B) E--;
  return E;
}

function odd(v: number): number {
  view.setFloat64(0, v);
  view.setUint8(7, view.getUint8(7) | 1);
  return view.getFloat64(0);
}

/** One fold: the integer Σ round(v/q), made in an accumulator that starts at M. */
export class Fold {
  readonly exponent: number;
  readonly q: number;
  private readonly M: number;
  private readonly rules: SumRules;
  private acc: number;
  private terms = 0;
  private flushed = 0n;

  constructor(E: number, rules: SumRules = N4) {
    this.rules = rules;
    this.exponent = E + 8 + rules.quantumExponent; // of q
    this.q = powerOfTwo(this.exponent);
    this.M = 1.5 * 2 ** 52 * this.q;
    this.acc = this.M;
  }

  /** Adds v and returns what of it is lost, exactly. */
  add(v: number): number {
    const t = this.rules.isOdd ? odd(v) : v;
    this.acc += t;
    if (++this.terms === this.rules.termsPerFlush) this.integer();
    return v - (this.M + t - this.M);
  }

  /** The total so far. Totals of parts of the rows add up, as integers, to the total of all. */
  integer(): bigint {
    this.flushed += BigInt((this.acc - this.M) / this.q);
    this.acc = this.M;
    this.terms = 0;
    return this.flushed;
  }

  value(): number {
    return Number(this.integer()) * this.q; // Number rounds once, to even
  }
}

/** Two folds: what the first one loses goes into a second one, whose bound is q. */
export function foldTwice(terms: Float64Array, B: number, rules: SumRules = N4): [Fold, Fold] {
  const first = new Fold(exponentOf(B), rules);
  const second = new Fold(first.exponent, rules);
  for (const v of terms) second.add(first.add(v));
  return [first, second];
}

function sum(terms: Float64Array, B: number): number {
  const [first, second] = foldTwice(terms, B);
  return first.value() + second.value();
}

// N5: standardisation.

function range(x: Float64Array): Float64Array {
  let least = x[0]!;
  let most = x[0]!;
  for (const value of x) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return Float64Array.of(least, most);
}

/** x are the values that are there; the others, rows - n, stand at the mean and add nothing. */
function momentsOfPresent(
  x: Float64Array,
  rows: number,
  least: number,
  most: number,
): Float64Array {
  const c = least === most ? least : least / 2 + most / 2;
  const u = x.map((value) => value - c);
  const d = sum(u, Math.max(most - c, c - least)) / x.length;
  const H = Math.max(most - c - d, d - (least - c));
  const squares = sum(
    u.map((value) => (value - d) * (value - d)),
    H * H,
  );
  return Float64Array.of(c + d, least < most && squares > 0 ? Math.sqrt(squares / rows) : 1);
}

// N3 and N7: logits, gradient, descent.

function logits(columns: Float64Array[], n: number, w: Float64Array): Float64Array {
  const z = new Float64Array(n).fill(w[columns.length]!);
  columns.forEach((x, j) => {
    for (let i = 0; i < n; i++) z[i] = z[i]! + w[j]! * x[i]!;
  });
  return z;
}

function contributions(columns: Float64Array[], n: number, w: Float64Array): Float64Array {
  const d = columns.length;
  return new Float64Array(n * d).map(
    (_, at) => w[at % d]! * columns[at % d]![(at - (at % d)) / d]!,
  );
}

function weightedScore(
  p: Float64Array,
  y: Float64Array,
  s: Float64Array,
  threshold: number,
  most: number,
): Float64Array {
  const losses = p.map((value, i) => s[i]! * lossTerm(value, y[i]!));
  const squares = p.map((value, i) => s[i]! * ((value - y[i]!) * (value - y[i]!)));
  const correct = p.map((value, i) => ((value >= threshold ? 1 : 0) === y[i] ? s[i]! : 0));
  return Float64Array.of(sum(losses, 27.7 * most), sum(squares, most), sum(correct, most));
}

/** Without weights every row weighs 1, which changes no bit of a product. */
function ones(n: number): Float64Array {
  return new Float64Array(n).fill(1);
}

function unweighted(problem: Problem): WeightedProblem {
  return { ...problem, s: ones(problem.y.length), total: problem.y.length };
}

function gradient(problem: WeightedProblem, w: Float64Array, l2: number): Float64Array {
  const { columns, y, s, total, bounds } = problem;
  const n = y.length;
  const residuals = logits(columns, n, w).map((z, i) => s[i]! * (sigmoid(z) - y[i]!));
  return w.map((weight, j) => {
    const fold = new Fold(exponentOf(bounds[j]!));
    const x = columns[j]; // none for the bias
    for (let i = 0; i < n; i++) fold.add(x ? residuals[i]! * x[i]! : residuals[i]!);
    const mean = fold.value() / total;
    return x ? mean + l2 * weight : mean;
  });
}

function descend(
  problem: WeightedProblem,
  start: Float64Array,
  lr: number,
  l2: number,
  steps: number,
): Float64Array {
  let w = start.slice();
  for (let k = 0; k < steps; k++) {
    const g = gradient(problem, w, l2);
    w = w.map((weight, j) => weight - lr * g[j]!);
  }
  return w;
}

// FIPS 180-4: SHA-256 of messages that are padded already. Additions are modulo 2^32.

const PRIMES: number[] = [];
for (let i = 2; PRIMES.length < 64; i++) if (PRIMES.every((p) => i % p !== 0)) PRIMES.push(i);

const fractionBits = (root: number) => Math.floor((root % 1) * 2 ** 32); // the first 32
const H = PRIMES.slice(0, 8).map((p) => fractionBits(Math.sqrt(p)));
const K = PRIMES.map((p) => fractionBits(Math.cbrt(p)));

type Eight = [number, number, number, number, number, number, number, number];

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

function compress(hash: readonly number[], block: DataView): number[] {
  const W = Array.from({ length: 16 }, (_, t) => block.getUint32(4 * t));
  let state = hash;
  for (let t = 0; t < 64; t++) {
    if (t >= 16) {
      const [x, y] = [W[t - 15]!, W[t - 2]!];
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      W.push((s1 + W[t - 7]! + s0 + W[t - 16]!) | 0);
    }
    const [a, b, c, d, e, f, g, h] = state as Eight;
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + K[t]! + W[t]!;
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    state = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
  }
  return hash.map((word, i) => (word + state[i]!) | 0);
}

function sha256(blocks: Uint8Array, count: number): Uint8Array {
  const digests = new DataView(new ArrayBuffer(blocks.length / (2 * count)));
  for (let at = 0, i = 0; at < blocks.length; i++) {
    let hash = H;
    for (let block = 0; block < count; block++, at += 64) {
      hash = compress(hash, new DataView(blocks.buffer, blocks.byteOffset + at, 64));
    }
    for (let k = 0; k < 8; k++) digests.setUint32(32 * i + 4 * k, hash[k]!);
  }
  return new Uint8Array(digests.buffer);
}

export const reference: Core = {
  exp: (x) => x.map(exp),
  log: (x) => x.map(log),
  sigmoid: (z) => z.map(sigmoid),
  range,
  moments: (x, least, most) => momentsOfPresent(x, x.length, least, most),
  momentsOfPresent,
  momentsOfIndicator: (ones, n) => {
    const x = new Float64Array(n).fill(1, n - ones);
    return momentsOfPresent(x, n, x[0]!, x[n - 1]!);
  },
  standardise: (x, mean, std) => x.map((value) => (value - mean) / std),
  standardiseIndicator: (codes, code, mean, std) =>
    Float64Array.from(codes, (c) => (Number(c === code) - mean) / std),
  logits,
  contributions,
  sum,
  score: (p, y, threshold) => weightedScore(p, y, ones(p.length), threshold, 1),
  weightedScore,
  gradient: (problem, w, l2) => gradient(unweighted(problem), w, l2),
  weightedGradient: gradient,
  descend: (problem, w, lr, l2, steps) => descend(unweighted(problem), w, lr, l2, steps),
  weightedDescend: descend,
  sha256,
};
