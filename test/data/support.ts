// What the tests of `data` share: a seed that can be chosen, random numbers, and reading a table in given chunks.
import fc from "fast-check";
import { CsvReader, type CsvSelection, type Table } from "../../src/data/csv.ts";
import { CsvError } from "../../src/data/csv-error.ts";

/** Another seed gives other data: RAISIN_TEST_SEED=7 npx vitest run test/data. */
export const SEED = Number(process.env.RAISIN_TEST_SEED ?? 850);

/** Checks a property; a failure prints the seed and the smallest counterexample. */
export function check<T>(property: fc.IProperty<T>, numRuns: number): void {
  fc.assert(property, { seed: SEED, numRuns });
}

/** Random numbers in [0, 1) that a seed determines (mulberry32). */
export function createRandom(seed: number = SEED): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

export const toBytes = (input: string | Uint8Array): Uint8Array =>
  typeof input === "string" ? new TextEncoder().encode(input) : input;

/** Text and single bytes, one after the other. */
export function bytesOf(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...toBytes(part as string)]));
}

/** Reads a table in chunks: all of one size, or of the sizes given in turn. */
export function readTableOf(
  input: string | Uint8Array,
  selection: CsvSelection = { label: "Class" },
  sizes: number | readonly number[] = Number.POSITIVE_INFINITY,
): Table {
  const reader = new CsvReader(selection);
  const bytes = toBytes(input);
  const turns = typeof sizes === "number" ? [sizes] : sizes;
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = turns[turn % turns.length]!;
    // A copy, overwritten afterwards: a reader must not rely on a chunk that it has taken.
    const chunk = Uint8Array.from(bytes.subarray(at, at + size));
    reader.push(chunk);
    chunk.fill(0x22);
    at += size;
  }
  return reader.end();
}

/** The error of a table that cannot be read. */
export function errorOf(
  input: string | Uint8Array,
  selection?: CsvSelection,
  sizes?: number | readonly number[],
): CsvError {
  try {
    readTableOf(input, selection, sizes);
  } catch (error) {
    if (error instanceof CsvError) return error;
    throw error;
  }
  throw new Error("the table was read, where an error was expected");
}

export const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
