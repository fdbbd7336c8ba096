// What the harness and its runtimes share: running a program, and saying why one is not here.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A runtime that is not here, and why. */
export class Skip extends Error {}

/** The path of a program. @throws Skip */
export function program(name, what = "install it") {
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Skip(`${name} is not installed: ${what}`);
  return found;
}

const TIMEOUT_MS = 300_000;

/** Runs a program to its end. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    maxBuffer: 2 ** 26,
    ...options,
  });
  const { status, stdout = "", stderr = "", error } = result;
  return {
    code: status ?? -1,
    stdout: stdout ?? "",
    stderr: (stderr ?? "") + (error?.message ?? ""),
  };
}

/** Runs a step that prepares a runner. @throws Skip when it fails, as without a network */
export function prepare(command, args, options = {}) {
  const { code, stdout, stderr } = run(command, args, options);
  if (code === 0) return stdout.trim();
  const [line] = `${stderr}\n${stdout}`.trim().split("\n").slice(-1);
  throw new Skip(`${[command.split("/").at(-1), ...args].join(" ").slice(0, 60)} failed: ${line}`);
}

/** Starts a program that goes on until it is ended. @returns it and a way to end it with all that it started */
export function start(command, args, options = {}) {
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
    ...options,
  });
  const end = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  return { child, end };
}
