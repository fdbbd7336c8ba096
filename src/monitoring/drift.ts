// How far are new rows from the training rows, is that more than chance, and what does it do to the predictions?
//
// Design:
// - z_j is the shift of a feature's mean as the model sees it, a missing number standing at the training mean. Then the
//   shift of the mean logit is Σ w_j z_j, exactly: a feature without weight may drift harmlessly, and the report says so.
// - Sums go over sorted values, so that the order of the rows has no influence.
// - What is judged is judged against chance at this many rows: a fixed threshold would fire on noise in small batches and
//   stay silent, or not, by luck. What is 0 or 1 is judged exactly: a level that one training row in a thousand has is as
//   far from normal as can be, and a category has many of them.
import type { Column } from "../core/column.ts";
import { VALUE_LIMIT } from "../core/core.ts";
import { type CategoryColumn, featuresOf, type InputColumn } from "../data/encoding.ts";
import { DRIFT_DEFAULTS } from "./drift-defaults.ts";
import type { CategoryProfile, FeatureProfile, TrainProfile } from "./profile.ts";
import { chiSquaredTail, fisherTail, holm, kolmogorovTail, normalTail } from "./statistics.ts";

/** The model that new rows are held against, and the profile of its training rows. */
export interface DriftReference {
  readonly profile: TrainProfile;
  /** Input columns, as in the model's spec. */
  readonly columns: readonly InputColumn[];
  readonly featureNames: readonly string[];
  /** [d] weights of standardised features; the bias. */
  readonly w: Float64Array;
  readonly b: number;
  /** [d] training means and standard deviations. */
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** A row is positive from this probability on. */
  readonly threshold: number;
}

/** n rows, and what the model says of them. */
export interface DriftRows {
  /** [d] features in model order, as `encode` gives them. */
  readonly columns: readonly Column[];
  /** [n] */
  readonly logits: Float64Array;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
}

/** How the verdict is found. */
export interface DriftOptions {
  /** The score from which on it is drift, unless chance alone explains it. */
  readonly threshold?: number;
  /** How often the tests of features may be wrong when nothing has changed. */
  readonly alpha?: number;
}

/** Shares of rows in bins: below the training range, its bins, above it. */
export interface Bins {
  /** Ends of the inner bins. */
  readonly edges: readonly number[];
  readonly train: readonly number[];
  readonly rows: readonly number[];
}

export interface FeatureDrift {
  readonly name: string;
  /** Shift of the mean, in training standard deviations. */
  readonly z_shift: number;
  /**
   * Two-sided, without a shift: Fisher's exact test of a feature of two values, such as 0 and 1, else of z as a normal
   * number. Then corrected for all features (Holm).
   */
  readonly p: number;
  readonly p_holm: number;
  /** Population stability index over the training histogram; null for what is no number. */
  readonly psi: number | null;
  /** Kolmogorov-Smirnov distance at the training quantiles: at least this much. Null below ten training rows. */
  readonly ks: number | null;
  readonly ks_p_holm: number | null;
  /** Distance of two training quantiles in shares of rows: a difference between them is not seen. */
  readonly ks_resolution: number | null;
  /** Share of rows outside the training range. */
  readonly out_of_range: number | null;
  readonly mean: number | null;
  readonly std: number | null;
  readonly train_mean: number;
  readonly train_std: number;
  /** What the shift adds to the mean logit: w z. */
  readonly logit_shift: number | null;
  readonly bins: Bins | null;
}

export interface CategoryDrift {
  readonly name: string;
  readonly psi: number;
  /** Of the levels that chance would give five rows of either side; the rarer ones are one level together. */
  readonly chi_squared: number;
  readonly df: number;
  readonly p: number;
  readonly p_holm: number;
  /** Shares of rows by level, those of other texts and of missing cells last. */
  readonly levels: readonly {
    readonly level: string;
    readonly kind: "level" | "other" | "missing";
    readonly train: number;
    readonly rows: number;
  }[];
}

export interface MissingDrift {
  readonly name: string;
  /** Shares of rows. */
  readonly train: number;
  readonly rows: number;
  /** Fisher's exact test, two-sided; then corrected for all such columns (Holm). */
  readonly p: number;
  readonly p_holm: number;
}

