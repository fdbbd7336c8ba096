// CSV bytes become numeric columns and labels, chunk by chunk, in any runtime.
//
// Design:
// - Papa Parse reads whatever holds a quote (RFC 4180). Without a quote a record is a line and a field is what stands
//   between commas; such stretches, nearly all of a numeric file, are read straight from bytes, and a test holds both
//   readings against each other.
// - Cell problems are collected, per column and kind; what makes reading on pointless throws at once.
// - Columns grow in blocks, so that the peak is the numbers and one column more.
import {
  CsvError,
  type CsvFix,
  type CsvProblem,
  type CsvProblemKind,
  problemLines,
  shown,
} from "./csv-error.ts";
import { isBlank, linesOf, parseRecords } from "./csv-text.ts";
import { parseDecimal, parseDecimalBytes } from "./decimal.ts";
import { nearest } from "./nearest.ts";

/** What of a table is wanted. */
export interface CsvSelection {
  /** Name of the label column; null when no labels are wanted. */
  readonly label: string | null;
  /** Feature columns; all but the label and `drop` when absent. Their order does not matter. */
  readonly features?: readonly string[];
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** The only labels allowed; any two when absent. */
  readonly classes?: readonly [string, string];
}

/** Numeric columns and labels of a table, in file order. */
export interface Table {
  readonly header: readonly string[];
  readonly features: readonly string[];
  /** [d] columns of n finite numbers. */
  readonly columns: readonly Float64Array[];
  /** [n] places in `labels`; empty when no labels were wanted. */
  readonly labelCodes: Uint8Array;
  /** Distinct labels, in order of first appearance. */
  readonly labels: readonly string[];
  readonly rowCount: number;
}

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;

const BLOCK_ROWS = 1 << 16;
const ROW_BYTES_MAX = 1 << 20;
const FIELD_MAX = 1 << 16;
const COLUMNS_MAX = 16384;
const LABELS_MAX = 255;

const NON_FINITE = /^[ \t]*[+-]?(nan|inf|infinity)[ \t]*$/i;

const Role = {
  Skip: 0,
  Feature: 1,
  Label: 2,
} as const;

