// What each column of a table is, told from all of its rows, and what it becomes: a number, a category, or nothing.
import type { ColumnFacts, Table } from "./csv.ts";
import type { Cells } from "./csv-column.ts";
import { CsvError, type CsvFix, type CsvProblem, LEVEL_MAX, problemError } from "./csv-error.ts";
import { type Dialect, dialectWord, numberReader, PLAIN_DIALECT } from "./dialect.ts";
import {
  countTexts,
  type EncodingOptions,
  featuresOf,
  type Input,
  type InputColumn,
  learnColumn,
} from "./encoding.ts";
import { compareCodePoints } from "./labels.ts";
import { CONTROL } from "./names.ts";
import { cut, shown } from "./shown.ts";

export type ColumnType =
  | "numeric"
  | "boolean"
  | "categorical"
  | "identifier"
  | "constant"
  | "date"
  | "mixed"
  | "empty";

/** What became of an input column, for people. */
export interface ColumnReport {
  readonly name: string;
  readonly type: ColumnType;
  readonly use: "number" | "category" | "left out";
  /** Whether the user said so, or it was inferred. */
  readonly given: boolean;
  readonly missing: number;
  /** Why it is left out. */
  readonly reason?: string;
}

export type MissingPolicy = "error" | "indicator" | "drop";

/** Texts that stand for a missing value unless others are named. Blank cells always do. */
export const MISSING_TOKENS: readonly string[] = [
  "#N/A",
  "?",
  "N/A",
  "NA",
  "NULL",
  "NaN",
  "n/a",
  "nan",
  "null",
];

/** More levels than this are an error unless --max-levels says what to do with them. */
export const LEVELS_MAX = 1000;

/** A shorter column that counts 1, 2, 3 … may do so by chance: 10 draws from 10 numbers do once in 2,700. */
const COUNTER_ROWS_MIN = 10;

/** Fewer different texts may all differ by chance. */
const IDENTIFIER_TEXTS_MIN = 10;

/** Names of identifiers, whatever their case: "index", "row_id", "Unnamed: 0" (pandas), "No.". */
const IDENTIFIER_NAME =
  /^(?:unnamed.*|index|row.?(?:id|num|number|index)?|no\.?|nr\.?|key|(?:.*\P{L})?(?:id|uuid|guid))$/isu;

/** "userId", "userID"; case counts here, or "humid", "paid" and "Solid" would be identifiers. */
const IDENTIFIER_CAMEL = /\p{Ll}(?:Id|ID|Uuid|UUID|Guid|GUID)$/u;

const BOOLEAN_WORDS = ["false true", "no yes", "n y", "f t", "off on"];

const MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?";
const TIME =
  "\\d{1,2}:\\d{2}(?::\\d{2}(?:[.,]\\d+)?)?(?:\\s?[ap]m)?(?:\\s?(?:z|utc|[+-]\\d{2}:?\\d{2}))?";
const DAY = [
  "\\d{4}[-/.]\\d{1,2}(?:[-/.]\\d{1,2})?",
  "\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{2,4}",
  `\\d{1,2}[- .]{1,2}${MONTH}[- ,]{1,2}\\d{2,4}`,
  `${MONTH} \\d{1,2}(?:st|nd|rd|th)?,? \\d{4}`,
].join("|");
const DATE = new RegExp(`^(?:(?:${DAY})(?:[T ,]+${TIME})?|${TIME})$`, "i");

/** A number with a currency or per cent sign. */
const WITH_UNIT = /^[+-]?\s?(?:\p{Sc}\s?[+-]?\d[\d.,' ]*|\d[\d.,' ]*\s?(?:%|\p{Sc}))$/u;

const NON_FINITE = /^[+-]?(?:nan|inf|infinity)$/i;

/** Other ways to write numbers, the commoner first. */
const NUMBER_FORMATS: readonly Pick<Dialect, "decimal" | "thousands">[] = [
  { decimal: ".", thousands: null },
  { decimal: ",", thousands: null },
  { decimal: ".", thousands: "," },
  { decimal: ",", thousands: "." },
  { decimal: ".", thousands: " " },
  { decimal: ",", thousands: " " },
  { decimal: ".", thousands: "'" },
];

const FORMAT_READERS = NUMBER_FORMATS.map((format) => ({
  format,
  read: numberReader({ ...PLAIN_DIALECT, ...format }).ofText,
}));

