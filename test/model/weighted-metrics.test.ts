// Are figures of weighted rows those of exact arithmetic, the same in any order, and those of repeated rows?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Core, type Score } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { type Evaluation, evaluationOf, type Metrics, metricsOf } from "../../src/model/metrics.ts";
import { check, createRandom, SEED, shuffled } from "../data/support.ts";

const core = new Core(loadCore());

interface Row {
  /** Logit of the row. */
  readonly z: number;
  readonly y: 0 | 1;
  readonly s: number;
}

interface Scored {
  readonly score: Score;
  readonly y: Uint8Array;
  readonly weighing: { values: Float64Array; total: number } | undefined;
}

/** What the core says of rows with these logits: a model of one feature, which is the logit. */
function scoreOf(rows: readonly Row[], isWeighted: boolean, threshold: number): Scored {
  core.reset();
  const y = Uint8Array.from(rows, (row) => row.y);
  const values = Float64Array.from(rows, (row) => row.s);
  const given = core.rows({
    columns: [Float64Array.from(rows, (row) => row.z)],
    mean: Float64Array.of(0),
    std: Float64Array.of(1),
    y,
    ...(isWeighted && { weights: values }),
  });
  const score = given.score(Float64Array.of(1, 0), threshold);
  return { score, y, weighing: isWeighted ? { values, total: given.weight } : undefined };
}

const THRESHOLD = 0.5;

function figuresOf(rows: readonly Row[], isWeighted = true, threshold = THRESHOLD): Metrics {
  const { score, y, weighing } = scoreOf(rows, isWeighted, threshold);
  return metricsOf(score, y, threshold, weighing);
}

function evaluate(rows: readonly Row[], isWeighted = true): Evaluation {
  const { score, y, weighing } = scoreOf(rows, isWeighted, THRESHOLD);
  return evaluationOf(score, y, THRESHOLD, weighing);
}

// The oracle: fractions of whole numbers of any size, from the definitions, pair by pair.

/** A finite f64 as m·2^e. */
function partsOf(value: number): { m: bigint; e: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const fraction = bits & ((1n << 52n) - 1n);
  const m = exponent === 0 ? fraction : fraction | (1n << 52n);
  return { m: value < 0 ? -m : m, e: Math.max(exponent, 1) - 1075 };
}

/** The least exponent among some values: all are whole multiples of 2 to it. */
const gridOf = (values: readonly number[]) =>
  values
    .filter((value) => value !== 0)
    .reduce((least, value) => Math.min(least, partsOf(value).e), 0);

const onGrid = (value: number, grid: number) => {
  const { m, e } = partsOf(value);
  return value === 0 ? 0n : m << BigInt(e - grid);
};

/** The f64 nearest to num/den · 2^e, from 0, ties to even: long division to 64 bits and more, and a sticky one. */
function toNumber(num: bigint, den = 1n, e = 0): number {
  if (num === 0n) return 0;
  const shift = 66n + BigInt(den.toString(2).length) - BigInt(num.toString(2).length);
  const scaled = shift > 0n ? num << shift : num;
  const quotient = scaled / (shift > 0n ? den : den << -shift);
  const isExact = quotient * (shift > 0n ? den : den << -shift) === scaled;
  // A sticky bit far below the last one that counts: Number() of a bigint rounds to nearest, ties to even.
  return Number((quotient << 1n) | (isExact ? 0n : 1n)) * 2 ** (e - Number(shift) - 1);
}

interface Exact {
  tn: bigint;
  fp: bigint;
  fn: bigint;
  tp: bigint;
  grid: number;
}

function confusionOracle(rows: readonly Row[], p: Float64Array, threshold = THRESHOLD): Exact {
  const grid = gridOf(rows.map(({ s }) => s));
  const exact: Exact = { tn: 0n, fp: 0n, fn: 0n, tp: 0n, grid };
  rows.forEach(({ y, s }, i) => {
    const key = p[i]! >= threshold ? (y ? "tp" : "fp") : y ? "fn" : "tn";
    exact[key] += onGrid(s, grid);
  });
  return exact;
}

/** P(p of a positive > p of a negative) + P(tie)/2 by weight, over all pairs; null where there are none. */
function aucOracle(rows: readonly Row[], p: Float64Array): number | null {
  const grid = gridOf(rows.map(({ s }) => s));
  let doubled = 0n;
  let pairs = 0n;
  rows.forEach((a, i) => {
    if (a.y !== 1) return;
    rows.forEach((b, k) => {
      if (b.y !== 0) return;
      const weight = onGrid(a.s, grid) * onGrid(b.s, grid);
      pairs += weight;
      if (p[i]! > p[k]!) doubled += 2n * weight;
      else if (p[i] === p[k]) doubled += weight;
    });
  });
  return pairs === 0n ? null : toNumber(doubled, 2n * pairs);
}

