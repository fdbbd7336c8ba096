// Are the tails right, near and far, against closed forms and SciPy?
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  chiSquaredTail,
  gammaTail,
  holm,
  kolmogorovTail,
  normalTail,
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

describe("Holm's correction", () => {
  it("is the textbook's", () => {
    // Holm 1979: the smallest times m, the next times m - 1, never falling, at most 1.
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.9, 0.5])).toEqual([1, 1]);
    expect(holm([null, 0.02, null])).toEqual([null, 0.02, null]);
    expect(holm([])).toEqual([]);
  });
});
