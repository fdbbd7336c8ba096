// All runs of a store at once, as summaries, and the search among them.
import { sep } from "node:path";
import { type IndexEntry, readIndex, writeIndex } from "./run-index.ts";
import {
  datasetsOf,
  isDeleted,
  lastWriteMs,
  readMetrics,
  readRun,
  readTags,
  runDirectories,
  type ShownStatus,
  shownStatus,
} from "./runs.ts";
import { parseFilter, parseOrderBy, type Searchable, type SearchableDataset } from "./search.ts";
import { ownKindOf, stampOf } from "./store.ts";
import { experimentDirectory, experimentsDirectory } from "./tracker.ts";

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
  readonly run_id: string;
  /** Absolute or relative, as the store's path was. */
  readonly run_dir: string;
  readonly run_name: string | null;
  readonly experiment: string;
  readonly status: ShownStatus;
  readonly kind: string | null;
  readonly model: string | null;
  readonly parent_run_id: string | null;
  readonly user: string | null;
  readonly start_ts_ms: number | null;
  readonly end_ts_ms: number | null;
  /** From start to end; null for a run that has not ended. */
  readonly duration_ms: number | null;
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

/** A summary without its metrics, and without what is looked up anew each time. */
type Rest = Omit<RunSummary, "run_dir" | "status" | "is_deleted" | "metrics"> & {
  readonly status: string;
  readonly process?: unknown;
};

/** Below this many runs an index costs more than it saves. */
const INDEX_FROM = 200;

/** A run among many, of which only what is asked for is read. */
class Row {
  readonly id: string;
  readonly directory: string;
  readonly startMs: number | null;
  readonly isDeleted: boolean;
  readonly #entry: IndexEntry | undefined;
  #metrics: Readonly<Record<string, MetricSummary>> | undefined;
  #rest: Rest | undefined;

  /** @param entry undefined to read the run itself */
  constructor(id: string, directory: string, entry: IndexEntry | undefined) {
    this.id = id;
    this.directory = directory;
    this.#entry = entry;
    if (entry === undefined) {
      const { metrics, ...rest } = summarise(id, directory);
      this.#metrics = metrics;
      this.#rest = rest;
    }
    this.isDeleted = entry?.isDeleted ?? isDeleted(directory);
    this.startMs = entry === undefined ? this.#rest!.start_ts_ms : entry.startMs;
  }

  get metrics(): Readonly<Record<string, MetricSummary>> {
    this.#metrics ??= JSON.parse(this.#entry!.metrics) as Record<string, MetricSummary>;
    return this.#metrics;
  }

  get rest(): Rest {
    this.#rest ??= JSON.parse(this.#entry!.rest) as Rest;
    return this.#rest;
  }

  get isDamaged(): boolean {
    return this.#entry === undefined && this.rest.error !== null;
  }

