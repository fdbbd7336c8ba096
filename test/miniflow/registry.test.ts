// Does the registry keep what others wrote, take any name, keep an honest history, and stay as it is when it is damaged?
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type Change,
  changeRegistry,
  checkChain,
  history,
  promote as promoteRun,
  readRegistry,
  rollback,
  viewState,
} from "../../src/miniflow/registry.ts";
import { RegistryError } from "../../src/miniflow/registry-error.ts";
import { StoreError } from "../../src/miniflow/store.ts";
import { startRun } from "../../src/miniflow/tracker.ts";
import { type Json, readJson, temporaryDirectory } from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

const RUN = "0123456789ab";
const OTHER = "ba9876543210";

/** The id of a run that is finished, or ended in another way. */
async function makeRun(store: string, status: "FINISHED" | "FAILED" = "FINISHED"): Promise<string> {
  const run = await startRun({ store, environment: Promise.resolve(ENVIRONMENT) });
  run.endRun(status);
  return run.id;
}

const promote = (store: string, model: string, runId: string, more = {}): Change =>
  promoteRun(store, model, runId, { reason: "it is better", by: "ann", ...more });

const view = (store: string): Json => readJson(store, "registry.json");
const generationPath = (store: string, number: number) =>
  join(store, "registry.d", `${String(number).padStart(12, "0")}.json`);
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

function storeWith(text: string): string {
  const store = temporaryDirectory();
  writeFileSync(join(store, "registry.json"), text);
  return store;
}

/** A store whose model "m" went from one run to the next. */
async function historyOf(count: number): Promise<{ store: string; ids: string[] }> {
  const store = temporaryDirectory();
  const ids: string[] = [];
  for (let k = 0; k < count; k++) {
    ids.push(await makeRun(store));
    promote(store, "m", ids[k]!);
  }
  return { store, ids };
}

