// Measures the figures that the README states, each as a ratio to a peer in one run. Never part of the tests.
import { statSync } from "node:fs";
import { join } from "node:path";
import { benchIteration } from "./iteration.mjs";
import { benchLoad } from "./load.mjs";
import { benchMixed } from "./mixed.mjs";
import { benchPython } from "./python.mjs";
import { benchRuns } from "./runs.mjs";
import { benchServe } from "./serve.mjs";
import { benchStartup } from "./startup.mjs";
import { machine, root } from "./support.mjs";
import { benchTune } from "./tune.mjs";

const all = {
  startup: benchStartup,
  iteration: benchIteration,
  load: benchLoad,
  mixed: benchMixed,
  runs: benchRuns,
  tune: benchTune,
  python: benchPython,
  ...benchServe,
};
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(all);

console.log(machine());
for (const name of ["core.wasm", "core.scalar.wasm"]) {
  console.log(`${name}: ${statSync(join(root, "build", name)).size} bytes   asked: at most 16384`);
}
for (const name of wanted) {
  if (!(name in all)) {
    console.error(`There is no benchmark "${name}": ${Object.keys(all).join(", ")}`);
    process.exit(2);
  }
  await all[name]();
}
