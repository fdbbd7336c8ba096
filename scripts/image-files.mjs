// What goes into the image: the bundled command and server, the cores, and of the store the registry and its production runs.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = process.argv[2];
if (target === undefined) {
  process.stderr.write("usage: node scripts/image-files.mjs <folder>\n");
  process.exit(2);
}

const FILES = [
  "package.json",
  "LICENSE",
  "NOTICE",
  "build/cli.js",
  "build/server.js",
  "build/cli.LICENSES.txt",
  "build/core.wasm",
  "build/core.scalar.wasm",
];

function take(path) {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  cpSync(join(root, path), join(target, path), { recursive: true });
}

for (const path of FILES) take(path);
take("miniflow/registry.json");
const registry = JSON.parse(readFileSync(join(root, "miniflow/registry.json"), "utf8"));
const experiments = readdirSync(join(root, "miniflow/experiments"));
for (const [name, { production }] of Object.entries(registry)) {
  const run = /^[0-9a-f]{12}$/.test(production) ? production : "none";
  const paths = experiments.map((experiment) => `miniflow/experiments/${experiment}/runs/${run}`);
  const path = paths.find((candidate) => existsSync(join(root, candidate)));
  if (path === undefined) {
    process.stderr.write(`The run of "${name}" that the registry names is not in the store\n`);
    process.exit(1);
  }
  take(path);
}
