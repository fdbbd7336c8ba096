// Does this version verify the sealed runs of every version before it, and do their own programs still run?
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MODEL_FORMAT } from "../../src/model/model.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import { openSealed, SEAL_FORMAT } from "../../src/proof/sealed.ts";
import { ROOT, raisin, readJson, runNode, temporaryDirectory } from "../support/cli.ts";
import { extract } from "./runs.ts";

const FOLDER = join(ROOT, "test/museum");
const exhibits = readdirSync(FOLDER).filter((name) => name.endsWith(".html"));
const cwd = temporaryDirectory();

describe.each(exhibits)("%s", (name) => {
  const path = join(FOLDER, name);
  const version = /^(\d+\.\d+\.\d+)-model-\d+\.html$/.exec(name)?.[1];

  test("verifies, by the core of its version's release", async () => {
    const { code, stdout, stderr } = await raisin(["verify", path, "--json"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      reproduced: true,
      core: { released: version, used: "recorded" },
    });
  });

  test("verifies by the program in it", async () => {
    const program = join(cwd, `${name}.mjs`);
    extract(path, program);
    const { code, stdout, stderr } = await runNode([program], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^reproduced: /);
  });

  test("does not verify with another byte: the control", async () => {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(cwd, name), bytes);
    expect((await raisin(["verify", name], { cwd })).code).toBe(3);
  });
});

test("every version that the package knows, every model format and every format of seals is here", () => {
  const opened = exhibits.map((name) => openSealed(readFileSync(join(FOLDER, name))));
  const models = opened.map(({ run }) => decodeModel(run.record.modelBytes).spec.format);
  const upTo = (format: number) => Array.from({ length: format }, (_, k) => k + 1);
  expect([...new Set(models)].sort()).toEqual(upTo(MODEL_FORMAT));
  expect([...new Set(opened.map(({ seal }) => seal.format))].sort()).toEqual(upTo(SEAL_FORMAT));
  const released = readJson(ROOT, "assembly/released.json") as { version: string }[];
  for (const { version } of released)
    expect(exhibits.filter((name) => name.startsWith(`${version}-`))).not.toEqual([]);
  expect(opened.some(({ seal }) => seal.signature !== null)).toBe(true);
});
