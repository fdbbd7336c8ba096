// Does `raisin evaluate` give the figures of new rows, and record them as a run?
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  filesBelow,
  noisyTable,
  raisin,
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

interface EvaluateAnswer {
  readonly run_id: string;
  readonly run_dir: string;
  readonly model_digest: string;
  readonly model_run: string | null;
  readonly core_digest: string;
  readonly dataset: { readonly name: string; readonly rows: number };
  readonly metrics: {
    readonly [key: string]: number | null | Record<string, number>;
  };
}

const cwd = temporaryDirectory();
let trained: TrainAnswer;
let registry: string;

beforeAll(async () => {
  writeTable(cwd, "wine.csv");
  writeTable(cwd, "fresh.csv", { seed: 7, rows: 40 });
  const args = ["train", "--data", "wine.csv", "--iterations", "60", "--threshold", "0.4"];
  trained = await raisinJson<TrainAnswer>(args, { cwd });
  registry = readFileSync(join(cwd, "miniflow/registry.json"), "utf8");
});

/** The metrics by their definitions, pair by pair and row by row, from what predict wrote. */
function metricsByDefinition(csv: string): Record<string, number> {
  const [, ...lines] = csv.trimEnd().split("\n");
  const rows = lines.map((line) => {
    const cells = line.split(",");
    return { y: Number(cells[3] === "yes"), pred: Number(cells[4]), p: Number(cells[6]) };
  });
  const n = rows.length;
  const mean = (of: (row: (typeof rows)[number]) => number) =>
    rows.reduce((sum, row) => sum + of(row), 0) / n;
  const count = (y: number, pred: number) =>
    rows.filter((row) => row.y === y && row.pred === pred).length;
  const [tn, fp, fn, tp] = [count(0, 0), count(0, 1), count(1, 0), count(1, 1)];
  const pairs = rows
    .filter(({ y }) => y === 1)
    .flatMap((a) =>
      rows.filter(({ y }) => y === 0).map((b) => (a.p > b.p ? 1 : a.p === b.p ? 0.5 : 0)),
    );
  const ranked = [...rows].sort((a, b) => b.p - a.p); // no ties among the rows of this test
  const precisions = ranked.flatMap(({ y }, k) =>
    y === 1 ? [ranked.slice(0, k + 1).filter((row) => row.y === 1).length / (k + 1)] : [],
  );
  return {
    loss: mean(({ y, p }) => -Math.log(y === 1 ? p : 1 - p)),
    accuracy: (tp + tn) / n,
    roc_auc: pairs.reduce((sum: number, win) => sum + win, 0) / pairs.length,
    average_precision: precisions.reduce((sum, value) => sum + value, 0) / precisions.length,
    brier: mean(({ y, p }) => (p - y) ** 2),
    precision: tp / (tp + fp),
    recall: tp / (tp + fn),
    f1: (2 * tp) / (2 * tp + fp + fn),
    mcc: (tp * tn - fp * fn) / Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
  };
}

