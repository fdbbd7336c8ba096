// Is every directory that is made also made durable, in the one above it?
import type * as Fs from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { ensureDirectory, FileWriter } from "../../src/miniflow/store.ts";
import { temporaryDirectory } from "../support/cli.ts";

const { synced, disk } = vi.hoisted(() => ({
  synced: [] as string[],
  disk: { isFull: false },
}));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof Fs>();
  const paths = new Map<number, string>();
  const openSync: typeof Fs.openSync = (path, ...rest) => {
    const file = fs.openSync(path, ...rest);
    paths.set(file, String(path));
    return file;
  };
  const fsyncSync: typeof Fs.fsyncSync = (file) => {
    fs.fsyncSync(file);
    synced.push(paths.get(file)!);
  };
  const writeSync = (...args: Parameters<typeof Fs.writeSync>) =>
    disk.isFull ? 0 : fs.writeSync(...args);
  return { ...fs, openSync, fsyncSync, writeSync };
});

test("ensureDirectory() syncs the directory above each one that it makes, and no other", () => {
  const base = temporaryDirectory();
  synced.length = 0;
  ensureDirectory(join(base, "a/b/c"));
  expect(synced.sort()).toEqual([base, join(base, "a"), join(base, "a/b")]);
  synced.length = 0;
  ensureDirectory(join(base, "a/b/c"));
  expect(synced).toEqual([]);
  ensureDirectory(join(base, "a/b/d/"));
  expect(synced).toEqual([join(base, "a/b")]);
});

test("a file written in pieces is synced, and then its directory", () => {
  const base = temporaryDirectory();
  synced.length = 0;
  const file = new FileWriter({ path: join(base, "x"), isReplaceable: true });
  file.write("a");
  file.commit();
  expect(synced).toEqual([expect.stringMatching(/\.tmp$/), base]);
});

test("a disk that takes nothing is an error, not a wait without end", () => {
  const base = temporaryDirectory();
  const file = new FileWriter({ path: join(base, "x"), isReplaceable: true });
  disk.isFull = true;
  try {
    expect(() => file.write("a")).toThrow("the disk took no more bytes");
  } finally {
    disk.isFull = false;
    file.abandon();
  }
});
