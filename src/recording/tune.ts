// Searches a grid by cross-validation, and records it: a run for the search, one below it for each candidate, and one for the
// training of the best on all training rows.
import { availableParallelism } from "node:os";
import type { CoreSource } from "../core/source.ts";
import type { TrainingFile } from "../data/files.ts";
import { toJson } from "../miniflow/store.ts";
import { type ActiveRun, startRun } from "../miniflow/tracker.ts";
import { snakeCase, type TrainingParams } from "../training/params.ts";
import { DivergenceError } from "../training/train.ts";
import {
  CrossValidation,
  candidatesOf,
  type FoldScore,
  type Grid,
  ranked,
  SELECTIONS,
  type Selection,
  spreadOf,
  type Tried,
  TUNABLE,
} from "../training/tune.ts";
import {
  datasetRecord,
  paramsOf,
  type RecordedTraining,
  recordOf,
  recordTraining,
  type TrainingRequest,
  within,
} from "./record.ts";
import { scoreInThreads } from "./threads.ts";
import { turn } from "./turn.ts";
import type { TuneTask } from "./worker.ts";

export interface TuneRequest extends TrainingRequest {
  readonly grids: readonly Grid[];
  readonly folds: number;
  readonly select: Selection;
  /** Threads; 1 works in the caller's own. By default as many as the machine has processors. */
  readonly workers?: number;
  /** Called as fits are done. @param best the best mean so far of candidates that are through all folds */
  readonly onFits?: (done: number, total: number, best: number | null) => void;
}

/** A candidate and the run that holds its scores. */
export interface RecordedCandidate extends Tried {
  readonly runId: string;
}

export interface RecordedTuning {
  readonly runId: string;
  readonly directory: string;
  /** In the order of the grid. */
  readonly candidates: readonly RecordedCandidate[];
  /** Places in `candidates`, the best first. */
  readonly ranking: readonly number[];
  /** The best one, trained on all training rows. */
  readonly refit: RecordedTraining;
}

/** Candidates on one fold that a thread takes at once: few enough that all threads end at about the same time. */
const TASKS_PER_WORKER = 4;

/**
 * @param request params: what the grid leaves open
 * @throws GridError, FoldError for folds that the rows do not fill, both before a run exists; DivergenceError where every
 *   candidate diverged; what recordTraining throws. The run is then recorded as failed, or as killed when the signal fired
 */
export async function recordTuning(
  source: CoreSource,
  dataset: TrainingFile,
  request: TuneRequest,
): Promise<RecordedTuning> {
  const { store, experiment, environment, grids, folds, select, signal } = request;
  const candidates = candidatesOf(grids, request.params);
  const validation = new CrossValidation(source, dataset, request.params, folds);
  const run = await startRun({
    store,
    experiment,
    environment,
    params: {
      ...paramsOf(dataset, { ...request, params: candidates[0]! }),
      // What was varied, as the values that were tried.
      ...Object.fromEntries(
        variedOf(candidates).map((key) => {
          const values = [...new Set(candidates.map((params) => params[key]))];
          return [Object.keys(snakeCase({ [key]: 0 } as never))[0]!, values];
        }),
      ),
      folds,
      select,
    },
    datasets: [datasetRecord(dataset, "cross-validation")],
    fields: {
      kind: "tune",
      model: request.model,
      dataset: recordOf(dataset),
      core_digest: source.digest,
    },
  });
  return within(run, signal, async () => {
    const recorder = new Recorder(run, dataset, candidates, request);
    await scoreAll(source, dataset, validation, candidates, request, recorder);
    const tried = recorder.recorded();
    const ranking = ranked(tried, select);
    const best = tried[ranking[0]!]!;
    const spread = spreadOf(best, select);
    if (spread === null) {
      throw new DivergenceError(
        `Cannot choose a candidate as none came through all folds: lower the learning rates`,
      );
    }
    run.writeArtifact("tuning.json", toJson(tableOf(tried, ranking, request)));
    const refit = await recordTraining(source, dataset, {
      ...request,
      params: best.params,
      parent: run,
    });
    run.logMetrics(
      SELECTIONS.flatMap((metric) => metricsOf(metric, spreadOf(best, metric), "best_")),
    );
    run.endRun("FINISHED", { best_run: best.runId, refit_run: refit.runId });
    return { runId: run.id, directory: run.directory, candidates: tried, ranking, refit };
  });
}

/** Parameters that differ between candidates, in the order of the grid. */
export function variedOf(candidates: readonly TrainingParams[]) {
  return TUNABLE.filter((key) => candidates.some((params) => params[key] !== candidates[0]![key]));
}

async function scoreAll(
  source: CoreSource,
  dataset: TrainingFile,
  validation: CrossValidation,
  candidates: readonly TrainingParams[],
  { params: base, folds, workers, signal }: TuneRequest,
  recorder: Recorder,
): Promise<void> {
  const count = workers ?? availableParallelism();
  const tasks = tasksOf(candidates, folds, count);
  if (Math.min(count, tasks.length) === 1) {
    for (const { fold, candidates: some } of tasks) {
      for (const { place, params } of some) {
        signal?.throwIfAborted();
        await recorder.add(place, fold, await validation.score(fold, params, turn));
      }
    }
    return;
  }
  const work = { core: source.bytes, coreDigest: source.digest, dataset, base, folds };
  await scoreInThreads(work, tasks, {
    workers: count,
    ...(signal && { signal }),
    done: async ({ fold, candidates: some }, scores) => {
      for (const [k, { place }] of some.entries()) await recorder.add(place, fold, scores[k]!);
    },
  });
}

