// Trains a recorded run again and compares every byte of its model and every metric.
import { createHash } from "node:crypto";
import type { CoreSource } from "../core/source.ts";
import { DataError } from "../data/data-error.ts";
import { type Dialect, dialectOfWords } from "../data/dialect.ts";
import { type ReadCsvOptions, readForTraining, type TrainingFile } from "../data/files.ts";
import { BadLineError } from "../miniflow/store.ts";
import {
  type MetricLine,
  readArtifact,
  readMetrics,
  readRun,
  type StoredRun,
} from "../miniflow/tracker.ts";
import { checkParams, DEFAULT_PARAMS, snakeCase, type TrainingParams } from "../training/params.ts";
import { type TrainingResult, train } from "../training/train.ts";
import { turn } from "./turn.ts";

export interface Verdict {
  readonly runId: string;
  readonly reproduced: boolean;
  /** What differs first; null when nothing does. */
  readonly difference: string | null;
  readonly modelDigest: string;
  readonly metricsCompared: number;
  /** Whether the core of this package is the one that the run recorded. */
  readonly isSameCore: boolean;
}

/** A run that cannot be verified, whatever the data: not a finished training, or its record is damaged. */
export class NotVerifiableError extends Error {
  override readonly name: string = "NotVerifiableError";
}

/** Parameters of a recorded training. @throws NotVerifiableError */
function recordedParams(run: StoredRun): { params: TrainingParams; reading: ReadCsvOptions } {
  const names = Object.keys(snakeCase(DEFAULT_PARAMS));
  // Runs from before there were class weights have none.
  const recorded: Record<string, unknown> = { class_weight: "none", ...run.params };
  const values = names.map((name) => recorded[name]);
  const reading = recordedReading(run.params);
  if (reading === undefined || values.some((value) => value === undefined)) {
    throw new NotVerifiableError(
      `Cannot verify run ${run.id} as its params.json is missing or damaged`,
    );
  }
  const keys = Object.keys(DEFAULT_PARAMS);
  const params = Object.fromEntries(
    keys.map((key, k) => [key, values[k]]),
  ) as unknown as TrainingParams;
  try {
    checkParams(params);
  } catch (error) {
    throw new NotVerifiableError(
      `Cannot verify run ${run.id} as its params.json is damaged: ${(error as Error).message}`,
    );
  }
  return { params, reading };
}

