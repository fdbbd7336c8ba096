// What `raisin train` shows a reader when it is done.
import { relative } from "node:path";
import { describeLevels } from "../data/column-types.ts";
import { describeDialect } from "../data/dialect.ts";
import type { TrainingFile } from "../data/files.ts";
import { convergenceNote } from "../model/card.ts";
import type { RecordedTraining } from "../recording/record.ts";
import { CONVERGED_AT, type TrainingResult } from "../training/train.ts";
import { bar, chart, figure, plain, type Series, table } from "./charts.ts";

const CHART_WIDTH = 60;
const CHART_HEIGHT = 8;
const BAR_WIDTH = 24;
const COEFFICIENTS_MAX = 40;
const COLUMNS_MAX = 40;

export function summaryLines(
  recorded: RecordedTraining,
  dataset: TrainingFile,
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
  dataset: TrainingFile,
  result: TrainingResult,
  isSimulated: boolean,
): string[] {
  const [negative, positive] = dataset.classes.map(plain);
  const { train, validation } = result.split;
  const { inputs, features, weights } = dataset;
  const isPlain = inputs.length === features.length;
  const columns = isPlain
    ? `${features.length} features`
    : `${inputs.length} columns in ${features.length} features`;
  const { classWeight, seed } = result.params;
  return [
    `dataset   ${plain(dataset.name)}: ${dataset.rowCount} rows, ${columns}, ${plain(dataset.label)} = ${positive} (1) or ${negative} (0)`,
    ...(isSimulated ? ["          simulated data, see data/README.md"] : []),
    `          file    ${dataset.fileSha256}`,
    `          content ${dataset.contentDigest}`,
    ...columnLines(dataset),
    `split     ${train.length} rows train, ${validation.length} validate (by content, seed ${seed})`,
    ...(weights ? [`weight    rows count by column ${plain(weights.name)}`] : []),
    ...(classWeight === "balanced" ? ["weight    both classes count as much in all"] : []),
    ...[...dataset.warnings, ...result.warnings].map((warning) => `warning   ${plain(warning)}`),
  ];
}

/** How the table was read: a line for numbers only, else one for each column and its type. */
function columnLines({ columnReports, inputs, reading, rest }: TrainingFile): string[] {
  const { delimiter, quote, decimal, thousands } = describeDialect(reading.dialect);
  const grouping = thousands === "none" ? "" : `, ${thousands} between thousands`;
  const way = `reading   ${delimiter} between fields, ${quote} quotes, decimal ${decimal}${grouping}`;
  const against = rest ? ["          one class against the rest"] : [];
  if (columnReports.every(({ type, use }) => type === "numeric" && use === "number")) {
    return [...against, `${way}; all columns numeric`];
  }
  const byName = new Map(inputs.map(({ column }) => [column.name, column]));
  const rows = columnReports
    .slice(0, COLUMNS_MAX)
    .map(({ name, type, use, missing, reason }) => [
      plain(name),
      type,
      missing === 0 ? "" : `${missing} missing`,
      use === "left out" ? `left out: ${reason}` : plain(describeLevels(byName.get(name)!)),
    ]);
  const widths = [0, 1, 2].map((k) => Math.max(...rows.map((row) => [...row[k]!].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, k) => cell.padEnd(widths[k] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const more = columnReports.length - rows.length;
  return [
    ...against,
    way,
    ...lines.map((line, k) => `${k === 0 ? "columns" : ""}`.padEnd(10) + line),
    ...(more > 0 ? [`          and ${more} more`] : []),
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
  const columns = rankedColumns(result.card.coefficients);
  const most = Math.abs(columns[0]?.[0]?.weight ?? 0) || 1;
  const items = columns.flatMap((parts) => {
    const isPlain = parts.length === 1 && parts[0]!.feature === parts[0]!.column;
    const named = parts.map((part) => ({
      ...part,
      name: isPlain ? part.feature : `  ${partName(part)}`,
    }));
    return isPlain
      ? named
      : [{ name: parts[0]!.column, weight: null, odds_ratio_per_std: null }, ...named];
  });
  const shown = items.slice(0, COEFFICIENTS_MAX);
  const rows = table([
    ["", "weight", "odds ratio"],
    ...shown.map(({ name, weight, odds_ratio_per_std: odds }) => [
      plain(name),
      weight === null ? "" : weight.toFixed(4),
      odds === null ? "" : figure(odds, 4),
    ]),
    ["(bias)", result.model.b.toFixed(4), ""],
  ]);
  const widest = Math.max(...rows.map((line) => line.length));
  return [
    heading,
    ...rows.map((line, k) => {
      const item = shown[k - 1];
      if (item === undefined || item.weight === null) return line;
      const sign = item.weight < 0 ? "-" : "+";
      return `${line.padEnd(widest)}  ${sign}${bar(Math.abs(item.weight) / most, BAR_WIDTH)}`;
    }),
    ...(items.length > shown.length ? [`… and ${items.length - shown.length} more lines`] : []),
  ];
}

type Coefficient = TrainingResult["card"]["coefficients"][number];

/** Coefficients by input column, those of the largest weight first, within a column as well. */
function rankedColumns(coefficients: readonly Coefficient[]): Coefficient[][] {
  const bySize = (a: Coefficient, b: Coefficient) => Math.abs(b.weight) - Math.abs(a.weight);
  const columns = new Map<string, Coefficient[]>();
  for (const one of [...coefficients].sort(bySize)) {
    columns.set(one.column, [...(columns.get(one.column) ?? []), one]);
  }
  return [...columns.values()];
}

/** What of an input column a feature is: a level, "is missing", or the number itself. */
function partName({ feature, column }: Coefficient): string {
  return feature === column ? "value" : feature.slice(column.length + 1);
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
