// Where --out leads: a file that will be whole, or a device or pipe that is simply written to.
import { realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ensureDirectory } from "../miniflow/store.ts";
import { UsageError } from "./exit.ts";

export interface OutFile {
  /** Absolute; a link has been followed, so that replacing the file leaves the link alone. */
  readonly path: string;
  /** Whether it may be replaced by renaming. Never a device: as root that would do away with /dev/null. */
  readonly isReplaceable: boolean;
}

/** Looks before any work is done, and makes the directory. @throws UsageError for a directory, StoreError */
export function outFile(path: string): OutFile {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info?.isDirectory()) {
    throw new UsageError(`Cannot write to ${path} as it is a directory: name a file with --out`);
  }
  if (info?.isFile()) return { path: realpathSync(path), isReplaceable: true };
  if (info !== undefined) return { path: resolve(path), isReplaceable: false };
  ensureDirectory(dirname(resolve(path)));
  return { path: resolve(path), isReplaceable: true };
}
