// A table that was read becomes a dataset, in any runtime: types, encoding, classes, weights.

import {
  type ColumnReport,
  type InterpretOptions,
  interpret,
  MISSING_TOKENS,
  type MissingPolicy,
} from "./column-types.ts";
import { NO_LABEL, type Table } from "./csv.ts";
import { CsvError } from "./csv-error.ts";
import { checkWeights, columnWarnings, type Dataset, orderClasses } from "./dataset.ts";
import { type Dialect, PLAIN_DIALECT } from "./dialect.ts";
import {
  checkFeatureNames,
  DEFAULT_ENCODING,
  type EncodingOptions,
  encode,
  featureNamesOf,
  type Input,
} from "./encoding.ts";
import { shown } from "./shown.ts";

/** Most texts that stand for a missing value. */
export const TOKENS_MAX = 256;

/** What a user can say about the columns of a table; the rest is told from its rows. */
export interface TableOptions extends Partial<EncodingOptions> {
  /** Name of the label column. */
  readonly label: string;
  /** Which label is class 1; by default the one that sorts last. */
  readonly positive?: string;
  /** Sets `positive` against all other labels, which become one class. */
  readonly rest?: boolean;
  /** Input columns; by default all but the label, the weight and `drop`. */
  readonly features?: readonly string[];
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** Columns to read as numbers, whatever they look like. */
  readonly numeric?: readonly string[];
  /** Columns to read as categories, whatever they look like. */
  readonly categorical?: readonly string[];
  /** What to do with missing cells: refuse them, add an indicator, or leave their rows out. */
  readonly missing?: MissingPolicy;
  /** Texts that stand for a missing value, besides blank cells. */
  readonly missingTokens?: readonly string[];
  /** Column of row weights. */
  readonly weight?: string;
}

/** How a table was read, with all that was left open decided: what it takes to read it again. */
export interface Reading {
  readonly dialect: Dialect;
  readonly missing: MissingPolicy;
  readonly missingTokens: readonly string[];
  readonly encoding: EncodingOptions;
}

/** A dataset of a table, and how it came about. */
export interface TableDataset extends Dataset {
  readonly inputs: readonly Input[];
  readonly reading: Reading;
  /** Which rows of the table these are, from 0; null when all are. */
  readonly keptRows: Uint32Array | null;
  /** What each column of the table is and becomes. */
  readonly columnReports: readonly ColumnReport[];
  /** What was decided without being told and changes the model; each a sentence. */
  readonly guesses: readonly string[];
}

/** @throws TypeError or RangeError for options that mean nothing */
export function readingOf(options: Omit<TableOptions, "label">, dialect?: Dialect): Reading {
  const { missing, missingTokens, base, maxLevels, unseen, rest, positive } = options;
  const oneOf = (name: string, value: string | undefined, known: readonly string[]) => {
    if (value !== undefined && !known.includes(value)) {
      throw new TypeError(
        `Cannot use ${name} ${JSON.stringify(value)}: it is ${known.join(" or ")}`,
      );
    }
  };
  oneOf("missing", missing, ["error", "indicator", "drop"]);
  oneOf("base", base, ["first", "most-frequent"]);
  oneOf("unseen", unseen, ["error", "base"]);
  if (typeof maxLevels === "number" && !(Number.isInteger(maxLevels) && maxLevels >= 1)) {
    throw new RangeError(`Cannot keep ${maxLevels} levels: maxLevels is a whole number from 1`);
  }
  if (missingTokens !== undefined && missingTokens.length > TOKENS_MAX) {
    throw new RangeError(
      `Cannot take ${missingTokens.length} texts for missing values: at most ${TOKENS_MAX}`,
    );
  }
  if (rest === true && positive === undefined) {
    throw new TypeError("Cannot set a class against the rest without naming it: give positive too");
  }
  return {
    dialect: dialect ?? PLAIN_DIALECT,
    missing: missing ?? "error",
    missingTokens: missingTokens ?? MISSING_TOKENS,
    encoding: {
      base: base ?? DEFAULT_ENCODING.base,
      maxLevels: maxLevels ?? DEFAULT_ENCODING.maxLevels,
      unseen: unseen ?? DEFAULT_ENCODING.unseen,
    },
  };
}

