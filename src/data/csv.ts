// CSV bytes become columns of cells and labels, chunk by chunk, in any runtime.
//
// Design:
// - Papa Parse reads whatever holds a quote (RFC 4180). Without a quote a record is a line and a field is what stands
//   between delimiters; such stretches, nearly all of most files, are read straight from bytes, and a test holds both
//   readings against each other.
// - Cell problems are collected, per column and kind; what makes reading on pointless throws at once.
// - A row of the wrong length is one problem, and its cells are none: they may stand in wrong columns.
// - Columns grow in blocks, the first ones small, so that the peak is the cells and one column more.
import { checkRoles, classError, LabelSurvey, otherDelimiter, unknownError } from "./csv-advice.ts";
import {
  type CellKind,
  type Cells,
  ColumnReader,
  MissingTokens,
  Took,
  withoutBlanks,
} from "./csv-column.ts";
import {
  CsvError,
  type CsvFix,
  type CsvProblem,
  type CsvProblemKind,
  CURED_BY_DROP,
  columnList,
  FIELD_MAX,
  problemError,
} from "./csv-error.ts";
import { CR, LF, marksOf, RecordCutter } from "./csv-records.ts";
import { countLines, decodeRecords, encodingError, parseRecords } from "./csv-text.ts";
import { type Dialect, type NumberReader, numberReader, PLAIN_DIALECT } from "./dialect.ts";
import { CONTROL, isNameTooLong, NAME_MAX } from "./names.ts";
import { cut, shown } from "./shown.ts";
import { decodeUtf8 } from "./utf8.ts";

/** What of a table is wanted. */
export interface CsvSelection {
  /** Name of the label column; null when no labels are wanted. */
  readonly label: string | null;
  /** Input columns; all but the label, the weight and `drop` when absent. Their order does not matter. */
  readonly features?: readonly string[];
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** The only labels allowed; any two when absent. */
  readonly classes?: readonly [string, string];
  /** One label against all others, which become one class (`restClass`). */
  readonly rest?: string;
  /** Column of row weights, numbers from 0. */
  readonly weight?: string;
  /** Columns to read as text. */
  readonly categorical?: readonly string[];
  /** Columns to read as numbers; with `infer`, the others may be either. */
  readonly numeric?: readonly string[];
  /** Whether columns that neither list names may hold numbers or text; else they hold numbers. */
  readonly infer?: boolean;
  /** Texts that stand for a missing value, besides blank cells; when absent no cell may be missing. */
  readonly missingTokens?: readonly string[];
  /** Columns whose cells may be missing; all when absent. */
  readonly optional?: ReadonlySet<string>;
  /** Whether rows with a missing label may stay, with code NO_LABEL, for the caller to leave out. */
  readonly allowsMissingLabels?: boolean;
  /** How the table is written; commas, double quotes and a decimal point when absent. */
  readonly dialect?: Dialect;
}

/** What was met in a column. */
export interface ColumnFacts {
  readonly numberCount: number;
  readonly textCount: number;
  readonly missingCount: number;
  readonly firstMissing: { readonly place: number; readonly text: string } | null;
  /** The missing tokens that were met. */
  readonly missingTexts: readonly string[];
  /** The first number that came after a text. */
  readonly firstNumber: { readonly place: number; readonly text: string } | null;
}

/** Cells and labels of a table, in file order. */
export interface Table {
  readonly header: readonly string[];
  /** Names of the input columns. */
  readonly features: readonly string[];
  /** [d] columns of n cells. One that holds both numbers and texts has the texts only; its facts tell. */
  readonly columns: readonly Cells[];
  readonly facts: readonly ColumnFacts[];
  /** [n] places in `labels`, or NO_LABEL; empty when no labels were wanted. */
  readonly labelCodes: Uint8Array;
  /** Distinct labels, in order of first appearance; with `rest`, the rest and the one. */
  readonly labels: readonly string[];
  /** [n] row weights, where they were wanted. */
  readonly weights: Float64Array | null;
  readonly rowCount: number;
  /** What places in the table are. */
  readonly unit: "line" | "row";
}

const BLOCK_ROWS_MIN = 1 << 8;
const BLOCK_ROWS_MAX = 1 << 16;
const COLUMNS_MAX = 16384;
const LABELS_MAX = 255;

