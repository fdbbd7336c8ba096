// Does a training become production when it is better, and is production safe when something is damaged?
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Outcome,
  raisin,
  raisinJson,
  readJson,
  runDirectories,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const cwd = temporaryDirectory();
let first: TrainAnswer;

beforeAll(async () => {
  writeTable(cwd, "wine.csv", { rows: 100 });
  // A high threshold calls nearly every row "no": easily beaten in accuracy.
  const args = ["train", "--data", "wine.csv", "--iterations", "60", "--threshold", "0.99"];
  first = await raisinJson<TrainAnswer>([...args, "--store", "base"], { cwd });
});

/** A copy of the store in which only the first run is, and trainings into it. */
function storeWithFirst(name: string) {
  cpSync(join(cwd, "base"), join(cwd, name), { recursive: true });
  const directory = join(cwd, name, "experiments/wine/runs", first.run_id);
  const train = (...args: string[]): Promise<Outcome> =>
    raisin(
      ["train", "--data", "wine.csv", "--iterations", "60", "--quiet", "--store", name, ...args],
      { cwd },
    );
  const production = () => readJson(cwd, name, "registry.json").wine.production;
  return { store: join(cwd, name), directory, train, production };
}

/** The line of the summary. */
async function promotedLine(train: Promise<Outcome>): Promise<string> {
  return /^promoted .*$/m.exec((await train).stdout)![0];
}

