// Puts a model where the Kubernetes base takes it from: the production model, or that of a run.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** A ConfigMap holds at most this much, names and base64 included (kubernetes.io/docs/concepts/configuration/configmap). */
const BYTES_MAX = 2 ** 20;

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: "string", default: "miniflow" },
    model: { type: "string" },
    to: { type: "string", default: join(root, "deploy/kubernetes/base/model") },
  },
});
const { store, to } = values;

function productionRun() {
  let registry;
  try {
    registry = JSON.parse(readFileSync(join(store, "registry.json"), "utf8"));
  } catch {
    fail(`There is no production model in ${store}: run \`npm run train\`, or name a run`);
  }
  const names = Object.keys(registry);
  const name = values.model ?? (names.length === 1 ? names[0] : undefined);
  if (name === undefined || !(name in registry)) {
    fail(`Name one of the models with --model: ${names.join(", ")}`);
  }
  return registry[name].production;
}

const run = positionals[0] ?? productionRun();
if (!/^[0-9a-f]{12}$/.test(run)) fail(`${run} is no run id: they have 12 hex digits`);
const folder = readdirSync(join(store, "experiments"))
  .map((experiment) => join(store, "experiments", experiment, "runs", run))
  .find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
if (folder === undefined) fail(`There is no run ${run} in ${store}`);

const files = [
  "artifacts/model/model.npz",
  "artifacts/model/model_card.json",
  "artifacts/train_profile.json",
  "meta.json",
];
const bytes = files.reduce(
  (sum, file) => sum + statSync(join(folder, file)).size * (file.endsWith(".npz") ? 4 / 3 : 1),
  0,
);
if (bytes > BYTES_MAX) {
  fail(
    `The files of run ${run} take ${Math.ceil(bytes)} bytes, and a ConfigMap holds ${BYTES_MAX}: bake the model into the image, or use a volume (deploy/kubernetes/README.md)`,
  );
}
rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const file of files) copyFileSync(join(folder, file), join(to, file.split("/").at(-1)));
process.stdout.write(`run ${run} in ${to}\nkubectl apply -k deploy/kubernetes/base\n`);
