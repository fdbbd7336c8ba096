// What is in a table: each column's type, what is missing, how many values differ, their range or most frequent levels.
import { type ColumnType, rangeOf, typeOf } from "./column-types.ts";
import type { Table } from "./csv.ts";
import { countTexts } from "./encoding.ts";
import { compareCodePoints } from "./labels.ts";

export interface ColumnSummary {
  readonly name: string;
  readonly type: ColumnType;
  readonly missing: number;
  /** How many values differ. */
  readonly distinct: number;
  /** Cells that are numbers, and cells that are texts. */
  readonly numbers: number;
  readonly texts: number;
  /** Of the numbers; null for texts. */
  readonly min: number | null;
  readonly max: number | null;
  /** The most frequent texts, at most ten; empty for numbers. */
  readonly levels: readonly { readonly level: string; readonly count: number }[];
}

const LEVELS_SHOWN = 10;

/** Every column of a table that was read with `infer`, in file order. Row order has no influence. */
export function summariseColumns(table: Table): ColumnSummary[] {
  return table.features.map((name, j) => {
    const cells = table.columns[j]!;
    const facts = table.facts[j]!;
    const common = {
      name,
      type: typeOf(name, cells, facts),
      missing: facts.missingCount,
      numbers: facts.numberCount,
      texts: facts.textCount,
    };
    if (cells instanceof Float64Array) {
      const [min, max] = rangeOf(cells);
      const isEmpty = Number.isNaN(min);
      return {
        ...common,
        distinct: distinctCount(cells),
        min: isEmpty ? null : min,
        max: isEmpty ? null : max,
        levels: [],
      };
    }
    const counts = countTexts(cells.codes, cells.texts.length);
    const levels = cells.texts
      .map((level, code) => ({ level, count: counts[code]! }))
      .sort((a, b) => b.count - a.count || compareCodePoints(a.level, b.level));
    return {
      ...common,
      distinct: levels.length,
      min: null,
      max: null,
      levels: levels.slice(0, LEVELS_SHOWN),
    };
  });
}

function distinctCount(cells: Float64Array): number {
  const sorted = cells.slice().sort(); // NaN last
  let count = 0;
  for (let i = 0; i < sorted.length && !Number.isNaN(sorted[i]!); i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) count++;
  }
  return count;
}

const LABEL_NAME =
  /^(?:class|label|target|y|outcome|response|result|diagnosis|churn|survived|income|default|fraud|species|is_\w+|\w*(?:class|label|target|outcome|churn))$/i;

/** More classes than these are hardly a label. */
const CLASSES_MAX = 20;

/**
 * Which column is probably the label: one that is named like one, of two values or else of a few texts; else the last of
 * those with two values, or with a few texts where none has two. Undefined when there is none.
 */
export function likelyLabel(columns: readonly ColumnSummary[]): ColumnSummary | undefined {
  const complete = columns.filter(({ missing }) => missing === 0);
  const binary = complete.filter(({ distinct }) => distinct === 2);
  const few = complete.filter(
    ({ type, distinct }) => type === "categorical" && distinct > 2 && distinct <= CLASSES_MAX,
  );
  const named = (some: readonly ColumnSummary[]) =>
    some.filter(({ name }) => LABEL_NAME.test(name.trim())).at(-1);
  return named(binary) ?? named(few) ?? binary.at(-1) ?? few.at(-1);
}
