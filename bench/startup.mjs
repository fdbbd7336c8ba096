// Process time (user and system, all threads and children) of `raisin train` with its defaults against `node -e 0`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processSeconds, root, spread } from "./support.mjs";

const ROUNDS = 15;
const TARGET_SECONDS = 0.15;

export function benchStartup() {
  const folder = mkdtempSync(join(tmpdir(), "raisin-bench-"));
  try {
    const nothing = [];
    const train = [];
    for (let round = 0; round < ROUNDS; round++) {
      nothing.push(processSeconds(["-e", "0"], folder));
      train.push(processSeconds([join(root, "build/cli.js"), "train"], folder));
    }
    const more = train.map((seconds, k) => seconds - nothing[k]);
    console.log(`\nprocess seconds, ${ROUNDS} rounds in turn`);
    console.log(`  node -e 0      ${spread(nothing, 3)}`);
    console.log(`  raisin train   ${spread(train, 3)}`);
    console.log(`  difference     ${spread(more, 3)}   asked: at most ${TARGET_SECONDS}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
