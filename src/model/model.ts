// What a model is: weights for standardised features, and the specification that turns input columns into them.

/** How one input column becomes features. Format 1 knows numbers taken as they are: one column, one feature. */
export interface InputColumn {
  readonly name: string;
  readonly as: "number";
}

/** Stored inside the model file as RFC 8785 JSON. */
export interface ModelSpec {
  readonly format: 1;
  /** Name of the label column. */
  readonly label: string;
  /** Both classes, the negative one (0) first. */
  readonly classes: readonly [string, string];
  /** `pred` is 1 when p_class1 ≥ threshold; in (0, 1). */
  readonly threshold: number;
  /** Input columns in model order. */
  readonly columns: readonly InputColumn[];
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

/** The number of the model format that this version writes. */
export const MODEL_FORMAT = 1;
