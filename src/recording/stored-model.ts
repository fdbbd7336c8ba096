// Models as they stand on disk, with what belongs to them, and which of them is in production. All that a server needs of runs.
import { dirname, join } from "node:path";
import { isRunId } from "../miniflow/names.ts";
import { type Registry, type RegistryEntry, readRegistry } from "../miniflow/registry.ts";
import { findRun, readArtifact, readRun, type StoredRun } from "../miniflow/runs.ts";
import { kindOf, readFileIfAny, readJsonIfAny, StoreError } from "../miniflow/store.ts";
import type { Model } from "../model/model.ts";
import { decodeModel, ModelFormatError, modelDigest } from "../model/model-file.ts";
import { NoModelError } from "./no-model-error.ts";

export { NoModelError } from "./no-model-error.ts";

/** The registry, or the run that it names, is missing, damaged or of no use. Nothing is promoted over it silently. */
export class ProductionError extends Error {
  override readonly name: string = "ProductionError";
}

/** A model and the run that it came from. */
export interface StoredModel {
  readonly run: StoredRun;
  readonly model: Model;
}

/** Which run a model came from, as far as its files say. */
export interface Origin {
  readonly id: string;
  readonly experiment: string;
  /** All of meta.json. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** A model that was found by a path or by its name, and where its other files would be. */
export interface LocatedModel {
  readonly model: Model;
  /** Model digest (N10). */
  readonly digest: string;
  /** What to call it in a message. */
  readonly origin: string;
  /** Null for a model file by itself. */
  readonly run: Origin | null;
  /** Its name in the registry, where it came from there. */
  readonly name: string | null;
  /** The model file, for those who watch it. */
  readonly path: string;
  /** Where model_card.json and train_profile.json would be. */
  readonly cardPath: string;
  readonly profilePath: string;
}

/**
 * The model of a finished run, checked against the digest in its meta.json.
 *
 * @throws StoreError, ModelFormatError or Error saying what is missing or damaged
 */
export function readStoredModel(directory: string): StoredModel {
  const run = readRun(directory);
  if (run.meta.status !== "FINISHED") {
    throw new Error(
      `Cannot use run ${run.id} as it is not finished: its status is ${run.meta.status}`,
    );
  }
  const bytes = readArtifact(directory, "model/model.npz");
  if (bytes === undefined)
    throw new Error(`Cannot use run ${run.id} as it holds no model/model.npz`);
  const model = decodeNamed(bytes, `${directory}/artifacts/model/model.npz`);
  const digest = modelDigest(model);
  if (digest !== run.meta.model_digest) {
    throw new Error(
      `Cannot use run ${run.id} as its model has changed: digest ${digest}, recorded ${String(run.meta.model_digest)}`,
    );
  }
  return { run, model };
}

/** A model file's model; an error says which file it is about. @throws ModelFormatError */
export function decodeNamed(bytes: Uint8Array, path: string): Model {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof ModelFormatError) throw new ModelFormatError(`${path}: ${error.message}`);
    throw error;
  }
}

/** The production model that an entry of the registry names. @throws ProductionError */
export function readProduction(store: string, name: string, entry: RegistryEntry): StoredModel {
  const directory = findRun(store, entry.production);
  try {
    if (directory === undefined) throw new Error("its directory is missing");
    return readStoredModel(directory);
  } catch (error) {
    throw new ProductionError(
      `Cannot use run ${entry.production}, the production of "${name}": ${(error as Error).message}. Restore its directory, put another run into production (\`raisin models rollback ${name}\`, \`raisin models promote <run> --force\`), or take the entry "${name}" out of ${store}/registry.json so that the next run becomes production`,
      { cause: error },
    );
  }
}

/** The registry. @throws ProductionError that says what to do about a damaged one */
export function readEntries(store: string): Registry {
  try {
    return readRegistry(store);
  } catch (error) {
    throw new ProductionError(
      `${(error as Error).message}. Repair the file, or move it away so that what stood before counts; \`raisin doctor\` says more`,
      { cause: error },
    );
  }
}

/**
 * The production model of the registry.
 *
 * @param name where the registry has several
 * @throws NoModelError, ProductionError
 */
