// A drift report as one page: a picture a feature, no script, nothing from elsewhere.
import { escapeHtml } from "../data/html.ts";
import { cut } from "../data/shown.ts";
import type { Bins, CategoryDrift, DriftReport, FeatureDrift } from "./drift.ts";
import { figure, share } from "./drift-markdown.ts";

const STYLE = `:root { color-scheme: light dark; --train: #8a8f98; --rows: #2f6fde; --bad: #c2362b; --good: #2c7a3f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1.5rem; }
h1 .drift { color: var(--bad); } h1 .no_drift { color: var(--good); }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .75rem; border: 1px solid #8884; border-radius: 8px; }
figcaption { overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } svg.shifts { max-width: 600px; }
.train { fill: var(--train); fill-opacity: .55; } .rows { fill: none; stroke: var(--rows); stroke-width: 1.5; }
.rows-bar { fill: var(--rows); } .axis { stroke: #8888; } text { font: 11px system-ui, sans-serif; fill: currentColor; }
.mean-train { stroke: var(--train); stroke-dasharray: 3 3; } .mean-rows { stroke: var(--rows); stroke-dasharray: 3 3; }
.note { color: #8a8f98; }
`;

const WIDTH = 300;
const HEIGHT = 110;
const FOOT = 16;

/** @param about what was compared: the file and the model, in the caller's words */
export function driftHtml(report: DriftReport, about: string): string {
  const { features, categories, missing, logit, accuracy_estimate: estimate } = report;
  const word = report.verdict === "drift" ? "yes" : "no";
  const pictures = [
    ...features.flatMap((feature) => (feature.bins === null ? [] : [featureFigure(feature)])),
    ...categories.map(categoryFigure),
    figureOf(
      "Logit",
      `mean ${figure(logit.mean)}, ${figure(logit.train_mean)} in training`,
      binsPicture(logit.bins, null),
    ),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Drift: ${word}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Drift: <span class="${report.verdict}">${word}</span></h1>
<p>${escapeHtml(about)}</p>
<p>Score <b>${figure(report.score)}</b>: the mean shift of the features, in training standard deviations. Chance alone gives about ${figure(report.noise_floor)} for ${report.rows} rows against ${report.train_rows}; above ${figure(report.rule.score_above)} is drift.</p>
${report.reasons.length === 0 ? "" : `<ul>${report.reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join("")}</ul>`}
<p class="note">Grey: training rows. Blue: these rows. Dashed: the means. The outermost bars are values beyond the training range.</p>
<div class="pictures">
${pictures.join("\n")}
</div>
<h2>Features</h2>
${table(
  [
    "feature",
    "z",
    "p",
    "p (Holm)",
    "PSI",
    "KS",
    "out of range",
    "mean",
    "in training",
    "adds to the logit",
  ],
  features.map((one) => [
    one.name,
    figure(one.z_shift),
    figure(one.p),
    figure(one.p_holm),
    figure(one.psi),
    figure(one.ks),
    share(one.out_of_range),
    figure(one.mean),
    figure(one.train_mean),
    figure(one.logit_shift),
  ]),
)}
${
  categories.length === 0
    ? ""
    : `<h2>Categories</h2>${table(
        ["category", "chi-squared", "df", "p", "p (Holm)", "PSI"],
        categories.map((one) => [
          one.name,
          figure(one.chi_squared),
          String(one.df),
          figure(one.p),
          figure(one.p_holm),
          figure(one.psi),
        ]),
      )}`
}
${
  missing.length === 0
    ? ""
    : `<h2>Missing values</h2>${table(
        ["column", "in training", "here", "p", "p (Holm)"],
        missing.map((one) => [
          one.name,
          share(one.train),
          share(one.rows),
          figure(one.p),
          figure(one.p_holm),
        ]),
      )}`
}
<h2>What it does to the predictions</h2>
<p>The mean logit is ${figure(logit.mean)}, ${figure(logit.train_mean)} in training: a shift of ${figure(logit.shift)}, of which the features' shifts are ${figure(logit.attributed)}.</p>
${attributionPicture(features)}
<h2>Accuracy without labels</h2>
<p>${share(estimate.accuracy)} at the threshold ${estimate.threshold}, ${share(estimate.positive_share)} of the rows positive; expected: ${figure(estimate.expected.tp)} true and ${figure(estimate.expected.fp)} false positives, ${figure(estimate.expected.tn)} true and ${figure(estimate.expected.fn)} false negatives. ${escapeHtml(estimate.condition)}</p>
<h2>Rule</h2>
<p>${escapeHtml(report.rule.text)}.</p>
</body>
</html>
`;
}

function figureOf(title: string, caption: string, picture: string): string {
  return `<figure>${picture}<figcaption><b>${escapeHtml(cut(title))}</b> ${escapeHtml(caption)}</figcaption></figure>`;
}

function featureFigure(feature: FeatureDrift): string {
  const { name, z_shift: z, ks, psi, mean, train_mean: trainMean, bins } = feature;
  const caption = `z ${figure(z)}, KS ${figure(ks)}, PSI ${figure(psi)}`;
  return figureOf(name, caption, binsPicture(bins!, mean === null ? null : { mean, trainMean }));
}

/** Both histograms over the same bins: filled for training, a line of steps for the rows. */
function binsPicture(
  { edges, train, rows }: Bins,
  means: { readonly mean: number; readonly trainMean: number } | null,
): string {
  const width = WIDTH / train.length;
  const top = Math.max(...train, ...rows) || 1;
  const y = (value: number) => round(HEIGHT - (value / top) * (HEIGHT - 4));
  const bars = train.map(
    (value, k) =>
      `<rect class="train" x="${round(k * width)}" y="${y(value)}" width="${round(width)}" height="${round(HEIGHT - y(value))}"/>`,
  );
  const steps = rows.map(
    (value, k) => `${round(k * width)},${y(value)} ${round((k + 1) * width)},${y(value)}`,
  );
  const [first, last] = [edges[0], edges.at(-1)];
  const marks: string[] = [];
  if (means !== null && first !== undefined && last !== undefined && last > first) {
    const x = (value: number) => {
      const place = (value - first) / (last - first);
      return round(Math.max(0, Math.min(WIDTH, width + place * (WIDTH - 2 * width))));
    };
    for (const [name, value] of [
      ["mean-train", means.trainMean],
      ["mean-rows", means.mean],
    ] as const) {
      marks.push(`<line class="${name}" x1="${x(value)}" x2="${x(value)}" y1="0" y2="${HEIGHT}"/>`);
    }
  }
  const ends =
    first === undefined
      ? ""
      : `<text x="${round(width)}" y="${HEIGHT + 13}">${figure(first)}</text><text x="${round(WIDTH - width)}" y="${HEIGHT + 13}" text-anchor="end">${figure(last ?? null)}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}" role="img">${bars.join("")}<polyline class="rows" points="${steps.join(" ")}"/>${marks.join("")}<line class="axis" x1="0" x2="${WIDTH}" y1="${HEIGHT}" y2="${HEIGHT}"/>${ends}</svg>`;
}

