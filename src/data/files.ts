// Opens tables on disk, for Node: the only part of `data` that reads the user's files.
import { createHash, hash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { Core } from "../core/core.ts";
import { loadCore } from "../core/node.ts";
import type { CsvSelection } from "./csv.ts";
import { FileError } from "./csv-error.ts";
import { checkWeights, type Dataset } from "./dataset.ts";
import { contentDigest, digestRows } from "./digest.ts";
import type { Input } from "./encoding.ts";
import type { Sha256 } from "./sha256.ts";
import { datasetOfInputs, type TableDataset, type TableOptions } from "./table-dataset.ts";
import {
  type DialectOptions,
  type ReadTable,
  TableReader,
  trainingDataset,
  trainingReader,
  withPath,
} from "./table-reader.ts";

const CHUNK_BYTES = 1 << 20;

/** Node's SHA-256, faster than the portable one and equal to it. */
const nodeSha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");

export interface ReadCsvOptions extends TableOptions, DialectOptions {
  /** Stops reading when aborted. */
  readonly signal?: AbortSignal;
}

/** What is known of the file that rows came from, with the digests of CONTRACT.md, N10. */
interface FileFacts {
  /** Absolute path. */
  readonly path: string;
  /** SHA-256 of the file's bytes. */
  readonly fileSha256: string;
  /** Digest of the content, whatever the row order, line ends or byte order mark. */
  readonly contentDigest: string;
  /** [n · 32] row digests. */
  readonly rowDigests: Uint8Array;
}

/** A dataset that came from a file. */
export interface FileDataset extends Dataset, FileFacts {
  readonly inputs: readonly Input[];
}

/** One that was read for training. */
export interface TrainingFile extends TableDataset, FileFacts {}

/** A table and the digest of the bytes that it was read from. */
export interface FileTable extends ReadTable {
  readonly path: string;
  readonly fileSha256: string;
}

/**
 * Reads the wanted columns of a CSV file: UTF-8, a header line, LF or CRLF, quotes as RFC 4180 has them.
 *
 * @param given the parts of the dialect that are known
 * @throws FileError when the path is no regular file, CsvError with every problem of the file at once
 */
export async function readTable(
  path: string,
  selection: Omit<CsvSelection, "dialect">,
  given: DialectOptions = {},
  signal?: AbortSignal,
): Promise<FileTable> {
  return readInto(path, new TableReader(selection, given), signal);
}

async function readInto(
  path: string,
  reader: TableReader,
  signal: AbortSignal | undefined,
): Promise<FileTable> {
  const digest = createHash("sha256");
  await forEachChunk(path, signal, (chunk) => {
    digest.update(chunk);
    withPath(path, () => reader.push(chunk));
  });
  const table = withPath(path, () => reader.end());
  return { ...table, path: resolve(path), fileSha256: digest.digest("hex") };
}

/** Gives the bytes of a regular file, in order, until `use` returns false. A chunk belongs to whoever gets it. */
export async function forEachChunk(
  path: string,
  signal: AbortSignal | undefined,
  use: (chunk: Uint8Array) => unknown,
): Promise<void> {
  // Looked at before it is opened: opening a FIFO would wait for somebody to write into it.
  const info = await reading(path, stat(path));
  if (!info.isFile()) {
    const kind = info.isDirectory() ? "a directory" : "not a regular file";
    throw new FileError(`Cannot read ${path} as it is ${kind}`);
  }
  const file = await reading(path, open(path));
  try {
    const size = Math.min(info.size + 1, CHUNK_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await reading(path, file.read(Buffer.allocUnsafe(size)));
      if (bytesRead === 0) return;
      if ((await use(buffer.subarray(0, bytesRead))) === false) return;
    }
  } finally {
    await file.close();
  }
}

/** Waits for the file system; what it refuses is told as a problem of the table. */
async function reading<T>(path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw new FileError(`Cannot read ${path}: ${reasonOf(error as NodeJS.ErrnoException)}`);
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    ELOOP: "its symbolic links go round in a circle",
    ENOTDIR: "a part of the path is not a directory",
    ENAMETOOLONG: "the name is too long",
  };
  return reasons[error.code ?? ""] ?? error.code ?? error.message;
}

/**
 * Reads a CSV file as a dataset for training: numbers, categories, missing values and weights as the options say, and
 * otherwise as the cells of all rows tell. `guesses` has what was decided without being told.
 *
 * @throws CsvError naming file, column and line of each problem
 * @example
 * const raisins = await readCsv("raisins.csv", { label: "Class" });
 */
export async function readCsv(path: string, options: ReadCsvOptions): Promise<TrainingFile> {
  if (typeof options?.label !== "string") {
    throw new TypeError('Cannot read a dataset without its label column: pass { label: "…" }');
  }
  return readForTraining(path, options, { infer: true });
}

/** @param how infer: false where every column's kind is known, as it is for a recorded run */
export async function readForTraining(
  path: string,
  options: ReadCsvOptions,
  how: { readonly infer: boolean },
): Promise<TrainingFile> {
  const table = await readInto(path, trainingReader(options, how), options.signal);
  const name = basename(path, extname(path));
  const dataset = withPath(path, () => trainingDataset(table, name, options));
  return withDigests(dataset, table);
}

/** A dataset of a labelled table's rows for a model's input columns; `classes` may name a class that no row has. */
export function toFileDataset(
  table: FileTable,
  about: {
    label: string;
    classes: readonly [string, string];
    inputs: readonly Input[];
    weight?: string;
  },
): FileDataset {
  const dataset = datasetOfInputs(table, basename(table.path, extname(table.path)), about);
  const { weight } = about;
  const weights =
    weight !== undefined && table.weights
      ? withPath(table.path, () => checkWeights({ name: weight, values: table.weights! }))
      : undefined;
  return withDigests({ ...dataset, ...(weights && { weights }) }, table);
}

/** Digests are made when they are first asked for: who only looks at the columns need not wait for them. */
function withDigests<T extends Dataset>(dataset: T, table: FileTable): T & FileFacts {
  let core: Core | undefined;
  let rows: Uint8Array | undefined;
  let content: string | undefined;
  const hasher = () => {
    core ??= new Core(loadCore());
    return core;
  };
  const rowDigests = () => {
    rows ??= digestRows(dataset, hasher());
    return rows;
  };
  return {
    ...dataset,
    path: table.path,
    fileSha256: table.fileSha256,
    get rowDigests() {
      return rowDigests();
    },
    get contentDigest() {
      content ??= contentDigest(dataset, rowDigests(), nodeSha256, hasher());
      return content;
    },
  };
}
