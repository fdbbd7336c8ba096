// Does a run on disk hold what was logged, refuse what it must, and get found by its id and by nothing else?
import { spawnSync } from "node:child_process";
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
import { defaultStore, isSafeName } from "../../src/miniflow/names.ts";
import { findRun, readArtifact, readMetrics, readRun, readTags } from "../../src/miniflow/runs.ts";
import { StoreError } from "../../src/miniflow/store.ts";
import {
  type ActiveRun,
  appendTag,
  experimentDirectory,
  startRun,
} from "../../src/miniflow/tracker.ts";
import { filesBelow, ROOT, readJson, runNode, temporaryDirectory } from "../support/cli.ts";
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

describe("parameters", () => {
  test("are written once: the same value passes, another is an error, and nothing of its batch is written", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.logParams({ lr: 0.1, features: ["a", "b"], none: null });
    run.logParam("lr", 0.1);
    run.logParams({ features: ["a", "b"], more: true });
    const before = { lr: 0.1, features: ["a", "b"], none: null, more: true };
    expect(readJson(run.directory, "params.json")).toEqual(before);
    for (const params of [
      { added: 1, lr: 0.2 },
      { lr: "0.1" },
      { features: ["b", "a"] },
      { none: 0 },
    ]) {
      expect(() => run.logParams(params)).toThrow(/parameters are written once/);
    }
    expect(readJson(run.directory, "params.json")).toEqual(before);
  });

  test.each([
    [{ a: Number.NaN }],
    [{ a: Number.POSITIVE_INFINITY }],
    [{ a: undefined }],
    [{ a: {} }],
    [{ a: [[1]] }],
    [{ a: () => 1 }],
    [{ "": 1 }],
    [{ " a": 1 }],
    [{ ["x".repeat(251)]: 1 }],
    [{ "a\nb": 1 }],
  ])("refuses %j", async (params) => {
    const run = await start(temporaryDirectory(), "x");
    expect(() => run.logParams(params)).toThrow(RangeError);
    expect(existsSync(join(run.directory, "params.json"))).toBe(false);
  });
});

describe("parameters that are known from the start", () => {
  test("stand before there is a run, so that no run that exists lacks them", async () => {
    const store = temporaryDirectory();
    const params = { lr: 0.1, features: ["a", "b"] };
    const run = await startRun({ store, params, environment: Promise.resolve(ENVIRONMENT) });
    expect(readRun(run.directory).params).toEqual(params);
    const written = (name: string) => statSync(join(run.directory, name), { bigint: true });
    // Clocks of file systems are coarse: both may have the same time.
    expect(written("params.json").ctimeNs).toBeLessThanOrEqual(written("meta.json").ctimeNs);
    expect(() => run.logParam("lr", 0.2)).toThrow("parameters are written once");
    run.logParam("l2", 0);
    expect(readRun(run.directory).params).toEqual({ ...params, l2: 0 });
  });

  test("one that JSON cannot hold makes no run", async () => {
    const store = temporaryDirectory();
    const environment = Promise.resolve(ENVIRONMENT);
    await expect(startRun({ store, params: { lr: Number.NaN }, environment })).rejects.toThrow(
      /Cannot log parameter "lr"/,
    );
    expect(filesBelow(store)).toEqual([]);
  });
});

describe("tags", () => {
  test("are set while a run goes on and after its end; a torn line swallows no other", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.setTags({ note: "first", kept: "yes" });
    run.endRun();
    writeFileSync(join(run.directory, "tags.jsonl"), '{"key":"note","va', { flag: "a" });
    appendTag(run.directory, "note", "last é\n");
    expect(readTags(run.directory)).toEqual({
      tags: new Map([
        ["note", "last é\n"],
        ["kept", "yes"],
      ]),
      bad: 1,
    });
    expect(() => run.setTag("long", "x".repeat(8001))).toThrow(/at most 8000 characters/);
    expect(() => run.setTag("n", 5 as unknown as string)).toThrow(RangeError);
  });

  test("of many processes at once are all there", async () => {
    const run = await start(temporaryDirectory(), "x");
    const library = JSON.stringify(join(ROOT, "build/dist/miniflow/index.js"));
    const code = `import { appendTag } from ${library};
      for (let k = 0; k < 25; k++) appendTag(${JSON.stringify(run.directory)}, process.argv[1] + "-" + k, "x".repeat(500));`;
    const writers = Array.from({ length: 6 }, (_, k) =>
      runNode(["--input-type=module", "-e", code, String(k)], { cwd: run.directory }),
    );
    for (const { code: exit, stderr } of await Promise.all(writers))
      expect([exit, stderr]).toEqual([0, ""]);
    const { tags, bad } = readTags(run.directory);
    expect([tags.size, bad]).toEqual([150, 0]);
  });
});

describe("datasets", () => {
  test("are recorded, those of the start and later ones", async () => {
    const run = await startRun({
      store: temporaryDirectory(),
      datasets: [{ name: "a", rows: 0, context: "training" }],
      environment: Promise.resolve(ENVIRONMENT),
    });
    run.logDataset({ name: "b \u0007", digests: { sha256: "1" } });
    expect(readJson(run.directory, "meta.json").datasets).toEqual([
      { name: "a", rows: 0, context: "training", digests: {} },
      { name: "b \u0007", digests: { sha256: "1" } },
    ]);
    for (const bad of [
      { name: "" },
      { name: "a", rows: -1 },
      { name: "a", rows: 0.5 },
      { name: "a", context: "" },
      { name: "a", digests: { x: "" } },
    ]) {
      expect(() => run.logDataset(bad)).toThrow(RangeError);
    }
  });
});

