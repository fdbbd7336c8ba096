// What does an answer cost? CPU of the server a request against a bare hono app, requests a second against Python, batches,
// start-up, and the same at a tenth of a core.
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
  const args = [
    ...flags,
    join(root, "build/cli.js"),
    "serve",
    "--port",
    "0",
    "--store",
    join(folder, "miniflow"),
    ...more,
  ];
  const child = spawn(node, args, { stdio: ["ignore", openSync(log, "w"), "inherit"] });
  for (;;) {
    const port = /"listening".*?"port":(\d+)/.exec(readFileSync(log, "utf8"))?.[1];
    if (port !== undefined) return { child, port: Number(port), pid: child.pid };
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`raisin serve ended with ${child.exitCode ?? child.signalCode}`);
    }
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
  const bare = await start(
    process.execPath,
    [...FLAGS, here("serve-bare.mjs"), body.toString()],
    ({ port }) => port,
  );
  const model = join(folder, "model.npz");
  const python = existsSync(pythons.newest)
    ? await start(pythons.newest, [here("serve_numpy.py"), model], ({ port }) => port)
    : null;
  const cost = { ours: [], bare: [] };
  const rate = { ours: [], bare: [], python: [] };
  try {
    for (const server of [ours, bare]) await costOf(server, bytes); // warm
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, server] of [
        ["ours", ours],
        ["bare", bare],
      ]) {
        const { cpu, rate: requests } = await costOf(server, bytes);
        cost[name].push(cpu * 1e6);
        rate[name].push(requests);
      }
      if (python !== null) {
        const { seconds } = await hammer(python.port, bytes, {
          count: 4000,
          connections: CONNECTIONS,
        });
        rate.python.push(4000 / seconds);
      }
    }
  } finally {
    for (const server of [ours, bare, python]) if (server !== null) stop(server);
  }
  const ratios = cost.ours.map((cpu, k) => cpu / cost.bare[k]);
  console.log(
    `\none row with contributions, ${REQUESTS} requests on ${CONNECTIONS} connections, ${ROUNDS} rounds in turn`,
  );
  console.log(
    `  CPU a request, µs: ours ${spread(cost.ours, 1)}, bare hono ${spread(cost.bare, 1)}`,
  );
  console.log(`  ratio ${spread(ratios)}   asked: at most 1.6, aimed at 1.4`);
  console.log(
    `  requests a second: ours ${spread(rate.ours, 0)}, bare hono ${spread(rate.bare, 0)}`,
  );
  if (python === null) console.log("  not installed: NumPy (bench/setup-python.sh)");
  else {
    const times = rate.ours.map((one, k) => one / rate.python[k]);
    console.log(
      `  Python's ThreadingHTTPServer with NumPy ${spread(rate.python, 0)}, ratio ${spread(times)}   asked: at least 2.5`,
    );
  }
}

/** Rows a second through JSON columns and CSV, while somebody asks whether the server is ready. */
async function benchBatches(folder) {
  const rows = 10_000;
  const names = Object.keys(ROW);
  const values = Array.from({ length: rows }, (_, i) =>
    names.map((name, j) =>
      Number((ROW[name] * (1 + ((i * 7 + j * 13) % 101) / 1000)).toPrecision(6)),
    ),
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
      console.log(
        `  ${name} ${path}: ${spread(rates, 0)} thousand rows/s   asked: at least ${asked / 1000}`,
      );
      console.log(
        `    /readyz meanwhile: median ${median(waits).toFixed(1)} ms, longest ${Math.max(...waits).toFixed(1)}   asked: under 50`,
      );
    }
  } finally {
    stop(ours);
  }
}

