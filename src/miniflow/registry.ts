// Which run of each model is in production.
import { join } from "node:path";
import {
  ensureDirectory,
  isRunId,
  readJsonIfAny,
  StoreError,
  toJson,
  writeWholeFile,
} from "./store.ts";

/** A model's entry in registry.json. Later versions add fields and rename none. */
export interface RegistryEntry {
  readonly production: string;
  readonly updated_ts_ms: number;
}

/** Models by name. A Map, since a name may be any text. */
export type Registry = ReadonlyMap<string, RegistryEntry>;

function registryPath(store: string): string {
  return join(store, "registry.json");
}

/**
 * The registry; empty when there is none yet. What it says is checked: an entry's run id becomes part of a path.
 *
 * @throws StoreError when it is damaged. It is never overwritten then
 */
export function readRegistry(store: string): Registry {
  const path = registryPath(store);
  const content = readJsonIfAny(path) ?? {};
  return new Map(
    Object.entries(content).map(([name, value]) => {
      const entry = value as Partial<RegistryEntry> | null;
      if (typeof entry?.production !== "string" || !isRunId(entry.production)) {
        throw new StoreError("read", path, new Error(`the entry of "${name}" names no run`));
      }
      return [name, entry as RegistryEntry];
    }),
  );
}

/** Puts a run into production. The run must be complete on disk before. */
export function setProduction(store: string, model: string, runId: string): void {
  const registry = new Map(readRegistry(store));
  registry.set(model, {
    ...registry.get(model),
    production: runId,
    updated_ts_ms: Date.now(),
  });
  ensureDirectory(store);
  writeWholeFile(registryPath(store), toJson(Object.fromEntries(registry)));
}

const NAME_MAX = 250;

/** Whether a text can name a model or an experiment: 1 to 250 characters, none of them a control character. */
export function isName(name: string): boolean {
  return (
    name.length > 0 && name.length <= NAME_MAX && !/\p{Cc}/u.test(name) && name.trim() === name
  );
}
