// What is a feature read from: numbers, numbers of which some are missing, or one category of coded text?
//
// Design: a loop for each kind, with and without an index, so that nothing is asked once a value but whether it is
// finite: wide tables are mostly indicators.

/** Numbers of which some are missing: NaN where they are. */
export interface OptionalNumbers {
  readonly optional: Float64Array;
}

/** 1 where codes[i] === code, else 0. Codes are whole numbers from -1. */
export interface Indicator {
  readonly codes: Int32Array | Uint8Array;
  readonly code: number;
}

/** What a feature is read from. A plain Float64Array holds finite numbers only. */
export type Column = Float64Array | OptionalNumbers | Indicator;

export function columnLength(column: Column): number {
  if (column instanceof Float64Array) return column.length;
  return "optional" in column ? column.optional.length : column.codes.length;
}

/** The rows [from, from + n) of some columns: views, no copies. Indicators of one category go on sharing their codes. */
export function sliceColumns(columns: readonly Column[], from: number, n: number): Column[] {
  let codes: Indicator["codes"] | undefined;
  let slice: Indicator["codes"] = new Int32Array(0);
  return columns.map((column) => {
    if (column instanceof Float64Array) return column.subarray(from, from + n);
    if ("optional" in column) return { optional: column.optional.subarray(from, from + n) };
    if (column.codes !== codes) {
      codes = column.codes;
      slice = codes.subarray(from, from + n);
    }
    return { codes: slice, code: column.code };
  });
}

/**
 * Writes the chosen rows of a column of numbers.
 *
 * @param index which rows; all when absent
 * @param missing what stands for a missing value
 * @param into as many values as rows are chosen
 * @throws RangeError when a value is neither finite nor missing, or there is no such row
 */
export function gather(
  column: Float64Array | OptionalNumbers,
  index: Uint32Array | undefined,
  missing: number,
  into: Float64Array,
): void {
  if (column instanceof Float64Array) gatherNumbers(column, index, undefined, into);
  else gatherNumbers(column.optional, index, missing, into);
}

/** The same without the missing values. @returns how many there are; what stands behind them in `into` means nothing */
export function gatherPresent(
  column: Float64Array | OptionalNumbers,
  index: Uint32Array | undefined,
  into: Float64Array,
): number {
  gather(column, index, Number.NaN, into);
  if (!("optional" in column)) return into.length;
  let n = 0;
  for (let i = 0; i < into.length; i++) {
    const value = into[i]!;
    if (!Number.isNaN(value)) into[n++] = value;
  }
  return n;
}

function gatherNumbers(
  values: Float64Array,
  index: Uint32Array | undefined,
  missing: number | undefined,
  into: Float64Array,
): void {
  if (index) {
    for (let i = 0; i < index.length; i++) {
      const value = values[index[i]!];
      into[i] = Number.isFinite(value) ? value! : standIn(value, missing);
    }
  } else {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      into[i] = Number.isFinite(value) ? value : standIn(value, missing);
    }
  }
}

/** @param missing what stands for NaN, if anything does */
function standIn(value: number | undefined, missing: number | undefined): number {
  if (missing !== undefined && Number.isNaN(value)) return missing;
  throw new RangeError(`Cannot pass ${value} to the core: values must be finite`);
}

/** How often each code stands in the chosen rows, at place code + 1. @throws RangeError when there is no such row */
export function countCodes(codes: Indicator["codes"], index: Uint32Array | undefined): Uint32Array {
  let counts = new Uint32Array(64);
  const count = (code: number) => {
    if (code + 1 >= counts.length) {
      const more = new Uint32Array(2 * (code + 1));
      more.set(counts);
      counts = more;
    }
    counts[code + 1]!++;
  };
  if (index) {
    for (let i = 0; i < index.length; i++) {
      const code = codes[index[i]!];
      if (code === undefined) throw noRow(index[i]!, codes.length);
      count(code);
    }
  } else {
    for (let i = 0; i < codes.length; i++) count(codes[i]!);
  }
  return counts;
}

/** Copies the codes of the chosen rows. @throws RangeError when there is no such row */
export function gatherCodes(
  codes: Indicator["codes"],
  index: Uint32Array | undefined,
  into: Int32Array,
): void {
  if (index) {
    for (let i = 0; i < index.length; i++) {
      const code = codes[index[i]!];
      if (code === undefined) throw noRow(index[i]!, codes.length);
      into[i] = code;
    }
  } else {
    into.set(codes);
  }
}

function noRow(row: number, length: number): RangeError {
  return new RangeError(`Cannot take row ${row + 1} of ${length}`);
}
