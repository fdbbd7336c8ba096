// Rows as objects: the columns of a training table, or the input columns that a model asks for.

import { MISSING_TOKENS } from "./column-types.ts";
import { type ColumnFacts, NO_LABEL, restClass, type Table } from "./csv.ts";
import { checkRoles } from "./csv-advice.ts";
import { type Cells, MissingTokens, type Texts, withoutBlanks } from "./csv-column.ts";
import { DataError } from "./data-error.ts";
import { checkWeights, type RowWeights, textOfLabel } from "./dataset.ts";
import { numberReader, PLAIN_DIALECT } from "./dialect.ts";
import type { Input, InputColumn } from "./encoding.ts";
import { nearest } from "./nearest.ts";
import { shown } from "./shown.ts";
import {
  datasetOfTable,
  readingOf,
  type TableDataset,
  type TableOptions,
} from "./table-dataset.ts";

/** A value of a row: a number, a text or truth value for a category, or nothing where it is missing. */
export type CellValue = number | string | boolean | null | undefined;

export type RowObject = Readonly<Record<string, CellValue>>;

export interface ObjectOptions extends Omit<TableOptions, "label"> {
  /** Key of the label, where the rows hold it; else the name under which the model keeps it. */
  readonly label?: string;
  /** What to call the dataset. */
  readonly name?: string;
}

const NUMBERS = numberReader(PLAIN_DIALECT);

const OPTIONS: Readonly<Record<keyof ObjectOptions, true>> = {
  label: true,
  name: true,
  positive: true,
  rest: true,
  features: true,
  drop: true,
  numeric: true,
  categorical: true,
  missing: true,
  missingTokens: true,
  base: true,
  maxLevels: true,
  unseen: true,
  weight: true,
};

/**
 * A dataset from rows as objects. Numbers are numbers; texts and truth values are categories; null, undefined and NaN
 * are missing values. Types are told from all rows, as of a file.
 *
 * @param y [n] labels; null when the rows hold them under `options.label`
 * @throws TypeError when rows differ in their keys; CsvError or DataError naming rows and columns
 */
export function datasetFromObjects(
  rows: readonly RowObject[],
  y: ArrayLike<number | boolean | string> | null,
  options: ObjectOptions = {},
): TableDataset {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(OPTIONS, key));
  if (unknown !== undefined) {
    const known = Object.keys(OPTIONS);
    throw new TypeError(
      `Cannot use option "${unknown}"; ${nearest(unknown, known) ?? known.join(", ")} may be meant`,
    );
  }
  const label = options.label ?? "label";
  const header = keysOf(rows);
  if (y !== null && y.length !== rows.length) {
    throw new TypeError(`Cannot read ${rows.length} rows with ${y.length} labels`);
  }
  if (y === null) requireKeys([label], header, "the label");
  else if (options.label !== undefined && header.includes(label)) {
    throw new TypeError(
      `Cannot take labels of their own beside ${shown(label)} in the rows: leave the argument out, or name another label`,
    );
  }
  const given = { ...options, label };
  const reading = readingOf(given);
  const { features, drop, numeric, categorical, weight } = options;
  requireKeys(
    [...(features ?? []), ...(drop ?? []), ...(numeric ?? []), ...(categorical ?? [])],
    header,
  );
  if (weight !== undefined) requireKeys([weight], header, "the weight");
  checkRoles({ ...options, label: y === null ? label : null });
  const wanted = new Set(features ?? header);
  for (const name of [...(drop ?? []), ...(y === null ? [label] : []), weight]) {
    if (name !== undefined) wanted.delete(name);
  }
  const names = header.filter((name) => wanted.has(name));
  if (names.length === 0) throw new TypeError("Cannot read rows as no feature is left");
  const tokens = new MissingTokens(reading.missingTokens, NUMBERS);
  const columns = names.map((name) => {
    const values = rows.map((row) => row[name]);
    if (categorical?.includes(name)) return columnOf(values, name, tokens, "text");
    return columnOf(values, name, tokens, numeric?.includes(name) ? "number" : "any");
  });
  const table: Table = {
    header,
    features: names,
    columns: columns.map(({ cells }) => cells),
    facts: columns.map(({ facts }) => facts),
    ...labelsOf(y ?? rows.map((row) => row[label]), options, tokens, reading.missing === "drop"),
    weights: weight === undefined ? null : weightsOf(rows, weight).values,
    rowCount: rows.length,
    unit: "row",
  };
  return datasetOfTable(table, options.name ?? "objects", given, reading);
}

