// Which columns a command reads and how, and which choice would work where the one that was made does not.
import { readFileSync } from "node:fs";
import type { MissingPolicy } from "../data/column-types.ts";
import { CsvError, type CsvFix } from "../data/csv-error.ts";
import { DIALECT_WORDS, type DialectKey, dialectWord } from "../data/dialect.ts";
import type { ReadCsvOptions } from "../data/files.ts";
import { UsageError } from "./exit.ts";
import { namesText } from "./options.ts";

/** Flags that choose and read columns, under their names. */
export interface ColumnFlags {
  readonly label?: string | undefined;
  readonly positive?: string | undefined;
  readonly rest?: boolean | undefined;
  readonly features?: readonly string[] | undefined;
  readonly drop?: readonly string[] | undefined;
  readonly numeric?: readonly string[] | undefined;
  readonly categorical?: readonly string[] | undefined;
  readonly types?: string | undefined;
  readonly missing?: MissingPolicy | undefined;
  readonly missingTokens?: readonly string[] | undefined;
  readonly maxLevels?: number | undefined;
  readonly base?: "first" | "most-frequent" | undefined;
  readonly unseen?: "error" | "base" | undefined;
  readonly weight?: string | undefined;
  readonly delimiter?: string | undefined;
  readonly quote?: string | null | undefined;
  readonly decimal?: "." | "," | undefined;
  readonly thousands?: string | null | undefined;
}

/** In the order in which a command line shows them. */
export const COLUMN_FLAGS = [
  "label",
  "positive",
  "rest",
  "features",
  "drop",
  "numeric",
  "categorical",
  "types",
  "missing",
  "missingTokens",
  "maxLevels",
  "base",
  "unseen",
  "weight",
  "delimiter",
  "quote",
  "decimal",
  "thousands",
] as const satisfies readonly (keyof ColumnFlags)[];

/** The column flags among a command's. */
export function columnFlagsOf(flags: ColumnFlags): ColumnFlags {
  return Object.fromEntries(
    COLUMN_FLAGS.filter((key) => flags[key] !== undefined).map((key) => [key, flags[key]]),
  );
}

/** The same as options of the library; a types file adds to the lists. @throws UsageError for such a file */
export function readOptionsOf(flags: ColumnFlags): ReadCsvOptions {
  const { types, label, ...rest } = columnFlagsOf(flags);
  const lists = types === undefined ? {} : typesFile(types);
  const added = (["drop", "numeric", "categorical"] as const).map((key) => {
    const names = [...(rest[key] ?? [])];
    // What the command line says of a column goes before what a file says.
    const said = [rest.drop, rest.numeric, rest.categorical, rest.features].flat();
    const more = (lists[key] ?? []).filter(
      (name) => name !== label && name !== rest.weight && !said.includes(name),
    );
    return [key, [...names, ...more]] as const;
  });
  return {
    ...rest,
    ...Object.fromEntries(added.filter(([, names]) => names.length > 0)),
    label: label!,
  } as ReadCsvOptions;
}

/** An identifier, a constant and a date are left out; what is mixed decides nothing and is told from the cells again. */
const LIST_OF_TYPE: Readonly<Record<string, "drop" | "numeric" | "categorical" | null>> = {
  numeric: "numeric",
  number: "numeric",
  categorical: "categorical",
  category: "categorical",
  boolean: null,
  identifier: "drop",
  constant: "drop",
  date: "drop",
  empty: "drop",
  drop: "drop",
  mixed: null,
};

/** Columns by what a JSON file says of them: {"age": "numeric", "zip": "categorical", "id": "drop"}. */
function typesFile(path: string): Partial<Record<"drop" | "numeric" | "categorical", string[]>> {
  const refuse = (what: string) => new UsageError(`Cannot use the types of ${path}: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const isRecord = (one: unknown): one is Record<string, unknown> =>
    typeof one === "object" && one !== null && !Array.isArray(one);
  // What `raisin inspect --json` prints has them under "types".
  const types = isRecord(value) && isRecord(value.types) ? value.types : value;
  if (!isRecord(types)) throw refuse('it must hold a JSON object such as {"zip": "categorical"}');
  const lists: Record<"drop" | "numeric" | "categorical", string[]> = {
    drop: [],
    numeric: [],
    categorical: [],
  };
  for (const [name, type] of Object.entries(types)) {
    if (typeof type !== "string" || !Object.hasOwn(LIST_OF_TYPE, type)) {
      throw refuse(
        `column ${JSON.stringify(name)} has type ${JSON.stringify(type)}; known are ${Object.keys(LIST_OF_TYPE).join(", ")}`,
      );
    }
    const list = LIST_OF_TYPE[type];
    if (list) lists[list].push(name);
  }
  return lists;
}

/** These flags as the words of a command line. */
export function columnWords(flags: ColumnFlags): string[] {
  return COLUMN_FLAGS.flatMap((key) => {
    const value = flags[key];
    if (value === undefined || value === false) return [];
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) return [flag];
    if (key in DIALECT_WORDS) return [flag, dialectWord(key as DialectKey, value as string | null)];
    return [flag, typeof value === "object" && value !== null ? namesText(value) : String(value)];
  });
}

/** Each proposal takes away what the one before ran into; more than a few in a row are no help. */
const PROPOSALS_MAX = 6;

/** The flags that an error proposes; undefined when it proposes none. */
function proposedBy(error: unknown, flags: ColumnFlags): ColumnFlags | undefined {
  if (!(error instanceof CsvError) || Object.keys(error.fix).length === 0) return undefined;
  const { drop = [], categorical = [], ...fix }: CsvFix = error.fix;
  const without = (names: readonly string[] | undefined, gone: readonly string[]) => {
    const left = names?.filter((name) => !gone.includes(name));
    return left && left.length > 0 ? left : undefined;
  };
  const { features, missingTokens = [] } = flags;
  return {
    ...flags,
    ...fix,
    // Those of the proposal before stay, or two could take turns for ever.
    ...(fix.missingTokens && {
      missingTokens: [...new Set([...missingTokens, ...fix.missingTokens])],
    }),
    features: without(features, drop),
    drop: drop.length > 0 && !features ? [...(flags.drop ?? []), ...drop] : flags.drop,
    numeric: without(flags.numeric, [...drop, ...categorical]),
    categorical: without([...(flags.categorical ?? []), ...categorical], drop),
  };
}

/**
 * The flags with which a file can be read: what the error proposes, tried out, and what comes of that.
 *
 * @param error of reading with `flags`
 * @param read reads the file; rejects when that fails
 * @returns undefined when no proposal works
 */
export async function flagsThatWork(
  flags: ColumnFlags,
  error: unknown,
  read: (flags: ColumnFlags) => Promise<unknown>,
): Promise<ColumnFlags | undefined> {
  let proposed = proposedBy(error, flags);
  for (let tries = 0; proposed !== undefined && tries < PROPOSALS_MAX; tries++) {
    const tried = proposed;
    try {
      await read(tried);
      return tried;
    } catch (next) {
      proposed = proposedBy(next, tried);
    }
  }
  return undefined;
}
