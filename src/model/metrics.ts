// How good predictions are, from counts that are added exactly, so that no figure depends on the order of rows.
//
// With row weights a count is the sum of its rows' weights (CONTRACT.md, Figures).
// Definitions are scikit-learn's; where one needs a class that no row has, the figure is null.

/** Counts of true and false negatives and positives. */
export interface Confusion {
  readonly tn: number;
  readonly fp: number;
  readonly fn: number;
  readonly tp: number;
}

/** Row weights and their sum, as the core takes it (N4, two folds). */
export interface Weighing {
  /** [n] */
  readonly values: Float64Array;
  readonly total: number;
}

export interface Metrics {
  readonly rows: number;
  /** Sum of the row weights, where there are any. */
  readonly weight?: number;
  /** Mean cross-entropy, null without rows. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly roc_auc: number | null;
  readonly average_precision: number | null;
  /** Mean squared error of the probabilities. */
  readonly brier: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  /** Matthews correlation coefficient. */
  readonly mcc: number | null;
  readonly confusion: Confusion;
}

/** Rows at or above a probability: how many of each class. */
export interface CurvePoint {
  readonly threshold: number;
  readonly tp: number;
  readonly fp: number;
}

/** Rows whose probability lies in [from, to), the last bin also at its end. */
export interface CalibrationBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly positives: number;
  /** The weights of these rows and of the positive ones, where there are any. */
  readonly weight?: number;
  readonly positive_weight?: number;
}

/** What is recorded of predictions for labelled rows; curves as counts. */
export interface Evaluation {
  readonly schema: "raisin.evaluation/1";
  readonly metrics: Metrics;
  readonly curve: readonly CurvePoint[];
  readonly calibration: readonly CalibrationBin[];
}

const CURVE_POINTS_MAX = 201;
const CALIBRATION_BINS = 10;

/** Adds up rows, each as one or by its weight, exactly and so in any order. */
interface Tally {
  /** [n] weights as whole numbers of quanta; null without weights. */
  readonly shares: readonly bigint[] | null;
  /** A total of shares, rounded once. */
  toCount(total: bigint): number;
}

/** Bits that a quantum lies below the largest weight, so that each weight is off by at most 2^-85 of it. */
const SHARE_BITS = 84;

/** 2^e for -1022 ≤ e ≤ 1023, from its bits. */
function powerOfTwo(e: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, (e + 1023) << 20);
  return view.getFloat64(0);
}

/** ceil(log2 x) of a normal number, from its bits. */
function exponentOf(x: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const exponent = (view.getUint32(0) >>> 20) - 1023;
  return powerOfTwo(exponent) < x ? exponent + 1 : exponent;
}

function tallyOf(weighing: Weighing | undefined): Tally {
  if (weighing === undefined) return { shares: null, toCount: Number };
  const most = weighing.values.reduce((a, b) => Math.max(a, b), 0);
  const E = most > 0 ? exponentOf(most) : 0;
  const scale = powerOfTwo(SHARE_BITS - E);
  const quantum = powerOfTwo(E - SHARE_BITS);
  return {
    shares: Array.from(weighing.values, (weight) => BigInt(Math.round(weight * scale))),
    toCount: (total) => Number(total) * quantum,
  };
}

/** Cumulative counts at every distinct probability, from the highest down, and the area under the ROC curve. */
interface Curve {
  readonly points: readonly CurvePoint[];
  readonly rocAuc: number;
}

function cumulate(probabilities: Float64Array, y: Uint8Array, tally: Tally): Curve {
  return tally.shares
    ? cumulateShares(probabilities, y, tally.shares, tally.toCount)
    : cumulateRows(probabilities, y);
}

function cumulateRows(probabilities: Float64Array, y: Uint8Array): Curve {
  const order = Float64Array.from(probabilities).sort();
  // Sorting the positives apart keeps this O(n log n) without sorting indexes.
  const positives = probabilities.filter((_, i) => y[i] === 1).sort();
  const points: CurvePoint[] = [];
  let seen = 0;
  let tp = 0;
  for (let i = order.length - 1; i >= 0; ) {
    const threshold = order[i]!;
    while (i >= 0 && order[i] === threshold) {
      i--;
      seen++;
    }
    while (tp < positives.length && positives[positives.length - 1 - tp] === threshold) tp++;
    points.push({ threshold, tp, fp: seen - tp });
  }
  return { points, rocAuc: rocAuc(points, tp, seen - tp) };
}

function cumulateShares(
  probabilities: Float64Array,
  y: Uint8Array,
  shares: readonly bigint[],
  toCount: Tally["toCount"],
): Curve {
  const order = Uint32Array.from(probabilities.keys()).sort(
    (a, b) => probabilities[b]! - probabilities[a]!,
  );
  const points: CurvePoint[] = [];
  const totals: [bigint, bigint] = [0n, 0n];
  let doubled = 0n; // as in rocAuc
  for (let k = 0; k < order.length; ) {
    const threshold = probabilities[order[k]!]!;
    const [fp, tp] = totals;
    for (; k < order.length && probabilities[order[k]!] === threshold; k++) {
      totals[y[order[k]!] as 0 | 1] += shares[order[k]!]!;
    }
    doubled += (totals[0] - fp) * (totals[1] + tp);
    points.push({ threshold, tp: toCount(totals[1]), fp: toCount(totals[0]) });
  }
  return { points, rocAuc: Number(doubled) / Number(2n * totals[0] * totals[1]) };
}

