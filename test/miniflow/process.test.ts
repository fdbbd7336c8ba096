// Is a process that is gone told from one that lives, and from one that cannot be asked?
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isAlive, type ProcessIdentity, thisProcess } from "../../src/miniflow/process.ts";
import { readRun, statusOf } from "../../src/miniflow/runs.ts";
import { temporaryDirectory } from "../support/cli.ts";

const hasProc = existsSync("/proc/self/stat");
const me = thisProcess();

/** The identity of a process that was started, told by itself, and killed. */
async function killed(): Promise<ProcessIdentity> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const identity = { ...me, pid: child.pid!, started: null };
  expect(isAlive(identity)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "close");
  return identity;
}

describe("isAlive()", () => {
  test("this process lives; one that was killed does not", async () => {
    expect(isAlive(me)).toBe(true);
    expect(isAlive(await killed())).toBe(false);
  });

  test.skipIf(!hasProc)("another process of the same number does not count (needs /proc)", () => {
    expect(isAlive({ ...me, started: "1" })).toBe(false);
    expect(isAlive({ ...me, boot: me.boot!.replace(/^\S+/, "another-boot") })).toBe(false);
  });

  test.skipIf(!hasProc)("another machine or container cannot be asked (needs /proc)", () => {
    expect(isAlive({ ...me, host: `${me.host}x` })).toBeUndefined();
    expect(isAlive({ ...me, boot: `${me.boot!.split(" ")[0]} pid:[1]` })).toBeUndefined();
  });

  test.each([
    null,
    undefined,
    {},
    "x",
    5,
    [],
    { pid: 0 },
    { pid: -1 },
    { pid: 1e300 },
    { pid: "1" },
  ])("%j says nothing", (identity) => {
    expect(isAlive(identity)).toBeUndefined();
    const here = typeof identity === "object" && identity ? { ...me, ...identity } : identity;
    expect([undefined, true]).toContain(isAlive(here));
  });
});

describe("the status that is shown", () => {
  function runWith(identity: unknown, status = "RUNNING", ageMs = 0) {
    const directory = join(temporaryDirectory(), "0123456789ab");
    mkdirSync(directory);
    const meta = { run_id: "0123456789ab", experiment: "x", status, process: identity };
    writeFileSync(join(directory, "meta.json"), JSON.stringify(meta));
    const time = (Date.now() - ageMs) / 1000;
    utimesSync(join(directory, "meta.json"), time, time);
    return statusOf(readRun(directory));
  }
  const DAY = 24 * 3600 * 1000;

  test("goes by the process where it can be asked, however long ago it wrote", async () => {
    expect(runWith(me, "RUNNING", 9 * DAY)).toBe("RUNNING");
    expect(runWith(await killed())).toBe("INTERRUPTED");
    expect(runWith(me, "FAILED")).toBe("FAILED");
  });

  test("goes by a day of silence where it cannot, as in a folder from a cluster", () => {
    const elsewhere = { ...me, host: `${me.host}x` };
    for (const identity of [elsewhere, undefined, "x"]) {
      expect(runWith(identity, "RUNNING", DAY / 2)).toBe("RUNNING");
      expect(runWith(identity, "RUNNING", DAY + 60_000)).toBe("INTERRUPTED");
    }
  });
});
