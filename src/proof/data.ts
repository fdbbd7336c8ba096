// Is a table the data of a recorded training? If not, what differs: columns, rows, cells; or is it something else altogether?
import { FileError } from "../data/csv-error.ts";
import { DataError } from "../data/data-error.ts";
import { contentDigest, digestRows, weighedDigests } from "../data/digest.ts";
import type { BlockHasher } from "../data/sha256.ts";
import { shown } from "../data/shown.ts";
import { compareToSketch, hashOfCells, type LikeRows, type RowSketch } from "../data/sketch.ts";
import type { TableDataset } from "../data/table-dataset.ts";
import {
  HeaderReader,
  type ReadTable,
  TableReader,
  trainingDataset,
  trainingReader,
} from "../data/table-reader.ts";
import type { RecordedReading } from "./record.ts";

/** A table that can be read more than once. */
export interface TableSource {
  /** What to call it in a message. */
  readonly name: string;
  /** Gives its bytes, in order; a chunk belongs to whoever gets it. Ends early when `use` returns false. */
  read(use: (chunk: Uint8Array) => boolean): Promise<void>;
}

/** What is known of the data that a table should be. */
export interface RecordedData {
  readonly reading: RecordedReading;
  readonly contentDigest: string;
  readonly sketch: RowSketch | null;
}

/** A dataset with its digests (N10). */
export type ProvenDataset = TableDataset & {
  readonly rowDigests: Uint8Array;
  readonly contentDigest: string;
};

/** The recorded data, or how the table differs from them. */
export type DataVerdict =
  | { readonly dataset: ProvenDataset; readonly difference: null }
  | { readonly dataset: null; readonly difference: string };

/** A table that is not the recorded data in any state: not text, empty, or of other columns. */
export class OtherDataError extends DataError {
  override readonly name: string = "OtherDataError";
}

/** Most readings of a table to find out which of its columns were renamed, where no sketch tells. */
const READINGS_MAX = 16;
/** Most rows or columns that a verdict names. */
const NAMED_MAX = 8;

/**
 * Reads a table as a recorded training did, and compares it with what that recorded.
 *
 * @param hasher of the package's own core; portable SHA-256 when absent
 * @throws OtherDataError; FileError for a file that cannot be read
 */
export async function readRecordedData(
  source: TableSource,
  recorded: RecordedData,
  hasher?: BlockHasher,
): Promise<DataVerdict> {
  const { reading } = recorded;
  const asOther = withoutDialect(reading);
  const read = async (options: RecordedReading): Promise<ProvenDataset> =>
    withDigests(await readWith(source, options), hasher);
  let dataset: ProvenDataset;
  try {
    // The same rows may stand in another file with other delimiters or quotes.
    dataset = await read(reading).catch((error: unknown) =>
      isOfContent(error) ? read(asOther) : Promise.reject(error),
    );
  } catch (error) {
    if (!isOfContent(error)) throw error;
    return differing(await columnDifference(source, recorded, asOther, error, hasher));
  }
  if (dataset.contentDigest === recorded.contentDigest) return { dataset, difference: null };
  return differing(contentDifference(dataset, recorded, hasher));
}

/** What is wrong with the rows of a table, not with the file that they stand in. */
function isOfContent(error: unknown): error is DataError {
  return error instanceof DataError && !(error instanceof FileError);
}

function differing(difference: string): DataVerdict {
  return { dataset: null, difference };
}

/** The marks between fields and round them may be others. */
function withoutDialect({ delimiter: _, quote: __, ...rest }: RecordedReading): RecordedReading {
  return rest;
}

/** @param renamed recorded names of columns, and what they are called here */
async function readWith(
  source: TableSource,
  options: RecordedReading,
  renamed: ReadonlyMap<string, string> = new Map(),
): Promise<TableDataset> {
  const here = (name: string) => renamed.get(name) ?? name;
  const { label, features, categorical, weight } = options;
  const reader = trainingReader(
    {
      ...options,
      label: here(label),
      features: features.map(here),
      ...(categorical && { categorical: categorical.map(here) }),
      ...(weight !== undefined && { weight: here(weight) }),
    },
    { infer: false },
  );
  const table = await readTable(source, reader);
  const recordedNames = new Map([...renamed].map(([was, is]) => [is, was]));
  const named: ReadTable = {
    ...table,
    features: table.features.map((name) => recordedNames.get(name) ?? name),
  };
  return trainingDataset(named, source.name, options);
}

