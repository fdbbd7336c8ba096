// Where the records of a CSV file end: bytes in chunks of any size become stretches of whole records.
//
// Design:
// - Papa Parse reads quoted fields, but must only see whole records with sound quotes: in a part of a record it finds
//   faults that are none, and on a bad quote before a long run of blanks its work grows with the square.
// - Every byte is looked at once, whatever the size of the chunks; no more than one record is kept.
import { CsvError } from "./csv-error.ts";
import type { Dialect } from "./dialect.ts";

export const LF = 0x0a;
export const CR = 0x0d;

const TAB = 0x09;
const BLANK = 0x20;

/** Most bytes of a record, without its line end. */
const ROW_BYTES_MAX = 1 << 20;

/** Bytes to wait for before saying what kind of file it is. */
const MAGIC_BYTES = 10;

/** What the bytes before stand for. */
const State = {
  FieldStart: 0,
  Plain: 1,
  Quoted: 2,
  /** After a quote within quotes: the first of two, or the closing one. */
  Quote: 3,
  Closed: 4,
  ClosedCr: 5,
} as const;
type State = (typeof State)[keyof typeof State];

/**
 * Takes whole records: each ends with LF.
 *
 * @param offset of their first byte in the file
 * @param line of their first byte, from 1
 * @returns the line after them
 */
export type UseRecords = (records: Uint8Array, offset: number, line: number) => number;

/** The bytes that a dialect's marks are. */
export interface Marks {
  readonly delimiter: number;
  /** -1, which no byte is, when quotes are ordinary text. */
  readonly quote: number;
}

export function marksOf({ delimiter, quote }: Dialect): Marks {
  return { delimiter: delimiter.charCodeAt(0), quote: quote === null ? -1 : quote.charCodeAt(0) };
}

/** Cuts one file. Push its bytes in order, in chunks of any size, then call `end`. */
export class RecordCutter {
  readonly #use: UseRecords;
  readonly #delimiter: number;
  readonly #quote: number;
  #isFirst = true;
  #state: State = State.FieldStart;
  #kept: Uint8Array = new Uint8Array(0);
  #keptLength = 0;
  #quoteAt = 0; // the last opening quote, from the first byte kept
  #offset = 0; // of the first byte kept
  #line = 1; // of the first byte kept
  #firstEnd = 0; // where the first record that ends in the chunk at hand does

  constructor(use: UseRecords, { delimiter, quote }: Marks) {
    this.#use = use;
    this.#delimiter = delimiter;
    this.#quote = quote;
  }

