// Is what was promised still there when the power goes off at any moment, and does the next run just go on?
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { disk, type Op } from "./disk.ts";
import { type Before, DATA_FATES, fingerprint, materialise, Platter } from "./power-loss.ts";
import { faultsOf, nothing, work } from "./workload.ts";

vi.mock("node:fs", async (original) => {
  const { disk } = await import("./disk.ts");
  return disk.wrap(await original());
});

const base = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "raisin-power-"));
afterAll(() => {
  disk.rest();
  rmSync(base, { recursive: true, force: true });
});
const source = join(base, "input.csv");
writeFileSync(source, "a,b\n1,2\n");
const template = join(base, "template");
let production: string;

beforeAll(async () => {
  const progress = nothing();
  await work(template, source, progress);
  production = progress.run!.id;
});

function contentOf(root: string): Before {
  if (!existsSync(root)) return { directories: [], files: new Map() };
  const entries = readdirSync(root, { withFileTypes: true, recursive: true }).map((entry) => ({
    path: join(entry.parentPath, entry.name).slice(root.length + 1),
    isDirectory: entry.isDirectory(),
  }));
  return {
    directories: entries.flatMap(({ path, isDirectory }) => (isDirectory ? [path] : [])),
    files: new Map(
      entries.flatMap(({ path, isDirectory }) =>
        isDirectory ? [] : [[path, readFileSync(join(root, path))] as const],
      ),
    ),
  };
}

const RUNS = 3;

/** What some runs with promotions do to a disk. */
async function recorded(from: string | null, isSyncIgnored = false) {
  const store = join(base, "live");
  rmSync(store, { recursive: true, force: true });
  if (from !== null) cpSync(from, store, { recursive: true });
  const before = contentOf(store);
  disk.watch(store);
  disk.isSyncIgnored = isSyncIgnored;
  const ids: string[] = [];
  for (let k = 0; k < RUNS; k++) {
    const progress = nothing();
    await work(store, source, progress, (what) => disk.ack(what));
    ids.push(progress.run!.id);
  }
  const ops = [...disk.ops];
  disk.rest();
  return { before, ops, ids };
}

interface Loss {
  readonly states: number;
  readonly problems: readonly string[];
}

/** Cuts the power after each operation, in every way that the model knows. */
async function cutEverywhere(
  { before, ops, ids }: { before: Before; ops: readonly Op[]; ids: readonly string[] },
  first: string | null,
  most = Number.POSITIVE_INFINITY,
): Promise<Loss> {
  const problems: string[] = [];
  const seen = new Set<string>();
  const platter = new Platter(before);
  let states = 0;
  for (const [k, op] of ops.entries()) {
    platter.do(op);
    const choices = subsets(platter.pending);
    for (const fate of DATA_FATES) {
      for (const applied of choices) {
        const state = platter.state(fate, applied);
        const print = `${fingerprint(state)} ${platter.promises.length}`;
        if (seen.has(print)) continue;
        seen.add(print);
        states++;
        const found = await look(state, platter.promises, ids, first);
        problems.push(
          ...found.map((problem) => `after ${k} (${op.kind}), unsynced data ${fate}: ${problem}`),
        );
        if (problems.length >= most) return { states, problems };
      }
    }
  }
  return { states, problems };
}

/** Every choice of some of n changes; of many, all, none, each by itself and all but each. */
function subsets(n: number): ((change: number) => boolean)[] {
  if (n <= 5) {
    return Array.from(
      { length: 2 ** n },
      (_, bits) => (change: number) => ((bits >> change) & 1) === 1,
    );
  }
  const each = Array.from({ length: n }, (_, k) => k);
  return [
    () => true,
    () => false,
    ...each.map((k) => (change: number) => change === k),
    ...each.map((k) => (change: number) => change !== k),
  ];
}

