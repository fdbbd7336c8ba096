// Do `raisin models …` promote what is better by more than noise, say who, when and why, and roll back?
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Json,
  noisyTable,
  type Outcome,
  raisin,
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

/** A store with a poor production run and better ones beside it. */
async function workshop() {
  const cwd = temporaryDirectory();
  writeTable(cwd, "wine.csv", { rows: 300 });
  const run = (...words: string[]): Promise<Outcome> => raisin(words, { cwd });
  const json = async (...words: string[]): Promise<Json> => {
    const outcome = await run(...words, "--json");
    return { ...JSON.parse(outcome.stdout), code: outcome.code };
  };
  const train = (...more: string[]) =>
    raisinJson<TrainAnswer>(["train", "--data", "wine.csv", "--model", "m", ...more], { cwd });
  const production = () => readJson(cwd, "miniflow/registry.json").m.production;
  const poor = await train("--iterations", "1", "--threshold", "0.9");
  const good = await train("--iterations", "500", "--no-promote");
  return { cwd, run, json, train, production, poor, good };
}

describe("raisin models promote", () => {
  test("compares on the run's own validation rows, and records who, when, why and both figures", async () => {
    const { json, run, production, poor, good } = await workshop();
    const answer = await json(
      "models",
      "promote",
      good.run_id,
      "--by",
      "Ann Lee",
      "--why",
      "autumn",
    );
    expect(answer).toMatchObject({ code: 0, promoted: true, model: "m", run_id: good.run_id });
    expect(answer.decision.candidate).toBe(good.metrics.val_accuracy);
    expect(answer.decision.production).toBe(poor.metrics.val_accuracy);
    expect(production()).toBe(good.run_id);
    const { changes } = await json("models", "history", "m");
    expect(changes[0]).toMatchObject({
      generation: 2,
      action: "promote",
      alias: "production",
      from: poor.run_id,
      to: good.run_id,
      version: 2,
      by: "Ann Lee",
      reason: expect.stringMatching(/^autumn \(val_accuracy \S+ beats /),
      figures: {
        metric: "val_accuracy",
        candidate: good.metrics.val_accuracy,
        production: poor.metrics.val_accuracy,
      },
    });
    expect(changes[0].ts_ms).toBeGreaterThanOrEqual(changes[1].ts_ms);
    const { stdout } = await run("models", "history");
    expect(stdout.split("\n")[1]).toMatch(
      /^2 .* m +promote +\w+ → \w+ +Ann Lee +val_accuracy .* autumn/,
    );
    expect((await run("models", "history", "--md")).stdout).toMatch(/^\| generation \| when /);
  });

  test("a second time is no change and no error; a worse one is declined with exit 3", async () => {
    const { json, run, production, poor, good } = await workshop();
    await json("models", "promote", good.run_id);
    const again = await run("models", "promote", good.run_id);
    expect([again.code, again.stdout]).toEqual([
      0,
      expect.stringContaining('production of "m" already'),
    ]);
    const worse = await run("models", "promote", poor.run_id);
    expect(worse.code).toBe(3);
    expect(worse.stdout).toMatch(/^kept: run .* does not beat /s);
    expect(production()).toBe(good.run_id);
    expect((await json("models", "history")).changes).toHaveLength(2);
    const forced = await json("models", "promote", poor.run_id, "--force", "--why", "audit");
    expect(forced).toMatchObject({ code: 0, promoted: true, decision: null, reason: "audit" });
    expect(production()).toBe(poor.run_id);
  });

  test("--min-gain and --significance ask for more than a difference", async () => {
    const { json, train, good } = await workshop();
    const gain = await json("models", "promote", good.run_id, "--min-gain", "0.99");
    expect(gain).toMatchObject({ code: 3, promoted: false });
    expect(gain.reason).toMatch(/the gain of \S+ is below 0\.99/);
    const sure = await json("models", "promote", good.run_id, "--significance", "0.05");
    expect(sure).toMatchObject({ code: 0, promoted: true });
    expect(sure.decision.paired_test.name).toMatch(/^McNemar's exact test, \d+ rows to \d+$/);
    expect(sure.decision.paired_test.p_value).toBeLessThan(0.05);
    // Hardly another model: better on the loss, but not by more than noise.
    const close = await train("--iterations", "501", "--no-promote");
    const test = ["models", "promote", close.run_id, "--promote-on", "val_loss"];
    const doubtful = await json(...test, "--significance", "0.0001");
    expect(doubtful).toMatchObject({ code: 3, promoted: false });
    expect(doubtful.decision.paired_test.name).toBe("paired sign-flip test");
  });

  test("train takes the same gates, and records them", async () => {
    const { train, production, poor } = await workshop();
    const gated = await train("--iterations", "400", "--min-gain", "0.9", "--significance", "0.01");
    expect(gated.promoted).toBe(false);
    expect(gated.params).toMatchObject({ min_gain: 0.9, significance: 0.01 });
    expect(gated.promotion_reason).toMatch(/is below 0\.9; McNemar's exact test/);
    expect(production()).toBe(poor.run_id);
    const passed = await train("--iterations", "400", "--significance", "0.05");
    expect(passed.promoted).toBe(true);
    expect(readJson(passed.run_dir, "meta.json").promotion.paired_test.p_value).toBeLessThan(0.05);
  });

  test("without the run's data it says what to do; other labelled rows serve, too", async () => {
    const { cwd, run, json, good } = await workshop();
    renameSync(join(cwd, "wine.csv"), join(cwd, "moved.csv"));
    const gone = await run("models", "promote", good.run_id);
    expect(gone.code).not.toBe(0);
    expect(gone.stderr).toContain("wine.csv");
    writeFileSync(join(cwd, "wine.csv"), noisyTable({ rows: 90, seed: 9 }));
    const changed = await run("models", "promote", good.run_id);
    expect([changed.code, changed.stderr]).toEqual([2, expect.stringContaining("--data")]);
    const other = await json(
      "models",
      "promote",
      good.run_id,
      "--data",
      "wine.csv",
      "--promote-on",
      "val_loss",
    );
    expect(other).toMatchObject({ code: 0, promoted: true });
    expect(other.decision.validation_rows).toBe(90);
  });

  test("a run of another program is promoted by force alone", async () => {
    const { cwd, run, json } = await workshop();
    const library = join(import.meta.dirname, "../../build/dist/miniflow/index.js");
    writeFileSync(
      join(cwd, "own.mjs"),
      `import { startRun } from ${JSON.stringify(library)};
       const run = await startRun({ experiment: "own" }); run.logMetric("auc", 0.9); run.endRun(); console.log(run.id);`,
    );
    const { runNode } = await import("../support/cli.ts");
    const id = (await runNode(["own.mjs"], { cwd })).stdout.trim();
    expect((await run("models", "promote", id)).stderr).toContain("name one with --model");
    expect((await run("models", "promote", id, "--model", "m")).stderr).toMatch(
      /no training of raisin.*--force/,
    );
    expect(await json("models", "promote", id, "--model", "own")).toMatchObject({
      code: 0,
      promoted: true,
    });
    expect(await json("models", "promote", id, "--model", "m", "--force")).toMatchObject({
      code: 0,
      promoted: true,
    });
  });

  test("a run whose model was changed is not promoted, by force neither", async () => {
    const { run, production, poor, good } = await workshop();
    copyFileSync(
      join(poor.run_dir, "artifacts/model/model.npz"),
      join(good.run_dir, "artifacts/model/model.npz"),
    );
    for (const more of [[], ["--force"]]) {
      const { code, stderr } = await run("models", "promote", good.run_id, ...more);
      expect([code, stderr]).toEqual([1, expect.stringContaining("its model has changed")]);
    }
    expect(production()).toBe(poor.run_id);
  });
});

describe("raisin models rollback", () => {
  let shop: Awaited<ReturnType<typeof workshop>>;
  beforeAll(async () => {
    shop = await workshop();
    await shop.json("models", "promote", shop.good.run_id);
  });

  test("goes back to what was there before, by version or run, each on record", async () => {
    const { json, run, production, poor, good } = shop;
    const back = await json("models", "rollback", "m", "--why", "complaints");
    expect(back).toMatchObject({ code: 0, rolled_back: true });
    expect(back.change).toMatchObject({
      action: "rollback",
      from: good.run_id,
      to: poor.run_id,
      reason: "complaints",
      version: 1,
    });
    expect(production()).toBe(poor.run_id);
    const nothing = await run("models", "rollback", "m");
    expect([nothing.code, nothing.stderr]).toEqual([
      2,
      expect.stringContaining("no run was in production before"),
    ]);
    expect((await json("models", "rollback", "m", "--to", "2")).change.to).toBe(good.run_id);
    expect((await json("models", "rollback", "m", "--to", poor.run_id)).change.to).toBe(
      poor.run_id,
    );
    expect(await json("models", "rollback", "m", "--to", "1")).toMatchObject({
      code: 0,
      rolled_back: false,
    });
    expect(
      (await json("models", "history", "m")).changes.map(({ action }: Json) => action),
    ).toEqual(["rollback", "rollback", "rollback", "promote", "promote"]);
    // A server would find the model that the registry names.
    expect((await run("predict", "--data", "wine.csv")).code).toBe(0);
  });

  test("refuses what is not there or not whole", async () => {
    const { cwd, run, good } = shop;
    for (const [words, message] of [
      [["models", "rollback", "none"], /There is no model "none".*known are: m/],
      [["models", "rollback", "m", "--to", "7"], /has no version 7/],
      [["models", "rollback", "m", "--to", "0123456789ab"], /Cannot find run/],
      [["models", "show", "none"], /There is no model "none"/],
      [["models", "promote", good.run_id, "--alias", "v3"], /as an alias/],
      [["models", "history", "none"], /There is no model "none"/],
    ] as const) {
      const { code, stdout, stderr } = await run(...words);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(message);
    }
    rmSync(join(cwd, good.run_dir.slice(cwd.length + 1), "artifacts/model/model.npz"));
    const { code, stderr } = await run("models", "rollback", "m", "--to", "2");
    expect([code, stderr]).toEqual([1, expect.stringContaining("it holds no model/model.npz")]);
  });
});

describe("raisin models list and show", () => {
  test("show production, versions, aliases and figures", async () => {
    const { cwd, run, json, poor, good } = await workshop();
    await json("models", "promote", good.run_id, "--alias", "staging");
    const { stdout } = await run("models", "list");
    expect(stdout).toMatch(/^model +production +version +other aliases +changed +by +figures\n/);
    expect(stdout).toMatch(new RegExp(`\nm +${poor.run_id} +1 +staging: 2 `));
    const shown = await json("models", "show", "m");
    expect(shown.all_versions).toMatchObject([
      { version: 2, run_id: good.run_id, aliases: ["staging"], status: "FINISHED" },
      { version: 1, run_id: poor.run_id, aliases: ["production"], status: "FINISHED" },
    ]);
    expect((await run("models", "show", "m")).stdout).toMatch(
      /version +run +aliases +status +first promoted +by\n2 /,
    );
    expect((await run("models", "show", "m", "--md")).stdout).toMatch(/\| version \| run /);
    expect((await run("models", "list", "--store", "none")).stdout).toContain(
      "No model is in production in none",
    );
    // The seed's readers see what they always saw.
    const entry = JSON.parse(readFileSync(join(cwd, "miniflow/registry.json"), "utf8")).m;
    expect([entry.production, typeof entry.updated_ts_ms]).toEqual([poor.run_id, "number"]);
  });
});