describe("the registry", () => {
  test("is empty before the first promotion, and then in the seed's shape, with more", async () => {
    const store = join(temporaryDirectory(), "not/yet");
    expect(readRegistry(store).size).toBe(0);
    expect(existsSync(store)).toBe(false);
    const before = Date.now();
    const id = await makeRun(store);
    const change = promote(store, "raisin_logreg", id, {
      figures: { metric: "val_accuracy", candidate: 0.9, production: null },
    });
    const content = view(store);
    expect(Object.keys(content)).toEqual(["raisin_logreg"]);
    expect(Object.keys(content.raisin_logreg).slice(0, 2)).toEqual(["production", "updated_ts_ms"]);
    expect(content.raisin_logreg).toEqual({
      production: id,
      updated_ts_ms: expect.any(Number),
      version: 1,
      versions: 1,
      generation: 1,
      nonce: expect.stringMatching(/^[0-9a-f]{16}$/),
      previous_sha256: null,
      change: {
        action: "promote",
        alias: "production",
        from: null,
        to: id,
        version: 1,
        by: "ann",
        ts_ms: content.raisin_logreg.updated_ts_ms,
        reason: "it is better",
        figures: { metric: "val_accuracy", candidate: 0.9, production: null },
      },
    });
    expect(content.raisin_logreg.updated_ts_ms).toBeGreaterThanOrEqual(before);
    expect(change).toEqual(content.raisin_logreg.change);
    expect(readdirSync(store).sort()).toEqual(["experiments", "registry.d", "registry.json"]);
    expect(readdirSync(join(store, "registry.d"))).toEqual(["000000000001.json"]);
    expect(readFileSync(generationPath(store, 1))).toEqual(
      readFileSync(join(store, "registry.json")),
    );
  });

  test("keeps a registry of version 0.1.0: other models, their order, and fields that it does not know", async () => {
    const text = JSON.stringify({
      b: { production: OTHER, updated_ts_ms: 1, colour: "red" },
      a: { production: OTHER, updated_ts_ms: 2, note: "x" },
    });
    const store = storeWith(text);
    expect([...readRegistry(store).keys()]).toEqual(["b", "a"]);
    const id = await makeRun(store);
    const change = promote(store, "a", id);
    expect(change).toMatchObject({ from: OTHER, to: id, edited: ["b", "a"] });
    const content = view(store);
    expect(Object.keys(content)).toEqual(["b", "a"]);
    expect(content.b).toEqual({ production: OTHER, updated_ts_ms: 1, colour: "red" });
    expect(content.a).toMatchObject({ production: id, note: "x", generation: 1 });
    expect(content.a.updated_ts_ms).toBeGreaterThan(2);
    expect(checkChain(store)).toEqual([]);
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "名前", "a/b", "0"])(
    "takes %j as a model's name like any other",
    async (name) => {
      const store = temporaryDirectory();
      const [first, second] = [await makeRun(store), await makeRun(store)];
      expect(readRegistry(store).get(name)).toBeUndefined();
      promote(store, "plain", first);
      expect(readRegistry(store).get(name)).toBeUndefined();
      promote(store, name, second);
      const registry = readRegistry(store);
      expect([...registry.keys()].sort()).toEqual([name, "plain"].sort());
      expect(registry.get(name)?.production).toBe(second);
      expect(registry.get("plain")?.production).toBe(first);
      expect(({} as Record<string, unknown>).production).toBeUndefined();
      expect(history(store, name).map(({ change }) => change.to)).toEqual([second]);
    },
  );

  test.each(["", " m", "m\n", "x".repeat(251)])("refuses %j as a model's name", async (name) => {
    const store = temporaryDirectory();
    const id = await makeRun(store);
    expect(() => promote(store, name, id)).toThrow(RangeError);
    expect(existsSync(join(store, "registry.json"))).toBe(false);
  });

  test.each([
    ["text", "hello"],
    ["half an object", `{"m":{"production":"${RUN}"`],
    ["nothing", ""],
    ["a list", "[]"],
    ["an entry that is no object", '{"m":"x"}'],
    ["an entry of null", '{"m":null}'],
    ["an entry without a run", '{"m":{}}'],
    ["a path for a run", '{"m":{"production":"../../x"}}'],
    ["an id too long", `{"m":{"production":"${RUN}0"}}`],
    ["a number for a run", '{"m":{"production":123456789012}}'],
    ["a bad entry among good ones", `{"m":{"production":"${RUN}"},"n":{"production":""}}`],
    ["a path for a nonce", `{"m":{"production":"${RUN}","generation":1,"nonce":"../../x"}}`],
    ["a generation that is no number", `{"m":{"production":"${RUN}","generation":"1"}}`],
    ["an alias that names a path", `{"m":{"production":"${RUN}","aliases":{"a":{"run_id":".."}}}}`],
    ["aliases of null", `{"m":{"production":"${RUN}","aliases":null}}`],
    ["a time that is a text", `{"m":{"production":"${RUN}","updated_ts_ms":"5"}}`],
    ["a version of 0", `{"m":{"production":"${RUN}","version":0}}`],
    ["a digest that is none", `{"m":{"production":"${RUN}","previous_sha256":"x"}}`],
    ["a change that says nothing", `{"m":{"production":"${RUN}","change":{}}}`],
  ])("of %s is an error, and is never overwritten", async (_, text) => {
    const store = storeWith(text);
    const id = await makeRun(store);
    expect(() => readRegistry(store)).toThrow(StoreError);
    expect(() => readRegistry(store)).toThrow(join(store, "registry.json"));
    expect(() => promote(store, "m", id)).toThrow(StoreError);
    expect(readFileSync(join(store, "registry.json"), "utf8")).toBe(text);
    expect(readdirSync(store).sort()).toEqual(["experiments", "registry.json"]);
  });

  test.each<[string, (store: string) => Promise<string>, RegExp]>([
    ["that does not exist", async () => RUN, /there is no such run/],
    ["whose id is a path", async () => "../../../etc", /there is no such run/],
    ["that failed", (store) => makeRun(store, "FAILED"), /its status is FAILED/],
    [
      "that is running",
      async (store) => (await startRun({ store, environment: Promise.resolve(ENVIRONMENT) })).id,
      /its status is RUNNING/,
    ],
  ])("does not name a run %s", async (_, make, message) => {
    const store = temporaryDirectory();
    const id = await make(store);
    expect(() => promote(store, "m", id)).toThrow(RegistryError);
    expect(() => promote(store, "m", id)).toThrow(message);
    expect(existsSync(join(store, "registry.d"))).toBe(false);
  });

  test("changes nothing when nothing is proposed", async () => {
    const { store } = await historyOf(1);
    const before = readFileSync(join(store, "registry.json"), "utf8");
    expect(changeRegistry(store, "m", () => undefined)).toBeUndefined();
    expect(readFileSync(join(store, "registry.json"), "utf8")).toBe(before);
    expect(readdirSync(join(store, "registry.d"))).toHaveLength(1);
  });

  test("asks again when another writer was faster, with what there is now", async () => {
    const { store, ids } = await historyOf(1);
    const [second, third] = [await makeRun(store), await makeRun(store)];
    const seen: (string | undefined)[] = [];
    const change = changeRegistry(store, "m", (entry) => {
      seen.push(entry?.production);
      if (seen.length === 1) promote(store, "m", second);
      return { action: "promote", runId: third, reason: "x" };
    });
    expect(seen).toEqual([ids[0], second]);
    expect(change).toMatchObject({ from: second, to: third });
    expect(history(store).map(({ change: { to } }) => to)).toEqual([third, second, ids[0]]);
    expect(readdirSync(join(store, "registry.d")).every((name) => /^\d+\.json$/.test(name))).toBe(
      true,
    );
  });
});

