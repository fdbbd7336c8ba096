// Which model a command uses: the one named by --model-file, else the production model of the registry.
import type { Column } from "../core/column.ts";
import { MISSING_TOKENS } from "../data/column-types.ts";
import type { CsvSelection } from "../data/csv.ts";
import { CsvError } from "../data/csv-error.ts";
import { encodeOrThrow, type Input, type InputColumn } from "../data/encoding.ts";
import { type FileTable, readTable } from "../data/files.ts";
import { inputsFor } from "../data/table-dataset.ts";
import { type DialectOptions, withPath } from "../data/table-reader.ts";
import { type LocatedModel, locateModel, locateProduction } from "../recording/stored-model.ts";

export interface ModelFlags {
  readonly modelFile?: string;
  readonly model?: string;
  readonly store: string;
}

/**
 * @throws NoModelError when no model is named and the registry does not decide; what reading the model throws
 */
export function chooseModel(flags: ModelFlags): LocatedModel {
  return flags.modelFile === undefined
    ? locateProduction(flags.store, flags.model)
    : locateModel(flags.modelFile, flags.store);
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
  { model, origin }: LocatedModel,
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
