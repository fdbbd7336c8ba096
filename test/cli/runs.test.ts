// Do `raisin runs …` show, compare, search and delete what is recorded, for people, for pull requests and for programs?
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Json,
  type Outcome,
  raisin,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const cwd = temporaryDirectory();
let first: TrainAnswer;
let second: TrainAnswer;

const run = (...words: string[]): Promise<Outcome> => raisin(words, { cwd });
const json = async (...words: string[]): Promise<Json> => {
  const { code, stdout, stderr } = await run(...words, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
};

beforeAll(async () => {
  writeTable(cwd, "wine.csv", { rows: 80 });
  const train = (...more: string[]) =>
    raisinJson<TrainAnswer>(["train", "--data", "wine.csv", "--iterations", "100", ...more], {
      cwd,
    });
  first = await train();
  second = await train("--lr", "0.5", "--experiment", "more");
});

describe("raisin runs list", () => {
  test("is a table, the newest first, with the metrics on held-out rows", async () => {
    const { code, stdout, stderr } = await run("runs", "list");
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^run +experiment +status +started +took +val_loss +val_accuracy /);
    expect(lines.slice(1).map((line) => line.slice(0, 12))).toEqual([second.run_id, first.run_id]);
    expect(lines[2]).toMatch(/wine +FINISHED +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +\d+ ms /);
  });

  test("--json gives everything of all runs, --md a table for a pull request", async () => {
    const { total, runs } = await json("runs", "list");
    expect(total).toBe(2);
    expect(runs[1]).toMatchObject({
      run_id: first.run_id,
      experiment: "wine",
      status: "FINISHED",
      kind: "train",
      model: "wine",
      parent_run_id: null,
      is_deleted: false,
      error: null,
      bad_lines: 0,
    });
    expect(runs[1].params.lr).toBe(0.1);
    expect(runs[1].metrics.val_loss).toMatchObject({
      last: first.metrics.val_loss,
      step: 100,
      count: 3,
    });
    expect(runs[1].datasets).toEqual([
      { name: "wine", digest: first.dataset.content_digest, context: "training" },
    ]);
    const { stdout } = await run("runs", "list", "--md");
    const [head, rule, ...rows] = stdout.trimEnd().split("\n");
    expect(head).toMatch(/^\| run +\| experiment +\| status /);
    expect(rule).toMatch(/^\| -+ \| -+ \|.*-: \|$/);
    expect(rows).toHaveLength(2);
  });

  test("--columns, --order-by, --limit, --experiment", async () => {
    const { stdout } = await run(
      ...["runs", "list", "--columns", "params.lr,metrics.val_loss,attributes.kind,tags.none"],
      ...["--order-by", "params.lr ASC", "--limit", "1"],
    );
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/took +params\.lr +val_loss +attributes\.kind +tags\.none$/);
    expect(lines[1]).toMatch(new RegExp(`^${first.run_id} .* 0\\.1 +0\\.\\d+ +train +–$`));
    expect(lines.slice(2)).toEqual(["", "1 of 2 runs; --limit shows more"]);
    const one = await json("runs", "list", "--experiment", "more");
    expect(one.runs.map(({ run_id }: Json) => run_id)).toEqual([second.run_id]);
  });

  test("of a store without runs, and one that does not exist, says so", async () => {
    const { code, stdout } = await run("runs", "list", "--store", "none");
    expect([code, stdout]).toEqual([0, "There are no runs in none\n"]);
    expect(await json("runs", "list", "--store", "none")).toEqual({
      store: "none",
      total: 0,
      runs: [],
    });
  });

  test("RAISIN_STORE names the store, unless --store does; empty is none", async () => {
    const list = (env: Record<string, string>, ...more: string[]) =>
      raisin(["runs", "list", "--json", ...more], { cwd, env });
    const elsewhere = await list({ RAISIN_STORE: "none" });
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ store: "none", total: 0 });
    const named = await list({ RAISIN_STORE: "none" }, "--store", "miniflow");
    expect(JSON.parse(named.stdout)).toMatchObject({ store: "miniflow", total: 2 });
    expect(JSON.parse((await list({ RAISIN_STORE: "" })).stdout).total).toBe(2);
  });

  test("a run whose process was killed is shown as interrupted", async () => {
    const store = join(cwd, "died");
    const script = `
      import { startRun } from ${JSON.stringify(join(import.meta.dirname, "../../build/dist/miniflow/index.js"))};
      await startRun({ store: ${JSON.stringify(store)}, experiment: "x" });
      process.kill(process.pid, "SIGKILL");`;
    writeFileSync(join(cwd, "die.mjs"), script);
    const { runNode } = await import("../support/cli.ts");
    expect((await runNode(["die.mjs"], { cwd })).signal).toBe("SIGKILL");
    const { runs } = await json("runs", "list", "--store", "died");
    expect(runs[0].status).toBe("INTERRUPTED");
    const found = await json("runs", "search", "status = 'INTERRUPTED'", "--store", "died");
    expect(found.total).toBe(1);
  });
});