async function readTable(source: TableSource, reader: TableReader): Promise<ReadTable> {
  await source.read((chunk) => {
    reader.push(chunk);
    return true;
  });
  return reader.end();
}

function withDigests(dataset: TableDataset, hasher: BlockHasher | undefined): ProvenDataset {
  const rowDigests = digestRows(dataset, hasher);
  return {
    ...dataset,
    rowDigests,
    contentDigest: contentDigest(dataset, rowDigests, undefined, hasher),
  };
}

/** Of a table that does not read as the recorded one did. */
async function columnDifference(
  source: TableSource,
  recorded: RecordedData,
  options: RecordedReading,
  error: DataError,
  hasher: BlockHasher | undefined,
): Promise<string> {
  const header = await headerIn(source, options).catch((reason: unknown) => {
    if (!isOfContent(reason)) throw reason;
    throw new OtherDataError(reason.message);
  });
  const names = namesIn(options);
  const missing = names.filter((name) => !header.includes(name));
  // All of its columns are there, so these are the data in another state, and the error says which cells are others.
  if (missing.length === 0) return error.message.replaceAll(/\s*\n\s*/g, "; ");
  const unknown = header.filter((name) => !names.includes(name));
  const bySketch = await renamingBySketch(source, recorded, options, unknown, missing);
  for (const renamed of [...bySketch, ...renamings(options, header, unknown, missing)]) {
    const dataset = await readRenamed(source, options, renamed, hasher);
    if (dataset === undefined) continue;
    const said = `columns are renamed: ${renamingText(renamed)}`;
    if (dataset.contentDigest === recorded.contentDigest) return `${said}; ${SAME_CELLS}`;
    const rest = contentDifference(dataset, recorded, hasher);
    // The cells of these columns are known to be those recorded, or all are: only their names, and their places, differ.
    if (bySketch.includes(renamed) || rest.endsWith(SAME_CELLS)) return `${said}; and ${rest}`;
  }
  if (2 * missing.length > names.length) {
    throw new OtherDataError(
      `This is not the data of this run: it has ${names.length - missing.length} of the ${names.length} columns ${listed(names.map(shown))}; its own are ${listed(header.map(shown))}`,
    );
  }
  const others = unknown.length > 0 ? `; not recorded are ${listed(unknown.map(shown))}` : "";
  const verb = missing.length === 1 ? "column is" : "columns are";
  return `${verb} missing: ${listed(missing.map(shown))}${others}`;
}

const SAME_CELLS = "the cells are the recorded ones";

function namesIn({ features, label, weight }: RecordedReading): string[] {
  return [...features, label, ...(weight === undefined ? [] : [weight])];
}

function renamingText(renamed: ReadonlyMap<string, string>): string {
  return listed([...renamed].map(([was, is]) => `${shown(was)} is called ${shown(is)}`));
}

async function headerIn(source: TableSource, options: RecordedReading): Promise<string[]> {
  const { decimal, thousands } = options;
  const reader = new HeaderReader({ ...(decimal && { decimal }), ...(thousands && { thousands }) });
  await source.read((chunk) => reader.push(chunk));
  return reader.end();
}

