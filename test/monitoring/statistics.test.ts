// Are the tails right, near and far, against closed forms and SciPy?
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  chiSquaredTail,
  fisherTail,
  gammaTail,
  holm,
  kolmogorovTail,
  normalTail,
  signTail,
} from "../../src/monitoring/statistics.ts";

/** Relative difference. */
const apart = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);

describe("tails", () => {
  it("have their closed forms", () => {
    // Q(1, x) = e^-x; chi-squared with 2 degrees of freedom is exponential; with 4 it is (1 + x/2) e^(-x/2).
    for (const x of [1e-6, 0.1, 1, 2.5, 10, 100, 600]) {
      expect(apart(gammaTail(1, x), Math.exp(-x))).toBeLessThan(1e-13);
      expect(apart(chiSquaredTail(x, 2), Math.exp(-x / 2))).toBeLessThan(1e-13);
      expect(apart(chiSquaredTail(x, 4), (1 + x / 2) * Math.exp(-x / 2))).toBeLessThan(1e-13);
    }
  });

  it("have known points", () => {
    // Abramowitz and Stegun, tables 26.1 and 26.8; to the digits printed there.
    expect(normalTail(1.959963984540054)).toBeCloseTo(0.05, 14);
    expect(normalTail(3.2905267314919255)).toBeCloseTo(0.001, 14);
    expect(chiSquaredTail(3.841458820694124, 1)).toBeCloseTo(0.05, 14);
    expect(chiSquaredTail(18.307038053275146, 10)).toBeCloseTo(0.05, 13);
    expect(kolmogorovTail(1.3580986e-6, 1e12)).toBeCloseTo(0.05, 6);
  });

  it("stay between 0 and 1, whatever they are asked", () => {
    for (const z of [0, -0, 1e-300, 1e300, Number.POSITIVE_INFINITY]) {
      expect(normalTail(z)).toBeGreaterThanOrEqual(0);
      expect(normalTail(z)).toBeLessThanOrEqual(1);
    }
    expect(normalTail(0)).toBe(1);
    expect(normalTail(40)).toBeLessThan(1e-300);
    for (const d of [0, 1e-9, 0.01, 0.5, 1]) {
      expect(kolmogorovTail(d, 100)).toBeGreaterThanOrEqual(0);
      expect(kolmogorovTail(d, 100)).toBeLessThanOrEqual(1);
    }
  });

  const python = process.env.RAISIN_PYTHON;
  it.skipIf(python === undefined)("are SciPy's (skipped without RAISIN_PYTHON)", () => {
    const script = fileURLToPath(new URL("../python/tails.py", import.meta.url));
    const { stdout, stderr, status } = spawnSync(python!, [script], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    const { normal, chi2, kolmogorov } = JSON.parse(stdout) as Record<
      string,
      [number, number, number][]
    >;
    // 1e-12: some tens of roundings in a series, and lnΓ to 1e-15; below 1e-280 both lose digits to subnormals.
    for (const [z, , p] of normal!)
      if (p > 1e-280) expect(apart(normalTail(z), p)).toBeLessThan(1e-12);
    for (const [x, df, p] of chi2!)
      if (p > 1e-280) expect(apart(chiSquaredTail(x, df), p)).toBeLessThan(1e-11);
    for (const [x, n, p] of kolmogorov!) {
      // The argument that the correction makes of the distance is passed on as it is.
      const distance = x / (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n));
      if (x >= 0.3) expect(Math.abs(kolmogorovTail(distance, n) - p)).toBeLessThan(1e-12);
    }
    expect(normal!.length + chi2!.length + kolmogorov!.length).toBeGreaterThan(100);
  });
});