describe("raisin runs search", () => {
  test("finds by metric, parameter and dataset, in MLflow's words", async () => {
    const ids = async (filter: string) =>
      (await json("runs", "search", filter)).runs.map(({ run_id }: Json) => run_id);
    expect(await ids("params.lr = '0.5'")).toEqual([second.run_id]);
    expect(await ids("metrics.val_loss < 1 and datasets.name = 'wine'")).toEqual([
      second.run_id,
      first.run_id,
    ]);
    expect(await ids("experiment = 'more' AND model LIKE 'w%'")).toEqual([second.run_id]);
    expect(await ids("metrics.val_roc_auc > 2")).toEqual([]);
    expect((await run("runs", "search", "metrics.none > 0")).stdout).toBe("No run fits\n");
  });

  test.each([
    [["runs", "search", "lr = 1"], /There is no attribute "lr"/],
    [["runs", "search", "metrics.a ~ 1"], /at character 11: expected an operator/],
    [["runs", "list", "--order-by", "metrics.a UP"], /expected ASC, DESC/],
    [["runs", "list", "--columns", "weights.a"], /it must be metrics\.<key>/],
    [["runs", "list", "--limit", "0"], /whole number from 1/],
    [["runs", "list", "--json", "--md"], /not both/],
    [["runs", "compare", "0123456789ab"], /at least two runs/],
    [["runs", "gc", "--older-than", "soon"], /such as 30d/],
    [["runs", "sho"], /unknown command 'sho'/],
  ])("%j is a usage error", async (words, message) => {
    const { code, stdout, stderr } = await run(...words);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });
});

describe("raisin runs show", () => {
  test("tells all of a run, and draws its curves", async () => {
    const { code, stdout } = await run("runs", "show", first.run_id);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^run +${first.run_id}\nexperiment +wine\nstatus +FINISHED\n`),
    );
    expect(stdout).toMatch(/registered +wine version 1 \(production\)/);
    expect(stdout).toMatch(/loss by step \(• train_loss, · val_loss\)\n0\.6931 ┤/);
    expect(stdout).toMatch(/parameter +value\nlabel +Class\n/);
    expect(stdout).toMatch(/metric +last +at step +least +most +values\ntrain_loss /);
    expect(stdout).toMatch(/model\/model\.npz +\d+\n/);
    // A directory names a run as well as an id.
    expect((await run("runs", "show", first.run_dir)).stdout).toBe(stdout);
  });

  test("--json has the history, --md no drawings", async () => {
    const shown = await json("runs", "show", first.run_id);
    expect(shown).toMatchObject({
      run_id: first.run_id,
      status: "FINISHED",
      registered: ["wine version 1 (production)"],
      bad_lines: [],
      deleted_ts_ms: null,
    });
    expect(shown.history.val_loss.map(([step]: number[]) => step)).toEqual([0, 50, 100]);
    expect(shown.meta.git).toBeNull();
    expect(shown.meta.versions.core).toMatch(/^[0-9a-f]{64}$/);
    const { stdout } = await run("runs", "show", first.run_id, "--md");
    expect(stdout).toContain("## Parameters\n\n| parameter");
    expect(stdout).not.toContain("┤");
  });

  test("what a file says cannot drive the terminal", async () => {
    const store = join(cwd, "hostile/experiments/x/runs/0123456789ab");
    mkdirSync(store, { recursive: true });
    const text = "\u001b[2J\u202eevil|`<script>";
    const meta = {
      run_id: "0123456789ab",
      experiment: text,
      status: text,
      name: text,
      start_ts_ms: "x",
    };
    writeFileSync(join(store, "meta.json"), JSON.stringify(meta));
    writeFileSync(join(store, "params.json"), JSON.stringify({ [text]: text }));
    for (const words of [["list"], ["show", "0123456789ab"], ["list", "--md"]]) {
      const { code, stdout } = await run("runs", ...words, "--store", "hostile");
      expect(code).toBe(0);
      expect(stdout).toContain("evil");
      expect(stdout).not.toContain("\u001b");
      expect(stdout).not.toContain("\u202e");
      if (words.includes("--md")) expect(stdout).toContain("evil\\|\\`\\<script\\>");
    }
  });
});

