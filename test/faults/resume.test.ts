// Does a training that was killed at any moment go on from its last checkpoint, and end in the same bytes?
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { readMetrics, readRun, runDirectories } from "../../src/miniflow/runs.ts";
import { createRandom } from "../contract/bits.ts";
import { outcomeOf, raisin, readJson, startRaisin, temporaryDirectory } from "../support/cli.ts";

const KILLS = 200;
const SEED = 20261125;
const TRAIN = ["train", "--iterations", "20000", "--log-every", "700", "--checkpoint-every", "250"];

/** What a run holds, but for times. */
function contentOf(directory: string): object {
  const { lines, bad } = readMetrics(directory);
  return {
    metrics: lines.map(({ key, value, step }) => ({ key, value, step })),
    bad,
    model: readFileSync(join(directory, "artifacts/model/model.npz")).toString("base64"),
    profile: readJson(directory, "artifacts/train_profile.json"),
    evaluation: readJson(directory, "artifacts/evaluation.json"),
    digest: readRun(directory).meta.model_digest,
  };
}

describe(`a training killed at ${KILLS} random moments (seed ${SEED})`, () => {
  let whole: object;
  let wholeMs: number;

  beforeAll(async () => {
    const cwd = temporaryDirectory();
    const startMs = performance.now();
    expect((await raisin([...TRAIN, "--quiet"], { cwd })).code).toBe(0);
    wholeMs = performance.now() - startMs;
    const [run] = [...runDirectories(join(cwd, "miniflow"))];
    whole = contentOf(run!.directory);
  });

  test("ends in the bytes of one never killed, each time", async () => {
    const random = createRandom(SEED);
    const cwd = temporaryDirectory();
    let number = 0;
    const counts = { killed: 0, fromCheckpoint: 0, twice: 0 };
    /** Starts a command and kills it at a random moment of its life. @returns whether it was killed */
    const kill = async (args: readonly string[]): Promise<boolean> => {
      const child = startRaisin([...args, "--quiet"], { cwd });
      const outcome = outcomeOf(child);
      await Promise.race([wait(random.between(0, 1.2 * wholeMs)), outcome]);
      child.kill("SIGKILL");
      return (await outcome).signal === "SIGKILL";
    };
    const worker = async () => {
      while (counts.killed < KILLS) {
        const store = `store-${number++}`;
        await kill([...TRAIN, "--store", store]);
        const run = [...runDirectories(join(cwd, store))][0];
        // Killed before there was a run, or after its end: nothing to go on with.
        if (run === undefined || !existsSync(join(run.directory, "meta.json"))) continue;
        if (readRun(run.directory).meta.status === "FINISHED") continue;
        counts.killed++;
        const resume = ["train", "--resume", run.id, "--store", store];
        if (random.below(10) < 3) {
          await kill([...resume, "--checkpoint-every", "250"]);
          if (readRun(run.directory).meta.status === "FINISHED") continue;
          counts.twice++;
        }
        if (existsSync(join(run.directory, "checkpoint.json"))) counts.fromCheckpoint++;
        const outcome = await raisin([...resume, "--quiet"], { cwd });
        expect(outcome, `${store}: ${outcome.stderr}`).toMatchObject({ code: 0 });
        expect(contentOf(run.directory)).toEqual(whole);
        expect(existsSync(join(run.directory, "checkpoint.json"))).toBe(false);
      }
    };
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
    process.stdout.write(`kills: ${JSON.stringify(counts)}\n`);
    // Else this would only test a second training.
    expect(counts.fromCheckpoint).toBeGreaterThan(KILLS / 10);
    expect(counts.twice).toBeGreaterThan(0);
  }, 900_000);
});
