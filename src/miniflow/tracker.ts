// Writing runs: a directory each, with what went in, what was measured on the way, and what came out.
//
// Design:
// - One process writes a run. Whatever a call was given is on disk when it returns, and survives the end of the process;
//   whole files survive a power loss then, too, and metrics do from `flush` and the end of the run on.
// - The status is the last thing written. A run that says FINISHED is complete.
import { createHash, randomBytes } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { type Environment, readEnvironment } from "./environment.ts";
import { artifactParts, checkName, defaultStore, isSafeName, shown } from "./names.ts";
import { thisProcess } from "./process.ts";
import {
  appendLine,
  claimDirectory,
  copyFile,
  ensureDirectory,
  entriesOf,
  LineLog,
  ownKindOf,
  StoreError,
  syncDirectory,
  toJson,
  writeWholeFile,
} from "./store.ts";

/** What meta.json says. A run that says RUNNING and whose process is gone is shown as INTERRUPTED (runs.ts). */
export type RunStatus = "RUNNING" | "FINISHED" | "FAILED" | "KILLED";

/** One value of one metric. Finite. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  /** A whole number from 0; 0 by default. */
  readonly step?: number;
  /** Milliseconds since 1970; now by default. */
  readonly ts_ms?: number;
}

/** A value of params.json. */
export type ParamValue = string | number | boolean | null | readonly ParamValue[];

/** A dataset that a run used. */
export interface DatasetRecord {
  readonly name: string;
  readonly rows?: number;
  /** By what they are digests of, such as `file_sha256`, in any form. */
  readonly digests?: Readonly<Record<string, string>>;
  /** What it was for, such as "training". */
  readonly context?: string;
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

export interface RunOptions {
  /** By default what the environment variable RAISIN_STORE names, else `miniflow`. */
  readonly store?: string;
  /** By default `default`. */
  readonly experiment?: string;
  /** What people call the run; any number of runs may have the same one. */
  readonly name?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Parameters that are known from the start: whatever becomes of the run, a run that exists has them. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** What the run uses, as far as that is known from the start. */
  readonly datasets?: readonly DatasetRecord[];
  /** Further fields of meta.json. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Where the run happens, for whoever has begun to ask for it already. */
  readonly environment?: Promise<Environment>;
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

/** Where the runs of all experiments are. */
export function experimentsDirectory(store: string): string {
  return join(store, "experiments");
}

const TAG_MAX = 8000;
/** A dataset is often named by its file, which may be called anything. */
const DATASET_NAME_MAX = 1000;

/** A run being written. */
export class ActiveRun {
  readonly id: string;
  readonly experiment: string;
  readonly store: string;
  /** Absolute. */
  readonly directory: string;
  #meta: RunMeta;
  readonly #params = new Map<string, ParamValue>();
  readonly #metrics: LineLog;
  #metricCount = 0;
  readonly #artifactDirectories = new Set<string>();
  #isLogOpen = true;
  #isEnded = false;

  /** Use `startRun` or `reopenRun`. @param before what a run that is opened again has already */
  constructor(
    store: string,
    directory: string,
    meta: RunMeta,
    params: Readonly<Record<string, ParamValue>> | undefined,
    before?: { readonly metricCount: number },
  ) {
    this.id = meta.run_id;
    this.experiment = meta.experiment;
    this.store = store;
    this.directory = directory;
    this.#meta = meta;
    if (before === undefined) {
      // Before meta.json, without which a directory is no run.
      if (params !== undefined) this.#writeParams(Object.entries(params));
    } else {
      for (const [key, value] of Object.entries(params ?? {})) this.#params.set(key, value);
      this.#metricCount = before.metricCount;
    }
    this.#writeMeta();
    this.#metrics = new LineLog(join(directory, "metrics.jsonl"));
  }

