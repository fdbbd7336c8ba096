// The bill of materials: CycloneDX of the packages that production installs, on stdout.
//
// npm lists all packages and the lock says which of them are for development only: `npm sbom --omit dev` leaves out a
// package of production that is also an optional peer of one for development.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { stdout, stderr, status } = spawnSync(
  process.platform === "win32" ? "npm.cmd" : "npm",
  ["sbom", "--package-lock-only", "--sbom-format", "cyclonedx"],
  { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 },
);
if (status !== 0) {
  process.stderr.write(stderr);
  process.exit(1);
}
const { packages } = JSON.parse(
  readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"),
);
const bom = JSON.parse(stdout);
const production = new Set(
  Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, "")}@${version}`),
);
const components = bom.components.filter(({ name, version }) =>
  production.has(`${name}@${version}`),
);
const kept = new Set([
  bom.metadata.component["bom-ref"],
  ...components.map((component) => component["bom-ref"]),
]);
const dependencies = bom.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
process.stdout.write(`${JSON.stringify({ ...bom, components, dependencies }, null, 2)}\n`);
