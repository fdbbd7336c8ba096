// All runs of a store at once, as summaries, fast enough for ten thousand.
//
// Design:
// - Reading each run means opening four files. What was read is therefore kept in one file, the index, with the stamps
//   of the files that it came from: inode, size and both times. A summary counts only while all of them are the same,
//   so the index can be old, lost, or from another machine, and never makes a listing wrong.
// - Two writes within the resolution of a file system's clock leave one stamp. So a stamp counts only when its times are
//   two seconds older than the index, by the clock of that same file system.
// - The index is a cache. It is written whole or not at all, unsynced, and where it cannot be written there is none.
import { createHash } from "node:crypto";
import { join, sep } from "node:path";
import {
  DELETED_NAME,
  datasetsOf,
  readMetrics,
  readRun,
  readTags,
  runDirectories,
  type ShownStatus,
  shownStatus,
} from "./runs.ts";
import { parseFilter, parseOrderBy, type Searchable, type SearchableDataset } from "./search.ts";
import { readCache, type Stamp, StoreError, stampOf, writeCache } from "./store.ts";
import { experimentsDirectory } from "./tracker.ts";
import { packageVersion } from "./version.ts";

export interface MetricSummary {
  /** The value of the greatest step; of several, the latest, then the greatest. */
  readonly last: number;
  readonly step: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** What a list shows of a run, and what a search can ask for. */
export interface RunSummary {
  readonly id: string;
  /** Absolute or relative, as the store's path was. */
  readonly directory: string;
  readonly experiment: string;
  readonly name: string | null;
  readonly status: ShownStatus;
  readonly kind: string | null;
  readonly model: string | null;
  readonly parent: string | null;
  readonly user: string | null;
  readonly start_ts_ms: number | null;
  readonly end_ts_ms: number | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, MetricSummary>>;
  readonly datasets: readonly SearchableDataset[];
  /** Lines of metrics and tags that were skipped. */
  readonly bad_lines: number;
  readonly is_deleted: boolean;
  /** Why the run cannot be read; null when it can. */
  readonly error: string | null;
}

/** A summary without what is looked up anew each time. */
type Kept = Omit<RunSummary, "directory" | "status" | "is_deleted"> & {
  readonly status: string;
  readonly process?: unknown;
};

type Index = Record<string, readonly [stamp: string, summary: Kept]>;

export const INDEX_NAME = ".runs-index.json";
/** Below this many runs the index costs more than it saves. */
const INDEX_FROM = 200;
const CLOCK_MS = 2000;

/** All runs of a store, in no particular order. Directories without a meta.json are not yet runs. */
export function listRuns(store: string): RunSummary[] {
  const directories = [...runDirectories(store)];
  const startMs = performance.now();
  const known = directories.length >= INDEX_FROM ? readIndex(store) : undefined;
  const index: Index = {};
  let read = 0;
  const base = experimentsDirectory(store).length + 1;
  const runs: RunSummary[] = [];
  for (const { id, directory } of directories) {
    const key = sep === "/" ? directory.slice(base) : directory.slice(base).replaceAll(sep, "/");
    const files = ["meta.json", "params.json", "metrics.jsonl", "tags.jsonl", DELETED_NAME];
    const stamp = stampOf(files.map((name) => `${directory}/${name}`));
    if (stamp.text.startsWith("-;")) continue;
    const entry = known?.runs[key];
    const isFresh = entry?.[0] === stamp.text && stamp.latestMs < known!.trustedMs;
    const kept = isFresh ? entry![1] : summarise(id, directory);
    if (!isFresh) read++;
    index[key] = [stamp.text, kept];
    runs.push(shownAs(kept, directory, stamp));
  }
  if (directories.length >= INDEX_FROM && read * 100 > directories.length) {
    writeIndex(store, index, startMs);
  }
  return runs;
}

function shownAs(kept: Kept, directory: string, stamp: Stamp): RunSummary {
  const { process, status, ...rest } = kept;
  return {
    ...rest,
    directory,
    status: shownStatus(status, process, () => stamp.latestMs),
    is_deleted: !stamp.text.endsWith(";-;"),
  };
}

/** Reads a run for the index. What is damaged is said in it. */
function summarise(id: string, directory: string): Kept {
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  const number = (value: unknown) => (Number.isFinite(value) ? (value as number) : null);
  try {
    const { meta, params } = readRun(directory);
    if (meta.run_id !== id) throw new Error(`meta.json is of run ${meta.run_id}`);
    const { lines, bad } = readMetrics(directory);
    const { tags, bad: badTags } = readTags(directory);
    return {
      id,
      experiment: meta.experiment,
      name: text(meta.name),
      status: meta.status,
      ...(meta.status === "RUNNING" && { process: meta.process }),
      kind: text(meta.kind),
      model: text(meta.model),
      parent: text(meta.parent_run_id),
      user: text(meta.user),
      start_ts_ms: number(meta.start_ts_ms),
      end_ts_ms: number(meta.end_ts_ms),
      params,
      tags: Object.fromEntries(tags),
      metrics: summaryOfMetrics(lines, meta.metrics),
      datasets: datasetsOf(meta),
      bad_lines: bad.length + badTags,
      error: null,
    };
  } catch (error) {
    return damaged(id, directory, error as Error);
  }
}

function damaged(id: string, directory: string, error: Error): Kept {
  return {
    id,
    experiment: directory.split(sep).at(-3) ?? "",
    name: null,
    status: "DAMAGED",
    kind: null,
    model: null,
    parent: null,
    user: null,
    start_ts_ms: null,
    end_ts_ms: null,
    params: {},
    tags: {},
    metrics: {},
    datasets: [],
    bad_lines: 0,
    error: error.message,
  };
}

/** @param final the figures that a run states at its end, for those that it did not log on the way */
export function summaryOfMetrics(
  lines: readonly { key: string; value: number; step: number; ts_ms: number }[],
  final: unknown,
): Record<string, MetricSummary> {
  const summaries = new Map<string, MetricSummary & { ts: number }>();
  for (const { key, value, step, ts_ms: ts } of lines) {
    const before = summaries.get(key);
    if (before === undefined) {
      summaries.set(key, { last: value, step, ts, min: value, max: value, count: 1 });
      continue;
    }
    const order = step - before.step || ts - before.ts || value - before.last;
    const newest = order > 0 ? { last: value, step, ts } : before;
    summaries.set(key, {
      last: newest.last,
      step: newest.step,
      ts: newest.ts,
      min: Math.min(before.min, value),
      max: Math.max(before.max, value),
      count: before.count + 1,
    });
  }
  for (const [key, value] of Object.entries((final ?? {}) as Record<string, unknown>)) {
    if (summaries.has(key) || typeof value !== "number" || !Number.isFinite(value)) continue;
    summaries.set(key, { last: value, step: 0, ts: 0, min: value, max: value, count: 1 });
  }
  return Object.fromEntries([...summaries].map(([key, { ts: _, ...summary }]) => [key, summary]));
}

/** A run as a search sees it. */
export function searchable(run: RunSummary): Searchable {
  return {
    datasets: run.datasets,
    value(entity, key) {
      switch (entity) {
        case "metric":
          return Object.hasOwn(run.metrics, key) ? run.metrics[key]!.last : undefined;
        case "param":
          return Object.hasOwn(run.params, key) ? paramText(run.params[key]) : undefined;
        case "tag":
          return Object.hasOwn(run.tags, key) ? run.tags[key] : undefined;
        case "attribute":
          return attributeOf(run, key);
      }
    },
  };
}

export interface SearchOptions {
  /** In MLflow's grammar, such as `metrics.val_loss < 0.3 and params.lr = '0.1'`; all runs by default. */
  readonly filter?: string;
  /** Such as `metrics.val_loss ASC`; by default the newest first. */
  readonly orderBy?: readonly string[];
  /** Only runs of this experiment. */
  readonly experiment?: string;
  /** Which runs: "active" by default. */
  readonly view?: "active" | "deleted" | "all";
}

/** Runs that fit, in order. @throws SearchError; StoreError */
export function searchRuns(store: string, options: SearchOptions = {}): RunSummary[] {
  const { filter = "", orderBy = [], experiment, view = "active" } = options;
  const fits = parseFilter(filter);
  const compare = parseOrderBy(orderBy);
  return listRuns(store)
    .filter((run) => view === "all" || run.is_deleted === (view === "deleted"))
    .filter((run) => experiment === undefined || run.experiment === experiment)
    .map((run) => ({ run, seen: searchable(run) }))
    .filter(({ seen }) => fits(seen))
    .sort((a, b) => compare(a.seen, b.seen))
    .map(({ run }) => run);
}

function attributeOf(run: RunSummary, key: string): string | number | null | undefined {
  switch (key) {
    case "run_id":
      return run.id;
    case "run_name":
      return run.name;
    case "status":
      return run.status;
    case "artifact_uri":
      return `${run.directory}/artifacts`;
    case "user_id":
      return run.user;
    case "experiment":
      return run.experiment;
    case "model":
      return run.model;
    case "kind":
      return run.kind;
    case "parent_run_id":
      return run.parent;
    case "start_time":
      return run.start_ts_ms;
    case "end_time":
      return run.end_ts_ms;
    case "duration":
      return durationOf(run);
    default:
      return undefined;
  }
}

/** Milliseconds from start to end; null for a run that has not ended. */
export function durationOf(run: Pick<RunSummary, "start_ts_ms" | "end_ts_ms">): number | null {
  return run.start_ts_ms === null || run.end_ts_ms === null
    ? null
    : run.end_ts_ms - run.start_ts_ms;
}

/** A parameter as a text, as a filter compares it: texts as they are, everything else as JSON. */
export function paramText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The first line says what the rest is, so that a torn or foreign file is none. */
function headOf(body: string, scanMs: number) {
  return JSON.stringify({
    format: 1,
    raisin: packageVersion(),
    scan_ms: Math.ceil(scanMs),
    sha256: digestOf(body),
  });
}

function readIndex(store: string): { runs: Index; trustedMs: number } | undefined {
  const cache = readCache(join(store, INDEX_NAME));
  if (cache === undefined) return undefined;
  const { text, writtenMs } = cache;
  const end = text.indexOf("\n");
  try {
    const { scan_ms: scanMs } = JSON.parse(text.slice(0, end)) as { scan_ms: number };
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== headOf(body, scanMs)) return undefined;
    return { runs: JSON.parse(body) as Index, trustedMs: writtenMs - scanMs - CLOCK_MS };
  } catch {
    return undefined;
  }
}

function writeIndex(store: string, index: Index, startMs: number): void {
  const body = JSON.stringify(index);
  const scanMs = performance.now() - startMs;
  try {
    writeCache(join(store, INDEX_NAME), `${headOf(body, scanMs)}\n${body}`);
  } catch (error) {
    // A store that cannot be written, or a full disk, can be listed all the same.
    if (!(error instanceof StoreError)) throw error;
  }
}
