// What does `raisin train` say, and which files does it leave?
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeModel, modelDigest } from "../../src/model/model-file.ts";
import {
  filesBelow,
  type Outcome,
  ROOT,
  raisin,
  raisinJson,
  readJson,
  runDirectories,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const FEATURES = [
  "Area",
  "MajorAxisLength",
  "MinorAxisLength",
  "Eccentricity",
  "ConvexArea",
  "Extent",
  "Perimeter",
];
const HEX = /^[0-9a-f]{64}$/;

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** The text between a line that begins so and the next blank line. */
function block(stdout: string, start: string): string[] {
  const lines = stdout.split("\n");
  const from = lines.findIndex((line) => line.startsWith(start));
  expect(from, `a line that begins with "${start}"`).toBeGreaterThanOrEqual(0);
  const length = lines.slice(from).indexOf("");
  return lines.slice(from, length < 0 ? undefined : from + length);
}

/** What params.json says of how a table was read, where nothing was typed. */
const READING = {
  rest: false,
  categorical: [],
  missing: "error",
  missing_tokens: ["#N/A", "?", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"],
  base: "first",
  max_levels: null,
  unseen: "error",
  weight: null,
  delimiter: "comma",
  quote: "double",
  decimal: "point",
  thousands: "none",
};

describe("raisin train with its defaults", () => {
  const cwd = temporaryDirectory();
  const store = join(cwd, "miniflow");
  const bundled = join(ROOT, "data/raisins-simulated.csv");
  let outcome: Outcome;
  let directory: string;
  const artifact = (path: string) => join(directory, "artifacts", path);

  beforeAll(async () => {
    outcome = await raisin(["train"], { cwd });
    expect(outcome.stderr).not.toContain("error");
    expect(outcome.code).toBe(0);
    directory = runDirectories(store)[0]!;
  });

  test("leaves the files of a run, the registry and model.npz, and nothing else", () => {
    const run = `miniflow/experiments/raisin/runs/${basename(directory)}`;
    expect(basename(directory)).toMatch(/^[0-9a-f]{12}$/);
    expect(filesBelow(cwd)).toEqual(
      [
        "miniflow/registry.d/000000000001.json",
        "miniflow/registry.json",
        "model.npz",
        `${run}/artifacts/core/core.wasm`,
        `${run}/artifacts/data_sketch.json`,
        `${run}/artifacts/evaluation.json`,
        `${run}/artifacts/model/model.npz`,
        `${run}/artifacts/model/model_card.json`,
        `${run}/artifacts/train_profile.json`,
        `${run}/meta.json`,
        `${run}/metrics.jsonl`,
        `${run}/params.json`,
      ].sort(),
    );
  });

  test("says which data it was, and that it is simulated", () => {
    const lines = block(outcome.stdout, "dataset");
    expect(lines[0]).toContain(
      "raisins-simulated: 900 rows, 7 features, Class = Kecimen (1) or Besni (0)",
    );
    expect(lines[1]).toContain("simulated data");
    expect(lines[2]).toContain(sha256(bundled));
    expect(lines[3]).toContain(readJson(directory, "meta.json").dataset.content_digest);
    expect(lines[4]).toBe(
      "reading   comma between fields, double quotes, decimal point; all columns numeric",
    );
    expect(lines[5]).toContain("720 rows train, 180 validate");
    expect(lines).toHaveLength(6);
  });

  test("shows loss, accuracy, ROC AUC and Brier score of both parts", () => {
    const { train, validation } = readJson(artifact("model/model_card.json")).metrics;
    const rows = block(outcome.stdout, "                 train").slice(1);
    const shown = rows.map((line) => line.trim().split(/ {2,}/));
    const expected = [
      ["loss", "loss"],
      ["accuracy", "accuracy"],
      ["ROC AUC", "roc_auc"],
      ["Brier score", "brier"],
    ].map(([name, key]) => [name, train[key!], validation[key!]]);
    expect(shown.map(([name]) => name)).toEqual(expected.map(([name]) => name));
    shown.forEach(([, ofTrain, ofValidation], k) => {
      expect(Number(ofTrain)).toBeCloseTo(expected[k]![1], 5);
      expect(Number(ofValidation)).toBeCloseTo(expected[k]![2], 5);
    });
  });

  test("draws the loss from ln 2 down to where it ended", () => {
    const lines = block(outcome.stdout, "loss by iteration");
    expect(lines[0]).toContain("• train, · validation");
    expect(lines[1]).toMatch(/^0\.6931 ┤•/);
    const { loss } = readJson(artifact("model/model_card.json")).metrics.train;
    expect(lines[8]).toMatch(new RegExp(`^${loss.toFixed(4)} ┤ +•+$`));
    expect(lines.at(-1)).toMatch(/^ +0 +2000$/);
  });

  test("ranks coefficients by size, with odds ratios and bars in proportion", () => {
    const lines = block(outcome.stdout, "coefficients");
    expect(lines[0]).toContain("not converged");
    const rows = lines.slice(2, 2 + FEATURES.length).map((line) => {
      const [feature, weight, odds, bar] = line.trim().split(/ +/);
      return { feature: feature!, weight: Number(weight), odds: Number(odds), bar: bar! };
    });
    expect(rows.map(({ feature }) => feature).sort()).toEqual([...FEATURES].sort());
    const sizes = rows.map(({ weight }) => Math.abs(weight));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    const { w, featureNames } = decodeModel(readFileSync(join(cwd, "model.npz")));
    for (const { feature, weight, odds, bar } of rows) {
      const exact = w[featureNames.indexOf(feature)]!;
      expect(weight).toBeCloseTo(exact, 4);
      expect(Math.abs(odds / Math.exp(exact) - 1)).toBeLessThan(1e-3); // four digits are shown
      expect(bar[0]).toBe(exact < 0 ? "-" : "+");
      // Full blocks and at most one that is partly filled, 24 for the largest.
      const full = Math.floor((Math.abs(exact) / sizes[0]!) * 24 + 1 / 16);
      expect(
        Math.abs([...bar.slice(1)].filter((mark) => mark === "█").length - full),
      ).toBeLessThanOrEqual(1);
    }
    expect(rows[0]!.bar).toBe(`-${"█".repeat(24)}`);
    expect(lines.at(-1)).toMatch(/^\(bias\)/);
  });

  test("heads the end with NOT CONVERGED and what that means", () => {
    const lines = block(outcome.stdout, "NOT CONVERGED");
    const { gradient_max } = readJson(directory, "meta.json");
    expect(gradient_max).toBeGreaterThan(1e-4);
    expect(lines[0]).toContain(`${gradient_max.toExponential(3)} > 0.0001 after 2000 iterations`);
    expect(lines.join(" ")).toContain("not maximum-likelihood estimates");
    expect(lines.join(" ")).toContain("signs may still change");
  });

  test("ends with digests, the run directory and why it was promoted", () => {
    const lines = block(outcome.stdout, "model ").join("\n");
    expect(lines).toContain(`run       miniflow/experiments/raisin/runs/${basename(directory)}`);
    expect(lines).toContain(readJson(directory, "meta.json").model_digest);
    expect(lines).toContain(sha256(artifact("core/core.wasm")));
    expect(lines).toContain('promoted  yes: first finished run of model "raisin_logreg"');
  });

  test("writes plain lines to a stderr that is no terminal", () => {
    const lines = outcome.stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(41);
    expect(lines[0]).toMatch(/^ {3}0 {2}train_loss 0\.693147 /);
    expect(lines.at(-1)).toMatch(/^2000 {2}train_loss /);
    expect(outcome.stderr).not.toContain("\u001b");
    expect(outcome.stderr).not.toContain("\r");
  });

  test("registry.json names the run in the seed's shape", () => {
    const registry = readJson(store, "registry.json");
    expect(Object.keys(registry)).toEqual(["raisin_logreg"]);
    expect(registry.raisin_logreg).toMatchObject({
      production: basename(directory),
      updated_ts_ms: expect.any(Number),
    });
    const meta = readJson(directory, "meta.json");
    expect(registry.raisin_logreg.updated_ts_ms).toBeGreaterThanOrEqual(meta.end_ts_ms);
  });

  test("metrics.jsonl has a line a value, at 0, every 50 steps and the last", () => {
    const lines = readFileSync(join(directory, "metrics.jsonl"), "utf8").split("\n");
    expect(lines.pop()).toBe("");
    const records = lines.map((line) => JSON.parse(line));
    for (const record of records) {
      expect(Object.keys(record)).toEqual(["key", "value", "step", "seq", "ts_ms"]);
      expect(Number.isFinite(record.value)).toBe(true);
      expect(Number.isSafeInteger(record.ts_ms)).toBe(true);
    }
    const steps = Array.from({ length: 41 }, (_, k) => 50 * k);
    for (const key of ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]) {
      const some = records.filter((record) => record.key === key);
      expect(some.map(({ step }) => step)).toEqual(steps);
      expect(some.at(-1).value).toBe(readJson(directory, "meta.json").metrics[key]);
    }
    expect(records[0]).toMatchObject({ key: "train_loss", value: Math.LN2, step: 0 });
    expect(
      new Set(lines.map((line) => JSON.stringify({ ...JSON.parse(line), ts_ms: 0 }))).size,
    ).toBe(lines.length);
  });

  test("params.json has the flags' names in snake_case, resolved", () => {
    expect(readJson(directory, "params.json")).toEqual({
      label: "Class",
      positive: "Kecimen",
      features: FEATURES,
      ...READING,
      lr: 0.1,
      iterations: 2000,
      l2: 0,
      val_fraction: 0.2,
      seed: 42,
      log_every: 50,
      threshold: 0.5,
      class_weight: "none",
      experiment: "raisin",
      model: "raisin_logreg",
      promote_on: "val_accuracy",
      promote: true,
    });
  });

  test("meta.json has status, times, data, digests and versions", () => {
    const meta = readJson(directory, "meta.json");
    const model = readFileSync(artifact("model/model.npz"));
    expect(meta).toMatchObject({
      run_id: basename(directory),
      experiment: "raisin",
      kind: "train",
      status: "FINISHED",
      model: "raisin_logreg",
      converged: false,
      core_digest: sha256(artifact("core/core.wasm")),
      model_digest: modelDigest(decodeModel(model)),
      model_sha256: sha256(artifact("model/model.npz")),
      dataset: {
        name: "raisins-simulated",
        path: bundled,
        rows: 900,
        features: FEATURES,
        label: "Class",
        classes: ["Besni", "Kecimen"],
        file_sha256: sha256(bundled),
        content_digest: expect.stringMatching(HEX),
      },
      versions: {
        raisin: readJson(ROOT, "package.json").version,
        node: process.versions.node,
        abi: 1,
      },
      platform: `${process.platform}-${process.arch}`,
      git: null,
      promotion: { promoted: true, metric: "val_accuracy", validation_rows: 180 },
    });
    expect(meta.end_ts_ms).toBeGreaterThanOrEqual(meta.start_ts_ms);
    expect(model.equals(readFileSync(join(cwd, "model.npz")))).toBe(true);
  });

  test("core.wasm is the release core of the package", () => {
    expect(sha256(artifact("core/core.wasm"))).toBe(sha256(join(ROOT, "build/core.wasm")));
  });

  test("model_card.json says what it is, from what, how well, and its limits", () => {
    const card = readJson(artifact("model/model_card.json"));
    const meta = readJson(directory, "meta.json");
    expect(card).toMatchObject({
      schema: "raisin.model_card/1",
      data: { name: "raisins-simulated", rows: 900, file_sha256: sha256(bundled) },
      parameters: { lr: 0.1, iterations: 2000, l2: 0, val_fraction: 0.2, seed: 42, log_every: 50 },
      classes: { "0": "Besni", "1": "Kecimen" },
      split: {
        train: { rows: 720, labels: { Besni: 360, Kecimen: 360 } },
        validation: { rows: 180, labels: { Besni: 90, Kecimen: 90 } },
      },
      convergence: { converged: false, gradient_max: meta.gradient_max },
      model_digest: meta.model_digest,
      core_digest: meta.core_digest,
    });
    expect(card.metrics.validation.accuracy).toBe(meta.metrics.val_accuracy);
    expect(card.intended_use).not.toBe("");
    expect(card.limits.length).toBeGreaterThan(0);
    expect(card.coefficients.map(({ feature }: { feature: string }) => feature)).toEqual(FEATURES);
  });

  test("train_profile.json counts the training rows and holds none of them", () => {
    const profile = readJson(artifact("train_profile.json"));
    expect(profile.feature_order).toEqual(FEATURES);
    expect(profile.label_counts).toEqual({ Besni: 360, Kecimen: 360 });
    const { mean, std } = decodeModel(readFileSync(join(cwd, "model.npz")));
    expect(profile.means).toEqual([...mean]);
    expect(profile.stds).toEqual([...std]);
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    for (const [j, feature] of profile.features.entries()) {
      expect(feature).toMatchObject({ name: FEATURES[j], count: 720 });
      expect(feature.histogram.counts.every(Number.isInteger)).toBe(true);
      expect(sum(feature.histogram.counts)).toBe(720);
      expect(feature.quantiles.length).toBeLessThanOrEqual(73); // not finer than ten rows a bin
      expect([feature.quantiles[0], feature.quantiles.at(-1)]).toEqual([feature.min, feature.max]);
    }
    expect(sum(profile.logit.counts)).toBe(720);
    const lines = readFileSync(bundled, "utf8").trimEnd().split("\n").slice(1);
    const text = JSON.stringify(profile);
    for (const line of lines) expect(text).not.toContain(line.split(",").slice(0, 2).join(","));
  });

  test("evaluation.json has curves as counts of the validation rows", () => {
    const { schema, metrics, curve, calibration } = readJson(artifact("evaluation.json"));
    expect(schema).toBe("raisin.evaluation/1");
    expect(metrics.rows).toBe(180);
    expect(curve.at(-1)).toMatchObject({ tp: 90, fp: 90 });
    for (let k = 1; k < curve.length; k++) {
      expect(curve[k].threshold).toBeLessThan(curve[k - 1].threshold);
      expect(curve[k].tp + curve[k].fp).toBeGreaterThan(curve[k - 1].tp + curve[k - 1].fp);
    }
    const total = (key: string) =>
      calibration.reduce((sum: number, bin: Record<string, number>) => sum + bin[key]!, 0);
    expect([total("rows"), total("positives")]).toEqual([180, 90]);
  });
});

describe("raisin train", () => {
  const cwd = temporaryDirectory();
  const fast = ["--iterations", "20"];
  writeTable(cwd, "wine.csv");

  test("--json prints one object with all that the run is", async () => {
    const outcome = await raisin(["train", "--data", "wine.csv", "--json", ...fast], { cwd });
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.trimEnd()).not.toContain("\n");
    const answer: TrainAnswer = JSON.parse(outcome.stdout);
    const meta = readJson(answer.run_dir, "meta.json");
    expect(answer).toMatchObject({
      run_id: meta.run_id,
      model_digest: meta.model_digest,
      core_digest: meta.core_digest,
      dataset: {
        name: "wine",
        rows: 60,
        columns: ["a", "b", "c"].map((name) => ({ name, as: "number" })),
        features: ["a", "b", "c"],
        file_sha256: sha256(join(cwd, "wine.csv")),
        content_digest: meta.dataset.content_digest,
      },
      params: readJson(answer.run_dir, "params.json"),
      metrics: meta.metrics,
      converged: false,
      promoted: true,
      promotion_reason: 'first finished run of model "wine"',
      production: meta.run_id,
      guesses: [],
      warnings: [],
    });
    expect(answer.columns).toEqual(
      ["a", "b", "c"].map((name) => ({
        name,
        type: "numeric",
        use: "number",
        given: false,
        missing: 0,
      })),
    );
    expect(Object.keys(answer.metrics)).toEqual([
      "train_loss",
      "train_accuracy",
      "val_loss",
      "val_accuracy",
      "val_roc_auc",
      "val_brier",
    ]);
    // The file's stem names experiment and model.
    expect(answer.run_dir).toBe(join(cwd, "miniflow/experiments/wine/runs", answer.run_id));
    expect(readJson(cwd, "miniflow/registry.json").wine.production).toBe(answer.run_id);
  });

  test("--quiet prints nothing at all, and leaves the same files", async () => {
    const args = ["train", "--data", "wine.csv", "--quiet", "--store", "quiet", ...fast];
    expect(await raisin(args, { cwd })).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
    expect(readJson(cwd, "quiet/registry.json")).toHaveProperty("wine");
  });

  test("every parameter's flag reaches params.json and what it governs", async () => {
    const args = [
      ...["--label", "Class", "--positive", "no", "--features", "c,a", "--lr", "1e-2"],
      ...[
        "--iterations",
        "7",
        "--l2",
        ".5",
        "--val-fraction",
        "0.25",
        "--seed",
        "9007199254740991",
      ],
      ...["--log-every", "3", "--threshold", "0.25", "--experiment", "tuning", "--model", "sour"],
      ...["--store", "deep/store", "--out", "deep/out/m.npz", "--promote-on", "val_loss"],
      ...["--class-weight", "balanced", "--missing", "indicator", "--missing-tokens", "-,x"],
      ...["--max-levels", "9", "--base", "most-frequent", "--unseen", "base"],
      ...["--delimiter", "comma", "--quote", "none", "--thousands", "space"],
    ];
    const answer = await raisinJson<TrainAnswer>(["train", "--data", "wine.csv", ...args], { cwd });
    expect(answer.params).toEqual({
      label: "Class",
      positive: "no",
      features: ["a", "c"], // in the file's order, whatever the flag's
      ...READING,
      missing: "indicator",
      missing_tokens: ["-", "x"],
      base: "most-frequent",
      max_levels: 9,
      unseen: "base",
      quote: "none",
      thousands: "space",
      lr: 0.01,
      iterations: 7,
      l2: 0.5,
      val_fraction: 0.25,
      seed: 9007199254740991,
      log_every: 3,
      threshold: 0.25,
      class_weight: "balanced",
      experiment: "tuning",
      model: "sour",
      promote_on: "val_loss",
      promote: true,
    });
    expect(answer.run_dir).toContain(join(cwd, "deep/store/experiments/tuning/runs"));
    expect(readJson(cwd, "deep/store/registry.json")).toHaveProperty("sour");
    const model = decodeModel(readFileSync(join(cwd, "deep/out/m.npz")));
    expect(model.spec).toMatchObject({ classes: ["yes", "no"], threshold: 0.25, label: "Class" });
    const steps = readFileSync(join(answer.run_dir, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ key }) => key === "train_loss")
      .map(({ step }) => step);
    expect(steps).toEqual([0, 3, 6, 7]);
  });

  test.each([["--quote"], ["--thousands"]])(
    "%s none is a mark, for every command",
    async (flag) => {
      const none = [flag, "none", "--data", "wine.csv", "--store", `none${flag}`];
      const { params } = await raisinJson<TrainAnswer>(["train", ...none, ...fast], { cwd });
      expect(params).toMatchObject({ [flag.slice(2)]: "none" });
      expect(await raisin(["predict", ...none, "--out", "/dev/null"], { cwd })).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/^60 rows scored/),
      });
      expect(await raisin(["evaluate", ...none, "--quiet"], { cwd })).toMatchObject({ code: 0 });
    },
  );

  test("--drop leaves columns out, also when given twice or with a comma in the name", async () => {
    writeTable(cwd, "odd.csv", { features: ["a", "b", "c", '"x,y"'] });
    const args = ["train", "--data", "odd.csv", "--drop", '"x,y",a', "--drop", "c", ...fast];
    const answer = await raisinJson<TrainAnswer>(args, { cwd });
    expect(answer.dataset.features).toEqual(["b"]);
  });

  test("leaves out a column that looks like an identifier, and says so; keeps it, and warns, when it is named", async () => {
    const rows = Array.from(
      { length: 30 },
      (_, i) => `${i + 1},${(i * 7) % 11},${(i * 5) % 3 ? "u" : "v"}`,
    );
    writeFileSync(join(cwd, "ids.csv"), `row_id,size,Class\n${rows.join("\n")}\n`);
    const left =
      'column "row_id" is left out: it looks like an identifier (whole numbers, each once); --categorical or --numeric keeps it';
    const train = (...args: string[]) =>
      raisin(["train", "--data", "ids.csv", ...fast, ...args], { cwd });
    const cardOf = (store: string) =>
      readJson(runDirectories(join(cwd, store))[0]!, "artifacts/model/model_card.json").data;

    const outcome = await train("--store", "left");
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(
      /^columns {3}row_id {2}identifier {4}left out: it looks like an identifier \(whole numbers, each once\)$/m,
    );
    expect(outcome.stdout).not.toMatch(/^warning/m);
    expect(outcome.stderr.split("\n")[0]).toBe(`guess: ${left}`);
    expect(cardOf("left")).toMatchObject({ features: ["size"], guesses: [left], warnings: [] });
    // It changes the model, so --quiet does not keep it back.
    const quiet = await train("--store", "quietly", "--quiet");
    expect([quiet.stdout, quiet.stderr]).toEqual(["", `guess: ${left}\n`]);

    for (const [k, args] of [
      ["--numeric", "row_id"],
      ["--features", "row_id,size"],
    ].entries()) {
      const kept = await train("--store", `kept-${k}`, ...args);
      expect(kept.code).toBe(0);
      expect(kept.stdout).toMatch(/^warning {3}.*"row_id" looks like an identifier/m);
      expect(kept.stderr).toMatch(/^warning: .*"row_id" looks like an identifier/m);
      expect(kept.stderr).not.toMatch(/^guess/m);
      expect(cardOf(`kept-${k}`)).toMatchObject({
        features: ["row_id", "size"],
        guesses: [],
        warnings: [expect.stringContaining('"row_id" looks like an identifier')],
      });
    }
  });

  test("--val-fraction 0 trains on every row, promotes nothing and says so", async () => {
    const args = ["train", "--data", "wine.csv", "--val-fraction", "0", "--store", "all", ...fast];
    const outcome = await raisin(args, { cwd });
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toContain("60 rows train, 0 validate");
    expect(outcome.stdout).toMatch(/^promoted {2}no: every row was trained on/m);
    expect(outcome.stdout).toMatch(/^loss +0\.\d+ +–$/m);
    const run = runDirectories(join(cwd, "all"))[0]!;
    const { status, metrics, promotion } = readJson(run, "meta.json");
    expect(status).toBe("FINISHED");
    expect(promotion.promoted).toBe(false);
    expect(metrics).toMatchObject({
      val_loss: null,
      val_accuracy: null,
      val_roc_auc: null,
      val_brier: null,
    });
    expect(existsSync(join(cwd, "all/registry.json"))).toBe(false);
    expect(readFileSync(join(run, "metrics.jsonl"), "utf8")).not.toContain("val_");
  });

  test("says CONVERGED when the gradient is small, and calls the weights estimates", async () => {
    const args = [
      "train",
      "--data",
      "wine.csv",
      "--lr",
      "1",
      "--iterations",
      "5000",
      "--no-promote",
    ];
    const outcome = await raisin([...args, "--log-every", "5000"], { cwd });
    expect(outcome.stdout).toMatch(
      /^CONVERGED: max\|gradient\| \S+ ≤ 0\.0001 after 5000 iterations$/m,
    );
    expect(outcome.stdout).toContain("weights are maximum-likelihood estimates");
    expect(outcome.stdout).toMatch(/^coefficients of the standardised features$/m);
    expect(outcome.stdout).not.toContain("NOT CONVERGED");
  });

  test("a descent that leaves the finite numbers fails, and its run says why", async () => {
    const args = ["train", "--data", "wine.csv", "--lr", "1e300", "--l2", "1", "--store", "far"];
    const outcome = await raisin([...args, "--quiet", "--out", "far.npz"], { cwd });
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toBe("");
    expect(outcome.stderr).toMatch(/^error: .*lower the learning rate \(now 1e\+300\)\n$/);
    const run = runDirectories(join(cwd, "far"))[0]!;
    expect(readJson(run, "meta.json")).toMatchObject({
      status: "FAILED",
      error: expect.stringContaining("lower the learning rate"),
    });
    expect(existsSync(join(cwd, "far/registry.json"))).toBe(false);
    expect(existsSync(join(cwd, "far.npz"))).toBe(false);
  });

  test("names of experiments never lead out of the store", async () => {
    const store = join(cwd, "names");
    mkdirSync(store);
    const before = filesBelow(cwd);
    for (const name of ["../x", "a/b", "名前", "..", "/etc", ".hidden", "C:\\x", "x".repeat(250)]) {
      const args = ["train", "--data", "wine.csv", "--experiment", name, "--model", name];
      const answer = await raisinJson<TrainAnswer>(
        [...args, "--store", store, "--out", "m.npz", "--iterations", "2"],
        { cwd },
      );
      expect(answer.run_dir.slice(store.length)).toMatch(
        /^\/experiments\/[A-Za-z0-9][A-Za-z0-9-]*\/runs\/[0-9a-f]{12}$/,
      );
      const meta = readJson(answer.run_dir, "meta.json");
      expect([meta.experiment, meta.model]).toEqual([name, name]);
      expect(readJson(store, "registry.json")[name].production).toBe(answer.run_id);
    }
    const after = filesBelow(cwd).filter((path) => !path.startsWith("names/") && path !== "m.npz");
    expect(after).toEqual(before);
  });

  test.each([
    ["300 characters", "x".repeat(300)],
    ["empty", ""],
    ["a control character", "a\u001bb"],
    ["a blank at the end", "a "],
  ])("refuses a name with %s before it trains", async (_, name) => {
    for (const flag of ["--experiment", "--model"]) {
      const outcome = await raisin(["train", flag, name, "--store", "unnamed"], { cwd });
      expect(outcome.code).toBe(2);
      expect(outcome.stderr).toContain(
        "Names of experiments and models must have 1 to 250 characters",
      );
    }
    expect(existsSync(join(cwd, "unnamed"))).toBe(false);
  });

  test("takes the bundled file by path for the raisins, and a copy for a file of its own", async () => {
    const bundled = join(ROOT, "data/raisins-simulated.csv");
    writeFileSync(join(cwd, "copy.csv"), readFileSync(bundled));
    const names = [];
    for (const data of [bundled, "copy.csv"]) {
      const args = ["train", "--data", data, "--store", "named", ...fast];
      const { params } = await raisinJson<TrainAnswer>(args, { cwd });
      names.push([params.experiment, params.model]);
    }
    expect(names).toEqual([
      ["raisin", "raisin_logreg"],
      ["copy", "copy"],
    ]);
  });

  test("only the bundled file is called simulated, whatever another's name", async () => {
    const cwd = temporaryDirectory();
    const path = writeTable(cwd, "raisins-simulated.csv");
    const args = ["train", "--data", path, "--iterations", "2"];
    const { code, stdout } = await raisin(args, { cwd });
    expect(code).toBe(0);
    expect(stdout).not.toContain("simulated data");
  });

  test("--out is looked at before the training, follows a link and spares a device", async () => {
    const train = (...args: string[]) =>
      raisin(["train", "--data", "wine.csv", "--quiet", "--store", "outs", ...fast, ...args], {
        cwd,
      });
    const refused = await train("--out", ".");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("is a directory");
    expect(existsSync(join(cwd, "outs"))).toBe(false);
    writeFileSync(join(cwd, "target.npz"), "old");
    symlinkSync("target.npz", join(cwd, "link.npz"));
    expect((await train("--out", "link.npz")).code).toBe(0);
    decodeModel(readFileSync(join(cwd, "target.npz")));
    expect((await train("--out", "/dev/null")).code).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });
});