export interface DriftReport {
  /** Mean over the features of |z|. */
  readonly score: number;
  /** The score to expect of as many rows when nothing has changed. */
  readonly noise_floor: number;
  readonly verdict: "drift" | "no_drift";
  /** What made it drift; empty otherwise. */
  readonly reasons: readonly string[];
  readonly rule: {
    readonly text: string;
    /** The score must be above this. */
    readonly score_above: number;
    readonly threshold: number;
    readonly alpha: number;
  };
  readonly rows: number;
  readonly train_rows: number;
  readonly features: readonly FeatureDrift[];
  readonly categories: readonly CategoryDrift[];
  readonly missing: readonly MissingDrift[];
  readonly logit: {
    readonly train_mean: number;
    readonly mean: number;
    readonly shift: number;
    /** Σ w z over the features, and what rounding leaves between it and the shift from the bias. */
    readonly attributed: number | null;
    readonly residual: number | null;
    readonly bins: Bins;
  };
  readonly accuracy_estimate: {
    readonly accuracy: number;
    readonly positive_share: number;
    readonly threshold: number;
    readonly expected: {
      readonly tp: number;
      readonly fp: number;
      readonly tn: number;
      readonly fn: number;
    };
    readonly precision: number | null;
    readonly recall: number | null;
    readonly condition: string;
  };
  readonly schema: "raisin.drift/1";
}

/** |z| from which on a shift of one feature matters, in standard deviations; the same for the other distances. */
const SHIFT_MIN = 0.2;
const KS_MIN = 0.1;
const PSI_MIN = 0.2;
const MISSING_MIN = 0.1;

/** Two-sided 0.1 % point of the normal distribution. */
const Z_RARE = 3.2905267314919255;

/** What stands for an empty share in the PSI, which has its logarithm; Evidently's value. */
const EMPTY_SHARE = 1e-4;

/** The seed's score, and what is needed for it only. O(n d). */
export function driftScore(
  reference: DriftReference,
  { columns, logits }: DriftRows,
): { readonly score: number; readonly noise_floor: number; readonly z: Float64Array } {
  const n = logits.length;
  const z = Float64Array.from(columns, (column, j) => shiftOf(column, n, reference, j));
  return { score: meanMagnitude(z), noise_floor: noiseFloor(varianceOf(reference, n)), z };
}

/** @throws RangeError without rows */
export function driftOf(
  reference: DriftReference,
  rows: DriftRows,
  options: DriftOptions = {},
): DriftReport {
  const n = rows.logits.length;
  if (n === 0) throw new RangeError("Cannot tell drift of no rows");
  const { profile, b } = reference;
  const threshold = options.threshold ?? DRIFT_DEFAULTS.threshold;
  const alpha = options.alpha ?? DRIFT_DEFAULTS.alpha;
  const variance = varianceOf(reference, n);
  const features = featuresDrift(reference, rows, variance);
  const score = meanMagnitude(features.map(({ z_shift: z }) => z));
  const categories = categoriesDrift(reference, rows);
  const missing = missingDrift(reference, rows);
  const scoreAbove = Math.max(threshold, Z_RARE * Math.sqrt(variance));
  const families = 2 + Number(categories.length > 0) + Number(missing.length > 0);
  const reasons = reasonsOf({ score, scoreAbove, features, categories, missing }, alpha / families);
  const meanLogit = sumOf(rows.logits, (logit) => logit / n);
  const attributed = sumOf(
    features.map(({ logit_shift: shift }) => shift ?? Number.NaN),
    (shift) => shift,
  );
  return {
    score,
    noise_floor: noiseFloor(variance),
    verdict: reasons.length > 0 ? "drift" : "no_drift",
    reasons,
    rule: {
      text: `Drift is a score above the larger of ${threshold} and ${round(Z_RARE)} standard errors of a mean (here ${round(scoreAbove)}); or a feature, category or share of missing values that differs by more than chance (Holm-corrected, all tests together wrong in about ${alpha * 100} % of batches without a change, more in small batches of skewed numbers; what has two values by Fisher's exact test) and by enough to matter: a mean by ${SHIFT_MIN} standard deviations, a distribution by a Kolmogorov-Smirnov distance of ${KS_MIN}, a category by a PSI of ${PSI_MIN}, a share of missing values by ${MISSING_MIN}`,
      score_above: scoreAbove,
      threshold,
      alpha,
    },
    rows: n,
    train_rows: profile.rows,
    features,
    categories,
    missing,
    logit: {
      train_mean: profile.logit.mean,
      mean: meanLogit,
      shift: meanLogit - profile.logit.mean,
      attributed: finiteOrNull(attributed),
      residual: finiteOrNull(meanLogit - b - attributed),
      bins: logitBins(profile.logit, rows.logits),
    },
    accuracy_estimate: accuracyOf(rows.probabilities, reference.threshold),
    schema: "raisin.drift/1",
  };
}