/** What is wrong in a state, and after the next run in it. */
async function look(
  state: ReadonlyMap<string, Buffer | "directory">,
  promises: readonly string[],
  ids: readonly string[],
  first: string | null,
): Promise<string[]> {
  const store = join(base, "state");
  rmSync(store, { recursive: true, force: true });
  materialise(state, store);
  const promised = (what: string) => promises.includes(what);
  const progressOf = (id: string) => ({
    flushed: promised(`end ${id}`) ? 3 : promised(`flush ${id} 2`) ? 2 : 0,
    isTagged: promised(`tag ${id}`),
    isEnded: promised(`end ${id}`),
    isPromoted: promised(`promote ${id}`),
  });
  // The one that is under way may be in production, or not yet.
  const done = ids.filter((id) => promised(`promote ${id}`)).length;
  const current = ids[Math.min(done, ids.length - 1)]!;
  const before = done === ids.length ? current : (ids[done - 1] ?? first);
  const faults = faultsOf(store, before, current, progressOf(current));
  for (const id of ids.slice(0, done))
    faults.push(
      ...faultsOf(store, before, id, { ...progressOf(id), isPromoted: false }).filter((fault) =>
        fault.startsWith("run"),
      ),
    );
  const next = nothing();
  await work(store, source, next).catch((error: Error) => {
    faults.push(`the next run: ${error.message}`);
  });
  if (next.isPromoted) faults.push(...faultsOf(store, null, next.run!.id, next));
  return faults;
}

/** The view is one generation behind, as after a crash between commit and publication. */
function behind(): string {
  const store = join(base, "behind");
  cpSync(template, store, { recursive: true });
  const { nonce } = JSON.parse(readFileSync(join(store, "registry.json"), "utf8")).m;
  cpSync(join(store, "registry.json"), join(store, `registry.d/.1.${nonce}.tmp`));
  rmSync(join(store, "registry.json"));
  return store;
}

/** A registry of version 0.1.0, which knew no generations. */
function old(): string {
  const store = join(base, "old");
  cpSync(template, store, { recursive: true });
  rmSync(join(store, "registry.d"), { recursive: true });
  const entry = { production, updated_ts_ms: 5 };
  writeFileSync(join(store, "registry.json"), JSON.stringify({ m: entry }));
  return store;
}

const STARTS: Record<string, () => { from: string | null; first: string | null }> = {
  "no store": () => ({ from: null, first: null }),
  "a store with a production run": () => ({ from: template, first: production }),
  "a store whose view is behind": () => ({ from: behind(), first: production }),
  "a store of version 0.1.0": () => ({ from: old(), first: production }),
};

let total = 0;

test.each(Object.keys(STARTS))(
  "with %s, nothing that was promised is lost, and the next run goes on",
  async (name) => {
    const { from, first } = STARTS[name]!();
    const { states, problems } = await cutEverywhere(await recorded(from), first);
    expect(problems.slice(0, 10)).toEqual([]);
    total += states;
  },
);

test("that was more than a thousand states", () => {
  expect(total).toBeGreaterThan(1000);
});

test.each(Object.keys(STARTS))(
  "with %s and without syncs, the same looks find that something is lost",
  async (name) => {
    rmSync(join(base, "behind"), { recursive: true, force: true });
    rmSync(join(base, "old"), { recursive: true, force: true });
    const { from, first } = STARTS[name]!();
    const { problems } = await cutEverywhere(await recorded(from, true), first, 1);
    expect(problems).not.toEqual([]);
  },
);

describe("each kind of sync is needed", () => {
  const without = async (isLeftOut: (op: Op) => boolean): Promise<readonly string[]> => {
    const { ops, ...rest } = await recorded(template);
    const fewer = ops.filter((op) => !isLeftOut(op));
    expect(fewer.length).toBeLessThan(ops.length);
    return (await cutEverywhere({ ops: fewer, ...rest }, production, 1)).problems;
  };
  test.each<[string, (op: Op) => boolean]>([
    ["of files", ({ kind }) => kind === "sync"],
    ["of the directory of runs", (op) => op.kind === "syncDirectory" && op.path.endsWith("/runs")],
    [
      "of a run's directory",
      (op) => op.kind === "syncDirectory" && /runs\/[0-9a-f]+$/.test(op.path),
    ],
    ["of artifacts", (op) => op.kind === "syncDirectory" && op.path.includes("/artifacts")],
    ["of registry.d", (op) => op.kind === "syncDirectory" && op.path === "registry.d"],
  ])("%s", async (_, isLeftOut) => {
    expect(await without(isLeftOut)).not.toEqual([]);
  });
});
