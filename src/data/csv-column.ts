// One column while it is read: numbers, texts as codes, and what is missing, row by row.
//
// Design:
// - A column whose kind is not known takes both numbers and texts; what it is, is decided when all rows are there.
// - Texts are found by their bytes, so that a text that came before costs no decoding. Blanks round it do not count.
// - Blocks of rows are made when the first value of their kind comes: a header may name 16,384 columns and have two
//   rows, and few columns hold numbers and texts.
import { CR, LF } from "./csv-records.ts";
import { type Cursor, scanDecimal } from "./decimal.ts";
import { type NumberReader, POINT_NUMBERS } from "./dialect.ts";

/** Texts as codes. */
export interface Texts {
  /** [n] places in `texts`, -1 where the cell is missing. */
  readonly codes: Int32Array;
  /** Distinct texts in order of first appearance, without blanks round them. */
  readonly texts: readonly string[];
  /** Where each stands first: a line of the file, or a row. */
  readonly places: readonly number[];
}

/** Cells of one input column: numbers, NaN where they are missing, or texts. */
export type Cells = Float64Array | Texts;

/** How the cells of a column are to be read; `any` leaves it to the cells. */
export type CellKind = "number" | "text" | "any";

/** Texts that stand for a missing value, besides blank cells. */
export class MissingTokens {
  readonly texts: ReadonlySet<string>;
  /** Those that are numbers, such as -999, which stand for every writing of that number; undefined when there are none. */
  readonly numbers: ReadonlySet<number> | undefined;

  constructor(tokens: readonly string[], numbers: NumberReader) {
    this.texts = new Set(tokens.map(withoutBlanks));
    const values = tokens.map((token) => numbers.ofText(token)).filter(Number.isFinite);
    this.numbers = values.length > 0 ? new Set(values) : undefined;
  }

  /** @param trimmed a cell without blanks round it   @param value of it as a number */
  has(trimmed: string, value: number): boolean {
    return trimmed === "" || this.texts.has(trimmed) || this.numbers?.has(value) === true;
  }
}

/** CONTRACT.md, N8: blanks (space, tab) round a cell do not count. */
export function withoutBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

/** What became of a cell. */
export const Took = {
  Yes: 0,
  /** Not seen before: give it to `takeText`. */
  Unknown: 1,
  /** No number in a column of numbers, or blank where nothing may be missing. */
  Refused: 2,
  /** A text that came for the first time: if a model can hold it, give it to `addText`. */
  NewText: 3,
} as const;
export type Took = (typeof Took)[keyof typeof Took];

/** Code of a missing cell. */
const MISSING = -1;
const UNKNOWN = -2;

export class ColumnReader {
  readonly kind: CellKind;
  numberCount = 0;
  textCount = 0;
  missingCount = 0;
  /** The first missing cell: where it is and what stands there. */
  firstMissing: { readonly place: number; readonly text: string } | undefined;
  /** The tokens that were met. */
  readonly missingTexts = new Set<string>();
  /** The first number that came after a text, in a column of unknown kind. */
  firstNumber: { readonly place: number; readonly text: string } | undefined;
  readonly #numbers: NumberReader;
  readonly #missing: MissingTokens | undefined;
  readonly #texts: string[] = [];
  readonly #places: number[] = [];
  readonly #codeOfText = new Map<string, number>();
  readonly #codeOfBytes = new ByteTable();
  #numberBlocks: (Float64Array | undefined)[] = [];
  #codeBlocks: (Int32Array | undefined)[] = [];
  #numberBlock: Float64Array | undefined;
  #codeBlock: Int32Array | undefined;
  #blockRows: number;
  readonly #cursor: Cursor = { end: 0 };

  /** @param missing what stands for a missing value; undefined where no cell may be missing */
  constructor(
    kind: CellKind,
    numbers: NumberReader,
    missing: MissingTokens | undefined,
    blockRows: number,
  ) {
    this.kind = kind;
    this.#numbers = numbers;
    this.#missing = missing;
    this.#blockRows = blockRows;
  }

