// Is an evaluation recorded as what it was: finished, or killed when it was interrupted?
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { readCsv } from "../../src/data/files.ts";
import { readEnvironment } from "../../src/miniflow/environment.ts";
import { readRun } from "../../src/miniflow/runs.ts";
import { listDirectory } from "../../src/miniflow/store.ts";
import { evaluationOf } from "../../src/model/metrics.ts";
import { scoreColumns } from "../../src/model/predict.ts";
import { recordEvaluation } from "../../src/recording/record.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { temporaryDirectory } from "../support/cli.ts";

async function evaluate(store: string, signal?: AbortSignal) {
  const path = join(store, "d.csv");
  writeFileSync(path, "x,Class\n1,a\n2,a\n3,b\n4,b\n");
  const dataset = await readCsv(path, { label: "Class" });
  const params = { ...DEFAULT_PARAMS, iterations: 3, valFraction: 0 };
  const { model, modelDigest } = await train(loadCore(), dataset, params);
  const { score, weight } = scoreColumns(new Core(loadCore()), model, dataset.columns, dataset.y);
  expect(weight).toBe(4); // each row counts once
  return recordEvaluation(loadCore(), dataset, {
    store,
    experiment: "e",
    model: null,
    modelDigest,
    modelRun: null,
    evaluation: evaluationOf(score, dataset.y, 0.5),
    environment: readEnvironment(),
    ...(signal && { signal }),
  });
}

const statusesOf = (store: string) => {
  const runs = join(store, "experiments/e/runs");
  return listDirectory(runs).map((id) => readRun(join(runs, id)).meta.status);
};

it("an evaluation is a finished run of kind evaluate", async () => {
  const store = temporaryDirectory();
  const { directory } = await evaluate(store);
  expect(readRun(directory).meta).toMatchObject({ kind: "evaluate", status: "FINISHED" });
});

it("an interrupted evaluation is recorded as killed, and throws the signal's reason", async () => {
  const store = temporaryDirectory();
  const signal = AbortSignal.abort(new Error("interrupted"));
  await expect(evaluate(store, signal)).rejects.toThrow("interrupted");
  expect(statusesOf(store)).toEqual(["KILLED"]);
});