/** Milliseconds from the start of Node to the first 200 of /readyz, asked every 5 ms. */
async function readyMs(folder, node, onStart = () => {}) {
  const port = 20_000 + (Math.floor(performance.now()) % 20_000);
  const ready = requestBytes("GET", "/readyz");
  const started = performance.now();
  const args = [...FLAGS, join(root, "build/cli.js"), "serve", "--port", String(port)];
  const child = spawn(node, args, { cwd: folder, stdio: "ignore" });
  onStart(child.pid);
  for (;;) {
    const connection = new Connection(port);
    try {
      const status = await connection.send(ready);
      if (status === 200) return { ms: performance.now() - started, child, port };
    } catch {
      await wait(5);
    } finally {
      connection.close();
    }
  }
}

async function benchStart(folder) {
  const more = [];
  const nothing = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    nothing.push((performance.now() - begun) / 1000);
    const { ms, child } = await readyMs(folder, process.execPath);
    child.kill("SIGKILL");
    more.push(ms / 1000 - nothing.at(-1));
  }
  console.log(`\nfrom node to the first 200 of /readyz, ${ROUNDS} rounds in turn`);
  console.log(
    `  seconds beyond node -e 0 (${spread(nothing, 3)}): ${spread(more, 3)}   asked: at most 0.25`,
  );
}

/** Lets a process run for 10 of every 100 ms. @returns how to end that */
function throttle(pid) {
  let isEnded = false;
  const turn = async () => {
    while (!isEnded) {
      try {
        process.kill(pid, "SIGCONT");
        await wait(10);
        process.kill(pid, "SIGSTOP");
      } catch {
        return;
      }
      await wait(90);
    }
    process.kill(pid, "SIGCONT");
  };
  const turning = turn();
  return () => {
    isEnded = true;
    return turning;
  };
}

async function benchThrottled(folder) {
  const starts = [];
  const longest = [];
  for (let round = 0; round < 3; round++) {
    let release;
    const { ms, child, port } = await readyMs(folder, process.execPath, (pid) => {
      release = throttle(pid);
    });
    starts.push(ms / 1000);
    const bytes = requestBytes("POST", "/predict", JSON.stringify(ROW));
    const times = [];
    const asked = [];
    for (let k = 0; k < 400; k++) {
      const connection = new Connection(port);
      const begun = performance.now();
      asked.push(
        connection.send(bytes).then((status) => {
          if (status !== 200) throw new Error(`status ${status}`);
          times.push(performance.now() - begun);
          connection.close();
        }),
      );
      await wait(50);
    }
    await Promise.all(asked);
    await release();
    child.kill("SIGKILL");
    times.sort((a, b) => a - b);
    longest.push(times[Math.floor(times.length * 0.99)]);
  }
  console.log("\nfor 10 of every 100 ms only, 20 requests a second for 20 s, 3 rounds");
  console.log(`  seconds to the first 200 of /readyz: ${spread(starts, 2)}   asked: at most 4`);
  console.log(`  p99 of one-row predictions, ms: ${spread(longest, 0)}   asked: under 300`);
}

/** Peak memory after 100,000 requests, and whether a limit of 128 MiB on data is enough. */
async function benchMemory(folder) {
  const nodes = [process.execPath, ...(process.env.RAISIN_NODES ?? "").split(":").filter(Boolean)];
  console.log(
    "\npeak memory after 100,000 requests on 16 connections, with the image's flags   asked: at most 100 MiB",
  );
  const bytes = requestBytes("POST", "/predict", JSON.stringify(ROW));
  for (const node of nodes) {
    const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
    const ours = await startOurs(folder, { node });
    const halves = [];
    for (let half = 0; half < 2; half++) {
      const { bad } = await hammer(ours.port, bytes, { count: 50_000, connections: 16 });
      if (bad > 0) throw new Error(`${bad} requests failed`);
      halves.push(statusKib(ours.pid, "VmHWM") / 1024);
    }
    stop(ours);
    let limited = "prlimit is not here";
    const limit = (args) => spawnSync("prlimit", ["--data=134217728", ...args]);
    if (limit(["true"]).status === 0 && limit([node, "-e", "0"]).status !== 0) {
      limited = "this Node itself does not start";
    } else if (limit(["true"]).status === 0) {
      const small = await startOurs(folder, {
        node: "prlimit",
        flags: ["--data=134217728", node, ...FLAGS],
      });
      const { bad } = await hammer(small.port, bytes, { count: 20_000, connections: 16 });
      limited = bad === 0 ? "20,000 requests answered" : `${bad} of 20,000 failed`;
      stop(small);
    }
    console.log(
      `  ${version}: ${halves.map((one) => one.toFixed(0)).join(" MiB after the first half, ")} MiB after both; with 128 MiB of data: ${limited}`,
    );
  }
}

