// Runs the tests of sealed runs that need more than Node: a browser, and other versions of Node. What drives the one is
// installed in test/proof, the others in runtimes; where that is not to be had, tests are skipped with a reason.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "../runtimes/install.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "test/proof");

if (!install(folder)) {
  process.stdout.write("skipped: the packages of test/proof could not be installed\n");
  process.exit(0);
}
// Other versions of Node. Where they are not to be had, the tests say which they skip.
install(join(root, "runtimes"));
/** @returns the exit code */
function node(...args) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}

// The types of the browser's driver are there only now.
const types = node("node_modules/typescript/bin/tsc", "-p", "test/proof/tsconfig.json");
const config = ["--config", "test/proof/vitest.config.ts"];
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...config, ...process.argv.slice(2)];
process.exit(types !== 0 ? types : node(...vitest));
