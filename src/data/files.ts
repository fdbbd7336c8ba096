// Opens tables on disk, for Node: the only part of `data` that reads the user's files.
import { createHash, hash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { Core } from "../core/core.ts";
import { loadCore } from "../core/node.ts";
import { CsvReader, type CsvSelection, type Table } from "./csv.ts";
import { CsvError } from "./csv-error.ts";
import { columnWarnings, DataError, type Dataset, orderClasses } from "./dataset.ts";
import { contentDigest, digestRows } from "./digest.ts";
import type { Sha256 } from "./sha256.ts";

const CHUNK_BYTES = 1 << 20;

/** Node's SHA-256, faster than the portable one and equal to it. */
const nodeSha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");

export interface ReadCsvOptions {
  /** Name of the label column. */
  label: string;
  /** Which label is class 1; by default the one that sorts last. */
  positive?: string;
  /** Feature columns; by default all but the label and `drop`. */
  features?: readonly string[];
  /** Columns to leave out. */
  drop?: readonly string[];
  /** Stops reading when aborted. */
  signal?: AbortSignal;
}

/** A dataset that came from a file, with the digests of CONTRACT.md, N10. */
export interface FileDataset extends Dataset {
  /** Absolute path. */
  readonly path: string;
  /** SHA-256 of the file's bytes. */
  readonly fileSha256: string;
  /** Digest of the content, whatever the row order, line ends or byte order mark. */
  readonly contentDigest: string;
  /** [n · 32] row digests. */
  readonly rowDigests: Uint8Array;
}

/** A table and the digest of the bytes that it was read from. */
export interface FileTable extends Table {
  readonly path: string;
  readonly fileSha256: string;
}

/**
 * Reads the wanted columns of a CSV file: UTF-8, comma, RFC 4180 quotes, LF or CRLF, a header line.
 *
 * @throws CsvError when the path is no regular file, or with every problem of the file at once
 */
export async function readTable(
  path: string,
  selection: CsvSelection,
  signal?: AbortSignal,
): Promise<FileTable> {
  const reader = new CsvReader(selection);
  const digest = createHash("sha256");
  await forEachChunk(path, signal, (chunk) => {
    digest.update(chunk);
    withPath(path, () => reader.push(chunk));
  });
  const table = withPath(path, () => reader.end());
  return { ...table, path: resolve(path), fileSha256: digest.digest("hex") };
}

/** Says in an error of a table which file it is about. */
function withPath<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CsvError) {
      throw new CsvError(`${path}: ${error.message}`, error.problems, error.fix);
    }
    if (error instanceof DataError) throw new DataError(`${path}: ${error.message}`);
    throw error;
  }
}

/** Gives the bytes of a regular file, in order. A chunk belongs to whoever gets it. */
export async function forEachChunk(
  path: string,
  signal: AbortSignal | undefined,
  use: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  // Looked at before it is opened: opening a FIFO would wait for somebody to write into it.
  const info = await reading(path, stat(path));
  if (!info.isFile()) {
    const kind = info.isDirectory() ? "a directory" : "not a regular file";
    throw new CsvError(`Cannot read ${path} as it is ${kind}`);
  }
  const file = await reading(path, open(path));
  try {
    const size = Math.min(info.size + 1, CHUNK_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await reading(path, file.read(Buffer.allocUnsafe(size)));
      if (bytesRead === 0) return;
      await use(buffer.subarray(0, bytesRead));
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
    throw new CsvError(`Cannot read ${path}: ${reasonOf(error as NodeJS.ErrnoException)}`);
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
 * Reads a CSV file as a dataset for training.
 *
 * @throws CsvError naming file, column and line of each problem
 * @example
 * const raisins = await readCsv("raisins.csv", { label: "Class" });
 */
export async function readCsv(path: string, options: ReadCsvOptions): Promise<FileDataset> {
  if (typeof options?.label !== "string") {
    throw new TypeError('Cannot read a dataset without its label column: pass { label: "…" }');
  }
  const { signal, positive, ...selection } = options;
  const table = await readTable(path, selection, signal);
  const classes = withPath(path, () => orderClasses(table.labels, positive));
  return toFileDataset(table, options.label, classes);
}

/** A dataset of a table's rows; `classes` may name a class that no row has. */
export function toFileDataset(
  table: FileTable,
  label: string,
  classes: readonly [string, string],
): FileDataset {
  const codeOfPositive = table.labels.indexOf(classes[1]);
  const dataset: Dataset = {
    name: basename(table.path, extname(table.path)),
    features: table.features,
    columns: table.columns,
    label,
    classes,
    y: table.labelCodes.map((code) => Number(code === codeOfPositive)),
    rowCount: table.rowCount,
    warnings: columnWarnings(table.features, table.columns),
  };
  const rowDigests = digestRows(dataset, new Core(loadCore()));
  return {
    ...dataset,
    path: table.path,
    fileSha256: table.fileSha256,
    contentDigest: contentDigest(dataset, rowDigests, nodeSha256),
    rowDigests,
  };
}