describe("raisin evaluate", () => {
  test("--json gives every metric, by its definition", async () => {
    const answer = await raisinJson<EvaluateAnswer>(["evaluate", "--data", "fresh.csv"], { cwd });
    const { stdout } = await raisin(["predict", "--data", "fresh.csv"], { cwd });
    const { rows, confusion, ...figures } = answer.metrics;
    const expected = metricsByDefinition(stdout);
    expect(Object.keys(figures)).toEqual(Object.keys(expected));
    // Sums of 40 terms in another order: far below 1e-12 apart.
    for (const [key, value] of Object.entries(expected)) {
      expect(Math.abs((figures[key] as number) - value), key).toBeLessThan(1e-12);
    }
    const { tn, fp, fn, tp } = confusion as Record<"tn" | "fp" | "fn" | "tp", number>;
    expect([tn + fp + fn + tp, rows]).toEqual([40, 40]);
    expect(answer).toMatchObject({
      model_digest: trained.model_digest,
      model_run: trained.run_id,
      core_digest: trained.core_digest,
      dataset: { name: "fresh", rows: 40 },
    });
  });

  test("records a run beside the model's, and leaves the registry alone", async () => {
    const answer = await raisinJson<EvaluateAnswer>(["evaluate", "--data", "fresh.csv"], { cwd });
    expect(answer.run_dir).toBe(join(cwd, "miniflow/experiments/wine/runs", answer.run_id));
    expect(filesBelow(answer.run_dir)).toEqual([
      "artifacts/evaluation.json",
      "meta.json",
      "metrics.jsonl",
      "params.json",
    ]);
    expect(readJson(answer.run_dir, "meta.json")).toMatchObject({
      kind: "evaluate",
      status: "FINISHED",
      model: "wine",
      model_run: trained.run_id,
      model_digest: trained.model_digest,
      metrics: answer.metrics,
      dataset: { name: "fresh", path: join(cwd, "fresh.csv"), rows: 40 },
    });
    expect(readJson(answer.run_dir, "params.json")).toEqual({
      model_digest: trained.model_digest,
      model_run: trained.run_id,
    });
    const evaluation = readJson(answer.run_dir, "artifacts/evaluation.json");
    expect(evaluation.metrics).toEqual(answer.metrics);
    const lines = readFileSync(join(answer.run_dir, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const logged = new Map(lines.map((line) => [JSON.parse(line).key, JSON.parse(line).value]));
    expect(logged.get("eval_loss")).toBe(answer.metrics.loss);
    expect(logged.get("eval_rows")).toBe(40);
    expect(readFileSync(join(cwd, "miniflow/registry.json"), "utf8")).toBe(registry);
  });

  test("prints figures and the confusion counts for people, and nothing with --quiet", async () => {
    const { code, stdout } = await raisin(["evaluate", "--data", "fresh.csv"], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain(`production of "wine", run ${trained.run_id}`);
    for (const key of ["loss", "accuracy", "roc_auc", "average_precision", "brier", "mcc"]) {
      expect(stdout).toMatch(new RegExp(`^${key} +-?\\d`, "m"));
    }
    expect(stdout).toMatch(/^ +predicted no +predicted yes$/m);
    const quiet = await raisin(["evaluate", "--data", "fresh.csv", "--quiet"], { cwd });
    expect(quiet).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  test("by the rows it was trained on, gives what training said of them", async () => {
    const args = ["train", "--data", "wine.csv", "--val-fraction", "0", "--no-promote"];
    const all = await raisinJson<TrainAnswer>([...args, "--out", "all.npz", "--iterations", "9"], {
      cwd,
    });
    const answer = await raisinJson<EvaluateAnswer>(
      ["evaluate", "--data", "wine.csv", "--model-file", "all.npz", "--experiment", "checks"],
      { cwd },
    );
    expect(answer.metrics.loss).toBe(all.metrics.train_loss);
    expect(answer.metrics.accuracy).toBe(all.metrics.train_accuracy);
    expect(answer.model_run).toBeNull();
    expect(answer.run_dir).toContain("/experiments/checks/");
  });

  test("rows of one class only have no AUC, and that is no error", async () => {
    const [header, ...rows] = noisyTable({ seed: 7 }).trimEnd().split("\n");
    writeFileSync(
      join(cwd, "yes.csv"),
      [header, ...rows.filter((row) => row.endsWith("yes"))].join("\n"),
    );
    const { metrics } = await raisinJson<EvaluateAnswer>(["evaluate", "--data", "yes.csv"], {
      cwd,
    });
    expect([metrics.roc_auc, metrics.average_precision]).toEqual([null, null]);
    expect(metrics.accuracy).toBeGreaterThan(0);
  });

  test.each([
    [
      "a class the model does not know",
      "a,b,c,Class\n1,2,3,yes\n1,2,3,maybe\n",
      /"maybe" is not a class of the model/,
    ],
    ["no label column", "a,b,c\n1,2,3\n", /label column "Class"/],
    ["no such feature", "a,b,Class\n1,2,yes\n", /"c"/],
  ])("%s: exit 5, and no run", async (_, text, message) => {
    writeFileSync(join(cwd, "bad.csv"), text);
    const before = filesBelow(join(cwd, "miniflow"));
    const { code, stdout, stderr } = await raisin(["evaluate", "--data", "bad.csv", "--json"], {
      cwd,
    });
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(message);
    expect(filesBelow(join(cwd, "miniflow"))).toEqual(before);
  });
});
