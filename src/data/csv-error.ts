// What is wrong with a CSV file, all of it at once, and what would help.
import { DataError, NAME_MAX } from "./dataset.ts";
import { shown } from "./shown.ts";

export type CsvProblemKind =
  | "text"
  | "empty"
  | "non_finite"
  | "too_large"
  | "nul"
  | "carriage_return"
  | "control"
  | "label_empty"
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
}

/** Arguments that would make the file readable. */
export interface CsvFix {
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** The label column that was probably meant. */
  readonly label?: string;
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

/** Most characters of a field. */
export const FIELD_MAX = 1 << 16;

/** Most problems that a message lists; `problems` has them all. */
const LISTED_MAX = 100;

function describe(problem: CsvProblem, width: number): string {
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
    case "label_empty":
      return "the label is empty";
    case "label_too_long":
      return `labels must have at most ${NAME_MAX} characters: ${value}`;
    case "label_unknown":
      return `${value} is not a class of the model`;
    case "ragged":
      return `the row has ${problem.value} fields where the header has ${width}`;
    case "field_too_long":
      return `fields must have at most ${FIELD_MAX} characters: ${value}`;
  }
}

/** One line a problem: column, first line, what it is, how often; in the end how many more there are. */
export function problemLines(problems: readonly CsvProblem[], header: readonly string[]): string[] {
  const lines = problems.slice(0, LISTED_MAX).map((problem) => {
    const where = problem.column === null ? "rows" : `column ${shown(problem.column)}`;
    const often = problem.count === 1 ? "1 row" : `${problem.count} rows, the first`;
    return `  ${where}: ${describe(problem, header.length)} (${often}: line ${problem.line})`;
  });
  const more = problems.length - lines.length;
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
}
