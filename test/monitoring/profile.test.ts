// Does the training profile hold what drift needs, whatever the order of rows, and never a row?
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { profileOf, type TrainProfile } from "../../src/monitoring/profile.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { createRandom, toHex } from "../contract/bits.ts";
import { numbersOf } from "../support/numbers.ts";
import { generate, reorder } from "../training/generated.ts";

/** The profile of columns that are all training rows. */
function profile(
  columns: readonly Float64Array[],
  logits = new Float64Array(columns[0]!.length),
): TrainProfile {
  const core = new Core(loadCore());
  const features = columns.map((_, j) => `x${j + 1}`);
  return profileOf(core, {
    inputs: features.map((name, j) => ({ column: { name, as: "number" }, cells: columns[j]! })),
    features,
    columns,
    moments: columns.map((column, j) => core.moments(`x${j + 1}`, column)),
    index: Uint32Array.from(columns[0]!.keys()),
    logits,
    labelCounts: { a: columns[0]!.length },
  });
}

function normals(n: number, seed = 1): Float64Array {
  const random = createRandom(seed);
  return new Float64Array(n).map(() => random.normal());
}

const isAscending = (values: readonly number[]) =>
  values.every((value, k) => k === 0 || value > values[k - 1]!);
const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

describe("profileOf()", () => {
  it.each([1, 2, 9, 10, 19, 20, 99, 100, 900, 999, 1000, 1001, 5000])("%i rows", (n) => {
    const column = normals(n, n);
    const { features, rows } = profile([column]);
    const { count, min, max, quantiles, histogram } = features[0]!;
    const sorted = [...column].sort((a, b) => a - b);
    expect([rows, count, min, max]).toEqual([n, n, sorted[0], sorted.at(-1)]);

    // Not finer than ten rows a step, and none at all below ten rows.
    const points = Math.min(101, Math.floor(n / 10) + 1);
    expect(quantiles).toHaveLength(points < 2 ? 0 : points);
    if (n >= 10) {
      expect([quantiles[0], quantiles.at(-1)]).toEqual([min, max]);
      expect(quantiles).toEqual([...quantiles].sort((a, b) => a - b));
      expect((n - 1) / (points - 1)).toBeGreaterThanOrEqual(9);
    }

    expect(total(histogram.counts)).toBe(n);
    expect(histogram.counts).toHaveLength(Math.max(1, Math.min(20, Math.floor(n / 10))));
    expect(histogram.edges).toHaveLength(histogram.counts.length + 1);
    expect([histogram.edges[0], histogram.edges.at(-1)]).toEqual([min, max]);
    if (n > 1) expect(isAscending(histogram.edges)).toBe(true);
    histogram.counts.forEach((rowsInBin, k) => {
      const [from, to] = [histogram.edges[k]!, histogram.edges[k + 1]!];
      const isLast = k === histogram.counts.length - 1;
      const inside = sorted.filter((x) => x >= from && (isLast ? x <= to : x < to));
      expect(rowsInBin).toBe(inside.length);
    });
  });

  it("quantiles interpolate between order statistics", () => {
    const column = Float64Array.from({ length: 41 }, (_, i) => (i * 7) % 41);
    expect(profile([column]).features[0]!.quantiles).toEqual([0, 10, 20, 30, 40]);
    const tenth = profile([column.map((x) => x * x)]).features[0]!.quantiles;
    expect(tenth).toEqual([0, 100, 400, 900, 1600]);
    const even = Float64Array.from({ length: 20 }, (_, i) => 19 - i);
    expect(profile([even]).features[0]!.quantiles).toEqual([0, 9.5, 19]);
  });

  it("a constant column has one bin that holds every row", () => {
    const { histogram, quantiles, std } = profile([new Float64Array(50).fill(3)]).features[0]!;
    expect(histogram).toEqual({ edges: [3, 3], counts: [50] });
    expect(quantiles).toEqual([3, 3, 3, 3, 3, 3]);
    expect(std).toBe(1);
  });

  it("a range of few numbers has as many edges as there are numbers, and no empty bin between", () => {
    const step = 2 ** -12; // an ulp of 1.7e12
    const column = Float64Array.from({ length: 400 }, (_, i) => 1.7e12 + (i % 3) * step);
    const { histogram } = profile([column]).features[0]!;
    expect(isAscending(histogram.edges)).toBe(true);
    expect(histogram.counts).toEqual([134, 266]);
  });

  it("a column of two values keeps both ends in bins of their own", () => {
    const column = Float64Array.from({ length: 300 }, (_, i) => Number(i % 3 === 0));
    const { counts } = profile([column]).features[0]!.histogram;
    expect(counts).toHaveLength(20);
    expect([counts[0], counts.at(-1), total(counts)]).toEqual([200, 100, 300]);
  });

  it("counts logits below, between and above whole numbers from -10 to 10", () => {
    const logits = Float64Array.of(-1e9, -10.5, -10, -9.5, -0.5, 0, 0.5, 9.5, 10, 1e9);
    const { logit } = profile([normals(10)], logits);
    expect(logit.edges).toEqual(Array.from({ length: 21 }, (_, k) => k - 10));
    expect(logit.counts).toHaveLength(22);
    const at = (bin: number) => logit.counts[bin];
    // Bin 0 lies below -10, bin k in [k - 11, k - 10), the last from 10 on.
    expect([at(0), at(1), at(10), at(11), at(20), at(21)]).toEqual([2, 2, 1, 2, 1, 2]);
    expect(total(logit.counts)).toBe(10);
  });

  it("the mean logit is exact where plain addition is not, and takes logits of any size", () => {
    const column = normals(10);
    const filled = (values: number[]) =>
      Float64Array.from({ length: 10 }, (_, i) => values[i % values.length]!);
    const mean = (values: number[]) => profile([column], filled(values)).logit.mean;
    expect(mean([1e10, 1e-5, -1e10, -1e-5, 0])).toBe(0);
    expect(mean([0])).toBe(0);
    expect(mean([2])).toBe(2);
    expect(mean([1e-310])).toBeLessThan(1e-100); // far below the least bound
    expect(mean([1e200])).toBe(1e200);
  });

  it("names features in model order, with their moments", () => {
    const columns = [normals(30, 1), normals(30, 2).map((x) => 100 + x)];
    const made = profile(columns);
    expect(made.schema).toBe("raisin.train_profile/1");
    expect(made.feature_order).toEqual(["x1", "x2"]);
    expect(made.features.map(({ name }) => name)).toEqual(["x1", "x2"]);
    expect(made.means).toEqual(made.features.map(({ mean }) => mean));
    expect(made.stds).toEqual(made.features.map(({ std }) => std));
    expect(made.label_counts).toEqual({ a: 30 });
    // Numbers that are always there are neither levels nor missing.
    expect([made.categories, made.missing]).toEqual([[], []]);
    expect(made.means[1]).toBeCloseTo(100, 0);
  });
});