  /**
   * For the index; undefined for a run that goes on, which changes, and for a damaged one, which another reader may be
   * able to read.
   */
  entry(stamp: string): IndexEntry | undefined {
    if (this.#entry !== undefined) return this.#entry;
    if (this.rest.status === "RUNNING" || this.isDamaged) return undefined;
    const { startMs, isDeleted } = this;
    const [metrics, rest] = [JSON.stringify(this.metrics), JSON.stringify(this.rest)];
    return { stamp, startMs, isDeleted, metrics, rest };
  }

  get status(): ShownStatus {
    // The index holds no run that goes on.
    if (this.#entry !== undefined) return this.rest.status as ShownStatus;
    return shownStatus(this.rest.status, this.rest.process, () => lastWriteMs(this.directory));
  }

  /** Everything but the metrics. */
  get facts(): Omit<RunSummary, "metrics"> {
    const { process: _, ...rest } = this.rest;
    return { ...rest, ...this.#fresh() };
  }

  get summary(): RunSummary {
    return { ...this.facts, metrics: this.metrics };
  }

  /** The same as JSON; of what the index has, nothing is parsed. */
  get json(): string {
    if (this.#entry === undefined) return JSON.stringify(this.summary);
    const { rest, metrics } = this.#entry;
    const { status: _, ...fresh } = this.#fresh();
    return `${rest.slice(0, -1)},"metrics":${metrics},${JSON.stringify(fresh).slice(1)}`;
  }

  /** What depends on who asks, and when. */
  #fresh() {
    return { status: this.status, run_dir: this.directory, is_deleted: this.isDeleted };
  }
}

/**
 * All runs of a store, in no particular order. Directories without a meta.json are not yet runs.
 *
 * @param experiment only of this one
 */
function rowsOf(store: string, experiment?: string): Row[] {
  const startMs = performance.now();
  const directories = [...runDirectories(store, experiment && experimentDirectory(experiment))];
  const index = directories.length >= INDEX_FROM ? readIndex(store) : undefined;
  const entries = new Map<string, IndexEntry>();
  const base = experimentsDirectory(store).length + 1;
  const rows: Row[] = [];
  let added = 0;
  for (const { id, directory } of directories) {
    const key = sep === "/" ? directory.slice(base) : directory.slice(base).replaceAll(sep, "/");
    const known = index?.entries.get(key);
    const stamp = stampOf([directory]);
    const isFresh = known?.stamp === stamp.text && stamp.latestMs < index!.trustedMs;
    const isRun = () => ownKindOf(`${directory}/meta.json`) !== undefined;
    if (!isFresh && !isRun()) continue;
    const row = new Row(id, directory, isFresh ? known : undefined);
    // A run that was removed while it was read is no damaged one.
    if (row.isDamaged && !isRun()) continue;
    rows.push(row);
    if (directories.length < INDEX_FROM) continue;
    const entry = row.entry(stamp.text);
    if (entry === undefined) continue;
    entries.set(key, entry);
    if (!isFresh) added++;
  }
  // A listing of one experiment knows too little for an index of all.
  if (experiment === undefined && added * 100 > directories.length) {
    writeIndex(store, entries, startMs);
  }
  return rows;
}

/** All runs of a store, in no particular order. */
export function listRuns(store: string): RunSummary[] {
  return rowsOf(store).map((row) => row.summary);
}

/** Reads a run for the index. What is damaged is said in it. */
function summarise(
  id: string,
  directory: string,
): Rest & { metrics: Record<string, MetricSummary> } {
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  const number = (value: unknown) => (Number.isFinite(value) ? (value as number) : null);
  try {
    const { meta, params } = readRun(directory);
    if (meta.run_id !== id) throw new Error(`meta.json is of run ${meta.run_id}`);
    const { lines, bad } = readMetrics(directory);
    const { tags, bad: badTags } = readTags(directory);
    return {
      run_id: id,
      run_name: text(meta.name),
      experiment: meta.experiment,
      status: meta.status,
      ...(meta.status === "RUNNING" && { process: meta.process }),
      kind: text(meta.kind),
      model: text(meta.model),
      parent_run_id: text(meta.parent_run_id),
      user: text(meta.user),
      start_ts_ms: number(meta.start_ts_ms),
      end_ts_ms: number(meta.end_ts_ms),
      duration_ms: durationOf(meta),
      params,
      tags: Object.fromEntries(tags),
      metrics: summaryOfMetrics(lines, meta.metrics),
      datasets: datasetsOf(meta),
      bad_lines: bad.length + badTags,
      error: null,
    };
  } catch (error) {
    return { ...damaged(id, directory, error as Error), metrics: {} };
  }
}

function damaged(id: string, directory: string, error: Error): Rest {
  return {
    run_id: id,
    run_name: null,
    experiment: directory.split(sep).at(-3) ?? "",
    status: "DAMAGED",
    kind: null,
    model: null,
    parent_run_id: null,
    user: null,
    start_ts_ms: null,
    end_ts_ms: null,
    duration_ms: null,
    params: {},
    tags: {},
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

/** The same of a row, of which only what is asked for is read. */
function searchableRow(row: Row): Searchable {
  return {
    get datasets() {
      return row.rest.datasets;
    },
    value(entity, key) {
      switch (entity) {
        case "metric":
          return Object.hasOwn(row.metrics, key) ? row.metrics[key]!.last : undefined;
        case "param":
          return Object.hasOwn(row.rest.params, key) ? paramText(row.rest.params[key]) : undefined;
        case "tag":
          return Object.hasOwn(row.rest.tags, key) ? row.rest.tags[key] : undefined;
        case "attribute":
          if (key === "run_id") return row.id;
          return key === "start_time" ? row.startMs : attributeOf(row.facts, key);
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

/** Runs that fit, in order: as many as were asked for. */
export interface FoundRuns {
  readonly total: number;
  readonly runs: Iterable<RunSummary>;
  /** The same, each as JSON. */
  readonly texts: Iterable<string>;
}

/** @param limit how many of them to give; all by default @throws SearchError; StoreError */
export function findRuns(
  store: string,
  options: SearchOptions = {},
  limit = Number.POSITIVE_INFINITY,
): FoundRuns {
  const { filter = "", orderBy = [], experiment, view = "active" } = options;
  const fits = parseFilter(filter);
  const compare = parseOrderBy(orderBy);
  const found = rowsOf(store, experiment)
    .filter((row) => view === "all" || row.isDeleted === (view === "deleted"))
    .map((row) => ({ row, seen: searchableRow(row) }))
    .filter(({ seen }) => fits(seen))
    .sort((a, b) => compare(a.seen, b.seen))
    .map(({ row }) => row);
  const first = found.slice(0, limit);
  const each = <T>(of: (row: Row) => T): Iterable<T> => ({
    *[Symbol.iterator]() {
      for (const row of first) yield of(row);
    },
  });
  return {
    total: found.length,
    runs: each((row) => row.summary),
    texts: each((row) => row.json),
  };
}

/** The same as a list. @throws SearchError; StoreError */
export function searchRuns(
  store: string,
  options: SearchOptions = {},
  limit?: number,
): RunSummary[] {
  return [...findRuns(store, options, limit).runs];
}

function attributeOf(
  run: Omit<RunSummary, "metrics">,
  key: string,
): string | number | null | undefined {
  switch (key) {
    case "run_id":
      return run.run_id;
    case "run_name":
      return run.run_name;
    case "status":
      return run.status;
    case "artifact_uri":
      return `${run.run_dir}/artifacts`;
    case "user_id":
      return run.user;
    case "experiment":
      return run.experiment;
    case "model":
      return run.model;
    case "kind":
      return run.kind;
    case "parent_run_id":
      return run.parent_run_id;
    case "start_time":
      return run.start_ts_ms;
    case "end_time":
      return run.end_ts_ms;
    case "duration":
      return run.duration_ms;
    default:
      return undefined;
  }
}

/** Milliseconds from start to end; null for a run that has not ended. */
export function durationOf(run: { start_ts_ms?: unknown; end_ts_ms?: unknown }): number | null {
  const { start_ts_ms: start, end_ts_ms: end } = run;
  return typeof start === "number" && typeof end === "number" ? end - start : null;
}

/** A parameter as a text, as a filter compares it: texts as they are, everything else as JSON. */
export function paramText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
