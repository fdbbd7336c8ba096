// How input columns become features: learned from all rows of a table, kept in the model's spec, applied by one function.
//
//   number                 one feature, the number itself
//   category               one feature a level but the base: 1 where the cell is that level, else 0
//   missing: "indicator"   one feature more, 1 where the cell is missing; a number then stands at its training mean
import type { Column } from "../core/column.ts";
import type { Cells } from "./csv-column.ts";
import { type CsvProblem, problemError } from "./csv-error.ts";
import { DataError } from "./data-error.ts";
import { parseDecimal } from "./decimal.ts";
import { compareCodePoints } from "./labels.ts";
import { cut, shown } from "./shown.ts";

/** An input column that is a feature as it is. */
export interface NumberColumn {
  readonly name: string;
  readonly as: "number";
  /** Present where cells may be missing. */
  readonly missing?: "indicator";
}

export interface CategoryColumn {
  readonly name: string;
  readonly as: "category";
  /** Levels in code point order. */
  readonly levels: readonly string[];
  /** The level without a feature. */
  readonly base: string;
  /** Present where every other text belongs to one more feature. */
  readonly other?: true;
  readonly missing?: "indicator";
  /** Present where a text that is no level counts as the base. */
  readonly unseen?: "base";
}

/** How one input column becomes features. */
export type InputColumn = NumberColumn | CategoryColumn;

/** An input column and its cells, all of one length. */
export interface Input {
  readonly column: InputColumn;
  readonly cells: Cells;
}

export interface EncodingOptions {
  /** Which level has no feature: the first by code point, or the most frequent. */
  readonly base: "first" | "most-frequent";
  /** Most levels a column keeps, the most frequent ones; the rest become "other". Null keeps all. */
  readonly maxLevels: number | null;
  /** What a text that is no level does at prediction. */
  readonly unseen: "error" | "base";
}

export const DEFAULT_ENCODING: EncodingOptions = {
  base: "first",
  maxLevels: null,
  unseen: "error",
};

/** Names of a column's features, in model order. */
export function featuresOf(column: InputColumn): string[] {
  const { name } = column;
  const missing = column.missing ? [`${name} is missing`] : [];
  if (column.as === "number") return [name, ...missing];
  const levels = column.levels.filter((level) => level !== column.base);
  return [
    ...levels.map((level) => `${name}=${level}`),
    ...(column.other ? [`${name} is other`] : []),
    ...missing,
  ];
}

/** Names of all features, in model order. */
export function featureNamesOf(columns: readonly InputColumn[]): string[] {
  return columns.flatMap(featuresOf);
}

/** Whether the column is one feature, its number. */
export function isPlain(column: InputColumn): boolean {
  return column.as === "number" && column.missing === undefined;
}

/** @throws DataError when two features would have one name, or one that of another input column */
export function checkFeatureNames(columns: readonly InputColumn[]): void {
  const origins = new Map<string, string>();
  for (const { name } of columns) origins.set(name, name);
  for (const column of columns) {
    for (const feature of featuresOf(column)) {
      const origin = origins.get(feature);
      if (origin !== undefined && origin !== column.name) {
        throw new DataError(
          `Cannot name the features as columns ${shown(origin)} and ${shown(column.name)} would both give ${shown(feature)}: rename one of them, or leave it out`,
        );
      }
      origins.set(feature, column.name);
    }
  }
}

/** How often each text of a column stands in its rows; [texts] counts. */
export function countTexts(codes: Int32Array, texts: number): Float64Array {
  const counts = new Float64Array(texts);
  for (let i = 0; i < codes.length; i++) if (codes[i]! >= 0) counts[codes[i]!]!++;
  return counts;
}

/** How many of a column's cells are missing. */
export function missingCount(cells: Cells): number {
  let count = 0;
  if (cells instanceof Float64Array)
    for (const value of cells) count += Number(Number.isNaN(value));
  else for (const code of cells.codes) count += Number(code < 0);
  return count;
}

/** How a column of a training table becomes features. Row order has no influence. */
export function learnColumn(
  name: string,
  cells: Cells,
  hasMissing: boolean,
  options: EncodingOptions,
): InputColumn {
  const missing = hasMissing && ({ missing: "indicator" } as const);
  if (cells instanceof Float64Array) return { name, as: "number", ...missing };
  const counts = countTexts(cells.codes, cells.texts.length);
  const found = cells.texts
    .map((text, code) => ({ text, count: counts[code]! }))
    .filter(({ count }) => count > 0);
  const byCount = (a: (typeof found)[number], b: (typeof found)[number]) =>
    b.count - a.count || compareCodePoints(a.text, b.text);
  const { maxLevels } = options;
  const hasOther = maxLevels !== null && found.length > maxLevels;
  const kept = hasOther ? found.sort(byCount).slice(0, maxLevels) : found;
  const levels = kept.map(({ text }) => text).sort(compareCodePoints);
  const base = options.base === "first" ? levels[0]! : kept.sort(byCount)[0]!.text;
  return {
    name,
    as: "category",
    levels,
    base,
    ...(hasOther && { other: true as const }),
    ...missing,
    ...(options.unseen === "base" && { unseen: "base" as const }),
  };
}

/** What an encoding gives. */
export interface Encoded {
  /** [d] features of n rows, in model order. */
  readonly columns: readonly Column[];
  /** Cells that the encoding does not take; `columns` are of no use when there are some. */
  readonly problems: readonly CsvProblem[];
  /** Cells whose text is no level and that count as the base. */
  readonly unseen: number;
}

