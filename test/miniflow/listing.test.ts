// Does a list show every run as it is, and what is damaged in one break nothing else? With many runs, is the index never wrong?
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { findRuns, listRuns, type RunSummary, searchRuns } from "../../src/miniflow/listing.ts";
import { deleteRun, restoreRun } from "../../src/miniflow/removal.ts";
import { INDEX_NAME, readIndex, writeIndex } from "../../src/miniflow/run-index.ts";
import { appendTag, startRun } from "../../src/miniflow/tracker.ts";
import { ROOT, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

const start = (store: string, options: Parameters<typeof startRun>[0] = {}) =>
  startRun({ store, environment: Promise.resolve(ENVIRONMENT), ...options });

/** Writes a run by hand. */
function write(
  store: string,
  id: string,
  meta: object,
  files: Record<string, string> = {},
): string {
  const directory = join(store, "experiments/x/runs", id);
  mkdirSync(directory, { recursive: true });
  const whole = {
    run_id: id,
    experiment: "x",
    status: "FINISHED",
    start_ts_ms: 1,
    end_ts_ms: 5,
    ...meta,
  };
  writeFileSync(join(directory, "meta.json"), JSON.stringify(whole));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const byId = (runs: readonly RunSummary[]) => new Map(runs.map((run) => [run.run_id, run]));

describe("a summary", () => {
  test("holds what a run logged", async () => {
    const store = temporaryDirectory();
    const run = await start(store, {
      experiment: "a/b",
      name: "first",
      tags: { note: "old" },
      datasets: [
        { name: "wine", digests: { content_digest: "cc", other: "dd" }, context: "training" },
      ],
      fields: { kind: "own", model: "m" },
    });
    run.logParams({ lr: 0.1, list: ["a", 1] });
    run.logMetrics([
      { key: "loss", value: 3, step: 2, ts_ms: 5 },
      { key: "loss", value: 1, step: 0, ts_ms: 9 },
      { key: "loss", value: 2, step: 2, ts_ms: 6 },
    ]);
    run.setTag("note", "new");
    const part = await run.startRun({ name: "part" });
    part.endRun("KILLED");
    run.endRun("FINISHED", { metrics: { auc: 0.5, loss: 99, none: null } });
    const runs = byId(listRuns(store));
    expect(runs.get(run.id)).toEqual({
      run_id: run.id,
      run_dir: run.directory,
      run_name: "first",
      experiment: "a/b",
      status: "FINISHED",
      kind: "own",
      model: "m",
      parent_run_id: null,
      user: "ann",
      start_ts_ms: expect.any(Number),
      end_ts_ms: expect.any(Number),
      duration_ms: expect.any(Number),
      params: { lr: 0.1, list: ["a", 1] },
      tags: { note: "new" },
      metrics: {
        loss: { last: 2, step: 2, min: 1, max: 3, count: 3 },
        auc: { last: 0.5, step: 0, min: 0.5, max: 0.5, count: 1 },
      },
      datasets: [{ name: "wine", digest: "cc", context: "training" }],
      bad_lines: 0,
      is_deleted: false,
      error: null,
    });
    expect(runs.get(part.id)).toMatchObject({
      parent_run_id: run.id,
      experiment: "a/b",
      status: "KILLED",
      metrics: {},
    });
    expect(searchRuns(store, { experiment: "a/b" })).toHaveLength(2);
    expect(searchRuns(store, { experiment: "a" })).toEqual([]);
    expect(searchRuns(store, { filter: `parent_run_id = '${run.id}'` })).toHaveLength(1);
  });

  test("of a run of version 0.1.0 names its dataset and model", () => {
    const store = temporaryDirectory();
    const runs = join(store, "experiments/fruit/runs");
    cpSync(join(ROOT, "test/golden/run-0.1.0"), runs, { recursive: true });
    const [run, ...others] = listRuns(store);
    expect(others).toEqual([]);
    expect(run).toMatchObject({
      status: "FINISHED",
      model: "fruit",
      user: null,
      datasets: [{ name: "fruit", context: "training" }],
      bad_lines: 0,
    });
    expect(run!.metrics.val_loss!.count).toBe(3);
  });

  test("keys that objects inherit are keys like others", async () => {
    const store = temporaryDirectory();
    const run = await start(store);
    for (const key of ["__proto__", "constructor", "toString"]) {
      run.logParam(key, "p");
      run.logMetric(key, 1);
      run.setTag(key, "t");
    }
    run.endRun();
    const filter = ["__proto__", "constructor", "toString"]
      .map((key) => `params.${key} = 'p' AND metrics.${key} = 1 AND tags.${key} = 't'`)
      .join(" AND ");
    expect(searchRuns(store, { filter })).toHaveLength(1);
    const other = await start(store);
    other.endRun();
    expect(searchRuns(store, { filter: "params.constructor IS NOT NULL" })).toHaveLength(1);
    expect(({} as Record<string, unknown>).last).toBeUndefined();
  });
});

describe("what is damaged", () => {
  const store = temporaryDirectory();
  beforeAll(() => {
    const metric = (seq: number) =>
      `{"key":"a","value":${seq},"step":${seq},"seq":${seq},"ts_ms":5}\n`;
    write(store, "000000000001", {}, { "metrics.jsonl": metric(0) });
    write(store, "000000000002", {}, { "metrics.jsonl": `${metric(0)}{"key":\n${metric(2)}` });
    write(store, "000000000003", {}, { "meta.json": "{" });
    write(store, "000000000004", { run_id: "000000000001" });
    write(store, "000000000005", {}, { "params.json": "[]" });
    write(store, "000000000006", { status: 5 });
    write(store, "000000000007", {
      start_ts_ms: "x",
      name: 7,
      datasets: "x",
      metrics: [1],
      versions: 3,
    });
    mkdirSync(join(store, "experiments/x/runs/000000000008"));
    mkdirSync(join(write(store, "000000000009", {}), "metrics.jsonl"));
    symlinkSync(
      join(store, "experiments/x/runs/000000000001"),
      join(store, "experiments/x/runs/00000000000a"),
    );
    symlinkSync(join(store, "experiments/x"), join(store, "experiments/link"));
    writeFileSync(join(store, "experiments/x/runs/file"), "");
    write(
      store,
      "00000000000b",
      {},
      { "tags.jsonl": '{"key":"a","value":1}\n\nno\n{"key":"a","value":"b"}\n{"key' },
    );
  });

  test("is told of its own run, and breaks no list", () => {
    const runs = byId(listRuns(store));
    expect(
      [...runs].map(([id, { status, bad_lines }]) => [id.slice(-1), status, bad_lines]).sort(),
    ).toEqual([
      ["1", "FINISHED", 0],
      ["2", "FINISHED", 1],
      ["3", "DAMAGED", 0],
      ["4", "DAMAGED", 0],
      ["5", "DAMAGED", 0],
      ["6", "DAMAGED", 0],
      ["7", "FINISHED", 0],
      ["9", "DAMAGED", 0],
      ["b", "FINISHED", 2],
    ]);
    const errorOf = (digit: string) => runs.get(`00000000000${digit}`)!.error;
    expect(errorOf("3")).toMatch(/meta\.json: not valid JSON/);
    expect(errorOf("4")).toMatch(/is of run 000000000001/);
    expect(errorOf("5")).toMatch(/params\.json: not a JSON object/);
    expect(errorOf("9")).toMatch(/metrics\.jsonl: not a regular file/);
    expect(runs.get("000000000002")!.metrics.a).toMatchObject({ last: 2, count: 2 });
    expect(runs.get("000000000007")).toMatchObject({
      start_ts_ms: null,
      run_name: null,
      datasets: [],
      metrics: {},
    });
    expect(runs.get("00000000000b")!.tags).toEqual({ a: "b" });
  });

  test("can be searched for", () => {
    const found = searchRuns(store, { filter: "status = 'DAMAGED'", orderBy: ["run_id DESC"] });
    expect(found.map(({ run_id }) => run_id.slice(-1))).toEqual(["9", "6", "5", "4", "3"]);
  });
});

describe("the index", () => {
  const store = temporaryDirectory();
  const indexPath = join(store, INDEX_NAME);
  const ids = Array.from({ length: 240 }, (_, k) => (k + 1).toString(16).padStart(12, "0"));
  const directoryOf = (id: string) => join(store, "experiments/x/runs", id);

  const withoutIndex = () => {
    const kept = `${indexPath}.kept`;
    if (existsSync(indexPath)) renameSync(indexPath, kept);
    const runs = byId(listRuns(store));
    rmSync(indexPath, { force: true });
    if (existsSync(kept)) renameSync(kept, indexPath);
    return runs;
  };
  const expectRight = () => {
    const found = findRuns(store, { view: "all" });
    const runs = byId([...found.runs]);
    expect(runs).toEqual(withoutIndex());
    const texts = [...findRuns(store, { view: "all" }).texts].map((text) => JSON.parse(text));
    expect(byId(texts)).toEqual(runs);
    return runs;
  };

  beforeAll(async () => {
    for (const [k, id] of ids.entries()) {
      const lines = `{"key":"loss","value":${k},"step":0,"seq":0,"ts_ms":5}\n`;
      write(store, id, { start_ts_ms: k }, { "metrics.jsonl": lines, "params.json": `{"k":${k}}` });
    }
    // A directory counts once it is two seconds older than the index.
    await wait(2300);
    listRuns(store);
  });

  test("is there, and is used: what it says comes out", () => {
    const { entries } = readIndex(store)!;
    expect(entries.size).toBe(ids.length);
    const changed = new Map(entries);
    const key = `x/runs/${ids[3]}`;
    const entry = entries.get(key)!;
    changed.set(key, { ...entry, metrics: entry.metrics.replace('"last":3', '"last":777') });
    writeIndex(store, changed, performance.now());
    expect(searchRuns(store, { filter: "metrics.loss = 777" }).map(({ run_id }) => run_id)).toEqual(
      [ids[3]],
    );
    rmSync(indexPath);
    listRuns(store);
    expect(searchRuns(store, { filter: "metrics.loss = 777" })).toEqual([]);
  });

  test("is never wrong, whatever changes", async () => {
    const [a, b, c, d] = ids.slice(10) as [string, string, string, string];
    const runs = expectRight();
    expect(runs.get(a)!.metrics.loss!.last).toBe(10);
    appendTag(directoryOf(a), "note", "later");
    expect(expectRight().get(a)!.tags).toEqual({ note: "later" });
    appendTag(directoryOf(a), "note", "again");
    expect(expectRight().get(a)!.tags).toEqual({ note: "again" });
    deleteRun(store, b);
    expect(expectRight().get(b)!.is_deleted).toBe(true);
    restoreRun(store, b);
    expect(expectRight().get(b)!.is_deleted).toBe(false);
    rmSync(directoryOf(c), { recursive: true });
    expect(expectRight().has(c)).toBe(false);
    write(store, c, { name: "another" }, {});
    expect(expectRight().get(c)).toMatchObject({ run_name: "another", metrics: {} });
    // As amend does it: a whole file takes the place of the old one.
    const meta = readFileSync(join(directoryOf(d), "meta.json"), "utf8");
    writeFileSync(join(directoryOf(d), "new"), meta.replace("FINISHED", "FAILED"));
    renameSync(join(directoryOf(d), "new"), join(directoryOf(d), "meta.json"));
    expect(expectRight().get(d)!.status).toBe("FAILED");
    const run = await start(store, { experiment: "y" });
    run.logMetric("loss", 1);
    expect(expectRight().get(run.id)!.status).toBe("RUNNING");
    run.logMetric("loss", 2, { step: 1 });
    expect(expectRight().get(run.id)!.metrics.loss!.count).toBe(2);
    run.endRun();
    expect(expectRight().get(run.id)!.status).toBe("FINISHED");
  });

  test("holds no run that goes on, and none that is damaged", async () => {
    const run = await start(store, { experiment: "y" });
    write(store, "ffffffffffff", {}, { "meta.json": "{" });
    rmSync(indexPath, { force: true });
    listRuns(store);
    const keys = [...readIndex(store)!.entries.keys()];
    expect(keys.length).toBeGreaterThan(200);
    expect(keys.filter((key) => key.endsWith(run.id) || key.endsWith("ffffffffffff"))).toEqual([]);
    run.endRun();
    rmSync(directoryOf("ffffffffffff"), { recursive: true });
  });

  test.each<[string, () => void]>([
    ["torn", () => truncateSync(indexPath, readFileSync(indexPath).length - 7)],
    ["empty", () => truncateSync(indexPath, 0)],
    [
      "one bit another",
      () => {
        const bytes = readFileSync(indexPath);
        bytes[bytes.length - 9]! ^= 1;
        writeFileSync(indexPath, bytes);
      },
    ],
    ["all zeros", () => writeFileSync(indexPath, Buffer.alloc(5000))],
    [
      "of another version",
      () => {
        writeFileSync(
          indexPath,
          readFileSync(indexPath, "utf8").replace(/"raisin":"[^"]+"/, '"raisin":"9.9.9"'),
        );
      },
    ],
    [
      "a link",
      () => {
        renameSync(indexPath, `${indexPath}.x`);
        symlinkSync(`${indexPath}.x`, indexPath);
      },
    ],
  ])("that is %s is made again", (_, damage) => {
    rmSync(indexPath, { recursive: true, force: true });
    listRuns(store);
    damage();
    expect(readIndex(store)).toBeUndefined();
    expectRight();
    listRuns(store);
    expect(readIndex(store)!.entries.size).toBeGreaterThan(200);
    rmSync(`${indexPath}.x`, { force: true });
  });

  test("that cannot be written breaks nothing", () => {
    rmSync(indexPath, { force: true });
    mkdirSync(indexPath);
    expect(listRuns(store).length).toBeGreaterThan(200);
    expect(readdirSync(store).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    rmSync(indexPath, { recursive: true });
  });

  test("is not written by a list of one experiment", () => {
    rmSync(indexPath, { force: true });
    expect(searchRuns(store, { experiment: "x" }).length).toBeGreaterThan(200);
    expect(existsSync(indexPath)).toBe(false);
  });
});
