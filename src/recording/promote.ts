// Decides whether a finished run replaces the production model: only if it is strictly better on the same rows.
import type { Column } from "../core/column.ts";
import { Core, ValueRangeError } from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import { encode, type Input } from "../data/encoding.ts";
import type { TrainingFile } from "../data/files.ts";
import { splitRows } from "../data/split.ts";
import { inputsFor } from "../data/table-dataset.ts";
import type { StoredRun } from "../miniflow/tracker.ts";
import { type Metrics, metricsOf } from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { scoreColumns } from "../model/predict.ts";
import { PARAM_RULES } from "../training/params.ts";
import type { TrainingResult } from "../training/train.ts";
import { ProductionError, readProduction } from "./stored-model.ts";

export type PromotionMetric = "val_accuracy" | "val_loss";

export interface Decision {
  readonly promoted: boolean;
  /** One sentence. */
  readonly reason: string;
  readonly rule: string;
  readonly metric: PromotionMetric;
  /** This run's figure. */
  readonly candidate: number | null;
  /** The production model's figure on this run's validation rows, and which run that is. */
  readonly production: number | null;
  readonly production_run: string | null;
  readonly validation_rows: number;
  /** How many of these rows the production model was trained on; null when that cannot be told. */
  readonly seen_by_production: number | null;
}

const RULE = "strictly better than the production model on this run's own validation rows";

/**
 * @param isWanted false for --no-promote
 * @throws ProductionError when the registry or the production run cannot be read, or its model cannot score these rows
 */
export function decide(
  source: CoreSource,
  dataset: TrainingFile,
  result: TrainingResult,
  options: { store: string; model: string; metric: PromotionMetric; isWanted: boolean },
): Decision {
  const { metric } = options;
  const candidate = figureOf(result.validation, metric);
  const base = {
    rule: RULE,
    metric,
    candidate,
    production: null,
    production_run: null,
    validation_rows: result.split.validation.length,
    seen_by_production: null,
  };
  const kept = (reason: string, more: Partial<Decision> = {}): Decision => ({
    ...base,
    ...more,
    promoted: false,
    reason,
  });
  if (!options.isWanted) return kept("promotion is switched off");
  if (result.params.valFraction === 0) {
    return kept("every row was trained on, so there are no validation rows to compare on");
  }
  if (result.validation.roc_auc === null || candidate === null) {
    const what = result.weights ? "no validation row that weighs anything" : "no validation row";
    return kept(`a class has ${what}, so the run cannot be judged`);
  }
  const production = readProduction(options.store, options.model);
  if (production === undefined) {
    return { ...base, promoted: true, reason: `first finished run of model "${options.model}"` };
  }
  const production_run = production.run.id;
  const difference = differenceOf(production.model, result.model);
  if (difference !== undefined) {
    return kept(
      `production run ${production_run} is another kind of model: ${difference}. To keep both, train under another name with --model`,
      { production_run },
    );
  }
  const encoded = encode(inputsForModel(production.model, dataset), "base");
  if (encoded.problems.length > 0) {
    const { column } = encoded.problems[0]!;
    return kept(
      `production run ${production_run} cannot read this run's rows: column ${column} has missing cells, which it has not learned. To keep both, train under another name with --model`,
      { production_run },
    );
  }
  let score: Metrics;
  try {
    score = scoreOn(source, production.model, encoded.columns, dataset, result);
  } catch (error) {
    if (!(error instanceof ValueRangeError)) throw error;
    throw new ProductionError(
      `Cannot compare with run ${production_run}, the production of "${options.model}", on this run's validation rows: ${error.message}. Train under another name with --model, or take the entry "${options.model}" out of ${options.store}/registry.json so that the next run becomes production`,
      { cause: error },
    );
  }
  const figure = figureOf(score, metric)!;
  const isBetter = metric === "val_loss" ? candidate < figure : candidate > figure;
  const seen = seenBy(production.run, dataset, result);
  const levels =
    encoded.unseen === 0
      ? ""
      : `; ${encoded.unseen} cells of this table hold levels that the production model has not learned and takes as the base`;
  const caveat =
    seen === 0
      ? ""
      : seen === null
        ? `; the production model ${isSameData(production.run, dataset) ? "does not say how its data was split" : "was trained on other data"}, so it may have seen some of these rows`
        : `; the production model had seen ${seen} of these ${base.validation_rows} rows in training`;
  const relation = candidate === figure ? "equals" : isBetter ? "beats" : "does not beat";
  return {
    ...base,
    promoted: isBetter,
    reason: `${metric} ${candidate} ${relation} ${figure} of production run ${production_run}${caveat}${levels}`,
    production: figure,
    production_run,
    seen_by_production: seen,
  };
}

