// Decides whether a finished run replaces the production model: only if it is strictly better on the same rows.
import { Core } from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import type { FileDataset } from "../data/files.ts";
import { splitRows } from "../data/split.ts";
import { type RegistryEntry, readRegistry } from "../miniflow/registry.ts";
import { findRun, readArtifact, readRun, type StoredRun } from "../miniflow/tracker.ts";
import { type Metrics, metricsOf } from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { decodeModel, modelDigest } from "../model/model-file.ts";
import { scoreColumns } from "../model/predict.ts";
import type { TrainingResult } from "../training/train.ts";

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

/** The registry, or the run that it names, is missing or damaged. Nothing is promoted over it silently. */
export class ProductionError extends Error {
  override readonly name: string = "ProductionError";
}

/** A model and the run that it came from. */
export interface StoredModel {
  readonly run: StoredRun;
  readonly model: Model;
}

/**
 * The model of a finished run, checked against the digest in its meta.json.
 *
 * @throws StoreError, ModelFormatError or Error saying what is missing or damaged
 */
export function readStoredModel(directory: string): StoredModel {
  const run = readRun(directory);
  if (run.meta.status !== "FINISHED") {
    throw new Error(
      `Cannot use run ${run.id} as it is not finished: its status is ${run.meta.status}`,
    );
  }
  const bytes = readArtifact(directory, "model/model.npz");
  if (bytes === undefined)
    throw new Error(`Cannot use run ${run.id} as it holds no model/model.npz`);
  const model = decodeModel(bytes);
  const digest = modelDigest(model);
  if (digest !== run.meta.model_digest) {
    throw new Error(
      `Cannot use run ${run.id} as its model has changed: digest ${digest}, recorded ${String(run.meta.model_digest)}`,
    );
  }
  return { run, model };
}

/** The production model of a name; undefined when the registry has none. @throws ProductionError */
export function readProduction(store: string, name: string): StoredModel | undefined {
  const entry = readEntry(store, name);
  if (entry === undefined) return undefined;
  const directory = findRun(store, entry.production);
  try {
    if (directory === undefined) throw new Error("its directory is missing");
    return readStoredModel(directory);
  } catch (error) {
    throw new ProductionError(
      `Cannot use run ${entry.production}, the production of "${name}": ${(error as Error).message}. Restore its directory, or take the entry "${name}" out of ${store}/registry.json so that the next run becomes production`,
      { cause: error },
    );
  }
}

function readEntry(store: string, name: string): RegistryEntry | undefined {
  try {
    return readRegistry(store).get(name);
  } catch (error) {
    throw new ProductionError(
      `${(error as Error).message}. Repair ${store}/registry.json, or move it away so that the next run becomes production`,
      { cause: error },
    );
  }
}

const RULE = "strictly better than the production model on this run's own validation rows";

/**
 * @param isWanted false for --no-promote
 * @throws ProductionError when the registry or the production run cannot be read
 */
export function decide(
  source: CoreSource,
  dataset: FileDataset,
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
    return kept("a class has no validation row, so the run cannot be judged");
  }
  const production = readProduction(options.store, options.model);
  if (production === undefined) {
    return { ...base, promoted: true, reason: `first finished run of model "${options.model}"` };
  }
  const production_run = production.run.id;
  const difference = differenceOf(production.model, result.model);
  if (difference !== undefined) {
    return kept(`production run ${production_run} is another kind of model: ${difference}`, {
      production_run,
    });
  }
  const figure = figureOf(scoreOn(source, production.model, dataset, result), metric)!;
  const isBetter = metric === "val_loss" ? candidate < figure : candidate > figure;
  const seen = seenBy(production.run, dataset, result);
  const caveat =
    seen === 0
      ? ""
      : seen === null
        ? "; the production model was trained on other data, so it may have seen some of these rows"
        : `; the production model had seen ${seen} of these ${base.validation_rows} rows in training`;
  const relation = candidate === figure ? "equals" : isBetter ? "beats" : "does not beat";
  return {
    ...base,
    promoted: isBetter,
    reason: `${metric} ${candidate} ${relation} ${figure} of production run ${production_run}${caveat}`,
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
  const [ours, theirs] = [[...candidate.featureNames].sort(), [...production.featureNames].sort()];
  if (!areEqual(ours, theirs)) {
    return `its features are ${list(production.featureNames)}`;
  }
  if (!areEqual(production.spec.classes, candidate.spec.classes)) {
    return `its classes are ${list(production.spec.classes)} (negative, positive)`;
  }
  if (production.spec.label !== candidate.spec.label) {
    return `its label column is ${production.spec.label}`;
  }
  return undefined;
}

function scoreOn(
  source: CoreSource,
  model: Model,
  dataset: FileDataset,
  result: TrainingResult,
): Metrics {
  const columns = model.featureNames.map(
    (name) => dataset.columns[dataset.features.indexOf(name)]!,
  );
  const index = result.split.validation;
  const score = scoreColumns(new Core(source), model, columns, dataset.y, index);
  return metricsOf(
    score,
    Uint8Array.from(index, (i) => dataset.y[i]!),
    model.spec.threshold,
  );
}

/** Validation rows of this run among the training rows of another; null when that run had other data. */
function seenBy(run: StoredRun, dataset: FileDataset, result: TrainingResult): number | null {
  const other = run.meta.dataset as { content_digest?: unknown } | undefined;
  const { seed, val_fraction: fraction } = run.params;
  if (other?.content_digest !== dataset.contentDigest) return null;
  if (typeof seed !== "number" || typeof fraction !== "number") return null;
  const { train } = splitRows(dataset.rowDigests, dataset.y, { fraction, seed });
  const isTrained = new Uint8Array(dataset.rowCount);
  for (const i of train) isTrained[i] = 1;
  return result.split.validation.reduce((count, i) => count + isTrained[i]!, 0);
}
