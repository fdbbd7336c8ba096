// raisin train: reads a table, trains, records the run, and says what came out.
import { resolve } from "node:path";
import { loadCore } from "../core/node.ts";
import { bundledRaisins, RAISIN_FILE_SHA256 } from "../data/bundled.ts";
import { readCsv, type TrainingFile } from "../data/files.ts";
import { readEnvironment } from "../miniflow/environment.ts";
import { writeTarget } from "../miniflow/store.ts";
import {
  describeDataset,
  type RecordedTraining,
  recordTraining,
  summaryOf,
} from "../recording/record.ts";
import type { TrainingParams } from "../training/params.ts";
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
import { summaryLines } from "./summary.ts";

export interface TrainFlags extends TrainingParams, OutputFlags, ColumnFlags, GateFlags {
  readonly data?: string;
  readonly label: string;
  readonly experiment?: string;
  readonly model?: string;
  readonly store: string;
  readonly out: string;
  readonly promote: boolean;
}

/** @param rest the words that were typed besides those that choose data and columns */
export async function runTrain(
  flags: TrainFlags,
  signal: AbortSignal,
  rest: readonly string[],
): Promise<number> {
  checkNames(flags);
  if (flags.rest && flags.positive === undefined) {
    throw new UsageError("--rest sets one class against all others: name it with --positive");
  }
  const out = outFile(flags.out);
  const environment = readEnvironment();
  const dataset = await readDataset(flags, signal, rest);
  // A guess that changes the model is always shown.
  for (const guess of dataset.guesses) process.stderr.write(`guess: ${plain(guess)}\n`);
  for (const warning of flags.quiet ? [] : dataset.warnings)
    process.stderr.write(`warning: ${warning}\n`);
  const isBundled = dataset.path === resolve(bundledRaisins());
  const isRaisins = isBundled || dataset.fileSha256 === RAISIN_FILE_SHA256;
  const names = {
    experiment: flags.experiment ?? (isRaisins ? "raisin" : dataset.name.trim()),
    model: flags.model ?? (isRaisins ? "raisin_logreg" : dataset.name.trim()),
  };
  checkNames(names);
  const source = loadCore();
  const meter = await createMeter(flags.iterations, {
    title: "training",
    quiet: flags.quiet === true,
    lines: true,
  });
  const recorded = await recordTraining(source, dataset, {
    store: flags.store,
    ...names,
    gate: gateOf(flags),
    promote: flags.promote,
    params: {
      lr: flags.lr,
      iterations: flags.iterations,
      l2: flags.l2,
      valFraction: flags.valFraction,
      seed: flags.seed,
      logEvery: flags.logEvery,
      threshold: flags.threshold,
      classWeight: flags.classWeight,
    },
    environment,
    signal,
    onProgress: ({ step, records }) => {
      const at = String(step).padStart(String(flags.iterations).length);
      const figures = records.map(({ key, value }) => `${key} ${value.toFixed(6)}`);
      const losses = records.filter(({ key }) => key.endsWith("_loss"));
      const short = losses.map(({ key, value }) => `${key} ${value.toFixed(4)}`);
      meter.update(step, short.join("  "), [at, ...figures].join("  "));
    },
  }).finally(() => meter.end());
  // Written before it is told, so that "model" in the summary is true; but a full disk must not cost the summary.
  const writeError = errorOf(() => writeTarget(out, recorded.result.modelBytes));
  const text = flags.json
    ? `${JSON.stringify(jsonOf(recorded, dataset, source.digest))}\n`
    : `${summaryLines(recorded, dataset, { coreDigest: source.digest, out: flags.out, isSimulated: isBundled }).join("\n")}\n`;
  if (flags.json || !flags.quiet) process.stdout.write(text);
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

async function readDataset(
  flags: TrainFlags,
  signal: AbortSignal,
  rest: readonly string[],
): Promise<TrainingFile> {
  const path = flags.data ?? bundledRaisins();
  const read = (columns: ColumnFlags) => readCsv(path, { ...readOptionsOf(columns), signal });
  const typed = columnFlagsOf(flags);
  try {
    return await read(typed);
  } catch (error) {
    const columns = await flagsThatWork(typed, error, read);
    if (columns === undefined) throw error;
    const command = trainCommand(flags.data, columns, rest);
    throw new DataCommandError(`${(error as Error).message}\nThis would work:\n  ${command}`, {
      cause: error,
    });
  }
}

/** The command that trains with these flags. @param rest words besides those */
export function trainCommand(
  data: string | undefined,
  columns: ColumnFlags,
  rest: readonly string[],
): string {
  const words = [...(data === undefined ? [] : ["--data", data]), ...columnWords(columns)];
  return ["raisin", "train", ...words, ...rest].map(shellWord).join(" ");
}

/** What --json prints. */
function jsonOf(recorded: RecordedTraining, dataset: TrainingFile, coreDigest: string): unknown {
  const { result, decision } = recorded;
  return {
    run_id: recorded.runId,
    run_dir: recorded.directory,
    model_digest: result.modelDigest,
    core_digest: coreDigest,
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
