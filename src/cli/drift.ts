// raisin drift: how far the rows of a table are from those that a model was trained on.
import { basename } from "node:path";
import { Core } from "../core/core.ts";
import { loadCore } from "../core/node.ts";
import { readFileIfAny, writeTarget } from "../miniflow/store.ts";
import { predictColumns } from "../model/predict.ts";
import { driftOf } from "../monitoring/drift.ts";
import { driftHtml } from "../monitoring/drift-html.ts";
import { driftMarkdown, figure, share } from "../monitoring/drift-markdown.ts";
import { parseProfile } from "../monitoring/profile-file.ts";
import { plain, table as tableOf } from "./charts.ts";
import { EXIT, UsageError } from "./exit.ts";
import { chooseModel, type ModelFlags, type ReadFlags, readForModel } from "./model-source.ts";
import { outFile } from "./paths.ts";

export interface DriftFlags extends ModelFlags, ReadFlags {
  readonly data: string;
  readonly json?: boolean;
  readonly md?: boolean;
  readonly html?: string;
  readonly threshold: number;
  readonly fail?: boolean;
  readonly quiet?: boolean;
}

export async function runDrift(flags: DriftFlags, signal: AbortSignal): Promise<number> {
  if (flags.json && flags.md) throw new UsageError("Name one of --json and --md, not both");
  const chosen = chooseModel(flags);
  const { model, origin, run, profilePath } = chosen;
  const out = flags.html === undefined ? undefined : outFile(flags.html);
  const bytes = readFileIfAny(profilePath);
  if (bytes === undefined) {
    throw new UsageError(
      `Cannot tell drift without the training profile: ${profilePath} is missing; name a run, or a directory with model.npz and train_profile.json, with --model-file`,
    );
  }
  const { spec, featureNames, w, b, mean, std } = model;
  const profile = parseProfile(bytes, { featureNames, columns: spec.columns, mean, std });
  const { table, columns, unseen } = await readForModel(
    flags.data,
    chosen,
    { label: null },
    flags,
    signal,
  );
  const { logits, probabilities } = predictColumns(new Core(loadCore()), model, columns);
  const report = driftOf(
    {
      profile,
      columns: spec.columns,
      featureNames,
      w,
      b,
      mean,
      std,
      threshold: spec.threshold,
    },
    { columns, logits, probabilities },
    { threshold: flags.threshold },
  );
  const facts = {
    model_run: run?.id ?? null,
    model_digest: chosen.digest,
    file: basename(flags.data),
    file_sha256: table.fileSha256,
    unseen_cells: unseen,
  };
  const about = `${facts.file} (SHA-256 ${facts.file_sha256}) against the training rows of ${run === null ? basename(origin) : `run ${run.id}`}, model digest ${facts.model_digest}`;
  if (out !== undefined) writeTarget(out, driftHtml(report, about));
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...report, ...facts })}\n`);
  else if (flags.md) process.stdout.write(driftMarkdown(report, about));
  else if (!flags.quiet) {
    const { features, categories, missing, logit, accuracy_estimate: estimate } = report;
    const lines = [
      `drift     ${report.verdict === "drift" ? "yes" : "no"}`,
      ...report.reasons.map((reason) => `          ${plain(reason)}`),
      `score     ${figure(report.score)}; ${figure(report.noise_floor)} by chance, above ${figure(report.rule.score_above)} is drift`,
      `rows      ${report.rows}, against ${report.train_rows} training rows`,
      `model     ${plain(origin)}`,
      ...(unseen === 0 ? [] : [`unseen    ${unseen} cells, taken as the base`]),
      "",
      ...tableOf([
        ["feature", "z", "p (Holm)", "PSI", "KS", "outside", "logit"],
        ...features.map((feature) => [
          plain(feature.name),
          figure(feature.z_shift),
          figure(feature.p_holm),
          figure(feature.psi),
          figure(feature.ks),
          share(feature.out_of_range),
          figure(feature.logit_shift),
        ]),
      ]),
      ...(categories.length === 0
        ? []
        : [
            "",
            ...tableOf([
              ["category", "chi-squared", "df", "p (Holm)", "PSI"],
              ...categories.map((one) => [
                plain(one.name),
                figure(one.chi_squared),
                String(one.df),
                figure(one.p_holm),
                figure(one.psi),
              ]),
            ]),
          ]),
      ...(missing.length === 0
        ? []
        : [
            "",
            ...tableOf([
              ["missing", "training", "here", "p (Holm)"],
              ...missing.map((one) => [
                plain(one.name),
                share(one.train),
                share(one.rows),
                figure(one.p_holm),
              ]),
            ]),
          ]),
      "",
      `logit     mean ${figure(logit.mean)}, ${figure(logit.train_mean)} in training; the features explain ${figure(logit.attributed)} of the shift ${figure(logit.shift)}`,
      `accuracy  ${share(estimate.accuracy)} estimated without labels, while the model is calibrated; ${share(estimate.positive_share)} positive`,
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }
  return flags.fail && report.verdict === "drift" ? EXIT.drift : EXIT.ok;
}
