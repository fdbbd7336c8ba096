// What to say when the columns or labels that were asked for are not there, and which choice would work.

import type { CsvSelection } from "./csv.ts";
import { CsvError, type CsvFix, columnList, FIELD_MAX } from "./csv-error.ts";
import { sortLabels } from "./dataset.ts";
import { DIALECT_WORDS, dialectWord, type NumberReader } from "./dialect.ts";
import { CONTROL, isNameTooLong } from "./names.ts";
import { nearest } from "./nearest.ts";
import { shown } from "./shown.ts";

/** What a column might be: its first two values, while it may be a label. */
interface Survey {
  readonly values: Set<string>;
  isLabelLike: boolean;
  isNumeric: boolean;
}

/** Reads on where the label column is missing, to tell which one was meant. */
export class LabelSurvey {
  readonly #selection: CsvSelection;
  readonly #header: readonly string[];
  readonly #numbers: NumberReader;
  readonly #columns: readonly Survey[];
  #isSound = true; // no rows of wrong length, no cells that no choice of columns would cure

  constructor(selection: CsvSelection, header: readonly string[], numbers: NumberReader) {
    this.#selection = selection;
    this.#header = header;
    this.#numbers = numbers;
    this.#columns = header.map(() => ({ values: new Set(), isLabelLike: true, isNumeric: true }));
  }

  lookAt(fields: readonly string[]): void {
    if (fields.length !== this.#columns.length) this.#isSound = false;
    fields.forEach((text, j) => {
      if (text.length > FIELD_MAX || text.includes("\0")) this.#isSound = false;
      const column = this.#columns[j];
      if (column?.isNumeric) column.isNumeric = Number.isFinite(this.#numbers.ofText(text));
      if (!column?.isLabelLike) return;
      if (isNameTooLong(text) || text.trim() === "") column.isLabelLike = false;
      else if (!column.values.has(text)) {
        column.isLabelLike = column.values.size < 2 && !CONTROL.test(text);
        // A copy: the text itself would keep the whole batch alive.
        if (column.isLabelLike) column.values.add(Array.from(text).join(""));
      }
    });
  }

  error(): CsvError {
    const header = this.#header;
    const { features, drop, weight, dialect } = this.#selection;
    const label = this.#selection.label!;
    const taken = new Set([...(features ?? []), ...(drop ?? []), weight]);
    const free = header.filter((name) => header.length > 1 && !taken.has(name));
    const twoValued = header.filter((_, j) => {
      const { isLabelLike, values } = this.#columns[j]!;
      return header.length > 1 && isLabelLike && values.size === 2;
    });
    const usable = new Set(free);
    const labels = twoValued.filter((name) => usable.has(name));
    const found = nearest(label, labels) ?? labels.at(-1);
    // Another of a like name would not do as it is, and is still worth a word.
    const guess = nearest(label, free) ?? found;
    const hint = header.length === 1 ? otherDelimiter(header[0]!, dialect?.delimiter ?? ",") : "";
    const binary =
      twoValued.length > 0
        ? `; with exactly two values: ${twoValued.slice(0, 10).map(shown).join(", ")}${twoValued.length > 10 ? ", …" : ""}`
        : "";
    return new CsvError(
      `Cannot find the label column ${shown(label)}: ${columnList(header)}${binary}${
        guess === undefined ? "" : `; perhaps ${shown(guess)} is meant`
      }${hint}`,
      [],
      guess !== undefined && guess === found ? this.#fixOf(guess) : {},
    );
  }

  /** Where only numbers can be read, the columns that hold none have to be left out, if some are left. */
  #fixOf(label: string): CsvFix {
    if (this.#selection.infer === true) return this.#isSound ? { label } : {};
    const wanted = new Set(this.#selection.features ?? this.#header);
    for (const name of [label, ...(this.#selection.drop ?? [])]) wanted.delete(name);
    const drop = this.#header.filter((name, j) => wanted.has(name) && !this.#columns[j]!.isNumeric);
    if (!this.#isSound || drop.length === wanted.size) return {};
    return drop.length > 0 ? { label, drop } : { label };
  }
}

/** @throws CsvError when one column is said to be two things */
export function checkRoles(
  selection: Pick<
    CsvSelection,
    "label" | "weight" | "features" | "drop" | "numeric" | "categorical"
  >,
): void {
  const { label, features, drop, weight, numeric, categorical } = selection;
  for (const [name, what] of [
    [label, "the label"],
    [weight, "the weight"],
  ] as const) {
    if (typeof name !== "string") continue;
    const isTaken = [features, drop, numeric, categorical].some((names) => names?.includes(name));
    if (isTaken || (what === "the weight" && name === label)) {
      throw new CsvError(
        `Cannot use column ${shown(name)} as a feature or leave it out as it is ${what}`,
      );
    }
  }
  const texts = new Set(categorical);
  const twice = (numeric ?? []).find((name) => texts.has(name));
  if (twice !== undefined) {
    throw new CsvError(`Cannot read column ${shown(twice)} both as numbers and as categories`);
  }
}

export function unknownError(unknown: readonly string[], header: readonly string[]): CsvError {
  const guesses = unknown
    .slice(0, 3)
    .map((name) => nearest(name, header))
    .filter((name) => name !== undefined);
  const hint = guesses.length > 0 ? `; perhaps ${guesses.map(shown).join(", ")} is meant` : "";
  return new CsvError(
    `Cannot find column${unknown.length > 1 ? "s" : ""} ${unknown.map(shown).join(", ")}: ${columnList(header)}${hint}`,
  );
}

/** @param labelsMax how many labels are told apart */
export function classError(
  label: string,
  labels: readonly string[],
  counts: readonly number[],
  labelsMax: number,
): CsvError {
  const found = labels
    .slice(0, 8)
    .map((name, code) => `${shown(name)} (${counts[code]} rows)`)
    .join(", ");
  const more = labels.length > 8 ? ", …" : "";
  const count = labels.length >= labelsMax ? `at least ${labelsMax}` : labels.length;
  const isBlanks = new Set(labels.map((name) => name.trim())).size < labels.length;
  const positive = labels.length > 2 && !isBlanks ? sortLabels(labels).at(-1) : undefined;
  const advice = isBlanks
    ? "\nSome labels differ only by blanks round them, and count as different: take the blanks out"
    : positive === undefined
      ? ""
      : `\nOne class against the rest: --positive ${shown(positive)} --rest, or another label in its place`;
  return new CsvError(
    `Cannot train as label column ${shown(label)} must hold exactly two classes: it holds ${count}: ${found}${more}${advice}`,
    [],
    positive === undefined ? {} : { positive, rest: true },
  );
}

/** A hint for a header that is one field, and would be several with another delimiter. */
export function otherDelimiter(header: string, delimiter: string): string {
  const marks = Object.values(DIALECT_WORDS.delimiter);
  const found = marks.find((mark) => mark !== delimiter && header.includes(mark));
  return found === undefined
    ? ""
    : `; fields must be separated by ${dialectWord("delimiter", delimiter)}s, and this file seems to use ${shown(found)}: say --delimiter ${dialectWord("delimiter", found)}`;
}
