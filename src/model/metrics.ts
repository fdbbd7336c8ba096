// How good predictions are, from integer counts, so that no figure depends on the order of rows.
//
// Definitions are scikit-learn's; where one needs a class that no row has, the figure is null.

/** Counts of true and false negatives and positives. */
export interface Confusion {
  readonly tn: number;
  readonly fp: number;
  readonly fn: number;
  readonly tp: number;
}

export interface Metrics {
  readonly rows: number;
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

/** Cumulative counts at every distinct probability, from the highest down. */
function cumulate(probabilities: Float64Array, y: Uint8Array): CurvePoint[] {
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
  return points;
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
    sum += ((point.tp - tp) / positives) * (point.tp / (point.tp + point.fp));
    tp = point.tp;
  }
  return sum;
}

/**
 * All figures of some predictions.
 *
 * @param score from the core: probabilities, and what it added up
 * @param y [n] 0 or 1
 * @param threshold a row counts as positive when p ≥ threshold
 */
export function metricsOf(
  score: { probabilities: Float64Array; loss: number; brier: number; correct: number },
  y: Uint8Array,
  threshold: number,
): Metrics {
  const rows = y.length;
  const confusion = confusionOf(score.probabilities, y, threshold);
  const { tn, fp, fn, tp } = confusion;
  const positives = tp + fn;
  const negatives = tn + fp;
  const hasBoth = positives > 0 && negatives > 0;
  const curve = hasBoth ? cumulate(score.probabilities, y) : [];
  const ratio = (a: number, b: number) => (b > 0 ? a / b : null);
  const spread = Math.sqrt(tp + fp) * Math.sqrt(tp + fn) * Math.sqrt(tn + fp) * Math.sqrt(tn + fn);
  return {
    rows,
    loss: rows > 0 ? score.loss : null,
    accuracy: ratio(score.correct, rows),
    roc_auc: hasBoth ? rocAuc(curve, positives, negatives) : null,
    average_precision: hasBoth ? averagePrecision(curve, positives) : null,
    brier: rows > 0 ? score.brier : null,
    precision: ratio(tp, tp + fp),
    recall: ratio(tp, positives),
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    mcc: hasBoth ? (spread > 0 ? (tp * tn - fp * fn) / spread : 0) : null,
    confusion,
  };
}

function confusionOf(probabilities: Float64Array, y: Uint8Array, threshold: number): Confusion {
  const counts = [0, 0, 0, 0]; // tn, fp, fn, tp
  for (let i = 0; i < y.length; i++) {
    counts[2 * y[i]! + Number(probabilities[i]! >= threshold)]!++;
  }
  const [tn, fp, fn, tp] = counts as [number, number, number, number];
  return { tn, fp, fn, tp };
}

/**
 * ROC and precision-recall curve as counts: every distinct probability, or about 200 of them evenly spaced by rank,
 * the ends always among them.
 */
function curveOf(probabilities: Float64Array, y: Uint8Array): CurvePoint[] {
  const points = cumulate(probabilities, y);
  if (points.length <= CURVE_POINTS_MAX) return points;
  return Array.from(
    { length: CURVE_POINTS_MAX },
    (_, k) => points[Math.round((k * (points.length - 1)) / (CURVE_POINTS_MAX - 1))]!,
  );
}

/** Ten equal bins of probability with their row counts and how many of those rows are positive. */
function calibrationOf(probabilities: Float64Array, y: Uint8Array): CalibrationBin[] {
  const rows = new Array<number>(CALIBRATION_BINS).fill(0);
  const positives = new Array<number>(CALIBRATION_BINS).fill(0);
  for (let i = 0; i < y.length; i++) {
    const bin = Math.min(Math.floor(probabilities[i]! * CALIBRATION_BINS), CALIBRATION_BINS - 1);
    rows[bin]!++;
    positives[bin]! += y[i]!;
  }
  return rows.map((count, k) => ({
    from: k / CALIBRATION_BINS,
    to: (k + 1) / CALIBRATION_BINS,
    rows: count,
    positives: positives[k]!,
  }));
}

/** Figures and curves of some predictions; parameters as for `metricsOf`. */
export function evaluationOf(
  score: { probabilities: Float64Array; loss: number; brier: number; correct: number },
  y: Uint8Array,
  threshold: number,
): Evaluation {
  return {
    schema: "raisin.evaluation/1",
    metrics: metricsOf(score, y, threshold),
    curve: curveOf(score.probabilities, y),
    calibration: calibrationOf(score.probabilities, y),
  };
}
