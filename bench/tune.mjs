// Wall time of `raisin tune` with 500 fits of 500 steps, its start and its records included, against NumPy doing the same fits.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peer, pythons, root, spread } from "./support.mjs";

const ROUNDS = 7;
const TARGET_SECONDS = 3;
const LR = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.2];
const L2 = [0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

export function benchTune() {
  const data = process.env.RAISIN_CSV ?? join(root, "data/raisins-simulated.csv");
  const ours = [];
  const theirs = [];
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
    try {
      const grid = ["--lr", LR.join(), "--l2", L2.join(), "--iterations", "500", "--folds", "5"];
      const args = [join(root, "build/cli.js"), "tune", "--data", data, ...grid, "--quiet"];
      const begin = performance.now();
      const { status } = spawnSync(process.execPath, args, { cwd: folder, stdio: "ignore" });
      if (status !== 0) throw new Error(`raisin tune ended with ${status}`);
      ours.push((performance.now() - begin) / 1000);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const found = peer(pythons.newest, "tune_numpy.py", [data, LR.join(), L2.join(), "500"]);
    if (found !== null) theirs.push(found.seconds);
  }
  console.log(
    `\n500 fits of 500 steps on ${data.split("/").at(-1)}, wall seconds, ${ROUNDS} rounds`,
  );
  console.log(`  raisin tune, all of it        ${spread(ours)}   asked: at most ${TARGET_SECONDS}`);
  if (theirs.length < ours.length) return;
  const ratios = theirs.map((seconds, k) => seconds / ours[k]);
  console.log(`  NumPy's fits alone, 2 processes  ${spread(theirs)}   ratio ${spread(ratios)}`);
}
