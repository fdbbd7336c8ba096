// The real raisins: fetched from UCI's archive, and checked.
import { unzipSync } from "fflate";
import { RAISIN_CONTENT_DIGEST } from "./bundled.ts";
import { CsvReader } from "./csv.ts";
import { CsvError } from "./csv-error.ts";
import { formatRecord } from "./csv-text.ts";
import { DataError } from "./data-error.ts";
import { orderClasses } from "./dataset.ts";
import { parseDecimal } from "./decimal.ts";
import { PLAIN_DIALECT } from "./dialect.ts";
import { contentDigest, digestRows } from "./digest.ts";
import type { Input } from "./encoding.ts";
import { datasetOfInputs } from "./table-dataset.ts";

const ARCHIVE_BYTES_MAX = 16 * 2 ** 20;
const MEMBER_BYTES_MAX = 16 * 2 ** 20;

/**
 * Downloads an archive.
 *
 * @param onProgress gets the bytes so far and, where the server says it, the bytes in all
 * @throws Error naming the address and what went wrong
 */
export async function fetchArchive(
  url: string,
  options: {
    signal?: AbortSignal;
    onProgress?: (bytes: number, total: number | null) => void;
  } = {},
): Promise<Uint8Array> {
  const { signal, onProgress } = options;
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    const cause = (error as Error).cause as Error | undefined;
    throw new Error(`Cannot fetch ${url}: ${cause?.message ?? (error as Error).message}`, {
      cause: error,
    });
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(
      `Cannot fetch ${url}: the server answered ${response.status} ${response.statusText}`,
    );
  }
  // The length of a body that is packed for the way says nothing about the bytes that arrive here.
  const isPacked = response.headers.has("content-encoding");
  const length = isPacked ? 0 : Number(response.headers.get("content-length"));
  const total = length > 0 ? length : null;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body = response.body as unknown as AsyncIterable<Uint8Array>;
  for await (const chunk of named(body, url, signal)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ARCHIVE_BYTES_MAX) {
      throw new Error(`Cannot fetch ${url} as it is larger than ${ARCHIVE_BYTES_MAX} bytes`);
    }
    onProgress?.(bytes, total);
  }
  return Buffer.concat(chunks);
}

/** The same chunks; what goes wrong on the way is told with the address. */
async function* named(
  body: AsyncIterable<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (signal?.aborted) throw error;
    const { cause, message } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new Error(`Cannot fetch ${url}: the connection broke off (${reason})`, { cause: error });
  }
}

/**
 * The raisins of UCI's archive as CSV text: a zip that holds a zip that holds an ARFF file.
 *
 * @param expected content digest (N10) that the rows must have
 * @returns the CSV, numbers in their shortest form, rows in the archive's order
 * @throws DataError when the archive is not as described or holds other rows
 */
export function raisinsOfArchive(
  archive: Uint8Array,
  expected: string = RAISIN_CONTENT_DIGEST,
): string {
  const inner = memberOf(archive, ".zip", "the archive");
  const arff = memberOf(inner, ".arff", "the archive's inner zip");
  const csv = csvOfArff(new TextDecoder().decode(arff));
  const reader = new CsvReader({ label: "Class" });
  reader.push(new TextEncoder().encode(csv));
  const table = reader.end();
  const inputs = table.features.map((name, j): Input => {
    return { column: { name, as: "number" }, cells: table.columns[j]! };
  });
  const classes = orderClasses(table.labels);
  const dataset = datasetOfInputs(table, "raisins", { label: "Class", classes, inputs });
  const digest = contentDigest(dataset, digestRows(dataset));
  if (digest !== expected) {
    throw new DataError(
      `Cannot accept the downloaded raisins as their content must have digest ${expected}: it is ${digest} (${table.rowCount} rows)`,
    );
  }
  return csv;
}

function memberOf(archive: Uint8Array, extension: string, where: string): Uint8Array {
  let members: Record<string, Uint8Array>;
  let tooLarge = 0;
  let isFound = false;
  try {
    members = unzipSync(archive, {
      filter: (file) => {
        // The first one only: an archive may list a thousand that unpack to 16 MiB each.
        if (isFound || !file.name.toLowerCase().endsWith(extension)) return false;
        isFound = true;
        if (file.originalSize > MEMBER_BYTES_MAX) tooLarge = file.originalSize;
        return tooLarge === 0;
      },
    });
  } catch (error) {
    throw new DataError(`Cannot open ${where}: it is not a zip file (${(error as Error).message})`);
  }
  const member = Object.values(members)[0];
  if (member) return member;
  throw new DataError(
    tooLarge > 0
      ? `Cannot read the ${extension} file in ${where} as it may have at most ${MEMBER_BYTES_MAX} bytes: it has ${tooLarge}`
      : `Cannot find a ${extension} file in ${where}`,
  );
}

/** Attribute names become the header, data lines the rows; numbers are written in their shortest form. */
function csvOfArff(text: string): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const dataAt = lines.findIndex((line) => /^@data$/i.test(line));
  const header = lines
    .slice(0, Math.max(dataAt, 0))
    .flatMap((line) => /^@attribute\s+('[^']*'|"[^"]*"|\S+)/i.exec(line)?.[1] ?? [])
    .map((name) => name.replace(/^['"]|['"]$/g, ""));
  if (dataAt < 0 || header.length === 0) {
    throw new CsvError("Cannot read the ARFF file as it has no @ATTRIBUTE or no @DATA line");
  }
  const rows = lines.slice(dataAt + 1).filter((line) => line !== "" && !line.startsWith("%"));
  return [header, ...rows.map((line) => line.split(",").map(shortest))]
    .map((record) => formatRecord(record, PLAIN_DIALECT))
    .join("");
}

function shortest(field: string): string {
  const text = field.trim();
  const value = parseDecimal(text);
  return Number.isFinite(value) ? String(value) : text;
}