export function locateProduction(store: string, name?: string): LocatedModel {
  const entries = readEntries(store);
  const names = [...entries.keys()];
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  if (names.length === 0) {
    throw new NoModelError(
      `There is no production model in ${store}: run \`raisin train\`, or name a model with --model-file`,
    );
  }
  if (chosen === undefined) {
    throw new NoModelError(
      `Several models have a production run: name one with --model (${names.join(", ")})`,
    );
  }
  const entry = entries.get(chosen);
  if (entry === undefined) {
    throw new NoModelError(
      `Model "${chosen}" has no production run in ${store}; known are: ${names.join(", ")}`,
    );
  }
  const stored = readProduction(store, chosen, entry);
  const { run } = stored;
  return { ...ofRun(stored), name: chosen, origin: `production of "${chosen}", run ${run.id}` };
}

/** Where a directory may hold a model, the run directory itself first. */
const PLACES = ["artifacts/model/model.npz", "model/model.npz", "model.npz"];

/**
 * The model at a path: a model.npz, a directory that holds one, a run's directory, or the id of a run of the store.
 * Links are followed: the path is the operator's own.
 *
 * @throws NoModelError, StoreError, ModelFormatError, or Error saying what is missing or damaged
 */
export function locateModel(path: string, store: string): LocatedModel {
  const kind = kindOf(path);
  if (kind === undefined) {
    const directory = isRunId(path) ? findRun(store, path) : undefined;
    if (directory !== undefined) return ofRun(readStoredModel(directory));
    const run = isRunId(path) ? `, nor a run of that id in ${store}` : "";
    throw new NoModelError(`Cannot find the model file ${path}${run}`);
  }
  if (kind !== "directory") return ofFile(path);
  const place = PLACES.find((candidate) => readFileIfAny(join(path, candidate)) !== undefined);
  if (readFileIfAny(join(path, "meta.json")) && (place === PLACES[0] || place === undefined)) {
    return ofRun(readStoredModel(path));
  }
  if (place === undefined) {
    throw new NoModelError(`Cannot find a model in ${path}: none of ${PLACES.join(", ")} is there`);
  }
  return ofFile(join(path, place));
}

function ofRun({ run, model }: StoredModel): LocatedModel {
  const artifacts = join(run.directory, "artifacts");
  return {
    model,
    digest: modelDigest(model),
    origin: run.directory,
    run: { id: run.id, experiment: run.meta.experiment, meta: run.meta },
    name: null,
    path: join(artifacts, "model", "model.npz"),
    cardPath: join(artifacts, "model", "model_card.json"),
    profilePath: join(artifacts, "train_profile.json"),
  };
}

/**
 * A model file, and the files that may stand beside it: in one flat directory, as in a mounted ConfigMap, or as in a run,
 * of which a file may be a part.
 */
function ofFile(path: string): LocatedModel {
  const bytes = readFileIfAny(path);
  if (bytes === undefined) throw new NoModelError(`Cannot find the model file ${path}`);
  const model = decodeNamed(bytes, path);
  const digest = modelDigest(model);
  const folder = dirname(path);
  const flat = (name: string) => join(folder, name);
  const above = (name: string) => join(folder, "..", name);
  const firstThere = (paths: readonly string[]) =>
    paths.find((candidate) => kindOf(candidate) === "file") ?? paths[0]!;
  return {
    model,
    digest,
    origin: path,
    run: originBeside([flat("meta.json"), join(folder, "..", "..", "meta.json")], digest),
    name: null,
    path,
    cardPath: flat("model_card.json"),
    profilePath: firstThere([flat("train_profile.json"), above("train_profile.json")]),
  };
}

/** The run of a model file by itself, where a meta.json near it is about this very model. */
function originBeside(paths: readonly string[], digest: string): Origin | null {
  for (const path of paths) {
    let meta: Record<string, unknown> | undefined;
    try {
      meta = readJsonIfAny(path);
    } catch (error) {
      // Of no use to a model that can do without, and perhaps not about it.
      if (!(error instanceof StoreError)) throw error;
    }
    const { run_id: id, experiment, model_digest: recorded } = meta ?? {};
    if (recorded !== digest || typeof id !== "string" || !isRunId(id)) continue;
    return { id, experiment: String(experiment), meta: meta! };
  }
  return null;
}
