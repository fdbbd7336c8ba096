// One of many processes that promote at once: finishes a run in each round, waits for the start of the round, promotes.
// argv: library, store, promoters, rounds, own number. Prints a line a promise.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [library, store, promoters, rounds, me] = process.argv.slice(2);
const { startRun, changeRegistry } = await import(library);
const environment = Promise.resolve({
  versions: {},
  platform: "test",
  host: "here",
  user: "ann",
  git: null,
});
const barrier = (round) => join(store, `../barrier-${round}`);
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

for (let round = 0; round < Number(rounds); round++) {
  const run = await startRun({ store, experiment: "race", environment });
  run.logMetric("score", round);
  run.endRun();
  writeFileSync(join(store, `../ready-${round}-${me}`), "");
  // Whoever comes last opens the gate.
  const ready = () =>
    readdirSync(join(store, "..")).filter((name) => name.startsWith(`ready-${round}-`)).length;
  while (!existsSync(barrier(round))) {
    if (ready() === Number(promoters)) writeFileSync(barrier(round), "");
    sleep(1);
  }
  const change = changeRegistry(store, "m", () => ({
    action: "promote",
    runId: run.id,
    reason: `round ${round}`,
  }));
  process.stdout.write(`${change.to}\n`);
}
