// Which cells or features are plain numbers? Tests that want numbers say so, and fail where something else came.
import type { Column } from "../../src/core/column.ts";
import type { Cells } from "../../src/data/csv-column.ts";

/** Every value of a feature, `missing` where it has none. */
export function valuesOfFeature(column: Column, missing = Number.NaN): Float64Array {
  if (column instanceof Float64Array) return column;
  return "optional" in column
    ? column.optional.map((value) => (Number.isNaN(value) ? missing : value))
    : Float64Array.from(column.codes, (code) => Number(code === column.code));
}

/** The numbers of a column. @throws for a column of texts, of missing values or of an indicator */
export function numbersOf(column: Cells | Column | undefined): Float64Array {
  if (column instanceof Float64Array) return column;
  throw new Error(`the column is no Float64Array but has ${Object.keys(column ?? {}).join(", ")}`);
}
