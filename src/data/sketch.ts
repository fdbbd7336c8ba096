// A few kilobytes of a dataset, whatever its size, by which a later reader can tell what differs from it: which rows are
// others, how many are missing or stand twice, in which columns cells changed. It shows no value of any row.
//
// Design:
// - An invertible Bloom lookup table (Goodrich and Mitzenmacher, 2011) of row digests. Each digest is added to one cell of
//   each of three subtables; the tables of two datasets are subtracted, and what they share is gone. A cell that one row
//   alone is left in names it; taking that row out of its other cells uncovers others, until none is left.
// - Sums, not exclusive ors, so that a row that stands twice is a difference like any other.
// - A column's cells are hashed and the hashes added, so that any row order gives the same.
// - It explains a difference. That there is none is what the content digest says, not this.
import type { Texts } from "./csv-column.ts";
import { type Dataset, inputsOf } from "./dataset.ts";
import { DIGEST_BYTES } from "./sha256.ts";

const SUBTABLES = 3;
const CELLS = 40; // a subtable; together they tell 60 differences apart almost always, and 100 hardly ever
const PART_BYTES = 3; // of a digest, for each subtable: sums of 2^29 rows stay exact

/** What is kept of the rows that fell into a cell: how many, the sums of their three parts, and of a check of these. */
type Cell = [count: number, a: number, b: number, c: number, check: number];

/** The sketch of a dataset, as JSON holds it. */
export interface RowSketch {
  readonly format: 1;
  readonly rows: number;
  /** Of each input column, the label and the weight: sums of their cells' hashes, 16 hex digits. */
  readonly columns: Readonly<Record<string, string>>;
  readonly label: string;
  readonly weight: string | null;
  /** [120] cells, subtable by subtable. */
  readonly cells: readonly (readonly number[])[];
}

/** Rows that are alike, and are here more often than they were recorded. */
export interface LikeRows {
  /** All of them, from 0. */
  readonly rows: readonly number[];
  /** How many of them are too many. */
  readonly surplus: number;
}

/** What a dataset has that another had not, as far as a sketch can tell. */
export interface RowDifferences {
  /** In the order of their first rows. */
  readonly added: readonly LikeRows[];
  /** How many rows of the recorded data are not here. */
  readonly missing: number;
  /** False when there are so many differences that not all could be told apart. */
  readonly isComplete: boolean;
  /** Columns whose cells differ. */
  readonly columns: readonly string[];
}

/** @param digests [n · 32] of the rows; of rows and weights, where there are weights (`weighedDigests`) */
export function sketchOf(dataset: Dataset, digests: Uint8Array): RowSketch {
  const { classes, y, weights, rowCount } = dataset;
  return {
    format: 1,
    rows: rowCount,
    columns: Object.fromEntries(
      inputsOf(dataset).map(({ column, cells }) => [column.name, hashOfCells(cells)]),
    ),
    label: hashOfCells({ codes: Int32Array.from(y), texts: classes }),
    weight: weights ? hashOfCells(weights.values) : null,
    cells: tableOf(digests),
  };
}

function tableOf(digests: Uint8Array): Cell[] {
  const [fields, rows] = [5, digests.length / DIGEST_BYTES];
  const flat = new Float64Array(SUBTABLES * CELLS * fields);
  for (let row = 0; row < rows; row++) {
    const at = row * DIGEST_BYTES;
    const a = partAt(digests, at);
    const b = partAt(digests, at + PART_BYTES);
    const c = partAt(digests, at + 2 * PART_BYTES);
    const check = checkOf(a, b, c);
    for (let k = 0; k < SUBTABLES; k++) {
      const part = k === 0 ? a : k === 1 ? b : c;
      const cell = (k * CELLS + (part % CELLS)) * fields;
      flat[cell]! += 1;
      flat[cell + 1]! += a;
      flat[cell + 2]! += b;
      flat[cell + 3]! += c;
      flat[cell + 4]! += check;
    }
  }
  return Array.from({ length: SUBTABLES * CELLS }, (_, k) => [
    ...flat.subarray(k * fields, (k + 1) * fields),
  ]) as Cell[];
}

function partAt(digests: Uint8Array, at: number): number {
  return (digests[at]! << 16) | (digests[at + 1]! << 8) | digests[at + 2]!;
}

type Key = readonly [number, number, number];

function keyOf(digests: Uint8Array, row: number): Key {
  const at = row * DIGEST_BYTES;
  return [
    partAt(digests, at),
    partAt(digests, at + PART_BYTES),
    partAt(digests, at + 2 * PART_BYTES),
  ];
}

function addTo(table: Cell[], key: Key, times: number): void {
  const check = checkOf(...key);
  for (let k = 0; k < SUBTABLES; k++) {
    const cell = table[k * CELLS + (key[k]! % CELLS)]!;
    cell[0] += times;
    cell[1] += times * key[0];
    cell[2] += times * key[1];
    cell[3] += times * key[2];
    cell[4] += times * check;
  }
}