/** Σ (R_k - R_(k-1))·P_k over distinct probabilities, from the highest, as one fraction. */
function averagePrecisionOracle(rows: readonly Row[], p: Float64Array): number | null {
  const grid = gridOf(rows.map(({ s }) => s));
  const sum = (test: (row: Row, i: number) => boolean) =>
    rows.reduce((all, row, i) => (test(row, i) ? all + onGrid(row.s, grid) : all), 0n);
  const positives = sum(({ y }) => y === 1);
  if (positives === 0n || sum(({ y }) => y === 0) === 0n) return null;
  let num = 0n;
  let den = 1n;
  let before = 0n;
  for (const at of [...new Set(p)].sort((a, b) => b - a)) {
    const tp = sum(({ y }, i) => y === 1 && p[i]! >= at);
    const all = sum((_, i) => p[i]! >= at);
    if (tp > before) {
      num = num * all + (tp - before) * tp * den;
      den *= all;
    }
    before = tp;
  }
  return toNumber(num, den * positives);
}

/** Σ s·v / Σ s, exactly, of values that are f64. */
function meanOracle(rows: readonly Row[], values: readonly number[]): number {
  const grid = gridOf(rows.map(({ s }) => s));
  const fine = gridOf(values);
  let num = 0n;
  let den = 0n;
  rows.forEach(({ s }, i) => {
    num += onGrid(s, grid) * onGrid(values[i]!, fine);
    den += onGrid(s, grid);
  });
  return toNumber(num, den, fine);
}

const lossesOf = (rows: readonly Row[], p: Float64Array) =>
  rows.map(({ y }, i) => {
    const clipped = Math.min(Math.max(p[i]!, 1e-12), 1 - 1e-12);
    return -Math.log(y === 1 ? clipped : 1 - clipped);
  });
const errorsOf = (rows: readonly Row[], p: Float64Array) =>
  rows.map(({ y }, i) => (p[i]! - y) * (p[i]! - y));

const relative = (actual: number, expected: number) =>
  actual === expected ? 0 : Math.abs(actual - expected) / Math.abs(expected);

/**
 * A weighted mean against another: terms have four roundings at most (the logarithm, two products, or as many in the
 * other), the sums and their division three, all of one sign; and a sum of two folds is off by 2^-84 of its bound a term.
 *
 * @param most the bound of a term of weight 1 (CONTRACT.md, N4)
 */
function expectMean(actual: number, expected: number, rows: readonly Row[], most: number): void {
  const total = rows.reduce((sum, { s }) => sum + s, 0);
  const heaviest = rows.reduce((a, { s }) => Math.max(a, s), 0);
  const folds = 2 ** -83 * most * ((rows.length * heaviest) / total + 1);
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(8 * 2 ** -53 * expected + folds);
}

// Logits from a few values, so that ties are common.
const logit = fc.constantFrom(-3, -1, -0.25, 0, 0.25, 1, 3, 40);
const label = fc.constantFrom<0 | 1>(0, 1);
const weight = fc.oneof(
  fc.constantFrom(0, 1, 1, 2, 0.1, 0.5, 1 / 3),
  fc.double({ min: 2 ** -20, max: 8, noNaN: true }),
);
const rowsOf = (weights: fc.Arbitrary<number>) =>
  fc
    .array(fc.record({ z: logit, y: label, s: weights }), { minLength: 2, maxLength: 40 })
    .filter((rows) => rows.some(({ s }) => s > 0));

