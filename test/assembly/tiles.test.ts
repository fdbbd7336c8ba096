// Do rows get into their tiles and out again: standardised, as logits, as contributions?
import { describe, expect, it } from "vitest";
import { createRandom, hexOf } from "../contract/bits.ts";
import { FEATURE_COUNTS, randomProblem, randomWeights } from "../contract/cases.ts";
import {
  Arena,
  BUILDS,
  instantiate,
  openCore,
  padded,
  readBuild,
  toTiles,
} from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

describe.each(BUILDS)("build/%s.wasm", (build) => {
  const exports = instantiate(readBuild(build));
  const core = openCore(exports);

  it("pack() puts every column into its place and fills the last tile with +0", () => {
    const random = createRandom(1);
    for (const n of SIZES) {
      for (const d of [1, 2, 3, 8]) {
        const { columns } = randomProblem(random, n, d);
        const arena = new Arena(exports);
        const X = arena.output(padded(n) * d);
        columns.forEach((x, j) => {
          expect(exports.pack(arena.input(x), n, 0.5, 3, X, d, j)).toBe(0);
        });
        arena.verify();
        const scaled = columns.map((x) => x.map((value) => (value - 0.5) / 3));
        expect(hexOf(arena.read(X, padded(n) * d))).toEqual(hexOf(toTiles(scaled, n)));
      }
    }
  });

  it("pack() writes no other column", () => {
    const arena = new Arena(exports);
    const X = arena.output(16 * 3);
    expect(exports.pack(arena.input(new Float64Array(9).fill(2)), 9, 1, 1, X, 3, 1)).toBe(0);
    const written = arena.read(X, 16 * 3).map((value) => (Number.isNaN(value) ? 0 : 1));
    const place = Float64Array.from(written, (_, at) => (Math.floor(at / 8) % 3 === 1 ? 1 : 0));
    expect(written).toEqual(place);
    expect([...arena.read(X + 8 * 8, 8)]).toEqual(Array(8).fill(1));
    expect([...arena.read(X + 32 * 8, 8)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("pack() divides; it does not multiply by a reciprocal", () => {
    const random = createRandom(2);
    const x = new Float64Array(500).map(() => random.normal());
    const byReciprocal = x.map((value) => (value - 0.1) * (1 / 0.7));
    const packed = core.standardise(x, 0.1, 0.7);
    expect(hexOf(packed)).toEqual(hexOf(x.map((value) => (value - 0.1) / 0.7)));
    expect(hexOf(packed)).not.toEqual(hexOf(byReciprocal));
  });

  it("logits() of the rows that only fill up are the bias", () => {
    const random = createRandom(3);
    for (const n of SIZES) {
      for (const d of FEATURE_COUNTS) {
        const { columns } = randomProblem(random, n, d);
        const w = randomWeights(random, d);
        const arena = new Arena(exports);
        const z = arena.output(padded(n));
        const X = arena.input(toTiles(columns, n));
        expect(exports.logits(X, n, d, arena.input(w), z)).toBe(0);
        arena.verify();
        const behind = arena.read(z + n * 8, padded(n) - n);
        expect(behind).toEqual(new Float64Array(behind.length).fill(w[d]!));
      }
    }
  });

  it("logits() add in feature order, starting from the bias", () => {
    // 1 + 2^53 - 2^53 is 0 from left to right, 1 from right to left.
    const columns = [1, 2 ** 53, -(2 ** 53)].map((value) => new Float64Array(9).fill(value));
    const z = core.logits(columns, 9, Float64Array.of(1, 1, 1, 0));
    expect([...z]).toEqual(Array(9).fill(0));
    const fromBias = core.logits(columns.slice(1), 9, Float64Array.of(1, 1, 1));
    expect([...fromBias]).toEqual(Array(9).fill(0));
  });

  it("logits() of a row do not depend on the rows beside it", () => {
    const random = createRandom(4);
    const { columns } = randomProblem(random, 40, 5);
    const w = randomWeights(random, 5);
    const all = core.logits(columns, 40, w);
    for (let i = 0; i < 40; i++) {
      const alone = core.logits(
        columns.map((x) => x.slice(i, i + 1)),
        1,
        w,
      );
      expect(hexOf(alone)).toEqual(hexOf(all.slice(i, i + 1)));
    }
  });

  it("contributions() start from the bias and add up to the logit, bit for bit", () => {
    const random = createRandom(5);
    for (const n of SIZES) {
      const { columns } = randomProblem(random, n, 7);
      const w = randomWeights(random, 7);
      const z = core.logits(columns, n, w);
      const c = core.contributions(columns, n, w);
      for (let i = 0; i < n; i++) {
        let sum = w[7]!;
        for (let j = 0; j < 7; j++) sum += c[i * 7 + j]!;
        expect(Object.is(sum, z[i]), `n = ${n}, row ${i}`).toBe(true);
      }
    }
  });
});