describe("versions and aliases", () => {
  test("a run keeps its version, however often it is promoted", async () => {
    const { store, ids } = await historyOf(3);
    const again = promote(store, "m", ids[0]!);
    expect(again?.version).toBe(1);
    const fourth = promote(store, "m", await makeRun(store));
    expect(fourth?.version).toBe(4);
    expect(view(store).m).toMatchObject({ version: 4, versions: 4 });
    expect(promote(store, "other", ids[1]!)?.version).toBe(1);
  });

  test("an alias names a version without touching production", async () => {
    const { store, ids } = await historyOf(1);
    const second = await makeRun(store);
    const change = promote(store, "m", second, { alias: "staging" });
    expect(change).toMatchObject({ alias: "staging", from: null, to: second, version: 2 });
    expect(view(store).m).toMatchObject({
      production: ids[0],
      version: 1,
      versions: 2,
      aliases: { staging: { run_id: second, version: 2 } },
    });
    promote(store, "m", ids[0]!, { alias: "staging" });
    expect(history(store)[0]!.change).toMatchObject({ from: second, to: ids[0], version: 1 });
    const third = promote(store, "m", second);
    expect(third).toMatchObject({ alias: "production", version: 2 });
    expect(view(store).m.aliases.staging.run_id).toBe(ids[0]);
  });

  test.each(["latest", "v3", "V3", "a b", "a/b", "", "ä"])("%j is no alias", async (alias) => {
    const { store, ids } = await historyOf(1);
    expect(() => promote(store, "m", ids[0]!, { alias })).toThrow(/as an alias/);
  });

  test("production comes first", async () => {
    const store = temporaryDirectory();
    const id = await makeRun(store);
    expect(() => promote(store, "m", id, { alias: "staging" })).toThrow(
      /has no production run yet, which comes first/,
    );
  });
});

describe("rollback()", () => {
  test("goes back one promotion a time, and not to what was rolled back from", async () => {
    const { store, ids } = await historyOf(3);
    expect(rollback(store, "m", { reason: "worse", by: "bob" })).toMatchObject({
      action: "rollback",
      from: ids[2],
      to: ids[1],
      version: 2,
      reason: "worse",
      by: "bob",
    });
    expect(rollback(store, "m")?.to).toBe(ids[0]);
    expect(() => rollback(store, "m")).toThrow(/no run was in production before/);
    expect(readRegistry(store).get("m")?.production).toBe(ids[0]);
  });

  test("knows the newest promotion of a run that was promoted twice", async () => {
    const { store, ids } = await historyOf(2);
    promote(store, "m", ids[0]!);
    expect(rollback(store, "m")?.to).toBe(ids[1]);
  });

  test("to the run that is there is no change; of no model an error; a check may refuse", async () => {
    const { store, ids } = await historyOf(2);
    expect(rollback(store, "m", { to: ids[1]! })).toBeUndefined();
    expect(() => rollback(store, "none")).toThrow(/There is no model "none"/);
    const check = () => {
      throw new Error("damaged");
    };
    expect(() => rollback(store, "m", { check })).toThrow("damaged");
    expect(history(store)).toHaveLength(2);
  });
});

