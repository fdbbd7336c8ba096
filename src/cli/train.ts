// raisin train: reads a table, trains, records the run, and says what came out.
import { resolve } from "node:path";
import { loadCore } from "../core/node.ts";
import { type FileDataset, readCsv } from "../data/files.ts";
import { bundledRaisins, RAISIN_FILE_SHA256 } from "../data/raisins.ts";
import { isName } from "../miniflow/registry.ts";
import { writeWholeFile } from "../miniflow/store.ts";
import { readEnvironment } from "../recording/environment.ts";
import type { PromotionMetric } from "../recording/promote.ts";
import { type RecordedTraining, recordTraining, summaryOf } from "../recording/record.ts";
import type { TrainingParams } from "../training/params.ts";
import { commandThatWorks, DataCommandError, EXIT, UsageError } from "./exit.ts";
import type { OutputFlags } from "./options.ts";
import { createMeter } from "./progress.ts";
import { summaryLines } from "./summary.ts";

export interface TrainFlags extends TrainingParams, OutputFlags {
  readonly data?: string;
  readonly label: string;
  readonly positive?: string;
  readonly features?: string[];
  readonly drop?: string[];
  readonly experiment?: string;
  readonly model?: string;
  readonly store: string;
  readonly out: string;
  readonly promoteOn: PromotionMetric;
  readonly promote: boolean;
}

export async function runTrain(flags: TrainFlags, signal: AbortSignal): Promise<number> {
  for (const name of [flags.experiment, flags.model]) {
    if (name !== undefined && !isName(name)) {
      throw new UsageError(
        "Names of experiments and models must have 1 to 250 characters, none of them a control character, and no blank at either end",
      );
    }
  }
  const environment = readEnvironment();
  const dataset = await readDataset(flags, signal);
  for (const warning of flags.quiet ? [] : dataset.warnings)
    process.stderr.write(`warning: ${warning}\n`);
  const isRaisins =
    dataset.path === resolve(bundledRaisins()) || dataset.fileSha256 === RAISIN_FILE_SHA256;
  const source = loadCore();
  const meter = await createMeter(flags.iterations, {
    title: "training",
    quiet: flags.quiet === true,
    lines: true,
  });
  const recorded = await recordTraining(source, dataset, {
    store: flags.store,
    experiment: flags.experiment ?? (isRaisins ? "raisin" : dataset.name),
    model: flags.model ?? (isRaisins ? "raisin_logreg" : dataset.name),
    promoteOn: flags.promoteOn,
    promote: flags.promote,
    params: {
      lr: flags.lr,
      iterations: flags.iterations,
      l2: flags.l2,
      valFraction: flags.valFraction,
      seed: flags.seed,
      logEvery: flags.logEvery,
      threshold: flags.threshold,
    },
    environment,
    signal,
    onProgress: ({ step, records }) => {
      const text = records.map(({ key, value }) => `${key} ${value.toFixed(6)}`).join("  ");
      meter.update(step, `${String(step).padStart(String(flags.iterations).length)}  ${text}`);
    },
  }).finally(() => meter.end());
  writeWholeFile(resolve(flags.out), recorded.result.modelBytes);
  const text = flags.json
    ? `${JSON.stringify(jsonOf(recorded, dataset, source.digest))}\n`
    : `${summaryLines(recorded, dataset, { coreDigest: source.digest, out: flags.out }).join("\n")}\n`;
  if (flags.json || !flags.quiet) process.stdout.write(text);
  if (recorded.productionError) {
    process.stderr.write(`error: ${recorded.productionError.message}\n`);
    return EXIT.failure;
  }
  return EXIT.ok;
}

async function readDataset(flags: TrainFlags, signal: AbortSignal): Promise<FileDataset> {
  const path = flags.data ?? bundledRaisins();
  const { label, positive, features, drop } = flags;
  try {
    return await readCsv(path, {
      label,
      signal,
      ...(positive !== undefined && { positive }),
      ...(features && { features }),
      ...(drop && { drop }),
    });
  } catch (error) {
    const given = { data: flags.data, label, positive, features, drop };
    const command = commandThatWorks("train", given, error);
    if (command === undefined) throw error;
    throw new DataCommandError(`${(error as Error).message}\nThis would work:\n  ${command}`, {
      cause: error,
    });
  }
}

/** What --json prints. */
function jsonOf(recorded: RecordedTraining, dataset: FileDataset, coreDigest: string): unknown {
  const { result, decision } = recorded;
  return {
    run_id: recorded.runId,
    run_dir: recorded.directory,
    model_digest: result.modelDigest,
    core_digest: coreDigest,
    dataset: {
      name: dataset.name,
      rows: dataset.rowCount,
      features: dataset.features,
      file_sha256: dataset.fileSha256,
      content_digest: dataset.contentDigest,
    },
    params: recorded.params,
    metrics: summaryOf(result.train, result.validation),
    converged: result.converged,
    gradient_max: result.gradientMax,
    promoted: decision.promoted,
    promotion_reason: decision.reason,
    production: decision.promoted ? recorded.runId : decision.production_run,
    warnings: dataset.warnings,
  };
}
