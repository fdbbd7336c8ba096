// CSV records as text, by Papa Parse: the general reading of quotes, for both the numbers and the echo of rows.
import Papa from "papaparse";
import { CsvError } from "./csv-error.ts";
import { LF, marksOf, RecordCutter } from "./csv-records.ts";
import type { Dialect } from "./dialect.ts";
import { shown } from "./shown.ts";
import { decodeUtf8 } from "./utf8.ts";

/** One record and the line where it begins. */
export interface TextRecord {
  readonly fields: string[];
  readonly line: number;
}

/**
 * The records of a text, whole and with sound quotes as RecordCutter gives them. Blank lines are no records.
 *
 * @param line of the text's first character
 */
export function parseRecords(
  text: string,
  line: number,
  { delimiter, quote }: Dialect,
): { readonly records: TextRecord[]; readonly nextLine: number } {
  const records: TextRecord[] = [];
  let begin = 0;
  let next = line;
  const config = {
    delimiter,
    // NUL, which no field may hold, where nothing is a quote.
    quoteChar: quote ?? "\0",
    escapeChar: quote ?? "\0",
    newline: "\n",
    // Row by row, as only then Papa Parse says where each ends.
    step: ({ data, meta }: Papa.ParseStepResult<string[][]>) => {
      const end = meta.cursor;
      if (end === begin) return; // behind the last line end
      const fields = data[0]!;
      if (!isBlank(text, begin, end)) {
        dropLineEndCr(fields, text, begin, end, delimiter);
        records.push({ fields, line: next });
      }
      for (let at = begin; at < end; at++) {
        at = text.indexOf("\n", at);
        next++;
      }
      begin = end;
    },
  } as const;
  new Papa.Parser(config).parse(text, 0, false);
  return { records, nextLine: next };
}

function isBlank(text: string, begin: number, end: number): boolean {
  return end - begin === 1 || (end - begin === 2 && text[begin] === "\r");
}

/** Takes the CR of CRLF off an unquoted last field; within quotes a CR is text. */
function dropLineEndCr(
  fields: string[],
  text: string,
  begin: number,
  end: number,
  delimiter: string,
): void {
  const last = fields.length - 1;
  const field = fields[last]!;
  if (!field.endsWith("\r")) return;
  const from = end - 1 - field.length;
  const isUnquoted =
    (from === begin || text[from - 1] === delimiter) && text.startsWith(`${field}\n`, from);
  if (isUnquoted) fields[last] = field.slice(0, -1);
}

/** Text of bytes; an error says which byte of the file is no UTF-8, and its line. */
export function decodeRecords(bytes: Uint8Array, offset: number, line: number): string {
  const text = decodeUtf8(bytes);
  if (typeof text === "string") return text;
  throw encodingError(offset + text, line + countLines(bytes.subarray(0, text)));
}

export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === LF) count++;
  return count;
}

/** @param offset of the byte in the file, from 0 */
export function encodingError(offset: number, line: number, column?: string): CsvError {
  const where = column === undefined ? "" : `, column ${shown(column)}`;
  return new CsvError(
    `Cannot read the table as text must be UTF-8: byte ${offset} (line ${line}${where}) is not; save the file as UTF-8`,
  );
}

/** Reads a whole file's records as text. Push its bytes in order; blank lines are left out. */
export class TextReader {
  #rows: string[][] = [];
  readonly #cutter: RecordCutter;

  constructor(dialect: Dialect) {
    this.#cutter = new RecordCutter((bytes, offset, line) => {
      const text = decodeRecords(bytes, offset, line);
      const { records, nextLine } = parseRecords(text, line, dialect);
      for (const { fields } of records) this.#rows.push(fields);
      return nextLine;
    }, marksOf(dialect));
  }

  /** @throws CsvError for bytes that are no UTF-8, bad quotes, a row beyond 1 MiB */
  push(chunk: Uint8Array, isLast = false): string[][] {
    this.#cutter.push(chunk);
    if (isLast) this.#cutter.end();
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }
}

/** One line of a table, quoted where needed, with its line end. Numbers are written as the dialect reads them. */
export function formatRecord(
  fields: readonly (string | number)[],
  { delimiter, quote, decimal }: Dialect,
): string {
  const cells = fields.map((field) =>
    typeof field === "number" && decimal !== "." ? String(field).replace(".", decimal) : field,
  );
  if (quote === null) {
    const isLoose = (cell: string | number) =>
      typeof cell === "string" && (cell.includes(delimiter) || /[\r\n]/.test(cell));
    const held = cells.find(isLoose);
    if (held !== undefined) {
      throw new CsvError(
        `Cannot write ${shown(String(held))} without quotes as it holds a delimiter or a line end: name another --quote or --delimiter`,
      );
    }
    return `${cells.join(delimiter)}\n`;
  }
  // A single empty field needs quotes, or its line would be blank and so no record.
  if (cells.length === 1 && cells[0] === "") return `${quote}${quote}\n`;
  const config = { newline: "\n", delimiter, quoteChar: quote, escapeChar: quote };
  return `${Papa.unparse([cells], config)}\n`;
}
