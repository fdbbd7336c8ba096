// Where a run happened: versions, platform, user and the state of the source tree it was started in.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { loadCore } from "../core/node.ts";
import { HOST_ABI } from "../core/source.ts";
import { packageVersion } from "./version.ts";

export interface Environment {
  /** Of this package (the host), of Node, the number of the core's interface, and the digest of the packaged core. */
  readonly versions: {
    readonly raisin: string;
    readonly node: string;
    readonly abi: number;
    readonly core: string;
  };
  readonly platform: string;
  readonly host: string;
  readonly user: string;
  /** Null outside a git work tree, or without git. */
  readonly git: { readonly commit: string; readonly dirty: boolean } | null;
}

const GIT_TIMEOUT_MS = 3000;

function runGit(args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    // Without optional locks, so that asking never disturbs a git command of the user's.
    const options = {
      timeout: GIT_TIMEOUT_MS,
      // A tree with many changes is long to tell, and no reason to say that there is none.
      maxBuffer: Number.POSITIVE_INFINITY,
      env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" },
    };
    execFile("git", [...args], options, (error, stdout) => resolve(error ? null : stdout));
  });
}

/** Whether this directory or one above it holds a work tree: starting git to hear "no" costs more than looking. */
function isInWorkTree(): boolean {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return true;
    if (folder === dirname(folder)) return false;
  }
}

/** One call says both: header lines begin with #, any other line is a change. */
async function readGit(): Promise<Environment["git"]> {
  if (!isInWorkTree()) return null;
  const status = await runGit(["status", "--porcelain=v2", "--branch"]);
  const commit = /^# branch\.oid ([0-9a-f]{40,64})$/m.exec(status ?? "")?.[1];
  return commit === undefined ? null : { commit, dirty: /^[^#\n]/m.test(status!) };
}

export async function readEnvironment(): Promise<Environment> {
  return {
    versions: {
      raisin: packageVersion(),
      node: process.versions.node,
      abi: HOST_ABI,
      core: loadCore().digest,
    },
    platform: `${process.platform}-${process.arch}`,
    host: hostname(),
    user: userName(),
    git: await readGit(),
  };
}

/** Who runs this: the name of the account, or its number where it has no name, as in many containers. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
