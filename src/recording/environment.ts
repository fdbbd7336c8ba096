// Where a run happened: versions, platform and the state of the source tree it was started in.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { HOST_ABI } from "../core/source.ts";

export interface Environment {
  readonly versions: { readonly raisin: string; readonly node: string; readonly abi: number };
  readonly platform: string;
  /** Null outside a git work tree, or without git. */
  readonly git: { readonly commit: string; readonly dirty: boolean | null } | null;
}

const GIT_TIMEOUT_MS = 3000;

function git(args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    // Without optional locks, so that asking never disturbs a git command of the user's.
    const options = { timeout: GIT_TIMEOUT_MS, env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" } };
    execFile("git", [...args], options, (error, stdout) => resolve(error ? null : stdout.trim()));
  });
}

/** This package's version. */
export function packageVersion(): string {
  const path = createRequire(import.meta.url).resolve("#package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

export async function readEnvironment(): Promise<Environment> {
  const [commit, status] = await Promise.all([
    git(["rev-parse", "HEAD"]),
    git(["status", "--porcelain"]),
  ]);
  return {
    versions: { raisin: packageVersion(), node: process.versions.node, abi: HOST_ABI },
    platform: `${process.platform}-${process.arch}`,
    git: commit === null ? null : { commit, dirty: status === null ? null : status !== "" },
  };
}