/** The missing columns under the unknown names whose cells they have; none where not all were found. */
async function renamingBySketch(
  source: TableSource,
  { sketch }: RecordedData,
  options: RecordedReading,
  unknown: readonly string[],
  missing: readonly string[],
): Promise<ReadonlyMap<string, string>[]> {
  if (sketch === null || unknown.length < missing.length) return [];
  const { missingTokens, label, weight, delimiter, quote, ...marks } = options;
  const given = {
    ...(delimiter !== undefined && { delimiter }),
    ...(quote !== undefined && { quote }),
    ...(marks.decimal !== undefined && { decimal: marks.decimal }),
    ...(marks.thousands !== undefined && { thousands: marks.thousands }),
  };
  // As texts, and as numbers where they are such.
  const byHash = new Map<string, string>();
  for (const kinds of [{ categorical: unknown }, { infer: true }]) {
    const tokens = missingTokens ?? [];
    const selection = { label: null, features: unknown, missingTokens: tokens, ...kinds };
    try {
      const table = await readTable(source, new TableReader(selection, given));
      table.features.forEach((name, j) => {
        byHash.set(hashOfCells(table.columns[j]!), name);
      });
    } catch (error) {
      if (!isOfContent(error)) throw error;
    }
  }
  const hashOf = (name: string) =>
    name === label ? sketch.label : name === weight ? sketch.weight : sketch.columns[name];
  const found = missing.flatMap((name) => {
    const here = byHash.get(hashOf(name) ?? "");
    return here === undefined ? [] : [[name, here] as const];
  });
  const isWhole =
    found.length === missing.length && new Set(found.map(([, is]) => is)).size === missing.length;
  return isWhole ? [new Map(found)] : [];
}

/**
 * Which unknown columns could be the missing ones: those that stand in their order. Where the label and the weight stood is
 * not recorded, so each place is tried.
 */
function* renamings(
  { features }: RecordedReading,
  header: readonly string[],
  unknown: readonly string[],
  missing: readonly string[],
): Generator<ReadonlyMap<string, string>> {
  if (unknown.length < missing.length) return;
  const missingFeatures = missing.filter((name) => features.includes(name));
  const missingRoles = missing.filter((name) => !features.includes(name));
  let left = READINGS_MAX;
  for (const chosen of choices(unknown, missingRoles.length)) {
    const rest = unknown.filter((name) => !chosen.includes(name));
    for (const columns of orderedChoices(rest, missingFeatures.length)) {
      if (left-- === 0) return;
      const taken = [...chosen, ...columns];
      const pairs = [...missingRoles, ...missingFeatures].map(
        (name, k) => [name, taken[k]!] as const,
      );
      yield new Map(pairs.sort(([, a], [, b]) => header.indexOf(a) - header.indexOf(b)));
    }
  }
}

/** Every way to take k items, of which there are two at most, in any order, the last items first: labels often stand at the end. */
function* choices(items: readonly string[], k: number): Generator<string[]> {
  if (k === 0) {
    yield [];
    return;
  }
  for (const item of items.toReversed()) {
    const others = items.filter((other) => other !== item);
    for (const rest of choices(others, k - 1)) yield [item, ...rest];
  }
}

/** Ways to take k items in their order: all but some that stand together, the first ones first. */
function* orderedChoices(items: readonly string[], k: number): Generator<string[]> {
  const spare = items.length - k;
  if (spare < 0) return;
  if (spare === 0 || k === 0) {
    yield items.slice(0, k);
    return;
  }
  for (let gap = k; gap >= 0; gap--) yield [...items.slice(0, gap), ...items.slice(gap + spare)];
}

/** The dataset of a table under its recorded names; undefined where it does not read. */
async function readRenamed(
  source: TableSource,
  options: RecordedReading,
  renamed: ReadonlyMap<string, string>,
  hasher: BlockHasher | undefined,
): Promise<ProvenDataset | undefined> {
  try {
    return withDigests(await readWith(source, options, renamed), hasher);
  } catch (error) {
    if (isOfContent(error)) return undefined;
    throw error;
  }
}

