// How a table is written: what separates fields, what quotes them, and how numbers look. Given, or guessed and said.
import { parseDecimal, parseDecimalBytes } from "./decimal.ts";

export interface Dialect {
  /** One character between fields. */
  readonly delimiter: string;
  /** One character round fields that hold a delimiter or a line end; null when quotes are ordinary text. */
  readonly quote: string | null;
  /** Between the whole and the fraction of a number. */
  readonly decimal: "." | ",";
  /** Between groups of three digits; null when numbers have none. */
  readonly thousands: string | null;
}

export const PLAIN_DIALECT: Dialect = { delimiter: ",", quote: '"', decimal: ".", thousands: null };

/** The words by which flags and records name each mark. */
export const DIALECT_WORDS = {
  delimiter: { comma: ",", semicolon: ";", tab: "\t", pipe: "|" },
  quote: { double: '"', single: "'", none: null },
  decimal: { point: ".", comma: "," },
  thousands: { none: null, comma: ",", point: ".", space: " ", apostrophe: "'" },
} as const;

export type DialectKey = keyof typeof DIALECT_WORDS;

/** The word for a mark, as flags take it. */
export function dialectWord(key: DialectKey, mark: string | null): string {
  const words = Object.entries(DIALECT_WORDS[key]) as [string, string | null][];
  return words.find(([, known]) => known === mark)?.[0] ?? String(mark);
}

/** A dialect under the words of its flags, for records and messages. */
export function describeDialect(dialect: Dialect): Record<DialectKey, string> {
  const { delimiter, quote, decimal, thousands } = dialect;
  return {
    delimiter: dialectWord("delimiter", delimiter),
    quote: dialectWord("quote", quote),
    decimal: dialectWord("decimal", decimal),
    thousands: dialectWord("thousands", thousands),
  };
}

/** The dialect that words name; null when one is unknown. */
export function dialectOfWords(words: Readonly<Record<DialectKey, unknown>>): Dialect | null {
  const marks = (Object.keys(DIALECT_WORDS) as DialectKey[]).map((key) => {
    const known = DIALECT_WORDS[key] as Readonly<Record<string, string | null>>;
    const word = words[key];
    return typeof word === "string" && Object.hasOwn(known, word) ? [key, known[word]] : null;
  });
  if (marks.includes(null)) return null;
  return Object.fromEntries(marks as [DialectKey, string | null][]) as unknown as Dialect;
}

/** Marks that mean nothing, or cannot stand together. */
export class DialectError extends TypeError {
  override readonly name: string = "DialectError";
}

/** @throws DialectError for marks that cannot stand together */
export function checkDialect({ delimiter, quote, decimal, thousands }: Dialect): void {
  const isOneByte = (mark: string) => mark.length === 1 && mark >= "\t" && mark < "\x7f";
  const isForbidden = (mark: string) => /[\r\n\w ]/.test(mark);
  if (!isOneByte(delimiter) || isForbidden(delimiter)) {
    throw new DialectError(
      `Cannot read with delimiter ${JSON.stringify(delimiter)}: it must be one ASCII character, no letter, digit or blank`,
    );
  }
  if (quote !== null && (!isOneByte(quote) || isForbidden(quote) || quote === delimiter)) {
    throw new DialectError(
      `Cannot read with quote ${JSON.stringify(quote)}: it must be one ASCII character other than the delimiter`,
    );
  }
  if (decimal === thousands) {
    throw new DialectError(
      `Cannot read numbers as ${JSON.stringify(decimal)} cannot both begin the fraction and group the digits: say another for one of them`,
    );
  }
  if (decimal !== "." && decimal !== ",") {
    throw new DialectError(
      `Cannot read numbers with ${JSON.stringify(decimal)} before the fraction: it is "." or ","`,
    );
  }
  if (thousands !== null && ![",", ".", " ", "'"].includes(thousands)) {
    throw new DialectError(
      `Cannot read numbers with ${JSON.stringify(thousands)} between thousands: it is ",", ".", " ", "'" or null`,
    );
  }
}

/** Bytes that are looked at for a guess. */
export const SAMPLE_BYTES = 1 << 16;
const SAMPLE_RECORDS = 20;

/**
 * What was not given, guessed from the beginning of a file: the quote from the first character, the delimiter as the
 * mark that gives most fields, equally many in each of the first records. Numbers are not guessed: a decimal point,
 * no thousands.
 *
 * @returns the dialect, and a sentence for each mark that is not the usual one
 */
