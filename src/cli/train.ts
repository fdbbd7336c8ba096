// raisin train: reads a table, trains, records the run, and says what came out.
import { relative, resolve } from "node:path";
import { loadCore } from "../core/node.ts";
import { bundledRaisins, RAISIN_FILE_SHA256 } from "../data/bundled.ts";
import { DataError } from "../data/data-error.ts";
import { readCsv, type TrainingFile } from "../data/files.ts";
import { readEnvironment } from "../miniflow/environment.ts";
import { NotResumableError } from "../miniflow/reopen.ts";
import { readArtifact, readRun, type StoredRun } from "../miniflow/runs.ts";
import { writeTarget } from "../miniflow/store.ts";
import { NotRepeatableError } from "../proof/record.ts";
import { findIdentical } from "../recording/fingerprint.ts";
import {
  describeDataset,
  fingerprintOfTraining,
  type RecordedTraining,
  recordTraining,
  resumeTraining,
  summaryOf,
} from "../recording/record.ts";
import {
  readAgain,
  recordedData,
  recordedParams,
  recordedPromotion,
} from "../recording/recorded.ts";
import type { TrainingParams } from "../training/params.ts";
import type { Progress } from "../training/train.ts";
import { plain } from "./charts.ts";
import {
  type ColumnFlags,
  columnFlagsOf,
  columnWords,
  flagsThatWork,
  readOptionsOf,
} from "./column-flags.ts";
import { DataCommandError, EXIT, shellWord, UsageError } from "./exit.ts";
import { checkNames, type GateFlags, gateOf, type OutputFlags } from "./options.ts";
import { outFile } from "./paths.ts";
import { createMeter } from "./progress.ts";
import { runDirectory } from "./run-argument.ts";
import { summaryLines } from "./summary.ts";

export interface TrainFlags extends TrainingParams, OutputFlags, ColumnFlags, GateFlags {
  readonly data?: string;
  readonly label: string;
  readonly experiment?: string;
  readonly model?: string;
  readonly store: string;
  readonly out: string;
  readonly promote: boolean;
  readonly checkpointEvery?: number;
  readonly reuse?: boolean;
}

export type ResumeFlags = OutputFlags &
  Pick<TrainFlags, "data" | "store" | "out" | "checkpointEvery">;

/** Flags that mean something with --resume: everything else is as the run recorded it. */
export const RESUME_FLAGS = ["resume", "data", "store", "out", "json", "quiet", "checkpointEvery"];

/** @param rest the words that were typed besides those that choose data and columns */
export async function runTrain(
  flags: TrainFlags,
  signal: AbortSignal,
  rest: readonly string[],
): Promise<number> {
  const out = outFile(flags.out);
  const environment = readEnvironment();
  const dataset = await readDataset(flags, signal, rest, "train");
  const names = namesOf(flags, dataset);
  const source = loadCore();
  const { lr, iterations, l2, valFraction, seed, logEvery, threshold, classWeight } = flags;
  const params = { lr, iterations, l2, valFraction, seed, logEvery, threshold, classWeight };
  const request = {
    store: flags.store,
    ...names,
    gate: gateOf(flags),
    promote: flags.promote,
    params,
    environment,
    signal,
    ...(flags.checkpointEvery !== undefined && { checkpointEvery: flags.checkpointEvery }),
  };
  const identical = findIdentical(flags.store, fingerprintOfTraining(source, dataset, request));
  if (identical !== undefined) {
    if (flags.reuse) return reuse(identical, dataset, flags, out);
    const word = `run ${identical.id} has the same data, parameters and core, so the model will be the same; --reuse takes it instead`;
    if (!flags.quiet) process.stderr.write(`identical: ${word}\n`);
  }
  const recorded = await withMeter(params, flags, (onProgress) =>
    recordTraining(source, dataset, { ...request, onProgress }),
  );
  return tell(recorded, dataset, flags, out);
}

/** What a training belongs to: as named, else by what its data are called. @throws UsageError */
export function namesOf(
  flags: Pick<TrainFlags, "experiment" | "model">,
  dataset: TrainingFile,
): { experiment: string; model: string } {
  const isBundled = dataset.path === resolve(bundledRaisins());
  const isRaisins = isBundled || dataset.fileSha256 === RAISIN_FILE_SHA256;
  const names = {
    experiment: flags.experiment ?? (isRaisins ? "raisin" : dataset.name.trim()),
    model: flags.model ?? (isRaisins ? "raisin_logreg" : dataset.name.trim()),
  };
  checkNames(names);
  return names;
}

