// Does every failing file operation end in one clear error, with nothing lost, and in nothing that the next run trips over?
//
// Each call that the store makes on the way from the start of a run to its promotion fails once, and fails from then on
// for good: the latter is what a process that was killed there leaves behind, since nothing is cleaned up any more.
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RegistryError } from "../../src/miniflow/registry-error.ts";
import { StoreError } from "../../src/miniflow/store.ts";
import { type Call, disk, type Fault } from "./disk.ts";
import { faultsOf, nothing, type Progress, work } from "./workload.ts";

vi.mock("node:fs", async (original) => {
  const { disk } = await import("./disk.ts");
  return disk.wrap(await original());
});

// In memory where there is such a place: thousands of stores are made, and none has to last.
const base = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "raisin-faults-"));
afterAll(() => {
  disk.rest();
  rmSync(base, { recursive: true, force: true });
});

const source = join(base, "input.csv");
writeFileSync(source, "a,b\n1,2\n");
const template = join(base, "template");
const withLeftovers = join(base, "leftovers");
let production: string;

beforeAll(async () => {
  const progress = nothing();
  await work(template, source, progress);
  production = progress.run!.id;
  cpSync(template, withLeftovers, { recursive: true });
  // What a writer that died between commit and publication, and one that died within a file, would leave.
  const run = join(withLeftovers, "experiments/faults/runs", production);
  writeFileSync(join(run, ".0123456789ab.tmp"), "half");
  writeFileSync(join(withLeftovers, "registry.d/.2.0123456789abcdef.tmp"), "{");
});

/** The stores that a run may find. */
const STATES: Record<string, () => { from: string | null; before: string | null }> = {
  "no store": () => ({ from: null, before: null }),
  "a store with a production run": () => ({ from: template, before: production }),
  "a store with leftovers of a crash": () => ({ from: withLeftovers, before: production }),
};

let count = 0;
function freshStore(from: string | null): string {
  const store = join(base, `store-${count++}`);
  if (from !== null) cpSync(from, store, { recursive: true });
  return store;
}

interface Outcome {
  readonly error: unknown;
  readonly progress: Progress;
  readonly calls: readonly Call[];
  readonly faults: readonly string[];
}

/** Runs the work with a fault, takes the fault away, and looks at the store. */
async function attempt(
  from: string | null,
  before: string | null,
  fault: (call: Call, number: number) => Fault | undefined,
  isHidden = false,
): Promise<Outcome> {
  const store = freshStore(from);
  const progress = nothing();
  disk.watch(store);
  disk.fault = fault;
  disk.isFailureHidden = isHidden;
  let error: unknown;
  try {
    await work(store, source, progress);
  } catch (caught) {
    error = caught;
  }
  const { calls } = disk;
  disk.rest();
  const faults = existsSync(store) ? faultsOf(store, before, progress.run?.id, progress) : [];
  // The next run needs no repair by hand, and no waiting.
  const next = nothing();
  await work(store, source, next).catch((failure: Error) => {
    faults.push(`the next run: ${failure.message}`);
  });
  faults.push(
    ...faultsOf(store, progress.run?.id ?? before, next.run?.id, next).map((f) => `then ${f}`),
  );
  rmSync(store, { recursive: true, force: true });
  return { error, progress, calls, faults };
}

/** Errors that a call may meet. */
function errorsOf({ name }: Call): Fault[] {
  const codes: Record<string, string[]> = {
    openSync: ["EMFILE", "EACCES", "ENOSPC", "EROFS", "EIO"],
    writeSync: ["ENOSPC", "EIO", "EFBIG"],
    mkdirSync: ["ENOSPC", "EACCES", "EROFS"],
    renameSync: ["EIO", "EACCES", "EROFS"],
    linkSync: ["EIO", "ENOSPC", "EPERM"],
  };
  const faults: Fault[] = (codes[name] ?? ["EIO"]).map((code) => ({ code }));
  return name === "writeSync" ? ["short", ...faults] : faults;
}

describe.each(Object.keys(STATES))("with %s", (state) => {
  test("every call fails once, and for good, and nothing is lost", async () => {
    const { from, before } = STATES[state]!();
    const clean = await attempt(from, before, () => undefined);
    expect(clean.error).toBeUndefined();
    expect(clean.faults).toEqual([]);
    const problems: string[] = [];
    let cases = 0;
    for (const [k, call] of clean.calls.entries()) {
      for (const fault of errorsOf(call)) {
        for (const isForGood of [false, true]) {
          cases++;
          // Half of a write, and then nothing any more: the process was killed within it.
          const later: Fault = fault === "short" ? { code: "EIO" } : fault;
          const { error, progress, faults } = await attempt(from, before, (_, number) =>
            number === k ? fault : isForGood && number > k ? later : undefined,
          );
          const name = `${JSON.stringify(fault)} at call ${k}, ${call.name} ${call.path}${isForGood ? ", and from then on" : ""}`;
          problems.push(...faults.map((what) => `${name}: ${what}`));
          const isKnown = error instanceof StoreError || error instanceof RegistryError;
          if (error !== undefined && !isKnown)
            problems.push(`${name}: threw ${(error as Error).stack}`);
          // A short write goes on where it stopped; everything else is told, with the path and the system's error.
          if (fault === "short") continue;
          if (error instanceof StoreError && !error.message.includes(fault.code))
            problems.push(`${name}: the message is ${error.message}`);
          if (error === undefined && !progress.isPromoted)
            problems.push(`${name}: half done, no error`);
          const mustTell = /^(?:fsync|fdatasync|write|rename|mkdir)Sync$/.test(call.name);
          if (error === undefined && mustTell) problems.push(`${name}: nobody was told`);
        }
      }
    }
    expect(problems.slice(0, 10)).toEqual([]);
    expect(cases).toBeGreaterThan(200);
  });

  test("a sync that failed is never tried again on the same file", async () => {
    const { from, before } = STATES[state]!();
    const clean = await attempt(from, before, () => undefined);
    const syncs = clean.calls.flatMap(({ name }, k) => (/sync/.test(name) ? [k] : []));
    expect(syncs.length).toBeGreaterThan(15);
    for (const k of syncs) {
      const { path } = clean.calls[k]!;
      let failed: string | undefined;
      const again: string[] = [];
      await attempt(from, before, (call, number) => {
        if (number === k) {
          failed = call.path;
          return { code: "EIO" };
        }
        // The name of a temporary file is its own; a directory may be synced for another file.
        if (failed?.endsWith(".tmp") && call.path === failed && /sync/.test(call.name))
          again.push(path);
        return undefined;
      });
      expect(again).toEqual([]);
    }
  });
});

describe("the checks themselves", () => {
  test("find what is lost when failures are hidden", async () => {
    const clean = await attempt(template, production, () => undefined);
    const hidden = (pattern: RegExp) => {
      const k = clean.calls.findLastIndex(({ name, path }) => pattern.test(`${name} ${path}`));
      expect(k, String(pattern)).toBeGreaterThan(0);
      return attempt(template, production, (_, n) => (n === k ? { code: "EIO" } : undefined), true);
    };
    for (const pattern of [/writeSync .*metrics\.jsonl/, /renameSync .*params\.json/]) {
      const { error, faults } = await hidden(pattern);
      expect([error, faults.length > 0], String(pattern)).toEqual([undefined, true]);
    }
    // What was written is read back, so that a write that lies is found out.
    const { error } = await hidden(/writeSync .*artifacts\/model/);
    expect((error as Error).message).toContain("the file read back differs");
  });
});
