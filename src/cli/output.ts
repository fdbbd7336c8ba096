// How a command's answer is printed: one JSON object, Markdown, or text for people.
import { markdownTable } from "../data/markdown.ts";
import { plain, table } from "./charts.ts";
import { UsageError } from "./exit.ts";

export interface FormFlags {
  readonly json?: boolean;
  readonly md?: boolean;
}

export interface TableOf {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How many columns are texts, flush left; by default one. */
  readonly left?: number;
}

export function checkForms({ json, md }: FormFlags): void {
  if (json && md) throw new UsageError("Name one of --json and --md, not both");
}

/** A table for people, or for a pull request. */
export function tableLines({ head, rows, left = 1 }: TableOf, flags: FormFlags): string[] {
  if (flags.md) return markdownTable(head, rows, left);
  return table(
    [head, ...rows].map((row) => row.map((cell) => plain(cell))),
    left,
  );
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const CHUNK = 1000;

/** An object whose last field is a list, however long, of items that are JSON already: written in pieces. */
export function printJsonList(head: object, name: string, items: Iterable<string>): void {
  let text = `${JSON.stringify(head).slice(0, -1)},${JSON.stringify(name)}:[`;
  let count = 0;
  for (const item of items) {
    text += `${count > 0 ? "," : ""}${item}`;
    if (++count % CHUNK !== 0) continue;
    process.stdout.write(text);
    text = "";
  }
  process.stdout.write(`${text}]}\n`);
}

export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.length === 0 ? "" : `${lines.join("\n")}\n`);
}

/** A time as people write it, in UTC. */
export function timeText(ms: number | null): string {
  // What a file says may be no time at all.
  if (ms === null || !(Math.abs(ms) <= 8.64e15)) return "–";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** Milliseconds as people say it. */
export function durationText(ms: number | null): string {
  if (ms === null || ms < 0) return "–";
  if (ms < 1000) return `${ms} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
