// What a finished training left behind that can be derived again, wherever it is kept: in a run's directory or a sealed file.
import { type Dialect, dialectOfWords } from "../data/dialect.ts";
import type { RowSketch } from "../data/sketch.ts";
import type { TableOptions } from "../data/table-dataset.ts";
import type { DialectOptions } from "../data/table-reader.ts";
import { checkParams, DEFAULT_PARAMS, snakeCase, type TrainingParams } from "../training/params.ts";
import type { MetricRecord } from "../training/train.ts";

/** How a training read its table, with nothing left to be inferred. */
export type RecordedReading = TableOptions &
  DialectOptions & { readonly features: readonly string[] };

/** A recorded training: what it was told, and what came of it. */
export interface TrainingRecord {
  readonly runId: string;
  /** All of params.json. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Content digest of the data, 64 hex digits (N10). */
  readonly contentDigest: string;
  /** The next two are null for runs from before they were recorded. */
  readonly sketch: RowSketch | null;
  readonly splitDigest: string | null;
  readonly coreDigest: string;
  readonly modelDigest: string;
  /** model.npz */
  readonly modelBytes: Uint8Array;
  readonly metrics: readonly MetricRecord[];
}

/** A run that cannot be derived again, whatever the data: not a finished training, or its record is damaged. */
export class NotRepeatableError extends Error {
  override readonly name: string = "NotRepeatableError";
}

/**
 * Parameters of a recorded training. Those from before there were categories, weights or dialects say less.
 *
 * @param recorded params.json
 * @param action what for and of which run, in a message: "verify run 0123456789ab"
 * @throws NotRepeatableError
 */
export function trainingOf(
  recorded: Readonly<Record<string, unknown>>,
  action: string,
): { params: TrainingParams; reading: RecordedReading } {
  const named: Record<string, unknown> = { class_weight: "none", ...recorded };
  const values = Object.keys(snakeCase(DEFAULT_PARAMS)).map((name) => named[name]);
  const reading = readingOf(recorded);
  if (reading === undefined || values.some((value) => value === undefined)) {
    throw new NotRepeatableError(`Cannot ${action} as its params.json is missing or damaged`);
  }
  const params = Object.fromEntries(
    Object.keys(DEFAULT_PARAMS).map((key, k) => [key, values[k]]),
  ) as unknown as TrainingParams;
  try {
    checkParams(params);
  } catch (error) {
    throw new NotRepeatableError(
      `Cannot ${action} as its params.json is damaged: ${(error as Error).message}`,
    );
  }
  return { params, reading };
}

function readingOf(params: Readonly<Record<string, unknown>>): RecordedReading | undefined {
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
  } as RecordedReading;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
