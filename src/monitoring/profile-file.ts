// Reads a train_profile.json: nothing of it is taken on trust, since it comes from a disk and decides what is drift.
import type { InputColumn } from "../data/encoding.ts";
import { shown } from "../data/shown.ts";
import type { CategoryProfile, FeatureProfile, MissingProfile, TrainProfile } from "./profile.ts";

/** The profile is damaged, or not that of the model. */
export class ProfileError extends Error {
  override readonly name = "ProfileError";
}

type Json = Readonly<Record<string, unknown>>;

function fail(what: string): ProfileError {
  return new ProfileError(
    `Cannot use the training profile: ${what}; take the train_profile.json of the model's own run`,
  );
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isFinite(item));
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(isCount);
const totalOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
const isRising = (values: readonly number[]) =>
  values.every((value, k) => k === 0 || value >= values[k - 1]!);

function objectOf(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail(`${what} must be an object`);
  }
  return value as Json;
}

/**
 * @param about the model that the profile must fit
 * @throws ProfileError
 */
export function parseProfile(
  bytes: Uint8Array,
  about: {
    readonly featureNames: readonly string[];
    readonly columns: readonly InputColumn[];
    /** [d] the model's training means and standard deviations: tell its profile from another run's. */
    readonly mean?: Float64Array;
    readonly std?: Float64Array;
  },
): TrainProfile {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw fail("it is not JSON");
  }
  const profile = objectOf(value, "it");
  if (profile.schema !== "raisin.train_profile/1") {
    throw fail(`its schema is ${shown(String(profile.schema))}, not raisin.train_profile/1`);
  }
  const { rows, means, stds, feature_order: order, features } = profile;
  const { featureNames, columns } = about;
  const d = featureNames.length;
  if (!isCount(rows) || rows === 0) throw fail('"rows" must be a whole number from 1');
  const isOrder = Array.isArray(order) && order.length === d;
  if (!isOrder || !featureNames.every((name, j) => order[j] === name)) {
    throw fail("its features are not those of the model");
  }
  if (!isNumbers(means) || means.length !== d) throw fail('"means" must be one number a feature');
  if (!isNumbers(stds) || stds.length !== d || stds.some((std) => std <= 0)) {
    throw fail('"stds" must be one number above 0 a feature');
  }
  const { mean, std } = about;
  if (
    means.some((value, j) => mean && value !== mean[j]) ||
    stds.some((s, j) => std && s !== std[j])
  ) {
    throw fail("its means and standard deviations are not those of the model");
  }
  if (!Array.isArray(features) || features.length !== d) {
    throw fail('"features" must be one object a feature');
  }
  const logit = objectOf(profile.logit, '"logit"');
  if (!Number.isFinite(logit.mean) || !isNumbers(logit.edges) || !isRising(logit.edges)) {
    throw fail('"logit" must have a mean and rising edges');
  }
  if (!isCounts(logit.counts) || logit.counts.length !== logit.edges.length + 1) {
    throw fail('"logit" must have a count more than edges');
  }
  const labels = objectOf(profile.label_counts, '"label_counts"');
  if (!Object.values(labels).every(isCount)) throw fail('"label_counts" must be counts');
  return {
    schema: "raisin.train_profile/1",
    rows,
    feature_order: featureNames,
    means,
    stds,
    features: features.map((feature, j) => {
      const read = featureOf(feature, featureNames[j]!, rows);
      if (read.mean === means[j] && read.std === stds[j]) return read;
      throw fail(
        `feature ${shown(read.name)} has another mean or deviation than "means" and "stds"`,
      );
    }),
    // Profiles of before there were categories have neither.
    categories: categoriesOf(profile.categories ?? [], columns, rows),
    missing: missingOf(profile.missing ?? [], columns, rows),
    label_counts: labels as Record<string, number>,
    logit: { mean: logit.mean as number, edges: logit.edges, counts: logit.counts },
  };
}

function featureOf(value: unknown, name: string, rows: number): FeatureProfile {
  const what = `feature ${shown(name)}`;
  const { count, mean, std, min, max, quantiles, histogram, ...rest } = objectOf(value, what);
  if (rest.name !== name) throw fail(`${what} is not at its place`);
  const numbers = [mean, std, min, max];
  if (!isCount(count) || !isNumbers(numbers))
    throw fail(`${what} has a count or number that is none`);
  if (count > rows) throw fail(`${what} has more values than there are rows`);
  if (Number(min) > Number(max)) throw fail(`${what} has a minimum above its maximum`);
  if (!isNumbers(quantiles) || !isRising(quantiles)) throw fail(`${what} has quantiles that fall`);
  const { edges, counts } = objectOf(histogram, `the histogram of ${what}`);
  const isHistogram =
    isNumbers(edges) &&
    isRising(edges) &&
    isCounts(counts) &&
    counts.length === Math.max(0, edges.length - 1) &&
    totalOf(counts) === count;
  if (!isHistogram) throw fail(`${what} has a histogram whose edges and counts do not agree`);
  const [ofMean, ofStd, ofMin, ofMax] = numbers as [number, number, number, number];
  return {
    name,
    count,
    mean: ofMean,
    std: ofStd,
    min: ofMin,
    max: ofMax,
    quantiles,
    histogram: { edges, counts },
  };
}

function categoriesOf(
  value: unknown,
  columns: readonly InputColumn[],
  rows: number,
): CategoryProfile[] {
  const wanted = columns.flatMap((column) => (column.as === "category" ? [column] : []));
  if (!Array.isArray(value) || value.length !== wanted.length) {
    throw fail("its categories are not those of the model");
  }
  return wanted.map((column, k) => {
    const what = `category ${shown(column.name)}`;
    const { name, levels, other, missing } = objectOf(value[k], what);
    const pairs = Array.isArray(levels) ? levels.map((level) => objectOf(level, what)) : [];
    const isSound =
      name === column.name &&
      pairs.length === column.levels.length &&
      pairs.every(({ level, count }, i) => level === column.levels[i] && isCount(count)) &&
      (column.other ? isCount(other) : other === null) &&
      (column.missing ? isCount(missing) : missing === null);
    if (!isSound) throw fail(`${what} does not have the model's levels and their counts`);
    const counts = [...pairs.map(({ count }) => count), other ?? 0, missing ?? 0] as number[];
    if (totalOf(counts) !== rows) throw fail(`${what} has counts that are not those of all rows`);
    return {
      name: column.name,
      levels: pairs as unknown as CategoryProfile["levels"],
      other: other as number | null,
      missing: missing as number | null,
    };
  });
}

function missingOf(
  value: unknown,
  columns: readonly InputColumn[],
  rows: number,
): MissingProfile[] {
  const wanted = columns.filter((column) => column.as === "number" && column.missing);
  if (!Array.isArray(value) || value.length !== wanted.length) {
    throw fail("its columns with missing values are not those of the model");
  }
  return wanted.map((column, k) => {
    const { name, present, missing } = objectOf(value[k], shown(column.name));
    if (name !== column.name || !isCount(present) || !isCount(missing)) {
      throw fail(`column ${shown(column.name)} lacks its counts of missing values`);
    }
    if (present + missing !== rows) {
      throw fail(`column ${shown(column.name)} has counts that are not those of all rows`);
    }
    return { name: column.name, present, missing };
  });
}
