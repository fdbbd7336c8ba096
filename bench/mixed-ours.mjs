// Reads, encodes and scales one table in a process of its own, then takes steps on it; seconds as JSON.
import { Core } from "../build/dist/core/core.js";
import { loadCore } from "../build/dist/core/node.js";
import { readCsv } from "../build/dist/data/files.js";

const [path, steps] = process.argv.slice(2);
const start = performance.now();
const dataset = await readCsv(path, { label: "y", missing: "indicator" });
const { columns, features, y } = dataset;
const core = new Core(loadCore());
const moments = columns.map((column, j) => core.moments(features[j], column));
const mean = Float64Array.from(moments, (one) => one.mean);
const std = Float64Array.from(moments, (one) => one.std);
const rows = core.rows({ columns, mean, std, y });
const load = (performance.now() - start) / 1000;

const beforeDigest = performance.now();
dataset.contentDigest; // made when it is first asked for, as a training does
const digest = (performance.now() - beforeDigest) / 1000;

const bounds = Float64Array.from(moments, ({ min, max, mean: m, std: s }) =>
  Math.max(Math.abs((min - m) / s), Math.abs((max - m) / s)),
);
const weights = new Float64Array(features.length + 1);
rows.descend(weights, bounds, { lr: 0.1, l2: 0, steps: 3 }); // the engine's optimising tier
const from = performance.now();
rows.descend(weights, bounds, { lr: 0.1, l2: 0, steps: Number(steps) });
process.stdout.write(
  JSON.stringify({
    load,
    digest,
    steps: (performance.now() - from) / 1000,
    features: features.length,
  }),
);
