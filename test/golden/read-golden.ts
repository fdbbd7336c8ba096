// How far is a core from the golden files? Their format is told in make-golden.py.
import { fromHex, parseTrueValue, type TrueValue, ulpError } from "../contract/bits.ts";

export interface GoldenTable {
  x: Float64Array;
  truth: TrueValue[];
}

export function readTable({ rows }: { rows: string[] }): GoldenTable {
  return {
    x: Float64Array.from(rows, (row) => fromHex(row.slice(0, 16))),
    truth: rows.map((row) => parseTrueValue(row.slice(17))),
  };
}

/** The largest error in ulps, and where it is. */
export function largestError({ x, truth }: GoldenTable, computed: Float64Array) {
  let largest = { ulps: 0, x: Number.NaN };
  computed.forEach((value, i) => {
    const ulps = ulpError(value, truth[i]!);
    if (!(ulps <= largest.ulps)) largest = { ulps, x: x[i]! };
  });
  return largest;
}