/** P(score of a positive > score of a negative) + P(tie)/2. */
function rocAuc(curve: readonly CurvePoint[], positives: number, negatives: number): number {
  let doubled = 0; // twice the number of pairs in the right order, an exact integer
  let tp = 0;
  let fp = 0;
  for (const point of curve) {
    doubled += (point.fp - fp) * (point.tp + tp);
    tp = point.tp;
    fp = point.fp;
  }
  return doubled / (2 * positives * negatives);
}

/** Σ (R_k - R_(k-1))·P_k, without interpolation. */
function averagePrecision(curve: readonly CurvePoint[], positives: number): number {
  let sum = 0;
  let tp = 0;
  for (const point of curve) {
    // Rows of weight 0 alone make no step, and no precision either.
    if (point.tp > tp) sum += ((point.tp - tp) / positives) * (point.tp / (point.tp + point.fp));
    tp = point.tp;
  }
  return sum;
}

/** What the core says of some predictions; with weights, `correct` is the weight of the right rows. */
type Scored = { probabilities: Float64Array; loss: number; brier: number; correct: number };

/**
 * All figures of some predictions.
 *
 * @param score from the core: probabilities, and what it added up
 * @param y [n] 0 or 1
 * @param threshold a row counts as positive when p ≥ threshold
 */
export function metricsOf(
  score: Scored,
  y: Uint8Array,
  threshold: number,
  weighing?: Weighing,
): Metrics {
  return figuresOf(score, y, threshold, weighing).metrics;
}

function figuresOf(
  score: Scored,
  y: Uint8Array,
  threshold: number,
  weighing: Weighing | undefined,
): { metrics: Metrics; tally: Tally; curve: Curve | null } {
  const rows = y.length;
  const tally = tallyOf(weighing);
  const confusion = confusionOf(score.probabilities, y, threshold, tally);
  const { tn, fp, fn, tp } = confusion;
  const positives = tp + fn;
  const negatives = tn + fp;
  const hasBoth = positives > 0 && negatives > 0;
  const curve = hasBoth ? cumulate(score.probabilities, y, tally) : null;
  const ratio = (a: number, b: number) => (b > 0 ? a / b : null);
  const spread = Math.sqrt(tp + fp) * Math.sqrt(tp + fn) * Math.sqrt(tn + fp) * Math.sqrt(tn + fn);
  const metrics = {
    rows,
    ...(weighing && { weight: weighing.total }),
    loss: rows > 0 ? score.loss : null,
    accuracy: ratio(score.correct, weighing ? weighing.total : rows),
    roc_auc: curve === null ? null : curve.rocAuc,
    average_precision: curve === null ? null : averagePrecision(curve.points, positives),
    brier: rows > 0 ? score.brier : null,
    precision: ratio(tp, tp + fp),
    recall: ratio(tp, positives),
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    mcc: hasBoth ? (spread > 0 ? (tp * tn - fp * fn) / spread : 0) : null,
    confusion,
  };
  return { metrics, tally, curve };
}

function confusionOf(
  probabilities: Float64Array,
  y: Uint8Array,
  threshold: number,
  { shares, toCount }: Tally,
): Confusion {
  const place = (i: number) => 2 * y[i]! + Number(probabilities[i]! >= threshold);
  const rows = [0, 0, 0, 0]; // tn, fp, fn, tp
  const totals = [0n, 0n, 0n, 0n];
  for (let i = 0; i < y.length; i++) {
    if (shares) totals[place(i)]! += shares[i]!;
    else rows[place(i)]!++;
  }
  const counts = shares ? totals.map(toCount) : rows;
  const [tn, fp, fn, tp] = counts as [number, number, number, number];
  return { tn, fp, fn, tp };
}

/**
 * ROC and precision-recall curve as counts: every distinct probability, or about 200 of them evenly spaced by rank,
 * the ends always among them.
 */
function thinned(points: readonly CurvePoint[]): readonly CurvePoint[] {
  if (points.length <= CURVE_POINTS_MAX) return points;
  return Array.from(
    { length: CURVE_POINTS_MAX },
    (_, k) => points[Math.round((k * (points.length - 1)) / (CURVE_POINTS_MAX - 1))]!,
  );
}

/** Ten equal bins of probability with their row counts and how many of those rows are positive. */
function calibrationOf(
  probabilities: Float64Array,
  y: Uint8Array,
  { shares, toCount }: Tally,
): CalibrationBin[] {
  const empty = { rows: 0, positives: 0, share: 0n, positiveShare: 0n };
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ ...empty }));
  for (let i = 0; i < y.length; i++) {
    const k = Math.min(Math.floor(probabilities[i]! * CALIBRATION_BINS), CALIBRATION_BINS - 1);
    const bin = bins[k]!;
    bin.rows++;
    bin.positives += y[i]!;
    if (shares) bin.share += shares[i]!;
    if (shares && y[i] === 1) bin.positiveShare += shares[i]!;
  }
  return bins.map(({ rows, positives, share, positiveShare }, k) => ({
    from: k / CALIBRATION_BINS,
    to: (k + 1) / CALIBRATION_BINS,
    rows,
    positives,
    ...(shares && { weight: toCount(share), positive_weight: toCount(positiveShare) }),
  }));
}

/** Figures and curves of some predictions; parameters as for `metricsOf`. */
export function evaluationOf(
  score: Scored,
  y: Uint8Array,
  threshold: number,
  weighing?: Weighing,
): Evaluation {
  const { metrics, tally, curve } = figuresOf(score, y, threshold, weighing);
  return {
    schema: "raisin.evaluation/1",
    metrics,
    curve: thinned((curve ?? cumulate(score.probabilities, y, tally)).points),
    calibration: calibrationOf(score.probabilities, y, tally),
  };
}
