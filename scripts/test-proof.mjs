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
const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/proof/vitest.config.ts"];
const { status } = spawnSync(process.execPath, [...vitest, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exit(status ?? 1);
