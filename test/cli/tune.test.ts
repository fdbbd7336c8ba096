// Does `raisin tune` find the best candidate, record all of them, and give the same for any number of threads?
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createRandom,
  type Json,
  noisyTable,
  outcomeOf,
  raisin,
  raisinJson,
  readJson,
  runDirectories,
  startRaisin,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

interface TuneAnswer {
  readonly run_id: string;
  readonly run_dir: string;
  readonly folds: number;
  readonly varied: readonly string[];
  readonly candidates: readonly {
    readonly rank: number;
    readonly run_id: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly val_loss: { readonly mean: number; readonly std: number } | null;
    readonly scores: readonly (Readonly<Record<string, number>> | null)[];
  }[];
  readonly refit: TrainAnswer;
}

const GRID = ["--lr", "0.05,0.5", "--l2", "0,0.05,0.5", "--iterations", "80", "--folds", "4"];
const cwd = temporaryDirectory();
let tuned: TuneAnswer;

beforeAll(async () => {
  writeTable(cwd, "wine.csv", { rows: 120 });
  tuned = await raisinJson<TuneAnswer>(["tune", "--data", "wine.csv", ...GRID], { cwd });
});

/** What must not depend on how the work was divided. */
function comparable({ candidates, refit, ...rest }: TuneAnswer): Json {
  return {
    folds: rest.folds,
    varied: rest.varied,
    candidates: candidates.map(({ run_id: _, ...one }) => one),
    digest: refit.model_digest,
  };
}