/** Whole numbers, each once, that count rows or are named like an identifier. Missing ones do not matter. */
export function isIdentifier(name: string, column: Float64Array): boolean {
  let present = 0;
  for (const value of column) {
    if (Number.isInteger(value)) present++;
    else if (!Number.isNaN(value)) return false;
  }
  if (present < 3) return false;
  const [min, max] = rangeOf(column);
  const isCounter = present >= COUNTER_ROWS_MIN && max - min === present - 1;
  if (!isCounter && !hasIdentifierName(name)) return false;
  const sorted = column.slice().sort().subarray(0, present); // missing ones stand last
  return sorted.every((value, i) => i === 0 || value !== sorted[i - 1]);
}

function hasIdentifierName(name: string): boolean {
  const title = name.trim();
  return IDENTIFIER_NAME.test(title) || IDENTIFIER_CAMEL.test(title);
}

/** The least and the largest number that is there; NaN, NaN when none is. */
export function rangeOf(column: Float64Array): [number, number] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? [min, max] : [Number.NaN, Number.NaN];
}

/** Whether a text is a number as some dialect writes it, or one with a currency or per cent sign. */
function isNumberLike(text: string): boolean {
  if (!/^[+-]?[\s\d.,\p{Sc}]/u.test(text)) return false; // most texts, at little cost
  return WITH_UNIT.test(text) || FORMAT_READERS.some(({ read }) => Number.isFinite(read(text)));
}

/** The type of a column, from its cells alone. */
export function typeOf(name: string, cells: Cells, facts: ColumnFacts): ColumnType {
  if (facts.numberCount > 0 && facts.textCount > 0 && !(cells instanceof Float64Array)) {
    return "mixed";
  }
  if (facts.numberCount + facts.textCount === 0) return "empty";
  if (cells instanceof Float64Array) {
    const [min, max] = rangeOf(cells);
    if (min === max) return "constant";
    if (min === 0 && max === 1 && cells.every((v) => v === 0 || v === 1 || Number.isNaN(v))) {
      return "boolean";
    }
    return isIdentifier(name, cells) ? "identifier" : "numeric";
  }
  const { texts } = cells;
  if (texts.length === 1) return "constant";
  const words = texts.map((text) => text.toLowerCase()).sort();
  if (texts.length === 2 && BOOLEAN_WORDS.includes(words.join(" "))) return "boolean";
  if (texts.every((text) => DATE.test(text))) return "date";
  // Numbers in another writing often differ all, and are no identifiers.
  if (2 * texts.filter(isNumberLike).length > texts.length) return "mixed";
  const isUnique = texts.length === facts.textCount && texts.length >= 3;
  const isLoose = texts.length >= IDENTIFIER_TEXTS_MIN && 2 * texts.length > facts.textCount;
  return isLoose || (isUnique && hasIdentifierName(name)) ? "identifier" : "categorical";
}

/** How a table is to be read as features. */
export interface InterpretOptions extends EncodingOptions {
  readonly features?: readonly string[];
  readonly numeric?: readonly string[];
  readonly categorical?: readonly string[];
  readonly missing: MissingPolicy;
  readonly dialect: Dialect;
}

export interface Interpretation {
  readonly inputs: readonly Input[];
  /** [n'] the rows that stay, ascending; null when all do. */
  readonly rows: Uint32Array | null;
  readonly columns: readonly ColumnReport[];
  /** What was decided without being told and changes the model; each a sentence. */
  readonly guesses: readonly string[];
}

/** What is known of a column on the way to its use. */
interface Candidate {
  readonly name: string;
  readonly cells: Cells;
  readonly facts: ColumnFacts;
  readonly type: ColumnType;
  /** The user named it, as a number, as a category, or as a feature. */
  readonly isGiven: boolean;
  use: ColumnReport["use"];
  reason?: string;
}

/**
 * Decides what each column is and becomes.
 *
 * @param labelCodes rows with `noLabel` are left out when the policy is to drop
 * @throws CsvError with every column that cannot be used as it is, and what would help
 */