  /** Starts a run below this one, by default of the same experiment. It happens where this one does. */
  startRun(options: Omit<RunOptions, "store"> = {}): Promise<ActiveRun> {
    const { versions, platform, host, user, git } = this.#meta as unknown as Environment;
    return startRun({
      experiment: this.experiment,
      environment: Promise.resolve({ versions, platform, host, user, git }),
      ...options,
      store: this.store,
      fields: { ...options.fields, parent_run_id: this.id },
    });
  }

  /** @throws RangeError for another value than before: parameters are written once */
  logParam(key: string, value: ParamValue): void {
    this.logParams({ [key]: value });
  }

  /**
   * Writes parameters, all of them or none.
   *
   * @throws RangeError for another value than before, a bad key, or what JSON cannot hold; StoreError
   */
  logParams(params: Readonly<Record<string, unknown>>): void {
    this.#refuseEnded("log parameters");
    const added = Object.entries(params).filter(([key, value]) => {
      checkParam(key, value);
      const before = this.#params.get(key);
      if (before === undefined) return true;
      if (JSON.stringify(before) === JSON.stringify(value)) return false;
      throw new RangeError(
        `Cannot log parameter "${key}" as ${shown(JSON.stringify(value))}: run ${this.id} has it as ${shown(JSON.stringify(before))}, and parameters are written once; use a metric or a tag for what changes`,
      );
    }) as [string, ParamValue][];
    const all = [...this.#params, ...added];
    if (added.length === 0 && all.length > 0) return;
    this.#writeParams(all);
  }

  #writeParams(all: readonly (readonly [string, ParamValue])[]): void {
    writeWholeFile(join(this.directory, "params.json"), toJson(Object.fromEntries(all)));
    for (const [key, value] of all) this.#params.set(key, value);
  }

  /** Appends one value. @throws as `logMetrics` */
  logMetric(key: string, value: number, at: { step?: number; tsMs?: number } = {}): void {
    this.logMetrics([
      {
        key,
        value,
        ...(at.step !== undefined && { step: at.step }),
        ...(at.tsMs !== undefined && { ts_ms: at.tsMs }),
      },
    ]);
  }

