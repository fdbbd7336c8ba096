// CSV bytes become numeric columns and labels, chunk by chunk, in any runtime.
//
// Design:
// - Papa Parse reads whatever holds a quote (RFC 4180). Without a quote a record is a line and a field is what stands
//   between commas; such stretches, nearly all of a numeric file, are read straight from bytes, and a test holds both
//   readings against each other.
// - Cell problems are collected, per column and kind; what makes reading on pointless throws at once.
// - A row of the wrong length is one problem, and its cells are none: they may stand in wrong columns.
// - Columns grow in blocks, the first ones small (a header may name 16,384 columns and have two rows), so that the peak
//   is the numbers and one column more.
import {
  CsvError,
  type CsvFix,
  type CsvProblem,
  type CsvProblemKind,
  FIELD_MAX,
  problemLines,
} from "./csv-error.ts";
import { COMMA, CR, LF, QUOTE, RecordCutter } from "./csv-records.ts";
import { countLines, decodeRecords, encodingError, parseRecords } from "./csv-text.ts";
import { isNameTooLong, NAME_MAX } from "./dataset.ts";
import { parseDecimal, parseDecimalBytes } from "./decimal.ts";
import { nearest } from "./nearest.ts";
import { cut, shown } from "./shown.ts";
import { decodeUtf8 } from "./utf8.ts";

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

const BLOCK_ROWS_MIN = 1 << 8;
const BLOCK_ROWS_MAX = 1 << 16;
const COLUMNS_MAX = 16384;
const LABELS_MAX = 255;

/** Control characters but tab and line feed, which a quoted name may hold. */
const CONTROL = /(?![\t\n])\p{Cc}/u;

const NON_FINITE = /^[ \t]*[+-]?(nan|inf|infinity)[ \t]*$/i;

const Role = {
  Skip: 0,
  Feature: 1,
  Label: 2,
} as const;

/** Reads one file. Push its bytes in order, in chunks of any size, then call `end`. */
export class CsvReader {
  readonly #selection: CsvSelection;
  readonly #cutter = new RecordCutter((records, offset, line) => this.#read(records, offset, line));
  #batch: Uint8Array = new Uint8Array(0); // the records at hand
  #offset = 0; // of their first byte in the file
  #rowAt = 0; // of the row at hand among them
  #checkedAt = -1; // of the row that was last checked for its number of fields
  #checkedWhole = false;
  #line = 1; // of the row at hand
  #header: string[] | undefined;
  #roles: Uint8Array = new Uint8Array(0);
  #places: Int32Array = new Int32Array(0); // of each column among the features
  #blocks: Float64Array[][] = [];
  #current: Float64Array[] = [];
  #labelBlocks: Uint8Array[] = [];
  #blockRows = BLOCK_ROWS_MIN; // of the current block
  #currentLabels: Uint8Array = new Uint8Array(BLOCK_ROWS_MIN);
  #used = 0; // rows in the current block
  #rowCount = 0;
  readonly #labels: string[] = [];
  readonly #labelBytes: Uint8Array[] = [];
  readonly #labelCounts: number[] = [];
  #lastLabel = 0;
  readonly #problems = new Map<string, CsvProblem>();
  /** Set when the label column is missing: what the columns hold, to guess which was meant. */
  #survey: ColumnSurvey[] | undefined;
  #isSurveySound = true; // no rows of wrong length, no cells that no choice of columns would cure

  constructor(selection: CsvSelection) {
    this.#selection = selection;
  }