/** Variance of the difference of two means of standardised values, if nothing has changed. */
function varianceOf({ profile }: DriftReference, n: number): number {
  return 1 / n + 1 / profile.rows;
}

/** E of the mean of |z| for normal z of this variance: √(2/π)·σ, whatever the correlations. */
function noiseFloor(variance: number): number {
  return Math.sqrt(2 / Math.PI) * Math.sqrt(variance);
}

function meanMagnitude(z: ArrayLike<number>): number {
  return sumOf(z, (one) => Math.abs(one) / z.length);
}

function sumOf(values: ArrayLike<number>, term: (value: number) => number): number {
  let sum = 0;
  const sorted = Float64Array.from(values).sort();
  for (let i = 0; i < sorted.length; i++) sum += term(sorted[i]!);
  return sum;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** Far values count as 2^400, so that no sum leaves the numbers. */
function clamped(value: number): number {
  return Math.max(-VALUE_LIMIT, Math.min(VALUE_LIMIT, value));
}

/** z of a feature, in any order of the rows. */
function shiftOf(column: Column, n: number, { mean, std }: DriftReference, j: number): number {
  const [m, s] = [mean[j]!, std[j]!];
  if ("code" in column) return (onesOf(column) / n - m) / s;
  const values = column instanceof Float64Array ? column : column.optional;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i]!;
    if (!Number.isNaN(value)) sum += (clamped(value) - m) / s / n;
  }
  return sum;
}

function onesOf({ codes, code }: Extract<Column, { code: number }>): number {
  let ones = 0;
  for (let i = 0; i < codes.length; i++) ones += Number(codes[i] === code);
  return ones;
}

function featuresDrift(
  reference: DriftReference,
  rows: DriftRows,
  variance: number,
): FeatureDrift[] {
  const n = rows.logits.length;
  const { profile, featureNames, mean, std, w } = reference;
  const facts = rows.columns.map((column, j) => {
    const [m, s] = [mean[j]!, std[j]!];
    const train = profile.features[j]!;
    if ("code" in column) {
      const ones = onesOf(column);
      const share = ones / n;
      const z = (share - m) / s;
      const std = Math.sqrt(share * (1 - share));
      const counts = { ones, rows: n, trainOnes: onesInTraining(train), trainRows: train.count };
      return { z, p: fisherTail(counts), mean: share, std, ...NOT_A_NUMBER };
    }
    const values = column instanceof Float64Array ? column : column.optional;
    const sorted = values
      .filter((value) => !Number.isNaN(value))
      .map(clamped)
      .sort();
    let z = 0;
    for (const value of sorted) z += (value - m) / s / n;
    const p = twoValuedTail(sorted, train) ?? normalTail(z / Math.sqrt(variance));
    return { z, p, ...numberDrift(sorted, train, m, s) };
  });
  const p = facts.map((fact) => fact.p);
  const corrected = holm(p);
  const ksCorrected = holm(facts.map(({ ks_p: one }) => one));
  return facts.map((fact, j) => ({
    name: featureNames[j]!,
    z_shift: fact.z,
    p: p[j]!,
    p_holm: corrected[j]!,
    psi: fact.psi,
    ks: fact.ks,
    ks_p_holm: ksCorrected[j]!,
    ks_resolution: fact.ks_resolution,
    out_of_range: fact.out_of_range,
    mean: finiteOrNull(fact.mean),
    std: finiteOrNull(fact.std),
    train_mean: mean[j]!,
    train_std: std[j]!,
    logit_shift: finiteOrNull(w[j]! * fact.z),
    bins: fact.bins,
  }));
}

/** Training rows at the larger of a feature's two values: its mean says how many. */
function onesInTraining({ mean, min, max, count }: FeatureProfile): number {
  // An indicator that is the same for all rows is all 0 or all 1.
  if (min === max) return max === 1 ? count : 0;
  return Math.round(((mean - min) / (max - min)) * count);
}

/** Fewest quantiles that tell two values from many: between them at most one is interpolated. */
const QUANTILES_TELL = 3;

/**
 * p of a number that has two values in training, as far as its profile can tell, and no other here; null for all others.
 *
 * @param sorted its values, without the missing ones
 */
