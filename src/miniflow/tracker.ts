// Runs on disk: a directory each, with what went in, what was measured on the way, and what came out.
import { createHash, randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import {
  BadLineError,
  claimDirectory,
  ensureDirectory,
  isRunId,
  isSafeName,
  LineLog,
  listDirectory,
  readFileIfAny,
  readJsonIfAny,
  readLines,
  StoreError,
  syncDirectory,
  toJson,
  writeWholeFile,
} from "./store.ts";

export type RunStatus = "RUNNING" | "FINISHED" | "FAILED" | "KILLED";

/** One value of one metric. Steps are whole numbers from 0; values finite. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
}

export interface MetricLine extends Metric {
  readonly ts_ms: number;
}

/** Fields of meta.json that every run has; a run adds its own. */
export interface RunMeta {
  readonly run_id: string;
  readonly experiment: string;
  readonly status: RunStatus;
  readonly start_ts_ms: number;
  readonly end_ts_ms: number | null;
  readonly [field: string]: unknown;
}

/** The directory of an experiment's name: itself where that is safe, else a readable stem and a digest of it. */
export function experimentDirectory(experiment: string): string {
  if (isSafeName(experiment)) return experiment;
  const stem = experiment
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  const digest = createHash("sha256").update(experiment).digest("hex").slice(0, 12);
  return `${stem || "x"}-${digest}`;
}

/** A run being written. Every call is on disk when it returns; metrics are durable at `flush` and at the end. */
export class ActiveRun {
  readonly id: string;
  readonly directory: string;
  #meta: RunMeta;
  readonly #metrics: LineLog;
  readonly #artifactDirectories = new Set<string>();
  #isLogOpen = true;
  #isEnded = false;

  constructor(directory: string, meta: RunMeta) {
    this.id = meta.run_id;
    this.directory = directory;
    this.#meta = meta;
    this.#writeMeta();
    this.#metrics = new LineLog(join(directory, "metrics.jsonl"));
  }

  /** Writes params.json. Parameters are written once. */
  logParams(params: Readonly<Record<string, unknown>>): void {
    const path = join(this.directory, "params.json");
    if (readFileIfAny(path) !== undefined) {
      throw new StoreError("change", path, new Error("parameters are written once"));
    }
    writeWholeFile(path, toJson(params));
  }

  /** @throws RangeError for a value that is not finite, or a step that is no whole number from 0 */
  logMetrics(metrics: readonly Metric[]): void {
    const now = Date.now();
    const lines = metrics.map(({ key, value, step }) => {
      if (!Number.isFinite(value)) {
        throw new RangeError(
          `Cannot log metric "${key}" as values must be finite: current value is ${value}`,
        );
      }
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new RangeError(
          `Cannot log metric "${key}" as steps must be whole numbers from 0: current step is ${step}`,
        );
      }
      return JSON.stringify({ key, value, step, ts_ms: now } satisfies MetricLine);
    });
    this.#metrics.append(lines);
  }

  flush(): void {
    this.#metrics.flush();
  }

  /** Writes a file under artifacts/. @param path of safe names, such as "model/model.npz" */
  logArtifact(path: string, content: Uint8Array | string): void {
    const parts = path.split("/");
    if (!parts.every(isSafeName))
      throw new RangeError(`Cannot write artifact "${path}": unsafe name`);
    const target = join(this.directory, "artifacts", ...parts);
    ensureDirectory(join(target, ".."));
    for (let depth = 0; depth < parts.length; depth++) {
      this.#artifactDirectories.add(join(this.directory, "artifacts", ...parts.slice(0, depth)));
    }
    writeWholeFile(target, content);
  }

  /** Adds fields to meta.json, also after the end: what became of a run may be known only then. */
  amend(fields: Readonly<Record<string, unknown>>): void {
    this.#meta = { ...this.#meta, ...fields };
    this.#writeMeta();
  }

  /**
   * Closes the run. Its status is the last thing written, after everything else is durable. When that fails, `end`
   * may be called again, to record the failure.
   */
  end(status: Exclude<RunStatus, "RUNNING">, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.#isEnded) throw new Error(`Cannot end run ${this.id} twice`);
    if (this.#isLogOpen) {
      this.#isLogOpen = false;
      try {
        this.#metrics.flush();
      } finally {
        this.#metrics.close();
      }
    }
    for (const directory of this.#artifactDirectories) syncDirectory(directory);
    syncDirectory(this.directory);
    syncDirectory(join(this.directory, ".."));
    this.#meta = { ...this.#meta, ...fields, status, end_ts_ms: Date.now() };
    this.#writeMeta();
    this.#isEnded = true;
  }

  #writeMeta(): void {
    writeWholeFile(join(this.directory, "meta.json"), toJson(this.#meta));
  }
}

/** Starts a run under a fresh id. */
export function startRun(
  store: string,
  experiment: string,
  fields: Readonly<Record<string, unknown>> = {},
): ActiveRun {
  const runs = join(store, "experiments", experimentDirectory(experiment), "runs");
  ensureDirectory(runs);
  for (;;) {
    const id = randomBytes(6).toString("hex");
    const directory = join(runs, id);
    if (!claimDirectory(directory)) continue;
    return new ActiveRun(resolve(directory), {
      ...fields,
      run_id: id,
      experiment,
      status: "RUNNING",
      start_ts_ms: Date.now(),
      end_ts_ms: null,
    });
  }
}

/** A run as it stands on disk. */
export interface StoredRun {
  readonly id: string;
  readonly directory: string;
  readonly meta: RunMeta;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The directory of a run, by id, in any experiment; undefined when there is none. Ids are checked before any join. */
export function findRun(store: string, id: string): string | undefined {
  if (!isRunId(id)) return undefined;
  const experiments = join(store, "experiments");
  for (const experiment of listDirectory(experiments)) {
    const directory = join(experiments, experiment, "runs", id);
    if (isSafeName(experiment) && readFileIfAny(join(directory, "meta.json"))) return directory;
  }
  return undefined;
}

/** @throws StoreError when its files are missing or damaged */
export function readRun(directory: string): StoredRun {
  const metaPath = join(directory, "meta.json");
  const meta = readJsonIfAny(metaPath);
  if (meta === undefined) throw new StoreError("read", metaPath, new Error("there is no such run"));
  const { run_id: id, status, experiment } = meta;
  if (
    typeof id !== "string" ||
    !isRunId(id) ||
    typeof status !== "string" ||
    typeof experiment !== "string"
  ) {
    throw new StoreError(
      "read",
      metaPath,
      new Error("run_id, status or experiment is missing or damaged"),
    );
  }
  const params = readJsonIfAny(join(directory, "params.json")) ?? {};
  return { id, directory: resolve(directory), meta: meta as RunMeta, params };
}

/**
 * The metric lines of a run, however many. A torn last line is left out.
 *
 * @throws BadLineError with the number of a bad line before it, StoreError
 */
export function readMetrics(directory: string): MetricLine[] {
  const path = join(directory, "metrics.jsonl");
  const records: MetricLine[] = [];
  for (const line of readLines(path)) {
    const record = metricOf(line);
    if (record === undefined) throw new BadLineError(path, records.length + 1, "is not a metric");
    records.push(record);
  }
  return records;
}

function metricOf(line: string): MetricLine | undefined {
  try {
    const { key, value, step, ts_ms } = JSON.parse(line) as MetricLine;
    const isMetric = typeof key === "string" && Number.isFinite(value) && Number.isInteger(step);
    return isMetric ? { key, value, step, ts_ms } : undefined;
  } catch {
    return undefined;
  }
}

/** An artifact's bytes, or undefined. */
export function readArtifact(directory: string, path: string): Uint8Array | undefined {
  const parts = path.split("/");
  if (!parts.every(isSafeName)) throw new RangeError(`Cannot read artifact "${path}": unsafe name`);
  return readFileIfAny(join(directory, "artifacts", ...parts));
}