  /** @throws CsvError when reading on makes no sense: not text, a bad header, text behind a closing quote */
  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  /**
   * @returns the table
   * @throws CsvError with every problem of the file
   */
  end(): Table {
    this.#cutter.end();
    if (this.#header === undefined) {
      throw new CsvError("Cannot read the table as the file is empty");
    }
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
      columns: this.#blocks.map((blocks, place) =>
        join(new Float64Array(this.#rowCount), blocks, this.#current[place]!),
      ),
      labelCodes:
        wanted.label === null
          ? new Uint8Array(0)
          : join(new Uint8Array(this.#rowCount), this.#labelBlocks, this.#currentLabels),
      labels: this.#labels,
      rowCount: this.#rowCount,
    };
  }

  /** Reads whole records; returns the line after them. */
  #read(records: Uint8Array, offset: number, line: number): number {
    this.#batch = records;
    this.#checkedAt = -1;
    this.#offset = offset;
    this.#line = line;
    if (records.indexOf(QUOTE) < 0 && !this.#survey) this.#readPlain(records);
    else this.#readQuoted(records);
    return this.#line;
  }

  /** Records without a quote: lines of fields between commas. */
  #readPlain(bytes: Uint8Array): void {
    let at = 0;
    if (this.#header === undefined) {
      for (let blank = blankBytes(bytes, at); blank > 0; blank = blankBytes(bytes, at)) {
        at += blank;
        this.#line++;
      }
      if (at === bytes.length) return;
      const end = bytes.indexOf(LF, at);
      const line = bytes.subarray(at, bytes[end - 1] === CR ? end - 1 : end);
      this.#setHeader(decodeRecords(line, this.#offset + at, this.#line).split(","));
      this.#line++;
      at = end + 1;
      if (this.#survey) {
        this.#offset += at;
        this.#readQuoted(bytes.subarray(at));
        return;
      }
    }
    const roles = this.#roles;
    const places = this.#places;
    const width = roles.length;
    const length = bytes.length;
    while (at < length) {
      const blank = blankBytes(bytes, at);
      if (blank > 0) {
        at += blank;
        this.#line++;
        continue;
      }
      let j = 0;
      let isGood = true;
      this.#rowAt = at;
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
            const value = end - at > FIELD_MAX ? Number.NaN : parseDecimalBytes(bytes, at, end);
            // Infinity - Infinity and NaN - NaN are NaN: one test for both.
            if (value - value === 0) this.#current[places[j]!]![this.#used] = value;
            else {
              isGood = false;
              const text = this.#decode(bytes, at, end, j);
              if (this.#isWhole()) this.#noteCell(j, text);
            }
          } else if (role === Role.Label) {
            isGood = this.#takeLabel(bytes, at, end, j) && isGood;
          } else if (seen >= 0x80 || end - at > FIELD_MAX || hasNul(bytes, at, end)) {
            const text = this.#decode(bytes, at, end, j);
            isGood = this.#isWhole() && this.#checkText(text, j) && isGood;
          }
        } else if (seen >= 0x80) {
          this.#decode(bytes, at, end, j);
        }
        j++;
        at = next;
        if (byte === LF) break;
      }
      this.#endRow(j, width, isGood);
      this.#line++;
    }
  }

  /** Records in which quotes occur, through Papa Parse. */
  #readQuoted(bytes: Uint8Array): void {
    const text = decodeUtf8(bytes);
    if (typeof text === "number") throw this.#encodingErrorAt(bytes, text);
    const { records, nextLine } = parseRecords(text, this.#line);
    for (const { fields, line } of records) {
      this.#line = line;
      if (this.#header === undefined) this.#setHeader(fields);
      else if (this.#survey) this.#lookAt(fields, this.#survey);
      else this.#takeFields(fields);
    }
    this.#line = nextLine;
  }

  #takeFields(fields: string[]): void {
    const width = this.#roles.length;
    let isGood = fields.length === width;
    (isGood ? fields : []).forEach((text, j) => {
      const role = this.#roles[j];
      if (role === Role.Feature) {
        const value = text.length > FIELD_MAX ? Number.NaN : parseDecimal(text);
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
    if (++this.#used < this.#blockRows) return;
    this.#used = 0;
    this.#blockRows = Math.min(2 * this.#blockRows, BLOCK_ROWS_MAX);
    this.#blocks.forEach((blocks, place) => {
      blocks.push(this.#current[place]!);
      this.#current[place] = new Float64Array(this.#blockRows);
    });
    this.#labelBlocks.push(this.#currentLabels);
    this.#currentLabels = new Uint8Array(this.#blockRows);
  }

  #takeLabel(bytes: Uint8Array, start: number, end: number, j: number): boolean {
    if (isEqual(this.#labelBytes[this.#lastLabel], bytes, start, end)) return true;
    for (let code = 0; code < this.#labelBytes.length; code++) {
      if (isEqual(this.#labelBytes[code], bytes, start, end)) {
        this.#lastLabel = code;
        return true;
      }
    }
    const text = this.#decode(bytes, start, end, j);
    return this.#isWhole() && this.#countLabel(text, j);
  }

  /** Has the row at hand as many fields as the header? Asked only where something is wrong or new. */
  #isWhole(): boolean {
    if (this.#checkedAt === this.#rowAt) return this.#checkedWhole;
    let fields = 1;
    for (let i = this.#rowAt; this.#batch[i] !== LF; i++) if (this.#batch[i] === COMMA) fields++;
    this.#checkedAt = this.#rowAt;
    this.#checkedWhole = fields === this.#roles.length;
    return this.#checkedWhole;
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
    if (isNameTooLong(text)) {
      this.#note("label_too_long", j, text);
      return false;
    }
    if (CONTROL.test(text)) {
      this.#note(text.includes("\r") ? "carriage_return" : "control", j, text);
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
      this.#problems.set(key, { kind, column, line: this.#line, value: cut(value), count: 1 });
    }
  }

  /** The records before the bad byte are read first: the header may be one of them. */
  #encodingErrorAt(bytes: Uint8Array, at: number): CsvError {
    const { begin, column } = placeOf(bytes, at);
    const offset = this.#offset + at;
    if (begin > 0) this.#readQuoted(bytes.subarray(0, begin));
    const line = this.#line + countLines(bytes.subarray(begin, at));
    return encodingError(offset, line, this.#header?.[column]);
  }

  /** Text of a cell of the row at hand. */
  #decode(bytes: Uint8Array, start: number, end: number, j: number): string {
    const text = decodeUtf8(bytes.subarray(start, end));
    if (typeof text === "string") return text;
    throw encodingError(this.#offset + start + text, this.#line, this.#header![j]);
  }

  #setHeader(header: string[]): void {
    checkHeader(header, this.#line);
    this.#header = header;
    const { label, features, drop } = this.#selection;
    const known = new Set(header);
    const unknown = [...(features ?? []), ...(drop ?? [])].filter((name) => !known.has(name));
    if (unknown.length > 0) throw this.#unknownError(unknown, header);
    if (label !== null && !known.has(label)) {
      this.#survey = header.map(() => ({ values: new Set(), isLabelLike: true, isNumeric: true }));
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
        this.#current.push(new Float64Array(BLOCK_ROWS_MIN));
      }
    });
    if (this.#blocks.length === 0) {
      const hint = header.length === 1 ? otherDelimiter(header[0]!) : "";
      throw new CsvError(
        `Cannot read the table as no feature column is left: ${this.#columnList(header)}${hint}`,
      );
    }
  }

  #lookAt(fields: string[], survey: ColumnSurvey[]): void {
    if (fields.length !== survey.length) this.#isSurveySound = false;
    fields.forEach((text, j) => {
      if (text.length > FIELD_MAX || text.includes("\0")) this.#isSurveySound = false;
      const column = survey[j];
      if (column?.isNumeric) column.isNumeric = Number.isFinite(parseDecimal(text));
      if (!column?.isLabelLike) return;
      if (isNameTooLong(text) || text.trim() === "") column.isLabelLike = false;
      else if (!column.values.has(text)) {
        column.isLabelLike = column.values.size < 2 && !CONTROL.test(text);
        // A copy: the text itself would keep the whole batch alive.
        if (column.isLabelLike) column.values.add(Array.from(text).join(""));
      }
    });
  }

  #unknownError(unknown: readonly string[], header: readonly string[]): CsvError {
    const guesses = unknown
      .slice(0, 3)
      .map((name) => nearest(name, header))
      .filter((name) => name !== undefined);
    const hint = guesses.length > 0 ? `; perhaps ${guesses.map(shown).join(", ")} is meant` : "";
    return new CsvError(
      `Cannot find column${unknown.length > 1 ? "s" : ""} ${unknown.map(shown).join(", ")}: ${this.#columnList(header)}${hint}`,
    );
  }

  #labelError(header: readonly string[], survey: readonly ColumnSurvey[]): CsvError {
    const { features, drop } = this.#selection;
    const label = this.#selection.label!;
    const taken = new Set([...(features ?? []), ...(drop ?? [])]);
    const free = header.filter((name) => header.length > 1 && !taken.has(name));
    const twoValued = header.filter(
      (_, j) => header.length > 1 && survey[j]!.isLabelLike && survey[j]!.values.size === 2,
    );
    const usable = new Set(free);
    const labels = twoValued.filter((name) => usable.has(name));
    const found = nearest(label, labels) ?? labels.at(-1);
    // Another of a like name would not do as it is, and is still worth a word.
    const guess = nearest(label, free) ?? found;
    const hint = header.length === 1 ? otherDelimiter(header[0]!) : "";
    const binary =
      twoValued.length > 0
        ? `; with exactly two values: ${twoValued.slice(0, 10).map(shown).join(", ")}${twoValued.length > 10 ? ", …" : ""}`
        : "";
    return new CsvError(
      `Cannot find the label column ${shown(label)}: ${this.#columnList(header)}${binary}${
        guess === undefined ? "" : `; perhaps ${shown(guess)} is meant`
      }${hint}`,
      [],
      guess !== undefined && guess === found ? this.#fixOfLabel(guess, header, survey) : {},
    );
  }

  /** With another label, the columns to leave out are those that hold no numbers, if some are left. */
  #fixOfLabel(label: string, header: readonly string[], survey: readonly ColumnSurvey[]): CsvFix {
    const wanted = new Set(this.#selection.features ?? header);
    for (const name of [label, ...(this.#selection.drop ?? [])]) wanted.delete(name);
    const drop = header.filter((name, j) => wanted.has(name) && !survey[j]!.isNumeric);
    if (!this.#isSurveySound || drop.length === wanted.size) return {};
    return drop.length > 0 ? { label, drop } : { label };
  }

  #problemError(header: readonly string[]): CsvError {
    const problems = [...this.#problems.values()];
    const fix = this.#fixOf(problems, header);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    return new CsvError(
      [`Cannot read the table, ${count}:`, ...problemLines(problems, header)].join("\n"),
      problems,
      fix,
    );
  }

  /** Leaving columns out helps if all that is wrong are cells that are no numbers, and enough is left. */
  #fixOf(problems: readonly CsvProblem[], header: readonly string[]): CsvFix {
    const columns = new Set<string>();
    for (const { kind, column } of problems) {
      if (column === null || !CURED_BY_DROP.includes(kind)) return {};
      columns.add(column);
    }
    const { label, classes } = this.#selection;
    const hasClasses = label === null || classes !== undefined || this.#labels.length === 2;
    const keepsSome = header.some(
      (name, j) => this.#roles[j] === Role.Feature && !columns.has(name),
    );
    return hasClasses && keepsSome ? { drop: [...columns] } : {};
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

/** What a column without the wanted label might be: its first two values, while it may be a label. */
interface ColumnSurvey {
  readonly values: Set<string>;
  isLabelLike: boolean;
  isNumeric: boolean;
}

/** Problems of cells that need not be numbers when their column is left out. */
const CURED_BY_DROP: readonly CsvProblemKind[] = ["text", "empty", "non_finite", "too_large"];

function join<T extends Float64Array | Uint8Array>(joined: T, blocks: T[], current: T): T {
  let at = 0;
  // Each block is let go once it is copied.
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    joined.set(block, at);
    at += block.length;
  }
  joined.set(current.subarray(0, joined.length - at), at);
  return joined;
}

/** @param line where the header stands, from 1 */
function checkHeader(header: readonly string[], line: number): void {
  if (header.length === 1 && header[0] === "") {
    throw new CsvError("Cannot read the table as its header is empty");
  }
  if (header.length > COLUMNS_MAX) {
    throw new CsvError(
      `Cannot read the table as there may be at most ${COLUMNS_MAX} columns: the header has ${header.length}`,
    );
  }
  const places = new Map<string, number>();
  header.forEach((name, j) => {
    checkName(name, j, line);
    const first = places.get(name);
    if (first !== undefined) {
      throw new CsvError(
        `Cannot read the table as headers must differ: columns ${first + 1} and ${j + 1} are both ${shown(name)}`,
      );
    }
    places.set(name, j);
  });
}

function checkName(name: string, j: number, line: number): void {
  if (name.trim() === "") {
    throw new CsvError(
      `Cannot read the table as column ${j + 1} has no name: give it one in line ${line}`,
    );
  }
  if (name.includes("\0")) {
    throw new CsvError(`Cannot read the table as header ${shown(name)} holds a NUL byte`);
  }
  if (name.includes("\r")) {
    throw new CsvError(
      `Cannot read the table as line ${line} holds a carriage return without a line feed: end lines with LF or CRLF`,
    );
  }
  if (CONTROL.test(name)) {
    throw new CsvError(`Cannot read the table as header ${shown(name)} holds a control character`);
  }
  if (isNameTooLong(name)) {
    throw new CsvError(
      `Cannot read the table as headers must have at most ${NAME_MAX} characters: column ${j + 1} is ${shown(name)}`,
    );
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

/** Bytes of a blank line, which is no record; 0 when another line stands there. */
function blankBytes(bytes: Uint8Array, at: number): number {
  if (bytes[at] === LF) return 1;
  return bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0;
}

/** In which record, from its first byte, and in which column a byte stands. */
function placeOf(bytes: Uint8Array, at: number): { begin: number; column: number } {
  let begin = 0;
  let column = 0;
  let isQuoted = false;
  let canOpen = true; // at a field's first byte, and after a closing quote, which a second one makes part of the text
  for (let i = 0; i < at; i++) {
    const byte = bytes[i];
    if (byte === QUOTE && (isQuoted || canOpen)) {
      isQuoted = !isQuoted;
      canOpen = true;
    } else if (!isQuoted) {
      canOpen = byte === COMMA || byte === LF;
      if (byte === COMMA) column++;
      if (byte === LF) {
        column = 0;
        begin = i + 1;
      }
    }
  }
  return { begin, column };
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