function twoValuedTail(sorted: Float64Array, train: FeatureProfile): number | null {
  const { min, max, quantiles, histogram, count } = train;
  const isEnd = (value: number) => value === min || value === max;
  const isTwoValued =
    min < max &&
    quantiles.length >= QUANTILES_TELL &&
    quantiles.filter((value) => !isEnd(value)).length <= 1 &&
    histogram.counts.slice(1, -1).every((inner) => inner === 0);
  if (!isTwoValued || sorted.length === 0 || !sorted.every(isEnd)) return null;
  const ones = sorted.length - placeOf(sorted, max, false);
  const trainOnes = onesInTraining(train);
  return fisherTail({ ones, rows: sorted.length, trainOnes, trainRows: count });
}

const NOT_A_NUMBER = {
  psi: null,
  ks: null,
  ks_p: null,
  ks_resolution: null,
  out_of_range: null,
  bins: null,
};

/** What is told of a number besides its z. @param sorted its values, without the missing ones */
function numberDrift(sorted: Float64Array, train: FeatureProfile, m: number, s: number) {
  const count = sorted.length;
  if (count === 0 || train.count === 0) {
    return { ...NOT_A_NUMBER, mean: Number.NaN, std: Number.NaN };
  }
  let shift = 0;
  for (const value of sorted) shift += (value - m) / s / count;
  let squares = 0;
  for (const value of sorted) squares += ((value - m) / s - shift) ** 2 / count;
  const bins = binsOf(sorted, train);
  const ks = kolmogorovDistance(sorted, train);
  const outside = sorted.reduce((sum, x) => sum + Number(x < train.min || x > train.max), 0);
  return {
    mean: m + shift * s,
    std: Math.sqrt(squares) * s,
    psi: psiOf(bins.train, bins.rows),
    ks,
    ks_p: ks === null ? null : kolmogorovTail(ks, 1 / (1 / count + 1 / train.count)),
    ks_resolution: ks === null ? null : 1 / (train.quantiles.length - 1),
    out_of_range: outside / count,
    bins,
  };
}

