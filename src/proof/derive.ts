// Trains what a sealed file recorded once more, by the core that was sealed with it, and says what came of it.
import { coreOfBytes } from "../core/source.ts";
import { decodeModel } from "../model/model-file.ts";
import { type Progress, train } from "../training/train.ts";
import { differs, type Outcome, outcomeOf } from "./compare.ts";
import { readRecordedData, type TableSource } from "./data.ts";
import { trainingOf } from "./record.ts";
import type { SealedRun } from "./sealed.ts";

/** Steps · rows · features a second that any machine does. */
const CELLS_PER_SECOND = 2e7;
const LEAST_SECONDS = 30;
/** Timers do not go further: 2^31 milliseconds. */
const MOST_SECONDS = 2e6;

/** Seconds after which a core is taken for one that never returns: ten times what a slow machine needs. */
export function secondsFor(rows: number, features: number, iterations: number): number {
  const seconds = LEAST_SECONDS + (rows * features * iterations) / CELLS_PER_SECOND;
  return Math.min(Math.ceil(seconds), MOST_SECONDS);
}

/** The same for a sealed run. */
export function secondsForSealed({ about, record }: SealedRun): number {
  const { params } = trainingOf(record.params, `derive run ${record.runId}`);
  const features = decodeModel(record.modelBytes).w.length;
  return secondsFor(about.dataset.rows, features, params.iterations);
}

/**
 * @param hooks onTraining: called when the data are the recorded ones and the core begins
 * @throws OtherDataError, NotRepeatableError
 */
export async function deriveAgain(
  { record, core }: SealedRun,
  table: TableSource,
  hooks: { onTraining(): void; onProgress(progress: Progress): void },
): Promise<Outcome> {
  const { params, reading } = trainingOf(record.params, `derive run ${record.runId}`);
  const { contentDigest, sketch } = record;
  // Digests are made without the core: it may be anybody's, and they say which data these are.
  const data = await readRecordedData(table, { reading, contentDigest, sketch });
  if (data.dataset === null) return differs("data", data.difference);
  hooks.onTraining();
  try {
    const source = coreOfBytes(core, record.coreDigest);
    const derived = await train(source, data.dataset, params, { onProgress: hooks.onProgress });
    return outcomeOf(record, derived);
  } catch (error) {
    // With these data and parameters the recorded training went through.
    return differs("core", (error as Error).message);
  }
}
