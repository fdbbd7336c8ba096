// Does a training that is stopped leave a record that says so, and a store that the next command can use?
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readMetrics } from "../../src/miniflow/runs.ts";
import {
  type Outcome,
  outcomeOf,
  raisinJson,
  readJson,
  runDirectories,
  startRaisin,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

/** Starts a training that would take hours, and kills it when it tells of a step behind the first. */
async function killedTraining(cwd: string, signal: NodeJS.Signals): Promise<Outcome> {
  const args = ["train", "--data", "wine.csv", "--iterations", "2000000000", "--log-every", "1000"];
  const child = startRaisin([...args, "--out", "killed.npz"], { cwd });
  const ended = outcomeOf(child);
  let said = "";
  for (;;) {
    const [text] = (await once(child.stderr!, "data")) as [string];
    said += text;
    if (/^ *[1-9]\d* {2}train_loss .*\n/m.test(said)) break;
  }
  child.kill(signal);
  return ended;
}

function workshop(): { cwd: string; store: string } {
  const cwd = temporaryDirectory();
  writeTable(cwd, "wine.csv");
  return { cwd, store: join(cwd, "miniflow") };
}

describe("a training that is stopped", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "by %s is recorded as killed: exit 130",
    async (signal) => {
      const { cwd, store } = workshop();
      const first = await raisinJson<TrainAnswer>(
        ["train", "--data", "wine.csv", "--iterations", "5"],
        { cwd },
      );
      const registry = readFileSync(join(store, "registry.json"), "utf8");
      const outcome = await killedTraining(cwd, signal);
      expect([outcome.code, outcome.signal, outcome.stdout]).toEqual([130, null, ""]);
      expect(outcome.stderr).toMatch(/\ninterrupted\n$/);
      const run = runDirectories(store).find((path) => !path.endsWith(first.run_id))!;
      const meta = readJson(run, "meta.json");
      expect(meta).toMatchObject({ status: "KILLED", error: "interrupted", kind: "train" });
      expect(meta.end_ts_ms).toBeGreaterThanOrEqual(meta.start_ts_ms);
      // What it had told, it had written.
      const steps = readMetrics(run).lines.map(({ step }) => step);
      expect(Math.max(...steps)).toBeGreaterThanOrEqual(1000);
      expect(readFileSync(join(store, "registry.json"), "utf8")).toBe(registry);
      expect(existsSync(join(cwd, "killed.npz"))).toBe(false);
    },
  );

  test("by SIGKILL leaves a run that never ended, and the next one trains and is promoted", async () => {
    const { cwd, store } = workshop();
    const outcome = await killedTraining(cwd, "SIGKILL");
    expect([outcome.code, outcome.signal]).toEqual([null, "SIGKILL"]);
    const run = runDirectories(store)[0]!;
    expect(readJson(run, "meta.json")).toMatchObject({ status: "RUNNING", end_ts_ms: null });
    expect(readMetrics(run).lines.length).toBeGreaterThan(0);
    expect(existsSync(join(store, "registry.json"))).toBe(false);
    const next = await raisinJson<TrainAnswer>(
      ["train", "--data", "wine.csv", "--iterations", "5"],
      { cwd },
    );
    expect(next.promoted).toBe(true);
    expect(runDirectories(store)).toHaveLength(2);
  });
});
