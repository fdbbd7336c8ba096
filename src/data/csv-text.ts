// CSV records as text, by Papa Parse: the general reading of quotes, for both the numbers and the echo of rows.
import Papa from "papaparse";
import { CsvError } from "./csv-error.ts";

/** Complete records of a text, and how much of the text they took. */
export interface TextRecords {
  readonly rows: string[][];
  readonly used: number;
}

/**
 * Splits text into records at LF or CRLF outside quotes.
 *
 * @param line of the text's first character, for errors
 * @param isLast false keeps an unfinished last record for later
 * @throws CsvError for text behind a closing quote, or a quote that is not closed
 */
export function parseRecords(text: string, line: number, isLast: boolean): TextRecords {
  const parser = new Papa.Parser({ delimiter: ",", newline: "\n" });
  const { data, errors, meta } = parser.parse(text, 0, !isLast) as Papa.ParseResult<string[]>;
  const error = errors[0];
  if (error?.code === "MissingQuotes") {
    const begin = line + linesOf(data.slice(0, -1));
    throw new CsvError(
      `Cannot read the table as a quote opened in the row of line ${begin} is not closed`,
    );
  }
  if (error) {
    const at = line + text.slice(0, error.index ?? 0).split("\n").length - 1;
    throw new CsvError(`Cannot read the table as text follows a closing quote at line ${at}`);
  }
  for (const row of data) {
    const last = row.length - 1;
    if (row[last]!.endsWith("\r")) row[last] = row[last]!.slice(0, -1);
  }
  return { rows: data, used: isLast ? text.length : meta.cursor };
}

/** Lines that records take up: one each, and one for every line end within quotes. */
export function linesOf(rows: readonly (readonly string[])[]): number {
  let lines = 0;
  for (const row of rows) {
    lines++;
    for (const field of row) {
      for (let at = field.indexOf("\n"); at >= 0; at = field.indexOf("\n", at + 1)) lines++;
    }
  }
  return lines;
}

/** A blank line, which is no record. */
export function isBlank(row: readonly string[]): boolean {
  return row.length === 1 && row[0] === "";
}

/** Reads a whole file's records as text. Push its bytes in order; blank lines are left out. */
export class TextReader {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  #line = 1;

  push(chunk: Uint8Array, isLast = false): string[][] {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: !isLast });
    // A final record without a line end gets one, so that every record ends alike.
    const closed = isLast && text !== "" && !text.endsWith("\n") ? `${text}\n` : text;
    const { rows, used } = parseRecords(closed, this.#line, isLast);
    this.#rest = closed.slice(used);
    this.#line += linesOf(rows);
    return rows.filter((row) => !isBlank(row));
  }
}

/** One CSV line, quoted where needed, with its line end. */
export function formatRecord(fields: readonly (string | number)[]): string {
  return `${Papa.unparse([[...fields]], { newline: "\n" })}\n`;
}
