// Do sums over rows keep N4: the same bits in every order and partition, within the stated error?
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, exact, exactSum, hexOf, type Random, toHex } from "../contract/bits.ts";
import { randomProblem, randomRowWeights, randomTerms, weigh } from "../contract/cases.ts";
import {
  exponentOf,
  Fold,
  foldTwice,
  N4,
  reference,
  type SumRules,
} from "../contract/reference.ts";
import { BUILDS, loadCore } from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

const RUNS = { numRuns: 1000, seed: 20260721 };

/** What a property is about; the terms follow from it, so that shrinking is quick. */
const SUMS = fc.record({
  seed: fc.nat(),
  n: fc.integer({ min: 0, max: 700 }),
  exponent: fc.integer({ min: -300, max: 300 }),
  kind: fc.constantFrom("many binades", "ties", "at the bound", "constant", "under a power of two"),
});

type Sum = typeof SUMS extends fc.Arbitrary<infer T> ? T : never;

function termsOf({ seed, n, exponent, kind }: Sum): { terms: Float64Array; bound: number } {
  const random = createRandom(seed);
  const bound = random.between(0.5, 1) * 2 ** exponent;
  const ceiling = 2 ** exponent;
  const sign = random.below(2) === 0 ? 1 : -1;
  switch (kind) {
    case "many binades":
      return { bound, terms: randomTerms(random, n, bound) };
    case "ties":
      return { bound: ceiling, terms: ties(random, n).map((v) => v * ceiling) };
    case "at the bound":
      return {
        bound,
        terms: new Float64Array(n).map(() => (random.below(20) ? sign : -1) * bound),
      };
    case "constant": {
      const value = (sign * 2 ** exponent) / Math.max(n, 1);
      return { bound: Math.abs(value), terms: new Float64Array(n).fill(value) };
    }
    case "under a power of two": {
      const value = ceiling * (1 - 2 ** -random.below(53));
      return { bound: ceiling, terms: new Float64Array(n).fill(sign * value) };
    }
  }
}

/** Multiples of half a quantum for bound 1: without `v | 1` rounding looks at the accumulator. */
function ties(random: Random, n: number): Float64Array {
  const half = 2 ** (8 + N4.quantumExponent) / 2;
  return new Float64Array(n).map(() => (random.below(2 ** 20) - 2 ** 19) * half);
}

function cutInParts(random: Random, terms: Float64Array): Float64Array[] {
  const parts = [];
  for (let from = 0; from < terms.length; ) {
    const to = Math.min(terms.length, from + 1 + random.below(300));
    parts.push(terms.subarray(from, to));
    from = to;
  }
  return random.shuffled(parts);
}

function shuffle(random: Random, terms: Float64Array): Float64Array {
  return Float64Array.from(random.shuffled([...terms]));
}

describe.each(BUILDS)("sum() of build/%s.wasm", (build) => {
  const core = loadCore(build);

  it("has the same bits in any order, and from any parts added as integers", () => {
    fc.assert(
      fc.property(SUMS, (sum) => {
        const { terms, bound } = termsOf(sum);
        const random = createRandom(sum.seed + 1);
        const bits = toHex(core.sum(terms, bound));
        expect(toHex(core.sum(shuffle(random, terms), bound))).toBe(bits);

        let [high, low] = [0n, 0n];
        for (const part of cutInParts(random, shuffle(random, terms))) {
          const [first, second] = foldTwice(part, bound);
          high += first.integer();
          low += second.integer();
        }
        const [first, second] = foldTwice(new Float64Array(0), bound);
        expect(toHex(Number(high) * first.q + Number(low) * second.q)).toBe(bits);
      }),
      RUNS,
    );
  });

  it("is within 2^-84 of the bound a term, and its roundings, of the exact sum", () => {
    let largest = 0;
    fc.assert(
      fc.property(SUMS, (sum) => {
        const { terms, bound } = termsOf(sum);
        const result = core.sum(terms, bound);
        const error = exact(result) - exactSum(terms);
        const size = error < 0n ? -error : error;
        // In units of 2^-1158. Both totals and their sum are rounded once each, by 2^-53.
        const folds = BigInt(terms.length) * exact(bound);
        const roundings = (exact(Math.abs(result)) << 84n) >> 52n;
        expect(size << 84n <= folds + roundings + (1n << 84n)).toBe(true);
        if (terms.length > 0 && bound > 0) {
          const beyond = (size << 84n) - roundings;
          largest = Math.max(largest, Number((beyond * 1000n) / folds) / 1000);
        }
      }),
      RUNS,
    );
    console.info(`sum(): largest error beyond its roundings ${largest} · 2^-84 B a term`);
  });

  it("is +0 for no terms, for zeros, for a bound of 0 and for terms that cancel", () => {
    const zero = toHex(0);
    for (const bound of [0, 1, 2 ** -800, 2 ** 900]) {
      expect(toHex(core.sum(new Float64Array(0), bound))).toBe(zero);
      expect(toHex(core.sum(Float64Array.of(0, -0, -0), bound))).toBe(zero);
      expect(toHex(core.sum(Float64Array.of(-0), bound))).toBe(zero);
      expect(toHex(core.sum(Float64Array.of(bound, -bound / 3, bound / 3, -bound), bound))).toBe(
        zero,
      );
    }
  });

  it("gives small whole numbers and three times 1/3 as they are, at every size", () => {
    const third = 1 / 3;
    expect(core.sum(Float64Array.of(third, third, third), third)).toBe(1);
    for (const n of SIZES) {
      expect(core.sum(new Float64Array(n).fill(1), 1)).toBe(n);
      expect(core.sum(new Float64Array(n).fill(-3), 3)).toBe(n === 0 ? 0 : -3 * n);
      const counted = Float64Array.from({ length: n }, (_, i) => i);
      expect(core.sum(counted, Math.max(1, n))).toBe((n * (n - 1)) / 2 + 0);
    }
  });

  it("holds at the ends of the range of bounds", () => {
    for (const bound of [2 ** -900, 2 ** 1000]) {
      const terms = randomTerms(createRandom(5), 600, bound);
      expect(toHex(core.sum(terms, bound))).toBe(toHex(reference.sum(terms, bound)));
      expect(toHex(core.sum(terms.toReversed(), bound))).toBe(toHex(core.sum(terms, bound)));
    }
  });
});

