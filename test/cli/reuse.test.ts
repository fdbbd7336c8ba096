// Does a training say that its like exists, take that one's model when asked, and know what makes two trainings alike?
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fingerprintOf } from "../../src/recording/fingerprint.ts";
import {
  type Json,
  raisin,
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";

const TABLE = "a,b,y\n1,2,n\n2,1,n\n3,5,p\n4,4,p\n5,3,n\n6,7,p\n7,6,p\n2,2,n\n1,1,n\n9,9,p\n";
const TRAIN = ["train", "--label", "y", "--iterations", "40"];

describe("train --reuse", () => {
  let cwd: string;
  let first: TrainAnswer;
  const train = (...more: string[]) => raisin([...TRAIN, "--data", "t.csv", ...more], { cwd });
  const again = (...more: string[]) =>
    raisinJson<TrainAnswer & { reused?: boolean }>(
      [...TRAIN, "--data", "t.csv", "--reuse", "--no-promote", ...more],
      { cwd },
    );

  beforeAll(async () => {
    cwd = temporaryDirectory();
    writeFileSync(join(cwd, "t.csv"), TABLE);
    const rows = TABLE.trimEnd().split("\n");
    const shuffled = [rows[0], ...rows.slice(1).reverse()];
    writeFileSync(join(cwd, "shuffled.csv"), `${shuffled.join("\r\n").replaceAll(",", ";")}\r\n`);
    writeFileSync(join(cwd, "changed.csv"), TABLE.replace("9,9,p", "9,8,p"));
    first = await raisinJson<TrainAnswer>([...TRAIN, "--data", "t.csv"], { cwd });
  });

  test("gives the run and the model of the first training, and adds no run", async () => {
    const answer = await again("--out", "again.npz");
    expect(answer).toMatchObject({
      reused: true,
      run_id: first.run_id,
      model_digest: first.model_digest,
      metrics: first.metrics,
    });
    const bytes = readFileSync(join(cwd, "again.npz"));
    expect(bytes.equals(readFileSync(join(first.run_dir, "artifacts/model/model.npz")))).toBe(true);
    const runs = await raisin(["runs", "list", "--json"], { cwd });
    expect((JSON.parse(runs.stdout) as Json).runs.length).toBe(1);
  });

  test("knows the same rows in another order, with other delimiters, in another file", async () => {
    const answer = await raisinJson<TrainAnswer>(
      [...TRAIN, "--data", "shuffled.csv", "--reuse", "--experiment", "another"],
      { cwd },
    );
    expect(answer.run_id).toBe(first.run_id);
  });

  test("trains when a cell, a parameter or the class of interest is another", async () => {
    const base = [...TRAIN, "--no-promote", "--reuse"];
    for (const more of [
      ["--data", "changed.csv"],
      ["--data", "t.csv", "--lr", "0.3"],
      ["--data", "t.csv", "--seed", "1"],
      ["--data", "t.csv", "--positive", "n"],
      ["--data", "t.csv", "--log-every", "7"],
    ]) {
      const answer = await raisinJson<TrainAnswer>([...base, ...more], { cwd });
      expect(answer.run_id, more.join(" ")).not.toBe(first.run_id);
      expect(answer).not.toHaveProperty("reused");
    }
  });

  test("without it, the training says so, trains, and gets the same bytes", async () => {
    const outcome = await train("--out", "twice.npz");
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain(`identical: run ${first.run_id} has the same data`);
    const bytes = readFileSync(join(cwd, "twice.npz"));
    expect(bytes.equals(readFileSync(join(first.run_dir, "artifacts/model/model.npz")))).toBe(true);
    // The first of two alike is the one that is taken.
    expect((await again()).run_id).toBe(first.run_id);
  });

  test("takes no run whose model was changed, that is damaged, or that was deleted", async () => {
    const store = temporaryDirectory();
    const inStore = ["--data", "t.csv", "--reuse", "--no-promote", "--store", store];
    const fresh = await raisinJson<TrainAnswer>([...TRAIN, ...inStore], { cwd });
    const path = join(fresh.run_dir, "artifacts/model/model.npz");
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.from(bytes).fill(0, 100, 101));
    const second = await raisinJson<TrainAnswer>([...TRAIN, ...inStore], { cwd });
    expect(second.run_id).not.toBe(fresh.run_id);
    await raisin(["runs", "delete", second.run_id, "--store", store], { cwd });
    rmSync(path);
    writeFileSync(join(fresh.run_dir, "meta.json"), "{");
    const third = await raisinJson<TrainAnswer>([...TRAIN, ...inStore], { cwd });
    expect([fresh.run_id, second.run_id]).not.toContain(third.run_id);
  });
});

describe("fingerprintOf()", () => {
  test("is in meta.json, whatever the order of parameters, and knows nothing of the promotion", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "t.csv"), TABLE);
    const { run_dir: directory, core_digest: core } = await raisinJson<TrainAnswer>(
      [...TRAIN, "--data", "t.csv"],
      { cwd },
    );
    const { fingerprint, dataset } = readJson(directory, "meta.json");
    const params = readJson(directory, "params.json");
    const backwards = Object.fromEntries(Object.entries(params).reverse());
    expect(fingerprintOf(dataset.content_digest, backwards, core)).toBe(fingerprint);
    const elsewhere = { ...params, experiment: "x", promote: false, delimiter: "tab" };
    expect(fingerprintOf(dataset.content_digest, elsewhere, core)).toBe(fingerprint);
    expect(fingerprintOf(dataset.content_digest, { ...params, l2: 1 }, core)).not.toBe(fingerprint);
    expect(fingerprintOf("0".repeat(64), params, core)).not.toBe(fingerprint);
    expect(fingerprintOf(dataset.content_digest, params, "0".repeat(64))).not.toBe(fingerprint);
  });
});