/** How a run read its table; undefined when the record does not say. Runs of numbers only say less. */
function recordedReading(params: Readonly<Record<string, unknown>>): ReadCsvOptions | undefined {
  const {
    label,
    positive,
    features,
    rest = false,
    categorical = [],
    missing = "error",
    missing_tokens: missingTokens = [],
    base = "first",
    max_levels: maxLevels = null,
    unseen = "error",
    weight = null,
    delimiter = "comma",
    quote = "double",
    decimal = "point",
    thousands = "none",
  } = params;
  const dialect: Dialect | null = dialectOfWords({ delimiter, quote, decimal, thousands });
  const isWhole =
    dialect !== null &&
    typeof label === "string" &&
    typeof positive === "string" &&
    [features, categorical, missingTokens].every(isTexts) &&
    typeof rest === "boolean" &&
    (maxLevels === null || (Number.isInteger(maxLevels) && (maxLevels as number) >= 1)) &&
    (weight === null || typeof weight === "string") &&
    ["error", "indicator", "drop"].includes(missing as string) &&
    ["first", "most-frequent"].includes(base as string) &&
    ["error", "base"].includes(unseen as string);
  if (!isWhole) return undefined;
  return {
    label,
    positive,
    features,
    rest,
    categorical,
    missing,
    missingTokens,
    base,
    maxLevels,
    unseen,
    ...(weight !== null && { weight }),
    ...dialect,
  } as ReadCsvOptions;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/**
 * @param options data: the file to train on, by default the path that the run recorded
 * @throws NotVerifiableError, CsvError, StoreError
 */
export async function verifyRun(
  source: CoreSource,
  directory: string,
  options: { data?: string; signal?: AbortSignal } = {},
): Promise<Verdict> {
  const { signal } = options;
  const run = readRun(directory);
  if (run.meta.kind !== "train" || run.meta.status !== "FINISHED") {
    throw new NotVerifiableError(
      `Cannot verify run ${run.id} as only finished trainings can be derived again: its kind is ${String(run.meta.kind)}, its status ${run.meta.status}`,
    );
  }
  const { params, reading } = recordedParams(run);
  const recorded = run.meta.dataset as { path?: unknown; content_digest?: unknown } | undefined;
  const path = options.data ?? recorded?.path;
  if (typeof path !== "string" || typeof recorded?.content_digest !== "string") {
    throw new NotVerifiableError(
      `Cannot verify run ${run.id} as its meta.json does not say which data it had`,
    );
  }
  const verdict = {
    runId: run.id,
    modelDigest: String(run.meta.model_digest),
    isSameCore: run.meta.core_digest === source.digest,
  };
  const differs = (difference: string): Verdict => ({
    ...verdict,
    reproduced: false,
    difference,
    metricsCompared: 0,
  });
  const dataset = await readAgain(path, { ...reading, ...(signal && { signal }) }, options);
  if (dataset.contentDigest !== recorded.content_digest) {
    return differs(
      `data: ${path} has content digest ${dataset.contentDigest}, the run recorded ${recorded.content_digest}`,
    );
  }
  const core = readArtifact(directory, "core/core.wasm");
  if (core === undefined || sha256(core) !== run.meta.core_digest) {
    return differs(
      "core: artifacts/core/core.wasm is missing or has another digest than meta.json records",
    );
  }
  const result = await train(source, dataset, params, {
    ...(signal && { signal }),
    pause: turn,
  });
  const difference = modelDifference(directory, run, result) ?? metricDifference(directory, result);
  return difference === undefined
    ? { ...verdict, reproduced: true, difference: null, metricsCompared: result.records.length }
    : differs(difference);
}

/** Reads the table as the run did. Another file may hold the same rows with other delimiters or quotes. */
async function readAgain(
  path: string,
  reading: ReadCsvOptions,
  { data }: { data?: string },
): Promise<TrainingFile> {
  const read = (options: ReadCsvOptions) => readForTraining(path, options, { infer: false });
  try {
    return await read(reading);
  } catch (error) {
    if (data === undefined || !(error instanceof DataError)) throw error;
    const { delimiter: _, quote: __, ...rest } = reading;
    return read(rest).catch(() => Promise.reject(error));
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function modelDifference(
  directory: string,
  run: StoredRun,
  result: TrainingResult,
): string | undefined {
  const stored = readArtifact(directory, "model/model.npz");
  if (stored === undefined) return "model: artifacts/model/model.npz is missing";
  if (run.meta.model_digest !== result.modelDigest) {
    return `model: digest ${result.modelDigest}, the run recorded ${String(run.meta.model_digest)}`;
  }
  const at = result.modelBytes.findIndex((byte, i) => byte !== stored[i]);
  if (at >= 0) return `model: model.npz differs from byte ${at} on`;
  if (stored.length !== result.modelBytes.length) {
    return `model: model.npz has ${stored.length} bytes, derived again ${result.modelBytes.length}`;
  }
  return undefined;
}

function metricDifference(directory: string, result: TrainingResult): string | undefined {
  let lines: MetricLine[];
  try {
    lines = readMetrics(directory);
  } catch (error) {
    // What could not be read says nothing about the run.
    if (!(error instanceof BadLineError)) throw error;
    return `metrics: ${error.message}`;
  }
  for (const [i, { key, value, step }] of result.records.entries()) {
    const line = lines[i];
    if (line === undefined) return `metrics: ${key} at step ${step} is missing (line ${i + 1})`;
    if (line.key !== key || line.step !== step || !Object.is(line.value, value)) {
      return `metrics: line ${i + 1} says ${line.key} ${line.value} at step ${line.step}, derived again ${key} ${value} at step ${step}`;
    }
  }
  if (lines.length > result.records.length) {
    return `metrics: ${lines.length - result.records.length} lines more than derived again`;
  }
  return undefined;
}
