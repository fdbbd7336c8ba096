// How do tests run the command? The built bin in a directory of its own, and then the files that it left.
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** What package.json calls the bin `raisin`. */
export const BIN = join(ROOT, readJson(ROOT, "package.json").bin.raisin);

const directories: string[] = [];

/** An empty directory that is gone when the test file is done. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "raisin-test-"));
  directories.push(path);
  return path;
}

afterAll(() => {
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where standard output goes; a pipe by default. */
  readonly stdout?: number;
}

/** Starts the command; nothing of the surroundings gets in but PATH. */
export function startRaisin(args: readonly string[], options: RunOptions): ChildProcess {
  return startNode([BIN, ...args], options);
}

function startNode(args: readonly string[], options: RunOptions): ChildProcess {
  return spawn(process.execPath, [...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH ?? "", ...options.env },
    stdio: ["ignore", options.stdout ?? "pipe", "pipe"],
  });
}

/** What a process said, once it has ended. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...texts }));
  });
}

/** Runs the command to its end. */
export function raisin(args: readonly string[], options: RunOptions): Promise<Outcome> {
  return outcomeOf(startRaisin(args, options));
}

/** Runs a Node script to its end, in the same surroundings. */
export function runNode(args: readonly string[], options: RunOptions): Promise<Outcome> {
  return outcomeOf(startNode(args, options));
}

/** Runs the command, which must succeed with one JSON object on stdout. */
export async function raisinJson<T>(args: readonly string[], options: RunOptions): Promise<T> {
  const outcome = await raisin([...args, "--json"], options);
  if (outcome.code !== 0) throw new Error(`exit ${outcome.code}: ${outcome.stderr}`);
  return JSON.parse(outcome.stdout) as T;
}

/** What `raisin train --json` prints. */
export interface TrainAnswer {
  readonly run_id: string;
  readonly run_dir: string;
  readonly model_digest: string;
  readonly core_digest: string;
  readonly dataset: {
    readonly name: string;
    readonly rows: number;
    readonly columns: readonly { readonly name: string; readonly as: string }[];
    readonly features: readonly string[];
    readonly file_sha256: string;
    readonly content_digest: string;
  };
  readonly params: Readonly<Record<string, unknown>>;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly converged: boolean;
  readonly promoted: boolean;
  readonly promotion_reason: string;
  readonly production: string | null;
  readonly columns: readonly { readonly name: string; readonly use: string }[];
  readonly guesses: readonly string[];
  readonly warnings: readonly string[];
}

/** JSON of many shapes, unchecked as JSON.parse gives it: each test says which shape it expects. */
export type Json = ReturnType<typeof JSON.parse>;

export function readJson(...path: string[]): Json {
  return JSON.parse(readFileSync(join(...path), "utf8"));
}

/** Every file below a directory, as paths relative to it, sorted. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

/** Directories of all runs in a store, in no order that means anything. */
export function runDirectories(store: string): string[] {
  const experiments = join(store, "experiments");
  return readdirSync(experiments).flatMap((experiment) =>
    readdirSync(join(experiments, experiment, "runs")).map((id) =>
      join(experiments, experiment, "runs", id),
    ),
  );
}

export interface TableOptions {
  readonly rows?: number;
  readonly features?: readonly string[];
  readonly classes?: readonly [string, string];
  readonly seed?: number;
}

/** Numbers that look random, the same on every engine: the multiplicative generator of Park and Miller. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** CSV text of a noisy two-class table whose last column is Class: no line separates it, every column has spread. */
export function noisyTable(options: TableOptions = {}): string {
  const { rows = 60, features = ["a", "b", "c"], classes = ["no", "yes"], seed = 1 } = options;
  const random = createRandom(seed);
  const lines = [[...features, "Class"].join(",")];
  for (let i = 0; i < rows; i++) {
    const values = features.map(() => Math.round((random() * 20 - 10) * 1000) / 1000);
    const score = values.reduce((sum, value, j) => sum + value / (j + 1), 0) + random() * 12 - 6;
    lines.push([...values, classes[Number(score > 0)]].join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** Writes a table into a directory and returns its path. */
export function writeTable(directory: string, name: string, options?: TableOptions): string {
  const path = join(directory, name);
  writeFileSync(path, noisyTable(options));
  return path;
}
