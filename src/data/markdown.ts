// Markdown of values from outside, in tables that read well as plain text, too.
import { cut } from "./shown.ts";

/** Words that Markdown does not take for its own marks. */
export function markdownText(words: string): string {
  return words.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, " ").replace(/[\\`*_[\]<>#|~]/g, "\\$&");
}

/** @param left how many columns are flush left; figures, behind them, are flush right */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  left = 1,
): string[] {
  const cells = [head, ...rows].map((row) => row.map((cell) => markdownText(cut(cell))));
  const widths = head.map((_, k) => Math.max(3, ...cells.map((row) => Array.from(row[k]!).length)));
  const pad = (cell: string, k: number) => {
    const blanks = " ".repeat(widths[k]! - Array.from(cell).length);
    return k < left ? cell + blanks : blanks + cell;
  };
  const line = (row: readonly string[]) => `| ${row.map(pad).join(" | ")} |`;
  const rule = widths.map((width, k) =>
    k < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(cells[0]!), `| ${rule.join(" | ")} |`, ...cells.slice(1).map(line)];
}
