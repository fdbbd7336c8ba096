// Does a run on disk hold what was logged, refuse what it must, and get found by its id and by nothing else?
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve, sep } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { isSafeName } from "../../src/miniflow/names.ts";
import { findRun, readArtifact, readMetrics, readRun } from "../../src/miniflow/runs.ts";
import { StoreError } from "../../src/miniflow/store.ts";
import { type ActiveRun, experimentDirectory, startRun } from "../../src/miniflow/tracker.ts";
import { filesBelow, readJson, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

/** A run in an environment that is known. */
const start = (store: string, experiment: string, fields = {}) =>
  startRun({ store, experiment, fields, environment: Promise.resolve(ENVIRONMENT) });

describe("experimentDirectory()", () => {
  test("keeps a safe name", () => {
    expect(experimentDirectory("raisin")).toBe("raisin");
  });

  test("makes any other text a safe name, always the same and different for different texts", () => {
    const names = ["../x", "a/b", "a b", "名前", "..", "", "x".repeat(300), "a\0", "CON:", "a-b/"];
    const directories = names.map(experimentDirectory);
    expect(directories.filter(isSafeName)).toEqual(directories);
    expect(new Set(directories).size).toBe(names.length);
    expect(names.map(experimentDirectory)).toEqual(directories);
    expect(experimentDirectory("a/b")).toMatch(/^a-b-[0-9a-f]{12}$/);
  });

  test("never leads out of the store, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (name) => {
        const directory = experimentDirectory(name);
        const path = resolve("/store/experiments", directory);
        expect(dirname(path).split(sep).slice(1)).toEqual(["store", "experiments"]);
        expect(isSafeName(directory)).toBe(true);
      }),
    );
  });
});

describe("a run", () => {
  test("is a directory of its own with meta.json from the start", async () => {
    const store = temporaryDirectory();
    const run = await start(store, "a/b", { kind: "train", run_id: "mine", status: "mine" });
    expect(run.id).toMatch(/^[0-9a-f]{12}$/);
    expect(run.directory).toBe(
      join(store, "experiments", experimentDirectory("a/b"), "runs", run.id),
    );
    // What the run knows of itself cannot be overwritten by its fields.
    expect(readJson(run.directory, "meta.json")).toEqual({
      kind: "train",
      run_id: run.id,
      experiment: "a/b",
      status: "RUNNING",
      start_ts_ms: expect.any(Number),
      end_ts_ms: null,
      source: process.argv[1],
      process: {
        pid: process.pid,
        host: hostname(),
        boot: expect.anything(),
        started: expect.anything(),
      },
      ...ENVIRONMENT,
    });
    expect((await start(store, "a/b")).id).not.toBe(run.id);
  });

  test("takes parameters once", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.logParams({ lr: 0.1 });
    expect(() => run.logParams({ lr: 0.2 })).toThrow("parameters are written once");
    expect(readJson(run.directory, "params.json")).toEqual({ lr: 0.1 });
  });

  test("appends metrics, a line a value, in order", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.logMetrics([
      { key: "loss", value: 0.5, step: 0 },
      { key: 'odd "key"', value: -0, step: 0 },
    ]);
    run.logMetrics([]);
    run.logMetrics([{ key: "loss", value: 5e-324, step: 9007199254740991 }]);
    run.endRun("FINISHED");
    const lines = readFileSync(join(run.directory, "metrics.jsonl"), "utf8").split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^\{"key":"loss","value":0\.5,"step":0,"seq":0,"ts_ms":\d+\}$/);
    expect(
      readMetrics(run.directory).lines.map(({ key, value, step }) => [key, value, step]),
    ).toEqual([
      ["loss", 0.5, 0],
      ['odd "key"', 0, 0],
      ["loss", 5e-324, 9007199254740991],
    ]);
  });

  test.each([
    [Number.NaN, 0, /values must be finite: current value is NaN/],
    [Number.POSITIVE_INFINITY, 0, /current value is Infinity/],
    [Number.NEGATIVE_INFINITY, 0, /current value is -Infinity/],
    [1, -1, /steps must be whole numbers from 0: current step is -1/],
    [1, 0.5, /current step is 0.5/],
    [1, Number.NaN, /current step is NaN/],
  ])("refuses value %d at step %d, and the whole batch with it", async (value, step, message) => {
    const run = await start(temporaryDirectory(), "x");
    const log = () =>
      run.logMetrics([
        { key: "good", value: 1, step: 0 },
        { key: "loss", value, step },
      ]);
    expect(log).toThrow(RangeError);
    expect(log).toThrow(message);
    expect(readMetrics(run.directory).lines).toEqual([]);
  });

  test.each(["../x", "a/../../x", "/x", "a//b", "", ".x", "a/", "a\\b", "model/..", "x\0"])(
    "refuses an artifact named %j",
    async (path) => {
      const store = temporaryDirectory();
      const run = await start(store, "x");
      const before = filesBelow(store);
      expect(() => run.writeArtifact(path, "x")).toThrow(RangeError);
      expect(filesBelow(store)).toEqual(before);
      expect(() => readArtifact(run.directory, path)).toThrow(RangeError);
    },
  );

  test("keeps artifacts in directories, whole and as they were", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.writeArtifact("model/model.npz", new Uint8Array([0, 255]));
    run.writeArtifact("card.json", "{}");
    expect(readArtifact(run.directory, "model/model.npz")).toEqual(Buffer.from([0, 255]));
    expect(readArtifact(run.directory, "absent/x")).toBeUndefined();
    expect(filesBelow(join(run.directory, "artifacts"))).toEqual(["card.json", "model/model.npz"]);
  });

  test("ends once, with status and fields written last", async () => {
    const run = await start(temporaryDirectory(), "x", { kind: "train" });
    run.amend({ note: "on the way" });
    expect(readJson(run.directory, "meta.json")).toMatchObject({
      status: "RUNNING",
      note: "on the way",
    });
    run.endRun("FAILED", { error: "no" });
    const meta = readJson(run.directory, "meta.json");
    expect(meta).toMatchObject({
      kind: "train",
      status: "FAILED",
      note: "on the way",
      error: "no",
    });
    expect(meta.end_ts_ms).toBeGreaterThanOrEqual(meta.start_ts_ms);
    expect(() => run.endRun("FINISHED")).toThrow(`Cannot end run ${run.id} twice`);
    run.amend({ note: "afterwards" });
    expect(readJson(run.directory, "meta.json").note).toBe("afterwards");
    expect(readJson(run.directory, "meta.json").status).toBe("FAILED");
  });

  test("whose end could not be written can still be ended as failed", async () => {
    const run = await start(temporaryDirectory(), "x");
    const meta = join(run.directory, "meta.json");
    rmSync(meta);
    mkdirSync(meta); // nothing can be renamed onto a directory
    expect(() => run.endRun("FINISHED")).toThrow(StoreError);
    rmdirSync(meta);
    run.endRun("FAILED", { error: "disk" });
    expect(readJson(meta)).toMatchObject({ status: "FAILED", error: "disk" });
  });
});