describe("the view", () => {
  /** As a crash between commit and publication leaves it: the newest generation is there, the view shows the one before. */
  function fallBehind(store: string, newest: number): void {
    const nonce = readJson(generationPath(store, newest)).m.nonce;
    copyFileSync(
      generationPath(store, newest),
      join(store, "registry.d", `.${newest}.${nonce}.tmp`),
    );
    rmSync(join(store, "registry.json"));
    if (newest > 1) copyFileSync(generationPath(store, newest - 1), join(store, "registry.json"));
  }

  test.each([1, 2, 3])(
    "that is behind generation %d is read one step ahead, and mended by the next change",
    async (newest) => {
      const { store, ids } = await historyOf(newest);
      fallBehind(store, newest);
      expect(readRegistry(store).get("m")?.production).toBe(ids.at(-1));
      expect(viewState(store)).toMatchObject({
        generation: newest,
        isBehind: true,
        isEdited: false,
      });
      // Reading publishes nothing.
      expect(existsSync(join(store, "registry.json"))).toBe(newest > 1);
      const next = await makeRun(store);
      const change = promote(store, "m", next);
      expect(change?.from).toBe(ids.at(-1));
      expect(viewState(store)).toMatchObject({ generation: newest + 1, isBehind: false });
      expect(checkChain(store)).toEqual([]);
      expect(readdirSync(join(store, "registry.d"))).toHaveLength(newest + 1);
    },
  );

  test("is made from the generations where it, or the token, was lost", async () => {
    const { store, ids } = await historyOf(2);
    rmSync(join(store, "registry.json"));
    expect(readRegistry(store).get("m")?.production).toBe(ids[1]);
    const change = promote(store, "m", await makeRun(store));
    expect(change?.from).toBe(ids[1]);
    expect(change).not.toHaveProperty("edited");
    expect(readdirSync(join(store, "registry.d"))).toHaveLength(3);
    expect(statSync(join(store, "registry.json")).isFile()).toBe(true);
  });

  test("that somebody else wrote counts, and the next change says so", async () => {
    const { store, ids } = await historyOf(2);
    const edited = { ...view(store), other: { production: OTHER, updated_ts_ms: 7 } };
    edited.m = { ...edited.m, production: ids[0] };
    writeFileSync(join(store, "new"), JSON.stringify(edited));
    renameSync(join(store, "new"), join(store, "registry.json"));
    expect(viewState(store)).toMatchObject({ generation: 2, isEdited: true });
    expect(readRegistry(store).get("m")?.production).toBe(ids[0]);
    const third = await makeRun(store);
    expect(promote(store, "m", third)).toMatchObject({ from: ids[0], edited: ["m", "other"] });
    expect(view(store).other).toEqual({ production: OTHER, updated_ts_ms: 7 });
    expect(view(store).m.generation).toBe(3);
    expect(checkChain(store)).toEqual([]);
  });

  test("in the seed's bare shape, written over a newer one, counts as well", async () => {
    const { store, ids } = await historyOf(3);
    writeFileSync(
      join(store, "new"),
      JSON.stringify({ m: { production: ids[0], updated_ts_ms: 7 } }),
    );
    renameSync(join(store, "new"), join(store, "registry.json"));
    expect(readRegistry(store).get("m")?.production).toBe(ids[0]);
    promote(store, "m", ids[1]!);
    expect(history(store)[0]!.change).toMatchObject({ from: ids[0], to: ids[1], version: 2 });
    expect(view(store).m.generation).toBe(4);
  });

  test("whose models were all taken out counts, too", async () => {
    const { store, ids } = await historyOf(2);
    writeFileSync(join(store, "new"), "{}");
    renameSync(join(store, "new"), join(store, "registry.json"));
    expect(readRegistry(store).size).toBe(0);
    expect(promote(store, "m", ids[1]!)).toMatchObject({ from: null, version: 2, edited: ["m"] });
    expect(checkChain(store)).toEqual([]);
  });

  test("that was edited, and whose next change was committed but not published, is behind", async () => {
    const { store, ids } = await historyOf(1);
    const edit = JSON.stringify({ m: { production: ids[0], updated_ts_ms: 7 } });
    writeFileSync(join(store, "new"), edit);
    renameSync(join(store, "new"), join(store, "registry.json"));
    const next = await makeRun(store);
    promote(store, "m", next);
    writeFileSync(join(store, "new"), edit);
    renameSync(join(store, "new"), join(store, "registry.json"));
    expect(viewState(store)).toMatchObject({ generation: 2, isBehind: true, isEdited: false });
    expect(readRegistry(store).get("m")?.production).toBe(next);
  });
});