/** Fold by fold, and within a fold those of equal class weights together, since these share the packed rows. */
function tasksOf(
  candidates: readonly TrainingParams[],
  folds: number,
  workers: number,
): TuneTask[] {
  const size = Math.max(1, Math.ceil(candidates.length / (TASKS_PER_WORKER * workers)));
  const groups = ["none", "balanced"].map((classWeight) =>
    candidates.flatMap((params, place) =>
      params.classWeight === classWeight ? [{ place, params }] : [],
    ),
  );
  return Array.from({ length: folds }, (_, fold) =>
    groups.flatMap((group) =>
      Array.from({ length: Math.ceil(group.length / size) }, (__, k) => ({
        fold,
        candidates: group.slice(k * size, (k + 1) * size),
      })),
    ),
  ).flat();
}

/** Takes scores as they come, and records a candidate when its last one is there. */
class Recorder {
  readonly #run: ActiveRun;
  readonly #dataset: TrainingFile;
  readonly #candidates: readonly TrainingParams[];
  readonly #request: TuneRequest;
  readonly #scores: (FoldScore | null | undefined)[][];
  readonly #ids: string[] = [];
  #done = 0;
  #best: number | null = null;

  constructor(
    run: ActiveRun,
    dataset: TrainingFile,
    candidates: readonly TrainingParams[],
    request: TuneRequest,
  ) {
    this.#run = run;
    this.#dataset = dataset;
    this.#candidates = candidates;
    this.#request = request;
    this.#scores = candidates.map(() => new Array(request.folds).fill(undefined));
  }

  async add(place: number, fold: number, score: FoldScore | null): Promise<void> {
    const { onFits, folds, select } = this.#request;
    const scores = this.#scores[place]!;
    scores[fold] = score;
    this.#done++;
    if (!scores.includes(undefined)) {
      const tried = { params: this.#candidates[place]!, scores: scores as (FoldScore | null)[] };
      this.#ids[place] = await this.#record(tried);
      const mean = spreadOf(tried, select)?.mean ?? null;
      const bestOf = [mean, this.#best].filter((value) => value !== null);
      const isLoss = select === "val_loss" || select === "val_brier";
      if (bestOf.length > 0) this.#best = Math[isLoss ? "min" : "max"](...bestOf);
    }
    onFits?.(this.#done, this.#candidates.length * folds, this.#best);
  }

  /** @returns the id of the candidate's run */
  async #record(tried: Tried): Promise<string> {
    const { params, scores } = tried;
    const request = { ...this.#request, params };
    const varied = variedOf(this.#candidates);
    const run = await this.#run.startRun({
      name: varied.map((key) => `${key} ${params[key]}`).join(", ") || "the only candidate",
      params: { ...paramsOf(this.#dataset, request), folds: request.folds },
      datasets: [datasetRecord(this.#dataset, "cross-validation")],
      fields: { kind: "candidate", model: request.model },
    });
    return within(run, request.signal, async () => {
      run.logMetrics(
        scores.flatMap((score, fold) =>
          score === null
            ? []
            : SELECTIONS.flatMap((key) => {
                const value = score[key];
                return value === null ? [] : [{ key: `cv_${key}`, value, step: fold + 1 }];
              }),
        ),
      );
      run.logMetrics(SELECTIONS.flatMap((metric) => metricsOf(metric, spreadOf(tried, metric))));
      const diverged = scores.flatMap((score, fold) => (score === null ? [fold + 1] : []));
      if (diverged.length === 0) run.endRun("FINISHED");
      else run.endRun("FAILED", { error: `The descent diverged in fold ${diverged.join(", ")}` });
      return run.id;
    });
  }

  /** All candidates, in the order of the grid. */
  recorded(): RecordedCandidate[] {
    return this.#candidates.map((params, k) => ({
      params,
      scores: this.#scores[k] as (FoldScore | null)[],
      runId: this.#ids[k]!,
    }));
  }
}

function metricsOf(metric: Selection, spread: ReturnType<typeof spreadOf>, prefix = "") {
  if (spread === null) return [];
  const { mean, std } = spread;
  return [
    { key: `${prefix}cv_${metric}_mean`, value: mean },
    { key: `${prefix}cv_${metric}_std`, value: std },
  ];
}

/** tuning.json: every candidate with its scores, the best first. */
export function tableOf(
  tried: readonly RecordedCandidate[],
  ranking: readonly number[],
  { folds, select }: Pick<TuneRequest, "folds" | "select">,
) {
  const varied = variedOf(tried.map(({ params }) => params));
  return {
    schema: 1,
    folds,
    select,
    varied: varied.map((key) => Object.keys(snakeCase({ [key]: 0 } as never))[0]!),
    candidates: ranking.map((place, k) => {
      const one = tried[place]!;
      return {
        rank: k + 1,
        run_id: one.runId,
        params: snakeCase(one.params),
        ...Object.fromEntries(SELECTIONS.map((metric) => [metric, spreadOf(one, metric)])),
        scores: one.scores,
      };
    }),
  };
}
