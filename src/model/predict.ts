// Applies a model to rows: logits, probabilities, contributions, and their fit to labels.
import type { Column } from "../core/column.ts";
import type { Core, Score } from "../core/core.ts";
import { featuresOf, isPlain } from "../data/encoding.ts";
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
  /**
   * The same by input column: the sum of its features' parts, each addition rounded, so that these add up to the logit
   * to rounding. Present where an input column is more than one number.
   */
  readonly column_contrib_logit?: Record<string, number>;
}

/** Which features an input column became: those at [from, to) in model order. */
export interface ColumnParts {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export function partsOf(spec: Pick<Model["spec"], "columns">): ColumnParts[] {
  let to = 0;
  return spec.columns.map((column) => {
    const from = to;
    to += featuresOf(column).length;
    return { name: column.name, from, to };
  });
}

/** What an input column adds to a row's logit. @param contributions of the row's features, or of more from `at` on */
export function sumParts(contributions: ArrayLike<number>, parts: ColumnParts, at = 0): number {
  let sum = contributions[at + parts.from]!;
  for (let j = parts.from + 1; j < parts.to; j++) sum += contributions[at + j]!;
  return sum;
}

/** Whether each input column is one number, so that rows may be plain numbers and columns are features. */
export function isPlainModel(model: Model): boolean {
  return model.spec.columns.every(isPlain);
}

/** [d + 1] weights as the core takes them, bias last. */
function weightsOf(model: Model): Float64Array {
  return Float64Array.of(...model.w, model.b);
}

/**
 * Predictions for features in model order, as `encode` gives them. The core is reset.
 *
 * @throws RangeError naming the first row that is too far from the training data to give a finite logit
 */
export function predictColumns(
  core: Core,
  model: Model,
  columns: readonly Column[],
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

/** The fit of a model to labelled rows of features in model order; `index` chooses rows. The core is reset. */
export function scoreColumns(
  core: Core,
  model: Model,
  columns: readonly Column[],
  y: Uint8Array,
  options: { index?: Uint32Array; weights?: Float64Array } = {},
): { score: Score; weight: number } {
  core.reset();
  const rows = core.rows({ columns, mean: model.mean, std: model.std, y, ...options });
  return { score: rows.score(weightsOf(model), model.spec.threshold), weight: rows.weight };
}

/** One row, explained. @param columns [d] features of one row, in model order */
export function explainRow(core: Core, model: Model, columns: readonly Column[]): Explanation {
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
    ...(!isPlainModel(model) && {
      column_contrib_logit: Object.fromEntries(
        partsOf(model.spec).map((parts) => [parts.name, sumParts(contributions!, parts)]),
      ),
    }),
  };
}
