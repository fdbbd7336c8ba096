// What drift detection needs to remember of the training rows: counts and moments, never a row.
import type { Column } from "../core/column.ts";
import { type Core, type Moments, RANGE_LIMIT } from "../core/core.ts";
import { type CategoryColumn, featuresOf, type Input } from "../data/encoding.ts";

export interface FeatureProfile {
  readonly name: string;
  readonly count: number;
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  /** Values at evenly spaced ranks from min to max, at least ten rows apart; empty below ten rows. */
  readonly quantiles: readonly number[];
  readonly histogram: Histogram;
}

/** counts[k] rows lie in [edges[k], edges[k+1]), the last bin also at its end. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

export interface TrainProfile {
  readonly schema: "raisin.train_profile/1";
  readonly rows: number;
  /** Names in model order, and their means and standard deviations once more, for readers that want only these. */
  readonly feature_order: readonly string[];
  readonly means: readonly number[];
  readonly stds: readonly number[];
  readonly features: readonly FeatureProfile[];
  /** Input columns that are categories or may be missing: counts, for PSI and chi-squared. */
  readonly categories: readonly CategoryProfile[];
  readonly missing: readonly MissingProfile[];
  readonly label_counts: Readonly<Record<string, number>>;
  /** Training logits: their mean, and counts below, between and above whole numbers from -10 to 10. */
  readonly logit: {
    readonly mean: number;
    readonly edges: readonly number[];
    readonly counts: readonly number[];
  };
}

/** How many training rows have each level of a category; every row is in one of the counts. */
export interface CategoryProfile {
  readonly name: string;
  /** In code point order, the base among them. */
  readonly levels: readonly { readonly level: string; readonly count: number }[];
  /** Rows of other texts; null where there is no such feature. */
  readonly other: number | null;
  /** Null where no cell may be missing. */
  readonly missing: number | null;
}

/** How many training rows lack a number that may be missing. */
export interface MissingProfile {
  readonly name: string;
  readonly present: number;
  readonly missing: number;
}

const QUANTILES_MAX = 101;
const BINS_MAX = 20;
const ROWS_PER_BIN = 10;
const LOGIT_EDGES = Array.from({ length: 21 }, (_, k) => k - 10);

/** @param index the training rows of the columns   @param logits their logits */
export function profileOf(
  core: Core,
  input: {
    inputs: readonly Input[];
    features: readonly string[];
    columns: readonly Column[];
    moments: readonly Moments[];
    index: Uint32Array;
    logits: Float64Array;
    labelCounts: Record<string, number>;
  },
): TrainProfile {
  const { inputs, features, columns, moments, index, logits, labelCounts } = input;
  // A bound need not be the least one, and one far below any logit that matters would leave the normal numbers.
  const bound = logits.reduce((most, z) => Math.max(most, Math.abs(z)), RANGE_LIMIT);
  const counts = features.map((_, j) => presentValues(columns[j]!, index));
  return {
    schema: "raisin.train_profile/1",
    rows: index.length,
    feature_order: features,
    means: moments.map(({ mean }) => mean),
    stds: moments.map(({ std }) => std),
    features: features.map((name, j) => {
      const sorted = counts[j]!.sort();
      const { mean, std, min, max } = moments[j]!;
      return {
        name,
        count: sorted.length,
        mean,
        std,
        min,
        max,
        quantiles: quantilesOf(sorted),
        histogram: histogramOf(sorted),
      };
    }),
    ...categoriesOf(inputs, counts),
    label_counts: labelCounts,
    logit: {
      mean: core.sum(logits, bound) / logits.length,
      edges: LOGIT_EDGES,
      counts: logitCounts(logits),
    },
  };
}

/** The values of a feature in the training rows, but for missing ones. */
function presentValues(column: Column, index: Uint32Array): Float64Array {
  if ("code" in column) {
    const { codes, code } = column;
    const ones = index.reduce((sum, i) => sum + Number(codes[i] === code), 0);
    return new Float64Array(index.length).fill(1, index.length - ones);
  }
  if (column instanceof Float64Array) return Float64Array.from(index, (i) => column[i]!);
  return Float64Array.from(index, (i) => column.optional[i]!).filter((v) => !Number.isNaN(v));
}

/** @param values [d] of the features, in model order */
function categoriesOf(
  inputs: readonly Input[],
  values: readonly Float64Array[],
): Pick<TrainProfile, "categories" | "missing"> {
  const categories: CategoryProfile[] = [];
  const missing: MissingProfile[] = [];
  const ones = (at: number) => values[at]!.reduce((sum, value) => sum + value, 0);
  let at = 0;
  for (const { column } of inputs) {
    const width = featuresOf(column).length;
    if (column.as === "category") {
      categories.push(
        categoryOf(
          column,
          Array.from({ length: width }, (_, k) => ones(at + k)),
          values[at]!.length,
        ),
      );
    } else if (column.missing) {
      missing.push({ name: column.name, present: values[at]!.length, missing: ones(at + 1) });
    }
    at += width;
  }
  return { categories, missing };
}

/** @param ones rows that switch each feature on */
function categoryOf(
  column: CategoryColumn,
  ones: readonly number[],
  rows: number,
): CategoryProfile {
  const { name, levels, base, other, missing } = column;
  const next = ones.values();
  const take = () => next.next().value!;
  const inBase = ones.reduce((left, count) => left - count, rows);
  return {
    name,
    levels: levels.map((level) => ({ level, count: level === base ? inBase : take() })),
    other: other ? take() : null,
    missing: missing ? take() : null,
  };
}

/** Linear interpolation between order statistics, at min(101, ⌊n/10⌋ + 1) evenly spaced ranks. */
function quantilesOf(sorted: Float64Array): number[] {
  const points = Math.min(QUANTILES_MAX, Math.floor(sorted.length / ROWS_PER_BIN) + 1);
  if (points < 2) return [];
  return Array.from({ length: points }, (_, k) => {
    const rank = ((sorted.length - 1) * k) / (points - 1);
    const below = Math.floor(rank);
    const low = sorted[below]!;
    const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
    return low + (high - low) * (rank - below);
  });
}

function histogramOf(sorted: Float64Array): Histogram {
  // No training row has a value where all of them are missing.
  if (sorted.length === 0) return { edges: [], counts: [] };
  const min = sorted[0]!;
  const max = sorted[sorted.length - 1]!;
  const wanted = Math.max(1, Math.min(BINS_MAX, Math.floor(sorted.length / ROWS_PER_BIN)));
  const inner = Array.from(
    { length: wanted - 1 },
    (_, k) => min + (max - min) * ((k + 1) / wanted),
  );
  // A range of few representable numbers may not hold as many different edges.
  const edges = [
    min,
    ...inner.filter((edge, k) => edge > (inner[k - 1] ?? min) && edge < max),
    max,
  ];
  const counts = new Array<number>(edges.length - 1).fill(0);
  let bin = 0;
  for (const value of sorted) {
    while (bin < counts.length - 1 && value >= edges[bin + 1]!) bin++;
    counts[bin]!++;
  }
  return { edges, counts };
}

function logitCounts(logits: Float64Array): number[] {
  const counts = new Array<number>(LOGIT_EDGES.length + 1).fill(0);
  for (const z of logits) {
    const bin = Math.min(Math.max(Math.floor(z) + 11, 0), LOGIT_EDGES.length);
    counts[bin]!++;
  }
  return counts;
}
