// Is a store whole after kill -9, at each step of a training and at random moments in each of its phases?
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { diagnose } from "../../src/miniflow/doctor.ts";
import { listRuns } from "../../src/miniflow/listing.ts";
import { readRegistry } from "../../src/miniflow/registry.ts";
import { findRun, readArtifact, readRun } from "../../src/miniflow/runs.ts";
import {
  BIN,
  createRandom,
  ROOT,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const PRELOAD = join(ROOT, "test/faults/preload.mjs");
const directory = temporaryDirectory();
const table = writeTable(directory, "t.csv", { rows: 40 });
/** What every one of these trainings gives, since the model is a function of data and parameters. */
let digest: string;

const trainArgs = (store: string, model: string) => [
  "train",
  ...["--data", table, "--iterations", "20", "--log-every", "5", "--store", store],
  ...["--experiment", "x", "--model", model, "--out", join(store, "../model.npz"), "--json"],
];

beforeAll(async () => {
  const store = join(temporaryDirectory(), "miniflow");
  const [command, ...args] = trainArgs(store, "m");
  const answer = await raisinJson<TrainAnswer>([command!, ...args.slice(0, -1)], {
    cwd: directory,
  });
  digest = answer.model_digest;
});

function startTraining(store: string, model: string, env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ["--import", PRELOAD, BIN, ...trainArgs(store, model)], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? "", FAULT_STORE: store, FAULT_TELL: "1", ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
}

/** Every line that a training told, and how it ended. @param onLine may kill it */
async function follow(
  child: ChildProcess,
  onLine: (line: string) => void = () => {},
): Promise<{ lines: string[]; code: number | null; stdout: string; stderr: string }> {
  const lines: string[] = [];
  let [rest, stdout, stderr] = ["", "", ""];
  child.stdio[3]!.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop()!;
    for (const line of parts) {
      lines.push(line);
      onLine(line);
    }
  });
  child.stdout!.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr!.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { lines, code, stdout, stderr };
}

/** What is wrong with a store; nothing, if all is well. @param before generation that was seen last */
function faultsOf(store: string, before = 0): string[] {
  const faults = diagnose(store)
    .findings.filter(({ level }) => level === "error")
    .map(({ path, problem }) => `${path}: ${problem}`);
  const generation = diagnose(store).generation;
  if (generation < before) faults.push(`generation ${generation} after ${before}`);
  for (const [, { production }] of readRegistry(store)) {
    const run = readRun(findRun(store, production)!);
    const model = readArtifact(run.directory, "model/model.npz")!;
    const sha256 = createHash("sha256").update(model).digest("hex");
    if (run.meta.status !== "FINISHED") faults.push(`run ${production} is ${run.meta.status}`);
    if (sha256 !== run.meta.model_sha256) faults.push(`run ${production} has another model`);
    if (run.meta.model_digest !== digest) faults.push(`run ${production} came out differently`);
  }
  for (const { run_id: id, error, bad_lines } of listRuns(store)) {
    if (error !== null || bad_lines > 0) faults.push(`run ${id}: ${error ?? "bad lines"}`);
  }
  return faults;
}

/** The next command goes on without a repair. */
async function goOn(store: string, model: string): Promise<string[]> {
  const { code, stdout, stderr } = await follow(startTraining(store, model, {}));
  if (code !== 0) return [`the next training ended with ${code}: ${stderr}`];
  const answer = JSON.parse(stdout) as TrainAnswer;
  if (answer.model_digest !== digest) return ["the next training came out differently"];
  const production = readRegistry(store).get(model)?.production;
  return production === undefined ? ["the next training was not promoted"] : faultsOf(store);
}

/** Runs jobs on both processors. */
async function inPairs<T>(jobs: readonly T[], work: (job: T) => Promise<void>): Promise<void> {
  const pending = [...jobs];
  await Promise.all(
    [0, 1].map(async () => {
      for (let job = pending.shift(); job !== undefined; job = pending.shift()) await work(job);
    }),
  );
}