export function interpret(
  table: Table,
  options: InterpretOptions,
  noLabel: number,
): Interpretation {
  const candidates = table.features.map((name, j): Candidate => {
    const cells = table.columns[j]!;
    const facts = table.facts[j]!;
    const type = typeOf(name, cells, facts);
    const isGiven = [options.features, options.numeric, options.categorical].some((names) =>
      names?.includes(name),
    );
    const isText = !(cells instanceof Float64Array);
    const tells = facts.missingCount > 0 && options.missing !== "drop";
    const leftOut = isGiven ? undefined : reasonToLeaveOut(type, isText, tells);
    return {
      name,
      cells,
      facts,
      type,
      isGiven,
      use: leftOut === undefined ? (isText ? "category" : "number") : "left out",
      ...(leftOut !== undefined && { reason: leftOut }),
    };
  });
  const findings = candidates.flatMap((candidate) =>
    candidate.use === "left out" ? [] : findingsOf(candidate, options),
  );
  if (findings.length > 0) throw findingsError(findings, candidates, table);
  const rows = dropRows(candidates, table, options, noLabel);
  const inputs = candidates
    .filter(({ use }) => use !== "left out")
    .map((candidate): Input => learnInput(candidate, rows, options));
  if (inputs.length === 0) {
    const why = candidates.map(({ name, reason }) => `${shown(name)} (${reason})`).join(", ");
    throw new CsvError(
      `Cannot read the table as no feature column is left: ${why}; --numeric or --categorical keeps a column`,
    );
  }
  const lone = inputs.filter(({ column }) => featuresOf(column).length === 0);
  if (lone.length > 0) throw findingsError(lone.map(loneFinding), candidates, table);
  const columns = candidates.map(reportOf);
  return { inputs, rows, columns, guesses: guessesOf(columns, inputs, options) };
}

/** @param tells whether it is missing says something, where a text is all that is there */
function reasonToLeaveOut(type: ColumnType, isText: boolean, tells: boolean): string | undefined {
  if (type === "identifier")
    return isText
      ? "it looks like an identifier"
      : "it looks like an identifier (whole numbers, each once)";
  return type === "constant" && isText && !tells ? "it holds one text only" : undefined;
}

function reportOf({ name, type, use, isGiven, facts, reason }: Candidate): ColumnReport {
  return {
    name,
    type,
    use,
    given: isGiven,
    missing: facts.missingCount,
    ...(reason !== undefined && { reason }),
  };
}

function learnInput(
  { name, cells, facts }: Candidate,
  rows: Uint32Array | null,
  options: InterpretOptions,
): Input {
  const kept = rows === null ? cells : takeRows(cells, rows);
  const hasMissing = options.missing === "indicator" && facts.missingCount > 0;
  const column = learnColumn(name, kept, hasMissing, options);
  return { column, cells: kept };
}

/** Some rows of a column. */
export function takeRows(cells: Cells, rows: Uint32Array): Cells {
  if (cells instanceof Float64Array) return Float64Array.from(rows, (i) => cells[i]!);
  return { ...cells, codes: Int32Array.from(rows, (i) => cells.codes[i]!) };
}

/** Under --missing drop, the rows without a missing cell in any column that is used. */
function dropRows(
  candidates: readonly Candidate[],
  table: Table,
  options: InterpretOptions,
  noLabel: number,
): Uint32Array | null {
  if (options.missing !== "drop") return null;
  for (;;) {
    const isKept = new Uint8Array(table.rowCount).fill(1);
    for (let i = 0; i < table.labelCodes.length; i++) {
      if (table.labelCodes[i] === noLabel) isKept[i] = 0;
    }
    const used = candidates.filter(({ use }) => use !== "left out");
    for (const { cells } of used) {
      for (let i = 0; i < isKept.length; i++) {
        const isMissing =
          cells instanceof Float64Array ? Number.isNaN(cells[i]!) : cells.codes[i]! < 0;
        if (isMissing) isKept[i] = 0;
      }
    }
    const rows = Uint32Array.from(isKept.keys()).filter((i) => isKept[i] === 1);
    if (rows.length === 0) {
      throw new CsvError(
        "Cannot read the table as every row has a missing cell: leave out the emptiest columns with --drop, or use --missing indicator",
      );
    }
    // A text that remains alone tells nothing; its column must not cost rows either.
    const lone = used.filter(
      ({ cells, isGiven }) =>
        !isGiven && !(cells instanceof Float64Array) && levelCount(cells, rows) === 1,
    );
    if (lone.length === 0) return rows.length === table.rowCount ? null : rows;
    for (const candidate of lone) {
      candidate.use = "left out";
      candidate.reason = "it holds one text only in the rows that stay";
    }
  }
}