/** Label code of a row whose label is missing. */
export const NO_LABEL = 255;

/** The class of all labels but one. */
export function restClass(positive: string): string {
  return `not ${positive}`;
}

const NON_FINITE = /^[ \t]*[+-]?(nan|inf|infinity)[ \t]*$/i;

const Role = {
  Skip: 0,
  Feature: 1,
  Label: 2,
  Weight: 3,
} as const;

/** Reads one file. Push its bytes in order, in chunks of any size, then call `end`. */
export class CsvReader {
  readonly #selection: CsvSelection;
  readonly #dialect: Dialect;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #numbers: NumberReader;
  readonly #missing: MissingTokens | undefined;
  readonly #cutter: RecordCutter;
  #batch: Uint8Array = new Uint8Array(0); // the records at hand
  #offset = 0; // of their first byte in the file
  #rowAt = 0; // of the row at hand among them
  #checkedAt = -1; // of the row that was last checked for its number of fields
  #checkedWhole = false;
  #line = 1; // of the row at hand
  #header: string[] | undefined;
  #roles: Uint8Array = new Uint8Array(0);
  #readers: (ColumnReader | undefined)[] = []; // by place in the header
  #labelBlocks: Uint8Array[] = [];
  #blockRows = BLOCK_ROWS_MIN; // of the current block
  readonly #starts: number[] = [0]; // first row of each block
  #currentLabels: Uint8Array = new Uint8Array(BLOCK_ROWS_MIN);
  #used = 0; // rows in the current block
  #rowCount = 0;
  readonly #labels: string[] = [];
  readonly #labelBytes: Uint8Array[] = [];
  readonly #labelCounts: number[] = [];
  #lastLabel = 0;
  readonly #problems = new Map<string, CsvProblem>();
  /** Set when the label column is missing: what the columns hold, to guess which was meant. */
  #survey: LabelSurvey | undefined;

