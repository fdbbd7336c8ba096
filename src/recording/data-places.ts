// Where the data of recorded runs may stand: directories that somebody named, searched by content.
//
// Design: one small file a directory, under a name made of its path, so that two who add at once lose nothing.
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { forEachChunk } from "../data/files.ts";
import {
  type Entry,
  ensureDirectory,
  entriesOf,
  listDirectory,
  readOwnJson,
  remove,
  StoreError,
  toJson,
  writeWholeFile,
} from "../miniflow/store.ts";

/** Most files that a search looks at, so that a mistyped `/` ends. */
const FILES_MAX = 100_000;

function placesDirectory(store: string): string {
  return join(store, "data-dirs.d");
}

function fileOf(store: string, directory: string): string {
  const name = createHash("sha256").update(directory).digest("hex").slice(0, 12);
  return join(placesDirectory(store), `${name}.json`);
}

/** The directories in which a store's data are looked for: absolute paths, sorted. */
export function dataPlaces(store: string): string[] {
  const folder = placesDirectory(store);
  const paths = listDirectory(folder)
    .filter((name) => /^[0-9a-f]{12}\.json$/.test(name))
    .map((name) => pathIn(join(folder, name)))
    .filter((path) => typeof path === "string");
  return paths.sort();
}

/** A damaged file names no place; adding the place again mends it. */
function pathIn(file: string): unknown {
  try {
    return readOwnJson(file)?.path;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** @returns the absolute path @throws StoreError */
export function addDataPlace(store: string, directory: string): string {
  const path = resolve(directory);
  ensureDirectory(placesDirectory(store));
  writeWholeFile(fileOf(store, path), toJson({ path }));
  return path;
}

/** @returns the absolute path; undefined when it was none of the store's */
export function removeDataPlace(store: string, directory: string): string | undefined {
  const path = resolve(directory);
  if (!dataPlaces(store).includes(path)) return undefined;
  remove(fileOf(store, path));
  return path;
}

/** The regular files below some directories, those of each directory sorted. Links are not followed, hidden folders left out. */
export function* filesBelow(directories: readonly string[]): Generator<string> {
  let left = FILES_MAX;
  const queue = [...directories].reverse();
  for (let directory = queue.pop(); directory !== undefined; directory = queue.pop()) {
    let entries: Entry[];
    try {
      entries = entriesOf(directory);
    } catch (error) {
      // A place that is closed to us holds no data.
      if (error instanceof StoreError) continue;
      throw error;
    }
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      if (left-- === 0) return;
      yield join(directory, entry.name);
    }
    const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
    queue.push(...folders.map(({ name }) => join(directory as string, name)).reverse());
  }
}

/** SHA-256 of files, each read once. */
export class FileDigests {
  readonly #known = new Map<string, string>();

  /** @throws CsvError for a file that cannot be read */
  async of(path: string, signal?: AbortSignal): Promise<string> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const hash = createHash("sha256");
    await forEachChunk(path, signal, (chunk) => {
      hash.update(chunk);
    });
    const digest = hash.digest("hex");
    this.#known.set(path, digest);
    return digest;
  }
}
