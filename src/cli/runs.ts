// raisin runs: what the store holds, one run, several side by side; deleting, and taking that back.
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import {
  durationOf,
  findRuns,
  paramText,
  type RunSummary,
  type SearchOptions,
  searchable,
  summaryOfMetrics,
} from "../miniflow/listing.ts";
import { history, PRODUCTION, readRegistry } from "../miniflow/registry.ts";
import { collectGarbage, deletedMs, deleteRun, restoreRun } from "../miniflow/removal.ts";
import {
  datasetsOf,
  type MetricLine,
  readMetrics,
  readRun,
  readTags,
  type StoredRun,
  statusOf,
} from "../miniflow/runs.ts";
import type { Entity } from "../miniflow/search.ts";
import { chart, figure, plain, type Series } from "./charts.ts";
import { EXIT, UsageError } from "./exit.ts";
import {
  checkForms,
  durationText,
  type FormFlags,
  printJson,
  printJsonList,
  printLines,
  tableLines,
  timeText,
} from "./output.ts";
import { runDirectory, runIdFlag } from "./run-argument.ts";

interface StoreFlags {
  readonly store: string;
}

export interface ListFlags extends StoreFlags, FormFlags {
  readonly experiment?: string;
  readonly orderBy?: readonly string[];
  readonly limit?: number;
  readonly deleted?: boolean;
  readonly columns?: readonly string[];
}

/** Most runs that a table shows unless --limit says otherwise. */
const ROWS_MAX = 100;
/** Metrics that a table shows unless --columns says otherwise. */
const METRICS_MAX = 4;

/** @param filter in MLflow's grammar; "" for all */
export function runList(filter: string, flags: ListFlags): number {
  checkForms(flags);
  const columns = flags.columns?.map(columnOf);
  const options: SearchOptions = {
    filter,
    orderBy: flags.orderBy ?? [],
    view: flags.deleted ? "deleted" : "active",
    ...(flags.experiment !== undefined && { experiment: flags.experiment }),
  };
  const limit = flags.limit ?? (flags.json ? undefined : ROWS_MAX);
  const found = findRuns(flags.store, options, limit);
  const { total } = found;
  if (flags.json) {
    printJsonList({ store: flags.store, total }, "runs", found.texts);
    return EXIT.ok;
  }
  const runs = [...found.runs];
  if (total === 0) {
    printLines([filter === "" ? `There are no runs in ${plain(flags.store)}` : "No run fits"]);
    return EXIT.ok;
  }
  const shown = columns ?? commonMetrics(runs).map((key) => columnOf(`metrics.${key}`));
  const rows = runs.map((run) => [
    run.run_name === null ? run.run_id : `${run.run_id} ${run.run_name}`,
    run.experiment,
    run.status,
    timeText(run.start_ts_ms),
    durationText(run.duration_ms),
    ...shown.map((column) => column.textOf(run)),
  ]);
  const head = ["run", "experiment", "status", "started", "took", ...shown.map(({ name }) => name)];
  const more =
    runs.length < total ? ["", `${runs.length} of ${total} runs; --limit shows more`] : [];
  printLines([...tableLines({ head, rows, left: 4 }, flags), ...more]);
  return EXIT.ok;
}

interface Column {
  readonly name: string;
  textOf(run: RunSummary): string;
}

const ENTITIES: Readonly<Record<string, Entity>> = {
  metrics: "metric",
  params: "param",
  tags: "tag",
  attributes: "attribute",
};

/** A column of a table by its name in a filter. @throws UsageError */
function columnOf(text: string): Column {
  const dot = text.indexOf(".");
  const entity = dot < 0 ? "attribute" : ENTITIES[text.slice(0, dot)];
  const key = text.slice(dot + 1);
  if (entity === undefined || key === "") {
    throw new UsageError(
      `Cannot show column ${JSON.stringify(text.slice(0, 64))}: it must be metrics.<key>, params.<key>, tags.<key> or attributes.<key>`,
    );
  }
  return {
    name: entity === "metric" ? key : text,
    textOf(run) {
      const value = searchable(run).value(entity, key);
      if (value === undefined || value === null) return "–";
      return typeof value === "number" ? figure(value) : value;
    },
  };
}