function figureOf(metrics: Metrics, metric: PromotionMetric): number | null {
  return metric === "val_loss" ? metrics.loss : metrics.accuracy;
}

/** Why two models cannot be compared; undefined when they can. The order of columns may differ. */
function differenceOf(production: Model, candidate: Model): string | undefined {
  const list = (names: readonly string[]) => names.join(", ");
  // Names may hold commas, so that texts to show are not texts to compare.
  const areEqual = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((name, k) => name === b[k]);
  // Levels may differ between two tables; which columns there are, and whether they are numbers, may not.
  const kinds = ({ spec }: Model) => spec.columns.map(({ name, as }) => `${as} ${name}`).sort();
  if (!areEqual(kinds(candidate), kinds(production))) {
    const names = production.spec.columns.map(({ name, as }) =>
      as === "number" ? name : `${name} (a category)`,
    );
    return `its features are ${list(names)}`;
  }
  if (!areEqual(production.spec.classes, candidate.spec.classes)) {
    return `its classes are ${list(production.spec.classes)} (negative, positive)`;
  }
  if (production.spec.label !== candidate.spec.label) {
    return `its label column is ${production.spec.label}`;
  }
  return undefined;
}

/** The table's columns as the production model reads them. */
function inputsForModel({ spec }: Model, { inputs }: TrainingFile): Input[] {
  const features = inputs.map(({ column }) => column.name);
  return inputsFor(spec.columns, { features, columns: inputs.map(({ cells }) => cells) });
}

function scoreOn(
  source: CoreSource,
  model: Model,
  columns: readonly Column[],
  dataset: TrainingFile,
  result: TrainingResult,
): Metrics {
  const index = result.split.validation;
  const { weights } = result;
  const { score, weight } = scoreColumns(new Core(source), model, columns, dataset.y, {
    index,
    ...(weights && { weights }),
  });
  return metricsOf(
    score,
    Uint8Array.from(index, (i) => dataset.y[i]!),
    model.spec.threshold,
    weights ? { values: Float64Array.from(index, (i) => weights[i]!), total: weight } : undefined,
  );
}

function isSameData(run: StoredRun, dataset: TrainingFile): boolean {
  const recorded = run.meta.dataset as { content_digest?: unknown } | null | undefined;
  return recorded?.content_digest === dataset.contentDigest;
}

/** Validation rows of this run among the training rows of another; null when its record does not tell. */
function seenBy(run: StoredRun, dataset: TrainingFile, result: TrainingResult): number | null {
  const { seed, val_fraction: fraction } = run.params;
  if (!isSameData(run, dataset)) return null;
  if (typeof seed !== "number" || !PARAM_RULES.seed.holds(seed)) return null;
  if (typeof fraction !== "number" || !PARAM_RULES.valFraction.holds(fraction)) return null;
  const { train } = splitRows(dataset.rowDigests, dataset.y, { fraction, seed });
  const isTrained = new Uint8Array(dataset.rowCount);
  for (const i of train) isTrained[i] = 1;
  return result.split.validation.reduce((count, i) => count + isTrained[i]!, 0);
}
