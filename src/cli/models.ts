// raisin models: what is in production, since when and why; promoting, and rolling back.
import { loadCore } from "../core/node.ts";
import {
  type Change,
  type Generation,
  history,
  PRODUCTION,
  type RegistryEntry,
  readRegistry,
  rollback,
} from "../miniflow/registry.ts";
import { findRun, isDeleted, readRun, statusOf } from "../miniflow/runs.ts";
import { StoreError } from "../miniflow/store.ts";
import { NoModelError } from "../recording/no-model-error.ts";
import { checkModel, promoteRun } from "../recording/promote-run.ts";
import { figure, plain } from "./charts.ts";
import { EXIT, UsageError } from "./exit.ts";
import { checkNames, type GateFlags, gateOf } from "./options.ts";
import {
  checkForms,
  type FormFlags,
  printJson,
  printLines,
  tableLines,
  timeText,
} from "./output.ts";
import { runIdFlag } from "./run-argument.ts";

interface StoreFlags {
  readonly store: string;
}

export interface ModelsFlags extends StoreFlags, FormFlags {}

export function runModelsList(flags: ModelsFlags): number {
  checkForms(flags);
  const entries = [...readRegistry(flags.store)];
  if (flags.json) {
    printJson({ store: flags.store, models: entries.map(([name, entry]) => jsonOf(name, entry)) });
    return EXIT.ok;
  }
  if (entries.length === 0) {
    printLines([
      `No model is in production in ${plain(flags.store)}: \`raisin train\` or \`raisin models promote\` puts one there`,
    ]);
    return EXIT.ok;
  }
  const rows = entries.map(([name, entry]) => [
    name,
    entry.production,
    entry.version === undefined ? "–" : String(entry.version),
    aliasesText(entry),
    timeText(entry.updated_ts_ms),
    entry.change?.by ?? "–",
    figuresText(entry.change),
  ]);
  const head = ["model", "production", "version", "other aliases", "changed", "by", "figures"];
  printLines(tableLines({ head, rows, left: head.length }, flags));
  return EXIT.ok;
}

function jsonOf(name: string, entry: RegistryEntry): Record<string, unknown> {
  return { name, ...entry };
}

function aliasesText({ aliases = {} }: RegistryEntry): string {
  const texts = Object.entries(aliases).map(([alias, { version }]) => `${alias}: ${version}`);
  return texts.join(", ") || "–";
}

function figuresText(change: Change | undefined): string {
  const figures = change?.figures;
  if (!figures) return "–";
  const { metric, candidate, production } = figures;
  const before = production === null ? "" : ` after ${figure(production)}`;
  return `${metric} ${figure(candidate)}${before}`;
}

/** @throws NoModelError for a name that the registry does not know */
function entryOf(store: string, model: string): RegistryEntry {
  const registry = readRegistry(store);
  const entry = registry.get(model);
  if (entry === undefined) {
    const known = [...registry.keys()].join(", ") || "none";
    throw new NoModelError(`There is no model "${model}" in ${store}; known are: ${known}`);
  }
  return entry;
}

interface VersionRow {
  readonly version: number;
  readonly run_id: string;
  readonly first_promoted_ts_ms: number;
  readonly by: string;
  readonly aliases: readonly string[];
  /** Of its run now, DELETED and MISSING included. */
  readonly status: string;
  readonly reason: string;
}

function versionRows(store: string, model: string, entry: RegistryEntry): VersionRow[] {
  const rows = new Map<string, VersionRow>();
  // Oldest first, so that each version is told by the change that made it.
  for (const { change } of history(store, model).reverse()) {
    if (rows.has(change.to)) continue;
    rows.set(change.to, {
      version: change.version,
      run_id: change.to,
      first_promoted_ts_ms: change.ts_ms,
      by: change.by,
      aliases: [
        ...(entry.production === change.to ? [PRODUCTION] : []),
        ...Object.entries(entry.aliases ?? {}).flatMap(([alias, { run_id }]) =>
          run_id === change.to ? [alias] : [],
        ),
      ],
      status: runStatus(store, change.to),
      reason: change.reason,
    });
  }
  return [...rows.values()].sort((a, b) => b.version - a.version);
}

function runStatus(store: string, id: string): string {
  const directory = findRun(store, id);
  if (directory === undefined) return "MISSING";
  try {
    return isDeleted(directory) ? "DELETED" : statusOf(readRun(directory));
  } catch (error) {
    if (error instanceof StoreError) return "DAMAGED";
    throw error;
  }
}

