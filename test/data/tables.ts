// What the tests of whole tables share: a dataset of a text, the error in its place, and a table's rows in another order.
import { CsvError } from "../../src/data/csv-error.ts";
import { formatRecord } from "../../src/data/csv-text.ts";
import { type Dialect, PLAIN_DIALECT } from "../../src/data/dialect.ts";
import {
  datasetOfTable,
  readingOf,
  type TableDataset,
  type TableOptions,
} from "../../src/data/table-dataset.ts";
import { readTableOf } from "./support.ts";

export interface TextOptions extends Partial<TableOptions> {
  readonly dialect?: Dialect;
  /** Sizes of the chunks in which the text is read. */
  readonly sizes?: number | readonly number[];
}

/** A dataset of a table's text, as `readCsv` makes it of a file; the label is y unless another is named. */
export function datasetOf(text: string, options: TextOptions = {}): TableDataset {
  const { dialect = PLAIN_DIALECT, sizes, ...rest } = options;
  const given = { label: "y", ...rest };
  const { label, features, drop, numeric, categorical, weight, positive, missing } = given;
  const reading = readingOf(given, dialect);
  const table = readTableOf(
    text,
    {
      label,
      ...(features && { features }),
      ...(drop && { drop }),
      ...(numeric && { numeric }),
      ...(categorical && { categorical }),
      ...(weight !== undefined && { weight }),
      ...(given.rest && positive !== undefined && { rest: positive }),
      infer: true,
      missingTokens: reading.missingTokens,
      allowsMissingLabels: missing === "drop",
      dialect,
    },
    sizes,
  );
  return datasetOfTable(table, "table", given, reading);
}

/** The error of a table that cannot become a dataset. */
export function refusalOf(text: string, options?: TextOptions): CsvError {
  try {
    datasetOf(text, options);
  } catch (error) {
    if (error instanceof CsvError) return error;
    throw error;
  }
  throw new Error("the table was taken, where an error was expected");
}

/** CSV text of records, quoted where they need it. */
export function csvOf(records: readonly (readonly (string | number)[])[]): string {
  return records.map((fields) => formatRecord(fields, PLAIN_DIALECT)).join("");
}

/** CSV text of columns by name, all of one length, and behind them a label y that changes from row to row. */
export function tableOf(columns: Readonly<Record<string, readonly (string | number)[]>>): string {
  const names = Object.keys(columns);
  const rows = Object.values(columns)[0]!.map((_, i) => [
    ...names.map((name) => columns[name]![i]!),
    i % 2 === 0 ? "n" : "p",
  ]);
  return csvOf([[...names, "y"], ...rows]);
}

/** Numbers that are no identifier and no counter, for a column that is just there. */
export function someNumbers(rows: number): number[] {
  return Array.from({ length: rows }, (_, i) => ((i * 37) % 11) + 0.5);
}