function levelCount(cells: Exclude<Cells, Float64Array>, rows: Uint32Array): number {
  const { codes, texts } = takeRows(cells, rows) as typeof cells;
  return countTexts(codes, texts.length).filter((count) => count > 0).length;
}

/** One thing that stands in the way, and what would take it away. */
interface Finding extends CsvProblem {
  readonly fix: CsvFix;
}

function findingsOf(candidate: Candidate, options: InterpretOptions): Finding[] {
  const { name, cells, facts, type, isGiven } = candidate;
  if (type === "empty") {
    const detail = "the column is empty throughout; leave it out with --drop";
    return [finding("empty_column", name, 2, "", facts.missingCount, { drop: [name] }, detail)];
  }
  const missing = missingFindings(candidate, options);
  if (cells instanceof Float64Array) return missing;
  const text = (at: number) => cells.texts[at]!;
  const place = (at: number) => cells.places[at]!;
  const counts = countTexts(cells.codes, cells.texts.length);
  const first = (test: (text: string) => boolean) => cells.texts.findIndex(test);
  const control = first((one) => CONTROL.test(one));
  if (control >= 0) {
    const kind = text(control).includes("\r") ? "carriage_return" : "control";
    return [finding(kind, name, place(control), text(control), counts[control]!, { drop: [name] })];
  }
  // Texts of a column that the user calls a category may look like anything.
  const isCategory = options.categorical?.includes(name) === true;
  if (!isCategory) {
    const odd = oddTexts(candidate, counts, options.dialect);
    if (odd.length > 0) return [...odd, ...missing];
  }
  const long = first((one) => one.length > LEVEL_MAX && Array.from(one).length > LEVEL_MAX);
  if (long >= 0) {
    return [
      finding("level_too_long", name, place(long), text(long), counts[long]!, { drop: [name] }),
    ];
  }
  const levels = cells.texts.length;
  if (levels > LEVELS_MAX && options.maxLevels === null) {
    const detail = `${levels} levels are more than ${LEVELS_MAX}; keep the most frequent ones with --max-levels, or leave it out with --drop`;
    const fix: CsvFix = type === "identifier" ? { drop: [name] } : { maxLevels: 50 };
    return [finding("too_many_levels", name, place(0), text(0), facts.textCount, fix, detail)];
  }
  const hasIndicator = options.missing === "indicator" && facts.missingCount > 0;
  if (isGiven && levels === 1 && !hasIndicator) {
    const detail = `the column holds one text only, ${shown(text(0))}, and tells the model nothing; leave it out with --drop`;
    return [
      finding("one_level", name, place(0), text(0), facts.textCount, { drop: [name] }, detail),
    ];
  }
  return missing;
}

/** Of a column that the user named, and of which the rows that stay have one text only. */
function loneFinding({ column: { name }, cells }: Input): Finding {
  const { texts, codes, places } = cells as Exclude<Cells, Float64Array>;
  const code = codes[0]!;
  const detail = `the column holds one text only, ${shown(texts[code]!)}, in the rows without a missing cell, and tells the model nothing; leave it out with --drop`;
  const fix = { drop: [name] };
  return finding("one_level", name, places[code]!, texts[code]!, codes.length, fix, detail);
}

function finding(
  kind: CsvProblem["kind"],
  column: string,
  line: number,
  value: string,
  count: number,
  fix: CsvFix,
  detail?: string,
): Finding {
  return {
    kind,
    column,
    line,
    value: cut(value),
    count,
    fix,
    ...(detail !== undefined && { detail }),
  };
}

function missingFindings({ name, facts }: Candidate, { missing }: InterpretOptions): Finding[] {
  if (missing !== "error" || facts.firstMissing === null) return [];
  const { place, text } = facts.firstMissing;
  const kind = text === "" ? "empty" : "missing";
  return [finding(kind, name, place, text, facts.missingCount, { missing: "indicator" })];
}