describe("promotion", () => {
  test("the first finished run becomes production", () => {
    expect(first).toMatchObject({
      promoted: true,
      promotion_reason: 'first finished run of model "wine"',
      production: first.run_id,
    });
  });

  test("an equal run is recorded, not promoted, and that is a success", async () => {
    const { train, production } = storeWithFirst("equal");
    const { code, stdout } = await train("--threshold", "0.99", "--json");
    expect(code).toBe(0);
    const answer: TrainAnswer = JSON.parse(stdout);
    expect(answer).toMatchObject({ promoted: false, production: first.run_id });
    const { val_accuracy } = first.metrics;
    expect(answer.promotion_reason).toBe(
      `val_accuracy ${val_accuracy} equals ${val_accuracy} of production run ${first.run_id}`,
    );
    expect(production()).toBe(first.run_id);
    expect(readJson(answer.run_dir, "meta.json")).toMatchObject({
      status: "FINISHED",
      promotion: { promoted: false, production_run: first.run_id, seen_by_production: 0 },
    });
  });

  test("a better run replaces it, by its own validation rows", async () => {
    const { train, production } = storeWithFirst("better");
    const answer: TrainAnswer = JSON.parse((await train("--json")).stdout);
    expect(answer).toMatchObject({ promoted: true, production: answer.run_id });
    expect(answer.promotion_reason).toMatch(
      new RegExp(
        `^val_accuracy \\S+ beats ${first.metrics.val_accuracy} of production run ${first.run_id}$`,
      ),
    );
    expect(answer.metrics.val_accuracy).toBeGreaterThan(first.metrics.val_accuracy!);
    expect(production()).toBe(answer.run_id);
  });

  test("another seed says how many of the rows production had seen", async () => {
    const { train } = storeWithFirst("seen");
    const outcome = await raisin(
      ["train", "--data", "wine.csv", "--iterations", "60", "--seed", "7", "--store", "seen"],
      { cwd },
    );
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(
      /^promoted {2}yes: .*; the production model had seen \d+ of these 20 rows in training$/m,
    );
    expect((await train("--no-promote", "--json")).stdout).toContain("promotion is switched off");
  });

  test("--no-promote leaves production alone and still names it", async () => {
    const { train, production } = storeWithFirst("never");
    const answer: TrainAnswer = JSON.parse((await train("--no-promote", "--json")).stdout);
    expect(answer).toMatchObject({
      promoted: false,
      promotion_reason: "promotion is switched off",
      production: first.run_id,
      params: { promote: false },
    });
    expect(production()).toBe(first.run_id);
  });

  test("--promote-on val_loss compares losses, where the thresholds do not matter", async () => {
    const { train } = storeWithFirst("loss");
    const equal: TrainAnswer = JSON.parse(
      (await train("--promote-on", "val_loss", "--json")).stdout,
    );
    const { val_loss } = first.metrics;
    expect(equal).toMatchObject({
      promoted: false,
      promotion_reason: `val_loss ${val_loss} equals ${val_loss} of production run ${first.run_id}`,
    });
    const args = ["--promote-on", "val_loss", "--iterations", "1", "--json"];
    const worse: TrainAnswer = JSON.parse((await train(...args)).stdout);
    expect(worse.metrics.val_loss).toBeGreaterThan(val_loss!);
    expect(worse.promotion_reason).toMatch(/^val_loss \S+ does not beat /);
  });

  test("other features, and classes the other way round, are refused with the reason", async () => {
    const { train, production } = storeWithFirst("other");
    const line = (...args: string[]) =>
      promotedLine(
        raisin(["train", "--data", "wine.csv", "--iterations", "5", "--store", "other", ...args], {
          cwd,
        }),
      );
    const prefix = `promoted  no: production run ${first.run_id} is another kind of model: `;
    const advice = ". To keep both, train under another name with --model";
    expect(await line("--drop", "b")).toBe(`${prefix}its features are a, b, c${advice}`);
    expect(await line("--positive", "no")).toBe(
      `${prefix}its classes are no, yes (negative, positive)${advice}`,
    );
    expect(production()).toBe(first.run_id);
    expect((await train("--drop", "b")).code).toBe(0);
  });

  test.each<[string, (directory: string, store: string) => void, RegExp]>([
    [
      "whose directory is gone",
      (directory) => rmSync(directory, { recursive: true }),
      /its directory is missing/,
    ],
    [
      "whose model.npz is damaged",
      (directory) => {
        const path = join(directory, "artifacts/model/model.npz");
        const bytes = readFileSync(path);
        bytes[bytes.length >> 1]! ^= 0x10;
        writeFileSync(path, bytes);
      },
      /Cannot read model/,
    ],
    [
      "whose model.npz is another model",
      (directory) => {
        const path = join(directory, "meta.json");
        const text = readFileSync(path, "utf8");
        writeFileSync(path, text.replace(first.model_digest, "0".repeat(64)));
      },
      /its model has changed/,
    ],
    [
      "in a registry that is no JSON",
      (_, store) => writeFileSync(join(store, "registry.json"), '{"wine": {"produ'),
      /registry\.json: not valid JSON/,
    ],
    [
      "that is no run id",
      (_, store) =>
        writeFileSync(
          join(store, "registry.json"),
          '{"wine":{"production":"../../x","updated_ts_ms":1}}',
        ),
      /the entry of "wine" names no run/,
    ],
  ])(
    "a production run %s: the new run is recorded, exit 1, and the registry stays",
    async (name, damage, message) => {
      const { store, directory, train } = storeWithFirst(name.replaceAll(/\W/g, ""));
      damage(directory, store);
      const registry = readFileSync(join(store, "registry.json"), "utf8");
      const { code, stdout, stderr } = await train("--json", "--out", "kept.npz");
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(
        /registry\.json so that the next run becomes production|move it away so that/,
      );
      const answer: TrainAnswer = JSON.parse(stdout);
      expect(answer.promoted).toBe(false);
      expect(answer.promotion_reason).toMatch(message);
      expect(readJson(answer.run_dir, "meta.json").status).toBe("FINISHED");
      expect(readFileSync(join(cwd, "kept.npz"))).toEqual(
        readFileSync(join(answer.run_dir, "artifacts/model/model.npz")),
      );
      expect(readFileSync(join(store, "registry.json"), "utf8")).toBe(registry);
    },
  );

  test("what the message says to do helps", async () => {
    const { store, directory, train } = storeWithFirst("repaired");
    rmSync(directory, { recursive: true });
    expect((await train()).code).toBe(1);
    writeFileSync(join(store, "registry.json"), "{}\n");
    const answer: TrainAnswer = JSON.parse((await train("--json")).stdout);
    expect(answer.promoted).toBe(true);
    expect(runDirectories(store)).toHaveLength(2);
  });
});
