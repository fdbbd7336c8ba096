// Does the doctor find what is wrong with a store, each once and no more, and change nothing?
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Diagnosis, diagnose } from "../../src/miniflow/doctor.ts";
import { promote } from "../../src/miniflow/registry.ts";
import { type ActiveRun, startRun } from "../../src/miniflow/tracker.ts";
import { filesBelow, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

const MODEL = "a model";
const start = (store: string) => startRun({ store, environment: Promise.resolve(ENVIRONMENT) });

/** A store with two runs, of which the second is in production. */
async function makeStore(): Promise<{ store: string; first: ActiveRun; second: ActiveRun }> {
  const store = temporaryDirectory();
  const runs: ActiveRun[] = [];
  for (let k = 0; k < 2; k++) {
    const run = await start(store);
    run.logMetrics([{ key: "a", value: 1 }]);
    run.setTag("a", "b");
    run.writeArtifact("model/model.npz", MODEL);
    run.endRun("FINISHED", { model_sha256: createHash("sha256").update(MODEL).digest("hex") });
    promote(store, "m", run.id);
    runs.push(run);
  }
  return { store, first: runs[0]!, second: runs[1]! };
}

const told = ({ findings }: Diagnosis) =>
  findings.map(({ level, path, problem }) => `${level}: ${path}: ${problem}`);

test("a healthy store has no findings, and a head to note", async () => {
  const { store } = await makeStore();
  const head = createHash("sha256")
    .update(readFileSync(join(store, "registry.d/000000000002.json")))
    .digest("hex");
  expect(diagnose(store)).toEqual({
    findings: [],
    runs: 2,
    by_status: { FINISHED: 2 },
    generation: 2,
    head_sha256: head,
  });
  promote(store, "m", (await makeStoreRun(store)).id);
  expect(diagnose(store, head).findings).toEqual([]);
  expect(told(diagnose(store, "0".repeat(64)))).toEqual([
    expect.stringMatching(/^error: .*registry\.d: no generation has the SHA-256/),
  ]);
});

async function makeStoreRun(store: string): Promise<ActiveRun> {
  const run = await start(store);
  run.endRun();
  return run;
}

test("no store is no error", () => {
  const path = join(temporaryDirectory(), "none");
  expect(told(diagnose(path))).toEqual([
    `note: ${path}: there is no store yet: the first run makes it`,
  ]);
});

describe("finds", () => {
  type Setup = Awaited<ReturnType<typeof makeStore>>;
  test.each<[string, (setup: Setup) => unknown, RegExp]>([
    [
      "a bad metric line",
      ({ first }) => appendFileSync(join(first.directory, "metrics.jsonl"), "no\n"),
      /^warning: .*metrics\.jsonl: line 2 is not a metric$/,
    ],
    [
      "a metrics file that ends in the middle of a line",
      ({ first }) => appendFileSync(join(first.directory, "metrics.jsonl"), '{"key'),
      /^warning: .*metrics\.jsonl: its last line has no end$/,
    ],
    [
      "a bad tag",
      ({ first }) => appendFileSync(join(first.directory, "tags.jsonl"), "no\n"),
      /^warning: .*tags\.jsonl: 1 lines are no tags$/,
    ],
    [
      "a model that was changed",
      ({ first }) => writeFileSync(join(first.directory, "artifacts/model/model.npz"), "another"),
      /^error: .*model\.npz: its SHA-256 is [0-9a-f]{64}, recorded was/,
    ],
    [
      "a model that is gone",
      ({ first }) => rmSync(join(first.directory, "artifacts"), { recursive: true }),
      /^error: .*model\.npz: it is missing$/,
    ],
    [
      "a run whose record is damaged",
      ({ first }) => writeFileSync(join(first.directory, "meta.json"), "{"),
      /^error: .*meta\.json: not valid JSON$/,
    ],
    [
      "a generation that was rewritten",
      ({ store }) => appendFileSync(join(store, "registry.d/000000000001.json"), " "),
      /^error: .*000000000002\.json: it follows another generation 1/,
    ],
    [
      "a registry.json that somebody else wrote",
      ({ store, first }) =>
        writeFileSync(
          join(store, "registry.json"),
          JSON.stringify({ m: { production: first.id } }),
        ),
      /^warning: .*registry\.json: it is no generation of registry\.d/,
    ],
    [
      "a view that is behind",
      ({ store }) =>
        writeFileSync(
          join(store, "registry.json"),
          readFileSync(join(store, "registry.d/000000000001.json")),
        ),
      /^note: .*registry\.json: it is one generation behind/,
    ],
    [
      "what stands among the runs and is none",
      ({ first }) => mkdirSync(join(first.directory, "../notes")),
      /^warning: .*notes: it is no run, and is left out$/,
    ],
  ])("%s", async (_, damage, message) => {
    const setup = await makeStore();
    await damage(setup);
    expect(told(diagnose(setup.store))).toEqual([expect.stringMatching(message)]);
  });

  test("a production run that is missing", async () => {
    const { store, second } = await makeStore();
    rmSync(second.directory, { recursive: true });
    expect(told(diagnose(store))).toEqual([
      `error: ${join(store, "registry.json")}: run ${second.id}, production of "m", is missing`,
    ]);
  });

  test("a registry.json that is damaged, besides everything else", async () => {
    const { store, first } = await makeStore();
    writeFileSync(join(store, "registry.json"), "{");
    appendFileSync(join(first.directory, "metrics.jsonl"), "no\n");
    expect(told(diagnose(store))).toEqual([
      expect.stringMatching(/^error: .*registry\.json: not valid JSON$/),
      expect.stringMatching(/^warning: .*line 2 is not a metric$/),
    ]);
  });
});

test("changes nothing", async () => {
  const { store, first } = await makeStore();
  appendFileSync(join(first.directory, "metrics.jsonl"), '{"torn');
  writeFileSync(join(store, "registry.d/.2.0123456789abcdef.tmp"), "{");
  const content = () =>
    filesBelow(store).map((path) => [path, readFileSync(join(store, path), "latin1")]);
  const before = content();
  diagnose(store);
  expect(content()).toEqual(before);
});
