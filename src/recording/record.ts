// Writes what training and evaluation return into MiniFlow runs, and acts on the promotion.
import { createHash } from "node:crypto";
import type { CoreSource } from "../core/source.ts";
import type { FileDataset } from "../data/files.ts";
import { readRegistry, setProduction } from "../miniflow/registry.ts";
import { toJson } from "../miniflow/store.ts";
import { type ActiveRun, startRun } from "../miniflow/tracker.ts";
import type { Metrics } from "../model/metrics.ts";
import { snakeCase } from "../training/card.ts";
import type { TrainingParams } from "../training/params.ts";
import { type Evaluation, type Progress, type TrainingResult, train } from "../training/train.ts";
import type { Environment } from "./environment.ts";
import { type Decision, decide, ProductionError, type PromotionMetric } from "./promote.ts";

export interface TrainingRequest {
  readonly store: string;
  readonly experiment: string;
  /** Name under which the registry keeps the model. */
  readonly model: string;
  readonly promoteOn: PromotionMetric;
  /** False: never promote. */
  readonly promote: boolean;
  readonly params: TrainingParams;
  readonly environment: Promise<Environment>;
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
  /** Set when the registry or the production run could not be read; the new run is recorded all the same. */
  readonly productionError?: ProductionError;
}

/** params.json: the flags' names in snake_case, resolved. Nothing in it depends on where a run happens. */
function paramsOf(dataset: FileDataset, request: TrainingRequest): Record<string, unknown> {
  return {
    label: dataset.label,
    positive: dataset.classes[1],
    features: dataset.features,
    ...snakeCase(request.params),
    experiment: request.experiment,
    model: request.model,
    promote_on: request.promoteOn,
    promote: request.promote,
  };
}

function describe(dataset: FileDataset): Record<string, unknown> {
  return {
    name: dataset.name,
    path: dataset.path,
    rows: dataset.rowCount,
    features: dataset.features,
    label: dataset.label,
    classes: dataset.classes,
    file_sha256: dataset.fileSha256,
    content_digest: dataset.contentDigest,
  };
}

/** Turns the event loop once, so that signals and timers get their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Runs `work` in a run; whatever stops it is recorded as killed or failed before it is thrown on. */
async function within<T>(
  run: ActiveRun,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = signal?.aborted ? "KILLED" : "FAILED";
    try {
      run.end(status, { error: (error as Error).message });
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
  dataset: FileDataset,
  request: TrainingRequest,
): Promise<RecordedTraining> {
  const { store, experiment, signal } = request;
  const run = startRun(store, experiment, {
    kind: "train",
    model: request.model,
    dataset: describe(dataset),
    core_digest: source.digest,
  });
  return within(run, signal, async () => {
    const params = paramsOf(dataset, request);
    run.logParams(params);
    const result = await train(source, dataset, request.params, {
      onProgress: (progress) => {
        run.logMetrics(progress.records);
        request.onProgress?.(progress);
      },
      pause: turn,
      ...(signal && { signal }),
    });
    run.logMetrics(result.records.filter((record) => !isLogged(record.key)));
    run.flush();
    run.logArtifact("model/model.npz", result.modelBytes);
    run.logArtifact("model/model_card.json", toJson(result.card));
    run.logArtifact("train_profile.json", toJson(result.profile));
    run.logArtifact("evaluation.json", toJson(result.evaluation));
    run.logArtifact("core/core.wasm", source.bytes);
    let productionError: ProductionError | undefined;
    let decision: Decision;
    try {
      decision = decide(source, dataset, result, {
        store,
        model: request.model,
        metric: request.promoteOn,
        isWanted: request.promote,
      });
    } catch (error) {
      if (!(error instanceof ProductionError)) throw error;
      productionError = error;
      decision = refusal(error, result, request.promoteOn);
    }
    const environment = await request.environment;
    signal?.throwIfAborted();
    run.end("FINISHED", {
      model_digest: result.modelDigest,
      model_sha256: createHash("sha256").update(result.modelBytes).digest("hex"),
      converged: result.converged,
      gradient_max: result.gradientMax,
      metrics: summaryOf(result.train, result.validation),
      promotion: decision,
      ...environment,
    });
    if (decision.promoted) setProduction(store, request.model, run.id);
    return {
      runId: run.id,
      directory: run.directory,
      params,
      result,
      decision,
      production: productionNow(store, request.model),
      ...(productionError && { productionError }),
    };
  });
}

function productionNow(store: string, model: string): string | null {
  try {
    return readRegistry(store).get(model)?.production ?? null;
  } catch {
    // A damaged registry names nothing; the decision says so where it mattered.
    return null;
  }
}

/** Whether a metric was written while training went on. */
function isLogged(key: string): boolean {
  return /^(train|val)_(loss|accuracy)$|^gradient_max$/.test(key);
}

function refusal(error: Error, result: TrainingResult, metric: PromotionMetric): Decision {
  return {
    promoted: false,
    reason: error.message,
    rule: "the production run must be readable",
    metric,
    candidate: metric === "val_loss" ? result.validation.loss : result.validation.accuracy,
    production: null,
    production_run: null,
    validation_rows: result.split.validation.length,
    seen_by_production: null,
  };
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
  },
): Promise<{ runId: string; directory: string }> {
  const run = startRun(request.store, request.experiment, {
    kind: "evaluate",
    model: request.model,
    model_run: request.modelRun,
    model_digest: request.modelDigest,
    dataset: describe(dataset),
    core_digest: source.digest,
  });
  return within(run, undefined, async () => {
    const { confusion, rows, ...figures } = request.evaluation.metrics;
    run.logParams({ model_digest: request.modelDigest, model_run: request.modelRun });
    run.logMetrics(
      Object.entries({ ...figures, ...confusion, rows }).flatMap(([key, value]) =>
        value === null ? [] : [{ key: `eval_${key}`, value, step: 0 }],
      ),
    );
    run.logArtifact("evaluation.json", toJson(request.evaluation));
    run.end("FINISHED", { metrics: request.evaluation.metrics, ...(await request.environment) });
    return { runId: run.id, directory: run.directory };
  });
}