/** The metrics that most of these runs have; among equals those on held-out rows first. */
function commonMetrics(runs: readonly RunSummary[]): string[] {
  const counts = new Map<string, number>();
  for (const { metrics } of runs) {
    for (const key of Object.keys(metrics)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const isHeldOut = (key: string) => /^(?:val|valid|validation|test|eval)_/.test(key);
  return [...counts.keys()]
    .sort((a, b) => counts.get(b)! - counts.get(a)! || Number(isHeldOut(b)) - Number(isHeldOut(a)))
    .slice(0, METRICS_MAX);
}

export interface ShowFlags extends StoreFlags, FormFlags {}

/** What the registry says of a run, such as `production of m (version 3)`. */
function namesOf(store: string, id: string): string[] {
  const versions = new Map(
    history(store).flatMap(({ change, model }) =>
      change.to === id ? [[model!, change.version] as const] : [],
    ),
  );
  const registry = readRegistry(store);
  return [...new Set([...versions.keys(), ...registry.keys()])].flatMap((model) => {
    const { production, aliases = {} } = registry.get(model) ?? {};
    const held = [
      ...(production === id ? [PRODUCTION] : []),
      ...Object.keys(aliases).filter((alias) => aliases[alias]!.run_id === id),
    ];
    const version = versions.get(model);
    if (held.length === 0 && version === undefined) return [];
    const number = version === undefined ? "" : ` version ${version}`;
    return [`${model}${number}${held.length > 0 ? ` (${held.join(", ")})` : ""}`];
  });
}

export function runShow(argument: string, flags: ShowFlags): number {
  checkForms(flags);
  const directory = runDirectory(flags.store, argument);
  const run = readRun(directory);
  const { meta, params, id } = run;
  const { lines, bad, isTorn } = readMetrics(directory);
  const { tags } = readTags(directory);
  const status = statusOf(run);
  const metrics = summaryOfMetrics(lines, meta.metrics);
  const artifacts = artifactsOf(directory);
  const registered = namesOf(flags.store, id);
  const deleted = deletedMs(directory);
  if (flags.json) {
    printJson({
      run_id: id,
      run_dir: directory,
      status,
      meta,
      params,
      metrics,
      history: historyOf(lines),
      tags: Object.fromEntries(tags),
      datasets: datasetsOf(meta),
      artifacts,
      registered,
      deleted_ts_ms: deleted,
      bad_lines: bad,
      is_torn: isTorn,
    });
    return EXIT.ok;
  }
  const duration = durationOf(meta);
  const facts: [string, string][] = [
    ["run", typeof meta.name === "string" ? `${id} ${meta.name}` : id],
    ["experiment", meta.experiment],
    ["status", deleted === null ? status : `${status}, deleted ${timeText(deleted)}`],
    ["started", timeText(meta.start_ts_ms)],
    ["took", durationText(duration)],
    ...fact("kind", meta.kind),
    ...fact("model", meta.model),
    ...fact("part of", meta.parent_run_id),
    ...fact("user", meta.user),
    ...fact("error", meta.error),
    ...datasetsOf(meta).map(({ name, digest, context }): [string, string] => [
      "dataset",
      [name, context, digest].filter((part) => part !== "").join("  "),
    ]),
    ...fact("model digest", meta.model_digest),
    ...fact("core digest", meta.core_digest),
    ...gitFact(meta.git),
    ...registered.map((name): [string, string] => ["registered", name]),
    ["directory", relative(process.cwd(), directory) || directory],
    ...(bad.length > 0
      ? [
          ["bad lines", `${bad.length} of metrics.jsonl were skipped; see raisin doctor`] as [
            string,
            string,
          ],
        ]
      : []),
  ];
  const sections = [
    tableLines({ head: ["", ""], rows: facts, left: 2 }, flags).slice(flags.md ? 0 : 1),
    section(
      "parameters",
      {
        head: ["parameter", "value"],
        rows: Object.entries(params).map(([key, value]) => [key, paramText(value)]),
        left: 2,
      },
      flags,
    ),
    section("tags", { head: ["tag", "value"], rows: [...tags], left: 2 }, flags),
    section(
      "metrics",
      {
        head: ["metric", "last", "at step", "least", "most", "values"],
        rows: Object.entries(metrics).map(([key, { last, step, min, max, count }]) => [
          key,
          figure(last),
          String(step),
          figure(min),
          figure(max),
          String(count),
        ]),
      },
      flags,
    ),
    ...(flags.md ? [] : curves(lines)),
    section(
      "artifacts",
      {
        head: ["artifact", "bytes"],
        rows: artifacts.map(({ path, bytes }) => [path, String(bytes)]),
      },
      flags,
    ),
  ].filter((lines) => lines.length > 0);
  printLines(sections.flatMap((lines, k) => (k === 0 ? lines : ["", ...lines])));
  return EXIT.ok;
}

function fact(name: string, value: unknown): [string, string][] {
  return typeof value === "string" ? [[name, value]] : [];
}

function gitFact(git: unknown): [string, string][] {
  const { commit, dirty } = (git ?? {}) as { commit?: unknown; dirty?: unknown };
  if (typeof commit !== "string") return [];
  return [["git", dirty === true ? `${commit}, with changes` : commit]];
}

function section(
  title: string,
  content: { head: string[]; rows: readonly (readonly string[])[]; left?: number },
  flags: FormFlags,
): string[] {
  if (content.rows.length === 0) return [];
  const lines = tableLines(content, flags);
  return flags.md ? [`## ${title[0]!.toUpperCase()}${title.slice(1)}`, "", ...lines] : lines;
}

function artifactsOf(directory: string): { path: string; bytes: number }[] {
  const root = join(directory, "artifacts");
  try {
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({
        path: relative(root, path).replaceAll("\\", "/"),
        bytes: statSync(path).size,
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  } catch {
    return [];
  }
}

function historyOf(lines: readonly MetricLine[]): Record<string, [number, number, number][]> {
  const points = new Map<string, [number, number, number][]>();
  for (const { key, step, value, ts_ms } of lines) {
    const list = points.get(key);
    if (list === undefined) points.set(key, [[step, value, ts_ms]]);
    else list.push([step, value, ts_ms]);
  }
  return Object.fromEntries(points);
}

const CHARTS_MAX = 6;
const CHART_WIDTH = 60;
const CHART_HEIGHT = 8;
const MARKS = ["•", "·", "+", "x"];

/** Curves of what has at least three steps; `train_loss` and `val_loss` are one picture. */
function curves(lines: readonly MetricLine[]): string[][] {
  const groups = new Map<string, Map<string, Map<number, number>>>();
  for (const { key, step, value } of lines) {
    const group = /^(?:train|val|valid|validation|test|eval)_(.+)$/.exec(key)?.[1] ?? key;
    const series = groups.get(group) ?? new Map<string, Map<number, number>>();
    groups.set(group, series);
    const points = series.get(key) ?? new Map<number, number>();
    series.set(key, points);
    points.set(step, value);
  }
  const drawn = [...groups].flatMap(([group, byKey]) => {
    const shown = [...byKey].filter(([, points]) => points.size >= 3).slice(0, MARKS.length);
    if (shown.length === 0) return [];
    const steps = shown.flatMap(([, points]) => [...points.keys()]);
    const least = steps.reduce((a, b) => Math.min(a, b));
    const most = steps.reduce((a, b) => Math.max(a, b));
    const series: Series[] = shown.map(([, points], k) => ({
      mark: MARKS[k]!,
      points: [...points].sort((a, b) => a[0] - b[0]),
    }));
    const legend =
      shown.length > 1 ? ` (${shown.map(([key], k) => `${MARKS[k]} ${key}`).join(", ")})` : "";
    const ends: [string, string] = [String(least), String(most)];
    return [
      [
        plain(`${shown.length > 1 ? group : shown[0]![0]} by step${legend}`),
        // Later series are drawn on top, so that the first one is seen where they meet.
        ...chart(series.reverse(), CHART_WIDTH, CHART_HEIGHT, ends),
      ],
    ];
  });
  return drawn.slice(0, CHARTS_MAX);
}

export interface CompareFlags extends StoreFlags, FormFlags {
  readonly all?: boolean;
}

/** What differs between runs; with --all, everything. */
export function runCompare(names: readonly string[], flags: CompareFlags): number {
  checkForms(flags);
  if (new Set(names).size < 2) throw new UsageError("Name at least two runs to compare");
  const runs = [...new Set(names)].map((name) =>
    comparable(readRun(runDirectory(flags.store, name))),
  );
  const fields = [...new Set(runs.flatMap(({ values }) => [...values.keys()]))];
  const rows = fields
    .map((field) => ({ field, values: runs.map(({ values }) => values.get(field)) }))
    .filter(({ values }) => flags.all || new Set(values.map((v) => JSON.stringify(v))).size > 1);
  if (flags.json) {
    printJson({
      runs: runs.map(({ id }) => id),
      differences: Object.fromEntries(
        rows.map(({ field, values }) => [field, values.map((value) => value ?? null)]),
      ),
      same: fields.length - rows.length,
    });
    return EXIT.ok;
  }
  const text = (value: unknown) =>
    value === undefined || value === null
      ? "–"
      : typeof value === "number"
        ? figure(value)
        : paramText(value);
  const head = ["", ...runs.map(({ id }) => id)];
  const lines = tableLines(
    { head, rows: rows.map(({ field, values }) => [field, ...values.map(text)]) },
    flags,
  );
  const same = fields.length - rows.length;
  const note = flags.all ? [] : ["", `${same} fields are the same; --all shows them`];
  printLines(
    rows.length === 0 ? [`The runs do not differ in any of ${same} fields`] : [...lines, ...note],
  );
  return EXIT.ok;
}

/** Everything of a run that can be held against another one, by name. */
function comparable(run: StoredRun): { id: string; values: Map<string, unknown> } {
  const { meta, params, directory, id } = run;
  const values = new Map<string, unknown>();
  const set = (field: string, value: unknown) => {
    if (value !== undefined && value !== null) values.set(field, value);
  };
  set("experiment", meta.experiment);
  set("name", meta.name);
  set("status", statusOf(run));
  set("started", timeText(meta.start_ts_ms));
  set("took", durationText(durationOf(meta)));
  for (const field of ["kind", "model", "user", "host", "platform", "converged"])
    set(field, meta[field]);
  for (const [name, version] of Object.entries(recordOf(meta.versions)))
    set(`version of ${name}`, version);
  set("git commit", recordOf(meta.git).commit);
  set("git changes", recordOf(meta.git).dirty);
  const datasets = datasetsOf(meta);
  set("datasets", datasets.length === 0 ? undefined : datasets.map(({ name }) => name).join(", "));
  set(
    "data digests",
    datasets.length === 0 ? undefined : datasets.map(({ digest }) => digest).join(", "),
  );
  set("model digest", meta.model_digest);
  set("core digest", meta.core_digest);
  for (const [key, value] of Object.entries(params)) set(`params.${key}`, value);
  const metrics = summaryOfMetrics(readMetrics(directory).lines, meta.metrics);
  for (const [key, { last }] of Object.entries(metrics)) set(`metrics.${key}`, last);
  for (const [key, value] of readTags(directory).tags) set(`tags.${key}`, value);
  return { id, values };
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export interface ChangeFlags extends StoreFlags {
  readonly json?: boolean;
}

/** All names are checked before anything is deleted. */
export function runDelete(names: readonly string[], flags: ChangeFlags): number {
  const ids = [...new Set(names)].map((name) => runIdFlag(flags.store, name));
  for (const id of ids) deleteRun(flags.store, id);
  if (flags.json) printJson({ deleted: ids });
  else
    printLines(
      ids.map(
        (id) =>
          `deleted ${id}; \`raisin runs restore ${id}\` brings it back, \`raisin runs gc\` removes it`,
      ),
    );
  return EXIT.ok;
}

export function runRestore(names: readonly string[], flags: ChangeFlags): number {
  const ids = [...new Set(names)].map((name) => runIdFlag(flags.store, name));
  for (const id of ids) restoreRun(flags.store, id);
  if (flags.json) printJson({ restored: ids });
  else printLines(ids.map((id) => `restored ${id}`));
  return EXIT.ok;
}

export interface GcFlags extends ChangeFlags {
  readonly olderThan?: number;
  readonly dryRun?: boolean;
}

export function runGc(flags: GcFlags): number {
  const { removed, kept, swept } = collectGarbage(flags.store, {
    ...(flags.olderThan !== undefined && { olderThanMs: flags.olderThan }),
    isDryRun: flags.dryRun === true,
  });
  if (flags.json) {
    printJson({ dry_run: flags.dryRun === true, removed, kept, swept });
    return EXIT.ok;
  }
  const verb = flags.dryRun ? "would remove" : "removed";
  printLines([
    ...removed.map((id) => `${verb} run ${id}`),
    ...swept.map((path) => `${verb} ${plain(path)}, which a crash had left`),
    ...kept.map(({ id, reason }) => `kept run ${id}: ${plain(reason)}`),
    ...(removed.length + kept.length + swept.length === 0 ? ["nothing to remove"] : []),
  ]);
  return EXIT.ok;
}