/** Reads one file. Push its bytes in order, in chunks of any size, then call `end`. */
export class CsvReader {
  readonly #selection: CsvSelection;
  #carry: Uint8Array = new Uint8Array(0);
  #isFirst = true;
  #offset = 0; // byte of the file at which the current batch begins
  #line = 1;
  #header: string[] | undefined;
  #roles: Uint8Array = new Uint8Array(0);
  #places: Int32Array = new Int32Array(0); // of each column among the features
  #blocks: Float64Array[][] = [];
  #current: Float64Array[] = [];
  #labelBlocks: Uint8Array[] = [];
  #currentLabels: Uint8Array = new Uint8Array(BLOCK_ROWS);
  #used = 0; // rows in the current block
  #rowCount = 0;
  readonly #labels: string[] = [];
  readonly #labelBytes: Uint8Array[] = [];
  readonly #labelCounts: number[] = [];
  #lastLabel = 0;
  readonly #problems = new Map<string, CsvProblem>();
  /** Set when the label column is missing: what the columns hold, to guess which was meant. */
  #survey: Set<string>[] | undefined;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(selection: CsvSelection) {
    this.#selection = selection;
  }

  /** @throws CsvError when reading on makes no sense: not text, a bad header, a quote that is not closed */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#take(chunk, false);
  }

  /**
   * @returns the table
   * @throws CsvError with every problem of the file
   */
  end(): Table {
    this.#take(new Uint8Array(0), true);
    if (this.#header === undefined)
      throw new CsvError("Cannot read the table as the file is empty");
    if (this.#survey) throw this.#labelError(this.#header, this.#survey);
    if (this.#problems.size > 0) throw this.#problemError(this.#header);
    if (this.#rowCount === 0) {
      throw new CsvError("Cannot read the table as there is a header and no row under it");
    }
    const wanted = this.#selection;
    if (wanted.label !== null && !wanted.classes && this.#labels.length !== 2) {
      throw this.#classError(wanted.label);
    }
    return {
      header: this.#header,
      features: this.#header.filter((_, j) => this.#roles[j] === Role.Feature),
      columns: this.#blocks.map((blocks, place) => this.#column(blocks, this.#current[place]!)),
      labelCodes:
        wanted.label === null
          ? new Uint8Array(0)
          : this.#join(this.#labelBlocks, this.#currentLabels),
      labels: this.#labels,
      rowCount: this.#rowCount,
    };
  }

  #column(blocks: Float64Array[], current: Float64Array): Float64Array {
    const column = new Float64Array(this.#rowCount);
    let at = 0;
    for (let block = blocks.shift(); block; block = blocks.shift()) {
      column.set(block, at);
      at += block.length;
    }
    column.set(current.subarray(0, this.#used), at);
    return column;
  }

  #join(blocks: Uint8Array[], current: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#rowCount);
    blocks.forEach((block, k) => {
      joined.set(block, k * BLOCK_ROWS);
    });
    joined.set(current.subarray(0, this.#used), blocks.length * BLOCK_ROWS);
    return joined;
  }

  /** Reads all complete records of the bytes at hand and carries the rest over. */
  #take(chunk: Uint8Array, isLast: boolean): void {
    let bytes = chunk;
    if (this.#carry.length > 0) {
      bytes = new Uint8Array(this.#carry.length + chunk.length);
      bytes.set(this.#carry);
      bytes.set(chunk, this.#carry.length);
    }
    if (this.#isFirst) {
      // A byte order mark needs three bytes; wait for them.
      if (bytes.length < 4 && !isLast) {
        this.#carry = bytes.slice();
        return;
      }
      this.#isFirst = false;
      refuseNonText(bytes);
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
        bytes = bytes.subarray(3);
        this.#offset = 3;
      }
    }
    if (isLast && bytes.length > 0 && bytes[bytes.length - 1] !== LF) {
      const closed = new Uint8Array(bytes.length + 1);
      closed.set(bytes);
      closed[bytes.length] = LF;
      bytes = closed;
    }
    const end = bytes.lastIndexOf(LF) + 1;
    let used = end;
    if (end > 0) {
      const records = bytes.subarray(0, end);
      if (records.indexOf(QUOTE) < 0 && !this.#survey) this.#readPlain(records);
      else used = this.#readQuoted(records, isLast);
    }
    this.#offset += used;
    this.#carry = bytes.slice(used);
    if (this.#carry.length > ROW_BYTES_MAX) {
      const cause =
        this.#carry.indexOf(QUOTE) < 0 ? "it has no line end" : "a quote may not be closed";
      throw new CsvError(
        `Cannot read the row that begins at line ${this.#line} as rows must be at most 1 MiB: ${cause}`,
      );
    }
  }

  /** Records without a quote: lines of fields between commas. */
  #readPlain(bytes: Uint8Array): void {
    let at = 0;
    if (this.#header === undefined) {
      const end = bytes.indexOf(LF);
      const text = this.#decode(bytes, 0, end > 0 && bytes[end - 1] === CR ? end - 1 : end, 0);
      this.#setHeader(text.split(","));
      this.#line++;
      at = end + 1;
      if (this.#survey) {
        this.#offset += at;
        this.#readQuoted(bytes.subarray(at), true);
        this.#offset -= at;
        return;
      }
    }
    const roles = this.#roles;
    const places = this.#places;
    const width = roles.length;
    const length = bytes.length;
    while (at < length) {
      if (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) {
        at += bytes[at] === LF ? 1 : 2; // a blank line is no record
        this.#line++;
        continue;
      }
      let j = 0;
      let isGood = true;
      for (;;) {
        let end = at;
        let byte = bytes[end]!;
        let seen = 0;
        while (byte !== COMMA && byte !== LF) {
          seen |= byte;
          byte = bytes[++end]!;
        }
        const next = end + 1;
        if (byte === LF && end > at && bytes[end - 1] === CR) end--;
        if (j < width) {
          const role = roles[j]!;
          if (role === Role.Feature) {
            const value = parseDecimalBytes(bytes, at, end);
            // Infinity - Infinity and NaN - NaN are NaN: one test for both.
            if (value - value === 0) this.#current[places[j]!]![this.#used] = value;
            else {
              isGood = false;
              this.#noteCell(j, this.#decode(bytes, at, end, j));
            }
          } else if (role === Role.Label) {
            isGood = this.#takeLabel(bytes, at, end, j) && isGood;
          } else if (seen >= 0x80 || end - at > FIELD_MAX || hasNul(bytes, at, end)) {
            isGood = this.#checkText(this.#decode(bytes, at, end, j), j) && isGood;
          }
        }
        j++;
        at = next;
        if (byte === LF) break;
      }
      this.#endRow(j, width, isGood);
      this.#line++;
    }
  }

  /** Records in which quotes occur, through Papa Parse. Returns how many bytes were read. */
  #readQuoted(bytes: Uint8Array, isLast: boolean): number {
    const text = this.#decode(bytes, 0, bytes.length, 0);
    const { rows, used } = parseRecords(text, this.#line, isLast);
    for (const row of rows) this.#takeTextRow(row);
    return used === text.length
      ? bytes.length
      : new TextEncoder().encode(text.slice(0, used)).length;
  }

  #takeTextRow(fields: string[]): void {
    if (this.#header === undefined) {
      this.#setHeader(fields);
    } else if (!isBlank(fields)) {
      if (this.#survey) this.#lookAt(fields);
      else this.#takeFields(fields);
    }
    this.#line += linesOf([fields]);
  }

  #takeFields(fields: string[]): void {
    const width = this.#roles.length;
    let isGood = true;
    fields.forEach((text, j) => {
      const role = this.#roles[j];
      if (role === Role.Feature) {
        const value = parseDecimal(text);
        if (Number.isFinite(value)) this.#current[this.#places[j]!]![this.#used] = value;
        else {
          isGood = false;
          this.#noteCell(j, text);
        }
      } else if (role === Role.Label) {
        isGood = this.#countLabel(text, j) && isGood;
      } else if (role === Role.Skip) {
        isGood = this.#checkText(text, j) && isGood;
      }
    });
    this.#endRow(fields.length, width, isGood);
  }

  #endRow(found: number, width: number, isGood: boolean): void {
    if (found !== width) this.#note("ragged", null, String(found));
    if (found !== width || !isGood) return;
    if (this.#selection.label !== null) {
      this.#labelCounts[this.#lastLabel]!++;
      this.#currentLabels[this.#used] = this.#lastLabel;
    }
    this.#rowCount++;
    if (++this.#used < BLOCK_ROWS) return;
    this.#used = 0;
    this.#blocks.forEach((blocks, place) => {
      blocks.push(this.#current[place]!);
      this.#current[place] = new Float64Array(BLOCK_ROWS);
    });
    this.#labelBlocks.push(this.#currentLabels);
    this.#currentLabels = new Uint8Array(BLOCK_ROWS);
  }

  #takeLabel(bytes: Uint8Array, start: number, end: number, j: number): boolean {
    if (isEqual(this.#labelBytes[this.#lastLabel], bytes, start, end)) return true;
    for (let code = 0; code < this.#labelBytes.length; code++) {
      if (isEqual(this.#labelBytes[code], bytes, start, end)) {
        this.#lastLabel = code;
        return true;
      }
    }
    return this.#countLabel(this.#decode(bytes, start, end, j), j);
  }

  /** Finds or adds a label; false, and a problem, when it is none. */
  #countLabel(text: string, j: number): boolean {
    const known = this.#labels.indexOf(text);
    if (known >= 0) {
      this.#lastLabel = known;
      return true;
    }
    if (!this.#checkText(text, j)) return false;
    if (text.trim() === "") {
      this.#note("label_empty", j, text);
      return false;
    }
    const classes = this.#selection.classes;
    if (classes && !classes.includes(text)) {
      this.#note("label_unknown", j, text);
      return false;
    }
    if (this.#labels.length < LABELS_MAX) {
      this.#labels.push(text);
      this.#labelBytes.push(new TextEncoder().encode(text));
      this.#labelCounts.push(0);
    }
    this.#lastLabel = this.#labels.length - 1;
    return true;
  }

  #checkText(text: string, j: number): boolean {
    if (text.length > FIELD_MAX) this.#note("field_too_long", j, text);
    else if (text.includes("\0")) this.#note("nul", j, text);
    else if (text.includes("\r") && this.#roles[j] === Role.Label)
      this.#note("carriage_return", j, text);
    else return true;
    return false;
  }

  #noteCell(j: number, text: string): void {
    if (text.length > FIELD_MAX) this.#note("field_too_long", j, text);
    else if (text.trim() === "") this.#note("empty", j, text);
    else if (text.includes("\0")) this.#note("nul", j, text);
    else if (NON_FINITE.test(text)) this.#note("non_finite", j, text);
    else if (!Number.isNaN(parseDecimal(text))) this.#note("too_large", j, text);
    else this.#note("text", j, text);
  }

  #note(kind: CsvProblemKind, j: number | null, value: string): void {
    const key = `${kind} ${j}`;
    const known = this.#problems.get(key);
    if (known) known.count++;
    else {
      const column = j === null ? null : this.#header![j]!;
      this.#problems.set(key, { kind, column, line: this.#line, value, count: 1 });
    }
  }

  #decode(bytes: Uint8Array, start: number, end: number, j: number): string {
    const cell = bytes.subarray(start, end);
    try {
      return this.#decoder.decode(cell);
    } catch {
      const at = start + firstInvalid(cell);
      let line = this.#line;
      // Within #readPlain the line is known; a whole stretch has its own line ends before the bad byte.
      if (start === 0) for (let i = 0; i < at; i++) if (bytes[i] === LF) line++;
      const column = this.#header?.[j];
      const where = column !== undefined && start > 0 ? `, column ${shown(column)}` : "";
      throw new CsvError(
        `Cannot read the table as text must be UTF-8: byte ${this.#offset + at} (line ${line}${where}) is not; save the file as UTF-8`,
      );
    }
  }

  #setHeader(fields: string[]): void {
    const header = fields.length === 1 && fields[0] === "" ? [] : fields;
    if (header.length === 0) {
      throw new CsvError("Cannot read the table as its first line, the header, is empty");
    }
    if (header.length > COLUMNS_MAX) {
      throw new CsvError(
        `Cannot read the table as there may be at most ${COLUMNS_MAX} columns: the header has ${header.length}`,
      );
    }
    header.forEach((name, j) => {
      if (name.trim() === "") {
        throw new CsvError(
          `Cannot read the table as column ${j + 1} has no name: give it one in line 1`,
        );
      }
      if (name.includes("\0"))
        throw new CsvError(`Cannot read the table as header ${shown(name)} holds a NUL byte`);
      if (name.includes("\r")) {
        throw new CsvError(
          "Cannot read the table as line 1 holds a carriage return without a line feed: end lines with LF or CRLF",
        );
      }
      const first = header.indexOf(name);
      if (first !== j) {
        throw new CsvError(
          `Cannot read the table as headers must differ: columns ${first + 1} and ${j + 1} are both ${shown(name)}`,
        );
      }
    });
    this.#header = header;
    const { label, features, drop } = this.#selection;
    const known = new Set(header);
    const unknown = [...(features ?? []), ...(drop ?? [])].filter((name) => !known.has(name));
    if (unknown.length > 0) {
      throw new CsvError(
        `Cannot find column${unknown.length > 1 ? "s" : ""} ${unknown.map(shown).join(", ")}: ${this.#columnList(header)}`,
      );
    }
    if (label !== null && !known.has(label)) {
      this.#survey = header.map(() => new Set());
      return;
    }
    const wanted = new Set(features ?? header);
    for (const name of drop ?? []) wanted.delete(name);
    if (label !== null && (features?.includes(label) || drop?.includes(label))) {
      throw new CsvError(
        `Cannot use column ${shown(label)} as a feature or leave it out as it is the label`,
      );
    }
    this.#roles = new Uint8Array(header.length);
    this.#places = new Int32Array(header.length).fill(-1);
    header.forEach((name, j) => {
      if (name === label) this.#roles[j] = Role.Label;
      else if (wanted.has(name)) {
        this.#roles[j] = Role.Feature;
        this.#places[j] = this.#blocks.length;
        this.#blocks.push([]);
        this.#current.push(new Float64Array(BLOCK_ROWS));
      }
    });
    if (this.#blocks.length === 0) {
      const hint = header.length === 1 ? otherDelimiter(header[0]!) : "";
      throw new CsvError(
        `Cannot read the table as no feature column is left: ${this.#columnList(header)}${hint}`,
      );
    }
  }

  #lookAt(fields: string[]): void {
    fields.forEach((text, j) => {
      const values = this.#survey![j];
      if (values && values.size < 3) values.add(text);
    });
  }

  #labelError(header: readonly string[], survey: Set<string>[]): CsvError {
    const label = this.#selection.label!;
    const twoValued = header.filter((_, j) => survey[j]!.size === 2);
    const guess = nearest(label, header) ?? twoValued.at(-1);
    const hint = header.length === 1 ? otherDelimiter(header[0]!) : "";
    const binary =
      twoValued.length > 0 ? `; with exactly two values: ${twoValued.map(shown).join(", ")}` : "";
    return new CsvError(
      `Cannot find the label column ${shown(label)}: ${this.#columnList(header)}${binary}${
        guess === undefined ? "" : `; perhaps ${shown(guess)} is meant`
      }${hint}`,
      [],
      guess === undefined ? {} : { label: guess },
    );
  }

  #problemError(header: readonly string[]): CsvError {
    const problems = [...this.#problems.values()];
    const drop = problems.map((problem) => problem.column).filter((name) => name !== null);
    const columns = [...new Set(drop)].filter((name) => name !== this.#selection.label);
    const keepsSome = header.some(
      (name, j) => this.#roles[j] === Role.Feature && !columns.includes(name),
    );
    const canDrop =
      keepsSome && problems.every(({ column }) => column !== null && columns.includes(column));
    const fix: CsvFix = canDrop ? { drop: columns } : {};
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    return new CsvError(
      [`Cannot read the table, ${count}:`, ...problemLines(problems, header)].join("\n"),
      problems,
      fix,
    );
  }

  #classError(label: string): CsvError {
    const found = this.#labels
      .slice(0, 8)
      .map((name, code) => `${shown(name)} (${this.#labelCounts[code]} rows)`)
      .join(", ");
    const more = this.#labels.length > 8 ? ", …" : "";
    const count =
      this.#labels.length >= LABELS_MAX ? `at least ${LABELS_MAX}` : this.#labels.length;
    return new CsvError(
      `Cannot train as label column ${shown(label)} must hold exactly two classes: it holds ${count}: ${found}${more}`,
    );
  }

  #columnList(header: readonly string[]): string {
    const names = header.slice(0, 50).map(shown).join(", ");
    return `the columns are ${names}${header.length > 50 ? `, … (${header.length})` : ""}`;
  }
}

