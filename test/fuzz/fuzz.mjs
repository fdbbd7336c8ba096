// Can any body make the server fail, answer with what is no number, or be slow? 200,000 of them, from a printed seed.
//
//   npm run fuzz                      200,000 bodies, a new seed each day
//   npm run fuzz -- 20000 12345      as many as that, with that seed
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Connection, requestBytes } from "../../bench/http-client.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const count = Number(process.argv[2] ?? 200_000);
const seed = Number(process.argv[3] ?? Math.floor(Date.now() / 86_400_000));
const CONNECTIONS = 16;
const SLOW_MS = 1000;
const FLAGS = ["--max-old-space-size=48", "--max-semi-space-size=1", "--no-maglev"];

let state = (seed % 2147483646) + 1;
/** A whole number below n: the generator of Park and Miller. */
const pick = (n) => {
  state = (state * 48271) % 2147483647;
  return state % n;
};
const oneOf = (list) => list[pick(list.length)];

const row = {
  Area: 87524,
  MajorAxisLength: 442.24,
  MinorAxisLength: 253.29,
  Eccentricity: 0.8197,
  ConvexArea: 90546,
  Extent: 0.7586,
  Perimeter: 1184.04,
};
const names = Object.keys(row);
const matrix = [Object.values(row), Object.values(row)];
const ROUTES = [
  ["/predict", "application/json", JSON.stringify(row)],
  ["/predict", "application/json", JSON.stringify([row, row])],
  ["/predict", "application/json", JSON.stringify({ columns: names, data: matrix })],
  [
    "/predict",
    "text/csv",
    `${names.join(",")}\n${matrix.map((one) => one.join(",")).join("\n")}\n`,
  ],
  [
    "/invocations",
    "application/json",
    JSON.stringify({ dataframe_split: { columns: names, data: matrix } }),
  ],
  [
    "/invocations",
    "application/json",
    JSON.stringify({ dataframe_records: [row], params: { explain: true } }),
  ],
  ["/invocations", "text/csv", `${names.join(",")}\n${matrix[0].join(",")}\n`],
  ["/drift", "application/json", JSON.stringify([row, row])],
  [
    "/v2/models/raisin_logreg/infer",
    "application/json",
    JSON.stringify({
      id: "1",
      inputs: [{ name: "x", shape: [2, 7], datatype: "FP64", data: matrix }],
      outputs: [{ name: "logit" }],
    }),
  ],
];
const WORDS = [
  "null",
  "true",
  "NaN",
  "-Infinity",
  "1e400",
  "-1e308",
  "1e308",
  "5e-324",
  "-0",
  "01",
  ".5",
  "0x10",
  "9".repeat(400),
  '"',
  "\\",
  "\\u0000",
  "\\ud800",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "[[[[",
  '"__proto__":',
  '"constructor":',
  '"columns":[]',
  '"data":[]',
  '"shape":[0,7]',
  '"shape":[1e9,7]',
  '"datatype":"BYTES"',
  '"index":[]',
  "\n",
  "\r",
  "\t",
  ",,",
  '""',
  '"Area":',
  "\u202e",
  "</script>",
  "\ufeff",
  "'",
  ";",
  "=1+1",
  "instances",
  "inputs",
];

/** A body with up to a dozen changes: bits, bytes cut out or doubled, words put in. */
function mutated(text) {
  let bytes = Buffer.from(text);
  for (let k = 1 + pick(pick(4) === 0 ? 12 : 2); k > 0; k--) {
    const at = pick(bytes.length + 1);
    switch (pick(9)) {
      case 0:
        if (at < bytes.length) bytes[at] ^= 1 << pick(8);
        break;
      case 1:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(Math.min(bytes.length, at + 1 + pick(20))),
        ]);
        break;
      case 2:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(oneOf(WORDS)),
          bytes.subarray(at),
        ]);
        break;
      case 3: {
        const end = Math.min(bytes.length, at + pick(60));
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      }
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([pick(256)]),
          bytes.subarray(at),
        ]);
        break;
      default:
        // A value gives way to a word.
        bytes = Buffer.from(
          bytes
            .toString("latin1")
            .replace(/-?\d[\d.]*/, (value) => (pick(2) ? oneOf(WORDS) : value)),
          "latin1",
        );
    }
  }
  return bytes;
}

