// What is wrong with a CSV file, all of it at once, and what would help.
import { DataError } from "./data-error.ts";
import type { Dialect } from "./dialect.ts";
import { NAME_MAX } from "./names.ts";
import { shown } from "./shown.ts";

export type CsvProblemKind =
  | "text"
  | "empty"
  | "non_finite"
  | "too_large"
  | "nul"
  | "carriage_return"
  | "control"
  | "missing"
  | "mixed"
  | "number_format"
  | "date"
  | "unit"
  | "empty_column"
  | "one_level"
  | "too_many_levels"
  | "level_too_long"
  | "negative"
  | "level_unknown"
  | "number_for_level"
  | "label_empty"
  | "label_missing"
  | "label_too_long"
  | "label_unknown"
  | "ragged"
  | "field_too_long";

/** One kind of problem in one column, or in rows as a whole. */
export interface CsvProblem {
  readonly kind: CsvProblemKind;
  /** Header of the column; null for a problem of whole rows. */
  readonly column: string | null;
  /** Line of the first one, from 1. */
  readonly line: number;
  /** What stands there, cut at 64 characters. */
  readonly value: string;
  /** How many rows have it. */
  count: number;
  /** What is wrong, in words that `kind` and `value` alone do not give. */
  readonly detail?: string;
}

/** Arguments that would make the file readable. */
export interface CsvFix {
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** The label column that was probably meant. */
  readonly label?: string;
  /** The class to set against the rest. */
  readonly positive?: string;
  readonly rest?: true;
  readonly categorical?: readonly string[];
  readonly missing?: "indicator" | "drop";
  readonly missingTokens?: readonly string[];
  readonly decimal?: Dialect["decimal"];
  readonly thousands?: Dialect["thousands"];
  readonly maxLevels?: number;
  readonly unseen?: "base";
}

export class CsvError extends DataError {
  override readonly name: string = "CsvError";
  readonly problems: readonly CsvProblem[];
  readonly fix: CsvFix;

  constructor(message: string, problems: readonly CsvProblem[] = [], fix: CsvFix = {}) {
    super(message);
    this.problems = problems;
    this.fix = fix;
  }
}

/** A file that cannot be opened or read at all, whatever is in it. */
export class FileError extends CsvError {
  override readonly name: string = "FileError";
}

/** Most characters of a field. */
export const FIELD_MAX = 1 << 16;

/** Most characters of a level; with the column's name it names a feature. */
export const LEVEL_MAX = 512;

/** Most problems that a message lists; `problems` has them all. */
const LISTED_MAX = 100;

/** What is wrong, without where it is. @param width fields of the header */
export function describeProblem(problem: CsvProblem, width: number): string {
  if (problem.detail !== undefined) return problem.detail;
  const value = shown(problem.value);
  switch (problem.kind) {
    case "text":
      return `${value} is not a decimal number`;
    case "empty":
      return "the field is empty";
    case "non_finite":
      return `${value} is not a finite number`;
    case "too_large":
      return `${value} is beyond the largest f64`;
    case "nul":
      return `${value} holds a NUL byte`;
    case "carriage_return":
      return `${value} holds a carriage return; end lines with LF or CRLF`;
    case "control":
      return `${value} holds a control character`;
    case "missing":
      return `${value} stands for a missing value`;
    case "level_too_long":
      return `levels must have at most ${LEVEL_MAX} characters: ${value}`;
    case "negative":
      return `weights must not be negative: ${value}`;
    case "level_unknown":
      return `the model has not learned the level ${value}`;
    case "number_for_level":
      return `the number ${problem.value} stands where the model has learned categories`;
    case "label_empty":
      return "the label is empty; remove such rows, or leave them out with --missing drop";
    case "label_missing":
      return `${value} stands for a missing label; leave such rows out with --missing drop, or name other --missing-tokens`;
    case "label_too_long":
      return `labels must have at most ${NAME_MAX} characters: ${value}`;
    case "label_unknown":
      return `${value} is not a class of the model`;
    case "ragged":
      return `the row has ${problem.value} fields where the header has ${width}`;
    case "field_too_long":
      return `fields must have at most ${FIELD_MAX} characters: ${value}`;
    default:
      return value;
  }
}

/** One line a problem: column, first line, what it is, how often; in the end how many more there are. */
function problemLines(problems: readonly CsvProblem[], width: number, unit: string): string[] {
  const lines = problems.slice(0, LISTED_MAX).map((problem) => {
    const where = problem.column === null ? "rows" : `column ${shown(problem.column)}`;
    const often = problem.count === 1 ? "1 row" : `${problem.count} rows, the first`;
    return `  ${where}: ${describeProblem(problem, width)} (${often}: ${unit} ${problem.line})`;
  });
  const more = problems.length - lines.length;
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
}

/** One error of all problems. @param about `width`: fields of the header; `unit`: what places are; `more`: lines below */
export function problemError(
  problems: readonly CsvProblem[],
  about: { width: number; unit?: "line" | "row"; more?: readonly string[] },
  fix: CsvFix = {},
): CsvError {
  const { width, unit = "line", more = [] } = about;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new CsvError(
    [`Cannot read the table, ${count}:`, ...problemLines(problems, width, unit), ...more].join(
      "\n",
    ),
    problems,
    fix,
  );
}

/** Problems of cells that need not be numbers when their column is left out. */
export const CURED_BY_DROP: readonly CsvProblemKind[] = [
  "text",
  "empty",
  "non_finite",
  "too_large",
];

/** The columns of a table, for a message. */
export function columnList(header: readonly string[]): string {
  const names = header.slice(0, 50).map(shown).join(", ");
  return `the columns are ${names}${header.length > 50 ? `, … (${header.length})` : ""}`;
}
