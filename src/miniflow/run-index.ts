// What was read of each run, kept in one file of the store, so that ten thousand runs are listed without opening them.
//
// Design:
// - Only runs that have ended are in it, and an entry counts only while the stamp of the run's directory is the same: inode
//   and both times. Files of an ended run are only ever replaced, added or removed, which changes the directory's time, and
//   whoever adds a tag renews it. So the index can be old, lost, or from another machine. What it cannot see is somebody
//   who writes into a file of an ended run in place; `runs show` and `doctor` read the files themselves.
// - Two writes within the resolution of a file system's clock may leave one stamp. So a stamp counts only when its times
//   are two seconds older than the index, by the clock of that same file system.
// - It is a cache: written whole or not at all, unsynced, and where it cannot be written there is none. Its first line has
//   the SHA-256 of the rest, so that what a power loss leaves of it is none either.
// - An entry is one line, and its parts stay text until somebody asks for them.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readCache, StoreError, writeCache } from "./store.ts";
import { packageVersion } from "./version.ts";

export const INDEX_NAME = ".runs-index";
const CLOCK_MS = 2000;

/** What the index knows of a run. */
export interface IndexEntry {
  /** Of the run's directory, before it was read. */
  readonly stamp: string;
  /** Milliseconds since 1970; null where meta.json does not say. */
  readonly startMs: number | null;
  readonly isDeleted: boolean;
  /** Its metrics, as JSON in one line: by themselves, since most searches ask for nothing else. */
  readonly metrics: string;
  /** Everything else, as JSON in one line. */
  readonly rest: string;
}

/** Entries by their place below experiments/. */
export type Entries = ReadonlyMap<string, IndexEntry>;

export interface RunIndex {
  readonly entries: Entries;
  /** Stamps count up to this time, by the file system's clock. */
  readonly trustedMs: number;
}

function headOf(body: Uint8Array, scanMs: number): string {
  const sha256 = createHash("sha256").update(body).digest("hex");
  return JSON.stringify({ format: 1, raisin: packageVersion(), scan_ms: scanMs, sha256 });
}

/** Undefined where there is none that can be used. */
export function readIndex(store: string): RunIndex | undefined {
  const cache = readCache(join(store, INDEX_NAME));
  if (cache === undefined) return undefined;
  const { writtenMs } = cache;
  const bytes = Buffer.from(cache.bytes.buffer, cache.bytes.byteOffset, cache.bytes.length);
  const end = bytes.indexOf("\n");
  const body = bytes.subarray(end + 1);
  let scanMs: number;
  try {
    const head = bytes.toString("utf8", 0, end);
    ({ scan_ms: scanMs } = JSON.parse(head) as { scan_ms: number });
    if (head !== headOf(body, scanMs)) return undefined;
  } catch {
    return undefined;
  }
  return { entries: parse(body.toString("utf8")), trustedMs: writtenMs - scanMs - CLOCK_MS };
}

function parse(text: string): Entries {
  const entries = new Map<string, IndexEntry>();
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const tabs: number[] = [];
    for (let at = from; tabs.length < 5; at++) {
      at = text.indexOf("\t", at);
      tabs.push(at);
    }
    const [a, b, c, d, e] = tabs as [number, number, number, number, number];
    const start = text.slice(b + 1, c);
    entries.set(text.slice(from, a), {
      stamp: text.slice(a + 1, b),
      startMs: start === "" ? null : Number(start),
      isDeleted: text[c + 1] === "d",
      metrics: text.slice(d + 1, e),
      rest: text.slice(e + 1, end),
    });
    from = end + 1;
  }
  return entries;
}

/** @param startMs when the runs began to be looked at, by `performance.now()` */
export function writeIndex(store: string, entries: Entries, startMs: number): void {
  let body = "";
  for (const [key, { stamp, startMs: start, isDeleted, metrics, rest }] of entries) {
    body += `${key}\t${stamp}\t${start ?? ""}\t${isDeleted ? "d" : ""}\t${metrics}\t${rest}\n`;
  }
  const bytes = Buffer.from(body);
  const scanMs = Math.ceil(performance.now() - startMs);
  try {
    writeCache(join(store, INDEX_NAME), [Buffer.from(`${headOf(bytes, scanMs)}\n`), bytes]);
  } catch (error) {
    // A store that cannot be written, or a full disk, can be listed all the same.
    if (!(error instanceof StoreError)) throw error;
  }
}
