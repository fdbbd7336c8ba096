// Pictures made of characters: bars, a curve, tables.
export { plain } from "../data/shown.ts";

const BLOCKS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `share` (0 to 1) of `width` characters, in eighths. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  return "█".repeat(Math.floor(eighths / 8)) + BLOCKS[eighths % 8]!;
}

export interface Series {
  readonly mark: string;
  /** [x, y] pairs; x ascending. */
  readonly points: readonly (readonly [number, number])[];
}

/** Curves over a common range, later series on top, the range of y beside and the names of the ends of x below. */
export function chart(
  series: readonly Series[],
  width: number,
  height: number,
  ends: readonly [string, string],
): string[] {
  const points = series.flatMap(({ points: some }) => some);
  if (points.length === 0) return [];
  const rangeOf = (place: 0 | 1) => {
    const values = points.map((point) => point[place]);
    return [
      values.reduce((a, b) => Math.min(a, b)),
      values.reduce((a, b) => Math.max(a, b)),
    ] as const;
  };
  const [left, right] = rangeOf(0);
  const [bottom, top] = rangeOf(1);
  const grid = Array.from({ length: height }, () => new Array<string>(width).fill(" "));
  for (const { mark, points: some } of series) {
    for (let column = 0; column < width; column++) {
      const x = left + ((right - left) * column) / Math.max(width - 1, 1);
      const y = valueAt(some, x);
      const row =
        top > bottom ? Math.round(((top - y) / (top - bottom)) * (height - 1)) : height - 1;
      grid[row]![column] = mark;
    }
  }
  const labels = [top.toFixed(4), bottom.toFixed(4)];
  const pad = Math.max(...labels.map((text) => text.length));
  const body = grid.map((row, k) => {
    const label = k === 0 ? labels[0]! : k === height - 1 ? labels[1]! : "";
    return `${label.padStart(pad)} ┤${row.join("").trimEnd()}`;
  });
  const foot = `${" ".repeat(pad)} └${"─".repeat(width)}`;
  const ticks = `${" ".repeat(pad + 2)}${ends[0]}${ends[1].padStart(width - ends[0].length)}`;
  return [...body, foot, ticks];
}

function valueAt(points: readonly (readonly [number, number])[], x: number): number {
  const next = points.findIndex((point) => point[0] >= x);
  if (next <= 0) return points[Math.max(next, 0)]?.[1] ?? points.at(-1)![1];
  const [x0, y0] = points[next - 1]!;
  const [x1, y1] = points[next]!;
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

/** Lines of cells, the first columns, `left` of them, flush left, the others right. */
export function table(rows: readonly (readonly string[])[], left = 1): string[] {
  const widths =
    rows[0]?.map((_, k) => rows.reduce((most, row) => Math.max(most, [...row[k]!].length), 0)) ??
    [];
  return rows.map((row) =>
    row
      .map((cell, k) => (k < left ? cell.padEnd(widths[k]!) : cell.padStart(widths[k]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** A figure for people: six significant digits, or a dash for none. */
export function figure(value: number | null, digits = 6): string {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(3);
  return String(Number(value.toPrecision(digits)));
}
