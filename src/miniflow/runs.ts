// Reading runs: one by one, as they stand on disk. What is damaged in one is told, and breaks nothing else.
import { join, resolve } from "node:path";
import { isRunId, isSafeName } from "./names.ts";
import { isAlive } from "./process.ts";
import {
  isWithin,
  listDirectories,
  ownKindOf,
  parseObject,
  readLines,
  readOwnFile,
  readOwnJson,
  StoreError,
  stampOf,
} from "./store.ts";
import { checkedParts, experimentsDirectory, type RunMeta, type RunStatus } from "./tracker.ts";

/** What a reader is told: INTERRUPTED is a run that says RUNNING and whose process is gone. */
export type ShownStatus = RunStatus | "INTERRUPTED" | "DAMAGED";

/** A run as it stands on disk. */
export interface StoredRun {
  readonly id: string;
  readonly directory: string;
  readonly meta: RunMeta;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface MetricLine {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly ts_ms: number;
}

/** A line of a log that is no record, and why. */
export interface BadLine {
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

export interface RunMetrics {
  readonly lines: readonly MetricLine[];
  /** Lines that were skipped, in order. */
  readonly bad: readonly BadLine[];
  /** Whether the last line has no end: its writer died within it, or is still writing. */
  readonly isTorn: boolean;
}

export interface DatasetSummary {
  readonly name: string;
  readonly digest: string;
  readonly context: string;
}

/**
 * The directories of all runs of a store, sorted by experiment and id. Links are no runs.
 *
 * @param only the directory of one experiment
 */
export function* runDirectories(
  store: string,
  only?: string,
): Generator<{ id: string; directory: string }> {
  const experiments = experimentsDirectory(store);
  for (const experiment of listDirectories(experiments)) {
    if (!isSafeName(experiment) || (only !== undefined && experiment !== only)) continue;
    const runs = join(experiments, experiment, "runs");
    if (ownKindOf(runs) !== "directory") continue;
    for (const id of listDirectories(runs)) {
      if (isRunId(id)) yield { id, directory: join(runs, id) };
    }
  }
}

/** The directory of a run, by id, in any experiment; undefined when there is none. Ids are checked before any join. */
export function findRun(store: string, id: string): string | undefined {
  if (!isRunId(id)) return undefined;
  const experiments = experimentsDirectory(store);
  for (const experiment of listDirectories(experiments)) {
    const runs = join(experiments, experiment, "runs");
    const directory = join(runs, id);
    const isRun =
      isSafeName(experiment) &&
      ownKindOf(directory) === "directory" &&
      ownKindOf(runs) === "directory" &&
      ownKindOf(join(directory, "meta.json")) === "file";
    if (isRun) return directory;
  }
  return undefined;
}

/** @throws StoreError when its files are missing or damaged */
export function readRun(directory: string): StoredRun {
  const path = join(directory, "meta.json");
  const bytes = readOwnFile(path);
  if (bytes === undefined) throw new StoreError("read", path, new Error("there is no such run"));
  const meta = parseObject(bytes, path);
  const { run_id: id, status, experiment } = meta;
  if (
    typeof id !== "string" ||
    !isRunId(id) ||
    typeof status !== "string" ||
    typeof experiment !== "string"
  ) {
    const reason = "run_id, status or experiment is missing or damaged";
    throw new StoreError("read", path, new Error(reason));
  }
  const params = readOwnJson(join(directory, "params.json")) ?? {};
  return { id, directory: resolve(directory), meta: meta as RunMeta, params };
}

/** The metrics of a run, however many. Lines that are no metrics are left out and told. @throws StoreError */
export function readMetrics(directory: string): RunMetrics {
  const lines: MetricLine[] = [];
  const bad: BadLine[] = [];
  let number = 0;
  let next = 0; // what seq must be
  const isTorn = readLines(join(directory, "metrics.jsonl"), (text) => {
    number++;
    const record = text === undefined ? undefined : recordOf(text);
    if (record === undefined) {
      bad.push({ line: number, reason: text === undefined ? "is too long" : "is not a metric" });
      next++;
      return;
    }
    const { key, value, step, ts_ms, seq } = record;
    if (typeof seq === "number" && seq > next && bad.at(-1)?.line !== number - 1) {
      bad.push({ line: number, reason: `${seq - next} values before it are missing` });
    }
    next = typeof seq === "number" ? seq + 1 : next + 1;
    lines.push({ key, value, step, ts_ms });
  });
  return { lines, bad, isTorn };
}

function recordOf(text: string): (MetricLine & { seq?: unknown }) | undefined {
  try {
    const record = JSON.parse(text) as MetricLine | null;
    const isMetric =
      typeof record?.key === "string" &&
      Number.isFinite(record.value) &&
      Number.isSafeInteger(record.step);
    return isMetric ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The tags of a run: of each key the last value. Bad lines are counted. @throws StoreError */
export function readTags(directory: string): { tags: Map<string, string>; bad: number } {
  const tags = new Map<string, string>();
  let bad = 0;
  readLines(join(directory, "tags.jsonl"), (text) => {
    if (text === "") return;
    try {
      const { key, value } = JSON.parse(text ?? "") as { key: unknown; value: unknown };
      if (typeof key !== "string" || typeof value !== "string") throw new TypeError("no tag");
      tags.set(key, value);
    } catch {
      bad++;
    }
  });
  return { tags, bad };
}

/** The datasets that a run names. Runs of version 0.1.0 name one, by its content digest. */
export function datasetsOf(meta: RunMeta): DatasetSummary[] {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  if (Array.isArray(meta.datasets)) {
    return meta.datasets.flatMap((item: unknown) => {
      const { name, digests, context } = (item ?? {}) as Record<string, unknown>;
      const known = Object.values((digests ?? {}) as Record<string, unknown>);
      const { content_digest: content } = (digests ?? {}) as Record<string, unknown>;
      if (typeof name !== "string") return [];
      return [{ name, digest: text(content ?? known[0]), context: text(context) }];
    });
  }
  const { name, content_digest: digest } = (meta.dataset ?? {}) as Record<string, unknown>;
  if (typeof name !== "string") return [];
  return [{ name, digest: text(digest), context: meta.kind === "train" ? "training" : "" }];
}

/** An artifact's bytes, or undefined. @throws RangeError for a bad path; StoreError, also where it leads out of the run */
export function readArtifact(directory: string, path: string): Uint8Array | undefined {
  const parts = checkedParts(path);
  const root = join(directory, "artifacts");
  const target = join(root, ...parts);
  if (ownKindOf(target) === undefined) return undefined;
  if (ownKindOf(root) !== "directory" || !isWithin(root, ...parts)) {
    throw new StoreError("read", target, new Error("a part of the path is a symbolic link"));
  }
  return readOwnFile(target);
}

/** The marker of a run that was deleted, and may still be restored. */
export const DELETED_NAME = "deleted.json";

export function isDeleted(directory: string): boolean {
  return ownKindOf(join(directory, DELETED_NAME)) !== undefined;
}

/** After a day without a write, a run whose process cannot be asked is taken for dead. */
const SILENCE_MS = 24 * 3600 * 1000;

/** What to call the state of a run. @param lastWriteMs when something was last written in its directory */
export function shownStatus(
  status: string,
  identity: unknown,
  lastWriteMs: () => number,
): ShownStatus {
  if (status !== "RUNNING") return status as ShownStatus;
  const isRunning = isAlive(identity) ?? Date.now() - lastWriteMs() < SILENCE_MS;
  return isRunning ? "RUNNING" : "INTERRUPTED";
}

/** The same for a run that was read. */
export function statusOf({ meta, directory }: StoredRun): ShownStatus {
  return shownStatus(meta.status, meta.process, () => lastWriteMs(directory));
}

/** When something was last written into a run that goes on, by the file system's clock. */
export function lastWriteMs(directory: string): number {
  return stampOf(["meta.json", "metrics.jsonl"].map((name) => join(directory, name))).writtenMs;
}
