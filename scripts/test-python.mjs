// Builds the Python package's wheel, installs it into an environment of its own, and runs its tests. Skips with a reason where
// there is no Python, or no package index.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const project = join(root, "runtimes/python");
const folder = join(root, "build/python");
const python = join(folder, "venv/bin/python");

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: "inherit", ...options }).status === 0;
}

function skip(reason) {
  process.stdout.write(`skipped: ${reason}\n`);
  process.exit(0);
}

const found = process.env.PYTHON ?? "python3";
if (!run(found, ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"], { stdio: "ignore" })) {
  skip(`there is no ${found} of version 3.10 or later`);
}
mkdirSync(folder, { recursive: true });
if (!existsSync(python) && !run(found, ["-m", "venv", join(folder, "venv")])) {
  skip(`${found} cannot make a virtual environment`);
}
const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
if (!run(python, [...pip, "build", "pandas>=2.2", "pytest>=8"])) {
  skip("the tools for the wheel and its tests could not be installed");
}
rmSync(join(folder, "dist"), { recursive: true, force: true });
if (!run(python, ["-m", "build", "--wheel", "--outdir", join(folder, "dist"), project]))
  process.exit(1);
const [wheel] = readdirSync(join(folder, "dist")).filter((name) => name.endsWith(".whl"));
// Its dependencies first: the wheel itself is made again each time, under the same version.
if (!run(python, [...pip, join(folder, "dist", wheel)])) process.exit(1);
const again = [...pip, "--force-reinstall", "--no-deps", join(folder, "dist", wheel)];
if (!run(python, again)) process.exit(1);
const tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", ...process.argv.slice(2)];
process.exit(run(python, tests, { cwd: project }) ? 0 : 1);
