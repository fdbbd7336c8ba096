// Writes what training and evaluation return into MiniFlow runs, and acts on the promotion.
import { createHash } from "node:crypto";
import { Core } from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import { inputsOf } from "../data/dataset.ts";
import { describeDialect } from "../data/dialect.ts";
import { weighedDigests } from "../data/digest.ts";
import type { FileDataset, TrainingFile } from "../data/files.ts";
import { sketchOf } from "../data/sketch.ts";
import type { Environment } from "../miniflow/environment.ts";
import { changeRegistry, type RegistryEntry, readRegistry } from "../miniflow/registry.ts";
import { reopenRun } from "../miniflow/reopen.ts";
import { toJson } from "../miniflow/store.ts";
import { type ActiveRun, type DatasetRecord, startRun } from "../miniflow/tracker.ts";
import type { Evaluation, Metrics } from "../model/metrics.ts";
import { snakeCase, type TrainingParams } from "../training/params.ts";
import { type Checkpoint, type Progress, type TrainingResult, train } from "../training/train.ts";
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { type Decision, decide, type Gate, proposalOf, undecided } from "./promote.ts";
import { ProductionError, readEntries } from "./stored-model.ts";
import { turn } from "./turn.ts";

export interface TrainingRequest {
  readonly store: string;
  readonly experiment: string;
  /** Name under which the registry keeps the model. */
  readonly model: string;
  readonly gate: Gate;
  /** False: never promote. */
  readonly promote: boolean;
  readonly params: TrainingParams;
  /** Steps between checkpoints, from which the run can be resumed; by default some seconds of work. */
  readonly checkpointEvery?: number;
  readonly environment: Promise<Environment>;
  /** The run that this one belongs to. */
  readonly parent?: ActiveRun;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface RecordedTraining {
  readonly runId: string;
  readonly directory: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly result: TrainingResult;
  readonly decision: Decision;
  /** The run that is in production now, whether this one or another; null when none is. */
  readonly production: string | null;
  /** Set when the registry or the production run could not be used; the new run is recorded all the same. */
  readonly productionError?: ProductionError;
}

/** params.json: the flags' names in snake_case, resolved. Nothing in it depends on where a run happens. */
export function paramsOf(dataset: TrainingFile, request: TrainingRequest): Record<string, unknown> {
  const { inputs, reading, rest, weights } = dataset;
  const { encoding, missing, missingTokens, dialect } = reading;
  const columns = inputs.map(({ column }) => column);
  return {
    label: dataset.label,
    positive: dataset.classes[1],
    rest: rest === true,
    features: columns.map(({ name }) => name),
    categorical: columns.filter(({ as }) => as === "category").map(({ name }) => name),
    missing,
    missing_tokens: missingTokens,
    base: encoding.base,
    max_levels: encoding.maxLevels,
    unseen: encoding.unseen,
    weight: weights?.name ?? null,
    ...describeDialect(dialect),
    ...snakeCase(request.params),
    experiment: request.experiment,
    model: request.model,
    promote_on: request.gate.metric,
    promote: request.promote,
    ...(request.gate.minGain !== undefined && { min_gain: request.gate.minGain }),
    ...(request.gate.significance !== undefined && { significance: request.gate.significance }),
  };
}

/** What makes this training what it is (fingerprint.ts). */
export function fingerprintOfTraining(
  source: CoreSource,
  dataset: TrainingFile,
  request: TrainingRequest,
): string {
  return fingerprintOf(dataset.contentDigest, paramsOf(dataset, request), source.digest);
}

/** Which dataset it was, whoever asks and wherever it stood. */
export function describeDataset(dataset: FileDataset): Record<string, unknown> {
  return {
    name: dataset.name,
    rows: dataset.rowCount,
    columns: inputsOf(dataset).map(({ column }) => column),
    features: dataset.features,
    file_sha256: dataset.fileSha256,
    content_digest: dataset.contentDigest,
  };
}

/** The same for meta.json, with what it takes to read it again. */
export function recordOf(dataset: FileDataset): Record<string, unknown> {
  const { path, label, classes } = dataset;
  return { ...describeDataset(dataset), path, label, classes };
}

/** The same as any run names a dataset. */
export function datasetRecord(dataset: FileDataset, context: string): DatasetRecord {
  const { name, rowCount: rows, fileSha256, contentDigest } = dataset;
  return {
    name,
    rows,
    context,
    digests: { content_digest: contentDigest, file_sha256: fileSha256 },
  };
}

/** Runs `work` in a run; whatever stops it is recorded as killed or failed before it is thrown on. */
export async function within<T>(
  run: ActiveRun,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = signal?.aborted ? "KILLED" : "FAILED";
    try {
      run.endRun(status, { error: (error as Error).message });
    } catch {
      // The first error is the one to report; a run that cannot be closed shows as never finished.
    }
    throw error;
  }
}

