// Is a sealed run verified by every version of Node that the project supports, by itself and by raisin?
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { BIN, temporaryDirectory } from "../support/cli.ts";
import { extract, RAISINS, trainAndSeal, writeChangedRaisins } from "./runs.ts";

const cwd = temporaryDirectory();
const at = (name: string) => join(cwd, name);

beforeAll(async () => {
  await trainAndSeal(cwd, "proof.html");
  extract(at("proof.html"), at("proof.mjs"));
  writeChangedRaisins(at("changed.csv"));
});

describe.each([20, 22, 24])("Node %i", (version) => {
  const node = fileURLToPath(
    new URL(`../../runtimes/node_modules/node-${version}/bin/node`, import.meta.url),
  );
  const run = (...args: string[]) =>
    spawnSync(node, args, { cwd: temporaryDirectory(), encoding: "utf8" });
  const isHere = existsSync(node);

  test.skipIf(!isHere)("is that version", () => {
    expect(run("--version").stdout).toMatch(new RegExp(`^v${version}\\.`));
  });

  test.skipIf(!isHere)("verifies a sealed run by itself, and not with a changed cell", () => {
    const verdict = run(at("proof.mjs"), RAISINS, at("proof.html"));
    expect([verdict.status, verdict.stderr]).toEqual([0, ""]);
    expect(verdict.stdout).toMatch(/^reproduced: run [0-9a-f]{12}, every byte of model\.npz/);
    const changed = run(at("proof.mjs"), at("changed.csv"));
    expect([changed.status, changed.stderr]).toEqual([3, ""]);
    expect(changed.stdout).toContain('data: row 500 is not as recorded, in "Extent"');
  });

  test.skipIf(!isHere)("verifies it by raisin", () => {
    const verdict = run(BIN, "verify", at("proof.html"), "--data", RAISINS);
    expect([verdict.status, verdict.stderr]).toEqual([0, ""]);
    expect(verdict.stdout).toMatch(/^reproduced: /);
  });
});