/** First place in a sorted array whose value is at least (or above) a bound. */
function placeOf(sorted: Float64Array, bound: number, isAbove: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = sorted[middle]!;
    if (isAbove ? value > bound : value >= bound) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * At least how far two distribution functions are apart, seen at the m training quantiles. Quantile k lies between the
 * sorted training values (from 0 on) at ⌊r⌋ and ⌈r⌉, r = (N - 1)k/(m - 1). So of N training values at least ⌊r⌋ + 1 are
 * up to the last quantile that is v, and no more than ⌈r⌉ of the quantile after it; below v there are at most ⌈r⌉ of the
 * first quantile that is v, and at least ⌊r⌋ + 1 of the one before. Only what lies outside these is a distance: ties of
 * discrete columns cost nothing, and are no drift.
 */
function kolmogorovDistance(
  sorted: Float64Array,
  { quantiles, count }: FeatureProfile,
): number | null {
  const m = quantiles.length;
  if (m < 2) return null;
  const place = (k: number) => ((count - 1) * k) / (m - 1);
  const atLeast = (k: number) => (k < 0 ? 0 : (Math.floor(place(k)) + 1) / count);
  const atMost = (k: number) => (k >= m ? 1 : Math.ceil(place(k)) / count);
  const n = sorted.length;
  let distance = 0;
  for (let first = 0; first < m; ) {
    const value = quantiles[first]!;
    let last = first;
    while (last + 1 < m && quantiles[last + 1] === value) last++;
    const below = placeOf(sorted, value, false) / n;
    const upTo = placeOf(sorted, value, true) / n;
    distance = Math.max(
      distance,
      atLeast(last) - upTo,
      upTo - atMost(last + 1),
      below - atMost(first),
      atLeast(first - 1) - below,
    );
    first = last + 1;
  }
  return distance;
}

function binsOf(sorted: Float64Array, { histogram, count }: FeatureProfile): Bins {
  const { edges, counts } = histogram;
  const n = sorted.length;
  const last = edges.length - 1;
  // The last bin holds its end.
  const places = edges.map((edge, k) => placeOf(sorted, edge, k === last));
  const rows = [0, ...places].map((place, k) => ((places[k] ?? n) - place) / n);
  return {
    edges,
    train: [0, ...counts.map((one) => one / count), 0],
    rows,
  };
}

/** Σ (q - p) ln(q/p) over bins; empty shares count as 0.0001. */
function psiOf(train: readonly number[], rows: readonly number[]): number {
  return train.reduce((sum, share, k) => {
    const [p, q] = [Math.max(share, EMPTY_SHARE), Math.max(rows[k]!, EMPTY_SHARE)];
    return sum + (q - p) * Math.log(q / p);
  }, 0);
}

function logitBins({ edges, counts }: TrainProfile["logit"], logits: Float64Array): Bins {
  const total = counts.reduce((sum, count) => sum + count, 0) || 1;
  const sorted = Float64Array.from(logits).sort();
  const places = edges.map((edge) => placeOf(sorted, edge, false));
  return {
    edges,
    train: counts.map((count) => count / total),
    rows: [0, ...places].map((place, k) => ((places[k] ?? sorted.length) - place) / sorted.length),
  };
}

/** Fewest rows that a cell must lead to expect on either side for Pearson's statistic to be chi-squared (Cochran 1954). */
const EXPECTED_MIN = 5;

/**
 * Chi-squared of two samples over the same cells (Pearson). The rarest cells become one until it and all others have
 * enough rows; there are as many degrees of freedom as cells then, less one.
 */
function homogeneity(cells: readonly Cell[]): { statistic: number; df: number } {
  const sum = (some: readonly Cell[], side: "train" | "rows") =>
    some.reduce((so, cell) => so + cell[side], 0);
  const [ofTrain, ofRows] = [sum(cells, "train"), sum(cells, "rows")];
  const all = ofTrain + ofRows;
  const both = ({ train, rows }: { train: number; rows: number }) => train + rows;
  const isRare = (count: number) => count * (Math.min(ofTrain, ofRows) / all) < EXPECTED_MIN;
  // Sorting is stable: ties go by the model's order, not by that of the rows.
  const rising = cells.filter((cell) => both(cell) > 0).sort((a, b) => both(a) - both(b));
  let pooled = 0;
  for (let count = 0; pooled < rising.length; pooled++) {
    const next = both(rising[pooled]!);
    if (!isRare(next) && (pooled === 0 || !isRare(count))) break;
    count += next;
  }
  const rare = rising.slice(0, pooled);
  const tested = [
    ...(pooled > 0 ? [{ train: sum(rare, "train"), rows: sum(rare, "rows") }] : []),
    ...rising.slice(pooled),
  ];
  let statistic = 0;
  for (const cell of tested) {
    for (const [found, total] of [
      [cell.train, ofTrain],
      [cell.rows, ofRows],
    ] as const) {
      const expected = (both(cell) * total) / all;
      if (expected > 0) statistic += (found - expected) ** 2 / expected;
    }
  }
  return { statistic, df: Math.max(0, tested.length - 1) };
}

function categoriesDrift({ profile, columns }: DriftReference, rows: DriftRows): CategoryDrift[] {
  const n = rows.logits.length;
  const profiles = new Map(profile.categories.map((one) => [one.name, one]));
  let at = 0;
  const found = columns.flatMap((column) => {
    const from = at;
    at += featuresOf(column).length;
    const train = profiles.get(column.name);
    if (column.as !== "category" || train === undefined) return [];
    const cells = cellsOf(column, train, rows.columns[from], n);
    const { statistic, df } = homogeneity(cells);
    const trainRows = cells.reduce((sum, cell) => sum + cell.train, 0) || 1;
    const levels = cells.map((cell) => ({
      level: cell.level,
      kind: cell.kind,
      train: cell.train / trainRows,
      rows: cell.rows / n,
    }));
    return [
      {
        name: column.name,
        psi: psiOf(
          levels.map((level) => level.train),
          levels.map((level) => level.rows),
        ),
        chi_squared: statistic,
        df,
        p: df === 0 ? 1 : chiSquaredTail(statistic, df),
        levels,
      },
    ];
  });
  const corrected = holm(found.map(({ p }) => p));
  return found.map(({ levels, ...one }, k) => ({ ...one, p_holm: corrected[k]!, levels }));
}

interface Cell {
  readonly level: string;
  readonly kind: "level" | "other" | "missing";
  readonly train: number;
  readonly rows: number;
}

/** Rows of each level. A category of one level has no feature, and all its rows are of that level. */
function cellsOf(
  column: CategoryColumn,
  train: CategoryProfile,
  feature: Column | undefined,
  n: number,
): Cell[] {
  const codes =
    feature !== undefined && "codes" in feature ? feature.codes : new Int32Array(n).fill(-1);
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  let next = 0;
  const cells: Cell[] = train.levels.map(({ level, count }) => ({
    level,
    kind: "level",
    train: count,
    rows: counts.get(level === column.base ? -1 : next++) ?? 0,
  }));
  if (train.other !== null) {
    cells.push({
      level: "other",
      kind: "other",
      train: train.other,
      rows: counts.get(next++) ?? 0,
    });
  }
  if (train.missing !== null) {
    const rows = counts.get(next++) ?? 0;
    cells.push({ level: "missing", kind: "missing", train: train.missing, rows });
  }
  return cells;
}

function missingDrift({ profile, columns }: DriftReference, rows: DriftRows): MissingDrift[] {
  const n = rows.logits.length;
  const profiles = new Map(profile.missing.map((one) => [one.name, one]));
  let at = 0;
  const found = columns.flatMap((column) => {
    const from = at;
    at += featuresOf(column).length;
    const train = profiles.get(column.name);
    const indicator = rows.columns[from + 1];
    if (column.as !== "number" || train === undefined || !indicator || !("code" in indicator)) {
      return [];
    }
    const ones = onesOf(indicator);
    const trainRows = train.present + train.missing;
    return [
      {
        name: column.name,
        train: train.missing / (trainRows || 1),
        rows: ones / n,
        p: fisherTail({ ones, rows: n, trainOnes: train.missing, trainRows }),
      },
    ];
  });
  const corrected = holm(found.map(({ p }) => p));
  return found.map((one, k) => ({ ...one, p_holm: corrected[k]! }));
}

function reasonsOf(
  found: {
    readonly score: number;
    readonly scoreAbove: number;
    readonly features: readonly FeatureDrift[];
    readonly categories: readonly CategoryDrift[];
    readonly missing: readonly MissingDrift[];
  },
  alpha: number,
): string[] {
  const { score, scoreAbove, features, categories, missing } = found;
  const isRare = (p: number | null) => p !== null && p < alpha;
  return [
    ...(score > scoreAbove ? [`the score ${round(score)} is above ${round(scoreAbove)}`] : []),
    ...features
      .filter(({ z_shift: z, p_holm: p }) => isRare(p) && Math.abs(z) >= SHIFT_MIN)
      .map(
        ({ name, z_shift: z }) => `${name}: its mean has moved by ${round(z)} standard deviations`,
      ),
    ...features
      .filter(({ ks, ks_p_holm: p }) => isRare(p) && ks! >= KS_MIN)
      .map(({ name, ks }) => `${name}: its distribution differs, Kolmogorov-Smirnov ${round(ks!)}`),
    ...categories
      .filter(({ psi, p_holm: p }) => isRare(p) && psi >= PSI_MIN)
      .map(({ name, psi }) => `${name}: its levels are distributed otherwise, PSI ${round(psi)}`),
    ...missing
      .filter(({ train, rows, p_holm: p }) => isRare(p) && Math.abs(rows - train) >= MISSING_MIN)
      .map(
        ({ name, train, rows }) =>
          `${name}: ${round(rows * 100)} % of its values are missing, ${round(train * 100)} % in training`,
      ),
  ];
}

/** Confidence-based performance estimation: what the model's own probabilities say of its hits and misses. */
function accuracyOf(
  probabilities: Float64Array,
  threshold: number,
): DriftReport["accuracy_estimate"] {
  const n = probabilities.length;
  const sum = (isPositive: boolean, ofClass1: boolean) =>
    sumOf(
      probabilities.filter((p) => p >= threshold === isPositive),
      (p) => (ofClass1 ? p : 1 - p),
    );
  const [tp, fp, fn, tn] = [sum(true, true), sum(true, false), sum(false, true), sum(false, false)];
  const positive = probabilities.reduce((count, p) => count + Number(p >= threshold), 0);
  return {
    accuracy: (tp + tn) / n,
    positive_share: positive / n,
    threshold,
    expected: { tp, fp, tn, fn },
    precision: positive === 0 ? null : tp / positive,
    recall: tp + fn === 0 ? null : tp / (tp + fn),
    condition:
      "Holds only while the probabilities are calibrated for these rows, as they were for the validation rows. Drift of features that the model has not seen together, or a changed relation to the label, breaks that, and no data without labels can show it.",
  };
}