/**
 * Trains, records the run, promotes it if it is better. When this returns, all of it is on disk.
 *
 * @throws what training throws, StoreError; the run is then recorded as failed, or as killed when the signal fired
 */
export async function recordTraining(
  source: CoreSource,
  dataset: TrainingFile,
  request: TrainingRequest,
): Promise<RecordedTraining> {
  const { store, experiment, environment, parent } = request;
  const options = {
    experiment,
    params: paramsOf(dataset, request),
    datasets: [datasetRecord(dataset, "training")],
    fields: {
      kind: "train",
      model: request.model,
      dataset: recordOf(dataset),
      core_digest: source.digest,
      fingerprint: fingerprintOfTraining(source, dataset, request),
    },
  };
  const run = await (parent?.startRun(options) ?? startRun({ ...options, store, environment }));
  return trainWithin(run, source, dataset, request, undefined);
}

/**
 * Goes on with a recorded training that was killed or failed, from its last checkpoint, in its own run.
 *
 * @param request as the run recorded it
 * @throws NotResumableError for a run that is finished or that another process writes; else as recordTraining
 */
export async function resumeTraining(
  source: CoreSource,
  dataset: TrainingFile,
  request: TrainingRequest,
  directory: string,
): Promise<RecordedTraining & { readonly fromStep: number }> {
  const from = readCheckpoint(directory);
  const run = await reopenRun(request.store, directory, {
    keepMetrics: from?.records.length ?? 0,
    environment: request.environment,
  });
  const recorded = await trainWithin(run, source, dataset, request, from);
  return { ...recorded, fromStep: from?.step ?? 0 };
}

async function trainWithin(
  run: ActiveRun,
  source: CoreSource,
  dataset: TrainingFile,
  request: TrainingRequest,
  from: Checkpoint | undefined,
): Promise<RecordedTraining> {
  const { store, signal, checkpointEvery } = request;
  return within(run, signal, async () => {
    let logged = from?.records.length ?? 0;
    const result = await train(source, dataset, request.params, {
      ...(from && { from }),
      ...(checkpointEvery !== undefined && { checkpointEvery }),
      onCheckpoint: (checkpoint) => writeCheckpoint(run, checkpoint),
      onProgress: (progress) => {
        run.logMetrics(progress.records);
        logged += progress.records.length;
        request.onProgress?.(progress);
      },
      pause: turn,
      ...(signal && { signal }),
    });
    run.logMetrics(result.records.slice(logged));
    run.flush();
    run.writeArtifact("model/model.npz", result.modelBytes);
    run.writeArtifact("model/model_card.json", toJson(result.card));
    run.writeArtifact("train_profile.json", toJson(result.profile));
    run.writeArtifact("evaluation.json", toJson(result.evaluation));
    // By which a later reader can tell what differs from these data.
    const rows = weighedDigests(dataset, dataset.rowDigests, new Core(source));
    run.writeArtifact("data_sketch.json", `${JSON.stringify(sketchOf(dataset, rows))}\n`);
    run.writeArtifact("core/core.wasm", source.bytes);
    const outcome = new Outcome(source, dataset, result, request);
    outcome.look();
    signal?.throwIfAborted();
    run.endRun("FINISHED", {
      model_digest: result.modelDigest,
      model_sha256: createHash("sha256").update(result.modelBytes).digest("hex"),
      split_digest: result.splitDigest,
      converged: result.converged,
      gradient_max: result.gradientMax,
      metrics: summaryOf(result.train, result.validation),
      promotion: outcome.decision,
    });
    removeCheckpoint(run);
    // Behind the end of the run, since what the registry names must be complete.
    if (outcome.decision.promoted) outcome.promote(run);
    const { decision, productionError } = outcome;
    return {
      runId: run.id,
      directory: run.directory,
      params: paramsOf(dataset, request),
      result,
      decision,
      production: productionNow(store, request.model),
      ...(productionError && { productionError }),
    };
  });
}