describe("readMetrics()", () => {
  const directoryWith = (text: string) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "metrics.jsonl"), text);
    return directory;
  };
  const line = (step: number) => `{"key":"loss","value":1,"step":${step},"ts_ms":5}\n`;

  test("leaves a torn last line out", () => {
    const directory = directoryWith(`${line(0)}${line(1)}{"key":"lo`);
    const { lines, bad, isTorn } = readMetrics(directory);
    expect(lines.map(({ step }) => step)).toEqual([0, 1]);
    expect([bad, isTorn]).toEqual([[], true]);
    expect(readMetrics(temporaryDirectory())).toEqual({ lines: [], bad: [], isTorn: false });
  });

  test("reads a log larger than what is read at once elsewhere", () => {
    const key = "k".repeat(60_000);
    const directory = directoryWith(`{"key":"${key}","value":1,"step":0,"ts_ms":5}\n`.repeat(1200));
    expect(statSync(join(directory, "metrics.jsonl")).size).toBeGreaterThan(64 * 2 ** 20);
    const metrics = readMetrics(directory).lines;
    expect(metrics).toHaveLength(1200);
    expect(metrics.every((metric) => metric.key === key)).toBe(true);
  });

  test("a line longer than any record is a bad one, or torn when nothing ends it", () => {
    const long = "x".repeat(3 * 2 ** 20);
    const directory = directoryWith(`${line(0)}${long}\n${line(1)}`);
    const { lines, bad } = readMetrics(directory);
    expect(lines.map(({ step }) => step)).toEqual([0, 1]);
    expect(bad).toEqual([{ line: 2, reason: "is too long" }]);
    const torn = readMetrics(directoryWith(`${line(0)}${long}`));
    expect([torn.lines.length, torn.bad, torn.isTorn]).toEqual([1, [], true]);
  });

  test("what cannot be read is no bad line", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "metrics.jsonl"));
    expect(() => readMetrics(directory)).toThrow(expect.objectContaining({ name: "StoreError" }));
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["no value", '{"key":"loss","step":0}'],
    ["a value that is no number", '{"key":"loss","value":"1","step":0}'],
    ["a step that is no whole number", '{"key":"loss","value":1,"step":0.5}'],
    ["nothing", ""],
  ])("skips a line of %s, and tells its number", (_, text) => {
    const { lines, bad } = readMetrics(directoryWith(`${line(0)}${text}\n${line(1)}`));
    expect(lines.map(({ step }) => step)).toEqual([0, 1]);
    expect(bad).toEqual([{ line: 2, reason: "is not a metric" }]);
  });

  test("tells of lines that are missing, by seq", () => {
    const numbered = (seq: number) => `{"key":"a","value":1,"step":0,"ts_ms":5,"seq":${seq}}\n`;
    const metrics = (...numbers: number[]) =>
      readMetrics(directoryWith(numbers.map(numbered).join("")));
    expect(metrics(0, 1, 2).bad).toEqual([]);
    expect(metrics(0, 1, 4, 5).bad).toEqual([
      { line: 3, reason: "2 values before it are missing" },
    ]);
    // A damaged line is told once, not as a gap as well.
    const damaged = readMetrics(directoryWith(`${numbered(0)}\0\0\n${numbered(2)}`));
    expect(damaged.bad).toEqual([{ line: 2, reason: "is not a metric" }]);
  });
});

