// A table of 30 mixed columns: reading, encoding and scaling it, then 500 steps, against pandas, scikit-learn and NumPy.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { peer, pythons, spread } from "./support.mjs";

const ROWS = 100_000;
const STEPS = 500;
const ROUNDS = 5;
const TARGETS = { load: 3, steps: 1.5 };

let state = 11;
function uniform() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** 16 columns of numbers, 3 of them with gaps; 12 categories of 2 to 16 levels, 2 with gaps; 2 truth values. */
function makeTable() {
  const columns = [];
  for (let j = 0; j < 16; j++) {
    const digits = [0, 1, 2, 4, 6, 15][j % 6];
    const gaps = j % 5 === 4 ? 0.1 : 0;
    columns.push([
      `n${j}`,
      () => (uniform() < gaps ? "" : ((uniform() + uniform() - 1) * 10 ** (j % 4)).toFixed(digits)),
    ]);
  }
  const words = ["red", "dark blue", "not known", "a", "Västerås", "self-employed", "3rd", "high"];
  for (let j = 0; j < 12; j++) {
    const count = 2 + ((j * 5) % 15);
    const levels = Array.from(
      { length: count },
      (_, k) => `${words[k % 8]}${k >= 8 ? ` ${k}` : ""}`,
    );
    const gaps = j % 6 === 5 ? 0.05 : 0;
    columns.push([
      `c${j}`,
      () => (uniform() < gaps ? "" : levels[Math.floor(count * uniform() * uniform())]),
    ]);
  }
  for (let j = 0; j < 2; j++) columns.push([`b${j}`, () => (uniform() < 0.4 ? "yes" : "no")]);
  columns.push(["y", () => (uniform() < 0.3 ? "bad" : "good")]);
  const lines = [columns.map(([name]) => name).join(",")];
  for (let i = 0; i < ROWS; i++) lines.push(columns.map(([, cell]) => cell()).join(","));
  return `${lines.join("\n")}\n`;
}

function ours(path) {
  const script = fileURLToPath(new URL("mixed-ours.mjs", import.meta.url));
  const args = [script, path, String(STEPS)];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

export function benchMixed() {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    const path = join(folder, "mixed.csv");
    writeFileSync(path, makeTable());
    console.log(`\n${ROWS} rows x 30 mixed columns, seconds, ${ROUNDS} rounds in turn`);
    const own = [];
    const peers = { pandas2: [], newest: [] };
    for (let round = 0; round < ROUNDS; round++) {
      own.push(ours(path));
      for (const which of Object.keys(peers)) {
        const answer = peer(pythons[which], "mixed_sklearn.py", [path, String(STEPS)]);
        if (answer !== null) peers[which].push(answer);
      }
    }
    const [{ features }] = own;
    console.log(`  ours      load and encode ${spread(own.map((one) => one.load))}`);
    console.log(
      `            digests of all rows ${spread(own.map((one) => one.digest))}   besides`,
    );
    console.log(
      `            ${STEPS} steps       ${spread(own.map((one) => one.steps))}   ${features} features`,
    );
    for (const answers of Object.values(peers)) {
      if (answers.length === 0) continue;
      const [{ pandas, sklearn, numpy, features: theirs }] = answers;
      const ratios = (key) => answers.map((one, k) => one[key] / own[k][key]);
      console.log(
        `  pandas ${pandas}, scikit-learn ${sklearn}, NumPy ${numpy}, ${theirs} features`,
      );
      for (const [key, name] of [
        ["load", "load and encode"],
        ["steps", `${STEPS} steps      `],
      ]) {
        console.log(
          `            ${name} ${spread(answers.map((one) => one[key]))}   ratio ${spread(ratios(key))}   asked: ${TARGETS[key]}`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