/** What becomes of a finished training: a decision, which other trainings that end at the same time may change. */
class Outcome {
  decision: Decision;
  productionError: ProductionError | undefined;
  readonly #judge: (entry: RegistryEntry | undefined) => Decision;
  readonly #undecided: Omit<Decision, "reason">;
  readonly #request: TrainingRequest;

  constructor(
    source: CoreSource,
    dataset: TrainingFile,
    result: TrainingResult,
    request: TrainingRequest,
  ) {
    const { store, model, gate } = request;
    const { split, weights, validation: figures } = result;
    const candidate = { model: result.model, dataset, index: split.validation, weights, figures };
    this.#request = request;
    this.#undecided = undecided(gate, figures, split.validation.length);
    this.decision = { ...this.#undecided, reason: "promotion is switched off" };
    this.#judge = (entry) => decide(source, candidate, { store, model, gate }, entry);
  }

  /** Decides by what is in production now. */
  look(): void {
    if (!this.#request.promote) return;
    const { store, model } = this.#request;
    try {
      this.decision = this.#judge(readEntries(store).get(model));
    } catch (error) {
      if (!(error instanceof ProductionError)) throw error;
      this.productionError = error;
      this.decision = {
        ...this.#undecided,
        reason: error.message,
        rule: "the production model must be fit for a comparison",
      };
    }
  }

  /** Puts the run into production, unless something better came there meanwhile. */
  promote(run: ActiveRun): void {
    const { store, model } = this.#request;
    const before = this.decision;
    try {
      changeRegistry(store, model, (entry) => {
        const isSame = (entry?.production ?? null) === this.decision.production_run;
        if (!isSame) this.decision = this.#judge(entry);
        return proposalOf(this.decision, run.id);
      });
    } catch (error) {
      this.productionError = notSet(run, this.#request, error as Error);
      this.decision = {
        ...this.decision,
        promoted: productionNow(store, model) === run.id,
        reason: `${this.decision.reason}; but ${this.productionError.message}`,
      };
    }
    if (this.decision === before) return;
    try {
      run.amend({ promotion: this.decision });
    } catch {
      // The disk that refused the registry may refuse this too; the first error says where and why.
    }
  }
}

function notSet(run: ActiveRun, request: TrainingRequest, error: Error): ProductionError {
  return new ProductionError(
    `Cannot put run ${run.id} into production as "${request.model}": ${error.message}. The run itself is recorded in ${run.directory}; when the reason is mended, \`raisin models promote ${run.id}\``,
    { cause: error },
  );
}

function productionNow(store: string, model: string): string | null {
  try {
    return readRegistry(store).get(model)?.production ?? null;
  } catch {
    // A damaged registry names nothing; the decision says so where it mattered.
    return null;
  }
}

/** The six figures that everybody asks for first. */
export function summaryOf(train: Metrics, validation: Metrics): Record<string, number | null> {
  return {
    train_loss: train.loss,
    train_accuracy: train.accuracy,
    val_loss: validation.loss,
    val_accuracy: validation.accuracy,
    val_roc_auc: validation.roc_auc,
    val_brier: validation.brier,
  };
}

/** Records how a model did on new labelled rows. @returns the run's id and directory */
export async function recordEvaluation(
  source: CoreSource,
  dataset: FileDataset,
  request: {
    store: string;
    experiment: string;
    model: string | null;
    modelDigest: string;
    modelRun: string | null;
    evaluation: Evaluation;
    environment: Promise<Environment>;
    signal?: AbortSignal;
  },
): Promise<{ runId: string; directory: string }> {
  const { store, experiment, environment } = request;
  const run = await startRun({
    store,
    experiment,
    environment,
    params: { model_digest: request.modelDigest, model_run: request.modelRun },
    datasets: [datasetRecord(dataset, "evaluation")],
    fields: {
      kind: "evaluate",
      model: request.model,
      model_run: request.modelRun,
      model_digest: request.modelDigest,
      dataset: recordOf(dataset),
      core_digest: source.digest,
    },
  });
  return within(run, request.signal, async () => {
    const { confusion, rows, ...figures } = request.evaluation.metrics;
    run.logMetrics(
      Object.entries({ ...figures, ...confusion, rows }).flatMap(([key, value]) =>
        value === null ? [] : [{ key: `eval_${key}`, value, step: 0 }],
      ),
    );
    run.writeArtifact("evaluation.json", toJson(request.evaluation));
    request.signal?.throwIfAborted();
    run.endRun("FINISHED", { metrics: request.evaluation.metrics });
    return { runId: run.id, directory: run.directory };
  });
}