  /**
   * Appends values: all of them or none.
   *
   * @param metrics values by key, all of one step; or a list
   * @throws RangeError for a value that is not finite, or a step that is no whole number from 0; StoreError
   */
  logMetrics(
    metrics: readonly Metric[] | Readonly<Record<string, number>>,
    at: { step?: number; tsMs?: number } = {},
  ): void {
    this.#refuseEnded("log metrics");
    const now = at.tsMs ?? Date.now();
    const list = Array.isArray(metrics)
      ? (metrics as readonly Metric[])
      : Object.entries(metrics).map(([key, value]) => ({ key, value }));
    const lines = list.map(({ key, value, step = at.step ?? 0, ts_ms = now }: Metric, k) => {
      checkName("a metric", key);
      if (!Number.isFinite(value)) {
        throw new RangeError(
          `Cannot log metric "${key}" as values must be finite: current value is ${shown(value)}`,
        );
      }
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new RangeError(
          `Cannot log metric "${key}" as steps must be whole numbers from 0: current step is ${shown(step)}`,
        );
      }
      if (!Number.isSafeInteger(ts_ms) || ts_ms < 0) {
        throw new RangeError(
          `Cannot log metric "${key}" as times must be whole milliseconds since 1970: current time is ${shown(ts_ms)}`,
        );
      }
      // A gap in seq says that lines between two others are lost.
      return JSON.stringify({ key, value, step, seq: this.#metricCount + k, ts_ms });
    });
    this.#metrics.append(lines);
    this.#metricCount += lines.length;
  }

  /** Makes all metrics so far durable. */
  flush(): void {
    if (this.#isLogOpen) this.#metrics.flush();
  }

  /** Sets a tag, durably. */
  setTag(key: string, value: string): void {
    appendTag(this.directory, key, value);
  }

  setTags(tags: Readonly<Record<string, string>>): void {
    for (const [key, value] of Object.entries(tags)) this.setTag(key, value);
  }

  /** Records a dataset that the run uses. @throws RangeError; StoreError */
  logDataset(dataset: DatasetRecord): void {
    this.#refuseEnded("log a dataset");
    const before = Array.isArray(this.#meta.datasets) ? this.#meta.datasets : [];
    this.amend({ datasets: [...before, checkedDataset(dataset)] });
  }

  /**
   * Copies a file, or a directory with all that it holds, to artifacts/. All names are checked before anything is copied.
   *
   * @param path where below artifacts/; by default the source's own name
   * @throws RangeError for a bad name, a link, a device; StoreError
   */
  logArtifact(source: string, path: string = basename(resolve(source))): void {
    this.#refuseEnded("log an artifact");
    const files = filesToCopy(source, path);
    for (const { from, to } of files) copyFile(from, this.#artifactFile(to));
  }

  /** Writes a file under artifacts/. @param path such as "model/model.npz" @throws RangeError for a bad name; StoreError */
  writeArtifact(path: string, content: Uint8Array | string): void {
    this.#refuseEnded("write an artifact");
    writeWholeFile(this.#artifactFile(path), content);
  }

  /** Where an artifact goes; makes its directory. */
  #artifactFile(path: string): string {
    const parts = checkedParts(path);
    const root = join(this.directory, "artifacts");
    const target = join(root, ...parts);
    ensureDirectory(join(target, ".."));
    for (let depth = 0; depth < parts.length; depth++) {
      this.#artifactDirectories.add(join(root, ...parts.slice(0, depth)));
    }
    return target;
  }

  /** Adds fields to meta.json, also after the end: what became of a run may be known only then. */
  amend(fields: Readonly<Record<string, unknown>>): void {
    this.#meta = { ...this.#meta, ...fields };
    this.#writeMeta();
  }

  /**
   * Closes the run. Its status is the last thing written, after everything else is durable. When that fails, this
   * may be called again, to record the failure.
   *
   * @throws Error for a run that has ended; StoreError
   */
  endRun(
    status: Exclude<RunStatus, "RUNNING"> = "FINISHED",
    fields: Readonly<Record<string, unknown>> = {},
  ): void {
    if (!["FINISHED", "FAILED", "KILLED"].includes(status)) {
      throw new RangeError(
        `Cannot end a run as ${shown(status)}: it must be FINISHED, FAILED or KILLED`,
      );
    }
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

  #refuseEnded(action: string): void {
    if (this.#isEnded) throw new Error(`Cannot ${action} as run ${this.id} has ended`);
  }

  #writeMeta(): void {
    writeWholeFile(join(this.directory, "meta.json"), toJson(this.#meta));
  }
}

/**
 * Starts a run under a fresh id. Git commit and state, versions, platform, host, user and process are recorded.
 *
 * @throws RangeError for bad names; StoreError
 */
export async function startRun(options: RunOptions = {}): Promise<ActiveRun> {
  const { store = defaultStore(), experiment = "default", name, tags = {}, fields = {} } = options;
  checkName("an experiment", experiment);
  if (name !== undefined) checkName("a run", name);
  for (const [key, value] of Object.entries(tags)) checkTag(key, value);
  const { params } = options;
  for (const [key, value] of Object.entries(params ?? {})) checkParam(key, value);
  const datasets = options.datasets?.map(checkedDataset);
  const environment = await (options.environment ?? readEnvironment());
  const runs = join(experimentsDirectory(store), experimentDirectory(experiment), "runs");
  ensureDirectory(runs);
  for (;;) {
    const id = randomBytes(6).toString("hex");
    const directory = join(runs, id);
    if (!claimDirectory(directory)) continue;
    const meta: RunMeta = {
      ...fields,
      run_id: id,
      experiment,
      ...(name !== undefined && { name }),
      ...(datasets !== undefined && { datasets }),
      status: "RUNNING",
      start_ts_ms: Date.now(),
      end_ts_ms: null,
      source: process.argv[1] ?? null,
      process: thisProcess(),
      ...environment,
    };
    const given = params as Readonly<Record<string, ParamValue>> | undefined;
    const run = new ActiveRun(store, resolve(directory), meta, given);
    run.setTags(tags);
    return run;
  }
}

/** @throws RangeError */
function checkParam(key: string, value: unknown): void {
  checkName("a parameter", key);
  if (isParamValue(value)) return;
  throw new RangeError(
    `Cannot log parameter "${key}": its value must be a text, a finite number, a truth value, null or a list of these, not ${shown(value)}`,
  );
}

function isParamValue(value: unknown): value is ParamValue {
  return (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value)) ||
    (Array.isArray(value) && value.every((item) => !Array.isArray(item) && isParamValue(item)))
  );
}

/** @throws RangeError */
function checkedDataset({ name, rows, digests = {}, context }: DatasetRecord): DatasetRecord {
  if (typeof name !== "string" || name === "" || name.length > DATASET_NAME_MAX) {
    throw new RangeError(
      `Cannot log dataset ${shown(name)}: its name must be a text of 1 to ${DATASET_NAME_MAX} characters`,
    );
  }
  if (context !== undefined) checkName("a dataset's context", context);
  if (rows !== undefined && (!Number.isSafeInteger(rows) || rows < 0)) {
    throw new RangeError(
      `Cannot log dataset "${name}": rows must be a whole number from 0, not ${shown(rows)}`,
    );
  }
  for (const [key, digest] of Object.entries(digests)) {
    checkName("a digest", key);
    if (typeof digest !== "string" || digest === "" || digest.length > TAG_MAX) {
      throw new RangeError(`Cannot log dataset "${name}": digest ${key} must be a text`);
    }
  }
  return {
    name,
    ...(rows !== undefined && { rows }),
    ...(context !== undefined && { context }),
    digests,
  };
}

function checkTag(key: string, value: unknown): void {
  checkName("a tag", key);
  if (typeof value !== "string" || value.length > TAG_MAX) {
    throw new RangeError(
      `Cannot set tag "${key}": its value must be a text of at most ${TAG_MAX} characters, not ${shown(value)}`,
    );
  }
}

/** Sets a tag of any run, also of one that has ended or that another process writes. The last one counts. */
export function appendTag(directory: string, key: string, value: string): void {
  checkTag(key, value);
  appendLine(join(directory, "tags.jsonl"), JSON.stringify({ key, value, ts_ms: Date.now() }));
}

/** @throws RangeError */
export function checkedParts(path: string): string[] {
  const parts = artifactParts(path);
  if (parts === undefined) {
    throw new RangeError(
      `Cannot use ${shown(path)} as the path of an artifact: it must be names with / between them, none of them hidden, "..", encoded, or with characters that some system cannot hold in a name`,
    );
  }
  return parts;
}

interface Copy {
  readonly from: string;
  /** Below artifacts/. */
  readonly to: string;
}

/** What copying a source would copy. @throws RangeError for whatever could not be copied as it is */
function filesToCopy(source: string, path: string): Copy[] {
  const files: Copy[] = [];
  const pending: Copy[] = [{ from: resolve(source), to: path }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { from, to } = next;
    checkedParts(to);
    const kind = ownKindOf(from);
    if (kind === "file") files.push(next);
    else if (kind === "directory") {
      for (const { name } of entriesOf(from)) {
        pending.push({ from: join(from, name), to: `${to}/${name}` });
      }
    } else if (kind === undefined) {
      throw new StoreError("read", from, new Error("there is no such file"));
    } else {
      const what = kind === "link" ? "a symbolic link" : "neither a file nor a directory";
      throw new RangeError(`Cannot log ${from} as an artifact: it is ${what}`);
    }
  }
  return files.sort((a, b) => (a.to < b.to ? -1 : 1));
}