describe("findRun()", () => {
  const store = temporaryDirectory();
  let run: ActiveRun;
  beforeAll(async () => {
    run = await start(store, "some/where");
    run.endRun("FINISHED");
  });

  test("finds a run by its id in any experiment", async () => {
    await start(store, "another");
    expect(resolve(findRun(store, run.id)!)).toBe(run.directory);
    expect(findRun(store, "0".repeat(12))).toBeUndefined();
    expect(findRun(temporaryDirectory(), run.id)).toBeUndefined();
  });

  test.each([
    "..",
    "../..",
    "../../../etc",
    "%2e%2e",
    "",
    ".",
    "*",
    "ID/",
    "./ID",
    "x/../ID",
    "ID\0",
  ])("refuses %j, which is no id, although a path of it may exist", (id) => {
    expect(findRun(store, id.replace("ID", run.id))).toBeUndefined();
    expect(findRun(store, run.id.toUpperCase().replace(/\d/g, "A"))).toBeUndefined();
  });

  test("passes over files and names that no experiment has", () => {
    const odd = temporaryDirectory();
    mkdirSync(join(odd, "experiments"));
    writeFileSync(join(odd, "experiments/file"), "");
    const hidden = join(odd, "experiments/.trash/runs", run.id);
    cpSync(run.directory, hidden, { recursive: true });
    expect(existsSync(join(hidden, "meta.json"))).toBe(true);
    expect(findRun(odd, run.id)).toBeUndefined();
    // A directory without meta.json is no run.
    mkdirSync(join(odd, "experiments/x/runs", run.id), { recursive: true });
    expect(findRun(odd, run.id)).toBeUndefined();
  });
});

describe("readRun()", () => {
  test("reads what a run wrote, also through a link", async () => {
    const store = temporaryDirectory();
    const run = await start(store, "x", { kind: "train" });
    run.logParams({ lr: 1 });
    run.endRun("FINISHED");
    symlinkSync(run.directory, join(store, "link"));
    for (const directory of [run.directory, join(store, "link")]) {
      expect(readRun(directory)).toMatchObject({
        id: basename(run.directory),
        meta: { status: "FINISHED", kind: "train" },
        params: { lr: 1 },
      });
    }
  });

  test.each([
    ["{}", /run_id, status or experiment is missing/],
    [
      '{"run_id":"../../../x","status":"FINISHED","experiment":"x"}',
      /run_id, status or experiment/,
    ],
    ['{"run_id":"0123456789ab","status":1,"experiment":"x"}', /run_id, status or experiment/],
    ["{", /not valid JSON/],
  ])("refuses meta.json of %s", (text, message) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "meta.json"), text);
    expect(() => readRun(directory)).toThrow(StoreError);
    expect(() => readRun(directory)).toThrow(message);
  });

  test("says that there is no such run", () => {
    expect(() => readRun(temporaryDirectory())).toThrow("there is no such run");
  });
});
