// What does every core owe, whatever it is written in? The bits of the reference, and their laws.
import { describe, expect, it } from "vitest";
import pinned from "../golden/contract.json" with { type: "json" };
import { createRandom, hexOf } from "./bits.ts";
import {
  createCases,
  differences,
  digests,
  type Kernel,
  ROW_COUNTS,
  randomProblem,
  randomRowWeights,
  randomWeights,
  resultsOf,
  weigh,
} from "./cases.ts";
import { type Core, reference } from "./reference.ts";

/** Another seed gives other data: RAISIN_TEST_SEED=7 npx vitest run test/contract. */
export const SEED = Number(process.env.RAISIN_TEST_SEED ?? pinned.seed);

const KERNELS = Object.keys(reference) as Kernel[];
const cases = createCases(SEED);
const expected = resultsOf(reference, cases);

export function describeCore(name: string, load: () => Core): void {
  describe(`${name}, seed ${SEED}`, () => {
    const core = load();
    const actual = resultsOf(core, cases);
    const found = differences(cases, actual, expected);

    it.each(KERNELS)("%s() has the bits of the reference", (kernel) => {
      expect(cases.some((one) => one.kernel === kernel)).toBe(true);
      expect(found.filter((line) => line.startsWith(`${kernel}()`))).toEqual([]);
    });

    // Whoever changes bits on purpose makes another core: only the old one re-derives its models.
    // Whoever changes cases.ts puts the digests of the new cases into the file.
    it.runIf(SEED === pinned.seed)(
      "the bits are those recorded in test/golden/contract.json",
      () => {
        expect(digests(cases, actual)).toEqual(pinned.digests);
      },
    );

    it("descend() a and then b steps equals a + b steps", () => {
      const random = createRandom(SEED + 1);
      for (const [a, b] of [
        [1, 1],
        [3, 4],
        [0, 5],
        [17, 30],
      ] as const) {
        const problem = randomProblem(random, 45, 5);
        const start = randomWeights(random, 5);
        const inTwo = core.descend(problem, core.descend(problem, start, 0.4, 0.1, a), 0.4, 0.1, b);
        const atOnce = core.descend(problem, start, 0.4, 0.1, a + b);
        expect(hexOf(inTwo)).toEqual(hexOf(atOnce));
        expect(hexOf(atOnce)).not.toEqual(hexOf(start));
      }
    });

    it("descend() by one step is w - lr·gradient()", () => {
      const random = createRandom(SEED + 2);
      const problem = randomProblem(random, 100, 4);
      const w = randomWeights(random, 4);
      const g = core.gradient(problem, w, 0.03);
      const byHand = w.map((weight, j) => weight - 0.7 * g[j]!);
      expect(hexOf(core.descend(problem, w, 0.7, 0.03, 1))).toEqual(hexOf(byHand));
    });

    it("shuffled rows train to the same bits", () => {
      const random = createRandom(SEED + 3);
      for (const n of ROW_COUNTS) {
        const problem = randomProblem(random, n, 4);
        const order = random.shuffled([...Array(n).keys()]);
        const shuffled = {
          columns: problem.columns.map((x) => x.map((_, i) => x[order[i]!]!)),
          y: problem.y.map((_, i) => problem.y[order[i]!]!),
          bounds: problem.bounds,
        };
        const start = new Float64Array(5);
        expect(hexOf(core.descend(shuffled, start, 0.3, 0.01, 5)), `n = ${n}`).toEqual(
          hexOf(core.descend(problem, start, 0.3, 0.01, 5)),
        );
      }
    });

    it("row weights that are all 1 change no bit", () => {
      const random = createRandom(SEED + 5);
      for (const n of ROW_COUNTS) {
        const problem = randomProblem(random, n, 4);
        const weighted = { ...problem, s: new Float64Array(n).fill(1), total: n };
        const w = randomWeights(random, 4);
        expect(hexOf(core.weightedGradient(weighted, w, 0.03)), `n = ${n}`).toEqual(
          hexOf(core.gradient(problem, w, 0.03)),
        );
        expect(hexOf(core.weightedDescend(weighted, w, 0.3, 0.01, 5)), `n = ${n}`).toEqual(
          hexOf(core.descend(problem, w, 0.3, 0.01, 5)),
        );
        const p = core.sigmoid(core.logits(problem.columns, n, w));
        expect(hexOf(core.weightedScore(p, problem.y, weighted.s, 0.4, 1)), `n = ${n}`).toEqual(
          hexOf(core.score(p, problem.y, 0.4)),
        );
      }
    });

    it("weightedDescend() by one step is w - lr·weightedGradient(), and a and then b steps are a + b", () => {
      const random = createRandom(SEED + 6);
      const problem = weigh(randomProblem(random, 100, 4), randomRowWeights(random, 100, 3));
      const w = randomWeights(random, 4);
      const g = core.weightedGradient(problem, w, 0.03);
      const byHand = w.map((weight, j) => weight - 0.7 * g[j]!);
      const once = core.weightedDescend(problem, w, 0.7, 0.03, 1);
      expect(hexOf(once)).toEqual(hexOf(byHand));
      expect(hexOf(core.weightedDescend(problem, once, 0.7, 0.03, 6))).toEqual(
        hexOf(core.weightedDescend(problem, w, 0.7, 0.03, 7)),
      );
    });

    it("shuffled rows train to the same bits with their weights", () => {
      const random = createRandom(SEED + 7);
      for (const n of ROW_COUNTS) {
        const problem = weigh(randomProblem(random, n, 4), randomRowWeights(random, n, 0.3));
        const order = random.shuffled([...Array(n).keys()]);
        const pick = (x: Float64Array) => x.map((_, i) => x[order[i]!]!);
        const shuffled = {
          ...problem,
          columns: problem.columns.map(pick),
          y: pick(problem.y),
          s: pick(problem.s),
        };
        const start = new Float64Array(5);
        expect(hexOf(core.weightedDescend(shuffled, start, 0.3, 0.01, 5)), `n = ${n}`).toEqual(
          hexOf(core.weightedDescend(problem, start, 0.3, 0.01, 5)),
        );
      }
    });

    it("momentsOfPresent() of a column that misses nothing is moments()", () => {
      const random = createRandom(SEED + 8);
      for (const n of ROW_COUNTS) {
        const x = new Float64Array(n).map(() => 1000 + random.normal());
        const [least, most] = core.range(x) as unknown as [number, number];
        expect(hexOf(core.momentsOfPresent(x, n, least, most)), `n = ${n}`).toEqual(
          hexOf(core.moments(x, least, most)),
        );
      }
    });

    it("momentsOfIndicator() is moments() of the column of zeros and ones", () => {
      const random = createRandom(SEED + 9);
      const cases = ROW_COUNTS.flatMap((n) => [0, 1, n >> 1, n - 1, n].map((ones) => [ones, n]));
      for (let k = 0; k < 40; k++) {
        const n = 1 + random.below(5000);
        cases.push([random.below(n + 1), n]);
      }
      for (const [ones, n] of cases as [number, number][]) {
        const x = new Float64Array(n).fill(1, n - ones);
        const [least, most] = core.range(x) as unknown as [number, number];
        expect(hexOf(core.momentsOfIndicator(ones, n)), `${ones} of ${n}`).toEqual(
          hexOf(core.moments(x, least, most)),
        );
      }
    });

    it("contributions() added to the bias in feature order are the logits", () => {
      const random = createRandom(SEED + 4);
      for (const d of [0, 1, 2, 7, 17]) {
        const { columns } = randomProblem(random, 33, d);
        const w = randomWeights(random, d);
        const c = core.contributions(columns, 33, w);
        const z = core.logits(columns, 33, w);
        const sums = z.map((_, i) => c.subarray(i * d, (i + 1) * d).reduce((s, v) => s + v, w[d]!));
        expect(hexOf(sums)).toEqual(hexOf(z));
      }
    });
  });
}
