// Which version of each model is in production: compare-and-swap on plain files, with a history that cannot be rewritten
// unseen.
//
//   registry.d/000000000042.json     one complete, immutable file a generation; the highest one is the truth
//   registry.d/.43.<nonce>.new.tmp   a candidate
//   registry.d/.43.<nonce>.tmp       its token: the same bytes, with which a committed generation is published
//   registry.json                    the view: the newest generation, always a whole file
//
// Design:
// - A change is committed by link(2): the candidate, complete and synced, gets the name of the next generation. That name
//   must be free, so exactly one of several writers succeeds, and the others look again at what there is now. There is
//   no lock, so none can be stale.
// - The token works once: renaming it makes the view. Nobody commits the next generation before the view shows this one,
//   so no slow writer can put an older view back. It is a file of its own, so that whoever writes into registry.json
//   changes no generation.
// - After a crash between the two, the view is one generation behind. Readers look one step ahead; the next writer
//   publishes first.
// - Each generation holds the SHA-256 of the one before. Changing or leaving out an old one breaks the chain.
// - Somebody may still write registry.json by hand, or with a tool of version 0.1.0. A view that is no generation counts
//   as such a change, and the next generation says so.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { userName } from "./environment.ts";
import { checkName, isAlias, isRunId, shown } from "./names.ts";
import { RegistryError } from "./registry-error.ts";
import { findRun, isDeleted, readRun } from "./runs.ts";
import {
  ensureDirectory,
  linkFile,
  listDirectory,
  parseObject,
  readFileIfAny,
  readOwnFile,
  removeQuietly,
  renameFile,
  StoreError,
  syncDirectory,
  toJson,
  writeNewFile,
} from "./store.ts";

/** A run under a number that its model counts up. */
export interface Version {
  readonly run_id: string;
  /** From 1. */
  readonly version: number;
}

/** The figures that a change was decided by. */
export interface Figures {
  readonly metric: string;
  readonly candidate: number | null;
  /** Of the run that was in production, on the same rows. */
  readonly production: number | null;
  readonly [more: string]: unknown;
}

export type Action = "promote" | "rollback";

/** What one generation changed, who did it, when and why. */
export interface Change {
  readonly action: Action;
  readonly alias: string;
  /** The run that the alias named before; null for none. */
  readonly from: string | null;
  readonly to: string;
  readonly version: number;
  readonly by: string;
  readonly ts_ms: number;
  readonly reason: string;
  readonly figures: Figures | null;
  /** Models whose entries something else than this registry had written into registry.json before. */
  readonly edited?: readonly string[];
  /** The SHA-256 of that registry.json. */
  readonly edited_sha256?: string;
}

/** A model's entry in registry.json. Later versions add fields and rename none. Version 0.1.0 wrote the first two. */
export interface RegistryEntry {
  readonly production: string;
  readonly updated_ts_ms: number;
  /** Of the production run. */
  readonly version?: number;
  /** How many versions there are. */
  readonly versions?: number;
  /** Aliases besides production. */
  readonly aliases?: Readonly<Record<string, Version>>;
  /** The generation that changed this entry last. */
  readonly generation?: number;
  readonly nonce?: string;
  /** Of the generation before; null for the first. */
  readonly previous_sha256?: string | null;
  readonly change?: Change;
}

/** Models by name. A Map, since a name may be any text. */
export type Registry = ReadonlyMap<string, RegistryEntry>;

/** One generation, as it stands on disk. */
export interface Generation {
  readonly generation: number;
  readonly sha256: string;
  readonly entries: Registry;
  /** The model whose entry changed; null for a damaged or foreign file. */
  readonly model: string | null;
  readonly entry: RegistryEntry | null;
}

/** The alias that serves. */
export const PRODUCTION = "production";
const FOLDER = "registry.d";
const TRIES = 200;

function viewPath(store: string): string {
  return join(store, "registry.json");
}

function generationPath(store: string, generation: number): string {
  return join(store, FOLDER, `${String(generation).padStart(12, "0")}.json`);
}

function tokenPath(store: string, generation: number, nonce: string): string {
  return join(store, FOLDER, `.${generation}.${nonce}.tmp`);
}

