// Is the gradient that of the loss, and does descending by it give the weights that 60 digits give?
import { describe, expect, it } from "vitest";
import {
  createRandom,
  fromHex,
  hexOf,
  parseTrueValue,
  type TrueValue,
  toHex,
} from "../contract/bits.ts";
import { randomProblem, randomWeights } from "../contract/cases.ts";
import type { Core, Problem } from "../contract/reference.ts";
import training from "../golden/training.json" with { type: "json" };
import {
  Arena,
  BUILDS,
  instantiate,
  openCore,
  padded,
  readBuild,
  toTiles,
  WORK_PER_FEATURE,
} from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

function boundsOf(columns: Float64Array[]): Float64Array {
  return Float64Array.of(...columns.map((x) => Math.max(...x.map(Math.abs))), 1);
}

function goldenProblem(): Problem {
  const columns = training.columns.map((column) => Float64Array.from(column, fromHex));
  return { columns, y: Float64Array.from(training.y), bounds: boundsOf(columns) };
}

function largestDistance(values: Float64Array, truth: TrueValue[]): number {
  return Math.max(...truth.map(({ high, low }, i) => Math.abs(values[i]! - high - low)));
}

/** Mean loss with its L2 term, by the core's own sigmoid and sums. */
function lossAt(core: Core, { columns, y }: Problem, w: Float64Array, l2: number): number {
  const [loss] = core.score(core.sigmoid(core.logits(columns, y.length, w)), y, 0.5);
  let squares = 0;
  for (let j = 0; j < columns.length; j++) squares += w[j]! ** 2;
  return loss! / y.length + (l2 / 2) * squares;
}

describe.each(BUILDS)("build/%s.wasm", (build) => {
  const exports = instantiate(readBuild(build));
  const core = openCore(exports);

  it("gradient() is within 2^-42 of its bounds of 60 digits", () => {
    const problem = goldenProblem();
    const g = core.gradient(problem, new Float64Array(4), training.l2);
    const distance = largestDistance(g, training.firstGradient.map(parseTrueValue));
    console.info(`gradient(): largest distance from 60 digits ${distance.toExponential(2)}`);
    expect(distance).toBeLessThan(2 ** -42 * Math.max(...problem.bounds)); // N4, one fold
    expect(distance).toBeGreaterThan(0);
  });

  it("descend() is within a few 2^-42 of the weights of 60 digits", () => {
    const problem = goldenProblem();
    const { lr, l2, steps } = training;
    const w = core.descend(problem, new Float64Array(4), lr, l2, steps);
    const distance = largestDistance(w, training.weights.map(parseTrueValue));
    console.info(`descend(): largest distance from 60 digits ${distance.toExponential(2)}`);
    // A step adds lr times a gradient that is off by 2^-42 of its bound; descent only shrinks it.
    expect(distance).toBeLessThan(steps * lr * 2 ** -42 * Math.max(...problem.bounds));
  });

  it("gradient() is the five-point difference of the loss", () => {
    const random = createRandom(1);
    const h = 2 ** -9;
    for (const [n, d] of [
      [5, 1],
      [16, 2],
      [100, 4],
      [257, 7],
    ] as const) {
      const problem = randomProblem(random, n, d);
      const w = randomWeights(random, d);
      const g = core.gradient(problem, w, 0.05);
      for (let j = 0; j <= d; j++) {
        const at = (k: number) => {
          const moved = w.slice();
          moved[j]! += k * h;
          return lossAt(core, problem, moved, 0.05);
        };
        const slope = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * h);
        // The formula leaves out h^4/30 times the fifth derivative, which is below |x|^5/8. The
        // losses are rounded to 2^-53, which the division by h makes 1e-13.
        const reach = Math.max(1, problem.bounds[j]!);
        expect(Math.abs(g[j]! - slope)).toBeLessThan((h ** 4 / 30 / 8) * reach ** 5 + 1e-12);
      }
    }
  });

  it("treats a column of ones like the bias, bit for bit, when l2 is 0", () => {
    const random = createRandom(2);
    for (const n of SIZES.slice(1)) {
      const problem = randomProblem(random, n, 2);
      problem.columns[1] = new Float64Array(n).fill(1);
      problem.bounds[1] = 1;
      const w = core.descend(problem, new Float64Array(3), 0.4, 0, 7);
      expect(toHex(w[1]!), `n = ${n}`).toBe(toHex(w[2]!));
      const g = core.gradient(problem, w, 0);
      expect(toHex(g[1]!), `n = ${n}`).toBe(toHex(g[2]!));
    }
  });

  it("leaves the bias alone with L2 and adds l2·w to the others", () => {
    const random = createRandom(3);
    const problem = randomProblem(random, 50, 3);
    const w = randomWeights(random, 3);
    const [plain, shrunk] = [core.gradient(problem, w, 0), core.gradient(problem, w, 0.25)];
    const byHand = plain.map((g, j) => (j < 3 ? g + 0.25 * w[j]! : g));
    expect(hexOf(shrunk)).toEqual(hexOf(byHand));
  });

  it("does not read labels of rows that only fill up the last tile", () => {
    const random = createRandom(4);
    for (const n of SIZES.slice(1)) {
      const problem = randomProblem(random, n, 3);
      const w = randomWeights(random, 3);
      for (const behind of [1, -1e6]) {
        const arena = new Arena(exports);
        const y = new Float64Array(padded(n)).fill(behind);
        y.set(problem.y);
        const g = arena.output(4);
        const status = exports.gradient(
          arena.input(toTiles(problem.columns, n)),
          n,
          3,
          arena.input(y),
          arena.input(w),
          arena.input(problem.bounds),
          arena.output(4 * WORK_PER_FEATURE),
          0.1,
          g,
        );
        expect(status).toBe(0);
        arena.verify();
        expect(hexOf(arena.read(g, 4)), `n = ${n}`).toEqual(hexOf(core.gradient(problem, w, 0.1)));
      }
    }
  });

  it("gives the same bits with work that another problem has used", () => {
    const random = createRandom(5);
    const [first, second] = [randomProblem(random, 300, 4), randomProblem(random, 77, 4)];
    const w = new Float64Array(5).fill(0.1);
    const expected = [first, second, first].map((problem) => hexOf(core.gradient(problem, w, 0)));
    const arena = new Arena(exports);
    const work = arena.output(5 * WORK_PER_FEATURE);
    [first, second, first].forEach(({ columns, y, bounds }, k) => {
      const n = y.length;
      const labels = new Float64Array(padded(n));
      labels.set(y);
      const [X, at, g] = [arena.input(toTiles(columns, n)), arena.input(w), arena.output(5)];
      exports.gradient(X, n, 4, arena.input(labels), at, arena.input(bounds), work, 0, g);
      arena.verify();
      expect(hexOf(arena.read(g, 5))).toEqual(expected[k]);
    });
  });

  it("lowers the loss, and stands still at its minimum", () => {
    const random = createRandom(6);
    const problem = randomProblem(random, 120, 3);
    let w: Float64Array = new Float64Array(4);
    let loss = lossAt(core, problem, w, 0.1);
    for (let k = 0; k < 20; k++) {
      w = core.descend(problem, w, 0.5, 0.1, 5);
      const next = lossAt(core, problem, w, 0.1);
      expect(next).toBeLessThanOrEqual(loss);
      loss = next;
    }
    w = core.descend(problem, w, 0.5, 0.1, 2000);
    const g = core.gradient(problem, w, 0.1);
    expect(Math.max(...g.map(Math.abs))).toBeLessThan(1e-10); // sums are rounded at 2^-42
  });
});
