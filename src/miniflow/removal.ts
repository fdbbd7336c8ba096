// Deleting runs: first only marked, so that it can be taken back; `gc` removes what is marked, and what crashes left.
import { join } from "node:path";
import { userName } from "./environment.ts";
import { isRunId, isSafeName } from "./names.ts";
import { history, PRODUCTION, readRegistry } from "./registry.ts";
import { RegistryError } from "./registry-error.ts";
import { DELETED_NAME, findRun, isDeleted, readRun, runDirectories, statusOf } from "./runs.ts";
import {
  entriesOf,
  listDirectories,
  ownKindOf,
  readOwnJson,
  remove,
  renameFile,
  StoreError,
  stampOf,
  syncDirectory,
  toJson,
  writeWholeFile,
} from "./store.ts";
import { experimentsDirectory } from "./tracker.ts";

/** What names a run in the registry now, such as `production of "m"`; undefined when nothing does. */
function nameOf(store: string, id: string): string | undefined {
  for (const [model, { production, aliases = {} }] of readRegistry(store)) {
    const alias =
      production === id
        ? PRODUCTION
        : Object.keys(aliases).find((name) => aliases[name]!.run_id === id);
    if (alias !== undefined) return `${alias} of "${model}"`;
  }
  return undefined;
}

/**
 * Marks a run as deleted. Its files stay until `collectGarbage`.
 *
 * @throws RegistryError for a run that the registry names, or that is running; StoreError
 */
export function deleteRun(store: string, id: string): void {
  const directory = directoryOf(store, id);
  const name = nameOf(store, id);
  if (name !== undefined) {
    throw new RegistryError(
      `Cannot delete run ${id} as it is ${name}; promote another one or roll back before`,
    );
  }
  if (isReadable(directory) && statusOf(readRun(directory)) === "RUNNING") {
    throw new RegistryError(`Cannot delete run ${id} as it is running; stop it before`);
  }
  if (isDeleted(directory)) return;
  writeWholeFile(
    join(directory, DELETED_NAME),
    toJson({ deleted_ts_ms: Date.now(), by: userName() }),
  );
}

/** Takes a deletion back. @throws RegistryError when there is no such run; StoreError */
export function restoreRun(store: string, id: string): void {
  const directory = directoryOf(store, id);
  remove(join(directory, DELETED_NAME));
  syncDirectory(directory);
}

/** A damaged run can be deleted as well. */
function isReadable(directory: string): boolean {
  try {
    readRun(directory);
    return true;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

function directoryOf(store: string, id: string): string {
  const directory = findRun(store, id);
  if (directory === undefined) {
    throw new RegistryError(`Cannot find run ${JSON.stringify(id)} in ${store}`);
  }
  return directory;
}

export interface Garbage {
  /** Deleted runs that were removed. */
  readonly removed: readonly string[];
  /** Deleted runs that were not, and why. */
  readonly kept: readonly { readonly id: string; readonly reason: string }[];
  /** What crashes left: temporary files, runs that died before their first file, half-removed runs. */
  readonly swept: readonly string[];
}

/** What is younger may still be in use. */
export const SWEEP_MS = 3600 * 1000;

/**
 * Removes deleted runs for good, and sweeps.
 *
 * @param options olderThanMs: only runs deleted at least so long ago. isDryRun: only say what would go
 * @throws StoreError
 */
export function collectGarbage(
  store: string,
  options: { readonly olderThanMs?: number; readonly isDryRun?: boolean } = {},
): Garbage {
  const { olderThanMs = 0, isDryRun = false } = options;
  const removed: string[] = [];
  const kept: { id: string; reason: string }[] = [];
  // Read before anything goes: a damaged registry could name any run.
  const versions = new Map(
    history(store).map(({ change, model }) => [
      change.to,
      `version ${change.version} of "${model}"`,
    ]),
  );
  for (const { id, directory } of [...runDirectories(store)]) {
    if (!isDeleted(directory) || ageOf(join(directory, DELETED_NAME)) < olderThanMs) continue;
    const reason = nameOf(store, id) ?? versions.get(id);
    if (reason !== undefined) {
      kept.push({ id, reason: `it is ${reason}, to which a rollback may lead` });
      continue;
    }
    if (!isDryRun) removeRun(directory, id);
    removed.push(id);
  }
  const swept = leftovers(store).filter(({ ageMs }) => ageMs >= SWEEP_MS);
  for (const { path } of isDryRun ? [] : swept) remove(path);
  return { removed, kept, swept: swept.map(({ path }) => path) };
}

/** A run goes at once for every reader; what is left of it when this dies has a name that the next sweep knows. */
function removeRun(directory: string, id: string): void {
  const gone = join(directory, "..", `.${id}.gone`);
  if (!renameFile(directory, gone)) return;
  syncDirectory(join(directory, ".."));
  remove(gone);
}

/** Since when a file or directory has been as it is, in milliseconds. */
function ageOf(path: string): number {
  // File systems count finer than the clock, so that what was just written may look like tomorrow's.
  return Math.max(0, Date.now() - stampOf([path]).latestMs);
}

export interface Leftover {
  readonly path: string;
  readonly ageMs: number;
}

/** What crashes have left in a store. A token that still has to publish its generation is none. */
export function leftovers(store: string): Leftover[] {
  const found: string[] = [];
  const isTemporary = (name: string) => /^\..*\.tmp$/.test(name);
  const look = (directory: string) => {
    for (const entry of entriesOf(directory)) {
      if (entry.isFile() && isTemporary(entry.name)) found.push(join(directory, entry.name));
    }
  };
  if (ownKindOf(store) === undefined) return [];
  look(store);
  const tokens = join(store, "registry.d");
  for (const { name } of entriesOf(tokens)) {
    const generation = /^\.(\d+)\..*\.tmp$/.exec(name)?.[1];
    // Tokens of the newest generation are kept: one of them may be the one that shows it.
    const isToken = !name.endsWith(".new.tmp") && Number(generation) >= newestOf(tokens);
    if (generation !== undefined && !isToken) found.push(join(tokens, name));
  }
  const experiments = experimentsDirectory(store);
  for (const experiment of listDirectories(experiments).filter(isSafeName)) {
    const runs = join(experiments, experiment, "runs");
    if (ownKindOf(runs) !== "directory") continue;
    for (const name of listDirectories(runs)) {
      const directory = join(runs, name);
      if (/^\.[0-9a-f]{12}\.gone$/.test(name)) found.push(directory);
      if (!isRunId(name)) continue;
      if (ownKindOf(join(directory, "meta.json")) === undefined) found.push(directory);
      else lookBelow(directory, look);
    }
  }
  return found.map((path) => ({ path, ageMs: ageOf(path) }));
}

function lookBelow(directory: string, look: (directory: string) => void): void {
  look(directory);
  for (const name of listDirectories(directory)) lookBelow(join(directory, name), look);
}

function newestOf(tokens: string): number {
  return entriesOf(tokens).reduce(
    (newest, { name }) => Math.max(newest, Number(/^(\d{12})\.json$/.exec(name)?.[1] ?? 0)),
    0,
  );
}

/** When a run was deleted; null when it was not. */
export function deletedMs(directory: string): number | null {
  const { deleted_ts_ms: time } = readOwnJson(join(directory, DELETED_NAME)) ?? {};
  return typeof time === "number" ? time : null;
}