/** Files whose change says that the registry may have changed. */
export function watchedPaths(store: string): string[] {
  return [viewPath(store), join(store, FOLDER)];
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => Number.isFinite(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 1;
const isRun: Check = (value) => typeof value === "string" && isRunId(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNullOr =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
/** Whether a value is an object whose fields are what they must be; those that are not named here may be anything. */
const hasFields =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const isFigures = hasFields({
  metric: isText,
  candidate: isNullOr(isNumber),
  production: isNullOr(isNumber),
});
const isChange = hasFields({
  action: isText,
  alias: isText,
  from: isNullOr(isRun),
  to: isRun,
  version: isCount,
  by: isText,
  ts_ms: isNumber,
  reason: isText,
  figures: isNullOr(isFigures),
});
const isVersion = hasFields({ run_id: isRun, version: isCount });

/** Fields of an entry that may be absent, and what they must be where they are not. */
const ENTRY_FIELDS: Readonly<Record<string, Check>> = {
  updated_ts_ms: isNumber,
  version: isCount,
  versions: isCount,
  aliases: (value) => isObject(value) && Object.values(value).every(isVersion),
  generation: isCount,
  // It becomes part of a path.
  nonce: (value) => typeof value === "string" && /^[0-9A-Za-z]{1,64}$/.test(value),
  previous_sha256: isNullOr((value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value)),
  change: isChange,
};

/** What a file of the registry says, checked: whoever wrote it, ids become parts of paths. @throws StoreError */
function parseEntries(bytes: Uint8Array, path: string): Map<string, RegistryEntry> {
  return new Map(
    Object.entries(parseObject(bytes, path)).map(([name, entry]) => {
      const bad = (what: string) =>
        new StoreError("read", path, new Error(`the entry of ${shown(name)} ${what}`));
      if (!isObject(entry) || !isRun(entry.production)) throw bad("names no run");
      for (const [field, check] of Object.entries(ENTRY_FIELDS)) {
        if (Object.hasOwn(entry, field) && !check(entry[field])) throw bad(`has a bad ${field}`);
      }
      return [name, entry as unknown as RegistryEntry];
    }),
  );
}

/** The entry that a generation changed: the one that carries its number. */
function newestEntry(entries: Registry): [string, RegistryEntry] | undefined {
  let newest: [string, RegistryEntry] | undefined;
  for (const pair of entries) {
    if (pair[1].generation === undefined) continue;
    if (newest === undefined || pair[1].generation > newest[1].generation!) newest = pair;
  }
  return newest;
}

/** @throws StoreError for a damaged one; undefined where there is none */
function readGeneration(
  store: string,
  generation: number,
): (Generation & { bytes: Uint8Array }) | undefined {
  const path = generationPath(store, generation);
  const bytes = readOwnFile(path);
  if (bytes === undefined) return undefined;
  const entries = parseEntries(bytes, path);
  const [model, entry] = newestEntry(entries) ?? [null, null];
  if (entry?.generation !== generation) {
    throw new StoreError("read", path, new Error("it does not say that it is this generation"));
  }
  return { generation, sha256: sha256(bytes), entries, model, entry, bytes };
}

/** Numbers of all generations on disk, ascending. */
function generationNumbers(store: string): number[] {
  return listDirectory(join(store, FOLDER)).flatMap((name) => {
    const digits = /^(\d{12})\.json$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

/** The registry as it is now. */
interface State {
  readonly entries: Registry;
  /** The newest generation; undefined before there is one. */
  readonly newest: Generation | undefined;
  /** Whether registry.json does not show it yet. */
  readonly isBehind: boolean;
  /** Whether registry.json is no generation: something else wrote it. */
  readonly isEdited: boolean;
  readonly editedSha256?: string;
}

/** @throws StoreError when a file is damaged. Nothing is ever written over one */
function readState(store: string): State {
  const path = viewPath(store);
  // A link is followed: the store's owner may keep it elsewhere.
  const view = readFileIfAny(path);
  const entries = view && parseEntries(view, path);
  const shownGeneration = (entries && newestEntry(entries)?.[1].generation) ?? 0;
  const own = shownGeneration > 0 ? readGeneration(store, shownGeneration) : undefined;
  if (own !== undefined && Buffer.compare(own.bytes, view!) === 0) {
    let newest = own;
    for (;;) {
      const next = readGeneration(store, newest.generation + 1);
      if (next === undefined) break;
      newest = next;
    }
    return { entries: newest.entries, newest, isBehind: newest !== own, isEdited: false };
  }
  const last = generationNumbers(store).at(-1);
  const newest = last === undefined ? undefined : readGeneration(store, last);
  // A change of an edited view was committed, and then its writer died.
  const isTaken = view !== undefined && newest?.entry?.change?.edited_sha256 === sha256(view);
  return entries === undefined || isTaken
    ? {
        entries: newest?.entries ?? new Map(),
        newest,
        isBehind: newest !== undefined,
        isEdited: false,
      }
    : { entries, newest, isBehind: false, isEdited: true, editedSha256: sha256(view!) };
}

/**
 * The registry; empty when there is none yet. Reading never writes.
 *
 * @throws StoreError when it is damaged. It is never overwritten then
 */
export function readRegistry(store: string): Registry {
  return readState(store).entries;
}

/** What to change, and why. */
export interface Proposal {
  readonly action: Action;
  /** By default production. */
  readonly alias?: string;
  readonly runId: string;
  readonly reason: string;
  readonly figures?: Figures | null;
  /** By default the account that runs this. */
  readonly by?: string;
}

/**
 * Changes one model's entry. When this returns, the change is durable, and no change of another writer is lost.
 *
 * @param propose is given the entry as it is now, and is asked again when another writer was faster; undefined keeps it
 * @returns what was changed; undefined when `propose` wanted nothing
 * @throws RegistryError; StoreError; what `propose` throws
 */
export function changeRegistry(
  store: string,
  model: string,
  propose: (entry: RegistryEntry | undefined, registry: Registry) => Proposal | undefined,
): Change | undefined {
  checkName("a model", model);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) pauseRandomly(attempt);
    const state = readState(store);
    const proposal = propose(state.entries.get(model), state.entries);
    if (proposal === undefined) return undefined;
    checkProposal(store, model, state, proposal);
    ensureDirectory(join(store, FOLDER));
    // Finishes what a crashed or slow predecessor began: the view shows each generation before the next is made.
    if (state.isBehind) publish(store, state.newest!);
    const next = nextGeneration(store, model, state, proposal);
    const generation = next.entry.generation!;
    const nonce = next.entry.nonce!;
    const token = tokenPath(store, generation, nonce);
    const candidate = tokenPath(store, generation, `${nonce}.new`);
    let isOurs = false;
    try {
      writeNewFile(token, next.text);
      writeNewFile(candidate, next.text);
      isOurs = linkFile(candidate, generationPath(store, generation)) || isCommitted(store, next);
    } finally {
      // What cannot be removed is swept later; how the change went is what counts.
      removeQuietly(candidate);
      if (!isOurs) removeQuietly(token);
    }
    if (!isOurs) continue;
    publish(store, { generation, entry: next.entry });
    return next.entry.change!;
  }
  throw new RegistryError(
    `Cannot change the registry of ${store}: other writers were faster ${TRIES} times; try again`,
  );
}

/** What goes on record with a change. */
export interface ChangeOptions {
  readonly reason?: string;
  /** By default the account that runs this. */
  readonly by?: string;
}

/**
 * Puts a run into production, or under another alias. Nothing is compared: who did that says so in `figures`.
 *
 * @throws RegistryError for a run that is not finished; StoreError
 */
export function promote(
  store: string,
  model: string,
  runId: string,
  options: ChangeOptions & { readonly alias?: string; readonly figures?: Figures } = {},
): Change {
  const proposal: Proposal = { action: "promote", runId, reason: "", ...options };
  return changeRegistry(store, model, () => proposal)!;
}

/**
 * Puts an earlier run back into production.
 *
 * @param options to: which, by default what was in production before the present one. check: throws for a run of no use
 * @returns undefined when that run is in production already
 * @throws RegistryError when there is no such model or nothing to go back to; StoreError
 */
export function rollback(
  store: string,
  model: string,
  options: ChangeOptions & { readonly to?: string; readonly check?: (runId: string) => void } = {},
): Change | undefined {
  const { to, check, ...record } = options;
  return changeRegistry(store, model, (entry) => {
    if (entry === undefined)
      throw new RegistryError(`There is no model ${shown(model)} in ${store}`);
    const current = entry.production;
    const runId = to ?? rollbackTarget(store, model, current);
    if (runId === current) return undefined;
    check?.(runId);
    return { action: "rollback", runId, reason: `rolled back from run ${current}`, ...record };
  });
}

/** On network file systems a link that succeeded can be told as one that failed: the nonce says whose it is. */
function isCommitted(store: string, next: { entry: RegistryEntry }): boolean {
  const { generation, nonce } = next.entry;
  return readGeneration(store, generation!)?.entry?.nonce === nonce;
}

/** Waits up to a few milliseconds, so that writers who met do not meet again. */
function pauseRandomly(attempt: number): void {
  const most = 1 << Math.min(attempt, 5);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + randomInt(most));
}

function checkProposal(store: string, model: string, state: State, proposal: Proposal): void {
  const { alias = PRODUCTION, runId } = proposal;
  if (!isAlias(alias)) {
    throw new RegistryError(
      `Cannot use ${shown(alias)} as an alias: it must be letters, digits, - and _, not "latest", and not v and a number`,
    );
  }
  const directory = findRun(store, runId);
  if (directory === undefined) {
    throw new RegistryError(`Cannot promote run ${shown(runId)}: there is no such run in ${store}`);
  }
  const { status } = readRun(directory).meta;
  if (status !== "FINISHED") {
    throw new RegistryError(`Cannot promote run ${runId}: its status is ${status}, not FINISHED`);
  }
  if (isDeleted(directory)) {
    throw new RegistryError(
      `Cannot promote run ${runId} as it is deleted; \`raisin runs restore ${runId}\` brings it back`,
    );
  }
  if (alias !== PRODUCTION && !state.entries.has(model)) {
    throw new RegistryError(
      `Cannot give run ${runId} the alias "${alias}": model "${model}" has no production run yet, which comes first`,
    );
  }
}

/** The content of the next generation. */
function nextGeneration(
  store: string,
  model: string,
  state: State,
  proposal: Proposal,
): { text: string; entry: RegistryEntry } {
  const { action, alias = PRODUCTION, runId, reason, figures = null, by = userName() } = proposal;
  const { newest } = state;
  const edited = state.isEdited ? editedModels(state) : [];
  const entries = new Map<string, RegistryEntry>(
    [...state.entries].map(([name, entry]) => [
      name,
      edited.includes(name) ? withoutHistory(entry) : entry,
    ]),
  );
  const before = entries.get(model);
  const known = versionsOf(history(store, model));
  const versions = Math.max(before?.versions ?? 0, ...known.values(), 0);
  const version = known.get(runId) ?? versions + 1;
  const now = Date.now();
  const isProduction = alias === PRODUCTION;
  const change: Change = {
    action,
    alias,
    from: (isProduction ? before?.production : before?.aliases?.[alias]?.run_id) ?? null,
    to: runId,
    version,
    by,
    ts_ms: now,
    reason,
    figures,
    ...(state.isEdited && { edited, edited_sha256: state.editedSha256! }),
  };
  const entry: RegistryEntry = {
    ...before,
    production: isProduction ? runId : before!.production,
    updated_ts_ms: now,
    ...(isProduction && { version }),
    versions: Math.max(versions, version),
    ...(!isProduction && { aliases: { ...before?.aliases, [alias]: { run_id: runId, version } } }),
    generation: (newest?.generation ?? 0) + 1,
    nonce: randomBytes(8).toString("hex"),
    previous_sha256: newest?.sha256 ?? null,
    change,
  };
  entries.set(model, entry);
  return { text: toJson(Object.fromEntries(entries)), entry };
}

/** Models whose entries in an edited registry.json are others than in the newest generation. */
function editedModels({ entries, newest }: State): string[] {
  const known = newest?.entries ?? new Map<string, RegistryEntry>();
  const names = new Set([...known.keys(), ...entries.keys()]);
  return [...names].filter(
    (name) => JSON.stringify(known.get(name)) !== JSON.stringify(entries.get(name)),
  );
}

/** An entry as it was edited, without what only a generation may say of it. */
function withoutHistory(entry: RegistryEntry): RegistryEntry {
  const {
    generation: _,
    nonce: __,
    previous_sha256: ___,
    change: ____,
    version: _____,
    ...rest
  } = entry;
  return rest;
}

/** Makes the view show a committed generation. Anyone may do it, any number of times. */
function publish(store: string, newest: Pick<Generation, "generation" | "entry">): void {
  const { generation, entry } = newest;
  const nonce = entry!.nonce!;
  // The commit is durable before the view tells of it.
  syncDirectory(join(store, FOLDER));
  if (!renameFile(tokenPath(store, generation, nonce), viewPath(store))) republish(store, newest);
  syncDirectory(store);
}

/** The token is spent: by another writer, or by whoever copied the store without it. */
function republish(store: string, { generation }: Pick<Generation, "generation">): void {
  const { isBehind, newest } = readState(store);
  if (!isBehind || newest!.generation !== generation) return;
  const token = tokenPath(store, generation, randomBytes(8).toString("hex"));
  writeNewFile(token, readOwnFile(generationPath(store, generation))!);
  renameFile(token, viewPath(store));
}

/** All generations that changed a model, or any, newest first. @throws StoreError for a damaged one */
export function history(store: string, model?: string): (Generation & { change: Change })[] {
  return generationNumbers(store)
    .reverse()
    .flatMap((number) => {
      const generation = readGeneration(store, number);
      const change = generation?.entry?.change;
      if (generation === undefined || change === undefined) return [];
      return model === undefined || generation.model === model ? [{ ...generation, change }] : [];
    });
}

/** The version of each run that was ever promoted. @param changes of one model */
export function versionsOf(changes: readonly { change: Change }[]): Map<string, number> {
  return new Map(changes.map(({ change }) => [change.to, change.version]));
}

/**
 * Where a rollback leads: to what was in production before the present run was promoted.
 *
 * @throws RegistryError when there was nothing
 */
function rollbackTarget(store: string, model: string, current: string): string {
  const promotion = history(store, model).find(
    ({ change }) =>
      change.action === "promote" && change.alias === PRODUCTION && change.to === current,
  );
  const target = promotion?.change.from;
  if (typeof target !== "string") {
    throw new RegistryError(
      `Cannot roll back model "${model}": no run was in production before ${current}; name one with --to`,
    );
  }
  return target;
}

/** Something wrong with the registry's files. */
export interface ChainFinding {
  readonly path: string;
  readonly problem: string;
}

/**
 * Checks every generation: that it can be read, that none is missing between the first and the newest, that each holds
 * the SHA-256 of the one before, and that registry.json shows the newest.
 *
 * @param anchor a SHA-256 that somebody noted earlier: it must be that of some generation
 */
export function checkChain(store: string, anchor?: string): ChainFinding[] {
  const findings: ChainFinding[] = [];
  const add = (path: string, problem: string) => findings.push({ path, problem });
  const digests = new Set<string>();
  let before: Generation | undefined;
  for (const number of generationNumbers(store)) {
    const path = generationPath(store, number);
    const expected = (before?.generation ?? 0) + 1;
    for (let missing = expected; missing < number && missing < expected + 10; missing++) {
      add(generationPath(store, missing), "this generation is missing");
    }
    let generation: Generation | undefined;
    try {
      generation = readGeneration(store, number);
    } catch (error) {
      add(path, (error as Error).message);
    }
    if (generation === undefined) {
      before = { generation: number, sha256: "", entries: new Map(), model: null, entry: null };
      continue;
    }
    digests.add(generation.sha256);
    const said = generation.entry!.previous_sha256 ?? null;
    const isFirst = number === 1;
    const is = isFirst ? null : (before?.sha256 ?? "");
    if (said !== is && before?.sha256 !== "") {
      add(
        path,
        isFirst
          ? "it names a generation before the first"
          : `it follows another generation ${number - 1} than the one on disk: one of the two was rewritten`,
      );
    }
    before = generation;
  }
  if (anchor !== undefined && !digests.has(anchor)) {
    add(
      join(store, FOLDER),
      `no generation has the SHA-256 ${shown(anchor)}: it was rewritten or cut off`,
    );
  }
  return findings;
}

/** How registry.json stands to the generations, for whoever checks. @throws StoreError */
export function viewState(store: string): {
  generation: number;
  sha256: string | null;
  isBehind: boolean;
  isEdited: boolean;
} {
  const { newest, isBehind, isEdited } = readState(store);
  return {
    generation: newest?.generation ?? 0,
    sha256: newest?.sha256 ?? null,
    isBehind,
    isEdited,
  };
}
