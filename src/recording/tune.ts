// Searches a grid by cross-validation, and records it: a run for the search, one below it for each candidate, and one for the
// training of the best on all training rows.
import { availableParallelism } from "node:os";
import type { CoreSource } from "../core/source.ts";
import { DataError } from "../data/data-error.ts";
import type { TrainingFile } from "../data/files.ts";
import { toJson } from "../miniflow/store.ts";
import { type ActiveRun, startRun } from "../miniflow/tracker.ts";
import { snakeCase, snakeName, type TrainingParams } from "../training/params.ts";
import { DivergenceError } from "../training/train.ts";
import {
  CELLS_KEPT,
  CrossValidation,
  candidatesOf,
  type FoldScore,
  type Folds,
  foldsOf,
  type Grid,
  isBetter,
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
import type { TuneScores, TuneTask } from "./worker.ts";

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
  const divided = foldsOf(source, dataset, request.params, folds);
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
          return [snakeName(key), values];
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
    await scoreAll(source, dataset, divided, candidates, request, recorder);
    const tried = recorder.recorded();
    const ranking = ranked(tried, select);
    const best = tried[ranking[0]!]!;
    const spread = spreadOf(best, select);
    if (spread === null) throw noBest(tried, select);
    run.writeArtifact("tuning.json", toJson(tableOf(tried, ranking, request)));
    const refit = await recordTraining(source, dataset, {
      ...request,
      params: best.params,
      parent: run,
    });
    run.logMetrics(SELECTIONS.flatMap((metric) => metricsOf(metric, spreadOf(best, metric))));
    run.endRun("FINISHED", { best_run: best.runId, refit_run: refit.runId });
    return { runId: run.id, directory: run.directory, candidates: tried, ranking, refit };
  });
}

/** Why no candidate has a mean. */
function noBest(tried: readonly Tried[], select: Selection): Error {
  const whole = tried.find(({ scores }) => !scores.includes(null));
  if (whole === undefined) {
    return new DivergenceError(
      "Cannot choose a candidate as none came through all folds: lower the learning rates",
    );
  }
  const fold = whole.scores.findIndex((score) => score![select] === null) + 1;
  return new DataError(
    `Cannot choose a candidate by ${select} as fold ${fold} has none: its rows that weigh anything are all of one class; give fewer --folds, or another --select`,
  );
}

/** Parameters that differ between candidates, in the order of the grid. */
export function variedOf(candidates: readonly TrainingParams[]) {
  return TUNABLE.filter((key) => candidates.some((params) => params[key] !== candidates[0]![key]));
}

async function scoreAll(
  source: CoreSource,
  dataset: TrainingFile,
  folds: Folds,
  candidates: readonly TrainingParams[],
  { workers, signal }: TuneRequest,
  recorder: Recorder,
): Promise<void> {
  const count = workers ?? availableParallelism();
  const isKept = folds.rows.length * dataset.columns.length * folds.count <= CELLS_KEPT;
  const tasks = tasksOf(candidates, folds.count, count, isKept);
  const done = async ({ fold, candidates: some }: TuneTask, scores: TuneScores) => {
    for (const [k, { place }] of some.entries()) {
      await recorder.add(place, fold, scores[k]!);
      signal?.throwIfAborted();
    }
  };
  if (Math.min(count, tasks.length) === 1) {
    const validation = new CrossValidation(source, dataset, folds);
    const pause = async () => {
      await turn();
      signal?.throwIfAborted();
    };
    for (const task of tasks) {
      const params = task.candidates.map((candidate) => candidate.params);
      await done(task, await validation.scores(task.fold, params, pause));
    }
    return;
  }
  const work = { core: source.bytes, coreDigest: source.digest, dataset, folds };
  await scoreInThreads(work, tasks, { workers: count, done, ...(signal && { signal }) });
}

/**
 * Candidates of equal class weights in portions, which share the packed rows.
 *
 * @param isKept whether all folds stay packed: then a portion goes through all folds before the next, so that candidates
 *   are through, and on record, as soon as can be; else fold by fold
 */
function tasksOf(
  candidates: readonly TrainingParams[],
  folds: number,
  workers: number,
  isKept: boolean,
): TuneTask[] {
  const size = Math.max(1, Math.ceil(candidates.length / (TASKS_PER_WORKER * workers)));
  const portions = ["none", "balanced"].flatMap((classWeight) => {
    const group = candidates.flatMap((params, place) =>
      params.classWeight === classWeight ? [{ place, params }] : [],
    );
    return Array.from({ length: Math.ceil(group.length / size) }, (_, k) =>
      group.slice(k * size, (k + 1) * size),
    );
  });
  const allFolds = Array.from({ length: folds }, (_, fold) => fold);
  return isKept
    ? portions.flatMap((some) => allFolds.map((fold) => ({ fold, candidates: some })))
    : allFolds.flatMap((fold) => portions.map((some) => ({ fold, candidates: some })));
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
      const mean = spreadOf(tried, select)?.mean;
      if (mean !== undefined && (this.#best === null || isBetter(select, mean, this.#best))) {
        this.#best = mean;
      }
      // Writing goes on without a turn of the event loop; whoever wants to stop it must get one.
      await turn();
    }
    onFits?.(this.#done, this.#candidates.length * folds, this.#best);
  }

  /** @returns the id of the candidate's run */
  async #record(tried: Tried): Promise<string> {
    const { params, scores } = tried;
    const request = { ...this.#request, params };
    const varied = variedOf(this.#candidates);
    const run = await this.#run.startRun({
      name:
        varied.map((key) => `${snakeName(key)} ${params[key]}`).join(", ") || "the only candidate",
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
                return value === null ? [] : [{ key: `fold_${key}`, value, step: fold + 1 }];
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

/** Under the names that a training has them by, so that lists show them beside each other. */
function metricsOf(metric: Selection, spread: ReturnType<typeof spreadOf>) {
  if (spread === null) return [];
  const { mean, std } = spread;
  return [
    { key: metric, value: mean },
    { key: `${metric}_std`, value: std },
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
    varied: varied.map(snakeName),
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
