// The gate: cores, types, lint, tests. CI runs the tests by themselves and the rest with --without-tests.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const steps = [
  ["build", "scripts/build.mjs"],
  ["types of the tests", "node_modules/typescript/bin/tsc", "-p", "test/tsconfig.json"],
  ["lint", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
  ...(process.argv.includes("--without-tests") ? [] : [["tests", "scripts/test.mjs"]]),
];

for (const [name, script, ...args] of steps) {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) {
    process.stdout.write(`\n== ${name} failed\n`);
    process.exit(status ?? 1);
  }
}
process.stdout.write("\n== all passed\n");
