// What does an answer cost? CPU of the server a request against a bare hono app, requests a second against Python, batches,
// start-up, and the same at a tenth of a core.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Connection, hammer, requestBytes } from "./http-client.mjs";
import { median, pythons, root, spread } from "./support.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const FLAGS = ["--max-old-space-size=48", "--max-semi-space-size=1", "--no-maglev"];
const ROUNDS = 9;
const REQUESTS = 20_000;
const CONNECTIONS = 16;
const ROW = {
  Area: 87524,
  MajorAxisLength: 442.24,
  MinorAxisLength: 253.29,
  Eccentricity: 0.8197,
  ConvexArea: 90546,
  Extent: 0.7586,
  Perimeter: 1184.04,
};

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** User and system seconds of a process, all threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function statusKib(pid, key) {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`${key}:\\s+(\\d+)`));
  return Number(line[1]);
}

/** Starts a server whose first line of output tells its port. */
async function start(command, args, portOf) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      const found = portOf(JSON.parse(line));
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  return { child, port, pid: child.pid };
}

/** Ours, its log in a file, as a container's is. */
async function startOurs(folder, { node = process.execPath, flags = FLAGS, more = [] } = {}) {
  const log = join(folder, `log-${Math.round(performance.now() * 1000)}`);
  const args = [...flags, join(root, "build/cli.js"), "serve", "--port", "0", "--store", join(folder, "miniflow"), ...more];
  const child = spawn(node, args, { stdio: ["ignore", openSync(log, "w"), "inherit"] });
  for (;;) {
    const port = /"listening".*?"port":(\d+)/.exec(readFileSync(log, "utf8"))?.[1];
    if (port !== undefined) return { child, port: Number(port), pid: child.pid };
    if (child.exitCode !== null) throw new Error(`raisin serve ended with ${child.exitCode}`);
    await wait(5);
  }
}

function stop({ child }) {
  child.kill("SIGKILL");
}

async function costOf(server, bytes) {
  const before = cpuSeconds(server.pid);
  const { seconds, bad } = await hammer(server.port, bytes, {
    count: REQUESTS,
    connections: CONNECTIONS,
  });
  if (bad > 0) throw new Error(`${bad} requests failed`);
  return { cpu: (cpuSeconds(server.pid) - before) / REQUESTS, rate: REQUESTS / seconds };
}

/** CPU a request against a bare hono app, and requests a second against Python. */
async function benchOneRow(folder) {
  const bytes = requestBytes("POST", "/predict", JSON.stringify(ROW));
  const ours = await startOurs(folder);
  const probe = new Connection(ours.port);
  const { body } = await probe.send(bytes, true);
  probe.close();
  const bare = await start(process.execPath, [...FLAGS, here("serve-bare.mjs"), body.toString()], ({ port }) => port);
  const model = join(folder, "model.npz");
  const python = existsSync(pythons.newest)
    ? await start(pythons.newest, [here("serve_numpy.py"), model], ({ port }) => port)
    : null;
  const cost = { ours: [], bare: [] };
  const rate = { ours: [], bare: [], python: [] };
  try {
    for (const server of [ours, bare]) await costOf(server, bytes); // warm
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, server] of [["ours", ours], ["bare", bare]]) {
        const { cpu, rate: requests } = await costOf(server, bytes);
        cost[name].push(cpu * 1e6);
        rate[name].push(requests);
      }
      if (python !== null) {
        const { seconds } = await hammer(python.port, bytes, { count: 4000, connections: CONNECTIONS });
        rate.python.push(4000 / seconds);
      }
    }
  } finally {
    for (const server of [ours, bare, python]) if (server !== null) stop(server);
  }
  const ratios = cost.ours.map((cpu, k) => cpu / cost.bare[k]);
  console.log(`\none row with contributions, ${REQUESTS} requests on ${CONNECTIONS} connections, ${ROUNDS} rounds in turn`);
  console.log(`  CPU a request, µs: ours ${spread(cost.ours, 1)}, bare hono ${spread(cost.bare, 1)}`);
  console.log(`  ratio ${spread(ratios)}   asked: at most 1.6, aimed at 1.4`);
  console.log(`  requests a second: ours ${spread(rate.ours, 0)}, bare hono ${spread(rate.bare, 0)}`);
  if (python === null) console.log("  not installed: NumPy (bench/setup-python.sh)");
  else {
    const times = rate.ours.map((one, k) => one / rate.python[k]);
    console.log(`  Python's ThreadingHTTPServer with NumPy ${spread(rate.python, 0)}, ratio ${spread(times)}   asked: at least 2.5`);
  }
}

/** Rows a second through JSON columns and CSV, while somebody asks whether the server is ready. */
async function benchBatches(folder) {
  const rows = 10_000;
  const names = Object.keys(ROW);
  const values = Array.from({ length: rows }, (_, i) =>
    names.map((name, j) => Number((ROW[name] * (1 + ((i * 7 + j * 13) % 101) / 1000)).toPrecision(6))),
  );
  const table = JSON.stringify({ columns: names, data: values });
  const csv = `${names.join(",")}\n${values.map((row) => row.join(",")).join("\n")}\n`;
  const ours = await startOurs(folder);
  console.log(`\nbatches of ${rows} rows, one after the other, ${ROUNDS} rounds of 10`);
  try {
    for (const [name, path, body, type, asked] of [
      ["JSON columns", "/predict", table, "application/json", 300_000],
      ["JSON columns", "/predict?explain=false", table, "application/json", 300_000],
      ["CSV", "/predict", csv, "text/csv", 150_000],
      ["CSV", "/predict?explain=false", csv, "text/csv", 150_000],
    ]) {
      const bytes = requestBytes("POST", path, body, type);
      const waits = [];
      let isDone = false;
      const probing = (async () => {
        const probe = new Connection(ours.port);
        const ready = requestBytes("GET", "/readyz");
        while (!isDone) {
          const started = performance.now();
          await probe.send(ready);
          waits.push(performance.now() - started);
          await wait(5);
        }
        probe.close();
      })();
      const rates = [];
      await hammer(ours.port, bytes, { count: 10, connections: 1 });
      for (let round = 0; round < ROUNDS; round++) {
        const { seconds, bad } = await hammer(ours.port, bytes, { count: 10, connections: 1 });
        if (bad > 0) throw new Error(`${bad} requests failed`);
        rates.push((10 * rows) / seconds / 1000);
      }
      isDone = true;
      await probing;
      console.log(`  ${name} ${path}: ${spread(rates, 0)} thousand rows/s   asked: at least ${asked / 1000}`);
      console.log(`    /readyz meanwhile: median ${median(waits).toFixed(1)} ms, longest ${Math.max(...waits).toFixed(1)}   asked: under 50`);
    }
  } finally {
    stop(ours);
  }
}

export async function benchServe() {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    const train = spawnSync(process.execPath, [join(root, "build/cli.js"), "train", "--quiet"], { cwd: folder });
    if (train.status !== 0) throw new Error(train.stderr.toString());
    await benchOneRow(folder);
    await benchBatches(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
