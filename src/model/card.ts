// The model card: what a reader must know to use or to refuse a model.
import type { Core, Moments } from "../core/core.ts";
import { type Dataset, inputsOf } from "../data/dataset.ts";
import { featuresOf, type InputColumn, missingCount } from "../data/encoding.ts";
import type { Metrics } from "./metrics.ts";
import type { Model } from "./model.ts";
import { predictColumns } from "./predict.ts";

export interface ModelCard {
  readonly schema: "raisin.model_card/1";
  readonly what: string;
  readonly data: {
    readonly name: string;
    readonly rows: number;
    /** Input columns, how each became features, and what was missing. */
    readonly columns: readonly CardColumn[];
    readonly features: readonly string[];
    readonly label: string;
    readonly content_digest: string;
    readonly file_sha256: string | null;
    readonly weight: string | null;
    /** What was decided about the columns without being told. */
    readonly guesses: readonly string[];
    readonly warnings: readonly string[];
  };
  /** Names in snake_case, as in params.json. */
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly classes: { readonly "0": string; readonly "1": string };
  readonly split: {
    readonly train: { readonly rows: number; readonly labels: Readonly<Record<string, number>> };
    readonly validation: {
      readonly rows: number;
      readonly labels: Readonly<Record<string, number>>;
    };
  };
  readonly metrics: { readonly train: Metrics; readonly validation: Metrics };
  readonly coefficients: readonly {
    readonly feature: string;
    /** The input column that the feature comes from. */
    readonly column: string;
    /** Of the standardised feature. */
    readonly weight: number;
    readonly odds_ratio_per_std: number;
  }[];
  readonly bias: number;
  readonly convergence: {
    readonly converged: boolean;
    readonly gradient_max: number;
    readonly note: string;
  };
  readonly intended_use: string;
  readonly limits: readonly string[];
  readonly model_digest: string;
  readonly core_digest: string;
  /** Synthetic rows and what the model says of them: a host that gives other bits must not serve. */
  readonly golden: {
    readonly rows: readonly (readonly number[])[];
    readonly logits: readonly number[];
    readonly p_class1: readonly number[];
  };
}

/** An input column as it stands in the model's spec. */
export type CardColumn = InputColumn & { readonly missing_cells: number };

export function cardOf(
  core: Core,
  input: {
    dataset: Dataset & { readonly fileSha256?: string; readonly guesses?: readonly string[] };
    /** Said of this training, besides what the dataset says. */
    warnings: readonly string[];
    contentDigest: string;
    coreDigest: string;
    model: Model;
    modelDigest: string;
    /** Under their names on disk. */
    parameters: Readonly<Record<string, number | string>>;
    moments: readonly Moments[];
    train: Metrics;
    validation: Metrics;
    trainLabels: Record<string, number>;
    validationLabels: Record<string, number>;
    gradientMax: number;
    converged: boolean;
  },
): ModelCard {
  const { dataset, model, converged } = input;
  const [negative, positive] = model.spec.classes;
  const golden = goldenRows(input.moments);
  const columns = model.featureNames.map((_, j) => Float64Array.from(golden, (row) => row[j]!));
  const origins = model.spec.columns.flatMap((column) => featuresOf(column).map(() => column.name));
  const said = predictColumns(core, model, columns);
  const { w } = model;
  // The core's exp, since engines differ in Math.exp; it takes |x| ≤ 700.
  const odds = core.exp(w.map((weight) => Math.max(-700, Math.min(700, weight))));
  return {
    schema: "raisin.model_card/1",
    what: `Logistic regression that predicts ${dataset.label} as ${positive} (1) or ${negative} (0) from ${fromWhat(model)}, trained by batch gradient descent`,
    data: {
      name: dataset.name,
      rows: dataset.rowCount,
      columns: inputsOf(dataset).map(({ column, cells }) => ({
        ...column,
        missing_cells: missingCount(cells),
      })),
      features: dataset.features,
      label: dataset.label,
      content_digest: input.contentDigest,
      file_sha256: dataset.fileSha256 ?? null,
      weight: dataset.weights?.name ?? null,
      guesses: dataset.guesses ?? [],
      warnings: [...dataset.warnings, ...input.warnings],
    },
    parameters: input.parameters,
    classes: { "0": negative, "1": positive },
    split: {
      train: partOf(input.trainLabels),
      validation: partOf(input.validationLabels),
    },
    metrics: { train: input.train, validation: input.validation },
    coefficients: model.featureNames.map((feature, j) => ({
      feature,
      column: origins[j]!,
      weight: w[j]!,
      odds_ratio_per_std: odds[j]!,
    })),
    bias: model.b,
    convergence: {
      converged,
      gradient_max: input.gradientMax,
      note: convergenceNote(converged),
    },
    intended_use:
      "Ranking and classifying rows drawn from the same source as the training rows, with the same columns in the same units.",
    limits: [
      "Linear in the standardised features: interactions and thresholds are not seen.",
      "Probabilities hold for rows like the training rows; watch for drift and check calibration.",
      "Digests prove what was computed from which rows. They do not prove that the rows are true, fair or representative.",
      ...(converged ? [] : [convergenceNote(false)]),
    ],
    model_digest: input.modelDigest,
    core_digest: input.coreDigest,
    golden: {
      rows: golden,
      logits: Array.from(said.logits),
      p_class1: Array.from(said.probabilities),
    },
  };
}

/** Rows of all weights: metrics leave out validation rows that weigh nothing. */
function partOf(labels: Record<string, number>) {
  return { rows: Object.values(labels).reduce((sum, count) => sum + count, 0), labels };
}

function fromWhat({ w, spec }: Model): string {
  const features = `${w.length} standardised features`;
  return w.length === spec.columns.length
    ? features
    : `${spec.columns.length} input columns in ${features}`;
}

/** What a reader of weights has to know about how the descent ended. */
export function convergenceNote(converged: boolean): string {
  return converged
    ? "The descent has converged: weights are maximum-likelihood estimates (of the penalised likelihood if l2 > 0) to about the gradient's size."
    : "The descent was stopped before it converged: weights are not maximum-likelihood estimates, and signs may still change.";
}

/** Rows that stand at the mean, a deviation either side of it, and the ends of each feature's range. */
function goldenRows(moments: readonly Moments[]): number[][] {
  return [
    moments.map(({ mean }) => mean),
    moments.map(({ mean, std }) => mean - std),
    moments.map(({ mean, std }) => mean + std),
    moments.map(({ min }) => min),
    moments.map(({ max }) => max),
  ];
}