/** Gives what an identical run has, and trains nothing. */
function reuse(
  run: StoredRun,
  dataset: TrainingFile,
  flags: TrainFlags,
  out: ReturnType<typeof outFile>,
): number {
  const { meta } = run;
  const { experiment, model } = meta;
  const promotion = (meta.promotion ?? {}) as Record<string, unknown>;
  writeTarget(out, readArtifact(run.directory, "model/model.npz")!);
  if (flags.json) {
    const answer = {
      run_id: run.id,
      run_dir: run.directory,
      reused: true,
      experiment,
      model,
      model_digest: meta.model_digest,
      core_digest: meta.core_digest,
      dataset: describeDataset(dataset),
      params: run.params,
      metrics: meta.metrics,
      converged: meta.converged,
      gradient_max: meta.gradient_max,
      // Now: nothing is promoted by what is not trained.
      promoted: false,
      promotion_reason: `run ${run.id} was reused`,
      columns: dataset.columnReports,
      guesses: dataset.guesses,
      warnings: dataset.warnings,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  } else if (!flags.quiet) {
    const was = promotion.promoted === true ? "it was promoted then" : "it was not promoted then";
    process.stdout.write(
      [
        `reused    run ${run.id}: the same data, parameters and core; nothing was trained`,
        `          experiment ${plain(experiment)}, model ${plain(String(model))}; ${was}, and nothing is promoted now (raisin models promote)`,
        `model     ${plain(flags.out)}`,
        `          digest ${String(meta.model_digest)}`,
        `run       ${plain(relative(process.cwd(), run.directory) || run.directory)}\n`,
      ].join("\n"),
    );
  }
  return EXIT.ok;
}

/** Goes on with a training that was killed. @param run an id, or the path of a run directory */
export async function runResume(
  run: string,
  flags: ResumeFlags,
  signal: AbortSignal,
): Promise<number> {
  const out = outFile(flags.out);
  const environment = readEnvironment();
  const directory = runDirectory(flags.store, run);
  const stored = readRun(directory);
  const source = loadCore();
  try {
    checkResumable(stored, source.digest);
    const { params, reading } = recordedParams(stored, "resume");
    const { path, contentDigest } = recordedData(stored, "resume", flags.data);
    const options = { ...reading, signal };
    const dataset = await readAgain(path, options, flags.data !== undefined);
    if (dataset.contentDigest !== contentDigest) {
      throw new DataError(
        `Cannot go on with run ${stored.id} as ${path} holds other data: its content digest is ${dataset.contentDigest}, the run recorded ${contentDigest}`,
      );
    }
    const request = {
      store: flags.store,
      experiment: stored.meta.experiment,
      ...recordedPromotion(stored),
      params,
      environment,
      signal,
      ...(flags.checkpointEvery !== undefined && { checkpointEvery: flags.checkpointEvery }),
    };
    const recorded = await withMeter(params, flags, (onProgress) =>
      resumeTraining(source, dataset, { ...request, onProgress }, directory),
    );
    if (!flags.quiet && !flags.json) {
      process.stdout.write(`resumed from step ${recorded.fromStep} of ${params.iterations}\n`);
    }
    return tell(recorded, dataset, flags, out);
  } catch (error) {
    if (error instanceof NotRepeatableError || error instanceof NotResumableError) {
      throw new UsageError(error.message);
    }
    throw error;
  }
}

/** @throws UsageError for a run that no training can go on with */
function checkResumable(run: StoredRun, coreDigest: string): void {
  if (run.meta.kind !== "train") {
    throw new UsageError(
      `Cannot go on with run ${run.id}: its kind is ${String(run.meta.kind)}, and only trainings can be resumed`,
    );
  }
  if (run.meta.core_digest !== coreDigest) {
    const { raisin = "another version" } = (run.meta.versions ?? {}) as Record<string, unknown>;
    throw new UsageError(
      `Cannot go on with run ${run.id}: it was begun by core ${String(run.meta.core_digest)} of raisin ${String(raisin)}, and this is ${coreDigest}; one training has one core`,
    );
  }
}

/** Trains under a meter. */
function withMeter<T>(
  { iterations }: TrainingParams,
  flags: OutputFlags,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  const options = { title: "training", quiet: flags.quiet === true, lines: true };
  return createMeter(iterations, options).then((meter) =>
    work(({ step, records }) => {
      const at = String(step).padStart(String(iterations).length);
      const figures = records.map(({ key, value }) => `${key} ${value.toFixed(6)}`);
      const losses = records.filter(({ key }) => key.endsWith("_loss"));
      const short = losses.map(({ key, value }) => `${key} ${value.toFixed(4)}`);
      meter.update(step, short.join("  "), [at, ...figures].join("  "));
    }).finally(() => meter.end()),
  );
}

/**
 * Leaves the model where it was asked for, and says what came out.
 *
 * @param print the text for stdout, made of the summary; by default that itself, or its JSON
 */
export function tell(
  recorded: RecordedTraining,
  dataset: TrainingFile,
  flags: OutputFlags & { readonly out: string },
  out: ReturnType<typeof outFile>,
  print?: (summary: string) => string,
): number {
  const isSimulated = dataset.path === resolve(bundledRaisins());
  // Written before it is told, so that "model" in the summary is true; but a full disk must not cost the summary.
  const writeError = errorOf(() => writeTarget(out, recorded.result.modelBytes));
  const about = { coreDigest: loadCore().digest, out: flags.out, isSimulated };
  const summary = () =>
    flags.json
      ? `${JSON.stringify(trainingJson(recorded, dataset))}\n`
      : `${summaryLines(recorded, dataset, about).join("\n")}\n`;
  if (flags.json || !flags.quiet) process.stdout.write(print?.(summary()) ?? summary());
  if (writeError) {
    process.stderr.write(
      `error: ${writeError.message}. The model stands in ${recorded.directory}/artifacts/model/model.npz\n`,
    );
  }
  if (recorded.productionError) {
    process.stderr.write(`error: ${recorded.productionError.message}\n`);
  }
  return writeError || recorded.productionError ? EXIT.failure : EXIT.ok;
}

function errorOf(work: () => void): Error | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Reads the table of a training, and shows what was guessed. @param rest words of the command besides those that choose columns */
export async function readDataset(
  flags: Pick<TrainFlags, "data" | "experiment" | "model" | "quiet"> & ColumnFlags,
  signal: AbortSignal,
  rest: readonly string[],
  command: "train" | "tune",
): Promise<TrainingFile> {
  checkNames(flags);
  if (flags.rest && flags.positive === undefined) {
    throw new UsageError("--rest sets one class against all others: name it with --positive");
  }
  const path = flags.data ?? bundledRaisins();
  const read = (columns: ColumnFlags) => readCsv(path, { ...readOptionsOf(columns), signal });
  const typed = columnFlagsOf(flags);
  try {
    const dataset = await read(typed);
    // A guess that changes the model is always shown.
    for (const guess of dataset.guesses) process.stderr.write(`guess: ${plain(guess)}\n`);
    for (const warning of flags.quiet ? [] : dataset.warnings)
      process.stderr.write(`warning: ${warning}\n`);
    return dataset;
  } catch (error) {
    const columns = await flagsThatWork(typed, error, read);
    if (columns === undefined) throw error;
    const words = trainCommand(flags.data, columns, rest, command);
    throw new DataCommandError(`${(error as Error).message}\nThis would work:\n  ${words}`, {
      cause: error,
    });
  }
}

/** The command that trains with these flags. @param rest words besides those */
export function trainCommand(
  data: string | undefined,
  columns: ColumnFlags,
  rest: readonly string[],
  command: "train" | "tune" = "train",
): string {
  const words = [...(data === undefined ? [] : ["--data", data]), ...columnWords(columns)];
  return ["raisin", command, ...words, ...rest].map(shellWord).join(" ");
}

/** What --json prints. */
export function trainingJson(recorded: RecordedTraining, dataset: TrainingFile): unknown {
  const { result, decision } = recorded;
  return {
    run_id: recorded.runId,
    run_dir: recorded.directory,
    model_digest: result.modelDigest,
    core_digest: loadCore().digest,
    dataset: describeDataset(dataset),
    params: recorded.params,
    metrics: summaryOf(result.train, result.validation),
    converged: result.converged,
    gradient_max: result.gradientMax,
    promoted: decision.promoted,
    promotion_reason: decision.reason,
    production: recorded.production,
    columns: dataset.columnReports,
    guesses: dataset.guesses,
    warnings: [...dataset.warnings, ...result.warnings],
  };
}