  /** @throws CsvError for a file that is not text, text behind a closing quote, a row beyond 1 MiB */
  push(chunk: Uint8Array): void {
    // A Buffer is another class to an engine, and code that meets both is slower by a third.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let at = 0; at < bytes.length; at += ROW_BYTES_MAX) {
      this.#take(bytes.subarray(at, at + ROW_BYTES_MAX));
    }
  }

  /** @throws CsvError for a quote that is not closed */
  end(): void {
    if (this.#isFirst) this.#begin();
    if (this.#state === State.Quoted) {
      throw new CsvError(
        `Cannot read the table as a quote opened at line ${this.#lineAt(this.#quoteAt)} is not closed`,
      );
    }
    // A final record without a line end gets one, so that every record ends alike.
    if (this.#keptLength > 0) this.#cut(Uint8Array.of(LF));
  }

  #take(chunk: Uint8Array): void {
    if (this.#isFirst) {
      this.#keep(chunk);
      if (this.#keptLength >= MAGIC_BYTES) this.#begin();
    } else {
      this.#cut(chunk);
    }
  }

  /** The first bytes say what the file is; a byte order mark is left out. */
  #begin(): void {
    this.#isFirst = false;
    const bytes = this.#kept.slice(0, this.#keptLength);
    this.#keptLength = 0;
    refuseNonText(bytes);
    this.#offset = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    this.#cut(bytes.subarray(this.#offset));
  }

  #cut(chunk: Uint8Array): void {
    const end = this.#scan(chunk);
    if (end === 0) {
      this.#keep(chunk);
      if (this.#keptLength > ROW_BYTES_MAX) throw this.#rowError(this.#state === State.Quoted);
      return;
    }
    let from = 0;
    if (this.#keptLength > 0) {
      // Only the record that was begun is joined with its rest; the others stay where they are.
      from = this.#firstEnd;
      const record = new Uint8Array(this.#keptLength + from);
      record.set(this.#kept.subarray(0, this.#keptLength));
      record.set(chunk.subarray(0, from), this.#keptLength);
      this.#keptLength = 0;
      this.#give(record);
    }
    if (from < end) this.#give(chunk.subarray(from, end));
    this.#keep(chunk.subarray(end));
  }

  #give(records: Uint8Array): void {
    this.#quoteAt -= records.length;
    this.#line = this.#use(records, this.#offset, this.#line);
    this.#offset += records.length;
  }

  /** Room doubles, so that a record in many small chunks costs no more than its length. */
  #keep(chunk: Uint8Array): void {
    const length = this.#keptLength + chunk.length;
    if (length > this.#kept.length) {
      const room = new Uint8Array(Math.max(length, 2 * this.#kept.length));
      room.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = room;
    }
    this.#kept.set(chunk, this.#keptLength);
    this.#keptLength = length;
  }

  /** Where the last whole record of the chunk ends; 0 when none does. */
  #scan(chunk: Uint8Array): number {
    if (this.#state <= State.Plain && chunk.indexOf(this.#quote) < 0) return this.#scanPlain(chunk);
    let state: State = this.#state;
    const delimiter = this.#delimiter;
    const quote = this.#quote;
    let begin = -this.#keptLength;
    let end = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (state === State.Quoted) {
        if (byte === quote) state = State.Quote;
      } else if (byte === LF) {
        if (i - begin > ROW_BYTES_MAX) throw this.#rowError(false);
        state = State.FieldStart;
        if (end === 0) this.#firstEnd = i + 1;
        end = i + 1;
        begin = end;
      } else if (byte === delimiter && state !== State.ClosedCr) {
        state = State.FieldStart;
      } else if (state === State.Quote && byte === quote) {
        state = State.Quoted;
      } else if (state >= State.Quote) {
        if (byte === CR && state !== State.ClosedCr) state = State.ClosedCr;
        else if ((byte === BLANK || byte === TAB) && state !== State.ClosedCr) state = State.Closed;
        else throw this.#quoteError(chunk, i);
      } else if (state === State.FieldStart && byte === quote) {
        state = State.Quoted;
        this.#quoteAt = this.#keptLength + i;
      } else {
        state = State.Plain;
      }
    }
    this.#state = state;
    return end;
  }

  #scanPlain(chunk: Uint8Array): number {
    const last = chunk[chunk.length - 1];
    if (last !== undefined) {
      this.#state = last === LF || last === this.#delimiter ? State.FieldStart : State.Plain;
    }
    // Only the first record can be longer than a chunk.
    const first = chunk.indexOf(LF);
    if (this.#keptLength + first > ROW_BYTES_MAX) throw this.#rowError(false);
    this.#firstEnd = first + 1;
    return chunk.lastIndexOf(LF) + 1;
  }

  /** Line of a place among the kept bytes and those behind them. */
  #lineAt(place: number, chunk: Uint8Array = new Uint8Array(0)): number {
    const kept = Math.min(place, this.#keptLength);
    let line = this.#line;
    for (let i = 0; i < kept; i++) if (this.#kept[i] === LF) line++;
    for (let i = 0; i < place - this.#keptLength; i++) if (chunk[i] === LF) line++;
    return line;
  }

  #quoteError(chunk: Uint8Array, at: number): CsvError {
    const begin = this.#lineAt(this.#quoteAt, chunk);
    const line = this.#lineAt(this.#keptLength + at, chunk);
    return new CsvError(
      `Cannot read the table as text follows a closing quote at line ${line}; the quote was opened at line ${begin}`,
    );
  }

  #rowError(isQuoted: boolean): CsvError {
    const cause = isQuoted
      ? `the quote opened at line ${this.#lineAt(this.#quoteAt)} may not be closed`
      : "this one is longer, or has no line end";
    return new CsvError(
      `Cannot read the row that begins at line ${this.#line} as rows must be at most 1 MiB: ${cause}`,
    );
  }
}

function refuseNonText(bytes: Uint8Array): void {
  const starts = (...head: number[]) => head.every((byte, i) => bytes[i] === byte);
  if (starts(0xff, 0xfe) || starts(0xfe, 0xff)) {
    throw new CsvError("Cannot read the table as it is UTF-16: save the file as UTF-8");
  }
  if (starts(0x50, 0x4b, 0x03, 0x04)) {
    throw new CsvError(
      "Cannot read the table as it is not text but a zip archive or a spreadsheet: save it as CSV",
    );
  }
  const isBzip2 = starts(0x42, 0x5a, 0x68) && bytes[4] === 0x31 && bytes[5] === 0x41;
  const isXz = starts(0xfd, 0x37, 0x7a, 0x58, 0x5a);
  if (starts(0x1f, 0x8b) || starts(0x28, 0xb5, 0x2f, 0xfd) || isBzip2 || isXz) {
    throw new CsvError("Cannot read the table as it is not text but compressed: unpack it first");
  }
}
