// Do many promoters at once lose nothing, and does no reader ever see an older registry after a newer one?
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkChain, history } from "../../src/miniflow/registry.ts";
import { findRun, readRun } from "../../src/miniflow/runs.ts";
import { type Outcome, outcomeOf, ROOT, temporaryDirectory } from "../support/cli.ts";

const LIBRARY = join(ROOT, "build/dist/miniflow/index.js");
const FAULTS = join(ROOT, "test/faults");
const PROMOTERS = 32;

function start(
  script: string,
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcess {
  const preload = Object.keys(env).length > 0 ? ["--import", join(FAULTS, "preload.mjs")] : [];
  return spawn(process.execPath, [...preload, join(FAULTS, script), LIBRARY, ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Lets processes promote in rounds, each a run of its own, while others read. */
async function race(rounds: number, readers: number, env: Record<string, string> = {}) {
  const directory = temporaryDirectory();
  const store = join(directory, "miniflow");
  const stop = join(directory, "stop");
  mkdirSync(store);
  const reading = Array.from({ length: readers }, () =>
    outcomeOf(start("reader.mjs", [store, stop])),
  );
  const promoting = Array.from({ length: PROMOTERS }, (_, k) =>
    outcomeOf(start("promoter.mjs", [store, String(PROMOTERS), String(rounds), String(k)], env)),
  );
  const promoted = await Promise.all(promoting);
  writeFileSync(stop, "");
  const read = (await Promise.all(reading)).map(({ stdout }) => JSON.parse(stdout) as Reading);
  const promised = promoted.flatMap(({ stdout }) => stdout.split("\n").filter((id) => id !== ""));
  return { store, promoted, promised, read };
}

interface Reading {
  readonly reads: number;
  readonly wrong: readonly string[];
}

describe(`${PROMOTERS} promoters at once`, () => {
  test("320 of 320 promotions are kept, and no reader sees the registry go back", async () => {
    const rounds = 10;
    const { store, promoted, promised, read } = await race(rounds, 8);
    const failed = promoted.filter(({ code }: Outcome) => code !== 0);
    expect(failed.map(({ stderr }) => stderr.slice(-300))).toEqual([]);
    expect(promised).toHaveLength(PROMOTERS * rounds);
    const kept = history(store, "m");
    expect(kept.map(({ generation }) => generation)).toEqual(
      Array.from({ length: PROMOTERS * rounds }, (_, k) => PROMOTERS * rounds - k),
    );
    expect(kept.map(({ change }) => change.to).sort()).toEqual([...promised].sort());
    // Each replaced what the one before it had put there.
    expect(kept.slice(0, -1).map(({ change }) => change.from)).toEqual(
      kept.slice(1).map(({ change }) => change.to),
    );
    expect(checkChain(store)).toEqual([]);
    expect(readRun(findRun(store, kept[0]!.change.to)!).meta.status).toBe("FINISHED");
    expect(read.flatMap(({ wrong }) => wrong)).toEqual([]);
    for (const { reads } of read) expect(reads).toBeGreaterThan(100);
  }, 300_000);

  test("with a link that overwrites, promotions are lost: the race is one", async () => {
    // One round, since a promoter that finds the registry damaged ends, and the others would wait for it.
    const { store, promised } = await race(1, 0, { FAULT_LINK: "overwrite" });
    const kept = new Set(history(store, "m").map(({ change }) => change.to));
    expect(promised.filter((id) => !kept.has(id)).length).toBeGreaterThan(0);
  }, 300_000);
});