describe(`figures of weighted rows, seed ${SEED}`, () => {
  test("are those of exact arithmetic", () => {
    const worst = { auc: 0, ap: 0 };
    let both = 0;
    check(
      fc.property(rowsOf(weight), (rows) => {
        const { score } = scoreOf(rows, true, THRESHOLD);
        const p = score.probabilities;
        const metrics = figuresOf(rows);
        const { tn, fp, fn, tp, grid } = confusionOracle(rows, p);
        // Weights within 2^32 of the largest are whole numbers of quanta, so a count is the exact sum, rounded once.
        const count = (total: bigint) => toNumber(total, 1n, grid);
        expect(metrics.confusion).toEqual({
          tn: count(tn),
          fp: count(fp),
          fn: count(fn),
          tp: count(tp),
        });
        expect(metrics.rows).toBe(rows.length);
        const all = tn + fp + fn + tp;
        expect(metrics.weight).toBe(count(all));
        // Two sums and a division, each rounded once: 1.5 ulp, or 3 of 2^-53.
        expect(relative(metrics.accuracy!, toNumber(tn + tp, all))).toBeLessThanOrEqual(
          4 * 2 ** -53,
        );
        const ratio = (a: bigint, b: bigint) => (b > 0n ? toNumber(a, b) : null);
        for (const [figure, exact] of [
          [metrics.precision, ratio(tp, tp + fp)],
          [metrics.recall, ratio(tp, tp + fn)],
          [metrics.f1, ratio(2n * tp, 2n * tp + fp + fn)],
        ] as const) {
          if (exact === null) expect(figure).toBeNull();
          // Counts, at most two additions and a division: five roundings.
          else expect(relative(figure!, exact)).toBeLessThanOrEqual(6 * 2 ** -53);
        }
        const auc = aucOracle(rows, p);
        const ap = averagePrecisionOracle(rows, p);
        if (auc === null)
          expect([metrics.roc_auc, metrics.average_precision, metrics.mcc]).toEqual([
            null,
            null,
            null,
          ]);
        else {
          both++;
          worst.auc = Math.max(worst.auc, relative(metrics.roc_auc!, auc));
          worst.ap = Math.max(worst.ap, relative(metrics.average_precision!, ap!));
        }
        expectMean(metrics.loss!, meanOracle(rows, lossesOf(rows, p)), rows, 27.7);
        expectMean(metrics.brier!, meanOracle(rows, errorsOf(rows, p)), rows, 1);
      }),
      400,
    );
    expect(both).toBeGreaterThan(200);
    // Both sides of the division are rounded once, and then it.
    expect(worst.auc).toBeLessThanOrEqual(4 * 2 ** -53);
    // At most eight distinct probabilities: each term has six roundings, and eight are added.
    expect(worst.ap).toBeLessThanOrEqual(16 * 2 ** -53);
  });

  test("are those of unweighted rows to the last bit where all weights are 1", () => {
    check(
      fc.property(rowsOf(fc.constant(1)), (rows) => {
        const { weight: total, ...weighted } = figuresOf(rows);
        expect(weighted).toEqual(figuresOf(rows, false));
        expect(total).toBe(rows.length);
        const { calibration, ...others } = evaluate(rows);
        const plain = evaluate(rows, false);
        expect(others.curve).toEqual(plain.curve);
        expect(calibration.map(({ weight: _, positive_weight: __, ...bin }) => bin)).toEqual(
          plain.calibration,
        );
        for (const bin of calibration)
          expect([bin.weight, bin.positive_weight]).toEqual([bin.rows, bin.positives]);
      }),
      200,
    );
  });

  test("are those of rows that stand there so many times", () => {
    check(
      fc.property(rowsOf(fc.integer({ min: 0, max: 5 })), (rows) => {
        const repeated = rows.flatMap((row) => Array.from({ length: row.s }, () => row));
        const { loss, brier, rows: n, weight: total, ...weighted } = figuresOf(rows);
        const { loss: loss2, brier: brier2, rows: n2, ...plain } = figuresOf(repeated, false);
        expect(weighted).toEqual(plain); // counts, and what is made of counts, to the last bit
        expect([n, total]).toEqual([rows.length, n2]);
        expectMean(loss!, loss2!, rows, 27.7);
        expectMean(brier!, brier2!, rows, 1);
      }),
      300,
    );
  });

  test("do not depend on the order of rows, to the last bit", () => {
    const wide = fc.oneof(weight, fc.double({ min: 2 ** -300, max: 2 ** 300, noNaN: true }));
    check(
      fc.property(rowsOf(wide), fc.nat(), (rows, seed) => {
        expect(evaluate(shuffled(rows, createRandom(seed)))).toEqual(evaluate(rows));
      }),
      300,
    );
  });

  test("do not see rows of weight 0, but for their number", () => {
    check(
      fc.property(
        rowsOf(weight),
        fc.array(fc.record({ z: logit, y: label }), { maxLength: 9 }),
        (rows, more) => {
          const nothing = more.map((row) => ({ ...row, s: 0 }));
          const { rows: n, ...figures } = figuresOf(
            shuffled([...rows, ...nothing], createRandom()),
          );
          const { rows: m, ...expected } = figuresOf(rows);
          expect(figures).toEqual(expected);
          expect(n - m).toBe(nothing.length);
        },
      ),
      200,
    );
  });

  test("do not see by what all weights are multiplied, where it is a power of two", () => {
    check(
      fc.property(rowsOf(weight), fc.integer({ min: -300, max: 300 }), (rows, k) => {
        const scaled = rows.map((row) => ({ ...row, s: row.s * 2 ** k }));
        const { confusion: counts, weight: total, mcc: m, ...figures } = figuresOf(rows);
        const { confusion, weight: other, mcc, ...expected } = figuresOf(scaled);
        expect(figures).toEqual(expected);
        expect(other).toBe(total! * 2 ** k);
        for (const key of ["tn", "fp", "fn", "tp"] as const)
          expect(confusion[key]).toBe(counts[key] * 2 ** k);
        // The square roots of uneven powers of two are rounded.
        if (m !== null) expect(Math.abs(mcc! - m)).toBeLessThan(1e-14);
      }),
      100,
    );
  });
});

