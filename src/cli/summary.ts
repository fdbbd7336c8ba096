// What `raisin train` shows a reader when it is done.
import { relative } from "node:path";
import type { FileDataset } from "../data/files.ts";
import { convergenceNote } from "../model/card.ts";
import type { RecordedTraining } from "../recording/record.ts";
import { CONVERGED_AT, type TrainingResult } from "../training/train.ts";
import { bar, chart, figure, plain, type Series, table } from "./charts.ts";

const CHART_WIDTH = 60;
const CHART_HEIGHT = 8;
const BAR_WIDTH = 24;
const COEFFICIENTS_MAX = 40;

export function summaryLines(
  recorded: RecordedTraining,
  dataset: FileDataset,
  about: { coreDigest: string; out: string; isSimulated: boolean },
): string[] {
  const { result, decision } = recorded;
  return [
    ...datasetLines(dataset, result, about.isSimulated),
    "",
    ...metricLines(result),
    "",
    ...curveLines(result),
    "",
    ...coefficientLines(result),
    "",
    ...convergenceLines(result),
    "",
    `model     ${plain(about.out)}`,
    `          digest ${result.modelDigest}`,
    `core      digest ${about.coreDigest}`,
    `run       ${plain(relative(process.cwd(), recorded.directory) || recorded.directory)}`,
    `promoted  ${decision.promoted ? "yes" : "no"}: ${plain(decision.reason)}`,
  ];
}

function datasetLines(
  dataset: FileDataset,
  result: TrainingResult,
  isSimulated: boolean,
): string[] {
  const [negative, positive] = dataset.classes.map(plain);
  const { train, validation } = result.split;
  return [
    `dataset   ${plain(dataset.name)}: ${dataset.rowCount} rows, ${dataset.features.length} features, ${plain(dataset.label)} = ${positive} (1) or ${negative} (0)`,
    ...(isSimulated ? ["          simulated data, see data/README.md"] : []),
    `          file    ${dataset.fileSha256}`,
    `          content ${dataset.contentDigest}`,
    `split     ${train.length} rows train, ${validation.length} validate (by content, seed ${result.params.seed})`,
    ...dataset.warnings.map((warning) => `warning   ${plain(warning)}`),
  ];
}

function metricLines(result: TrainingResult): string[] {
  const row = (name: string, key: "loss" | "accuracy" | "roc_auc" | "brier") => [
    name,
    figure(result.train[key]),
    figure(result.validation[key]),
  ];
  return table([
    ["", "train", "validation"],
    row("loss", "loss"),
    row("accuracy", "accuracy"),
    row("ROC AUC", "roc_auc"),
    row("Brier score", "brier"),
  ]);
}

function curveLines(result: TrainingResult): string[] {
  // Steps on a logarithmic axis: most of the way down lies in the first few.
  const points = (key: string) =>
    result.records
      .filter((record) => record.key === key)
      .map(({ step, value }) => [Math.log(step + 1), value] as const);
  const series: Series[] = [
    { mark: "·", points: points("val_loss") },
    { mark: "•", points: points("train_loss") },
  ].filter((one) => one.points.length > 0);
  const who = series.length > 1 ? " (• train, · validation)" : "";
  const { iterations } = result.params;
  return [
    `loss by iteration, logarithmic${who}`,
    ...chart(series, CHART_WIDTH, CHART_HEIGHT, ["0", String(iterations)]),
  ];
}

function coefficientLines(result: TrainingResult): string[] {
  const heading = result.converged
    ? "coefficients of the standardised features"
    : "coefficients where the descent was stopped (not converged)";
  const ranked = [...result.card.coefficients].sort(
    (a, b) => Math.abs(b.weight) - Math.abs(a.weight),
  );
  const most = Math.abs(ranked[0]?.weight ?? 0) || 1;
  const shown = ranked.slice(0, COEFFICIENTS_MAX);
  const rows = table([
    ["", "weight", "odds ratio"],
    ...shown.map(({ feature, weight, odds_ratio_per_std: odds }) => [
      plain(feature),
      weight.toFixed(4),
      figure(odds, 4),
    ]),
    ["(bias)", result.model.b.toFixed(4), ""],
  ]);
  const widest = Math.max(...rows.map((line) => line.length));
  return [
    heading,
    ...rows.map((line, k) => {
      const item = shown[k - 1];
      if (item === undefined) return line;
      const sign = item.weight < 0 ? "-" : "+";
      return `${line.padEnd(widest)}  ${sign}${bar(Math.abs(item.weight) / most, BAR_WIDTH)}`;
    }),
    ...(ranked.length > shown.length ? [`… and ${ranked.length - shown.length} smaller ones`] : []),
  ];
}

function convergenceLines(result: TrainingResult): string[] {
  const relation = result.converged ? "≤" : ">";
  const fact = `max|gradient| ${result.gradientMax.toExponential(3)} ${relation} ${CONVERGED_AT} after ${result.params.iterations} iterations`;
  return result.converged
    ? [`CONVERGED: ${fact}`, `  ${convergenceNote(true)}`]
    : [
        `NOT CONVERGED: ${fact}`,
        `  ${convergenceNote(false)}`,
        "  Read the coefficients as a fit, not as effects; more --iterations or a larger --lr come closer.",
      ];
}