const hasNull = (value) =>
  value === null || (typeof value === "object" && Object.values(value).some(hasNull));

/** What is wrong with an answer; undefined when nothing is. */
function fault({ status, body }, ms) {
  const text = body.toString();
  if (status === 200) {
    const isJson = text.startsWith("{") || text.startsWith("[");
    if (!isJson) return /NaN|Infinity|null/.test(text) ? "a number that is none" : undefined;
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      return "an answer that is no JSON";
    }
    // Only a report may have nothing to say.
    if (!text.startsWith('{"score"') && hasNull(answer)) return "null";
  } else if (status === 400 || status === 413) {
    let error;
    try {
      error = JSON.parse(text);
    } catch {
      return "an error that is no JSON";
    }
    if (!/^[a-z_]+$/.test(error.error) || typeof error.message !== "string")
      return "an error without its code";
    if (/[<>\u202e]/.test(text)) return "markup sent back";
    if (/node_modules|\bat .*:\d+:\d+/.test(text)) return "a stack";
    if (text.length > 2000) return "a long echo";
  } else return `status ${status}`;
  if (ms > SLOW_MS) return `${Math.round(ms)} ms`;
  return undefined;
}

const folder = mkdtempSync(join(tmpdir(), "raisin-fuzz-"));
const cli = join(root, "build/cli.js");
spawnSync(process.execPath, [cli, "train", "--quiet"], { cwd: folder });
const server = spawn(process.execPath, [...FLAGS, cli, "serve", "--port", "0"], {
  cwd: folder,
  stdio: ["ignore", "pipe", "inherit"],
});
const port = await new Promise((resolve) => {
  let text = "";
  server.stdout.on("data", (chunk) => {
    if (text === undefined) return;
    text += chunk;
    const found = /"listening".*?"port":(\d+)/.exec(text);
    if (found) {
      text = undefined;
      resolve(Number(found[1]));
    }
  });
});

const statuses = new Map();
const codes = new Map();
const faults = [];
let sent = 0;
let slowest = 0;
const started = performance.now();

async function work() {
  const connection = new Connection(port);
  while (sent < count) {
    sent++;
    const [path, type, sound] = oneOf(ROUTES);
    const body = mutated(sound);
    const begun = performance.now();
    let answer;
    try {
      answer = await connection.send(requestBytes("POST", path, body, type), true);
    } catch (error) {
      faults.push({ what: error.message, path, body: body.toString("latin1") });
      continue;
    }
    const ms = performance.now() - begun;
    slowest = Math.max(slowest, ms);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    if (answer.status !== 200) {
      const code = /"error":"(\w+)"/.exec(answer.body.toString())?.[1];
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    const what = fault(answer, ms);
    if (what !== undefined)
      faults.push({
        what,
        path,
        body: body.toString("latin1"),
        answer: answer.body.toString().slice(0, 200),
      });
  }
  connection.close();
}

await Promise.all(Array.from({ length: CONNECTIONS }, work));
// Whatever came, the sound body still gets its answer.
const probe = new Connection(port);
const after = await probe.send(requestBytes("POST", ...[ROUTES[0][0], ROUTES[0][2]]), true);
probe.close();
if (after.status !== 200) faults.push({ what: `afterwards status ${after.status}` });
if (process.platform === "linux") {
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1];
  process.stdout.write(`peak memory ${Math.round(Number(peak) / 1024)} MiB\n`);
}
server.kill("SIGKILL");
rmSync(folder, { recursive: true });

process.stdout.write(
  `${sent} bodies, seed ${seed}, ${Math.round((performance.now() - started) / 1000)} s, the slowest ${Math.round(slowest)} ms\n`,
);
process.stdout.write(`${[...statuses].map(([status, n]) => `${status}: ${n}`).join(", ")}\n`);
process.stdout.write(
  `${[...codes]
    .sort((a, b) => b[1] - a[1])
    .map(([code, n]) => `  ${code}: ${n}`)
    .join("\n")}\n`,
);
for (const one of faults.slice(0, 10)) process.stdout.write(`FAULT ${JSON.stringify(one)}\n`);
process.stdout.write(faults.length === 0 ? "no fault\n" : `${faults.length} faults\n`);
process.exit(faults.length === 0 ? 0 : 1);
