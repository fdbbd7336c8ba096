// Models of finished runs as they stand on disk, and which of them is in production. All that a server needs of runs.
import { type Registry, readRegistry } from "../miniflow/registry.ts";
import { findRun, readArtifact, readRun, type StoredRun } from "../miniflow/tracker.ts";
import type { Model } from "../model/model.ts";
import { decodeModel, ModelFormatError, modelDigest } from "../model/model-file.ts";

/** The registry, or the run that it names, is missing, damaged or of no use. Nothing is promoted over it silently. */
export class ProductionError extends Error {
  override readonly name: string = "ProductionError";
}

/** A model and the run that it came from. */
export interface StoredModel {
  readonly run: StoredRun;
  readonly model: Model;
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

/** The production model of a name; undefined when the registry has none. @throws ProductionError */
export function readProduction(store: string, name: string): StoredModel | undefined {
  const entry = readEntries(store).get(name);
  if (entry === undefined) return undefined;
  const directory = findRun(store, entry.production);
  try {
    if (directory === undefined) throw new Error("its directory is missing");
    return readStoredModel(directory);
  } catch (error) {
    throw new ProductionError(
      `Cannot use run ${entry.production}, the production of "${name}": ${(error as Error).message}. Restore its directory, or take the entry "${name}" out of ${store}/registry.json so that the next run becomes production`,
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
      `${(error as Error).message}. Repair ${store}/registry.json, or move it away so that the next run becomes production`,
      { cause: error },
    );
  }
}
