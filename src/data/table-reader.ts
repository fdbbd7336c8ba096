// Reads a table from its bytes, in any runtime: the dialect is guessed from the first of them, then rows are read as they come.
import { CsvReader, type CsvSelection, type Table } from "./csv.ts";
import { CsvError } from "./csv-error.ts";
import { marksOf, RecordCutter } from "./csv-records.ts";
import { parseRecords } from "./csv-text.ts";
import { DataError } from "./data-error.ts";
import { checkDialect, type Dialect, guessDialect, SAMPLE_BYTES } from "./dialect.ts";
import {
  datasetOfTable,
  readingOf,
  type TableDataset,
  type TableOptions,
} from "./table-dataset.ts";

/** How a table is written, as far as the caller knows; what is left out is guessed from the first 64 KiB. */
export type DialectOptions = Partial<Dialect>;

/** A table, and how it was written. */
export interface ReadTable extends Table {
  readonly dialect: Dialect;
  /** What was guessed of the dialect; each a sentence. */
  readonly dialectGuesses: readonly string[];
}

/** Takes the bytes of a table piece by piece. UTF-8, a header line, LF or CRLF, quotes as RFC 4180 has them. */
export class TableReader {
  readonly #selection: Omit<CsvSelection, "dialect">;
  readonly #given: DialectOptions;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  #reader: CsvReader | undefined;
  #guess: ReturnType<typeof guessDialect> | undefined;

  /** @param given the parts of the dialect that are known */
  constructor(selection: Omit<CsvSelection, "dialect">, given: DialectOptions = {}) {
    this.#selection = selection;
    this.#given = given;
  }

  /** @param chunk belongs to the reader from now on @throws CsvError */
  push(chunk: Uint8Array): void {
    if (this.#reader) {
      this.#reader.push(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= SAMPLE_BYTES) this.#start();
  }

  /** @throws CsvError with every problem of the table at once */
  end(): ReadTable {
    const table = (this.#reader ?? this.#start()).end();
    return { ...table, dialect: this.#guess!.dialect, dialectGuesses: this.#guess!.guesses };
  }

  #start(): CsvReader {
    const sample = new Uint8Array(this.#heldBytes);
    let at = 0;
    for (const chunk of this.#held) {
      sample.set(chunk, at);
      at += chunk.length;
    }
    this.#held.length = 0;
    this.#guess = guessDialect(sample, this.#given);
    const { dialect } = this.#guess;
    checkDialect(dialect);
    this.#reader = new CsvReader({ ...this.#selection, dialect });
    this.#reader.push(sample);
    return this.#reader;
  }
}

/** The reader of a table for training. @param how infer: false where every column's kind is known, as for a recorded run */
export function trainingReader(
  options: TableOptions & DialectOptions,
  how: { readonly infer: boolean },
): TableReader {
  const { label, features, drop, numeric, categorical, weight, positive, rest } = options;
  const { delimiter, quote, decimal, thousands } = options;
  const { missing, missingTokens } = readingOf(options);
  return new TableReader(
    {
      label,
      ...(features && { features }),
      ...(drop && { drop }),
      ...(numeric && { numeric }),
      ...(categorical && { categorical }),
      ...(weight !== undefined && { weight }),
      ...(rest === true && positive !== undefined && { rest: positive }),
      infer: how.infer,
      missingTokens,
      allowsMissingLabels: missing === "drop",
    },
    {
      ...(delimiter !== undefined && { delimiter }),
      ...(quote !== undefined && { quote }),
      ...(decimal !== undefined && { decimal }),
      ...(thousands !== undefined && { thousands }),
    },
  );
}

/** The dataset of a table that such a reader read. @param name of the data, such as the file's @throws CsvError, DataError */
export function trainingDataset(
  table: ReadTable,
  name: string,
  options: TableOptions,
): TableDataset {
  const dataset = datasetOfTable(table, name, options, readingOf(options, table.dialect));
  return { ...dataset, guesses: [...table.dialectGuesses, ...dataset.guesses] };
}

/** Most bytes of a header. */
const HEADER_BYTES_MAX = 1 << 20;

/** Reads the names in a table's header, and no further. */
export class HeaderReader {
  readonly #given: DialectOptions;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(given: DialectOptions = {}) {
    this.#given = given;
  }

  /** @returns whether more is needed, as far as it can be told without reading it */
  push(chunk: Uint8Array): boolean {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    return this.#heldBytes < HEADER_BYTES_MAX;
  }

  /** @throws CsvError for what is no text, and where there is no header line */
  end(): string[] {
    const bytes = new Uint8Array(this.#heldBytes);
    let at = 0;
    for (const chunk of this.#held) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    const { dialect } = guessDialect(bytes.subarray(0, SAMPLE_BYTES), this.#given);
    let header: string[] | undefined;
    const cutter = new RecordCutter((records, _, line) => {
      // Only names are wanted: what is wrong further on is told when rows are read.
      header ??= parseRecords(new TextDecoder().decode(records), line, dialect).records[0]?.fields;
      return line;
    }, marksOf(dialect));
    try {
      cutter.push(bytes);
      if (this.#heldBytes < HEADER_BYTES_MAX) cutter.end();
    } catch (error) {
      if (header === undefined) throw error;
    }
    if (header === undefined) throw new CsvError("Cannot read the table: it has no header line");
    return header;
  }
}

/** Says in an error of a table which file it is about. */
export function withPath<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CsvError) {
      throw new CsvError(`${path}: ${error.message}`, error.problems, error.fix);
    }
    if (error instanceof DataError) throw new DataError(`${path}: ${error.message}`);
    throw error;
  }
}