describe("the profile of a training", () => {
  const dataset = generate({ n: 250, d: 3, seed: 4 });
  const params = { ...DEFAULT_PARAMS, iterations: 30 };

  it("does not depend on the order of rows, and is of the training rows only", async () => {
    const result = await train(loadCore(), dataset, params);
    const order = createRandom(2).shuffled([...Array(dataset.rowCount).keys()]);
    const shuffled = await train(loadCore(), reorder(dataset, order), params);
    expect(JSON.stringify(shuffled.profile)).toBe(JSON.stringify(result.profile));
    const { profile: made, split, model } = result;
    expect(made.rows).toBe(split.train.length);
    expect(total(Object.values(made.label_counts))).toBe(split.train.length);
    expect(made.means.map(toHex)).toEqual(Array.from(model.mean, toHex));
    expect(made.stds.map(toHex)).toEqual(Array.from(model.std, toHex));
    expect(total(made.logit.counts)).toBe(split.train.length);
    made.features.forEach(({ max }, j) => {
      const column = numbersOf(dataset.columns[j]);
      expect(max).toBe(Math.max(...Array.from(split.train, (i) => column[i]!)));
    });
  });

  it("holds no row and few values: nothing finer than ten rows a bin, ends aside", async () => {
    const { profile: made, split } = await train(loadCore(), dataset, params);
    for (const { quantiles, histogram, name } of made.features) {
      expect(quantiles.length, name).toBeLessThanOrEqual(split.train.length / 10 + 1);
      expect(histogram.edges.length, name).toBeLessThanOrEqual(split.train.length / 10 + 1);
    }
    const column = new Set(numbersOf(dataset.columns[0]));
    const stored = made.features[0]!.quantiles.slice(1, -1).filter((value) => column.has(value));
    expect(stored.length).toBeLessThan(split.train.length / 10);
  });
});
