// Where a training that was derived again first differs from what was recorded: split, statistics, iterations, weights,
// the encoding of the file, the record itself.
import { decodeModel, ModelFormatError } from "../model/model-file.ts";
import type { MetricRecord, TrainingResult } from "../training/train.ts";
import type { TrainingRecord } from "./record.ts";

/** What differs first, stage by stage of a training. */
export type Stage =
  | "data"
  | "core"
  | "split"
  | "statistics"
  | "iterations"
  | "weights"
  | "encoding"
  | "record";

/** Everything that a result needs to have to be compared. */
export type Derived = Pick<
  TrainingResult,
  "model" | "modelBytes" | "modelDigest" | "splitDigest" | "records"
>;

export interface Difference {
  readonly stage: Stage;
  /** A sentence without its stage. */
  readonly text: string;
}

/** What came of a training that was derived again. */
export interface Outcome {
  readonly reproduced: boolean;
  /** Where it first differs, and how; null when nothing does. */
  readonly stage: Stage | null;
  readonly difference: string | null;
  readonly metricsCompared: number;
}

/** @param difference a sentence without its stage */
export function differs(stage: Stage, difference: string): Outcome {
  return { reproduced: false, stage, difference, metricsCompared: 0 };
}

export function outcomeOf(record: TrainingRecord, derived: Derived): Outcome {
  const difference = compareTraining(record, derived);
  if (difference !== null) return differs(difference.stage, difference.text);
  const metricsCompared = derived.records.length;
  return { reproduced: true, stage: null, difference: null, metricsCompared };
}

/** What is said of a core that did not return in time. */
export function lateAfter(seconds: number): Outcome {
  return differs("core", `it did not return within ${seconds} s`);
}

/** @returns the first difference, or null where every byte and every metric is as recorded */
export function compareTraining(record: TrainingRecord, derived: Derived): Difference | null {
  if (record.splitDigest !== null && record.splitDigest !== derived.splitDigest) {
    return {
      stage: "split",
      text: `other rows validate: their digest is ${derived.splitDigest}, the run recorded ${record.splitDigest}`,
    };
  }
  const byte = firstDifference(record.modelBytes, derived.modelBytes);
  if (byte === null) return recordDifference(record, derived);
  return (
    modelDifference(record, derived) ?? {
      stage: "encoding",
      text:
        byte === Math.min(record.modelBytes.length, derived.modelBytes.length)
          ? `model.npz has ${record.modelBytes.length} bytes, derived again ${derived.modelBytes.length}`
          : `model.npz differs from byte ${byte} on`,
    }
  );
}

/** Of models whose bytes differ; null where their numbers and names are the same, or cannot be read. */
function modelDifference(record: TrainingRecord, derived: Derived): Difference | null {
  const recorded = modelOf(record.modelBytes);
  if (recorded === null) return null;
  const { model } = derived;
  const text = (what: string, was: unknown, is: unknown) =>
    `${what} is ${String(was)} in model.npz, derived again ${String(is)}`;
  const names = model.featureNames;
  if (names.length !== recorded.featureNames.length) {
    const count = text("the number of features", recorded.featureNames.length, names.length);
    return { stage: "statistics", text: count };
  }
  if (names.join("\0") !== recorded.featureNames.join("\0")) {
    const k = names.findIndex((name, j) => name !== recorded.featureNames[j]);
    return {
      stage: "statistics",
      text: text(`feature ${k + 1}`, recorded.featureNames[k], names[k]),
    };
  }
  for (const key of ["mean", "std"] as const) {
    const k = firstNumber(recorded[key], model[key]);
    if (k < 0) continue;
    return {
      stage: "statistics",
      text: text(`${key} of ${JSON.stringify(names[k])}`, recorded[key][k], model[key][k]),
    };
  }
  const k = firstNumber(recorded.w, model.w);
  if (k < 0 && Object.is(recorded.b, model.b)) {
    const [was, is] = [JSON.stringify(recorded.spec), JSON.stringify(model.spec)];
    return was === is ? null : { stage: "encoding", text: text("the spec", was, is) };
  }
  const iteration = iterationDifference(record.metrics, derived.records);
  if (iteration !== null) return { stage: "iterations", text: iteration };
  return {
    stage: "weights",
    text:
      k < 0
        ? text("the bias", recorded.b, model.b)
        : text(`the weight of ${JSON.stringify(names[k])}`, recorded.w[k], model.w[k]),
  };
}

function modelOf(bytes: Uint8Array) {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof ModelFormatError) return null;
    throw error;
  }
}

/** Between which steps the trainings parted, as far as their figures tell. */
function iterationDifference(
  recorded: readonly MetricRecord[],
  derived: readonly MetricRecord[],
): string | null {
  const line = firstMetric(recorded, derived);
  if (line === null || line >= Math.min(recorded.length, derived.length)) return null;
  const [was, is] = [recorded[line]!, derived[line]!];
  const before = derived.findLast(({ step }, k) => k < line && step < is.step)?.step;
  const span =
    before === undefined ? `iteration ${is.step}` : `iterations ${before + 1} to ${is.step}`;
  return `${span}: ${said(was)}, derived again ${said(is)}`;
}

/** What is wrong with the record of a training whose model came out as recorded. */
function recordDifference(record: TrainingRecord, derived: Derived): Difference | null {
  const difference = (text: string): Difference => ({ stage: "record", text });
  if (record.modelDigest !== derived.modelDigest) {
    return difference(
      `meta.json says that the model's digest is ${record.modelDigest}, derived again ${derived.modelDigest}`,
    );
  }
  const line = firstMetric(record.metrics, derived.records);
  if (line === null) return null;
  const [was, is] = [record.metrics[line], derived.records[line]];
  if (was === undefined) return difference(`metrics: ${said(is!)} is missing (line ${line + 1})`);
  if (is === undefined) {
    return difference(
      `metrics: ${record.metrics.length - line} lines more than derived again, from line ${line + 1} on`,
    );
  }
  return difference(`metrics: line ${line + 1} says ${said(was)}, derived again ${said(is)}`);
}

/** The first metric that differs; null when none does. */
function firstMetric(
  recorded: readonly MetricRecord[],
  derived: readonly MetricRecord[],
): number | null {
  const length = Math.max(recorded.length, derived.length);
  for (let k = 0; k < length; k++) {
    const [was, is] = [recorded[k], derived[k]];
    const isEqual =
      was?.key === is?.key && was?.step === is?.step && Object.is(was?.value, is?.value);
    if (!isEqual) return k;
  }
  return null;
}

function said({ key, value, step }: MetricRecord): string {
  return `${key} ${value} at step ${step}`;
}

/** The first byte that differs; null when none does. */
function firstDifference(a: Uint8Array, b: Uint8Array): number | null {
  const length = Math.min(a.length, b.length);
  for (let k = 0; k < length; k++) if (a[k] !== b[k]) return k;
  return a.length === b.length ? null : length;
}

function firstNumber(a: Float64Array, b: Float64Array): number {
  return b.findIndex((value, k) => !Object.is(value, a[k]));
}
