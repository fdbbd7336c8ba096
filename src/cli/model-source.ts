// Which model a command uses: the one named by --model-file, else the production model of the registry.
import { join } from "node:path";
import type { Column } from "../core/column.ts";
import { MISSING_TOKENS } from "../data/column-types.ts";
import type { CsvSelection } from "../data/csv.ts";
import { CsvError } from "../data/csv-error.ts";
import { encodeOrThrow, type Input, type InputColumn } from "../data/encoding.ts";
import { type DialectOptions, type FileTable, readTable, withPath } from "../data/files.ts";
import { inputsFor } from "../data/table-dataset.ts";
import { readFileIfAny } from "../miniflow/store.ts";
import type { Model } from "../model/model.ts";
import {
  decodeNamed,
  readEntries,
  readProduction,
  readStoredModel,
} from "../recording/stored-model.ts";
import { UsageError } from "./exit.ts";
import { statIfAny } from "./paths.ts";

export interface ModelFlags {
  readonly modelFile?: string;
  readonly model?: string;
  readonly store: string;
}

export interface ChosenModel {
  readonly model: Model;
  /** What to call it in a message. */
  readonly origin: string;
  /** The run it came from and that run's experiment, where known. */
  readonly run: { readonly id: string; readonly experiment: string } | null;
  /** Its name in the registry, where it came from there. */
  readonly name: string | null;
}

/** Where a directory may hold a model, the run directory itself first. */
const PLACES = ["artifacts/model/model.npz", "model/model.npz", "model.npz"];

/**
 * @throws UsageError when no model is named and the registry does not decide; what reading the model throws
 */
export function chooseModel(flags: ModelFlags): ChosenModel {
  return flags.modelFile === undefined ? fromRegistry(flags) : fromPath(flags.modelFile);
}

function fromPath(path: string): ChosenModel {
  const info = statIfAny(path);
  if (info === undefined) throw new UsageError(`Cannot find the model file ${path}`);
  if (info.isDirectory() && readFileIfAny(join(path, "meta.json"))) {
    const { model, run } = readStoredModel(path);
    return {
      model,
      origin: path,
      run: { id: run.id, experiment: run.meta.experiment },
      name: null,
    };
  }
  const candidates = info.isDirectory() ? PLACES.map((place) => join(path, place)) : [path];
  for (const candidate of candidates) {
    const bytes = readFileIfAny(candidate);
    if (bytes) {
      return { model: decodeNamed(bytes, candidate), origin: candidate, run: null, name: null };
    }
  }
  throw new UsageError(`Cannot find a model in ${path}: none of ${PLACES.join(", ")} is there`);
}

function fromRegistry(flags: ModelFlags): ChosenModel {
  const names = [...readEntries(flags.store).keys()];
  const name = flags.model ?? (names.length === 1 ? names[0] : undefined);
  if (name === undefined) {
    throw new UsageError(
      names.length === 0
        ? `There is no production model in ${flags.store}: run \`raisin train\`, or name a model with --model-file`
        : `Several models have a production run: name one with --model (${names.join(", ")})`,
    );
  }
  const stored = readProduction(flags.store, name);
  if (stored === undefined) {
    throw new UsageError(
      `Model "${name}" has no production run in ${flags.store}; known are: ${names.join(", ") || "none"}`,
    );
  }
  const { run, model } = stored;
  return {
    model,
    origin: `production of "${name}", run ${run.id}`,
    run: { id: run.id, experiment: run.meta.experiment },
    name,
  };
}

/** What is said of a table that a model is to read. */
export interface ReadFlags extends DialectOptions {
  readonly missingTokens?: readonly string[];
  readonly unseen?: "error" | "base";
}

export interface ModelTable {
  readonly table: FileTable;
  readonly inputs: readonly Input[];
  /** The model's features. */
  readonly columns: readonly Column[];
  /** Cells of levels that the model has not learned, taken as the base. */
  readonly unseen: number;
}

/**
 * Reads what a model needs of a table and encodes it as its spec says; an error says what that is.
 *
 * @throws CsvError
 */
export async function readForModel(
  path: string,
  { model, origin }: ChosenModel,
  selection: Pick<CsvSelection, "label" | "classes" | "weight">,
  flags: ReadFlags,
  signal: AbortSignal,
): Promise<ModelTable> {
  const { spec } = model;
  const names = spec.columns.map(({ name }) => name);
  const namesWhere = (test: (column: InputColumn) => boolean) =>
    spec.columns.filter(test).map(({ name }) => name);
  const missingTokens = flags.missingTokens ?? spec.missing_tokens ?? MISSING_TOKENS;
  const { delimiter, quote, decimal, thousands } = flags;
  try {
    const table = await readTable(
      path,
      {
        ...selection,
        ...(selection.label !== null && spec.rest && { rest: spec.classes[1] }),
        features: names,
        categorical: namesWhere(({ as }) => as === "category"),
        optional: new Set(namesWhere(({ missing }) => missing !== undefined)),
        missingTokens,
      },
      {
        ...(delimiter !== undefined && { delimiter }),
        ...(quote !== undefined && { quote }),
        ...(decimal !== undefined && { decimal }),
        ...(thousands !== undefined && { thousands }),
      },
      signal,
    );
    const inputs = inputsFor(spec.columns, table);
    const about = { width: table.header.length, unit: table.unit };
    const encoded = withPath(path, () => encodeOrThrow(inputs, about, flags.unseen));
    return { table, inputs, columns: encoded.columns, unseen: encoded.unseen };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const needs = [...names, ...(selection.label === null ? [] : [selection.label])];
    // What may be missing was decided in training.
    const advice = error.problems.some(({ kind }) => kind === "empty" || kind === "missing")
      ? "\nThe model has not learned missing values there: fill the cells, leave the rows out, or train with --missing indicator on rows that have some"
      : "";
    throw new CsvError(
      `${error.message}${advice}\nThe model (${origin}) needs: ${needs.join(", ")}`,
    );
  }
}