describe("raisin runs compare", () => {
  test("shows only what differs", async () => {
    const { stdout } = await run("runs", "compare", first.run_id, second.run_id);
    expect(stdout).toMatch(new RegExp(`^ +${first.run_id} +${second.run_id}\n`));
    expect(stdout).toMatch(/\nexperiment +wine +more\n/);
    expect(stdout).toMatch(/\nparams\.lr +0\.1 +0\.5\n/);
    expect(stdout).not.toMatch(/params\.seed/);
    expect(stdout).toMatch(/\n\d+ fields are the same; --all shows them\n$/);
    const all = (await run("runs", "compare", first.run_id, second.run_id, "--all")).stdout;
    expect(all).toMatch(/\nparams\.seed +42 +42\n/);
  });

  test("--json has the differences by name", async () => {
    const answer = await json("runs", "compare", first.run_id, second.run_id);
    expect(answer.runs).toEqual([first.run_id, second.run_id]);
    expect(answer.differences["params.lr"]).toEqual([0.1, 0.5]);
    expect(answer.differences["metrics.val_loss"]).toEqual([
      first.metrics.val_loss,
      second.metrics.val_loss,
    ]);
    expect(answer.same).toBeGreaterThan(10);
    expect((await run("runs", "compare", first.run_id, second.run_id, "--md")).stdout).toMatch(
      /\n\| params\.lr +\| +0\.1 \| +0\.5 \|\n/,
    );
  });
});

describe("raisin runs delete, restore, gc", () => {
  let spare: TrainAnswer;
  beforeAll(async () => {
    const args = ["train", "--data", "wine.csv", "--iterations", "5", "--no-promote"];
    spare = await raisinJson<TrainAnswer>(args, { cwd });
  });

  test("a deleted run is gone from lists, comes back, and goes for good by gc alone", async () => {
    const listed = async (...more: string[]) =>
      (await json("runs", "list", ...more)).runs.map(({ run_id }: Json) => run_id);
    expect((await run("runs", "delete", spare.run_id)).stdout).toContain(`deleted ${spare.run_id}`);
    expect(await listed()).not.toContain(spare.run_id);
    expect(await listed("--deleted")).toEqual([spare.run_id]);
    expect((await json("runs", "show", spare.run_id)).deleted_ts_ms).toEqual(expect.any(Number));
    await run("runs", "restore", spare.run_id);
    expect(await listed()).toContain(spare.run_id);
    expect(await json("runs", "gc")).toEqual({ dry_run: false, removed: [], kept: [], swept: [] });
    await run("runs", "delete", spare.run_id);
    expect((await json("runs", "gc", "--older-than", "1d")).removed).toEqual([]);
    expect((await json("runs", "gc", "--dry-run")).removed).toEqual([spare.run_id]);
    expect(await listed("--deleted")).toEqual([spare.run_id]);
    expect((await run("runs", "gc")).stdout).toBe(`removed run ${spare.run_id}\n`);
    expect(await listed("--deleted")).toEqual([]);
    expect((await run("runs", "show", spare.run_id)).code).toBe(2);
  });

  test("the production run is not deleted, nor anything when one of several is wrong", async () => {
    const { code, stderr } = await run("runs", "delete", first.run_id);
    expect([code, stderr]).toEqual([2, expect.stringContaining('as it is production of "wine"')]);
    expect((await run("runs", "delete", second.run_id, "0123456789ab")).code).toBe(2);
    expect((await json("runs", "list", "--deleted")).total).toBe(0);
  });
});

describe("raisin doctor", () => {
  test("finds a bad line, a changed model and a rewritten history, and nothing in a healthy store", async () => {
    const healthy = await json("doctor");
    expect(healthy).toMatchObject({
      healthy: true,
      findings: [],
      core_released: expect.any(String),
    });
    expect((await run("doctor")).stdout).toMatch(/verdict +healthy\n$/);
    expect((await run("doctor", "--anchor", healthy.head_sha256)).code).toBe(0);
    const metrics = join(first.run_dir, "metrics.jsonl");
    const text = readFileSync(metrics, "utf8");
    writeFileSync(metrics, text.replace("{", "x"));
    const line = await json("doctor");
    expect(line.healthy).toBe(true);
    expect(line.findings).toEqual([
      { level: "warning", path: metrics, problem: "line 1 is not a metric" },
    ]);
    expect((await json("runs", "list")).runs.at(-1)).toMatchObject({
      bad_lines: 1,
      status: "FINISHED",
    });
    writeFileSync(metrics, text);
    const model = join(first.run_dir, "artifacts/model/model.npz");
    const bytes = readFileSync(model);
    writeFileSync(model, Buffer.concat([bytes, Buffer.from([0])]));
    const changed = await run("doctor");
    expect([changed.code, changed.stdout]).toEqual([
      1,
      expect.stringMatching(/error +.*its SHA-256 is/),
    ]);
    writeFileSync(model, bytes);
    expect((await run("doctor", "--anchor", "0".repeat(64))).code).toBe(1);
    rmSync(join(cwd, "miniflow/registry.d"), { recursive: true });
    expect((await run("doctor", "--anchor", healthy.head_sha256)).code).toBe(1);
  });
});
