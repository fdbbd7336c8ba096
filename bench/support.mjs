// What the benchmarks share: medians, peers that may be missing, and tables.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const pythons = {
  newest: here("../.venv/bin/python"),
  pandas2: here("../.venv-pandas2/bin/python"),
  mlflow: process.env.RAISIN_MLFLOW_PYTHON ?? here("../.venv-mlflow/bin/python"),
};

/** Process time of a Node command: user and system, all threads and children. */
export function processSeconds(args, cwd) {
  const command = [process.execPath, ...args]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(" ");
  const script = `TIMEFORMAT='%3U %3S'; time ${command} >/dev/null 2>/dev/null`;
  const { stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8", cwd });
  const [user, system] = stderr.trim().split(/\s+/).map(Number);
  return user + system;
}

/** Runs a peer's script and gives the JSON of its last line; null, with the reason printed, when it is not there. */
export function peer(python, script, args) {
  if (!existsSync(python)) {
    console.log(`  not installed: ${script} (bench/setup-python.sh --all installs the peers)`);
    return null;
  }
  const { status, stdout, stderr } = spawnSync(python, ["-W", "ignore", here(script), ...args], {
    encoding: "utf8",
  });
  if (status !== 0) {
    console.log(`  ${script} failed: ${stderr.trim().split("\n").at(-1)}`);
    return null;
  }
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** "median (minimum-maximum)" */
export function spread(values, digits = 2) {
  const show = (value) => value.toFixed(digits);
  return `${show(median(values))} (${show(Math.min(...values))}-${show(Math.max(...values))})`;
}

export function machine() {
  const [cpu] = cpus();
  return `${cpu?.model ?? "?"}, ${cpus().length} processors, Node ${process.versions.node}`;
}
