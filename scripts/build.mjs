// Builds everything under build/: the three cores from assembly/, then the host from src/. With --if-stale it does
// nothing when no source is newer than the last build, so that `npm run train` and `npm test` never run old code.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "build/stamp");

const sources = [
  "assembly",
  "src",
  "asconfig.json",
  "tsconfig.json",
  "package.json",
  "package-lock.json",
];

function newestChange(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestChange(join(path, name))),
    info.mtimeMs,
  );
}

function isFresh() {
  if (!existsSync(stamp)) return false;
  const builtAt = statSync(stamp).mtimeMs;
  return sources.every((source) => newestChange(join(root, source)) <= builtAt);
}

function run(script, args) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (process.argv.includes("--if-stale") && isFresh()) process.exit(0);
if (!existsSync(join(root, "node_modules/assemblyscript"))) {
  // `npm install --omit=dev` in a checkout: there is nothing to build with, and a packed package brings its build along.
  process.stderr.write("raisin: development dependencies are not installed, nothing was built\n");
  process.exit(0);
}

mkdirSync(join(root, "build"), { recursive: true });
rmSync(stamp, { force: true });
rmSync(join(root, "build/dist"), { recursive: true, force: true });
const asc = join(root, "node_modules/assemblyscript/bin/asc.js");
for (const target of ["release", "scalar", "debug"]) run(asc, ["--target", target]);
const tsc = join(root, "node_modules/typescript/bin/tsc");
run(tsc, ["-p", "tsconfig.json"]);
writeFileSync(stamp, "");
