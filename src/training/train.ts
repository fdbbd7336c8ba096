// One pure function: a dataset and parameters in, everything that a run holds out. No disk, no clock, no network.
import {
  Core,
  checkMagnitudes,
  type Moments,
  type Rows,
  type Score,
  VALUE_LIMIT,
} from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import { type Dataset, inputsOf } from "../data/dataset.ts";
import { contentDigest, digestOfRows, digestRows } from "../data/digest.ts";
import { featuresOf } from "../data/encoding.ts";
import { shown } from "../data/shown.ts";
import { type Split, splitRows } from "../data/split.ts";
import { cardOf, type ModelCard } from "../model/card.ts";
import {
  type Evaluation,
  evaluationOf,
  type Metrics,
  metricsOf,
  type Weighing,
} from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { assertStorable, encodeModel, modelDigest, specOf } from "../model/model-file.ts";
import { profileOf, type TrainProfile } from "../monitoring/profile.ts";
import { checkParams, snakeCase, type TrainingParams } from "./params.ts";
import { type Standardised, standardise } from "./standardise.ts";

/** max|gradient| at or below which the descent counts as converged. */
export const CONVERGED_AT = 1e-4;

/** Cells (rows × features × steps) that one call into the core visits at most, so that the host gets to run. */
const CELLS_PER_CALL = 2 ** 28;

/** Steps that one call into the core does at most. */
export function stepsPerCall({ n, d }: Rows): number {
  return Math.max(1, Math.floor(CELLS_PER_CALL / (n * d)));
}

/** Whether weights grew beyond what the numbers of the core can carry. */
export function hasDiverged(weights: Float64Array): boolean {
  return !weights.every((weight) => Math.abs(weight) <= VALUE_LIMIT);
}

/** Cells between two checkpoints where nobody says how often: some seconds of work, which dwarf a write to disk. */
const CELLS_PER_CHECKPOINT = 2 ** 33;

/** One value of one metric, after `step` updates. */
export interface MetricRecord {
  readonly key: string;
  readonly value: number;
  readonly step: number;
}

export interface Progress {
  /** Updates done so far, of `iterations`. */
  readonly step: number;
  readonly iterations: number;
  readonly records: readonly MetricRecord[];
}

/** A state of the descent from which it can go on, to the same bits. */
export interface Checkpoint {
  /** Updates done, from 0 to below `iterations`. */
  readonly step: number;
  /** [d + 1] after these updates, bias last. */
  readonly weights: Float64Array;
  /** Every metric record up to that step. */
  readonly records: readonly MetricRecord[];
}

export interface TrainingHooks {
  /** Goes on from here instead of from zeros. Records that it has are not told to `onProgress` again. */
  from?: Checkpoint;
  /** Steps between checkpoints, at least 1; by default so many that one takes some seconds of work. */
  checkpointEvery?: number;
  /** Called with a checkpoint, after the records up to its step were told; the training waits for it. */
  onCheckpoint?: (checkpoint: Checkpoint) => void | Promise<void>;
  /** Called at 0, every logEvery steps and the last; the training waits for it. */
  onProgress?: (progress: Progress) => void | Promise<void>;
  /** Called between calls into the core, so that a host can turn its event loop. */
  pause?: () => Promise<void>;
  /** Stops the training with the signal's reason. */
  signal?: AbortSignal;
}

/** A dataset whose digests may be known already. */
export type DigestedDataset = Dataset & {
  readonly contentDigest?: string;
  readonly rowDigests?: Uint8Array;
  readonly fileSha256?: string;
  readonly guesses?: readonly string[];
};

export interface TrainingResult {
  readonly model: Model;
  /** model.npz */
  readonly modelBytes: Uint8Array;
  readonly modelDigest: string;
  readonly contentDigest: string;
  readonly params: TrainingParams;
  readonly split: Split;
  /** SHA-256 of the validation rows' digests in ascending order, 64 hex digits. */
  readonly splitDigest: string;
  /** [n] row weights, class weights included; null when every row counts once. */
  readonly weights: Float64Array | null;
  /** Every metric record, in the order in which they came. */
  readonly records: readonly MetricRecord[];
  readonly train: Metrics;
  readonly validation: Metrics;
  /** max|gradient| at the final weights. */
  readonly gradientMax: number;
  readonly converged: boolean;
  readonly profile: TrainProfile;
  readonly evaluation: Evaluation;
  readonly card: ModelCard;
  /** What a reader should know of this training, besides the dataset's own warnings. */
  readonly warnings: readonly string[];
}

/** Weights grew beyond 2^400, or out of the finite numbers: the step size is too large for the data. */
export class DivergenceError extends RangeError {
  override readonly name: string = "DivergenceError";
}

/**
 * Batch gradient descent from zeros on the training rows of a content split (CONTRACT.md, N1-N9).
 *
 * @throws RangeError for parameters out of range or a column that cannot be standardised; DataError for names that a
 *   model file cannot hold; DivergenceError
 */