describe("raisin tune", () => {
  test("ranks every candidate of the grid by its mean over the folds", () => {
    const { candidates } = tuned;
    expect(candidates).toHaveLength(6);
    const means = candidates.map(({ val_loss: loss }) => loss!.mean);
    expect(means).toEqual([...means].sort((a, b) => a - b));
    for (const { scores, val_loss: loss } of candidates) {
      expect(scores).toHaveLength(4);
      const mean = scores.reduce((sum, score) => sum + score!.val_loss!, 0) / 4;
      expect(loss!.mean).toBe(mean);
      expect(loss!.std).toBeGreaterThan(0);
    }
  });

  test.each([1, 2, 3, 7])("gives the same with %i threads", async (workers) => {
    const store = join(cwd, `store-${workers}`);
    const args = ["tune", "--data", "wine.csv", ...GRID, "--workers", String(workers)];
    const answer = await raisinJson<TuneAnswer>([...args, "--store", store], { cwd });
    expect(comparable(answer)).toEqual(comparable(tuned));
  });

  test("gives the same for the rows in any order", async () => {
    const [header, ...rows] = noisyTable({ rows: 120 }).trimEnd().split("\n");
    const random = createRandom(3);
    const shuffled = rows.map((row) => ({ row, at: random() })).sort((a, b) => a.at - b.at);
    writeFileSync(join(cwd, "other.csv"), [header, ...shuffled.map(({ row }) => row)].join("\n"));
    const args = ["tune", "--data", "other.csv", ...GRID, "--store", join(cwd, "other")];
    expect(comparable(await raisinJson<TuneAnswer>(args, { cwd }))).toEqual(comparable(tuned));
  });

  test("trains the best on all training rows: as train does with its parameters", async () => {
    const { lr, l2, iterations } = tuned.candidates[0]!.params;
    const args = ["train", "--data", "wine.csv", "--store", join(cwd, "single")];
    const flags = ["--lr", `${lr}`, "--l2", `${l2}`, "--iterations", `${iterations}`];
    const trained = await raisinJson<TrainAnswer>([...args, ...flags], { cwd });
    expect(tuned.refit.model_digest).toBe(trained.model_digest);
    expect(tuned.refit).toMatchObject({ promoted: true, params: { lr, l2, iterations } });
    const verdict = await raisin(["verify", tuned.refit.run_id], { cwd });
    expect([verdict.code, verdict.stdout]).toEqual([0, expect.stringMatching(/^reproduced: /)]);
  });

  test("records the search, a run for each candidate and the training below it", async () => {
    const filter = `parent_run_id = '${tuned.run_id}'`;
    const { runs } = await raisinJson<Json>(["runs", "search", filter], { cwd });
    expect(runs).toHaveLength(7);
    const meta = readJson(tuned.run_dir, "meta.json");
    expect(meta).toMatchObject({
      kind: "tune",
      status: "FINISHED",
      best_run: tuned.candidates[0]!.run_id,
      refit_run: tuned.refit.run_id,
    });
    expect(readJson(tuned.run_dir, "params.json")).toMatchObject({
      lr: [0.05, 0.5],
      l2: [0, 0.05, 0.5],
      iterations: 80,
      folds: 4,
      select: "val_loss",
    });
    const table = readJson(tuned.run_dir, "artifacts/tuning.json");
    expect(table.candidates).toEqual(tuned.candidates);
    const one = tuned.candidates[2]!;
    const found = await raisinJson<Json>(
      ["runs", "search", `metrics.val_loss = ${one.val_loss!.mean}`],
      { cwd },
    );
    expect(found.runs.map((run: Json) => run.run_id)).toEqual([one.run_id]);
    const [{ metrics }] = found.runs;
    expect(metrics.val_loss_std.last).toBe(one.val_loss!.std);
    expect(metrics.fold_val_loss.last).toBe(one.scores.at(-1)!.val_loss);
    // A list shows them beside those of trainings.
    const { stdout } = await raisin(["runs", "list"], { cwd });
    expect(stdout).toMatch(/^run +experiment +status +started +took +val_loss +val_accuracy/);
    expect((await raisin(["doctor"], { cwd })).code).toBe(0);
  });

  test("shows a table, the best first, and what train shows", async () => {
    const { code, stdout, stderr } = await raisin(
      ["tune", "--data", "wine.csv", ...GRID, "--store", join(cwd, "shown")],
      { cwd },
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^search {4}run [0-9a-f]{12}: 6 candidates in 4 folds of the training rows, by val_loss\n\nrank +lr +l2 +val_loss +val_accuracy +val_roc_auc +run\n1 +[\d.]+ +[\d.]+ +[\d.]+ ± [\d.]+/,
    );
    expect(stdout).toContain("The best one, trained on all training rows:\n\ndataset   wine:");
  });

  test("a candidate that diverges is recorded as failed and comes last", async () => {
    const store = join(cwd, "diverging");
    const args = [
      "tune",
      "--data",
      "wine.csv",
      "--lr",
      "0.1,1000000",
      "--l2",
      "1",
      "--store",
      store,
    ];
    const answer = await raisinJson<TuneAnswer>([...args, "--iterations", "200"], { cwd });
    expect(answer.candidates.map(({ val_loss: loss }) => loss === null)).toEqual([false, true]);
    const runs = runDirectories(store).map((run) => readJson(run, "meta.json"));
    const failed = runs.filter(({ status }) => status === "FAILED");
    expect(failed).toEqual([expect.objectContaining({ run_id: answer.candidates[1]!.run_id })]);
    const none = await raisin(
      ["tune", "--data", "wine.csv", "--lr", "1000000", "--l2", "1", "--store", join(cwd, "none")],
      { cwd },
    );
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("none came through")]);
  });

  test.each<[readonly string[], string]>([
    [
      ["--lr", "0.1,-1"],
      'Each value must be a finite number above 0, with commas between them: "-1"',
    ],
    [["--lr", "0.1,,1"], "Each value must be"],
    [["--l2", "0,0"], "--l2 has 0 twice"],
    [["--class-weight", "none,heavy"], "Each value must be none or balanced"],
    [["--iterations", "10.5"], "Each value must be a whole number"],
    [["--lr", "0.1", "--folds", "1"], "It must be a whole number from 2 to 100"],
    [["--lr", "0.1", "--workers", "0"], "It must be a whole number from 1 to 256"],
    [[], "Name values to try"],
    [
      ["--grid", "bad.json"],
      "Cannot search the grid of bad.json: lr must be a finite number above 0: value 2 is 0",
    ],
    [
      ["--grid", "good.json", "--lr", "0.3"],
      "Cannot search the grid of good.json: lr is given by --lr, too",
    ],
    [["--grid", "wine.csv"], "Cannot search the grid of wine.csv: "],
    [["--grid", "none.json"], "Cannot search the grid of none.json: ENOENT"],
    [["--lr", "0.1", "--folds", "90"], "Cannot make 90 folds"],
  ])("%j: exit 2 and what is wrong, before anything runs", async (flags, said) => {
    writeFileSync(join(cwd, "bad.json"), JSON.stringify({ lr: [0.1, 0] }));
    writeFileSync(join(cwd, "good.json"), JSON.stringify({ lr: [0.1], l2: [0.5] }));
    const args = ["tune", "--data", "wine.csv", "--store", join(cwd, "untouched"), ...flags];
    const { code, stdout, stderr } = await raisin(args, { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(said);
    expect(readdirSync(cwd)).not.toContain("untouched");
  });

  test("takes a grid from a file, with flags for other parameters", async () => {
    writeFileSync(
      join(cwd, "grid.json"),
      JSON.stringify([{ l2: [0.5] }, { l2: [0], threshold: 0.4 }]),
    );
    const args = ["tune", "--data", "wine.csv", "--grid", "grid.json", "--lr", "0.1,0.2"];
    const rest = ["--iterations", "20", "--class-weight", "balanced", "--store", join(cwd, "file")];
    const answer = await raisinJson<TuneAnswer>([...args, ...rest], { cwd });
    expect(answer.varied).toEqual(["lr", "l2", "threshold"]);
    expect(answer.candidates).toHaveLength(4);
    expect(answer.refit.params).toMatchObject({ class_weight: "balanced" });
  });

  test.each([1, 2])(
    "stops when it is told to, with %i threads, and says so in its run",
    async (workers) => {
      const store = join(cwd, `stopped-${workers}`);
      const args = ["tune", "--data", "wine.csv", "--lr", "0.1,0.2", "--iterations", "100000000"];
      const child = startRaisin([...args, "--workers", String(workers), "--store", store], { cwd });
      const ended = outcomeOf(child);
      for (;;) {
        try {
          if (runDirectories(store).some((run) => readFileSync(join(run, "meta.json")))) break;
        } catch {
          // The store is not there yet.
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      child.kill("SIGINT");
      const { code, stderr } = await ended;
      expect([code, stderr]).toEqual([130, "interrupted\n"]);
      const statuses = runDirectories(store).map((run) => readJson(run, "meta.json").status);
      expect(statuses).toEqual(["KILLED"]);
    },
  );
});
