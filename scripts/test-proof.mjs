// Runs the tests of sealed runs that need more than Node: a browser, and other versions of Node. What drives them is
// installed in test/proof; where that is not to be had, they are skipped with a reason.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "test/proof");

/** Whether the packages of the lockfile are there already. */
function isInstalled() {
  const installed = join(folder, "node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  const versions = (path) =>
    Object.entries(JSON.parse(readFileSync(path, "utf8")).packages)
      .filter(([name]) => name !== "")
      .map(([name, { integrity }]) => `${name} ${integrity}`);
  const present = versions(installed);
  return versions(join(folder, "package-lock.json")).every((one) => present.includes(one));
}

if (!isInstalled()) {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status } = spawnSync(npm, ["ci", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    process.stdout.write("skipped: the packages of test/proof could not be installed\n");
    process.exit(0);
  }
}
const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/proof/vitest.config.ts"];
const { status } = spawnSync(process.execPath, [...vitest, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exit(status ?? 1);