export async function train(
  source: CoreSource,
  dataset: DigestedDataset,
  params: TrainingParams,
  hooks: TrainingHooks = {},
): Promise<TrainingResult> {
  const problem = prepare(source, dataset, params);
  return resultOf(problem, await descend(problem, hooks.from ?? startOf(problem), hooks));
}

/** Where a training starts: at zeros. */
function startOf({ trainRows }: Problem): Checkpoint {
  return { step: 0, weights: new Float64Array(trainRows.d + 1), records: [] };
}

/** @throws RangeError for a checkpoint that is none of this training */
function checkStart({ trainRows, params }: Problem, { step, weights }: Checkpoint): void {
  const isWhole = Number.isInteger(step) && step >= 0 && step < params.iterations;
  if (isWhole && !hasDiverged(weights) && weights.length === trainRows.d + 1) return;
  throw new RangeError(
    `Cannot go on from step ${step} with ${weights.length} weights: the training has ${params.iterations} steps, ${trainRows.d + 1} weights, and all of them are finite`,
  );
}

/** Data, split and standardised rows in a core of their own: what a descent and its result are made from. */
interface Problem extends Standardised {
  readonly core: Core;
  readonly coreDigest: string;
  readonly dataset: DigestedDataset;
  readonly params: TrainingParams;
  readonly content: string;
  /** [n · 32] of the rows. */
  readonly digests: Uint8Array;
  readonly split: Split;
}

function prepare(source: CoreSource, dataset: DigestedDataset, params: TrainingParams): Problem {
  checkParams(params);
  assertStorable(dataset);
  const { columns, features, y } = dataset;
  // All rows, since the seed decides which of them are standardised with.
  columns.forEach((column, j) => {
    checkMagnitudes(features[j]!, column);
  });
  // An instance of its own: trainings that take turns must not share memory.
  const core = new Core(source);
  const digests = dataset.rowDigests ?? digestRows(dataset, core);
  const content = dataset.contentDigest ?? contentDigest(dataset, digests);
  const split = splitRows(digests, y, { fraction: params.valFraction, seed: params.seed }, core);
  return {
    core,
    coreDigest: source.digest,
    dataset,
    params,
    content,
    digests,
    split,
    ...standardise(core, dataset, split, params.classWeight),
  };
}

/** How some weights do on both sides of the split. */
interface Fit {
  readonly gradientMax: number;
  readonly train: Score;
  readonly validation: Score;
}

interface Descent {
  readonly weights: Float64Array;
  /** Of these weights. */
  readonly fit: Fit;
  readonly records: readonly MetricRecord[];
}

const NO_ROWS: Score = {
  logits: new Float64Array(0),
  probabilities: new Float64Array(0),
  loss: 0,
  brier: 0,
  correct: 0,
};

function fitOf({ params, bounds, trainRows, validationRows }: Problem, weights: Float64Array): Fit {
  return {
    gradientMax: largest(trainRows.gradient(weights, bounds, params.l2)),
    train: trainRows.score(weights, params.threshold),
    validation: validationRows.n > 0 ? validationRows.score(weights, params.threshold) : NO_ROWS,
  };
}

/** Gradient descent from some weights, with the figures noted on the way. */
async function descend(
  problem: Problem,
  start: Checkpoint,
  hooks: TrainingHooks,
): Promise<Descent> {
  checkStart(problem, start);
  const { checkpointEvery: given = 1 } = hooks;
  if (!Number.isInteger(given) || given < 1) {
    throw new RangeError(
      `Cannot make a checkpoint every ${given} steps: give a whole number from 1`,
    );
  }
  const { params, bounds, trainRows, validationRows } = problem;
  const records: MetricRecord[] = [...start.records];
  const note = async (step: number, w: Float64Array): Promise<Fit> => {
    const fit = fitOf(problem, w);
    const at: MetricRecord[] = [
      { key: "train_loss", value: fit.train.loss, step },
      { key: "train_accuracy", value: fit.train.correct / trainRows.weight, step },
      { key: "gradient_max", value: fit.gradientMax, step },
    ];
    if (validationRows.n > 0) {
      at.push(
        { key: "val_loss", value: fit.validation.loss, step },
        { key: "val_accuracy", value: fit.validation.correct / validationRows.weight, step },
      );
    }
    records.push(...at);
    await hooks.onProgress?.({ step, iterations: params.iterations, records: at });
    return fit;
  };

  let { weights, step } = start;
  const cells = trainRows.n * trainRows.d;
  const stepsAtOnce = stepsPerCall(trainRows);
  const checkpointEvery = hooks.checkpointEvery ?? Math.ceil(CELLS_PER_CHECKPOINT / cells);
  const after = (every: number) => Math.min(params.iterations, step - (step % every) + every);
  hooks.signal?.throwIfAborted();
  let fit: Fit | undefined = step === 0 ? await note(0, weights) : undefined;
  while (step < params.iterations) {
    const nextNote = after(params.logEvery);
    const nextCheckpoint = hooks.onCheckpoint ? after(checkpointEvery) : params.iterations;
    const steps = Math.min(nextNote - step, nextCheckpoint - step, stepsAtOnce);
    weights = trainRows.descend(weights, bounds, { lr: params.lr, l2: params.l2, steps });
    step += steps;
    if (hasDiverged(weights)) {
      throw new DivergenceError(
        `Cannot go on as the weights grew beyond 2^400 within ${step} iterations: lower the learning rate (now ${params.lr})`,
      );
    }
    await hooks.pause?.();
    hooks.signal?.throwIfAborted();
    if (step === nextNote) fit = await note(step, weights);
    if (step === nextCheckpoint && step < params.iterations) {
      await hooks.onCheckpoint?.({ step, weights, records: [...records] });
    }
  }

  return { weights, fit: fit!, records };
}