/** Dates, numbers in another writing, and texts among numbers. */
function oddTexts(
  { name, cells, facts, type }: Candidate,
  counts: Float64Array,
  dialect: Dialect,
): Finding[] {
  if (cells instanceof Float64Array) return [];
  const { texts, places } = cells;
  const drop: CsvFix = { drop: [name] };
  const first = texts[0]!;
  const whole = (kind: CsvProblem["kind"], fix: CsvFix, detail: string) => [
    finding(kind, name, places[0]!, first, facts.textCount, fix, detail),
  ];
  if (texts.every((text) => DATE.test(text))) {
    return whole(
      "date",
      drop,
      `${shown(first)} is a date or time, which is neither a number nor a category; make numbers of it (such as days), leave it out with --drop, or take each as a level with --categorical`,
    );
  }
  if (texts.every((text) => NON_FINITE.test(text) || isTooLarge(text, dialect))) {
    return texts.map((text, k) =>
      finding(
        NON_FINITE.test(text) ? "non_finite" : "too_large",
        name,
        places[k]!,
        text,
        counts[k]!,
        drop,
      ),
    );
  }
  const ways = otherFormats(texts, dialect);
  const others = texts.filter((text) => !Number.isFinite(ways[0]?.read(text)));
  if (ways.length > 0 && others.length <= TOKEN_TEXTS_MAX) {
    // A mark and three digits may be either; then the user has to say.
    const best = ways[0]!;
    const another = ways.find(({ read }) =>
      texts.some((text) => !Object.is(read(text), best.read(text))),
    );
    const isClear = another === undefined;
    const flags = (isClear ? [best] : [best, another]).map(({ format }) =>
      formatFlags(format, dialect),
    );
    const example = texts.find((text) => !others.includes(text))!;
    const tokens =
      others.length === 0
        ? ""
        : ` (but for ${others.map(shown).join(", ")}, which --missing-tokens can name)`;
    return whole(
      "number_format",
      isClear
        ? {
            ...formatFix(best.format, dialect),
            ...(others.length > 0 && { missingTokens: others, missing: "indicator" }),
          }
        : {},
      `${shown(example)} is a number written with ${flags.join(", or with ")}${tokens}; say ${isClear ? "so" : "which"}, or take each as a level with --categorical`,
    );
  }
  if (texts.every((text) => WITH_UNIT.test(text))) {
    return whole(
      "unit",
      drop,
      `${shown(first)} is a number with a currency or per cent sign; take the sign out, or leave the column out with --drop`,
    );
  }
  if (type !== "mixed") return [];
  const detail = mixedDetail(texts, facts);
  const fix = mixedFix(name, texts, facts);
  const { firstNumber } = facts;
  return firstNumber && facts.numberCount < facts.textCount
    ? [finding("mixed", name, firstNumber.place, firstNumber.text, facts.numberCount, fix, detail)]
    : whole("mixed", fix, detail);
}

/** Other ways to write numbers in which most of these texts are some, the best ones first. */
function otherFormats(texts: readonly string[], dialect: Dialect): typeof FORMAT_READERS {
  const counted = FORMAT_READERS.filter(
    ({ format }) => format.decimal !== dialect.decimal || format.thousands !== dialect.thousands,
  ).map((way) => ({
    way,
    count: texts.filter((text) => Number.isFinite(way.read(text))).length,
  }));
  const most = counted.reduce((a, { count }) => Math.max(a, count), 0);
  if (2 * most <= texts.length) return [];
  return counted.filter(({ count }) => count === most).map(({ way }) => way);
}

function isTooLarge(text: string, dialect: Dialect): boolean {
  return Math.abs(numberReader(dialect).ofText(text)) === Number.POSITIVE_INFINITY;
}

function formatFlags(format: Pick<Dialect, "decimal" | "thousands">, dialect: Dialect): string {
  return (["decimal", "thousands"] as const)
    .filter((key) => format[key] !== dialect[key])
    .map((key) => `--${key} ${dialectWord(key, format[key])}`)
    .join(" ");
}

function formatFix(format: Pick<Dialect, "decimal" | "thousands">, dialect: Dialect): CsvFix {
  const marks = (["decimal", "thousands"] as const)
    .filter((key) => format[key] !== dialect[key])
    .map((key) => [key, format[key]]);
  return Object.fromEntries(marks) as CsvFix;
}

/** So few different texts among numbers may stand for a missing value. */
const TOKEN_TEXTS_MAX = 3;

function isTokenLike(texts: readonly string[]): boolean {
  return texts.length <= TOKEN_TEXTS_MAX;
}