export function runModelsShow(model: string, flags: ModelsFlags): number {
  checkForms(flags);
  const entry = entryOf(flags.store, model);
  const versions = versionRows(flags.store, model, entry);
  if (flags.json) {
    printJson({ ...jsonOf(model, entry), all_versions: versions });
    return EXIT.ok;
  }
  const facts: [string, string][] = [
    ["model", model],
    [
      "production",
      `${entry.production}${entry.version === undefined ? "" : `, version ${entry.version}`}`,
    ],
    ["since", `${timeText(entry.updated_ts_ms)}${entry.change ? `, by ${entry.change.by}` : ""}`],
    ...(entry.change ? ([["why", entry.change.reason]] as [string, string][]) : []),
  ];
  const rows = versions.map((version) => [
    String(version.version),
    version.run_id,
    version.aliases.join(", ") || "–",
    version.status,
    timeText(version.first_promoted_ts_ms),
    version.by,
  ]);
  const head = ["version", "run", "aliases", "status", "first promoted", "by"];
  printLines([
    ...tableLines({ head: ["", ""], rows: facts, left: 2 }, flags).slice(flags.md ? 0 : 1),
    ...(rows.length === 0 ? [] : ["", ...tableLines({ head, rows, left: head.length }, flags)]),
  ]);
  return EXIT.ok;
}

export function runModelsHistory(model: string | undefined, flags: ModelsFlags): number {
  checkForms(flags);
  if (model !== undefined) entryOf(flags.store, model);
  const changes = history(flags.store, model);
  if (flags.json) {
    printJson({ store: flags.store, changes: changes.map(changeJson) });
    return EXIT.ok;
  }
  if (changes.length === 0) {
    printLines([`Nothing was promoted in ${plain(flags.store)} yet`]);
    return EXIT.ok;
  }
  const rows = changes.map(({ generation, model: name, change }) => [
    String(generation),
    timeText(change.ts_ms),
    name ?? "",
    change.alias === PRODUCTION ? change.action : `${change.action} (${change.alias})`,
    `${change.from ?? "nothing"} → ${change.to}`,
    change.by,
    figuresText(change),
    change.reason,
  ]);
  const head = ["generation", "when", "model", "what", "runs", "by", "figures", "why"];
  printLines(tableLines({ head, rows, left: head.length }, flags));
  return EXIT.ok;
}

function changeJson({ generation, sha256, model, change }: Generation & { change: Change }) {
  return { generation, sha256, model, ...change };
}

export interface PromoteFlags extends StoreFlags, GateFlags {
  readonly model?: string;
  readonly alias?: string;
  readonly data?: string;
  readonly force?: boolean;
  readonly why?: string;
  readonly by?: string;
  readonly json?: boolean;
}

export async function runPromote(
  run: string,
  flags: PromoteFlags,
  signal: AbortSignal,
): Promise<number> {
  const runId = runIdFlag(flags.store, run);
  checkNames(flags);
  if (flags.force && (flags.minGain !== undefined || flags.significance !== undefined)) {
    throw new UsageError("--force compares nothing: leave --min-gain and --significance out");
  }
  const { store, model, alias, data, why, by } = flags;
  const promotion = await promoteRun(loadCore(), {
    store,
    runId,
    gate: gateOf(flags),
    force: flags.force === true,
    signal,
    ...(model !== undefined && { model }),
    ...(alias !== undefined && { alias }),
    ...(data !== undefined && { data }),
    ...(why !== undefined && { reason: why }),
    ...(by !== undefined && { by }),
  });
  if (flags.json) {
    const { isNamed, ...rest } = promotion;
    printJson({ run_id: runId, promoted: promotion.change !== null, is_named: isNamed, ...rest });
  } else {
    const name = alias ?? PRODUCTION;
    const outcome = promotion.change
      ? `promoted: run ${runId} is ${name} of "${promotion.model}", version ${promotion.change.version}`
      : promotion.isNamed
        ? "unchanged"
        : `kept: run ${runId} is not ${name} of "${promotion.model}"`;
    printLines([plain(outcome), `  ${plain(promotion.reason)}`]);
  }
  return promotion.isNamed ? EXIT.ok : EXIT.refused;
}

export interface RollbackFlags extends StoreFlags {
  readonly to?: string;
  readonly why?: string;
  readonly by?: string;
  readonly json?: boolean;
}

export function runRollback(model: string, flags: RollbackFlags): number {
  const { store, to, why, by } = flags;
  const entry = entryOf(store, model);
  const runId = to === undefined ? undefined : targetOf(store, model, to);
  const change = rollback(store, model, {
    check: (id) => checkModel(store, id),
    ...(runId !== undefined && { to: runId }),
    ...(why !== undefined && { reason: why }),
    ...(by !== undefined && { by }),
  });
  if (flags.json) printJson({ model, rolled_back: change !== undefined, change: change ?? null });
  else if (change === undefined)
    printLines([`unchanged: run ${entry.production} is in production already`]);
  else {
    printLines([
      plain(`rolled back: run ${change.to} is production of "${model}", version ${change.version}`),
      `  ${plain(change.reason)}`,
    ]);
  }
  return EXIT.ok;
}

/** A run by its id, or by the number of its version. @throws UsageError */
function targetOf(store: string, model: string, to: string): string {
  if (!/^\d{1,9}$/.test(to)) return runIdFlag(store, to);
  const found = history(store, model).find(({ change }) => change.version === Number(to));
  if (found === undefined) {
    throw new UsageError(
      `Model "${model}" has no version ${to}; \`raisin models show\` lists them`,
    );
  }
  return found.change.to;
}
