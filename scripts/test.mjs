// Runs the tests in two steps: kernels and contract first, so that a changed kernel fails where it is wrong and not
// in everything that stands on it. Further arguments go to vitest, and then there is one step.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const first = ["test/assembly", "test/contract"];
const steps =
  process.argv.length > 2
    ? [process.argv.slice(2)]
    : [first, first.flatMap((folder) => ["--exclude", `${folder}/**`])];

for (const step of steps) {
  const args = ["node_modules/vitest/vitest.mjs", "run", ...step];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