describe.each(BUILDS)("the sums inside gradient() of build/%s.wasm", (build) => {
  const core = loadCore(build);

  it("have the same bits in any order of rows, across tiles and flushes", () => {
    fc.assert(
      fc.property(SUMS, ({ seed, n: rows, exponent }) => {
        const random = createRandom(seed);
        const n = Math.max(rows, 1);
        const problem = randomProblem(random, n, 2);
        problem.columns[1] = randomTerms(random, n, 2 ** exponent);
        problem.bounds[1] = 2 ** exponent;
        const order = random.shuffled([...Array(n).keys()]);
        const shuffled = {
          columns: problem.columns.map((x) => x.map((_, i) => x[order[i]!]!)),
          y: problem.y.map((_, i) => problem.y[order[i]!]!),
          bounds: problem.bounds,
        };
        const w = Float64Array.of(random.normal(), random.normal() * 2 ** -exponent, 0.3);
        expect(hexOf(core.gradient(shuffled, w, 0.1))).toEqual(
          hexOf(core.gradient(problem, w, 0.1)),
        );
      }),
      RUNS,
    );
  });

  it("have the same bits in any order of weighted rows", () => {
    fc.assert(
      fc.property(SUMS, ({ seed, n: rows, exponent }) => {
        const random = createRandom(seed);
        const n = Math.max(rows, 1);
        const s = randomRowWeights(random, n, random.between(0.5, 1) * 2 ** exponent);
        const problem = weigh(randomProblem(random, n, 2), s);
        const order = random.shuffled([...Array(n).keys()]);
        const pick = (x: Float64Array) => x.map((_, i) => x[order[i]!]!);
        const shuffled = {
          ...problem,
          columns: problem.columns.map(pick),
          y: pick(problem.y),
          s: pick(s),
        };
        const w = Float64Array.of(random.normal(), random.normal(), 0.3);
        expect(hexOf(core.weightedGradient(shuffled, w, 0.1))).toEqual(
          hexOf(core.weightedGradient(problem, w, 0.1)),
        );
      }),
      RUNS,
    );
  });

  it("are within q/2 ≤ 2^-42 of the bound a term of the exact sum", () => {
    let largest = 0;
    fc.assert(
      fc.property(SUMS, (sum) => {
        const { terms: x, bound } = termsOf({ ...sum, n: 1 << (sum.n % 11) });
        const n = x.length;
        // At w = 0 every p is 1/2 and a term ±x/2; with n a power of two only N4 rounds.
        const y = new Float64Array(n).map((_, i) => (sum.seed >> (i % 29)) & 1);
        const problem = { columns: [x], y, bounds: Float64Array.of(bound, 1) };
        const [mean] = core.gradient(problem, new Float64Array(2), 0);
        const terms = x.map((value, i) => (0.5 - y[i]!) * value);
        const q = new Fold(exponentOf(bound)).q;
        const error = exact(mean! * n) - exactSum(terms);
        const size = error < 0n ? -error : error;
        expect(size * 2n <= BigInt(n) * exact(q)).toBe(true);
        expect(exact(q) << 41n <= exact(bound)).toBe(true); // q/2 ≤ 2^-42 B
        largest = Math.max(largest, Number((size * 2000n) / (BigInt(n) * exact(q))) / 1000);
      }),
      RUNS,
    );
    console.info(`gradient(): largest error ${largest} · q/2 a term`);
  });

  it("are what the integers of any parts of the rows add up to", () => {
    const random = createRandom(6);
    for (const n of SIZES.slice(1)) {
      const problem = randomProblem(random, n, 1);
      const p = core.sigmoid(new Float64Array(n).fill(0.25));
      const terms = p.map((value, i) => value - problem.y[i]!);
      let integer = 0n;
      for (const part of cutInParts(random, shuffle(random, terms))) {
        const fold = new Fold(exponentOf(1));
        for (const v of part) fold.add(v);
        integer += fold.integer();
      }
      const g = core.gradient(problem, Float64Array.of(0, 0.25), 0);
      expect(toHex(g[1]!)).toBe(toHex((Number(integer) * new Fold(0).q) / n));
    }
  });

  it("are +0 for a column of zeros with bound 0", () => {
    for (const n of [1, 7, 8, 257]) {
      const problem = {
        columns: [new Float64Array(n), new Float64Array(n).fill(-0)],
        y: new Float64Array(n).map((_, i) => i % 2),
        bounds: Float64Array.of(0, 0, 1),
      };
      const g = core.gradient(problem, Float64Array.of(2, -3, 0.5), 0);
      expect(hexOf(g.subarray(0, 2))).toEqual([toHex(0), toHex(0)]);
    }
  });
});

