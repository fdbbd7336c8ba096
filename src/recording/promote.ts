// Decides whether a finished run replaces the production model: only if it is strictly better on the same rows.
import type { Column } from "../core/column.ts";
import { Core, ValueRangeError } from "../core/core.ts";
import type { CoreSource } from "../core/source.ts";
import { encode, type Input } from "../data/encoding.ts";
import type { TrainingFile } from "../data/files.ts";
import { splitRows } from "../data/split.ts";
import { inputsFor } from "../data/table-dataset.ts";
import type { Proposal, RegistryEntry } from "../miniflow/registry.ts";
import type { StoredRun } from "../miniflow/runs.ts";
import { type Metrics, metricsOf } from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { scoreColumns } from "../model/predict.ts";
import { PARAM_RULES } from "../training/params.ts";
import { type PairedTest, pairedTest, type ScoredRows } from "./paired-test.ts";
import { ProductionError, readProduction } from "./stored-model.ts";

export type PromotionMetric = "val_accuracy" | "val_loss";

/** What a run must reach to replace the production model, besides being strictly better. */
export interface Gate {
  readonly metric: PromotionMetric;
  /** Least gain, in the metric's own unit; 0 by default. */
  readonly minGain?: number;
  /** Most probability at which chance alone would give a difference as large, by a paired test; none is asked by default. */
  readonly significance?: number;
}

/** A model and the labelled rows that it is to be judged on. */
export interface Candidate {
  readonly model: Model;
  readonly dataset: TrainingFile;
  /** Places of these rows in the dataset. */
  readonly index: Uint32Array;
  /** [n] weights of all rows of the dataset; null when every row counts once. */
  readonly weights: Float64Array | null;
  /** Its figures on these rows. */
  readonly figures: Metrics;
}

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
  /** Present where a paired test was asked for. */
  readonly paired_test?: PairedTest;
}

function ruleOf({ minGain = 0, significance }: Gate): string {
  return [
    "strictly better than the production model on the same rows",
    ...(minGain > 0 ? [`by at least ${minGain}`] : []),
    ...(significance === undefined ? [] : [`by a paired test with p of at most ${significance}`]),
  ].join(", ");
}

/** What every decision says, before anything is known of the production model. */
export function undecided(gate: Gate, figures: Metrics, rows: number): Omit<Decision, "reason"> {
  return {
    promoted: false,
    rule: ruleOf(gate),
    metric: gate.metric,
    candidate: figureOf(figures, gate.metric),
    production: null,
    production_run: null,
    validation_rows: rows,
    seen_by_production: null,
  };
}

/**
 * Whether a candidate replaces what is in production now.
 *
 * @param entry of the model in the registry; undefined when it has none
 * @throws ProductionError when the production run cannot be read, or its model cannot score these rows
 */
