// Is nothing removed that somebody may still need, and everything swept that crashes left?
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { promote } from "../../src/miniflow/registry.ts";
import { RegistryError } from "../../src/miniflow/registry-error.ts";
import {
  collectGarbage,
  deletedMs,
  deleteRun,
  leftovers,
  restoreRun,
} from "../../src/miniflow/removal.ts";
import { type ActiveRun, startRun } from "../../src/miniflow/tracker.ts";
import { filesBelow, readJson, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

const HOUR = 3600 * 1000;
const nothing = { removed: [], kept: [], swept: [] };

async function makeRun(store: string): Promise<ActiveRun> {
  const run = await startRun({ store, environment: Promise.resolve(ENVIRONMENT) });
  run.endRun();
  return run;
}

/** Time passes, for the rest of a test. */
function later(ms: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
}
afterEach(() => {
  vi.useRealTimers();
});

describe("deleteRun()", () => {
  test("marks, says who and when, and is taken back", async () => {
    const store = temporaryDirectory();
    const run = await makeRun(store);
    expect(deletedMs(run.directory)).toBeNull();
    deleteRun(store, run.id);
    deleteRun(store, run.id);
    expect(deletedMs(run.directory)).toEqual(expect.any(Number));
    expect(readJson(run.directory, "deleted.json").by).toEqual(expect.any(String));
    expect(existsSync(join(run.directory, "meta.json"))).toBe(true);
    restoreRun(store, run.id);
    expect(deletedMs(run.directory)).toBeNull();
  });

  test("refuses what the registry names, and what is running", async () => {
    const store = temporaryDirectory();
    const [first, second] = [await makeRun(store), await makeRun(store)];
    promote(store, "m", first.id);
    promote(store, "m", second.id, { alias: "staging" });
    const running = await startRun({ store, environment: Promise.resolve(ENVIRONMENT) });
    expect(() => deleteRun(store, first.id)).toThrow(/as it is production of "m"/);
    expect(() => deleteRun(store, second.id)).toThrow(/as it is staging of "m"/);
    expect(() => deleteRun(store, running.id)).toThrow(/as it is running/);
    for (const id of ["0123456789ab", "../..", ""]) {
      expect(() => deleteRun(store, id)).toThrow(RegistryError);
      expect(() => restoreRun(store, id)).toThrow(RegistryError);
    }
    promote(store, "m", second.id);
    deleteRun(store, first.id);
    expect(() => promote(store, "m", first.id)).toThrow(/as it is deleted/);
  });

  test("takes a damaged run", async () => {
    const store = temporaryDirectory();
    const run = await makeRun(store);
    writeFileSync(join(run.directory, "meta.json"), "{");
    deleteRun(store, run.id);
    expect(collectGarbage(store).removed).toEqual([run.id]);
  });
});

describe("collectGarbage()", () => {
  test("removes what is deleted, long enough ago, and nothing when it is only asked", async () => {
    const store = temporaryDirectory();
    const [gone, kept] = [await makeRun(store), await makeRun(store)];
    deleteRun(store, gone.id);
    const before = filesBelow(store);
    expect(collectGarbage(store, { isDryRun: true })).toEqual({ ...nothing, removed: [gone.id] });
    expect(collectGarbage(store, { olderThanMs: HOUR })).toEqual(nothing);
    expect(filesBelow(store)).toEqual(before);
    later(2 * HOUR);
    expect(collectGarbage(store, { olderThanMs: HOUR }).removed).toEqual([gone.id]);
    expect(existsSync(gone.directory)).toBe(false);
    expect(existsSync(kept.directory)).toBe(true);
    expect(readdirSync(join(kept.directory, ".."))).toEqual([kept.id]);
  });

  test("keeps what a rollback may lead to, and says so", async () => {
    const store = temporaryDirectory();
    const [first, second] = [await makeRun(store), await makeRun(store)];
    promote(store, "m", first.id);
    promote(store, "m", second.id);
    deleteRun(store, first.id);
    expect(collectGarbage(store)).toEqual({
      ...nothing,
      kept: [{ id: first.id, reason: 'it is version 1 of "m", to which a rollback may lead' }],
    });
    expect(existsSync(first.directory)).toBe(true);
  });

  test("removes nothing while the registry cannot be read", async () => {
    const store = temporaryDirectory();
    const run = await makeRun(store);
    deleteRun(store, run.id);
    promote(store, "m", (await makeRun(store)).id);
    rmSync(join(store, "registry.d/000000000001.json"));
    writeFileSync(join(store, "registry.d/000000000001.json"), "{");
    expect(() => collectGarbage(store)).toThrow(/not valid JSON/);
    expect(existsSync(run.directory)).toBe(true);
  });

  test("finishes what one that died had begun", async () => {
    const store = temporaryDirectory();
    const run = await makeRun(store);
    renameSync(run.directory, join(run.directory, `../.${run.id}.gone`));
    expect(collectGarbage(store)).toEqual(nothing);
    later(2 * HOUR);
    expect(collectGarbage(store).swept).toEqual([join(run.directory, `../.${run.id}.gone`)]);
    expect(readdirSync(join(run.directory, ".."))).toEqual([]);
  });
});

describe("the sweep", () => {
  test("takes old leftovers of every kind, and no token that still has to publish", async () => {
    const store = temporaryDirectory();
    const run = await makeRun(store);
    promote(store, "m", run.id);
    promote(store, "m", (await makeRun(store)).id);
    const put = (path: string) => {
      writeFileSync(join(store, path), "x");
      return join(store, path);
    };
    mkdirSync(join(run.directory, "artifacts/model"), { recursive: true });
    const place = run.directory.slice(store.length + 1);
    const old = [
      put(".0123456789ab.tmp"),
      put("registry.d/.1.0123456789abcdef.tmp"),
      put("registry.d/.2.0123456789abcdef.new.tmp"),
      put(`${place}/.0123456789ab.tmp`),
      put(`${place}/artifacts/model/.0123456789ab.tmp`),
    ];
    mkdirSync(join(run.directory, "../0123456789ab"));
    old.push(join(run.directory, "../0123456789ab"));
    const token = put("registry.d/.2.fedcba9876543210.tmp");
    const others = [put("notes.txt"), put(`${place}/artifacts/x.tmp`), put("registry.d/x.tmp")];
    expect(
      leftovers(store)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...old].sort());
    expect(collectGarbage(store)).toEqual(nothing);
    later(2 * HOUR);
    expect([...collectGarbage(store, { isDryRun: true }).swept].sort()).toEqual([...old].sort());
    expect(old.every((path) => existsSync(path))).toBe(true);
    expect([...collectGarbage(store).swept].sort()).toEqual([...old].sort());
    expect(old.filter((path) => existsSync(path))).toEqual([]);
    for (const path of [token, ...others]) expect(existsSync(path), path).toBe(true);
    expect(collectGarbage(store)).toEqual(nothing);
  });

  test("of no store is nothing", () => {
    expect(collectGarbage(join(temporaryDirectory(), "none"))).toEqual(nothing);
  });
});