describe("figures at their ends", () => {
  const row = (z: number, y: 0 | 1, s: number): Row => ({ z, y, s });

  test("are null where no row of a class weighs anything", () => {
    const rows = [row(1, 1, 0), row(-1, 0, 2), row(2, 0, 1)];
    expect(figuresOf(rows)).toMatchObject({
      rows: 3,
      weight: 3,
      accuracy: 2 / 3,
      roc_auc: null,
      average_precision: null,
      recall: null,
      precision: 0,
      mcc: null,
      confusion: { tn: 2, fp: 1, fn: 0, tp: 0 },
    });
  });

  test("take weights of 2^400 and of 2^-400", () => {
    for (const unit of [2 ** 400, 2 ** -400]) {
      const metrics = figuresOf([row(1, 1, unit), row(-1, 0, unit), row(1, 0, unit / 2)]);
      expect(metrics.confusion).toEqual({ tn: unit, fp: unit / 2, fn: 0, tp: unit });
      expect(metrics.roc_auc).toBe(2.5 / 3);
      expect(metrics.weight).toBe(2.5 * unit);
    }
    expect(() => figuresOf([row(1, 1, 2 ** 401), row(-1, 0, 1)])).toThrow(RangeError);
    expect(() => figuresOf([row(1, 1, 2 ** -401), row(-1, 0, 2 ** -402)])).toThrow(RangeError);
  });

  test("lose a weight below 2^-85 of the largest, which is what the contract says", () => {
    const small = (exponent: number) => figuresOf([row(1, 1, 2 ** exponent), row(-1, 0, 1)]);
    expect(small(-84).confusion.tp).toBe(2 ** -84);
    expect(small(-85).confusion.tp).toBe(2 ** -84); // half a quantum is rounded up
    expect(small(-86).confusion.tp).toBe(0);
    expect(small(-86).roc_auc).toBeNull();
    // A control: what is a little larger is not lost.
    expect(small(-86.5 + 2).confusion.tp).toBe(2 ** -84);
  });

  test("have as many thresholds as probabilities, with weights as counts, and bins by weight", () => {
    const rows = [row(-1, 0, 0.5), row(-1, 1, 0.25), row(0, 1, 2), row(1, 0, 0), row(3, 1, 1.5)];
    const { curve, calibration } = evaluate(rows);
    expect(curve.map(({ tp, fp }) => [tp, fp])).toEqual([
      [1.5, 0],
      [1.5, 0],
      [3.5, 0],
      [3.75, 0.5],
    ]);
    expect(
      calibration.map(({ rows: n, weight: s, positives, positive_weight: t }) => [
        n,
        s,
        positives,
        t,
      ]),
    ).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [2, 0.75, 1, 0.25],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [1, 2, 1, 2],
      [0, 0, 0, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 0],
      [1, 1.5, 1, 1.5],
    ]);
  });

  test("come of thousands of rows as of few", () => {
    const random = createRandom();
    const rows = Array.from({ length: 5000 }, (_, i) =>
      row(
        Math.round(random() * 4000 - 2000) / 500,
        (random() < 0.3 ? 1 : 0) as 0 | 1,
        i % 7 ? random() : 0,
      ),
    );
    const { score } = scoreOf(rows, true, THRESHOLD);
    const metrics = figuresOf(rows);
    const { tn, fp, fn, tp, grid } = confusionOracle(rows, score.probabilities);
    const count = (total: bigint) => toNumber(total, 1n, grid);
    expect(metrics.confusion).toEqual({
      tn: count(tn),
      fp: count(fp),
      fn: count(fn),
      tp: count(tp),
    });
    expect(evaluate(rows).curve).toHaveLength(201);
    expect(evaluate(shuffled(rows, random))).toEqual(evaluate(rows));
  });
});

describe("the oracle itself", () => {
  test("divides and rounds as f64 do", () => {
    check(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 2 ** 31 }), (a, b) => {
        expect(toNumber(BigInt(a), BigInt(b))).toBe(a / b);
      }),
      500,
    );
    expect(toNumber((1n << 53n) + 1n)).toBe(2 ** 53); // a tie, to even
    expect(toNumber((1n << 53n) + 3n)).toBe(2 ** 53 + 4);
    expect(toNumber((1n << 200n) + (1n << 147n) + 1n)).toBe(2 ** 200 + 2 ** 148); // just above a tie
  });

  test("puts values on a grid without losing any of them", () => {
    for (const value of [1, 0.1, 3, 2 ** -60, 1e10, 1 / 3]) {
      const grid = gridOf([value, 0.1]);
      expect(toNumber(onGrid(value, grid), 1n, grid)).toBe(value);
    }
  });
});