/**
 * The input columns of a model, from rows as objects; other keys are let be.
 *
 * @param missingTokens texts that stand for a missing value, where the model knows any
 * @throws TypeError for a row without a key that the model needs; DataError for a value of another kind
 */
export function inputsOfObjects(
  columns: readonly InputColumn[],
  rows: readonly RowObject[],
  missingTokens: readonly string[] = MISSING_TOKENS,
): Input[] {
  const tokens = missingTokensOf(missingTokens);
  rows.forEach((row, i) => {
    requireRow(row, i);
    const absent = columns.find(({ name }) => !Object.hasOwn(row, name));
    if (absent !== undefined) {
      throw new TypeError(
        `Cannot read row ${i + 1} as it has no feature ${shown(absent.name)}${absent.missing ? ": give null where a value is missing" : ""}`,
      );
    }
  });
  return columns.map((column) =>
    inputOfValues(
      column,
      rows.map((row) => row[column.name]),
      tokens,
    ),
  );
}

/** Tokens as `inputOfValues` takes them. */
export function missingTokensOf(texts: readonly string[] = MISSING_TOKENS): MissingTokens {
  return new MissingTokens(texts, NUMBERS);
}

/** An input column of a model, from its values row by row. @throws DataError for a value of another kind */
export function inputOfValues(
  column: InputColumn,
  values: readonly unknown[],
  tokens: MissingTokens,
): Input {
  const kind = column.as === "number" ? "number" : "text";
  return { column, cells: columnOf(values, column.name, tokens, kind).cells };
}

function requireRow(row: unknown, i: number): void {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new TypeError(
      `Cannot read row ${i + 1} as rows must all be objects: current value is ${Array.isArray(row) ? "an array" : String(row)}`,
    );
  }
}

/** The keys that every row has, in the order of the first row. */
function keysOf(rows: readonly RowObject[]): string[] {
  if (rows.length === 0) throw new TypeError("Cannot read rows as there are none");
  requireRow(rows[0], 0);
  const keys = Object.keys(rows[0]!);
  const known = new Set(keys);
  rows.forEach((row, i) => {
    requireRow(row, i);
    const unknown = Object.keys(row).find((key) => !known.has(key));
    const absent = keys.find((key) => !Object.hasOwn(row, key));
    if (unknown === undefined && absent === undefined) return;
    const what = absent === undefined ? `has ${shown(unknown!)} besides` : `lacks ${shown(absent)}`;
    throw new TypeError(
      `Cannot read row ${i + 1} as all rows must have the keys of the first one: it ${what}; give null where a value is missing`,
    );
  });
  return keys;
}