/** A control group of 128 MiB and a tenth of a CPU; undefined where none can be made. */
function makeGroup() {
  const v1 = ["/sys/fs/cgroup/memory/raisin-bench", "/sys/fs/cgroup/cpu/raisin-bench"];
  const v2 = ["/sys/fs/cgroup/raisin-bench"];
  const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const folders = isV2 ? v2 : v1;
  const settings = isV2
    ? { "memory.max": "134217728", "memory.swap.max": "0", "cpu.max": "10000 100000" }
    : {
        "memory.limit_in_bytes": "134217728",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "10000",
      };
  try {
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    for (const [name, value] of Object.entries(settings)) {
      const folder = folders.find((one) => existsSync(join(one, name)));
      writeFileSync(join(folder, name), value);
    }
  } catch {
    return undefined;
  }
  const peakName = isV2 ? "memory.peak" : "memory.max_usage_in_bytes";
  return {
    enter: folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`).join(" && "),
    peak: () => Number(readFileSync(join(folders[0], peakName), "utf8")) / 2 ** 20,
    remove() {
      for (const folder of folders) rmdirSync(folder);
    },
  };
}

/** What a container gets: 128 MiB, file pages included, and 100m of CPU. */
async function benchGroup(folder) {
  const nodes = [process.execPath, ...(process.env.RAISIN_NODES ?? "").split(":").filter(Boolean)];
  console.log("\nin a control group of 128 MiB and 0.1 CPU");
  const bytes = requestBytes("POST", "/predict", JSON.stringify(ROW));
  for (const node of nodes) {
    const group = makeGroup();
    if (group === undefined) {
      console.log("  skipped: no control group can be made here");
      return;
    }
    const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
    const begun = performance.now();
    const ours = await startOurs(folder, {
      node: "bash",
      flags: ["-c", `${group.enter} && exec "$0" "$@"`, node, ...FLAGS],
    });
    const started = (performance.now() - begun) / 1000;
    const { bad, seconds } = await hammer(ours.port, bytes, { count: 20_000, connections: 4 });
    const times = [];
    for (let k = 0; k < 200; k++) {
      const connection = new Connection(ours.port);
      const sent = performance.now();
      const status = await connection.send(bytes);
      if (status !== 200) throw new Error(`status ${status}`);
      times.push(performance.now() - sent);
      connection.close();
      await wait(50);
    }
    times.sort((a, b) => a - b);
    const peak = group.peak();
    const exited = new Promise((resolve) => ours.child.once("exit", resolve));
    stop(ours);
    await exited;
    await wait(100);
    group.remove();
    console.log(
      `  ${version}: listens after ${started.toFixed(2)} s; 20,000 requests at ${(20_000 / seconds).toFixed(0)} a second, ${bad} failed; p99 at 20 a second ${times[198].toFixed(0)} ms; peak ${peak.toFixed(0)} MiB`,
    );
  }
}

/** A part of this by itself, in a folder with a trained model. */
const inFolder = (work) => async () => {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    const train = spawnSync(process.execPath, [join(root, "build/cli.js"), "train", "--quiet"], {
      cwd: folder,
    });
    if (train.status !== 0) throw new Error(train.stderr.toString());
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export const benchServe = {
  "serve-one": inFolder(benchOneRow),
  "serve-batch": inFolder(benchBatches),
  "serve-start": inFolder(benchStart),
  "serve-throttled": inFolder(benchThrottled),
  "serve-memory": inFolder(benchMemory),
  "serve-group": inFolder(benchGroup),
};