export function guessDialect(
  sample: Uint8Array,
  given: Partial<Dialect>,
): { dialect: Dialect; guesses: string[] } {
  const text = new TextDecoder().decode(sample.subarray(0, SAMPLE_BYTES));
  const quote =
    given.quote !== undefined
      ? given.quote
      : /^\uFEFF?\s*'[^'\r\n"]*'[,;\t|\r\n]/.test(text)
        ? "'"
        : '"';
  const delimiter = given.delimiter ?? likelyDelimiter(text, sample.length < SAMPLE_BYTES, quote);
  const dialect: Dialect = {
    delimiter,
    quote,
    decimal: given.decimal ?? ".",
    thousands: given.thousands ?? null,
  };
  const guesses = [
    ...(given.delimiter === undefined && delimiter !== ","
      ? [`fields are separated by ${dialectWord("delimiter", delimiter)} (--delimiter)`]
      : []),
    ...(given.quote === undefined && quote !== '"'
      ? ["fields stand in single quotes (--quote)"]
      : []),
  ];
  return { dialect, guesses };
}

function likelyDelimiter(text: string, isWhole: boolean, quote: string | null): string {
  let best = ",";
  let most = 1;
  let isSteady = false;
  for (const mark of Object.values(DIALECT_WORDS.delimiter)) {
    const counts = fieldCounts(text, isWhole, mark, quote);
    const first = counts[0] ?? 1;
    const steady = first > 1 && counts.every((count) => count === first);
    if ((steady && !isSteady) || (steady === isSteady && first > most)) {
      best = mark;
      most = first;
      isSteady = steady;
    }
  }
  return best;
}

/** Fields of each of the first whole records. */
function fieldCounts(
  text: string,
  isWhole: boolean,
  delimiter: string,
  quote: string | null,
): number[] {
  const counts: number[] = [];
  let fields = 1;
  let isQuoted = false;
  let begin = 0;
  for (let at = 0; at < text.length && counts.length < SAMPLE_RECORDS; at++) {
    const character = text[at];
    if (character === quote) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === delimiter) fields++;
    else if (character === "\n") {
      if (text.slice(begin, at).trim() !== "") counts.push(fields);
      fields = 1;
      begin = at + 1;
    }
  }
  // The last record of a longer sample may be cut.
  if (isWhole && counts.length < SAMPLE_RECORDS && text.slice(begin).trim() !== "") {
    counts.push(fields);
  }
  return counts;
}

/** Reads numbers as a dialect writes them: NaN for what is none, ±Infinity for what is too large. */
export interface NumberReader {
  ofText(text: string): number;
  ofBytes(bytes: Uint8Array, start: number, end: number): number;
}

/** Numbers as CONTRACT.md, N8, has them. */
export const POINT_NUMBERS: NumberReader = { ofText: parseDecimal, ofBytes: parseDecimalBytes };

const COMMA_BYTE = 0x2c;
const POINT_BYTE = 0x2e;
const LETTER_BYTE = 0x78; // of no number

/** CONTRACT.md, N8, with another mark before the fraction or marks between thousands. */
export function numberReader({ decimal, thousands }: Dialect): NumberReader {
  if (thousands === null && decimal === ".") return POINT_NUMBERS;
  if (thousands === null) return decimalCommaReader();
  const mark = thousands.replace(/[.']/, "\\$&");
  const point = decimal.replace(".", "\\.");
  const grouped = new RegExp(
    `^[ \\t]*[+-]?\\d{1,3}(?:${mark}\\d{3})+(?:${point}\\d*)?(?:[eE][+-]?\\d+)?[ \\t]*$`,
  );
  const ungrouped = new RegExp(`${mark}(?=\\d)`, "g");
  const plain = numberReader({ ...PLAIN_DIALECT, decimal });
  const ofText = (text: string) =>
    plain.ofText(grouped.test(text) ? text.replace(ungrouped, "") : text);
  return {
    ofText,
    ofBytes: (bytes, start, end) => ofText(latin(bytes, start, end)),
  };
}

function latin(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function decimalCommaReader(): NumberReader {
  let room = new Uint8Array(64);
  return {
    ofText: (text) => (text.includes(".") ? Number.NaN : parseDecimal(text.replace(",", "."))),
    ofBytes(bytes, start, end) {
      const length = end - start;
      if (length > room.length) room = new Uint8Array(2 * length);
      for (let i = 0; i < length; i++) {
        const byte = bytes[start + i]!;
        room[i] = byte === COMMA_BYTE ? POINT_BYTE : byte === POINT_BYTE ? LETTER_BYTE : byte;
      }
      return parseDecimalBytes(room, 0, length);
    },
  };
}
