// Does `raisin verify` derive a run again, and tell the first thing that differs?
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createRandom,
  noisyTable,
  raisin,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const cwd = temporaryDirectory();
let trained: TrainAnswer;

beforeAll(async () => {
  writeTable(cwd, "wine.csv");
  const args = ["train", "--data", "wine.csv", "--iterations", "120", "--l2", "0.01"];
  trained = await raisinJson<TrainAnswer>(args, { cwd });
});

const verify = (...args: string[]) => raisin(["verify", ...args], { cwd });

/** A copy of the run, damaged; verified by its path. */
async function verifyCopy(damage: (directory: string) => void, ...args: string[]) {
  const copy = join(cwd, "copy");
  rmSync(copy, { recursive: true, force: true });
  cpSync(trained.run_dir, copy, { recursive: true });
  damage(copy);
  return verify("copy", ...args);
}

function edit(path: string, change: (text: string) => string): void {
  const before = readFileSync(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
}

describe("raisin verify", () => {
  test("says reproduced for a run as it was recorded, by id and by path", async () => {
    const byId = await verify(trained.run_id);
    expect(byId).toMatchObject({ code: 0, stderr: "" });
    // Five values at steps 0, 50, 100 and 120, and seven figures of each part at the end.
    expect(byId.stdout).toBe(
      `reproduced: run ${trained.run_id}, every byte of model.npz and 34 metric values\n  model digest ${trained.model_digest}\n`,
    );
    expect(await verifyCopy(() => {})).toEqual(byId);
  });

  test("--json gives the verdict as one object, --quiet only the exit code", async () => {
    const answer = JSON.parse((await verify(trained.run_id, "--json")).stdout);
    expect(answer).toEqual({
      run_id: trained.run_id,
      reproduced: true,
      difference: null,
      model_digest: trained.model_digest,
      metrics_compared: 34,
      same_core: true,
    });
    expect(await verify(trained.run_id, "--quiet")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  test.each<[string, (directory: string) => void, RegExp]>([
    [
      "a changed byte of model.npz",
      (run) => {
        const path = join(run, "artifacts/model/model.npz");
        const bytes = readFileSync(path);
        bytes[1000]! ^= 1;
        writeFileSync(path, bytes);
      },
      /model: model\.npz differs from byte 1000 on/,
    ],
    [
      "model.npz with a byte more",
      (run) => writeFileSync(join(run, "artifacts/model/model.npz"), "x", { flag: "a" }),
      /model: model\.npz has \d+ bytes/,
    ],
    [
      "no model.npz",
      (run) => rmSync(join(run, "artifacts/model/model.npz")),
      /model\.npz is missing/,
    ],
    [
      "a changed metric",
      (run) =>
        edit(join(run, "metrics.jsonl"), (text) =>
          text.replace(/("key":"val_loss","value":0\.\d+?)\d("?,"step":50)/, "$10$2"),
        ),
      /metrics: line 9 says val_loss 0\.\d+ at step 50, derived again val_loss 0\.\d+ at step 50/,
    ],
    [
      "a metric line that is no JSON",
      (run) =>
        edit(join(run, "metrics.jsonl"), (text) => text.replace('{"key":"gradient_max"', "{")),
      /metrics: .*line 3 is not a metric/,
    ],
    [
      "a metric line less",
      (run) => edit(join(run, "metrics.jsonl"), (text) => text.replace(/[^\n]*\n$/, "")),
      /metrics: val_mcc at step 120 is missing \(line 34\)/,
    ],
    [
      "a metric line more",
      (run) => edit(join(run, "metrics.jsonl"), (text) => `${text}${text.split("\n")[0]}\n`),
      /metrics: 1 lines? more than derived again/,
    ],
    [
      "another learning rate in params.json",
      (run) => edit(join(run, "params.json"), (text) => text.replace('"lr": 0.1', '"lr": 0.2')),
      /model: digest [0-9a-f]{64}, the run recorded [0-9a-f]{64}/,
    ],
    ["no core", (run) => rmSync(join(run, "artifacts/core/core.wasm")), /core: .*missing/],
    [
      "another core",
      (run) => writeFileSync(join(run, "artifacts/core/core.wasm"), "x", { flag: "a" }),
      /core: .*another digest/,
    ],
  ])("%s: exit 3 and the first difference", async (_, damage, difference) => {
    const { code, stdout } = await verifyCopy(damage);
    expect(stdout).toMatch(difference);
    expect(stdout).toMatch(/^not reproduced: run [0-9a-f]{12}\n {2}first difference: /);
    expect(code).toBe(3);
  });

  test("other data: exit 3 and both content digests", async () => {
    writeTable(cwd, "other.csv", { seed: 3 });
    const { code, stdout } = await verify(trained.run_id, "--data", "other.csv", "--json");
    expect(code).toBe(3);
    const answer = JSON.parse(stdout);
    expect(answer.reproduced).toBe(false);
    expect(answer.difference).toMatch(
      /^data: other\.csv has content digest [0-9a-f]{64}, the run recorded/,
    );
    expect(answer.difference).toContain(trained.dataset.content_digest);
  });

  test("the same rows in another order and with other line ends are the same data", async () => {
    const [header, ...rows] = noisyTable().trimEnd().split("\n");
    const random = createRandom(5);
    const shuffled = rows.map((row) => ({ row, key: random() })).sort((a, b) => a.key - b.key);
    writeFileSync(
      join(cwd, "shuffled.csv"),
      [header, ...shuffled.map(({ row }) => row)].join("\r\n"),
    );
    const { code, stdout } = await verify(trained.run_id, "--data", "shuffled.csv");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^reproduced: /)]);
  });

  test("the same rows with other delimiters are the same data, and a file that cannot be read is not", async () => {
    const text = readFileSync(join(cwd, "wine.csv"), "utf8");
    writeFileSync(join(cwd, "semicolons.csv"), text.replaceAll(",", ";"));
    expect((await verify(trained.run_id, "--data", "semicolons.csv")).code).toBe(0);
    writeFileSync(join(cwd, "broken.csv"), text.replaceAll(",", ";").replace(/;/, ",;"));
    expect((await verify(trained.run_id, "--data", "broken.csv")).code).toBe(5);
  });

  test("data that moved: exit 5 and a hint at --data, which then works", async () => {
    renameSync(join(cwd, "wine.csv"), join(cwd, "moved.csv"));
    try {
      const { code, stdout, stderr } = await verify(trained.run_id);
      expect([code, stdout]).toEqual([5, ""]);
      expect(stderr).toContain("there is no such file");
      expect(stderr).toContain("name it with --data");
      expect((await verify(trained.run_id, "--data", "moved.csv")).code).toBe(0);
    } finally {
      renameSync(join(cwd, "moved.csv"), join(cwd, "wine.csv"));
    }
  });

  test.each(["0123456789ab", "../..", "..", "%2e%2e", "%2e%2e%2f", "/etc/passwd", "wine.csv", ""])(
    "%j is no run: exit 2",
    async (id) => {
      const { code, stdout, stderr } = await verify(id);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("give the 12 hex digits of a run, or the path of its directory");
    },
  );

  test("an evaluation, or a run that did not finish, cannot be derived: exit 2", async () => {
    const evaluated = await raisinJson<{ run_id: string }>(["evaluate", "--data", "wine.csv"], {
      cwd,
    });
    const evaluation = await verify(evaluated.run_id);
    expect([evaluation.code, evaluation.stderr]).toEqual([
      2,
      expect.stringContaining("its kind is evaluate, its status FINISHED"),
    ]);
    const killed = await verifyCopy((run) =>
      edit(join(run, "meta.json"), (text) => text.replace('"FINISHED"', '"KILLED"')),
    );
    expect([killed.code, killed.stderr]).toEqual([2, expect.stringContaining("KILLED")]);
  });

  test("metrics that cannot be read are a failure, no difference: exit 1", async () => {
    const { code, stdout, stderr } = await verifyCopy((run) => {
      rmSync(join(run, "metrics.jsonl"));
      mkdirSync(join(run, "metrics.jsonl"));
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^error: Cannot read .*metrics\.jsonl: not a regular file\n$/);
  });

  test.each<[string, (directory: string) => void]>([
    ["without params.json", (run) => rmSync(join(run, "params.json"))],
    [
      "whose parameters are out of range",
      (run) => edit(join(run, "params.json"), (text) => text.replace('"lr": 0.1', '"lr": -1')),
    ],
    [
      "that does not say which data it had",
      (run) => edit(join(run, "meta.json"), (text) => text.replace('"content_digest"', '"digest"')),
    ],
  ])("a run %s cannot be derived: exit 2", async (_, damage) => {
    const { code, stderr } = await verifyCopy(damage);
    expect([code, stderr]).toEqual([2, expect.stringContaining("Cannot verify run")]);
  });
});
