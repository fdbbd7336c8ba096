// How a command ends: exit codes, and errors told in one place.
import { ValueRangeError } from "../core/core.ts";
import { DataError } from "../data/data-error.ts";
import { DialectError } from "../data/dialect.ts";
import { RegistryError } from "../miniflow/registry-error.ts";
import { SearchError } from "../miniflow/search.ts";
import { NoModelError } from "../recording/no-model-error.ts";

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  /** A gate refused: `verify` found a difference, `models promote` declined. */
  refused: 3,
  /** `drift --fail` found drift. */
  drift: 4,
  data: 5,
  interrupted: 130,
} as const;

/** A flag or argument that cannot be used. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** An error whose message the command has already completed with what to type. */
export class DataCommandError extends DataError {}

export function exitCodeOf(error: unknown): number {
  const kinds = [UsageError, DialectError, NoModelError, SearchError, RegistryError];
  if (kinds.some((kind) => error instanceof kind)) {
    return EXIT.usage;
  }
  if (error instanceof DataError || error instanceof ValueRangeError) return EXIT.data;
  return EXIT.failure;
}

/** Quotes a word for a POSIX shell where it needs it. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./,:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
