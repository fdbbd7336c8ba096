// Loading 100 MB of CSV: ours parses, checks and digests; pandas parses with float_precision="round_trip".
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, peer, pythons, spread } from "./support.mjs";

const FILE_BYTES = 100e6;
const ROUNDS = 5;
const BASE_MIB = 150;
const TIMES_NUMERIC = 2.5;

let state = 7;
function uniform() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const KINDS = {
  "raisin-like": {
    header: "Area,MajorAxisLength,MinorAxisLength,Eccentricity,ConvexArea,Extent,Perimeter,Class",
    row() {
      const major = 225 + 700 * uniform() * uniform();
      const minor = major * (0.4 + 0.5 * uniform());
      const area = Math.round(0.77 * major * minor);
      return [
        area,
        major.toFixed(7),
        minor.toFixed(7),
        Math.sqrt(1 - (minor / major) ** 2).toFixed(9),
        Math.round(area * (1.01 + 0.05 * uniform())),
        (0.4 + 0.4 * uniform()).toFixed(9),
        (2.6 * (major + minor) * 0.6).toFixed(3),
        uniform() < 0.5 ? "Kecimen" : "Besni",
      ];
    },
  },
  "32 x 17 digits": {
    header: `${Array.from({ length: 32 }, (_, j) => `x${j + 1}`).join(",")},Class`,
    row() {
      const cells = Array.from({ length: 32 }, () =>
        ((uniform() - 0.5) * 40 + uniform() * 1e-9).toPrecision(17),
      );
      return [...cells, uniform() < 0.5 ? "a" : "b"];
    },
  },
};

function writeFile(path, { header, row }) {
  const file = openSync(path, "w");
  let bytes = writeSync(file, `${header}\n`);
  while (bytes < FILE_BYTES) {
    let text = "";
    for (let k = 0; k < 2000; k++) text += `${row().join(",")}\n`;
    bytes += writeSync(file, text);
  }
  closeSync(file);
}

function ours(path) {
  const script = fileURLToPath(new URL("load-ours.mjs", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, path], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

export function benchLoad() {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    for (const [name, kind] of Object.entries(KINDS)) {
      const path = join(folder, "table.csv");
      writeFile(path, kind);
      console.log(`\nloading 100 MB of ${name} rows, seconds, ${ROUNDS} rounds in turn`);
      const own = [];
      const peers = { pandas2: [], newest: [] };
      const versions = {};
      for (let round = 0; round < ROUNDS; round++) {
        own.push(ours(path));
        for (const which of Object.keys(peers)) {
          const answer = peer(pythons[which], "load_pandas.py", [path]);
          if (answer === null) continue;
          peers[which].push(answer.seconds);
          versions[which] = answer.pandas;
        }
      }
      const seconds = own.map((one) => one.seconds);
      const memory = median(own.map((one) => one.peakMiB));
      const budget = BASE_MIB + TIMES_NUMERIC * own[0].numericMiB;
      console.log(`  ours             ${spread(seconds)}   ${own[0].rows} rows`);
      for (const [which, times] of Object.entries(peers)) {
        if (times.length === 0) continue;
        const ratios = times.map((time, k) => time / seconds[k]);
        console.log(
          `  pandas ${versions[which].padEnd(9)} ${spread(times)}   ratio ${spread(ratios)}   asked: 1`,
        );
      }
      console.log(
        `  peak memory      ${memory.toFixed(0)} MiB   asked: at most ${budget.toFixed(0)} (150 + 2.5 x ${own[0].numericMiB.toFixed(0)})`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