function resultOf(problem: Problem, { weights, fit, records: noted }: Descent): TrainingResult {
  const { core, dataset, params, content, digests, split, moments, mean, std } = problem;
  const { columns, features, y } = dataset;
  const model: Model = {
    spec: specOf(dataset, params.threshold),
    featureNames: features,
    mean,
    std,
    w: weights.slice(0, -1),
    b: weights[columns.length]!,
  };
  const scored = problem.validationRows.n > 0 ? split.validation : new Uint32Array(0);
  const trainMetrics = metricsOf(
    fit.train,
    pick(y, split.train),
    params.threshold,
    weighingOf(problem.weights, problem.trainRows, split.train),
  );
  const evaluation = evaluationOf(
    fit.validation,
    pick(y, scored),
    params.threshold,
    weighingOf(problem.weights, problem.validationRows, scored),
  );
  const validation = evaluation.metrics;
  const warnings = [
    ...levelWarnings(dataset, moments),
    ...(scored.length < split.validation.length
      ? ["All validation rows have weight 0, so nothing was validated"]
      : []),
  ];
  const records = [
    ...noted,
    ...finalRecords("train", trainMetrics, params.iterations),
    ...finalRecords("val", validation, params.iterations),
  ];
  const { gradientMax } = fit;
  const converged = gradientMax <= CONVERGED_AT;
  const modelBytes = encodeModel(model);
  const digest = modelDigest(model);
  return {
    model,
    modelBytes,
    modelDigest: digest,
    contentDigest: content,
    params,
    split,
    splitDigest: digestOfRows(digests, split.validation, core),
    weights: problem.weights,
    records,
    train: trainMetrics,
    validation,
    gradientMax,
    converged,
    profile: profileOf(core, {
      inputs: inputsOf(dataset),
      features,
      columns,
      moments,
      index: split.train,
      logits: fit.train.logits,
      labelCounts: countLabels(dataset, split.train),
    }),
    evaluation,
    card: cardOf(core, {
      dataset,
      warnings,
      contentDigest: content,
      coreDigest: problem.coreDigest,
      model,
      modelDigest: digest,
      parameters: snakeCase(params),
      moments,
      train: trainMetrics,
      validation,
      trainLabels: countLabels(dataset, split.train),
      validationLabels: countLabels(dataset, split.validation),
      gradientMax,
      converged,
    }),
    warnings,
  };
}

/** How some rows weigh, for metrics; undefined where each counts once. @param weights [n] of all rows */
export function weighingOf(
  weights: Float64Array | null,
  rows: Rows,
  index: Uint32Array,
): Weighing | undefined {
  if (weights === null || rows.n === 0) return undefined;
  return { values: Float64Array.from(index, (i) => weights[i]!), total: rows.weight };
}

/** Levels that stand in validation rows only: their weight stays 0, so they count as the base. */
function levelWarnings(dataset: Dataset, moments: readonly Moments[]): string[] {
  let at = 0;
  return inputsOf(dataset).flatMap(({ column }) => {
    const names = featuresOf(column);
    const from = at;
    at += names.length;
    if (column.as === "number") {
      return column.missing && moments[from + 1]!.max === 0
        ? [
            `No training row lacks a value of ${shown(column.name)}: where it is missing, rows are predicted as those at its mean`,
          ]
        : [];
    }
    const absent = names.filter((_, k) => moments[from + k]!.max === 0);
    if (absent.length === 0) return [];
    const list = absent.slice(0, 5).map(shown).join(", ");
    return [
      `No training row has ${list}${absent.length > 5 ? `, … (${absent.length})` : ""}: such rows are predicted as those of the base ${shown(column.base)}`,
    ];
  });
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

export function pick(y: Uint8Array, index: Uint32Array): Uint8Array {
  return Uint8Array.from(index, (i) => y[i]!);
}

function countLabels(dataset: Dataset, index: Uint32Array): Record<string, number> {
  const counts = [0, 0];
  for (const i of index) counts[dataset.y[i]!]!++;
  return Object.fromEntries(dataset.classes.map((name, k) => [name, counts[k]!]));
}

/** The figures that are made once, at the end. */
function finalRecords(prefix: string, metrics: Metrics, step: number): MetricRecord[] {
  const keys = [
    "roc_auc",
    "average_precision",
    "brier",
    "precision",
    "recall",
    "f1",
    "mcc",
  ] as const;
  return keys.flatMap((key) => {
    const value = metrics[key];
    return value === null ? [] : [{ key: `${prefix}_${key}`, value, step }];
  });
}
