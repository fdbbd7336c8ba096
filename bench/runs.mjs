// Ten thousand runs: listing, searching and sorting them, against MLflow's own stores with the same runs; and how fast values
// are logged.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, processSeconds, pythons, root, spread } from "./support.mjs";

const RUNS = 10_000;
const POINTS = 100_000;
const ROUNDS = 9;
const ASKED = { ratio: 20, processSeconds: 0.5, logSeconds: 1 };

/** What is asked of both sides; the same stands in runs_mlflow.py. */
const CALLS = {
  list: {},
  search: { filter: "metrics.val_loss < 0.3 and params.lr = '0.1'" },
  sort: { orderBy: ["metrics.val_roc_auc DESC"] },
};

/** The same numbers everywhere: the multiplicative generator of Park and Miller. */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const KEYS = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_roc_auc"];

/** What some runs are, in a form that both sides make their stores of. */
function describeRuns(count) {
  const random = createRandom(7);
  const start = 1_795_000_000_000;
  return Array.from({ length: count }, (_, k) => ({
    id: (k * 2654435761 + 1).toString(16).padStart(12, "0").slice(-12),
    name: `run ${k}`,
    start: start + k * 1000,
    end: start + k * 1000 + 65,
    params: {
      lr: ["0.01", "0.1", "0.5"][Math.floor(random() * 3)],
      iterations: "2000",
      l2: String(Math.floor(random() * 4) / 1000),
      seed: String(k),
      label: "Class",
      val_fraction: "0.2",
      log_every: "50",
      threshold: "0.5",
    },
    tags: { note: `note ${k % 100}` },
    metrics: Object.fromEntries(
      KEYS.map((key) => [key, Array.from({ length: 4 }, (_, step) => [step * 50, random()])]),
    ),
  }));
}

/** Our store, in the files that `startRun` and the rest write. */
function writeOurStore(store, runs) {
  const directory = join(store, "experiments", "bench", "runs");
  for (const { id, name, start, end, params, tags, metrics } of runs) {
    const run = join(directory, id);
    mkdirSync(run, { recursive: true });
    const meta = {
      kind: "train",
      model: "bench",
      run_id: id,
      experiment: "bench",
      name,
      status: "FINISHED",
      start_ts_ms: start,
      end_ts_ms: end,
      source: "train.js",
      process: { pid: 1, host: "h", boot: "x", started: "1" },
      versions: { raisin: "0.1.0", node: "20.20.2", abi: 1, core: "0".repeat(64) },
      platform: "linux-x64",
      host: "h",
      user: "ann",
      git: { commit: "0".repeat(40), dirty: false },
    };
    writeFileSync(join(run, "meta.json"), `${JSON.stringify(meta, null, 2)}\n`);
    writeFileSync(join(run, "params.json"), `${JSON.stringify(params, null, 2)}\n`);
    let seq = 0;
    const lines = Object.entries(metrics).flatMap(([key, points]) =>
      points.map(([step, value]) => JSON.stringify({ key, value, step, seq: seq++, ts_ms: start })),
    );
    writeFileSync(join(run, "metrics.jsonl"), `${lines.join("\n")}\n`);
    const tagLines = Object.entries(tags).map(([key, value]) =>
      JSON.stringify({ key, value, ts_ms: start }),
    );
    writeFileSync(join(run, "tags.jsonl"), `${tagLines.join("\n")}\n`);
  }
}

const library = join(root, "build/dist/miniflow/index.js");
const command = join(root, "build/cli.js");

/** Seconds of whole commands, warm. */
function benchProcesses(store) {
  const { search, sort } = CALLS;
  const commands = {
    list: ["runs", "list"],
    search: ["runs", "search", search.filter],
    sort: ["runs", "list", "--order-by", sort.orderBy[0]],
    "list --json, all": ["runs", "list", "--json"],
  };
  // The index counts what is two seconds old.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
  processSeconds([command, "runs", "list", "--store", store], root);
  console.log(`  process seconds, warm, ${ROUNDS} rounds   asked: at most ${ASKED.processSeconds}`);
  for (const [name, words] of Object.entries(commands)) {
    const seconds = Array.from({ length: ROUNDS }, () =>
      processSeconds([command, ...words, "--store", store], root),
    );
    console.log(`    ${name.padEnd(18)} ${spread(seconds)}`);
  }
}

/** Seconds of calls within one process, all runs given whole. */
async function benchCalls(store, folder, described) {
  const { searchRuns } = await import(library);
  const ours = {};
  for (const [name, options] of Object.entries(CALLS)) {
    ours[name] = Array.from({ length: ROUNDS }, () => {
      const start = performance.now();
      searchRuns(store, options);
      return (performance.now() - start) / 1000;
    });
  }
  const found = Object.fromEntries(
    Object.entries(CALLS).map(([name, options]) => [name, searchRuns(store, options).length]),
  );
  console.log("  calls in one process, seconds");
  for (const name of Object.keys(CALLS)) {
    console.log(`    ${name.padEnd(8)} ours ${spread(ours[name])}, ${found[name]} runs`);
  }
  if (!existsSync(pythons.mlflow)) {
    console.log("  not installed: MLflow (bench/setup-python.sh --mlflow installs it)");
    return;
  }
  const path = join(folder, "runs.json");
  writeFileSync(path, JSON.stringify(described));
  for (const backend of ["file", "sqlite"]) {
    const args = [join(root, "bench/runs_mlflow.py"), backend, join(folder, backend), path];
    const { status, stdout, stderr } = spawnSync(pythons.mlflow, ["-W", "ignore", ...args], {
      encoding: "utf8",
    });
    if (status !== 0) {
      console.log(`  MLflow with ${backend} failed: ${stderr.trim().split("\n").at(-1)}`);
      continue;
    }
    const theirs = JSON.parse(stdout.trim().split("\n").at(-1));
    for (const name of Object.keys(CALLS)) {
      if (theirs.found[name] !== found[name])
        throw new Error(`MLflow finds ${theirs.found[name]} runs, not ${found[name]}`);
      const ratio = median(theirs.seconds[name]) / median(ours[name]);
      console.log(
        `    ${name.padEnd(8)} MLflow ${theirs.version}, ${backend} store ${spread(theirs.seconds[name])}, ratio ${ratio.toFixed(1)}   asked: ${ASKED.ratio}`,
      );
    }
  }
}

/** Values logged one by one, and made durable once at the end. */
async function benchLogging(store) {
  const { startRun } = await import(library);
  const seconds = [];
  for (let round = 0; round < 5; round++) {
    const run = await startRun({ store, experiment: "logging" });
    const start = performance.now();
    for (let k = 0; k < POINTS; k++) run.logMetric("loss", 1 / (k + 1), { step: k });
    run.flush();
    seconds.push((performance.now() - start) / 1000);
    run.endRun();
  }
  console.log(
    `  ${POINTS} values logged one by one and flushed, s: ${spread(seconds)}   asked: under ${ASKED.logSeconds}`,
  );
}

export async function benchRuns() {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    const store = join(folder, "miniflow");
    const described = describeRuns(RUNS);
    console.log(`\n${RUNS} runs, ${KEYS.length} metrics of 4 values and 8 parameters each`);
    writeOurStore(store, described);
    benchProcesses(store);
    await benchCalls(store, folder, described);
    await benchLogging(join(folder, "logging"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
