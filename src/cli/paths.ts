// Where paths that a user names lead.
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ensureDirectory, type Target, targetOf } from "../miniflow/store.ts";
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

/** Where --out leads. Looks before any work is done, and makes the directory. @throws UsageError for a directory, StoreError */
export function outFile(path: string): Target {
  const info = statIfAny(path);
  if (info?.isDirectory()) {
    throw new UsageError(`Cannot write to ${path} as it is a directory: name a file with --out`);
  }
  if (info === undefined) ensureDirectory(dirname(resolve(path)));
  const target = targetOf(path);
  try {
    accessSync(target.isReplaceable ? dirname(target.path) : target.path, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`Cannot write to ${path}: ${code}; name another file with --out`);
  }
  return target;
}