/** Of a dataset that reads as the recorded one did, and has another content. */
function contentDifference(
  dataset: ProvenDataset,
  recorded: RecordedData,
  hasher: BlockHasher | undefined,
): string {
  const { features: names } = recorded.reading;
  const here = dataset.inputs.map(({ column }) => column.name);
  if (here.every((name, k) => name === names[k])) return rowDifference(dataset, recorded, hasher);
  const place = new Map(names.map((name, k) => [name, k]));
  const inputs = dataset.inputs.toSorted(
    (a, b) => place.get(a.column.name)! - place.get(b.column.name)!,
  );
  const ordered = withDigests({ ...dataset, inputs }, hasher);
  // The columns may stand where they stood, under each other's names.
  const exchanged = dataset.inputs.map(({ column, cells }, k) => ({
    cells,
    column: { ...column, name: names[k]! },
  }));
  const isExchange =
    ordered.contentDigest !== recorded.contentDigest &&
    withDigests({ ...dataset, inputs: exchanged }, hasher).contentDigest === recorded.contentDigest;
  if (isExchange) {
    const pairs = names.map((name, k) => [name, here[k]!] as const);
    const renamed = new Map(pairs.filter(([was, is]) => was !== is));
    return `columns are renamed: ${renamingText(renamed)}; ${SAME_CELLS}`;
  }
  const said = `columns stand in another order: recorded ${listed(names.map(shown))}; here ${listed(here.map(shown))}`;
  return ordered.contentDigest === recorded.contentDigest
    ? `${said}; ${SAME_CELLS}`
    : `${said}; and ${rowDifference(ordered, recorded, hasher)}`;
}

function rowDifference(
  dataset: ProvenDataset,
  { contentDigest: recordedDigest, sketch }: RecordedData,
  hasher: BlockHasher | undefined,
): string {
  const digests = `content digest ${dataset.contentDigest}, the run recorded ${recordedDigest}`;
  if (sketch === null) return digests;
  const rowDigests = weighedDigests(dataset, dataset.rowDigests, hasher);
  const { added, missing, isComplete, columns } = compareToSketch(sketch, dataset, rowDigests);
  const { rowCount, keptRows } = dataset;
  const rest = keptRows === null ? "" : " besides those left out for their gaps";
  const counts =
    rowCount === sketch.rows ? "" : `${rowCount} rows${rest} where ${sketch.rows} were recorded, `;
  const inColumns = columns.length > 0 ? `, in ${listed(columns.map(shown))}` : "";
  if (!isComplete) return `${counts}many rows are others${inColumns} (${digests})`;
  const parts = added.map((group) => likeRowsText(group, keptRows));
  const surplus = added.reduce((sum, group) => sum + group.surplus, 0);
  const isAllNew = added.every(({ rows, surplus: some }) => rows.length === some);
  if (surplus > 0 && surplus === missing && isAllNew) {
    // As many rows as before: these stand where others stood.
    const all = added.flatMap(({ rows }) => rows).sort((a, b) => a - b);
    const verb = all.length === 1 ? "is" : "are";
    return `${counts}${rowsText(all, keptRows)} ${verb} not as recorded${inColumns} (${digests})`;
  }
  if (missing > 0)
    parts.push(`${missing} recorded ${missing === 1 ? "row is" : "rows are"} missing`);
  // The header or the classes.
  if (parts.length === 0) return digests;
  const more = parts.length - NAMED_MAX;
  const named = `${parts.slice(0, NAMED_MAX).join(", ")}${more > 0 ? `, … (${parts.length})` : ""}`;
  return `${counts}${named}${surplus === missing ? inColumns : ""} (${digests})`;
}

/** Rows of the table, from 1, the header not counted. */
function rowsText(rows: readonly number[], keptRows: Uint32Array | null): string {
  const numbers = rows.map((row) => String((keptRows?.[row] ?? row) + 1));
  return `${rows.length === 1 ? "row" : "rows"} ${listed(numbers)}`;
}

function likeRowsText({ rows, surplus }: LikeRows, keptRows: Uint32Array | null): string {
  const named = rowsText(rows, keptRows);
  if (rows.length === surplus) return `${named} ${rows.length === 1 ? "was" : "were"} not recorded`;
  const times = surplus === 1 ? "once" : `${surplus} times`;
  return `${named} are alike, ${times} more than recorded`;
}

function listed(items: readonly string[]): string {
  const more = items.length - NAMED_MAX;
  return `${items.slice(0, NAMED_MAX).join(", ")}${more > 0 ? `, … (${items.length})` : ""}`;
}