/**
 * A dataset for training, of a table that was read with `infer` and the options' columns.
 *
 * @throws CsvError with every column that cannot be used, DataError for classes, weights and names
 */
export function datasetOfTable(
  table: Table,
  name: string,
  options: TableOptions,
  reading: Reading,
): TableDataset {
  const { label, positive, rest, weight } = options;
  const interpretOptions: InterpretOptions = {
    ...reading.encoding,
    ...(options.features && { features: options.features }),
    ...(options.numeric && { numeric: options.numeric }),
    ...(options.categorical && { categorical: options.categorical }),
    missing: reading.missing,
    dialect: reading.dialect,
  };
  const { inputs, rows, columns, guesses } = interpret(table, interpretOptions, NO_LABEL);
  const kept: Pick<Table, "labelCodes" | "labels" | "weights" | "rowCount"> =
    rows === null
      ? table
      : {
          labels: table.labels,
          labelCodes: Uint8Array.from(rows, (i) => table.labelCodes[i]!),
          weights: table.weights && Float64Array.from(rows, (i) => table.weights![i]!),
          rowCount: rows.length,
        };
  const found = table.labels.filter((_, code) => kept.labelCodes.includes(code));
  if (rows !== null && found.length < 2) {
    throw new CsvError(
      `Cannot train as without the rows that have a missing cell only those of ${shown(found[0]!)} stay: use --missing indicator, or leave out the emptiest columns with --drop`,
      [],
      { missing: "indicator" },
    );
  }
  const classes: readonly [string, string] =
    rest === true ? (table.labels as [string, string]) : orderClasses(table.labels, positive);
  const hasIndicator = inputs.some(({ column }) => column.missing !== undefined);
  const dropped = table.rowCount - kept.rowCount;
  return {
    ...datasetOfInputs(kept, name, { label, classes, inputs }),
    ...(rest === true && { rest: true as const }),
    ...(weight !== undefined &&
      kept.weights && { weights: checkWeights({ name: weight, values: kept.weights }) }),
    ...(hasIndicator && { missingTokens: reading.missingTokens }),
    reading,
    keptRows: rows,
    columnReports: columns,
    guesses: [
      ...guesses,
      ...(dropped > 0 ? [`${dropped} rows with a missing cell are left out (--missing drop)`] : []),
    ],
  };
}

/** A dataset of input columns whose encoding is known; `classes` may name a class that no row has. */
export function datasetOfInputs(
  table: Pick<Table, "labelCodes" | "labels" | "rowCount">,
  name: string,
  about: { label: string; classes: readonly [string, string]; inputs: readonly Input[] },
): Dataset & { readonly inputs: readonly Input[] } {
  const { label, classes, inputs } = about;
  const specs = inputs.map(({ column }) => column);
  checkFeatureNames(specs);
  // A number that is constant but for gaps tells something by them.
  const numbers = inputs.filter(
    ({ cells, column }) => cells instanceof Float64Array && !column.missing,
  );
  const codeOfPositive = table.labels.indexOf(classes[1]);
  return {
    name,
    features: featureNamesOf(specs),
    columns: encode(inputs).columns,
    inputs,
    label,
    classes,
    y: table.labelCodes.map((code) => Number(code === codeOfPositive)),
    rowCount: table.rowCount,
    warnings: columnWarnings(
      numbers.map(({ column }) => column.name),
      numbers.map(({ cells }) => cells as Float64Array),
    ),
  };
}

/** A table's columns as inputs of a model, by name. @throws when the table lacks one, which its reader refuses */
export function inputsFor(
  columns: readonly Input["column"][],
  table: Pick<Table, "features" | "columns">,
): Input[] {
  const places = new Map(table.features.map((name, j) => [name, j]));
  return columns.map((column) => {
    const place = places.get(column.name);
    if (place === undefined) throw new TypeError(`The table lacks column ${shown(column.name)}`);
    return { column, cells: table.columns[place]! };
  });
}