function isEqual(
  label: Uint8Array | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (label === undefined || label.length !== end - start) return false;
  for (let i = 0; i < label.length; i++) if (label[i] !== bytes[start + i]) return false;
  return true;
}

function hasNul(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === 0) return true;
  return false;
}

function otherDelimiter(header: string): string {
  const found = [";", "\t", "|"].find((mark) => header.includes(mark));
  return found === undefined
    ? ""
    : `; fields must be separated by commas, and this file seems to use ${shown(found)}`;
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
  if (starts(0x1f, 0x8b) || starts(0x28, 0xb5, 0x2f, 0xfd) || starts(0x42, 0x5a, 0x68)) {
    throw new CsvError("Cannot read the table as it is not text but compressed: unpack it first");
  }
}

/** Place of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7). */
function firstInvalid(bytes: Uint8Array): number {
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      i++;
      continue;
    }
    const count =
      lead >= 0xc2 && lead < 0xe0
        ? 1
        : (lead & 0xf0) === 0xe0
          ? 2
          : lead >= 0xf0 && lead < 0xf5
            ? 3
            : 0;
    if (count === 0) return i;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let k = 1; k <= count; k++) {
      const byte = bytes[i + k];
      const from = k === 1 ? low : 0x80;
      const to = k === 1 ? high : 0xbf;
      if (byte === undefined || byte < from || byte > to) return i;
    }
    i += count + 1;
  }
  return 0;
}
