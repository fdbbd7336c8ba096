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
import {
  manyWeightedRows,
  randomProblem,
  randomRowWeights,
  randomWeights,
  weigh,
} from "../contract/cases.ts";
import {
  type Core,
  exponentOf,
  Fold,
  type Problem,
  reference,
  type WeightedProblem,
} from "../contract/reference.ts";
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

/** The same with row weights. */
function weightedLossAt(core: Core, problem: WeightedProblem, w: Float64Array, l2: number): number {
  const { columns, y, s, total } = problem;
  const p = core.sigmoid(core.logits(columns, y.length, w));
  const [loss] = core.weightedScore(p, y, s, 0.5, Math.max(...s));
  let squares = 0;
  for (let j = 0; j < columns.length; j++) squares += w[j]! ** 2;
  return loss! / total + (l2 / 2) * squares;
}

/** The chosen rows of a problem, whose bounds stay what they are. */
function takeRows(problem: Problem, rows: number[]): Problem {
  const pick = (x: Float64Array) => Float64Array.from(rows, (i) => x[i]!);
  return { columns: problem.columns.map(pick), y: pick(problem.y), bounds: problem.bounds };
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

  it("weightedGradient() is the five-point difference of the weighted loss", () => {
    const random = createRandom(7);
    const h = 2 ** -9;
    for (const [n, d] of [
      [5, 1],
      [100, 4],
      [257, 7],
    ] as const) {
      const plain = randomProblem(random, n, d);
      const problem = weigh(plain, randomRowWeights(random, n, 3));
      const w = randomWeights(random, d);
      const g = core.weightedGradient(problem, w, 0.05);
      for (let j = 0; j <= d; j++) {
        const at = (k: number) => {
          const moved = w.slice();
          moved[j]! += k * h;
          return weightedLossAt(core, problem, moved, 0.05);
        };
        const slope = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * h);
        // As without weights, since a weighted mean is at most the largest of its terms; but one fold leaves up to
        // 2^-42 of a bound a term, n terms divided by Σs.
        const reach = Math.max(1, plain.bounds[j]!);
        const folded = (n * 2 ** -42 * problem.bounds[j]!) / problem.total;
        const limit = (h ** 4 / 30 / 8) * reach ** 5 + 1e-12 + folded;
        expect(Math.abs(g[j]! - slope)).toBeLessThan(limit);
      }
    }
  });

  it("a row of weight 2 is two rows, but for what one fold rounds away", () => {
    const random = createRandom(8);
    let largest = 0;
    for (const n of SIZES.slice(1)) {
      const plain = randomProblem(random, n, 3);
      const s = new Float64Array(n).map(() => 1 + random.below(3));
      const weighted = weigh(plain, s);
      const copies = [...s].flatMap((weight, i) => Array<number>(weight).fill(i));
      const w = randomWeights(random, 3);
      const one = core.weightedGradient(weighted, w, 0.1);
      const other = core.gradient(takeRows(plain, copies), w, 0.1);
      expect(weighted.total).toBe(copies.length);
      for (let j = 0; j <= 3; j++) {
        // N4: each of the n terms is off by 2^-42 of a bound that is max s times the other, and each of the Σs copies
        // by 2^-42 of that; both are divided by Σs. 3·(p - y) and its product with x round at 2^-53 of a bound.
        const terms = n * weighted.bounds[j]! + copies.length * plain.bounds[j]!;
        const limit =
          (2 ** -42 + 2 ** -51) * (terms / copies.length) + 2 ** -51 * Math.abs(one[j]!);
        expect(Math.abs(one[j]! - other[j]!), `n = ${n}`).toBeLessThanOrEqual(limit);
        largest = Math.max(largest, Math.abs(one[j]! - other[j]!));
      }
    }
    expect(largest).toBeGreaterThan(0); // bits are equal only for equal rows, weights and bounds
  });

  it("a row of weight 0 adds nothing, bit for bit", () => {
    const random = createRandom(9);
    for (const n of SIZES.slice(1)) {
      const plain = randomProblem(random, n, 3);
      const problem = weigh(plain, randomRowWeights(random, n, 0.3));
      const heavy = [...problem.s.keys()].filter((i) => problem.s[i]! > 0);
      const without = {
        ...takeRows(problem, heavy),
        s: Float64Array.from(heavy, (i) => problem.s[i]!),
        total: problem.total,
      };
      const w = randomWeights(random, 3);
      expect(hexOf(core.weightedGradient(without, w, 0.1)), `n = ${n}`).toEqual(
        hexOf(core.weightedGradient(problem, w, 0.1)),
      );
    }
  });

  it("weighs p - y first, then multiplies by x; the other order is another gradient", () => {
    const problem = manyWeightedRows(createRandom(10));
    const { columns, y, s, total, bounds } = problem;
    const w = Float64Array.of(1, -0.7, 0.5, 0.2, 0.3);
    const r = reference.sigmoid(reference.logits(columns, y.length, w)).map((p, i) => p - y[i]!);
    const mean = (j: number, term: (i: number) => number) => {
      const fold = new Fold(exponentOf(bounds[j]!));
      for (let i = 0; i < y.length; i++) fold.add(term(i));
      return toHex(fold.value() / total);
    };
    const g = hexOf(core.weightedGradient(problem, w, 0));
    const ours = columns.map((x, j) => mean(j, (i) => s[i]! * r[i]! * x[i]!));
    expect(g).toEqual([...ours, mean(4, (i) => s[i]! * r[i]!)]);
    const others = columns.map((x, j) => mean(j, (i) => s[i]! * (r[i]! * x[i]!)));
    expect(others).not.toEqual(ours);
  });

  it("does not read weights of rows that only fill up the last tile", () => {
    const random = createRandom(11);
    for (const n of SIZES.slice(1)) {
      const problem = weigh(randomProblem(random, n, 3), randomRowWeights(random, n, 3));
      const w = randomWeights(random, 3);
      const expected = hexOf(core.weightedDescend(problem, w, 0.3, 0.1, 2));
      for (const behind of [0, 1e300, Number.NEGATIVE_INFINITY]) {
        const arena = new Arena(exports);
        const [y, s] = [new Float64Array(padded(n)), new Float64Array(padded(n)).fill(behind)];
        y.set(problem.y);
        s.set(problem.s);
        const at = arena.inOut(w);
        const status = exports.weightedDescend(
          arena.input(toTiles(problem.columns, n)),
          n,
          3,
          arena.input(y),
          arena.input(s),
          problem.total,
          at,
          arena.input(problem.bounds),
          arena.output(4 * WORK_PER_FEATURE),
          0.3,
          0.1,
          2,
        );
        expect(status).toBe(0);
        arena.verify();
        expect(hexOf(arena.read(at, 4)), `n = ${n}`).toEqual(expected);
      }
    }
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