function mixedFix(name: string, texts: readonly string[], facts: ColumnFacts): CsvFix {
  if (facts.numberCount > facts.textCount) {
    return isTokenLike(texts) ? { missingTokens: texts, missing: "indicator" } : { drop: [name] };
  }
  const isLoose = texts.length >= IDENTIFIER_TEXTS_MIN && 2 * texts.length > facts.textCount;
  return isLoose ? { drop: [name] } : { categorical: [name] };
}

function mixedDetail(texts: readonly string[], facts: ColumnFacts): string {
  const { numberCount, textCount, firstNumber } = facts;
  const cells = (count: number) => (count === 1 ? "1 cell" : `${count} cells`);
  const isToken = numberCount > textCount && isTokenLike(texts);
  const token = isToken
    ? ` if ${texts.map(shown).join(", ")} stands for a missing value, name it with --missing-tokens;`
    : "";
  const number = firstNumber && numberCount < textCount ? `, such as ${firstNumber.text},` : "";
  return `${cells(numberCount)} with numbers${number} and ${cells(textCount)} with text, such as ${shown(texts[0]!)}:${token} --categorical takes each as a level, --drop leaves the column out`;
}

const MISSING_ADVICE = [
  "A missing value: --missing indicator puts a number at its training mean and adds a feature that says so;",
  "--missing drop leaves such rows out",
];

function findingsError(
  findings: readonly Finding[],
  candidates: readonly Candidate[],
  table: Table,
): CsvError {
  const fix = mergeFixes(findings, candidates);
  const more = findings.some(({ kind }) => kind === "missing" || kind === "empty")
    ? MISSING_ADVICE
    : [];
  const problems = findings.map(({ fix: _, ...problem }) => problem);
  return problemError(problems, { width: table.header.length, unit: table.unit, more }, fix);
}

/** All fixes together; none when one finding has none, or no column would be left. */
function mergeFixes(findings: readonly Finding[], candidates: readonly Candidate[]): CsvFix {
  if (findings.some(({ fix }) => Object.keys(fix).length === 0)) return {};
  const merged: Record<string, unknown> = {};
  for (const { fix } of findings) {
    for (const [key, value] of Object.entries(fix)) {
      const before = merged[key];
      merged[key] = Array.isArray(value)
        ? [...new Set([...((before as string[]) ?? []), ...value])]
        : value;
    }
  }
  const fix = merged as CsvFix;
  const dropped = new Set(fix.drop);
  // Tokens that are named take the place of the usual ones, of which those that were met have to stay.
  const tokens = candidates.flatMap(({ name, facts }) =>
    dropped.has(name) ? [] : facts.missingTexts,
  );
  const keepsSome = candidates.some(({ name, use }) => use !== "left out" && !dropped.has(name));
  if (!keepsSome) return {};
  return fix.missingTokens
    ? {
        ...fix,
        missingTokens: [...new Set([...fix.missingTokens, ...tokens])].sort(compareCodePoints),
      }
    : fix;
}

/** What a reader must hear: whatever was decided without being told and changes the model. */
function guessesOf(
  columns: readonly ColumnReport[],
  inputs: readonly Input[],
  options: InterpretOptions,
): string[] {
  // Who names a column as a feature has not said what it is.
  const typed = new Set([...(options.numeric ?? []), ...(options.categorical ?? [])]);
  const byName = new Map(inputs.map(({ column }) => [column.name, column]));
  return columns.flatMap(({ name, use, reason, type }) => {
    if (use === "left out") {
      const flag =
        type === "constant" || reason?.includes("one text")
          ? ""
          : "; --categorical or --numeric keeps it";
      return [`column ${shown(name)} is left out: ${reason}${flag}`];
    }
    if (use === "number" || typed.has(name)) return [];
    return [`column ${shown(name)} is a category of ${describeLevels(byName.get(name)!)}`];
  });
}

export function describeLevels(column: InputColumn): string {
  if (column.as === "number") return column.missing ? "numbers, and whether missing" : "numbers";
  const { levels, other } = column;
  const width = featuresOf(column).length;
  const count = `${levels.length} level${levels.length === 1 ? "" : "s"}`;
  return `${count}${other ? " and other" : ""}, base ${shown(column.base)}, ${width} feature${width === 1 ? "" : "s"}`;
}
