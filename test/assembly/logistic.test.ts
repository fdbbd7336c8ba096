// Do sigmoid and score hold their clips, their accuracy and their identities?
import { describe, expect, it } from "vitest";
import { createRandom, fromHex, hexOf, parseTrueValue, step, ulpError } from "../contract/bits.ts";
import { EXTREME_LOGITS, randomRowWeights } from "../contract/cases.ts";
import { largestError, readTable } from "../golden/read-golden.ts";
import golden from "../golden/sigmoid.json" with { type: "json" };
import training from "../golden/training.json" with { type: "json" };
import {
  Arena,
  BUILDS,
  instantiate,
  openCore,
  padded,
  readBuild,
} from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

describe.each(BUILDS)("build/%s.wasm", (build) => {
  const exports = instantiate(readBuild(build));
  const core = openCore(exports);

  it("sigmoid() is within 2 ulp of 60 digits, clip included", () => {
    const table = readTable(golden);
    const { ulps, x } = largestError(table, core.sigmoid(table.x));
    console.info(`sigmoid(): largest error ${ulps.toFixed(4)} ulp, at ${x}`);
    // exp, the addition and the division round once each, and an ulp of p may be worth half of one
    // of 1 + e^-z: 2 · (0.508 + 0.5) + 0.5 could not be passed. Measured: 1.986.
    expect(ulps).toBeLessThan(2);
    expect(ulps).toBeGreaterThan(1.98); // the worst known point is in the file
  });

  it("sigmoid(z) + sigmoid(-z) is 1, but for one rounding of each", () => {
    const random = createRandom(1);
    const z = new Float64Array(3000).map(() => random.between(0, 36));
    const [above, below] = [core.sigmoid(z), core.sigmoid(z.map((value) => -value))];
    for (let i = 0; i < z.length; i++) {
      // The ulp in [0.5, 1) is 2^-53; sigmoid(z) is off by at most two of them, sigmoid(-z) too.
      expect(Math.abs(above[i]! - 1 + below[i]!), `z = ${z[i]}`).toBeLessThanOrEqual(2 ** -51);
    }
  });

  it("sigmoid() stays inside (0, 1) and is flat beyond ±35", () => {
    const z = Float64Array.from(EXTREME_LOGITS);
    const p = core.sigmoid(z);
    const [least, half, most] = core.sigmoid(Float64Array.of(-35, 0, 35));
    expect(half).toBe(0.5);
    p.forEach((value, i) => {
      expect(value, `z = ${z[i]}`).toBeGreaterThan(0);
      expect(value, `z = ${z[i]}`).toBeLessThan(1);
      if (z[i]! >= 35) expect(value, `z = ${z[i]}`).toBe(most);
      if (z[i]! <= -35) expect(value, `z = ${z[i]}`).toBe(least);
    });
    // One ulp of z inside the clip is already another p on the steep side.
    expect(core.sigmoid(Float64Array.of(step(-35, -1)))[0]!).toBeGreaterThan(least!);
  });

  it("sigmoid() gives the same bits at every size, whatever stands behind the last", () => {
    const random = createRandom(2);
    const z = new Float64Array(Math.max(...SIZES)).map(() => random.between(-36, 36));
    const all = core.sigmoid(z);
    for (const n of SIZES) {
      for (const behind of [0, 1e308, Number.NaN, Number.NEGATIVE_INFINITY]) {
        const arena = new Arena(exports);
        const filled = new Float64Array(padded(n)).fill(behind);
        filled.set(z.subarray(0, n));
        const [from, to] = [arena.input(filled), arena.output(padded(n))];
        expect(exports.sigmoid(from, n, to)).toBe(0);
        arena.verify();
        expect(hexOf(arena.read(to, n)), `n = ${n}`).toEqual(hexOf(all.subarray(0, n)));
      }
    }
  });

  it("score() is within 2 ulp of 60 digits", () => {
    const columns = training.columns.map((column) => Float64Array.from(column, fromHex));
    const y = Float64Array.from(training.y);
    const w = Float64Array.from(training.weights, (weight) => parseTrueValue(weight).high);
    const p = core.sigmoid(core.logits(columns, y.length, w));
    const [loss, squares] = core.score(p, y, 0.5);
    const ulpsLoss = ulpError(loss!, parseTrueValue(training.lossSum));
    const ulpsSquares = ulpError(squares!, parseTrueValue(training.squareSum));
    console.info(`score(): errors ${ulpsLoss.toFixed(3)} and ${ulpsSquares.toFixed(3)} ulp`);
    // The rounding of 23 logits and probabilities, each 2^-52 or so, averages out to less than it.
    expect(ulpsLoss).toBeLessThan(2);
    expect(ulpsSquares).toBeLessThan(2);
  });

  it("score() counts p ≥ threshold as class 1, clips the loss and leaves squares alone", () => {
    const p = Float64Array.of(0, 0.25, 0.5, step(0.5, -1), 1, 1);
    const y = Float64Array.of(0, 0, 1, 1, 1, 0);
    expect(core.score(p, y, 0.5)[2]).toBe(4);
    const [right, squaresRight] = core.score(Float64Array.of(1), Float64Array.of(1), 0.5);
    const [wrong, squaresWrong] = core.score(Float64Array.of(0), Float64Array.of(1), 0.5);
    const [wrongToo] = core.score(Float64Array.of(1), Float64Array.of(0), 0.5);
    const exact = core.log(Float64Array.of(1 - 1e-12, 1e-12, 1 - (1 - 1e-12)));
    // N4: a sum keeps multiples of its second quantum, so that its error is relative to the bound.
    [right!, wrong!, wrongToo!].forEach((loss, i) => {
      expect(Math.abs(loss + exact[i]!)).toBeLessThanOrEqual(2 ** -84 * 27.7);
    });
    expect(wrongToo).toBeLessThan(27.7); // the bound that N4 takes
    expect([squaresRight, squaresWrong]).toEqual([0, 1]);
  });

  it("score() does not depend on the order of the rows", () => {
    const random = createRandom(3);
    for (const n of SIZES) {
      const p = new Float64Array(n).map(() => random.between(0, 1));
      const y = new Float64Array(n).map(() => random.below(2));
      const order = random.shuffled([...Array(n).keys()]);
      const shuffled = core.score(
        p.map((_, i) => p[order[i]!]!),
        y.map((_, i) => y[order[i]!]!),
        0.5,
      );
      expect(hexOf(shuffled), `n = ${n}`).toEqual(hexOf(core.score(p, y, 0.5)));
    }
  });

  it("weightedScore() adds s·loss, s·(p - y)² and the s of the right rows", () => {
    const random = createRandom(4);
    for (const n of SIZES.slice(1)) {
      const p = new Float64Array(n).map(() => random.between(0, 1));
      const y = new Float64Array(n).map(() => random.below(2));
      const s = randomRowWeights(random, n, 3);
      const each = Array.from(p, (_, i) => [
        ...core.score(p.slice(i, i + 1), y.slice(i, i + 1), 0.5),
      ]);
      const found = core.weightedScore(p, y, s, 0.5, 3);
      [27.7 * 3, 3, 3].forEach((bound, k) => {
        const terms = s.map((weight, i) => weight * each[i]![k]!);
        // score() of one row is its term but for 2^-84 of its bound; 2^-52 is the rounding of both sums.
        const limit = n * 2 ** -83 * bound + 2 ** -51 * core.sum(terms, bound);
        expect(Math.abs(found[k]! - core.sum(terms, bound)), `n = ${n}`).toBeLessThanOrEqual(limit);
      });
    }
  });

  it("weightedScore() does not depend on the order, nor on rows that weigh nothing", () => {
    const random = createRandom(5);
    for (const n of SIZES.slice(1)) {
      const p = new Float64Array(n).map(() => random.between(0, 1));
      const y = new Float64Array(n).map(() => random.below(2));
      const s = randomRowWeights(random, n, 0.3);
      const order = random.shuffled([...Array(n).keys()]);
      const pick = (x: Float64Array, rows: number[]) => Float64Array.from(rows, (i) => x[i]!);
      const score = (rows: number[]) =>
        hexOf(core.weightedScore(pick(p, rows), pick(y, rows), pick(s, rows), 0.5, 0.3));
      const expected = hexOf(core.weightedScore(p, y, s, 0.5, 0.3));
      expect(score(order), `n = ${n}`).toEqual(expected);
      const heavy = order.filter((i) => s[i]! > 0);
      expect(score(heavy), `n = ${n}`).toEqual(expected);
    }
  });
});
