// What a model is: weights for standardised features, and the specification that turns input columns into them.
import { type InputColumn, isPlain } from "../data/encoding.ts";

/** Stored inside the model file as RFC 8785 JSON. */
export interface ModelSpec {
  /** The lowest format that can say the rest: 1 knows numbers taken as they are, 2 everything. */
  readonly format: 1 | 2;
  /** Name of the label column. */
  readonly label: string;
  /** Both classes, the negative one (0) first. */
  readonly classes: readonly [string, string];
  /** Present where class 0 stands for all labels but one. */
  readonly rest?: true;
  /** `pred` is 1 when p_class1 ≥ threshold; in (0, 1). */
  readonly threshold: number;
  /** Input columns in model order, and how each becomes features. */
  readonly columns: readonly InputColumn[];
  /** Texts that stand for a missing value, in code point order; present where a column's cells may be missing. */
  readonly missing_tokens?: readonly string[];
}

/** A trained logistic regression over d standardised features. Arrays belong to the model and are not to be written. */
export interface Model {
  readonly spec: ModelSpec;
  /** [d] names of the features, in model order. */
  readonly featureNames: readonly string[];
  /** [d] training means. */
  readonly mean: Float64Array;
  /** [d] training standard deviations, each > 0. */
  readonly std: Float64Array;
  /** [d] weights of the standardised features. */
  readonly w: Float64Array;
  /** Bias. */
  readonly b: number;
}

/** The newest model format, which this version writes where an older one does not do. */
export const MODEL_FORMAT = 2;

/** The format of a spec with these parts. */
export function formatOf(spec: Omit<ModelSpec, "format">): 1 | 2 {
  return spec.rest === undefined && spec.columns.every(isPlain) ? 1 : 2;
}