  constructor(selection: CsvSelection) {
    this.#selection = selection;
    this.#dialect = selection.dialect ?? PLAIN_DIALECT;
    const marks = marksOf(this.#dialect);
    this.#delimiter = marks.delimiter;
    this.#quote = marks.quote;
    this.#numbers = numberReader(this.#dialect);
    const { missingTokens, rest } = selection;
    this.#missing = missingTokens && new MissingTokens(missingTokens, this.#numbers);
    this.#cutter = new RecordCutter(
      (records, offset, line) => this.#read(records, offset, line),
      marks,
    );
    if (rest !== undefined) this.#addLabel(rest);
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
    const header = this.#header;
    if (header === undefined) {
      throw new CsvError("Cannot read the table as the file is empty");
    }
    if (this.#survey) throw this.#survey.error();
    this.#noteMissing(header);
    if (this.#problems.size > 0) {
      const problems = [...this.#problems.values()];
      throw problemError(problems, { width: header.length }, this.#fixOf(problems, header));
    }
    if (this.#rowCount === 0) {
      throw new CsvError("Cannot read the table as there is a header and no row under it");
    }
    this.#checkClasses();
    const starts = [...this.#starts, this.#rowCount];
    const inputs = this.#readers.flatMap((reader, j) =>
      reader && this.#roles[j] === Role.Feature ? [{ name: header[j]!, reader }] : [],
    );
    const weight = this.#readers.find((_, j) => this.#roles[j] === Role.Weight);
    return {
      header,
      features: inputs.map(({ name }) => name),
      columns: inputs.map(({ reader }) => cellsOf(reader, starts)),
      facts: inputs.map(({ reader }) => factsOf(reader)),
      ...this.#labelsOf(),
      weights: weight ? weight.takeNumbers(starts) : null,
      rowCount: this.#rowCount,
      unit: "line",
    };
  }

  /** Missing cells, tokens among them, where the selection says that none may be. */
  #noteMissing(header: readonly string[]): void {
    const { optional } = this.#selection;
    if (optional === undefined) return;
    this.#readers.forEach((reader, j) => {
      const column = header[j]!;
      if (!reader?.firstMissing || this.#roles[j] !== Role.Feature || optional.has(column)) return;
      const { place, text } = reader.firstMissing;
      const kind = text === "" ? "empty" : "missing";
      const value = cut(text);
      this.#problems.set(`${kind} ${j}`, {
        kind,
        column,
        line: place,
        value,
        count: reader.missingCount,
      });
    });
  }

  #labelsOf(): { labelCodes: Uint8Array; labels: string[] } {
    const { label, rest } = this.#selection;
    if (label === null) return { labelCodes: new Uint8Array(0), labels: [] };
    const labelCodes = new Uint8Array(this.#rowCount);
    let at = 0;
    for (const block of [...this.#labelBlocks, this.#currentLabels]) {
      labelCodes.set(block.subarray(0, this.#rowCount - at), at);
      at += block.length;
    }
    if (rest === undefined) return { labelCodes, labels: this.#labels };
    for (let i = 0; i < labelCodes.length; i++) {
      if (labelCodes[i] !== NO_LABEL) labelCodes[i] = Number(labelCodes[i] === 0);
    }
    return { labelCodes, labels: [restClass(rest), rest] };
  }

  #checkClasses(): void {
    const { label, classes, rest } = this.#selection;
    if (label === null || classes) return;
    if (rest !== undefined) {
      const found = this.#labels.slice(1);
      if (this.#labelCounts[0]! === 0 || found.length === 0) {
        const problem =
          found.length === 0
            ? "every row has it"
            : `no row has it; the labels are ${found.slice(0, 8).map(shown).join(", ")}${found.length > 8 ? ", …" : ""}`;
        throw new CsvError(
          `Cannot train ${shown(rest)} against the rest in label column ${shown(label)} as ${problem}`,
        );
      }
    } else if (this.#labels.length !== 2) {
      throw classError(label, this.#labels, this.#labelCounts, LABELS_MAX);
    }
  }

  /** Reads whole records; returns the line after them. */
  #read(records: Uint8Array, offset: number, line: number): number {
    this.#batch = records;
    this.#checkedAt = -1;
    this.#offset = offset;
    this.#line = line;
    if (records.indexOf(this.#quote) < 0 && !this.#survey) this.#readPlain(records);
    else this.#readQuoted(records);
    return this.#line;
  }

  /** Records without a quote: lines of fields between delimiters. */
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
      const text = decodeRecords(line, this.#offset + at, this.#line);
      this.#setHeader(text.split(this.#dialect.delimiter));
      this.#line++;
      at = end + 1;
      if (this.#survey) {
        this.#offset += at;
        this.#readQuoted(bytes.subarray(at));
        return;
      }
    }
    const delimiter = this.#delimiter;
    const roles = this.#roles;
    const readers = this.#readers;
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
        const reader = readers[j];
        let end = reader === undefined ? -1 : reader.scan(bytes, at, delimiter, this.#used);
        if (end >= 0) {
          j++;
          at = end + 1;
          if (bytes[end] === LF) break;
          continue;
        }
        end = at;
        let byte = bytes[end]!;
        let seen = 0;
        while (byte !== delimiter && byte !== LF) {
          seen |= byte;
          byte = bytes[++end]!;
        }
        const next = end + 1;
        if (byte === LF && end > at && bytes[end - 1] === CR) end--;
        if (j < width) {
          const role = roles[j]!;
          if (role === Role.Feature || role === Role.Weight) {
            const took =
              end - at > FIELD_MAX
                ? Took.Unknown
                : reader!.takeBytes(bytes, at, end, this.#used, this.#line);
            if (took !== Took.Yes) isGood = this.#takeNew(bytes, at, end, j) && isGood;
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

  /** A cell whose bytes have not come before. */
  #takeNew(bytes: Uint8Array, start: number, end: number, j: number): boolean {
    const text = this.#decode(bytes, start, end, j);
    if (!this.#isWhole() || !this.#takeCell(text, j)) return false;
    this.#readers[j]!.rememberBytes(bytes, start, end, text);
    return true;
  }

  #takeCell(text: string, j: number): boolean {
    const reader = this.#readers[j]!;
    const took =
      text.length > FIELD_MAX ? Took.Refused : reader.takeText(text, this.#used, this.#line);
    if (took === Took.Refused) this.#noteCell(j, text);
    if (took === Took.NewText && this.#checkText(text, j)) {
      reader.addText(text, this.#used, this.#line);
      return true;
    }
    return took === Took.Yes;
  }

  /** Records in which quotes occur, through Papa Parse. */
  #readQuoted(bytes: Uint8Array): void {
    const text = decodeUtf8(bytes);
    if (typeof text === "number") throw this.#encodingErrorAt(bytes, text);
    const { records, nextLine } = parseRecords(text, this.#line, this.#dialect);
    for (const { fields, line } of records) {
      this.#line = line;
      if (this.#header === undefined) this.#setHeader(fields);
      else if (this.#survey) this.#survey.lookAt(fields);
      else this.#takeFields(fields);
    }
    this.#line = nextLine;
  }

  #takeFields(fields: string[]): void {
    const width = this.#roles.length;
    let isGood = fields.length === width;
    (isGood ? fields : []).forEach((text, j) => {
      const role = this.#roles[j];
      if (role === Role.Feature || role === Role.Weight) {
        isGood = this.#takeCell(text, j) && isGood;
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
      if (this.#lastLabel !== NO_LABEL) this.#labelCounts[this.#lastLabel]!++;
      this.#currentLabels[this.#used] = this.#lastLabel;
    }
    this.#rowCount++;
    if (++this.#used < this.#blockRows) return;
    this.#used = 0;
    this.#blockRows = Math.min(2 * this.#blockRows, BLOCK_ROWS_MAX);
    this.#starts.push(this.#rowCount);
    for (const reader of this.#readers) reader?.nextBlock(this.#blockRows);
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
    for (let i = this.#rowAt; this.#batch[i] !== LF; i++) {
      if (this.#batch[i] === this.#delimiter) fields++;
    }
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
    const { classes, rest, allowsMissingLabels } = this.#selection;
    const trimmed = withoutBlanks(text);
    const isToken = !classes?.includes(text) && this.#missing?.texts.has(trimmed) === true;
    if (text.trim() === "" || isToken) {
      this.#lastLabel = NO_LABEL;
      if (allowsMissingLabels === true) return true;
      this.#note(isToken ? "label_missing" : "label_empty", j, text);
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
    if (classes && rest === undefined && !classes.includes(text)) {
      this.#note("label_unknown", j, text);
      return false;
    }
    if (this.#labels.length < LABELS_MAX) this.#addLabel(text);
    this.#lastLabel = this.#labels.length - 1;
    return true;
  }

  #addLabel(text: string): void {
    this.#labels.push(text);
    this.#labelBytes.push(new TextEncoder().encode(text));
    this.#labelCounts.push(0);
  }

  #checkText(text: string, j: number): boolean {
    if (text.length > FIELD_MAX) this.#note("field_too_long", j, text);
    else if (text.includes("\0")) this.#note("nul", j, text);
    else return true;
    return false;
  }

  #noteCell(j: number, text: string): void {
    const value = this.#numbers.ofText(text);
    if (text.length > FIELD_MAX) this.#note("field_too_long", j, text);
    else if (text.trim() === "") this.#note("empty", j, text);
    else if (text.includes("\0")) this.#note("nul", j, text);
    else if (NON_FINITE.test(text)) this.#note("non_finite", j, text);
    else if (this.#roles[j] === Role.Weight && value < 0) this.#note("negative", j, text);
    else if (!Number.isNaN(value)) this.#note("too_large", j, text);
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
    const { begin, column } = this.#placeOf(bytes, at);
    const offset = this.#offset + at;
    if (begin > 0) this.#readQuoted(bytes.subarray(0, begin));
    const line = this.#line + countLines(bytes.subarray(begin, at));
    return encodingError(offset, line, this.#header?.[column]);
  }

  /** In which record, from its first byte, and in which column a byte stands. */
  #placeOf(bytes: Uint8Array, at: number): { begin: number; column: number } {
    let begin = 0;
    let column = 0;
    let isQuoted = false;
    let canOpen = true; // at a field's first byte, and after a closing quote, which a second one makes part of the text
    for (let i = 0; i < at; i++) {
      const byte = bytes[i];
      if (byte === this.#quote && (isQuoted || canOpen)) {
        isQuoted = !isQuoted;
        canOpen = true;
      } else if (!isQuoted) {
        canOpen = byte === this.#delimiter || byte === LF;
        if (byte === this.#delimiter) column++;
        if (byte === LF) {
          column = 0;
          begin = i + 1;
        }
      }
    }
    return { begin, column };
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
    const { label, features, drop, weight, numeric, categorical } = this.#selection;
    const known = new Set(header);
    const named = [features, drop, numeric, categorical, weight === undefined ? [] : [weight]];
    const unknown = named.flatMap((names) => names ?? []).filter((name) => !known.has(name));
    if (unknown.length > 0) throw unknownError([...new Set(unknown)], header);
    if (label !== null && !known.has(label)) {
      this.#survey = new LabelSurvey(this.#selection, header, this.#numbers);
      return;
    }
    const wanted = new Set(features ?? header);
    for (const name of drop ?? []) wanted.delete(name);
    checkRoles(this.#selection);
    const texts = new Set(categorical);
    const numbers = new Set(numeric);
    this.#roles = new Uint8Array(header.length);
    this.#readers = header.map((name, j) => {
      if (name === label) this.#roles[j] = Role.Label;
      else if (name === weight) {
        this.#roles[j] = Role.Weight;
        return new ColumnReader("number", fromZero(this.#numbers), undefined, BLOCK_ROWS_MIN);
      } else if (wanted.has(name)) {
        this.#roles[j] = Role.Feature;
        return this.#readerOf(name, texts, numbers);
      }
      return undefined;
    });
    if (!this.#roles.includes(Role.Feature)) {
      const hint = header.length === 1 ? otherDelimiter(header[0]!, this.#dialect.delimiter) : "";
      throw new CsvError(
        `Cannot read the table as no feature column is left: ${columnList(header)}${hint}`,
      );
    }
  }

  #readerOf(name: string, texts: Set<string>, numbers: Set<string>): ColumnReader {
    const { infer } = this.#selection;
    let kind: CellKind = "number";
    if (texts.has(name)) kind = "text";
    else if (infer === true && !numbers.has(name)) kind = "any";
    return new ColumnReader(kind, this.#numbers, this.#missing, BLOCK_ROWS_MIN);
  }

  /** Leaving columns out helps if all that is wrong are cells that are no numbers, and enough is left. */
  #fixOf(problems: readonly CsvProblem[], header: readonly string[]): CsvFix {
    const { label, classes, rest, weight, missingTokens } = this.#selection;
    const columns = new Set<string>();
    let dropsRows = false;
    for (const { kind, column } of problems) {
      if (kind === "label_empty" || kind === "label_missing")
        dropsRows = missingTokens !== undefined;
      if (dropsRows && column === label) continue;
      if (column === null || column === weight || !CURED_BY_DROP.includes(kind)) return {};
      columns.add(column);
    }
    // More than two classes are told next, and what helps against that.
    const hasClasses =
      label === null || classes !== undefined || rest !== undefined || this.#labels.length >= 2;
    const keepsSome = header.some(
      (name, j) => this.#roles[j] === Role.Feature && !columns.has(name),
    );
    if (!hasClasses || !keepsSome) return {};
    return {
      ...(columns.size > 0 && { drop: [...columns] }),
      ...(dropsRows && { missing: "drop" as const }),
    };
  }
}

function cellsOf(reader: ColumnReader, starts: readonly number[]): Cells {
  if (reader.kind === "number" || (reader.kind === "any" && reader.textCount === 0)) {
    return reader.takeNumbers(starts);
  }
  return { codes: reader.takeCodes(starts), texts: reader.texts, places: reader.places };
}

function factsOf(reader: ColumnReader): ColumnFacts {
  const { numberCount, textCount, missingCount, firstMissing, missingTexts, firstNumber } = reader;
  return {
    numberCount,
    textCount,
    missingCount,
    firstMissing: firstMissing ?? null,
    missingTexts: [...missingTexts],
    firstNumber: firstNumber ?? null,
  };
}

/** Negative numbers are none. */
function fromZero(numbers: NumberReader): NumberReader {
  const check = (value: number) => (value >= 0 ? value : Number.NaN);
  return {
    ofText: (text) => check(numbers.ofText(text)),
    ofBytes: (bytes, start, end) => check(numbers.ofBytes(bytes, start, end)),
  };
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

function hasNul(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === 0) return true;
  return false;
}
