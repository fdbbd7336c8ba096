// Which model serves: found at the start, looked for again every second, changed only for one that passes its self-test.
//
// Design:
// - The server asks the disk; nobody tells it. A file's identity is looked at through all links, so a registry that is
//   renamed into place, a copied file and the swap of a mounted ConfigMap are all seen, on network file systems too.
// - A request takes the current model once and keeps it, so no answer is of two models.
// - A candidate that fails is looked at again each time: its files may still be on their way. It is told once.
import { statSync } from "node:fs";
import type { CoreSource } from "../core/source.ts";
import { watchedPaths } from "../miniflow/registry.ts";
import {
  type LocatedModel,
  locateModel,
  locateProduction,
  NoModelError,
} from "../recording/stored-model.ts";
import { type Fields, now } from "./log.ts";
import { ServedModel } from "./served-model.ts";

/** Where the model comes from. */
export interface ModelSource {
  readonly store: string;
  /** Name in the registry, where there are several. */
  readonly model?: string;
  /** A file, a directory or a run instead of the registry. */
  readonly modelFile?: string;
}

/** Most looks that are skipped after failures. */
const PAUSE_MAX = 15;

export type Tell = (level: "info" | "warn" | "error", message: string, fields: Fields) => void;

export class Models {
  readonly #core: CoreSource;
  readonly #source: ModelSource;
  readonly #windowRows: number;
  readonly #tell: Tell;
  #current: ServedModel | null = null;
  #problem = "No model has been looked for yet";
  #seen: string | undefined;
  #told: string | undefined;
  /** Looks to skip, and how many after the next failure: a broken model need not be read every second. */
  #skip = 0;
  #failed: string | undefined;
  #pause = 0;
  /** A model begins to serve; one was refused. */
  onUse: (model: ServedModel) => void = () => {};
  onRefuse: () => void = () => {};

  constructor(core: CoreSource, source: ModelSource, windowRows: number, tell: Tell) {
    this.#core = core;
    this.#source = source;
    this.#windowRows = windowRows;
    this.#tell = tell;
  }

  /** The model that serves; null before there is one. */
  get current(): ServedModel | null {
    return this.#current;
  }

  /** Why there is no model: what to do. */
  get problem(): string {
    return this.#problem;
  }

  /** Looks whether another model is to serve, and takes it. Synchronous: no request sees it half-way. */
  poll(): void {
    const watched = this.#watched();
    const seen = fingerprintOf(watched);
    if (seen === this.#seen) return;
    if (seen === this.#failed && this.#skip > 0) {
      this.#skip--;
      return;
    }
    try {
      const located = this.#locate();
      if (
        located.digest === this.#current?.digest &&
        located.run?.id === this.#current.located.run?.id
      ) {
        this.#seen = seen;
        return;
      }
      const before = this.#current;
      const model = new ServedModel(this.#core, located, {
        windowRows: this.#windowRows,
        loadedMs: now(),
      });
      // Files that changed while they were read are read again.
      if (fingerprintOf(watched) !== seen) return;
      this.#current = model;
      this.#seen = seen;
      this.#told = undefined;
      this.onUse(model);
      this.#tell("info", before === null ? "model loaded" : "model changed", {
        model: model.name,
        run_id: model.runId,
        model_digest: model.digest,
        ...(before !== null && { model_digest_before: before.digest }),
      });
    } catch (error) {
      this.#pause = seen === this.#failed ? Math.min(2 * this.#pause + 1, PAUSE_MAX) : 0;
      this.#skip = this.#pause;
      this.#failed = seen;
      this.#refuse(error as Error);
    }
  }

  #refuse(error: Error): void {
    const { message } = error;
    if (this.#current === null) this.#problem = message;
    if (message === this.#told) return;
    this.#told = message;
    const isAbsence = error instanceof NoModelError;
    if (!isAbsence) this.onRefuse();
    this.#tell(isAbsence ? "warn" : "error", isAbsence ? "no model" : "model refused", {
      reason: message,
      ...(this.#current !== null && { still_serving: this.#current.digest }),
    });
  }

  #locate(): LocatedModel {
    const { store, model, modelFile } = this.#source;
    return modelFile === undefined ? locateProduction(store, model) : locateModel(modelFile, store);
  }

  /** What says that another model is to serve. */
  #watched(): string[] {
    const { store, modelFile } = this.#source;
    if (modelFile === undefined) return watchedPaths(store);
    return this.#current === null ? [modelFile] : [modelFile, this.#current.located.path];
  }
}

/** Which files these are, links followed, and whether they were written since. */
function fingerprintOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      try {
        const { dev, ino, mtimeMs, ctimeMs, size } = statSync(path);
        return [dev, ino, mtimeMs, ctimeMs, size].join(":");
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? "?";
      }
    })
    .join(" ");
}
