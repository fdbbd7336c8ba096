// A drift report for a pull request or a terminal: Markdown whose tables read well as plain text, too.
import { markdownTable, markdownText } from "../data/markdown.ts";
import type { DriftReport } from "./drift.ts";

/** @param about what was compared: the file and the model, in the caller's words */
export function driftMarkdown(report: DriftReport, about: string): string {
  const { features, categories, missing, logit, accuracy_estimate: estimate } = report;
  const lines = [
    `# Drift: ${report.verdict === "drift" ? "**yes**" : "no"}`,
    "",
    markdownText(about),
    "",
    `Score ${figure(report.score)} (mean shift of the features in training standard deviations; ${figure(report.noise_floor)} is to be expected of ${report.rows} rows by chance, above ${figure(report.rule.score_above)} is drift). ${report.train_rows} training rows.`,
    "",
    ...report.reasons.map((reason) => `- ${markdownText(reason)}`),
    ...(report.reasons.length > 0 ? [""] : []),
    ...markdownTable(
      ["feature", "z", "p (Holm)", "PSI", "KS", "out of range", "adds to the logit"],
      features.map((feature) => [
        feature.name,
        figure(feature.z_shift),
        figure(feature.p_holm),
        figure(feature.psi),
        figure(feature.ks),
        share(feature.out_of_range),
        figure(feature.logit_shift),
      ]),
    ),
    ...(categories.length === 0
      ? []
      : [
          "",
          ...markdownTable(
            ["category", "chi-squared", "df", "p (Holm)", "PSI"],
            categories.map((category) => [
              category.name,
              figure(category.chi_squared),
              String(category.df),
              figure(category.p_holm),
              figure(category.psi),
            ]),
          ),
        ]),
    ...(missing.length === 0
      ? []
      : [
          "",
          ...markdownTable(
            ["missing values", "in training", "here", "p (Holm)"],
            missing.map((one) => [one.name, share(one.train), share(one.rows), figure(one.p_holm)]),
          ),
        ]),
    "",
    `Mean logit ${figure(logit.mean)}, ${figure(logit.train_mean)} in training: shifted by ${figure(logit.shift)}, of which the features' shifts explain ${figure(logit.attributed)}.`,
    "",
    `Accuracy without labels (CBPE): ${share(estimate.accuracy)}, ${share(estimate.positive_share)} of the rows positive. ${estimate.condition}`,
    "",
    `Rule: ${report.rule.text}.`,
    "",
  ];
  return lines.join("\n");
}

/** Four digits; a dash where there is nothing to say. */
export function figure(value: number | null): string {
  if (value === null) return "–";
  return String(Number(value.toPrecision(4)));
}

/** A share in per cent. */
export function share(value: number | null): string {
  return value === null ? "–" : `${Number((value * 100).toPrecision(3))} %`;
}
