// What a recorded training says of itself: its parameters, how it read its table, and which data that was.
import { DataError } from "../data/data-error.ts";
import { type ReadCsvOptions, readForTraining, type TrainingFile } from "../data/files.ts";
import type { StoredRun } from "../miniflow/runs.ts";
import { NotRepeatableError, type RecordedReading, trainingOf } from "../proof/record.ts";
import type { TrainingParams } from "../training/params.ts";
import type { Gate } from "./promote.ts";

/** Parameters of a recorded training. @param verb what for, in a message @throws NotRepeatableError */
export function recordedParams(
  run: StoredRun,
  verb: string,
): { params: TrainingParams; reading: RecordedReading } {
  return trainingOf(run.params, `${verb} run ${run.id}`);
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
