// Is a table the data of a recorded training? If not, what differs: columns, rows, cells; or is it something else altogether?
import { FileError } from "../data/csv-error.ts";
import { DataError } from "../data/data-error.ts";
import { SAMPLE_BYTES } from "../data/dialect.ts";
import { contentDigest, digestRows, weighedDigests } from "../data/digest.ts";
import type { BlockHasher } from "../data/sha256.ts";
import { shown } from "../data/shown.ts";
import { compareToSketch, type RowSketch } from "../data/sketch.ts";
import type { TableDataset } from "../data/table-dataset.ts";
import { headerOf, type ReadTable, trainingDataset, trainingReader } from "../data/table-reader.ts";
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

/** Most readings of a table to find out which of its columns were renamed. */
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

async function readWith(source: TableSource, options: RecordedReading): Promise<TableDataset> {
  const reader = trainingReader(options, { infer: false });
  await source.read((chunk) => {
    reader.push(chunk);
    return true;
  });
  return trainingDataset(reader.end(), source.name, options);
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
  const { features, label, weight } = options;
  const roles = [label, ...(weight === undefined ? [] : [weight])];
  const names = [...features, ...roles];
  const missing = names.filter((name) => !header.includes(name));
  // All of its columns are there, so these are the data in another state, and the error says which cells are others.
  if (missing.length === 0) return error.message;
  const unknown = header.filter((name) => !names.includes(name));
  for (const renamed of renamings(header, unknown, missing, features)) {
    const dataset = await readRenamed(source, options, renamed, hasher);
    if (dataset?.contentDigest !== recorded.contentDigest) continue;
    const said = [...renamed].map(([was, is]) => `${shown(was)} is called ${shown(is)}`);
    return `columns are renamed: ${listed(said)}; the cells are the recorded ones`;
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

async function headerIn(source: TableSource, options: RecordedReading): Promise<string[]> {
  const { decimal, thousands } = options;
  const sample = new Uint8Array(SAMPLE_BYTES);
  let length = 0;
  await source.read((chunk) => {
    const part = chunk.subarray(0, SAMPLE_BYTES - length);
    sample.set(part, length);
    length += part.length;
    return length < SAMPLE_BYTES;
  });
  const given = { ...(decimal && { decimal }), ...(thousands && { thousands }) };
  return headerOf(sample.subarray(0, length), given);
}

/**
 * Which unknown columns could be the missing ones: those that stand in their order. Where the label and the weight stood is
 * not recorded, so each place is tried.
 */
function* renamings(
  header: readonly string[],
  unknown: readonly string[],
  missing: readonly string[],
  features: readonly string[],
): Generator<Map<string, string>> {
  if (unknown.length < missing.length) return;
  const missingFeatures = missing.filter((name) => features.includes(name));
  const missingRoles = missing.filter((name) => !features.includes(name));
  let left = READINGS_MAX;
  for (const chosen of choices(unknown, missingRoles.length)) {
    const rest = unknown.filter((name) => !chosen.includes(name));
    for (const columns of orderedChoices(rest, missingFeatures.length)) {
      if (left-- === 0) return;
      const pairs = [...missingRoles, ...missingFeatures].map(
        (name, k) => [name, [...chosen, ...columns][k]!] as const,
      );
      yield new Map(pairs.sort(([, a], [, b]) => header.indexOf(a) - header.indexOf(b)));
    }
  }
}

/** Every way to take k items in any order, the last items first: labels stand at the end more often than not. */
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

/** Every way to take k items in their order. */
function* orderedChoices(items: readonly string[], k: number, from = 0): Generator<string[]> {
  if (k === 0) {
    yield [];
    return;
  }
  for (let at = from; at <= items.length - k; at++) {
    for (const rest of orderedChoices(items, k - 1, at + 1)) yield [items[at]!, ...rest];
  }
}

/** The dataset of a table under its recorded names; undefined where it does not read. */
async function readRenamed(
  source: TableSource,
  options: RecordedReading,
  renamed: ReadonlyMap<string, string>,
  hasher: BlockHasher | undefined,
): Promise<ProvenDataset | undefined> {
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
  try {
    await source.read((chunk) => {
      reader.push(chunk);
      return true;
    });
    const table = reader.end();
    const recordedNames = new Map([...renamed].map(([was, is]) => [is, was]));
    const named: ReadTable = {
      ...table,
      features: table.features.map((name) => recordedNames.get(name) ?? name),
    };
    return withDigests(trainingDataset(named, source.name, options), hasher);
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
  const place = (name: string) => names.indexOf(name);
  const inputs = dataset.inputs.toSorted((a, b) => place(a.column.name) - place(b.column.name));
  const isReordered = here.some((name, k) => name !== names[k]);
  if (!isReordered) return rowDifference(dataset, recorded, hasher);
  const ordered = withDigests({ ...dataset, inputs }, hasher);
  const said = `columns stand in another order: recorded ${listed(names.map(shown))}; here ${listed(here.map(shown))}`;
  return ordered.contentDigest === recorded.contentDigest
    ? `${said}; the cells are the recorded ones`
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
  const here = dataset.rowCount;
  const counts = here === sketch.rows ? "" : `${here} rows where ${sketch.rows} were recorded, `;
  const inColumns = columns.length > 0 ? `, in ${listed(columns.map(shown))}` : "";
  if (!isComplete) return `${counts}many rows are others${inColumns} (${digests})`;
  const changed = Math.min(added.length, missing);
  const rows = (list: readonly number[]) =>
    `${list.length === 1 ? "row" : "rows"} ${listed(list.map((row) => String(row + 1)))}`;
  const parts: string[] = [];
  if (added.length > 0 && added.length === missing) {
    parts.push(`${rows(added)} ${changed === 1 ? "is not as" : "are not as"} recorded${inColumns}`);
  } else if (missing > 0 && added.length > 0) {
    parts.push(`${rows(added)} ${added.length === 1 ? "is" : "are"} none that was recorded`);
    parts.push(`${missing} recorded ${missing === 1 ? "row is" : "rows are"} missing`);
  } else if (missing > 0) {
    parts.push(`${missing} recorded ${missing === 1 ? "row is" : "rows are"} missing`);
  } else if (added.length > 0) {
    const isTwice = added.every((row) => hasLike(dataset.rowDigests, row));
    const what = isTwice ? "stands once more than recorded" : "was not recorded";
    parts.push(`${rows(added)} ${added.length === 1 ? what : what.replace("stands", "stand")}`);
  }
  // The header or the classes.
  if (parts.length === 0) return digests;
  return `${counts}${parts.join(", ")} (${digests})`;
}

/** Whether another row has the same cells. */
function hasLike(digests: Uint8Array, row: number): boolean {
  const bytes = digests.length / inRows(digests);
  const own = digests.subarray(row * bytes, (row + 1) * bytes);
  for (let other = 0; other < inRows(digests); other++) {
    const at = other * bytes;
    if (other !== row && own.every((byte, k) => digests[at + k] === byte)) return true;
  }
  return false;
}

function inRows(digests: Uint8Array): number {
  return digests.length / 32;
}

function listed(items: readonly string[]): string {
  const more = items.length - NAMED_MAX;
  return `${items.slice(0, NAMED_MAX).join(", ")}${more > 0 ? `, … (${items.length})` : ""}`;
}
