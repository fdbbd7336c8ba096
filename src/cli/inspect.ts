// raisin inspect: what a table holds, column by column, and the command that would train on it.
import { MISSING_TOKENS } from "../data/column-types.ts";
import { unknownError } from "../data/csv-advice.ts";
import { sortLabels } from "../data/dataset.ts";
import { describeDialect } from "../data/dialect.ts";
import { type FileTable, readCsv, readTable } from "../data/files.ts";
import { type ColumnSummary, likelyLabel, summariseColumns } from "../data/inspect.ts";
import { withPath } from "../data/table-reader.ts";
import { figure, plain, table as tableOf } from "./charts.ts";
import { type ColumnFlags, columnFlagsOf, flagsThatWork, readOptionsOf } from "./column-flags.ts";
import { EXIT } from "./exit.ts";
import { trainCommand } from "./train.ts";

export interface InspectFlags extends ColumnFlags {
  readonly json?: boolean;
}

const LEVELS_SHOWN = 4;
const LEVEL_WIDTH = 24;

export async function runInspect(
  path: string,
  flags: InspectFlags,
  signal: AbortSignal,
): Promise<number> {
  const { delimiter, quote, decimal, thousands, missingTokens } = flags;
  const dialect = columnFlagsOf({ delimiter, quote, decimal, thousands });
  const table = await readTable(
    path,
    { label: null, infer: true, missingTokens: missingTokens ?? MISSING_TOKENS },
    dialect as Parameters<typeof readTable>[2],
    signal,
  );
  const columns = summariseColumns(table);
  const label = labelOf(path, table, columns, flags.label);
  const command = await suggestion(path, flags, label, signal);
  if (flags.json) {
    const answer = {
      path: table.path,
      file_sha256: table.fileSha256,
      rows: table.rowCount,
      ...describeDialect(table.dialect),
      guesses: table.dialectGuesses,
      columns,
      types: Object.fromEntries(
        columns.filter(({ name }) => name !== label?.name).map(({ name, type }) => [name, type]),
      ),
      label: label?.name ?? null,
      command: command ?? null,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return EXIT.ok;
  }
  process.stdout.write(
    `${[
      ...headLines(table, columns),
      "",
      ...tableLines(columns),
      "",
      ...(command === undefined
        ? ["No command is suggested: name the label column with --label, and see what it says."]
        : [`Train on it with:`, `  ${command}`]),
    ].join("\n")}\n`,
  );
  return EXIT.ok;
}

/** @throws CsvError when there is no such column */
function labelOf(
  path: string,
  table: FileTable,
  columns: readonly ColumnSummary[],
  wanted: string | undefined,
): ColumnSummary | undefined {
  if (wanted === undefined) return likelyLabel(columns);
  const found = columns.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  return withPath(path, () => {
    throw unknownError([wanted], table.header);
  });
}

function headLines(table: FileTable, columns: readonly ColumnSummary[]): string[] {
  const { delimiter, quote, decimal, thousands } = describeDialect(table.dialect);
  const grouping = thousands === "none" ? "" : `, ${thousands} between thousands`;
  return [
    `table     ${plain(table.path)}: ${table.rowCount} rows, ${columns.length} columns`,
    `          file    ${table.fileSha256}`,
    `reading   ${delimiter} between fields, ${quote} quotes, decimal ${decimal}${grouping}`,
    ...table.dialectGuesses.map((guess) => `guess     ${guess}`),
  ];
}

function tableLines(columns: readonly ColumnSummary[]): string[] {
  const rows = columns.map((column) => [
    plain(column.name),
    column.type,
    String(column.missing),
    String(column.distinct),
  ]);
  const lines = tableOf([["column", "type", "missing", "distinct"], ...rows]);
  return lines.map((line, k) => {
    const column = columns[k - 1];
    return `${line}  ${column === undefined ? "range or most frequent levels" : valuesOf(column)}`.trimEnd();
  });
}

function valuesOf(column: ColumnSummary): string {
  const { min, max, levels, distinct, numbers, texts, type } = column;
  if (min !== null && max !== null) return `${figure(min)} … ${figure(max)}`;
  const short = (text: string) =>
    [...text].length > LEVEL_WIDTH ? `${[...text].slice(0, LEVEL_WIDTH).join("")}…` : text;
  const shownLevels = levels
    .slice(0, LEVELS_SHOWN)
    .map(({ level, count }) => `${plain(short(level))} (${count})`);
  const more = distinct > LEVELS_SHOWN ? ", …" : "";
  const mixed = type === "mixed" && numbers > 0 ? `${numbers} numbers and ${texts} texts: ` : "";
  return `${mixed}${shownLevels.join(", ")}${more}`;
}

/** A command that was tried as far as reading goes; undefined when none was found. */
async function suggestion(
  path: string,
  flags: InspectFlags,
  label: ColumnSummary | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (label === undefined) return undefined;
  const { json: _, ...typed } = flags;
  const isRest = label.distinct > 2 && typed.positive === undefined;
  const positive = isRest ? sortLabels(label.levels.map(({ level }) => level)).at(-1) : undefined;
  const first: ColumnFlags = {
    ...columnFlagsOf(typed),
    label: label.name,
    ...(positive !== undefined && { positive, rest: true }),
  };
  const read = (columns: ColumnFlags) => readCsv(path, { ...readOptionsOf(columns), signal });
  try {
    await read(first);
    return trainCommand(path, first, []);
  } catch (error) {
    signal.throwIfAborted();
    const working = await flagsThatWork(first, error, read);
    return working && trainCommand(path, working, []);
  }
}
