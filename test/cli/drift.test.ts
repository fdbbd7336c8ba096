// Does `raisin drift` say what /drift says, in every form, and fail only when it is asked to?
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ask, CSV_TYPE, FEATURES, open, raisinRows, trained } from "../server/support.ts";
import { type Json, type Outcome, raisin, raisinJson } from "../support/cli.ts";

let cwd: string;
const rows = raisinRows();

const csvOf = (some: readonly Record<string, number>[]) =>
  `${[FEATURES.join(","), ...some.map((row) => FEATURES.map((name) => row[name]).join(","))].join("\n")}\n`;

beforeAll(() => {
  cwd = trained();
  writeFileSync(join(cwd, "same.csv"), csvOf(rows));
  writeFileSync(
    join(cwd, "moved.csv"),
    csvOf(rows.slice(0, 200).map((row) => ({ ...row, Area: row.Area! + 60_000 }))),
  );
  writeFileSync(join(cwd, "one.csv"), csvOf(rows.slice(0, 1)));
});

const drift = (...args: string[]): Promise<Outcome> => raisin(["drift", ...args], { cwd });

describe("raisin drift", () => {
  it("gives the bytes of the server's report, and what it was made of", async () => {
    const answer = await raisinJson<Json>(["drift", "--data", "moved.csv"], { cwd });
    const { port } = await open(cwd);
    const body = readFileSync(join(cwd, "moved.csv"));
    const { json } = await ask(port, "/drift", { headers: CSV_TYPE, body });
    const { model_run, model_digest, file, file_sha256, unseen_cells, ...report } = answer;
    expect(report).toEqual(json);
    expect(Object.keys(answer)[0]).toBe("score");
    expect([file, unseen_cells]).toEqual(["moved.csv", 0]);
    expect(file_sha256).toMatch(/^[0-9a-f]{64}$/);
    expect([model_run, model_digest].join(";")).toBe(
      (await ask(port, "/model")).headers["x-raisin-model"],
    );
  });

  it.each([
    ["same.csv", [], 0],
    ["same.csv", ["--fail"], 0],
    ["moved.csv", [], 0],
    ["moved.csv", ["--fail"], 4],
    ["moved.csv", ["--fail", "--json"], 4],
    ["moved.csv", ["--fail", "--quiet"], 4],
    ["one.csv", ["--fail"], 0],
  ])("on %s with %j ends with %i", async (file, flags, code) => {
    const outcome = await drift("--data", file, ...flags);
    expect([outcome.code, outcome.stderr]).toEqual([code, ""]);
    if (flags.includes("--quiet")) expect(outcome.stdout).toBe("");
  });

  it("prints a table for people, Markdown for a pull request, and writes a page", async () => {
    const plain = await drift("--data", "moved.csv", "--html", "drift.html");
    expect(plain.stdout).toMatch(/^drift {5}yes\n/);
    for (const name of FEATURES) expect(plain.stdout).toContain(name);
    const page = readFileSync(join(cwd, "drift.html"), "utf8");
    expect(page.match(/<figure>/g)).toHaveLength(FEATURES.length + 1);
    const markdown = await drift("--data", "same.csv", "--md");
    expect(markdown.stdout.split("\n")[0]).toBe("# Drift: no");
  });

  it("takes another threshold", async () => {
    const some = rows.map((row) => ({ ...row, Area: row.Area! * 1.02 }));
    writeFileSync(join(cwd, "near.csv"), csvOf(some));
    expect((await drift("--data", "near.csv", "--fail")).code).toBe(0);
    expect(
      (await raisinJson<Json>(["drift", "--data", "near.csv", "--threshold", "0.5"], { cwd })).rule
        .threshold,
    ).toBe(0.5);
  });

  it.each([
    [["--data", "nowhere.csv"], 5, "there is no such file"],
    [["--data", "same.csv", "--model-file", "model.npz"], 2, "train_profile.json"],
    [["--data", "same.csv", "--model-file", "nowhere"], 2, "Cannot find the model file"],
    [["--data", "same.csv", "--threshold", "x"], 2, "a number from 0"],
    [["--data", "same.csv", "--json", "--md"], 2, "not both"],
    [["--data", "same.csv", "--html", "."], 2, "directory"],
    [[], 2, "--data"],
  ])("refuses %j", async (args, code, message) => {
    const outcome = await drift(...args);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toContain(message);
  });

  it("refuses the profile of another training", async () => {
    const other = join(cwd, "other");
    const flags = ["--val-fraction", "0.4", "--no-promote", "--store", "elsewhere", "--out"];
    mkdirSync(other);
    const { run_dir } = await raisinJson<Json>(["train", ...flags, "other/model.npz"], { cwd });
    copyFileSync(join(run_dir, "artifacts/train_profile.json"), join(other, "train_profile.json"));
    expect((await drift("--data", "same.csv", "--model-file", "other")).code).toBe(0);
    copyFileSync(join(cwd, "model.npz"), join(other, "model.npz"));
    const outcome = await drift("--data", "same.csv", "--model-file", "other");
    expect([outcome.code, outcome.stdout]).toEqual([1, ""]);
    expect(outcome.stderr).toContain("not those of the model");
  });

  it("refuses rows that the model cannot read", async () => {
    writeFileSync(join(cwd, "bad.csv"), "Area,Perimeter\n1,2\n");
    const outcome = await drift("--data", "bad.csv");
    expect(outcome.code).toBe(5);
    expect(outcome.stderr).toContain("Eccentricity");
  });
});
