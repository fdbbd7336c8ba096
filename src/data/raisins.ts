// The raisins: the simulated ones that ship, and the real ones that UCI keeps.
import { createRequire } from "node:module";
import { unzipSync } from "fflate";
import { CsvReader } from "./csv.ts";
import { CsvError } from "./csv-error.ts";
import { formatRecord } from "./csv-text.ts";
import { DataError, orderClasses } from "./dataset.ts";
import { contentDigest, digestRows } from "./digest.ts";

export const RAISIN_URL = "https://archive.ics.uci.edu/static/public/850/raisin.zip";

/** Content digest (N10) of the real 900 raisins with label Class. The archive's own bytes may change, these rows not. */
export const RAISIN_CONTENT_DIGEST =
  "aaaffd19b0c775ebe34e4d924cc658401fb79de03eeb64404bf95bb7719d93a7";

/** SHA-256 of the CSV that `raisin data` writes of them. */
export const RAISIN_FILE_SHA256 =
  "47d7b6ae8b3b89d2349f3794a446e0196b3f9f140917920280273ded3f44dc83";

const ARCHIVE_BYTES_MAX = 16 * 2 ** 20;
const MEMBER_BYTES_MAX = 64 * 2 ** 20;

/** Path of the simulated raisins that come with the package. */
export function bundledRaisins(): string {
  return createRequire(import.meta.url).resolve("#raisins.csv");
}

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
    throw new Error(
      `Cannot fetch ${url}: the server answered ${response.status} ${response.statusText}`,
    );
  }
  const length = Number(response.headers.get("content-length"));
  const total = length > 0 ? length : null;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ARCHIVE_BYTES_MAX) {
      throw new Error(`Cannot fetch ${url} as it is larger than ${ARCHIVE_BYTES_MAX} bytes`);
    }
    onProgress?.(bytes, total);
  }
  return Buffer.concat(chunks);
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
  const inner = memberOf(archive, /\.zip$/i, "the archive");
  const arff = memberOf(inner, /\.arff$/i, "the archive's inner zip");
  const csv = csvOfArff(new TextDecoder().decode(arff));
  const reader = new CsvReader({ label: "Class" });
  reader.push(new TextEncoder().encode(csv));
  const table = reader.end();
  const classes = orderClasses(table.labels);
  const dataset = {
    ...table,
    name: "raisins",
    label: "Class",
    classes,
    y: table.labelCodes.map((code) => Number(table.labels[code] === classes[1])),
    warnings: [],
  };
  const digest = contentDigest(dataset, digestRows(dataset));
  if (digest !== expected) {
    throw new DataError(
      `Cannot accept the downloaded raisins as their content must have digest ${expected}: it is ${digest} (${table.rowCount} rows)`,
    );
  }
  return csv;
}

function memberOf(archive: Uint8Array, name: RegExp, where: string): Uint8Array {
  let members: Record<string, Uint8Array>;
  try {
    members = unzipSync(archive, {
      filter: (file) => name.test(file.name) && file.originalSize <= MEMBER_BYTES_MAX,
    });
  } catch (error) {
    throw new DataError(`Cannot open ${where}: it is not a zip file (${(error as Error).message})`);
  }
  const member = Object.values(members)[0];
  if (member === undefined) throw new DataError(`Cannot find a file ${name.source} in ${where}`);
  return member;
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
  return [header, ...rows.map((line) => line.split(",").map(shortest))].map(formatRecord).join("");
}

function shortest(field: string): string {
  const text = field.trim();
  const value = Number(text);
  return text !== "" && Number.isFinite(value) ? String(value) : text;
}