  /**
   * Takes the cell that begins at `start` if it is a plain number, or a text that came before; one look at each byte.
   *
   * @returns the place of the delimiter or line end behind it; -1 when it was not taken
   */
  scan(bytes: Uint8Array, start: number, delimiter: number, slot: number): number {
    if (this.#texts.length > 0 || this.kind === "text") {
      const code = this.#codeOfBytes.scan(bytes, start, delimiter, this.#cursor);
      const end = endOfField(bytes, this.#cursor.end, delimiter);
      if (code === UNKNOWN || end < 0) return -1;
      this.#putCode(code, slot);
      return end;
    }
    if (this.#numbers !== POINT_NUMBERS || this.#missing?.numbers) return -1;
    const value = scanDecimal(bytes, start, bytes.length, this.#cursor);
    const end = endOfField(bytes, this.#cursor.end, delimiter);
    if (Number.isNaN(value) || end < 0) return -1;
    this.#putNumber(value, slot);
    return end;
  }

  /** Takes the cell in bytes[start, end) for row `slot` of the current block. */
  takeBytes(bytes: Uint8Array, start: number, end: number, slot: number, place: number): Took {
    const isOfText = this.#texts.length > 0 || this.kind === "text";
    if (isOfText && this.#takeKnown(bytes, start, end, slot)) return Took.Yes;
    if (this.kind !== "text") {
      const value = this.#numbers.ofBytes(bytes, start, end);
      // Infinity - Infinity and NaN - NaN are NaN: one test for both.
      if (value - value === 0 && !this.#missing?.numbers?.has(value)) {
        this.#putNumber(value, slot);
        if (isOfText) {
          this.firstNumber ??= { place, text: String.fromCharCode(...bytes.subarray(start, end)) };
        }
        return Took.Yes;
      }
    }
    return !isOfText && this.#takeKnown(bytes, start, end, slot) ? Took.Yes : Took.Unknown;
  }

  #takeKnown(bytes: Uint8Array, start: number, end: number, slot: number): boolean {
    const code = this.#codeOfBytes.find(bytes, start, end);
    if (code === UNKNOWN) return false;
    this.#putCode(code, slot);
    return true;
  }

  /** Takes a cell that `takeBytes` did not know, or one that comes as text. */
  takeText(text: string, slot: number, place: number): Took {
    const known = this.#codeOfText.get(text);
    if (known !== undefined) {
      this.#putCode(known, slot);
      return Took.Yes;
    }
    const value = this.#numbers.ofText(text);
    const trimmed = withoutBlanks(text);
    // Also in a column of texts, or one that is found to be of texts would read otherwise when it is known to be.
    if (this.#missing?.has(trimmed, value)) {
      this.firstMissing ??= { place, text: trimmed };
      if (trimmed !== "") this.missingTexts.add(trimmed);
      this.#codeOfText.set(text, MISSING);
      this.#putCode(MISSING, slot);
      return Took.Yes;
    }
    if (this.kind !== "text" && Number.isFinite(value)) {
      this.#putNumber(value, slot);
      if (this.#texts.length > 0) this.firstNumber ??= { place, text };
      return Took.Yes;
    }
    return this.kind === "number" || trimmed === "" ? Took.Refused : Took.NewText;
  }

  /** Keeps a new text and gives it the next code, or that of an equal one with other blanks. */
  addText(text: string, slot: number, place: number): void {
    const trimmed = withoutBlanks(text);
    let code = this.#codeOfText.get(trimmed);
    if (code === undefined) {
      code = this.#texts.length;
      this.#texts.push(trimmed);
      this.#places.push(place);
      this.#codeOfText.set(trimmed, code);
    }
    if (text !== trimmed) this.#codeOfText.set(text, code);
    this.#putCode(code, slot);
  }

  /** So that the same bytes are known the next time. */
  rememberBytes(bytes: Uint8Array, start: number, end: number, text: string): void {
    const code = this.#codeOfText.get(text);
    if (code !== undefined) this.#codeOfBytes.add(bytes, start, end, code);
  }

  /** The block is full: the next one has room for so many rows. */
  nextBlock(rows: number): void {
    this.#numberBlocks.push(this.#numberBlock);
    this.#codeBlocks.push(this.#codeBlock);
    this.#numberBlock = undefined;
    this.#codeBlock = undefined;
    this.#blockRows = rows;
  }

  get texts(): readonly string[] {
    return this.#texts;
  }

  get places(): readonly number[] {
    return this.#places;
  }

  /** The cells as numbers, given up block by block. @param starts of the blocks, and where the last one ends */
  takeNumbers(starts: readonly number[]): Float64Array {
    const joined = new Float64Array(starts.at(-1)!);
    return join(joined, [...this.#numberBlocks, this.#numberBlock], starts, Number.NaN, () => {
      this.#numberBlocks = [];
      this.#numberBlock = undefined;
    });
  }

  takeCodes(starts: readonly number[]): Int32Array {
    const joined = new Int32Array(starts.at(-1)!);
    return join(joined, [...this.#codeBlocks, this.#codeBlock], starts, MISSING, () => {
      this.#codeBlocks = [];
      this.#codeBlock = undefined;
    });
  }

  #putNumber(value: number, slot: number): void {
    this.#numberBlock ??= new Float64Array(this.#blockRows).fill(Number.NaN);
    this.#numberBlock[slot] = value;
    this.numberCount++;
  }

  #putCode(code: number, slot: number): void {
    if (code === MISSING) {
      // Blocks are filled with what stands for missing.
      this.missingCount++;
      return;
    }
    this.#codeBlock ??= new Int32Array(this.#blockRows).fill(MISSING);
    this.#codeBlock[slot] = code;
    this.textCount++;
  }
}

/** The place of the delimiter or line feed at `at`, or behind the CR at `at`; -1 when the field goes on. */
function endOfField(bytes: Uint8Array, at: number, delimiter: number): number {
  const end = bytes[at] === CR ? at + 1 : at;
  return bytes[end] === LF || (end === at && bytes[end] === delimiter) ? end : -1;
}

function join<T extends Float64Array | Int32Array>(
  joined: T,
  blocks: (T | undefined)[],
  starts: readonly number[],
  filler: number,
  release: () => void,
): T {
  release();
  blocks.forEach((block, k) => {
    const from = starts[k]!;
    const to = starts[k + 1]!;
    if (block === undefined) joined.fill(filler, from, to);
    else joined.set(block.subarray(0, to - from) as never, from);
    // Each block is let go once it is copied.
    blocks[k] = undefined;
  });
  return joined;
}

/** Texts that begin alike are tried one after the other up to here, and then by their hash. */
const CHAIN_MAX = 6;

/**
 * A text that stands farther than this from where its hash points is not kept, and is looked up as text each time: whoever
 * writes a table can make texts of one hash, and looking for one among all of them takes quadratic time.
 */
const PROBES_MAX = 64;

/** Codes by bytes, all in one pool: first by the byte they begin with, then in a hash table with open addressing. */
class ByteTable {
  #pool = new Uint8Array(0);
  #used = 0;
  #slots = new Int32Array(0); // entry + 1, or 0
  /** The newest entry + 1 that begins with each byte. */
  readonly #newest = new Int32Array(256);
  // One value an entry.
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #hashes: number[] = [];
  readonly #codes: number[] = [];
  readonly #older: number[] = []; // the entry + 1 before it that begins with the same byte, or 0

  /** The code of the field that begins at `start`; UNKNOWN when there is none. @param cursor gets the field's end */
  scan(bytes: Uint8Array, start: number, delimiter: number, cursor: Cursor): number {
    const pool = this.#pool;
    let index = this.#newest[bytes[start]!]!;
    for (let tries = 0; index !== 0 && tries < CHAIN_MAX; tries++) {
      const from = this.#starts[index - 1]!;
      const length = this.#lengths[index - 1]!;
      let k = 0;
      while (k < length && pool[from + k] === bytes[start + k]) k++;
      const byte = bytes[start + k];
      if (k === length && (byte === delimiter || byte === LF || byte === CR)) {
        cursor.end = start + k;
        return this.#codes[index - 1]!;
      }
      index = this.#older[index - 1]!;
    }
    if (index === 0) return UNKNOWN;
    let end = start;
    for (let byte = bytes[end]!; byte !== delimiter && byte !== LF && byte !== CR; ) {
      byte = bytes[++end]!;
    }
    cursor.end = end;
    return this.find(bytes, start, end);
  }

  /** The code of bytes[start, end); UNKNOWN when there is none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    if (mask < 0) return UNKNOWN;
    const hash = hashOf(bytes, start, end);
    const length = end - start;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const entry = this.#slots[(hash + probe) & mask]! - 1;
      if (entry < 0) return UNKNOWN;
      if (this.#hashes[entry] === hash && this.#lengths[entry] === length) {
        const from = this.#starts[entry]!;
        let k = 0;
        while (k < length && this.#pool[from + k] === bytes[start + k]) k++;
        if (k === length) return this.#codes[entry]!;
      }
    }
    return UNKNOWN;
  }

  add(bytes: Uint8Array, start: number, end: number, code: number): void {
    const length = end - start;
    const hash = hashOf(bytes, start, end);
    if (2 * (this.#codes.length + 1) > this.#slots.length) this.#grow();
    if (!this.#place(hash, this.#codes.length)) return;
    if (this.#used + length > this.#pool.length) {
      const pool = new Uint8Array(Math.max(256, 2 * (this.#used + length)));
      pool.set(this.#pool.subarray(0, this.#used));
      this.#pool = pool;
    }
    this.#pool.set(bytes.subarray(start, end), this.#used);
    // A blank cell is found by the delimiter that stands there.
    const first = bytes[start]!;
    this.#older.push(this.#newest[first]!);
    this.#starts.push(this.#used);
    this.#lengths.push(length);
    this.#hashes.push(hash);
    this.#codes.push(code);
    this.#newest[first] = this.#codes.length;
    this.#used += length;
  }

  #grow(): void {
    this.#slots = new Int32Array(Math.max(16, 2 * this.#slots.length));
    for (let entry = 0; entry < this.#codes.length; entry++) {
      this.#place(this.#hashes[entry]!, entry);
    }
  }

  /** False when all slots are taken that a lookup would come to. */
  #place(hash: number, entry: number): boolean {
    const mask = this.#slots.length - 1;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const slot = (hash + probe) & mask;
      if (this.#slots[slot] !== 0) continue;
      this.#slots[slot] = entry + 1;
      return true;
    }
    return false;
  }
}

const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/** FNV-1a, 32 bits, and its upper half folded into the lower one. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_PRIME);
  return hash ^ (hash >>> 15);
}
