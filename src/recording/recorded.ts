// What a recorded training says of itself: its parameters, how it read its table, and which data that was.
import { DataError } from "../data/data-error.ts";
import { type Dialect, dialectOfWords } from "../data/dialect.ts";
import { type ReadCsvOptions, readForTraining, type TrainingFile } from "../data/files.ts";
import type { StoredRun } from "../miniflow/runs.ts";
import { checkParams, DEFAULT_PARAMS, snakeCase, type TrainingParams } from "../training/params.ts";
import type { Gate } from "./promote.ts";

/** A run that cannot be derived again, whatever the data: not a finished training, or its record is damaged. */
export class NotRepeatableError extends Error {
  override readonly name: string = "NotRepeatableError";
}

/** Parameters of a recorded training. @param verb what for, in a message @throws NotRepeatableError */
export function recordedParams(
  run: StoredRun,
  verb: string,
): {
  params: TrainingParams;
  reading: ReadCsvOptions;
} {
  const names = Object.keys(snakeCase(DEFAULT_PARAMS));
  // Runs from before there were class weights have none.
  const recorded: Record<string, unknown> = { class_weight: "none", ...run.params };
  const values = names.map((name) => recorded[name]);
  const reading = recordedReading(run.params);
  if (reading === undefined || values.some((value) => value === undefined)) {
    throw new NotRepeatableError(
      `Cannot ${verb} run ${run.id} as its params.json is missing or damaged`,
    );
  }
  const keys = Object.keys(DEFAULT_PARAMS);
  const params = Object.fromEntries(
    keys.map((key, k) => [key, values[k]]),
  ) as unknown as TrainingParams;
  try {
    checkParams(params);
  } catch (error) {
    throw new NotRepeatableError(
      `Cannot ${verb} run ${run.id} as its params.json is damaged: ${(error as Error).message}`,
    );
  }
  return { params, reading };
}

/** What a recorded training was told to do with its result. Runs from before there were gates say less. */
export function recordedPromotion(run: StoredRun): { model: string; promote: boolean; gate: Gate } {
  const { promote, promote_on: metric, min_gain: minGain, significance } = run.params;
  return {
    model: String(run.meta.model),
    promote: promote === true,
    gate: {
      metric: metric === "val_loss" ? "val_loss" : "val_accuracy",
      ...(typeof minGain === "number" && { minGain }),
      ...(typeof significance === "number" && { significance }),
    },
  };
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
 * Which data a training had, and where to read it.
 *
 * @param data a path that somebody names, instead of the recorded one
 * @throws NotRepeatableError where its record does not say
 */
export function recordedData(
  run: StoredRun,
  verb: string,
  data?: string,
): { path: string; contentDigest: string } {
  const recorded = (run.meta.dataset ?? {}) as Record<string, unknown>;
  const { content_digest: contentDigest } = recorded;
  const path = data ?? recorded.path;
  if (typeof path !== "string" || typeof contentDigest !== "string") {
    throw new NotRepeatableError(
      `Cannot ${verb} run ${run.id} as its meta.json does not say which data it had`,
    );
  }
  return { path, contentDigest };
}

/** Reads a table as a run did. @param isAnother the file is not the run's own: it may hold the same rows with other delimiters or quotes. */
export async function readAgain(
  path: string,
  reading: ReadCsvOptions,
  isAnother: boolean,
): Promise<TrainingFile> {
  const read = (options: ReadCsvOptions) => readForTraining(path, options, { infer: false });
  try {
    return await read(reading);
  } catch (error) {
    if (!isAnother || !(error instanceof DataError)) throw error;
    const { delimiter: _, quote: __, ...rest } = reading;
    return read(rest).catch(() => Promise.reject(error));
  }
}