export function decide(
  source: CoreSource,
  { model, dataset, index, weights, figures }: Candidate,
  options: { readonly store: string; readonly model: string; readonly gate: Gate },
  entry: RegistryEntry | undefined,
): Decision {
  const { gate } = options;
  const { metric } = gate;
  const base = undecided(gate, figures, index.length);
  const { candidate } = base;
  const kept = (reason: string, more: Partial<Decision> = {}): Decision => ({
    ...base,
    ...more,
    promoted: false,
    reason,
  });
  if (index.length === 0) {
    return kept("every row was trained on, so there are no validation rows to compare on");
  }
  if (figures.roc_auc === null || candidate === null) {
    const what = weights ? "no validation row that weighs anything" : "no validation row";
    return kept(`a class has ${what}, so the run cannot be judged`);
  }
  if (entry === undefined) {
    return { ...base, promoted: true, reason: `first finished run of model "${options.model}"` };
  }
  const production = readProduction(options.store, options.model, entry);
  const production_run = production.run.id;
  const difference = differenceOf(production.model, model);
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
  let score: ScoredRows;
  try {
    score = scoreOn(source, production.model, encoded.columns, { dataset, index, weights });
  } catch (error) {
    if (!(error instanceof ValueRangeError)) throw error;
    throw new ProductionError(
      `Cannot compare with run ${production_run}, the production of "${options.model}", on this run's validation rows: ${error.message}. Train under another name with --model, or take the entry "${options.model}" out of ${options.store}/registry.json so that the next run becomes production, or promote one without a comparison: \`raisin models promote <run> --force\``,
      { cause: error },
    );
  }
  const figure = figureOf(score.metrics, metric)!;
  const gain = metric === "val_loss" ? figure - candidate : candidate - figure;
  const isBetter = gain > 0;
  const seen = seenBy(production.run, dataset, index);
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
  const relation = gain === 0 ? "equals" : isBetter ? "beats" : "does not beat";
  const { minGain = 0, significance } = gate;
  let test: PairedTest | undefined;
  if (significance !== undefined) {
    const own = encode(inputsForModel(model, dataset), "base").columns;
    const scored = scoreOn(source, model, own, { dataset, index, weights });
    test = pairedTest(metric, scored, score);
  }
  const isEnough = gain >= minGain;
  const isSure = test === undefined || test.p_value <= significance!;
  const noise = [
    ...(isBetter && !isEnough ? [`the gain of ${gain} is below ${minGain}`] : []),
    ...(test === undefined
      ? []
      : [`${test.name}: p = ${test.p_value}${isSure ? "" : `, above ${significance}`}`]),
  ];
  return {
    ...base,
    promoted: isBetter && isEnough && isSure,
    reason: `${[`${metric} ${candidate} ${relation} ${figure} of production run ${production_run}`, ...noise].join("; ")}${caveat}${levels}`,
    production: figure,
    production_run,
    seen_by_production: seen,
    ...(test !== undefined && { paired_test: test }),
  };
}

/** The change that a decision asks for; undefined when it asks for none. */
export function proposalOf(decision: Decision, runId: string, by?: string): Proposal | undefined {
  if (!decision.promoted) return undefined;
  const { metric, candidate, production, rule, validation_rows, seen_by_production } = decision;
  const { paired_test } = decision;
  return {
    action: "promote",
    runId,
    reason: decision.reason,
    figures: {
      metric,
      candidate,
      production,
      rule,
      validation_rows,
      seen_by_production,
      ...(paired_test !== undefined && { paired_test }),
    },
    ...(by !== undefined && { by }),
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
export function inputsForModel({ spec }: Model, { inputs }: TrainingFile): Input[] {
  const features = inputs.map(({ column }) => column.name);
  return inputsFor(spec.columns, { features, columns: inputs.map(({ cells }) => cells) });
}

/** How a model does on some rows, and each of them. @param columns of the whole dataset, as the model reads them */
export function scoreOn(
  source: CoreSource,
  model: Model,
  columns: readonly Column[],
  { dataset, index, weights }: Pick<Candidate, "dataset" | "index" | "weights">,
): ScoredRows {
  const { score, weight } = scoreColumns(new Core(source), model, columns, dataset.y, {
    index,
    ...(weights && { weights }),
  });
  const y = Uint8Array.from(index, (i) => dataset.y[i]!);
  const values = weights && Float64Array.from(index, (i) => weights[i]!);
  const { threshold } = model.spec;
  const metrics = metricsOf(score, y, threshold, values ? { values, total: weight } : undefined);
  return { metrics, probabilities: score.probabilities, threshold, y, weights: values };
}

function isSameData(run: StoredRun, dataset: TrainingFile): boolean {
  const recorded = run.meta.dataset as { content_digest?: unknown } | null | undefined;
  return recorded?.content_digest === dataset.contentDigest;
}

/** How many of some rows are among the training rows of a run; null when its record does not tell. */
function seenBy(run: StoredRun, dataset: TrainingFile, index: Uint32Array): number | null {
  const { seed, val_fraction: fraction } = run.params;
  if (!isSameData(run, dataset)) return null;
  if (typeof seed !== "number" || !PARAM_RULES.seed.holds(seed)) return null;
  if (typeof fraction !== "number" || !PARAM_RULES.valFraction.holds(fraction)) return null;
  const { train } = splitRows(dataset.rowDigests, dataset.y, { fraction, seed });
  const isTrained = new Uint8Array(dataset.rowCount);
  for (const i of train) isTrained[i] = 1;
  return index.reduce((count, i) => count + isTrained[i]!, 0);
}
