// Are mean and standard deviation those of exact rationals, for every kind of column that N5 names?
import { describe, expect, it } from "vitest";
import { createRandom, exact, exactSum, hexOf, type Random } from "../contract/bits.ts";
import { BUILDS, type BuildName, loadCore } from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

const KINDS: Record<string, (random: Random, index: number) => number> = {
  normal: (random) => random.normal(),
  "normal about 1000": (random) => 1000 + random.normal(),
  "heavy-tailed": (random) => Math.tan(random.between(-1.5707, 1.5707)),
  "one outlier": (random, index) => (index === 0 ? 1e9 : random.normal()),
  binary: (random, index) => (index < 2 ? index : random.below(2)),
  "binary and rare": (_, index) => (index === 0 ? 1 : 0),
  tiny: (random) => random.normal() * 1e-100,
  huge: (random) => random.normal() * 1e100,
  "1.7e12 ± 1": (random) => 1.7e12 + random.between(-1, 1),
  "one step of 1.7e12": (random, index) =>
    1.7e12 + (index < 2 ? index : random.below(2)) * 2 ** -12,
};

/** num/den as an f64, for a quotient that is far from the ends of the range. */
function quotient(num: bigint, den: bigint): number {
  return Number((num << 200n) / den) / 2 ** 200;
}

/**
 * How far mean and std are from the exact ones: mean over the largest |x - c|, std over itself. The squares are shared
 * among `rows`, of which x are those that are there.
 */
function errors(x: Float64Array, mean: number, std: number, spread: number, rows = x.length) {
  const n = BigInt(x.length);
  const sum = exactSum(x);
  let squares = 0n;
  for (const value of x) squares += exact(value) ** 2n;
  const variance = n * squares - sum * sum; // times n·rows, in units of 2^-2148
  const stdSquared = exact(std) ** 2n * n * BigInt(rows);
  return {
    mean: Math.abs(quotient(exact(mean) * n - sum, exact(spread) * n)),
    std: Math.abs(quotient(stdSquared - variance, 2n * variance)), // to first order
  };
}

function momentsOf(build: BuildName) {
  const core = loadCore(build);
  return (x: Float64Array, rows = x.length) => {
    const [least, most] = core.range(x);
    const [mean, std] = core.momentsOfPresent(x, rows, least!, most!);
    if (rows === x.length) expect([mean, std]).toEqual([...core.moments(x, least!, most!)]);
    const c = least! / 2 + most! / 2;
    return { mean: mean!, std: std!, spread: Math.max(most! - c, c - least!) };
  };
}

describe.each(BUILDS)("moments() of build/%s.wasm", (build) => {
  const moments = momentsOf(build);

  it.each(Object.keys(KINDS))("is exact but for a few roundings: %s", (kind) => {
    const random = createRandom(1);
    const largest = { mean: 0, std: 0 };
    for (const n of [2, 3, 10, 100, 256, 257, 900]) {
      for (let trial = 0; trial < (n > 200 ? 4 : 15); trial++) {
        const x = new Float64Array(n).map((_, i) => KINDS[kind]!(random, i));
        const { mean, std, spread } = moments(x);
        const error = errors(x, mean, std, spread);
        largest.std = Math.max(largest.std, error.std);
        // The last step, c + d, rounds to the ulp of the mean; the rest is relative to the spread.
        const rounding = (2 ** -53 * Math.abs(mean)) / spread;
        largest.mean = Math.max(largest.mean, error.mean - rounding);
      }
    }
    console.info(
      `moments(), ${kind}: std ${largest.std.toExponential(2)} relative, ` +
        `mean ${largest.mean.toExponential(2)} of the spread beyond its own rounding`,
    );
    // Six roundings of 1.1e-16 each: x - c, - d, square, sum, /n, root; the root halves the others.
    expect(largest.std).toBeLessThan(3.5e-16);
    expect(largest.mean).toBeLessThan(3 * 2 ** -53);
  });

  it.each(Object.keys(KINDS))("is as exact where values are missing: %s", (kind) => {
    const random = createRandom(3);
    const largest = { mean: 0, std: 0 };
    for (const n of [2, 3, 10, 100, 257]) {
      for (const rows of [n + 1, 2 * n, 10 * n + 3]) {
        const x = new Float64Array(n).map((_, i) => KINDS[kind]!(random, i));
        const { mean, std, spread } = moments(x, rows);
        const error = errors(x, mean, std, spread, rows);
        largest.std = Math.max(largest.std, error.std);
        const rounding = (2 ** -53 * Math.abs(mean)) / spread;
        largest.mean = Math.max(largest.mean, error.mean - rounding);
        // The control: shared among those that are there alone, std is another.
        expect(errors(x, mean, std, spread).std).toBeGreaterThan(1e-3);
      }
    }
    // The same roundings as without missing values.
    expect(largest.std).toBeLessThan(3.5e-16);
    expect(largest.mean).toBeLessThan(3 * 2 ** -53);
  });

  it("of a column whose values are all missing but one is that value and 1", () => {
    for (const rows of [1, 2, 1000]) {
      const { mean, std } = moments(Float64Array.of(-3.25), rows);
      expect([mean, std]).toEqual([-3.25, 1]);
    }
  });

  it.each([0, -0, 1, -3.25, 0.1, 1.7e12, 1e-100, -1e100])(
    "of a constant %d is itself and 1",
    (value) => {
      for (const n of [1, 2, 255, 256, 257, 1000]) {
        const { mean, std } = moments(new Float64Array(n).fill(value));
        expect(mean).toBe(value + 0);
        expect(std).toBe(1);
      }
    },
  );

  it("does not depend on the order", () => {
    const random = createRandom(2);
    for (const n of SIZES.slice(1)) {
      for (const draw of Object.values(KINDS)) {
        const x = new Float64Array(n).map((_, i) => draw(random, i));
        const shuffled = Float64Array.from(random.shuffled([...x]));
        const [a, b] = [moments(x), moments(shuffled)];
        expect(hexOf([a.mean, a.std]), `n = ${n}`).toEqual(hexOf([b.mean, b.std]));
      }
    }
  });

  it.each([5e-324, 1.5e-323, -5e-324, 2.2250738585072014e-308, 1e300])(
    "a constant column of %d is its own mean, subnormal ones too",
    (value) => {
      const { mean, std } = moments(new Float64Array(9).fill(value));
      expect(mean).toBe(value);
      expect(std).toBe(1);
    },
  );

  it("does not depend on the order of +0 and -0", () => {
    const [a, b] = [moments(Float64Array.of(0, -0, 0)), moments(Float64Array.of(-0, 0, 0))];
    expect(hexOf([a.mean, a.std])).toEqual(hexOf([b.mean, b.std]));
  });
});

describe.each(BUILDS)("range() of build/%s.wasm", (build) => {
  const core = loadCore(build);

  it("finds both ends wherever they stand", () => {
    for (const n of SIZES.slice(1)) {
      for (const [low, high] of [
        [0, n - 1],
        [n - 1, 0],
        [n >> 1, n >> 2],
      ] as const) {
        const x = new Float64Array(n).fill(0.5);
        x[low] = -7;
        expect([...core.range(x)]).toEqual([-7, n === 1 ? -7 : 0.5]);
        x[high] = 9;
        expect([...core.range(x)]).toEqual([low === high ? Math.min(9, n > 1 ? 0.5 : 9) : -7, 9]);
      }
    }
  });
});
