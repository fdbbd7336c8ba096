// Applies a model to rows: logits, probabilities, contributions, and their fit to labels.
import type { Core, Score } from "../core/core.ts";
import type { Model } from "./model.ts";

/** What a model says of n rows. */
export interface Predictions {
  /** [n] logits before the clip. */
  readonly logits: Float64Array;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
  /** [n] 1 where the probability reaches the threshold. */
  readonly pred: Uint8Array;
  /** [n, d] row by row, when asked for: bias plus a row's contributions, in feature order, is its logit exactly. */
  readonly contributions?: Float64Array;
}

/** One row, explained, in the words of the HTTP interface. */
export interface Explanation {
  readonly pred: 0 | 1;
  /** The predicted class. */
  readonly label: string;
  readonly p_class1: number;
  readonly logit: number;
  /** The bias: the logit of a row that stands at the training mean of every feature. */
  readonly base_value: number;
  /**
   * What each feature adds. `base_value` plus these is `logit` to the last bit when they are added in the order of the
   * model's `featureNames`, which is not always that of the keys: JavaScript lists keys like "2" and "10" first.
   */
  readonly feature_contrib_logit: Record<string, number>;
}

/** [d + 1] weights as the core takes them, bias last. */
function weightsOf(model: Model): Float64Array {
  return Float64Array.of(...model.w, model.b);
}

/** A table's columns in model order, by name. The table has every feature of the model. */
export function inModelOrder(
  model: Model,
  features: readonly string[],
  columns: readonly Float64Array[],
): Float64Array[] {
  const byName = new Map(features.map((name, j) => [name, columns[j]!]));
  return model.featureNames.map((name) => byName.get(name)!);
}

/**
 * Predictions for columns in model order. The core is reset.
 *
 * @throws RangeError naming the first row that is too far from the training data to give a finite logit
 */
export function predictColumns(
  core: Core,
  model: Model,
  columns: readonly Float64Array[],
  options: { explain?: boolean } = {},
): Predictions {
  core.reset();
  const weights = weightsOf(model);
  const rows = core.rows({ columns, mean: model.mean, std: model.std });
  const { logits, probabilities } = rows.predict(weights);
  const predictions = {
    logits,
    probabilities,
    pred: Uint8Array.from(probabilities, (p) => Number(p >= model.spec.threshold)),
  };
  return options.explain
    ? { ...predictions, contributions: rows.contributions(weights) }
    : predictions;
}

/** The fit of a model to labelled columns in model order; `index` chooses rows. The core is reset. */
export function scoreColumns(
  core: Core,
  model: Model,
  columns: readonly Float64Array[],
  y: Uint8Array,
  index?: Uint32Array,
): Score {
  core.reset();
  const rows = core.rows({ columns, mean: model.mean, std: model.std, y, ...(index && { index }) });
  return rows.score(weightsOf(model), model.spec.threshold);
}

/** One row, explained. @param row [d] values in model order */
export function explainRow(core: Core, model: Model, row: readonly number[]): Explanation {
  const columns = row.map((value) => Float64Array.of(value));
  const { logits, probabilities, pred, contributions } = predictColumns(core, model, columns, {
    explain: true,
  });
  const predicted = pred[0] === 1 ? 1 : 0;
  return {
    pred: predicted,
    label: model.spec.classes[predicted],
    p_class1: probabilities[0]!,
    logit: logits[0]!,
    base_value: model.b,
    feature_contrib_logit: Object.fromEntries(
      model.featureNames.map((name, j) => [name, contributions![j]!]),
    ),
  };
}
