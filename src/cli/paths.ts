// Where paths that a user names lead.
import { realpathSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ensureDirectory } from "../miniflow/store.ts";
import { UsageError } from "./exit.ts";

/** What stands at a path; undefined when nothing does, also where a part of the path is a file. */
export function statIfAny(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new UsageError(`Cannot use ${path}: ${code ?? (error as Error).message}`);
  }
}

/** Where --out leads: a file that will be whole, or a device or pipe that is simply written to. */
export interface OutFile {
  /** Absolute; a link has been followed, so that replacing the file leaves the link alone. */
  readonly path: string;
  /** Whether it may be replaced by renaming. Never a device: as root that would do away with /dev/null. */
  readonly isReplaceable: boolean;
}

/** Looks before any work is done, and makes the directory. @throws UsageError for a directory, StoreError */
export function outFile(path: string): OutFile {
  const info = statIfAny(path);
  if (info?.isDirectory()) {
    throw new UsageError(`Cannot write to ${path} as it is a directory: name a file with --out`);
  }
  if (info?.isFile()) return { path: realpathSync(path), isReplaceable: true };
  if (info !== undefined) return { path: resolve(path), isReplaceable: false };
  ensureDirectory(dirname(resolve(path)));
  return { path: resolve(path), isReplaceable: true };
}