describe("the history", () => {
  test("holds who, when, why and both figures of each change, newest first", async () => {
    const store = temporaryDirectory();
    const ids = [await makeRun(store), await makeRun(store)];
    promote(store, "m", ids[0]!, { by: "ann", reason: "first" });
    const figures = { metric: "val_loss", candidate: 0.3, production: 0.4 };
    promote(store, "m", ids[1]!, { by: "bob", reason: "lower", figures });
    expect(
      history(store, "m").map(({ generation, change }) => ({ generation, ...change })),
    ).toEqual([
      expect.objectContaining({ generation: 2, by: "bob", reason: "lower", from: ids[0], figures }),
      expect.objectContaining({ generation: 1, by: "ann", reason: "first", from: null }),
    ]);
    expect(history(store, "other")).toEqual([]);
  });

  test("is a chain: each generation holds the SHA-256 of the one before", async () => {
    const { store } = await historyOf(3);
    for (const number of [2, 3]) {
      expect(readJson(generationPath(store, number)).m.previous_sha256).toBe(
        sha256(generationPath(store, number - 1)),
      );
    }
    expect(checkChain(store)).toEqual([]);
    expect(checkChain(store, sha256(generationPath(store, 2)))).toEqual([]);
  });

  const rewrite = (path: string, change: (text: string) => string) =>
    writeFileSync(path, change(readFileSync(path, "utf8")));

  test.each<[string, (store: string) => void, RegExp]>([
    [
      "a reason was changed",
      (store) =>
        rewrite(generationPath(store, 2), (text) => text.replace("it is better", "it is worse!")),
      /it follows another generation 2 than the one on disk/,
    ],
    [
      "a byte that means nothing was added",
      (store) => rewrite(generationPath(store, 1), (text) => `${text} `),
      /it follows another generation 1/,
    ],
    [
      "one was taken out of the middle",
      (store) => rmSync(generationPath(store, 2)),
      /000000000002\.json this generation is missing/,
    ],
    [
      "the first was taken out",
      (store) => rmSync(generationPath(store, 1)),
      /000000000001\.json this generation is missing/,
    ],
    [
      "one was damaged",
      (store) => rewrite(generationPath(store, 2), (text) => text.slice(0, 40)),
      /not valid JSON/,
    ],
    [
      "one was put in another's place",
      (store) => copyFileSync(generationPath(store, 1), generationPath(store, 2)),
      /it does not say that it is this generation/,
    ],
  ])("shows that %s", async (_, change, message) => {
    const { store } = await historyOf(4);
    change(store);
    const findings = checkChain(store).map(({ path, problem }) => `${path} ${problem}`);
    expect(findings.join("\n")).toMatch(message);
  });

  test("shows by an anchor that the newest was rewritten or cut off", async () => {
    const { store } = await historyOf(3);
    const anchor = sha256(generationPath(store, 3));
    expect(checkChain(store, anchor)).toEqual([]);
    rewrite(generationPath(store, 3), (text) => text.replace("it is better", "it is worse!"));
    // Nothing follows the newest, so the chain alone cannot tell.
    expect(checkChain(store)).toEqual([]);
    expect(checkChain(store, anchor)).toEqual([
      { path: join(store, "registry.d"), problem: expect.stringContaining("rewritten or cut off") },
    ]);
  });

  test.each([2, 3])(
    "a damaged generation %d stops every change, and is never overwritten",
    async (number) => {
      const { store, ids } = await historyOf(3);
      // In place would change the view as well, which is the same file.
      rmSync(generationPath(store, number));
      writeFileSync(generationPath(store, number), "{");
      expect(() => promote(store, "m", ids[0]!)).toThrow(StoreError);
      expect(readFileSync(generationPath(store, number), "utf8")).toBe("{");
      expect(readdirSync(join(store, "registry.d"))).toHaveLength(3);
    },
  );

  test("a generation that is a link is not followed", async () => {
    const { store } = await historyOf(2);
    const elsewhere = join(temporaryDirectory(), "x.json");
    renameSync(generationPath(store, 2), elsewhere);
    symlinkSync(elsewhere, generationPath(store, 2));
    expect(() => readRegistry(store)).toThrow(/it is a symbolic link/);
  });

  test("other names in registry.d are nothing", async () => {
    const { store, ids } = await historyOf(2);
    mkdirSync(join(store, "registry.d/x"));
    for (const name of ["1.json", "000000000009.json.bak", ".3.0.tmp", "0000000000099.json"]) {
      writeFileSync(join(store, "registry.d", name), "x");
    }
    expect(readRegistry(store).get("m")?.production).toBe(ids[1]);
    expect(checkChain(store)).toEqual([]);
  });
});