function requireKeys(names: readonly string[], header: readonly string[], what?: string): void {
  const unknown = names.find((name) => !header.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot find ${what ?? "column"} ${shown(unknown)} in the rows: their keys are ${header.slice(0, 50).map(shown).join(", ")}`,
    );
  }
}

/** @param kind of values that are taken; `any` takes numbers and texts, and texts that look like numbers are refused */
function columnOf(
  values: readonly unknown[],
  name: string,
  tokens: MissingTokens,
  kind: "number" | "text" | "any",
): { cells: Cells; facts: ColumnFacts } {
  const numbers = new Float64Array(values.length).fill(Number.NaN);
  const codes = new Int32Array(values.length).fill(-1);
  const codeOf = new Map<string, number>();
  const places: number[] = [];
  let numberCount = 0;
  let textCount = 0;
  let missingCount = 0;
  let firstMissing: ColumnFacts["firstMissing"] = null;
  const missingTexts = new Set<string>();
  let firstNumber: ColumnFacts["firstNumber"] = null;
  values.forEach((value, i) => {
    // Most values are numbers that need no further look.
    if (kind === "number" && typeof value === "number" && Number.isFinite(value)) {
      if (tokens.numbers?.has(value) !== true) {
        numbers[i] = value + 0;
        numberCount++;
        return;
      }
    }
    const refuse = (what: string) =>
      new DataError(
        `Cannot read row ${i + 1}, column ${shown(name)} as values must be ${what}: current value is ${typeof value === "string" ? shown(value) : String(value)}`,
      );
    const text = typeof value === "string" ? withoutBlanks(value) : "";
    const isNumber = typeof value === "number";
    const isMissing =
      value === null ||
      value === undefined ||
      Number.isNaN(value) ||
      (typeof value === "string" && tokens.has(text, NUMBERS.ofText(text))) ||
      (isNumber && tokens.numbers?.has(value) === true);
    if (isMissing) {
      missingCount++;
      firstMissing ??= { place: i + 1, text };
      if (text !== "") missingTexts.add(text);
    } else if (isNumber && kind !== "text") {
      if (!Number.isFinite(value)) throw refuse("finite numbers");
      numbers[i] = value + 0;
      numberCount++;
      if (textCount > 0) firstNumber ??= { place: i + 1, text: String(value) };
    } else if (kind === "number") {
      throw refuse("finite numbers");
    } else if (typeof value === "string" || typeof value === "boolean" || isNumber) {
      if (kind === "any" && !Number.isNaN(NUMBERS.ofText(text)) && typeof value === "string") {
        throw refuse(
          "numbers, or texts that are none, unless the column is named in `categorical`",
        );
      }
      const level = typeof value === "string" ? text : String(value);
      let code = codeOf.get(level);
      if (code === undefined) {
        code = codeOf.size;
        codeOf.set(level, code);
        places.push(i + 1);
      }
      codes[i] = code;
      textCount++;
    } else {
      throw refuse("numbers, texts, truth values or null");
    }
  });
  const texts: Texts = { codes, texts: [...codeOf.keys()], places };
  const isOfNumbers = kind === "number" || (kind === "any" && textCount === 0);
  return {
    cells: isOfNumbers ? numbers : texts,
    facts: {
      numberCount,
      textCount,
      missingCount,
      firstMissing,
      missingTexts: [...missingTexts],
      firstNumber,
    },
  };
}

function labelsOf(
  y: ArrayLike<unknown>,
  { positive, rest }: ObjectOptions,
  tokens: MissingTokens,
  allowsMissing: boolean,
): { labelCodes: Uint8Array; labels: string[] } {
  const texts = Array.from(y, (label, i) => {
    const text = typeof label === "string" ? withoutBlanks(label) : String(label ?? "");
    // A class that was named is one, whatever its name.
    const isNamed = rest === true && label === positive;
    const isToken = tokens.texts.has(text) && !isNamed;
    if (text !== "" && !isToken && !Number.isNaN(label)) return textOfLabel(label);
    if (allowsMissing) return null;
    throw new DataError(
      `Cannot read row ${i + 1} as its label is missing: remove such rows, or leave them out with missing: "drop"`,
    );
  });
  const found = [...new Set(texts)].filter((text) => text !== null);
  if (rest !== true && found.length !== 2) {
    throw new DataError(
      `Cannot fit as labels must be of exactly two classes: found ${found.length} (${found.slice(0, 5).map(shown).join(", ")})`,
    );
  }
  if (rest === true && (!found.includes(positive!) || found.length < 2)) {
    throw new DataError(
      `Cannot fit ${shown(positive!)} against the rest: the labels are ${found.slice(0, 5).map(shown).join(", ")}`,
    );
  }
  const labels = rest === true ? [restClass(positive!), positive!] : found;
  const codeOf = (text: string | null) => {
    if (text === null) return NO_LABEL;
    return rest === true ? Number(text === positive) : found.indexOf(text);
  };
  return { labelCodes: Uint8Array.from(texts, codeOf), labels };
}

function weightsOf(rows: readonly RowObject[], name: string): RowWeights {
  const values = Float64Array.from(rows, (row) => {
    const value = row[name];
    return typeof value === "number" ? value + 0 : Number.NaN;
  });
  return checkWeights({ name, values });
}