const LEVELS_SHOWN = 12;

/** A pair of bars a level, the most frequent ones. */
function categoryFigure({ name, psi, chi_squared: statistic, levels }: CategoryDrift): string {
  const most = (level: (typeof levels)[number]) => Math.max(level.train, level.rows);
  const shown = [...levels].sort((a, b) => most(b) - most(a)).slice(0, LEVELS_SHOWN);
  const top = Math.max(...shown.map(most)) || 1;
  const height = 20;
  const rows = shown.map((level, k) => {
    const label = level.kind === "level" ? level.level : `(${level.kind})`;
    const width = (value: number) => round((value / top) * (WIDTH - 110));
    return `<text x="0" y="${k * height + 13}">${escapeHtml(cut(label).slice(0, 16))}</text><rect class="train" x="105" y="${k * height + 2}" width="${width(level.train)}" height="7"/><rect class="rows-bar" x="105" y="${k * height + 10}" width="${width(level.rows)}" height="7"/>`;
  });
  const more = levels.length - shown.length;
  const caption = `PSI ${figure(psi)}, chi-squared ${figure(statistic)}${more > 0 ? `; ${more} more levels` : ""}`;
  return figureOf(
    name,
    caption,
    `<svg viewBox="0 0 ${WIDTH} ${shown.length * height + 4}" role="img">${rows.join("")}</svg>`,
  );
}

const FEATURES_SHOWN = 20;

/** What each feature's shift adds to the mean logit, the largest first. */
function attributionPicture(features: readonly FeatureDrift[]): string {
  const shown = features
    .flatMap(({ name, logit_shift: shift }) => (shift === null ? [] : [{ name, shift }]))
    .sort((a, b) => Math.abs(b.shift) - Math.abs(a.shift))
    .slice(0, FEATURES_SHOWN);
  const top = Math.max(...shown.map(({ shift }) => Math.abs(shift))) || 1;
  const middle = 400;
  const rows = shown.map(({ name, shift }, k) => {
    const width = round((Math.abs(shift) / top) * 180);
    const x = shift < 0 ? middle - width : middle;
    return `<text x="0" y="${k * 20 + 14}">${escapeHtml(cut(name).slice(0, 30))}</text><rect class="rows-bar" x="${x}" y="${k * 20 + 4}" width="${width}" height="12"/><text x="${shift < 0 ? middle + 6 : middle - 6}" y="${k * 20 + 14}" text-anchor="${shift < 0 ? "start" : "end"}">${figure(shift)}</text>`;
  });
  return `<svg class="shifts" viewBox="0 0 600 ${shown.length * 20 + 6}" role="img">${rows.join("")}</svg>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cut(cell))}</${tag}>`).join("")}</tr>`;
  return `<table>${cells(head, "th")}${rows.map((row) => cells(row, "td")).join("")}</table>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