describe("logArtifact()", () => {
  const base = temporaryDirectory();
  const tree = join(base, "plots");
  beforeAll(() => {
    mkdirSync(join(tree, "deep/er"), { recursive: true });
    writeFileSync(join(tree, "a b.txt"), "one");
    writeFileSync(join(tree, "deep/er/é.bin"), new Uint8Array(3_000_000).fill(7));
    writeFileSync(join(base, "single.txt"), "two");
  });

  test("copies a file, and a directory with all that it holds", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.logArtifact(join(base, "single.txt"));
    run.logArtifact(join(base, "single.txt"), "renamed/it.txt");
    run.logArtifact(tree);
    run.endRun();
    expect(filesBelow(join(run.directory, "artifacts"))).toEqual([
      "plots/a b.txt",
      "plots/deep/er/é.bin",
      "renamed/it.txt",
      "single.txt",
    ]);
    expect(readArtifact(run.directory, "plots/deep/er/é.bin")).toHaveLength(3_000_000);
    expect(Buffer.from(readArtifact(run.directory, "renamed/it.txt")!).toString()).toBe("two");
  });

  test.each<[string, (directory: string) => void]>([
    ["a link", (directory) => symlinkSync("/etc/passwd", join(directory, "z"))],
    ["a link to a directory", (directory) => symlinkSync("/etc", join(directory, "z"))],
    ["a hidden file", (directory) => writeFileSync(join(directory, ".z"), "")],
    ["an encoded name", (directory) => writeFileSync(join(directory, "%2e%2e"), "")],
    ["a name with a backslash", (directory) => writeFileSync(join(directory, "a\\b"), "")],
    ["a FIFO", (directory) => expect(spawnSync("mkfifo", [join(directory, "z")]).status).toBe(0)],
  ])("copies nothing of a directory that holds %s", async (_, spoil) => {
    const directory = join(temporaryDirectory(), "source");
    mkdirSync(directory);
    writeFileSync(join(directory, "a"), "good");
    spoil(directory);
    const store = temporaryDirectory();
    const run = await start(store, "x");
    const before = filesBelow(store);
    expect(() => run.logArtifact(directory)).toThrow(RangeError);
    expect(filesBelow(store)).toEqual(before);
  });

  test.each(["/dev/null", "/dev/zero", join("/proc", "self/exe")])(
    "refuses %s itself",
    async (path) => {
      const run = await start(temporaryDirectory(), "x");
      expect(() => run.logArtifact(path)).toThrow(RangeError);
      expect(existsSync(join(run.directory, "artifacts"))).toBe(false);
    },
  );

  test("says that there is no such file", async () => {
    const run = await start(temporaryDirectory(), "x");
    expect(() => run.logArtifact(join(base, "absent"))).toThrow(/absent: there is no such file/);
  });

  test("what became a link in the store is not read", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.writeArtifact("a/b.txt", "x");
    rmSync(join(run.directory, "artifacts/a"), { recursive: true });
    symlinkSync("/etc", join(run.directory, "artifacts/a"));
    expect(() => readArtifact(run.directory, "a/passwd")).toThrow(/is a symbolic link/);
    rmSync(join(run.directory, "artifacts"), { recursive: true });
    symlinkSync("/etc", join(run.directory, "artifacts"));
    expect(() => readArtifact(run.directory, "passwd")).toThrow(/is a symbolic link/);
  });
});

describe("after the end", () => {
  test("nothing is logged any more, and another end is refused", async () => {
    const run = await start(temporaryDirectory(), "x");
    run.endRun("FINISHED");
    for (const late of [
      () => run.logParam("a", 1),
      () => run.logMetric("a", 1),
      () => run.logDataset({ name: "a" }),
      () => run.writeArtifact("a", ""),
      () => run.logArtifact(run.directory),
      () => run.endRun("FAILED"),
    ]) {
      expect(late).toThrow(/has ended|twice/);
    }
    run.flush();
    expect(readJson(run.directory, "meta.json").status).toBe("FINISHED");
  });

  test("only three words end a run", async () => {
    const run = await start(temporaryDirectory(), "x");
    for (const status of ["RUNNING", "finished", "INTERRUPTED", ""]) {
      expect(() => run.endRun(status as "FINISHED")).toThrow(/must be FINISHED, FAILED or KILLED/);
    }
    run.endRun("KILLED");
  });
});

test("RAISIN_STORE names the store where none is named; empty, it names none", async () => {
  const directory = temporaryDirectory();
  const before = { cwd: process.cwd(), store: process.env.RAISIN_STORE };
  process.chdir(directory);
  try {
    process.env.RAISIN_STORE = join(directory, "mine");
    expect(defaultStore()).toBe(join(directory, "mine"));
    const run = await startRun({ environment: Promise.resolve(ENVIRONMENT) });
    expect(run.directory).toBe(join(directory, "mine/experiments/default/runs", run.id));
    process.env.RAISIN_STORE = "";
    expect(defaultStore()).toBe("miniflow");
  } finally {
    process.chdir(before.cwd);
    if (before.store === undefined) delete process.env.RAISIN_STORE;
    else process.env.RAISIN_STORE = before.store;
  }
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