/** 24 bits that the sum of several keys has only by chance. */
function checkOf(a: number, b: number, c: number): number {
  return mix(mix(mix(a) ^ b) ^ c) >>> 8;
}

/** Spreads 32 bits (the finaliser of MurmurHash3). */
function mix(bits: number): number {
  let h = bits ^ (bits >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A sketch as JSON has it; undefined for what is none, as of another format. */
export function parseSketch(value: unknown): RowSketch | undefined {
  const { format, rows, columns, label, weight, cells } = (value ?? {}) as Partial<RowSketch>;
  const isHash = (hash: unknown) => typeof hash === "string" && /^[0-9a-f]{16}$/.test(hash);
  const isWhole =
    format === 1 &&
    Number.isSafeInteger(rows) &&
    typeof columns === "object" &&
    columns !== null &&
    Object.values(columns).every(isHash) &&
    isHash(label) &&
    (weight === null || isHash(weight)) &&
    Array.isArray(cells) &&
    cells.length === SUBTABLES * CELLS &&
    cells.every(
      (cell: unknown) =>
        Array.isArray(cell) && cell.length === 5 && cell.every(Number.isSafeInteger),
    );
  return isWhole ? (value as RowSketch) : undefined;
}

/** @param recorded of the data as they were @param digests as for `sketchOf` */
export function compareToSketch(
  recorded: RowSketch,
  dataset: Dataset,
  digests: Uint8Array,
): RowDifferences {
  const { columns, label, weight, cells } = sketchOf(dataset, digests);
  const table = cells.map((cell, k) =>
    cell.map((sum, part) => sum - recorded.cells[k]![part]!),
  ) as Cell[];
  const surplus = new Map<string, number>();
  let missing = 0;
  // A sketch that somebody made up could give rows for ever.
  for (let turns = 0; turns < 10 * table.length; turns++) {
    const found = pureCell(table);
    if (found === undefined) break;
    const { key, count } = found;
    addTo(table, key, -count);
    if (count > 0) surplus.set(key.join(), count);
    else missing -= count;
  }
  const likes = new Map([...surplus.keys()].map((key) => [key, [] as number[]]));
  for (let row = 0; row < dataset.rowCount && likes.size > 0; row++) {
    likes.get(keyOf(digests, row).join())?.push(row);
  }
  const added = [...likes]
    .filter(([, rows]) => rows.length > 0)
    .map(([key, rows]) => ({ rows, surplus: Math.min(surplus.get(key)!, rows.length) }))
    .sort((a, b) => a.rows[0]! - b.rows[0]!);
  const differing = Object.keys(columns).filter((name) => columns[name] !== recorded.columns[name]);
  if (label !== recorded.label) differing.push(dataset.label);
  if (weight !== recorded.weight && dataset.weights) differing.push(dataset.weights.name);
  const isComplete =
    added.length === surplus.size && table.every((cell) => cell.every((sum) => sum === 0));
  return { added, missing, isComplete, columns: differing };
}

/** A row that is alone in one of its cells, and how often it is there: below 0 where it is missing. */
function pureCell(table: readonly Cell[]): { key: Key; count: number } | undefined {
  for (const [k, [count, a, b, c, check]] of table.entries()) {
    if (count === 0) continue;
    const key = [a / count, b / count, c / count] as const;
    const place = Math.floor(k / CELLS);
    const isKey = key.every((part) => Number.isInteger(part) && part >= 0 && part < 2 ** 24);
    if (isKey && key[place]! % CELLS === k % CELLS && checkOf(...key) * count === check) {
      return { key, count };
    }
  }
  return undefined;
}

/** Of a column, whatever the order of its rows: two sums of 32 bits, 16 hex digits. */
export function hashOfCells(cells: Float64Array | Pick<Texts, "codes" | "texts">): string {
  let [sum, otherSum] = [0, 0];
  const add = (low: number, high: number) => {
    sum = (sum + mix(mix(low) ^ high)) | 0;
    otherSum = (otherSum + mix(mix(high ^ 0x9e3779b9) ^ low)) | 0;
  };
  if (cells instanceof Float64Array) {
    const value = new Float64Array(1);
    const bits = new Int32Array(value.buffer);
    const isLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    const [low, high] = isLittle ? [0, 1] : [1, 0];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i]!;
      // A missing value by one pattern, and -0 as 0.
      value[0] = Number.isNaN(cell) ? Number.NEGATIVE_INFINITY : cell + 0;
      add(bits[low]!, bits[high]!);
    }
  } else {
    const hashes = cells.texts.map(hashOfText);
    for (const code of cells.codes) {
      const hash = hashes[code] ?? [-1, -1];
      add(hash[0], hash[1]);
    }
  }
  return [sum, otherSum].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}

function hashOfText(text: string): [number, number] {
  let [low, high] = [0x12345, 0x6789a];
  for (let k = 0; k < text.length; k++) {
    low = mix(low ^ text.charCodeAt(k));
    high = mix(high + text.charCodeAt(k) + k);
  }
  return [low, high];
}