describe("killed at a step", () => {
  const empty = join(directory, "empty/miniflow");
  const existing = join(directory, "existing/miniflow");
  const leftovers = join(directory, "leftovers/miniflow");

  /** The steps of a training in a store: the first and the last of each kind. */
  async function stepsIn(template: string): Promise<{ number: number; name: string }[]> {
    const store = copyOf(template);
    const { lines } = await follow(startTraining(store, "other", {}));
    // A kind is what is done, and to which kind of file.
    const names = lines
      .filter((line) => line.startsWith("step "))
      .map((line) =>
        line
          .slice(5)
          .replace(/[0-9a-f]{12}(?=\/|$)/g, "<run>")
          .replace(/\.\d*\.?[0-9a-f]+\.tmp/g, "<temporary>"),
      );
    return names.flatMap((name, k) =>
      names.indexOf(name) === k || names.lastIndexOf(name) === k ? [{ number: k + 1, name }] : [],
    );
  }

  function copyOf(template: string): string {
    const store = join(temporaryDirectory(), "miniflow");
    if (template !== empty) cpSync(template, store, { recursive: true });
    return store;
  }

  beforeAll(async () => {
    await follow(startTraining(join(directory, "first/miniflow"), "m", {}));
    cpSync(join(directory, "first/miniflow"), existing, { recursive: true });
    cpSync(existing, leftovers, { recursive: true });
    writeFileSync(join(leftovers, "registry.d/.2.0123456789abcdef.tmp"), "{");
    writeFileSync(join(leftovers, "experiments/.0123456789ab.tmp"), "half");
  }, 60_000);

  test.each([
    ["of an empty store", empty],
    ["of a store with runs", existing],
    ["of a store with leftovers", leftovers],
  ])(
    "%s, the store is whole and the next training goes on",
    async (name, template) => {
      const steps = await stepsIn(template);
      expect(new Set(steps.map((step) => step.name)).size).toBeGreaterThan(20);
      const problems: string[] = [];
      const jobs = steps.flatMap((step) =>
        step.name.startsWith("writeSync") ? [step, { ...step, half: " half" }] : [step],
      );
      let killed = 0;
      await inPairs(jobs, async (step) => {
        const store = join(temporaryDirectory(), "miniflow");
        if (template !== empty) cpSync(template, store, { recursive: true });
        const env = { FAULT_KILL: `${step.number}${"half" in step ? step.half : ""}` };
        const { code } = await follow(startTraining(store, "other", env));
        if (code === null) killed++;
        const faults = [...faultsOf(store), ...(await goOn(store, "other"))];
        problems.push(...faults.map((fault) => `${name}, ${JSON.stringify(step)}: ${fault}`));
      });
      expect(problems.slice(0, 5)).toEqual([]);
      // With another start some steps are others, and there may be fewer.
      expect(killed).toBeGreaterThan(jobs.length * 0.8);
    },
    300_000,
  );
});

test("a store that writes its files in place is found to be broken", async () => {
  const store = join(temporaryDirectory(), "miniflow");
  await follow(startTraining(store, "m", {}));
  const copy = join(temporaryDirectory(), "miniflow");
  cpSync(store, copy, { recursive: true });
  const inPlace = { FAULT_RENAME: "in place" };
  const { lines } = await follow(startTraining(copy, "other", inPlace));
  const steps = lines.filter((line) => line.startsWith("step "));
  const number = steps.findIndex((line) => /renameSync .*registry\.json/.test(line)) + 1;
  const env = { ...inPlace, FAULT_KILL: `${number} half` };
  const { code } = await follow(startTraining(store, "other", env));
  expect(code).toBeNull();
  expect(() => faultsOf(store)).toThrow(/registry\.json: not valid JSON/);
});

describe("killed at random", () => {
  const PHASES = [
    "start",
    "begin",
    "params",
    "metrics",
    "artifacts",
    "end",
    "candidate",
    "commit",
    "publish",
  ];
  const KILLS = 504;

  test("500 times, at least 25 times in each of 8 phases, every store is whole", async () => {
    const random = createRandom(20261125);
    const counts = new Map<string, number>(PHASES.map((phase) => [phase, 0]));
    const problems: string[] = [];
    const perStore = 14;
    let killed = 0;
    const stores = Array.from({ length: KILLS / perStore }, (_, k) => k);
    await inPairs(stores, async (number) => {
      const store = join(temporaryDirectory(), "miniflow");
      const promised = new Set<string>();
      let generation = 0;
      for (let k = 0; k < perStore; k++) {
        const phase = PHASES[(number * perStore + k) % PHASES.length]!;
        const model = `m${k}`;
        const child = startTraining(store, model, { FAULT_PHASE: phase });
        const kill = () => wait(random() * 8).then(() => child.kill("SIGKILL"));
        if (phase === "start") void wait(20 + random() * 100).then(() => child.kill("SIGKILL"));
        const { lines, code } = await follow(child, (line) => {
          if (line === `phase ${phase}`) void kill();
        });
        if (code === 0) promised.add(model);
        else {
          killed++;
          const last = lines.findLast((line) => line.startsWith("phase "))?.slice(6) ?? "start";
          counts.set(last, (counts.get(last) ?? 0) + 1);
        }
        const registry = readRegistry(store);
        for (const one of promised) {
          if (!registry.has(one)) problems.push(`store ${number}: the promotion of ${one} is lost`);
        }
        const faults = faultsOf(store, generation);
        problems.push(...faults.map((fault) => `store ${number}, kill ${k} in ${phase}: ${fault}`));
        generation = diagnose(store).generation;
      }
      problems.push(
        ...(await goOn(store, "last")).map((fault) => `store ${number}, then: ${fault}`),
      );
    });
    expect(problems.slice(0, 5)).toEqual([]);
    expect(killed).toBeGreaterThanOrEqual(500 * 0.95);
    const often = [...counts].filter(([, count]) => count >= 25).map(([phase]) => phase);
    expect(often.length, JSON.stringify([...counts])).toBeGreaterThanOrEqual(8);
  }, 600_000);
});