// A rule of N4 is necessary if sums without it depend on the order. These controls must fail.
describe("N4 without one of its rules", () => {
  const CASES = 300;

  /** How many of the constructed cases give other bits in another order, with one fold. */
  function orderDependent(rules: SumRules, terms: (random: Random) => Float64Array): number {
    let count = 0;
    for (let seed = 0; seed < CASES; seed++) {
      const random = createRandom(seed);
      const given = terms(random);
      const results = new Set<string>();
      for (let order = 0; order < 8; order++) {
        const fold = new Fold(0, rules);
        for (const v of shuffle(random, given)) fold.add(v);
        results.add(toHex(fold.value()));
      }
      if (results.size > 1) count++;
    }
    return count;
  }

  /** Terms near the bound, too many of which leave the binade of M; and small ones. */
  function heavy(n: number) {
    return (random: Random) =>
      new Float64Array(n).map((_, i) => random.between(0.5, 1) * (i % 16 ? 1 : 2 ** -30));
  }

  const control = (random: Random) => ties(random, 300);

  it("never depends on the order with all of them", () => {
    expect(orderDependent(N4, control)).toBe(0);
    expect(orderDependent(N4, heavy(1024))).toBe(0);
    expect(orderDependent(N4, heavy(256))).toBe(0);
  });

  it("depends on it without v | 1", () => {
    const count = orderDependent({ ...N4, isOdd: false }, control);
    console.info(`without v | 1: ${count} of ${CASES} cases depend on the order`);
    expect(count).toBeGreaterThan(CASES / 2);
  });

  it("depends on it with a flush at 2^10", () => {
    const count = orderDependent({ ...N4, termsPerFlush: 1024 }, heavy(1024));
    console.info(`flush at 2^10: ${count} of ${CASES} cases depend on the order`);
    expect(count).toBeGreaterThan(CASES / 2);
  });

  it("depends on it with a quantum of 2^(E + 8 - 52)", () => {
    const count = orderDependent({ ...N4, quantumExponent: -52 }, heavy(256));
    console.info(`quantum exponent -52: ${count} of ${CASES} cases depend on the order`);
    expect(count).toBeGreaterThan(CASES / 2);
  });

  it("does not depend on it with 2^(E + 8 - 51): the exponent keeps one bit in hand", () => {
    expect(orderDependent({ ...N4, quantumExponent: -51 }, heavy(256))).toBe(0);
  });

  it("depends on it when terms are weighted and the bound is not", () => {
    const weighted = (random: Random) => heavy(256)(random).map((v) => v * (1 + random.below(8)));
    const count = orderDependent(N4, weighted);
    console.info(
      `weights up to 8, bound without them: ${count} of ${CASES} cases depend on the order`,
    );
    expect(count).toBeGreaterThan(CASES / 2);
    expect(orderDependent(N4, (random) => weighted(random).map((v) => v / 8))).toBe(0);
  });

  it("depends on it in plain addition", () => {
    const random = createRandom(1);
    const terms = randomTerms(random, 500, 1);
    const plain = (values: Float64Array) => toHex(values.reduce((total, v) => total + v, 0));
    const results = new Set(Array.from({ length: 8 }, () => plain(shuffle(random, terms))));
    expect(results.size).toBeGreaterThan(1);
  });
});