describe("Fisher's exact test", () => {
  /** C(n, k). */
  const choose = (n: number, k: number) => {
    let product = 1n;
    for (let i = 0; i < k; i++) product = (product * BigInt(n - i)) / BigInt(i + 1);
    return product;
  };
  /** The definition, in whole numbers: twice the smaller tail of the hypergeometric distribution. */
  const exact = (trainOnes: number, trainRows: number, ones: number, rows: number) => {
    const all = trainRows + rows;
    const allOnes = trainOnes + ones;
    let [lower, upper] = [0n, 0n];
    for (let k = Math.max(0, rows - (all - allOnes)); k <= Math.min(rows, allOnes); k++) {
      const ways = choose(allOnes, k) * choose(all - allOnes, rows - k);
      if (k <= ones) lower += ways;
      if (k >= ones) upper += ways;
    }
    const twice = 2n * (lower < upper ? lower : upper);
    const quotient = Number((twice << 200n) / choose(all, rows)) / 2 ** 200;
    return Math.min(1, quotient);
  };

  it("is the definition's, in whole numbers", () => {
    const table = fc
      .tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 60 }))
      .chain(([trainRows, rows]) =>
        fc.tuple(
          fc.integer({ min: 0, max: trainRows }),
          fc.constant(trainRows),
          fc.integer({ min: 0, max: rows }),
          fc.constant(rows),
        ),
      );
    fc.assert(
      fc.property(table, ([trainOnes, trainRows, ones, rows]) => {
        const p = exact(trainOnes, trainRows, ones, rows);
        const ours = fisherTail({ trainOnes, trainRows, ones, rows });
        // Below 2^-150 the quotient above has lost digits.
        if (p > 2 ** -150) expect(apart(ours, p)).toBeLessThan(1e-12);
        else expect(ours).toBeLessThan(2 ** -149);
      }),
      { numRuns: 500 },
    );
  });

  it("is 1 where nothing differs, and a number in tables of any size", () => {
    const of = (trainOnes: number, trainRows: number, ones: number, rows: number) =>
      fisherTail({ trainOnes, trainRows, ones, rows });
    expect([of(0, 100, 0, 5), of(100, 100, 5, 5), of(50, 100, 5, 10)]).toEqual([1, 1, 1]);
    // One row, which has what one in ten has: 2·(11/110).
    expect(of(10, 109, 1, 1)).toBeCloseTo(0.2, 12);
    expect(of(0, 1000, 1000, 1000)).toBe(0);
    const large = of(500_000, 1_000_000, 501_000, 1_000_000);
    // z = 1000/√(5e5) = 1.41421; a normal number without the half steps would give 0.1573.
    expect(large).toBeGreaterThan(0.156);
    expect(large).toBeLessThan(0.159);
  });
});

describe("Holm's correction", () => {
  it("is the textbook's", () => {
    // Holm 1979: the smallest times m, the next times m - 1, never falling, at most 1.
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.9, 0.5])).toEqual([1, 1]);
    expect(holm([null, 0.02, null])).toEqual([null, 0.02, null]);
    expect(holm([])).toEqual([]);
  });
});

describe("the sign test", () => {
  /** Twice the probability of at most `ones` heads, from whole numbers. */
  function exact(ones: number, n: number): number {
    let coefficient = 1n;
    let sum = 0n;
    for (let k = 0; k <= ones; k++) {
      sum += coefficient;
      coefficient = (coefficient * BigInt(n - k)) / BigInt(k + 1);
    }
    // 2^60 as many parts of a whole, so that a quotient of whole numbers keeps 18 digits.
    return Math.min(1, Number((2n * sum * 2n ** 120n) / 2n ** BigInt(n)) / 2 ** 120);
  }

  it("is what counting says", () => {
    expect(signTail(0, 0)).toBe(1);
    expect(signTail(1, 10)).toBeCloseTo(22 / 1024, 15);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, share) => {
          const ones = Math.floor((n / 2) * share);
          const p = exact(ones, n);
          // What is below 2^-100 the whole numbers above have lost.
          if (p > 2 ** -100) expect(apart(signTail(ones, n), p)).toBeLessThan(1e-12);
        },
      ),
    );
  });

  it("does not overflow for a million rows", () => {
    const p = signTail(499_000, 1_000_000);
    expect(p).toBeCloseTo(normalTail(1999 / 1000), 6);
    expect(signTail(0, 1_000_000)).toBeGreaterThanOrEqual(0);
  });
});