/**
 * The features of some rows: the one way from input columns to what a model reads.
 *
 * @param unseen overrides what the columns say of texts that are no level
 */
export function encode(inputs: readonly Input[], unseen?: "error" | "base"): Encoded {
  const columns: Column[] = [];
  const problems: CsvProblem[] = [];
  let unseenCount = 0;
  for (const { column, cells } of inputs) {
    if (column.as === "number") {
      columns.push(...encodeNumbers(column, cells, problems));
    } else {
      const lookup = lookUp(column, cells, unseen ?? column.unseen ?? "error", problems);
      unseenCount += lookup.unseen;
      for (let code = 0; code < lookup.features; code++)
        columns.push({ codes: lookup.codes, code });
    }
  }
  return { columns, problems, unseen: unseenCount };
}

/**
 * The same, where a problem is an error.
 *
 * @param about `width`: fields of a row; `unit`: what the places of texts are
 * @throws CsvError naming every column and cell that the encoding does not take, and the levels that it knows
 */
export function encodeOrThrow(
  inputs: readonly Input[],
  about: { width: number; unit: "line" | "row" },
  unseen?: "error" | "base",
): Encoded {
  const encoded = encode(inputs, unseen);
  const { problems } = encoded;
  if (problems.length === 0) return encoded;
  const bad = new Set(problems.map(({ column }) => column));
  const more = inputs.flatMap(({ column }) =>
    column.as === "category" && bad.has(column.name) ? [knownLevels(column)] : [],
  );
  if (problems.some(({ kind }) => kind === "level_unknown")) {
    more.push(
      "--unseen base takes levels that the model has not learned as the base, and counts them",
    );
  }
  throw problemError(problems, { ...about, more });
}

const SHOWN_LEVELS = 20;

function knownLevels({ name, levels }: CategoryColumn): string {
  const some = levels.slice(0, SHOWN_LEVELS).map(shown).join(", ");
  const rest = levels.length - SHOWN_LEVELS;
  return `The levels of column ${shown(name)} are ${some}${rest > 0 ? ` and ${rest} more` : ""}`;
}

function encodeNumbers(column: NumberColumn, cells: Cells, problems: CsvProblem[]): Column[] {
  if (!(cells instanceof Float64Array)) {
    cells.texts.forEach((text, k) => {
      problems.push(problemOf("text", column.name, cells.places[k]!, text, 1));
    });
    return [];
  }
  if (column.missing === undefined) {
    // Who reads a table for this column refuses missing cells with their line; rows of other origin end here.
    const row = firstMissing(cells);
    if (row >= 0) {
      problems.push(problemOf("empty", column.name, row + 1, "", missingCount(cells)));
    }
    return [cells];
  }
  const isMissing = new Uint8Array(cells.length);
  for (let i = 0; i < cells.length; i++) if (Number.isNaN(cells[i]!)) isMissing[i] = 1;
  return [{ optional: cells }, { codes: isMissing, code: 1 }];
}

function firstMissing(cells: Float64Array): number {
  for (let i = 0; i < cells.length; i++) if (Number.isNaN(cells[i]!)) return i;
  return -1;
}

/** The feature that each row of a category switches on, -1 for the base, and what is wrong with the others. */
function lookUp(
  column: CategoryColumn,
  cells: Cells,
  unseen: "error" | "base",
  problems: CsvProblem[],
): { codes: Int32Array; features: number; unseen: number } {
  const { name, levels, base } = column;
  if (cells instanceof Float64Array) {
    problems.push(problemOf("number_for_level", name, 1, String(cells[0]), cells.length));
    return { codes: new Int32Array(cells.length), features: 0, unseen: 0 };
  }
  const features = featuresOf(column).length;
  const codeOfMissing = column.missing ? features - 1 : -1;
  const other = column.other ? levels.length - 1 : -1;
  const place = new Map<string, number>();
  for (const level of levels) if (level !== base) place.set(level, place.size);
  place.set(base, -1);
  const isKnown = cells.texts.map((text) => place.has(text));
  const lookup = Int32Array.from(cells.texts, (text) => place.get(text) ?? other);
  const codes = new Int32Array(cells.codes.length);
  let missing = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = cells.codes[i]!;
    if (code >= 0) codes[i] = lookup[code]!;
    else {
      codes[i] = codeOfMissing;
      missing++;
    }
  }
  if (missing > 0 && !column.missing) {
    problems.push(problemOf("empty", name, cells.codes.indexOf(-1) + 1, "", missing));
  }
  let unseenCount = 0;
  if (!column.other && isKnown.includes(false)) {
    const counts = countTexts(cells.codes, cells.texts.length);
    cells.texts.forEach((text, k) => {
      if (isKnown[k] || counts[k] === 0) return;
      if (unseen === "base") unseenCount += counts[k]!;
      else {
        const isOdd = Number.isFinite(parseDecimal(text)) && !levels.some(isNumeral);
        const kind = isOdd ? "number_for_level" : "level_unknown";
        problems.push(problemOf(kind, name, cells.places[k]!, text, counts[k]!));
      }
    });
  }
  return { codes, features, unseen: unseenCount };
}

const isNumeral = (text: string) => Number.isFinite(parseDecimal(text));

function problemOf(
  kind: CsvProblem["kind"],
  column: string,
  line: number,
  value: string,
  count: number,
): CsvProblem {
  return { kind, column, line, value: cut(value), count };
}
