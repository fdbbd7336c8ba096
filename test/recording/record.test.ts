// Does a recorded run tell how its training ended, and is production decided on this run's own rows?
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { readCsv, type TrainingFile } from "../../src/data/files.ts";
import { splitRows } from "../../src/data/split.ts";
import { readRegistry } from "../../src/miniflow/registry.ts";
import { readMetrics } from "../../src/miniflow/runs.ts";
import { encodeModel, modelDigest } from "../../src/model/model-file.ts";
import { predictColumns } from "../../src/model/predict.ts";
import { NotRepeatableError } from "../../src/proof/record.ts";
import {
  type RecordedTraining,
  recordTraining,
  type TrainingRequest,
} from "../../src/recording/record.ts";
import { readProduction, readStoredModel } from "../../src/recording/stored-model.ts";
import { Verifier } from "../../src/recording/verify.ts";
import { DEFAULT_PARAMS, type TrainingParams } from "../../src/training/params.ts";
import {
  noisyTable,
  readJson,
  runDirectories,
  type TableOptions,
  temporaryDirectory,
} from "../support/cli.ts";
import { ENVIRONMENT } from "../support/environment.ts";

const source = loadCore();
/** A store of its own, and trainings into it. */
function workshop() {
  const directory = temporaryDirectory();
  const store = join(directory, "miniflow");
  const table = (name: string, text: string): Promise<TrainingFile> => {
    writeFileSync(join(directory, name), text);
    return readCsv(join(directory, name), { label: "Class" });
  };
  const record = (
    dataset: TrainingFile,
    params: Partial<TrainingParams> = {},
    more: Partial<TrainingRequest> = {},
  ): Promise<RecordedTraining> =>
    recordTraining(source, dataset, {
      store,
      experiment: "x",
      model: "m",
      gate: { metric: "val_accuracy" },
      promote: true,
      params: { ...DEFAULT_PARAMS, iterations: 30, logEvery: 10, ...params },
      environment: Promise.resolve(ENVIRONMENT),
      ...more,
    });
  return { store, table, record };
}

const noisy = (options: TableOptions = {}) => noisyTable({ rows: 100, ...options });

describe("recordTraining()", () => {
  test("has everything on disk when it returns", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const { runId, directory, result, params, production } = await record(dataset);
    expect(readJson(directory, "meta.json")).toMatchObject({
      run_id: runId,
      status: "FINISHED",
      model_digest: result.modelDigest,
      ...ENVIRONMENT,
    });
    expect(readJson(directory, "params.json")).toEqual(params);
    expect(readMetrics(directory).lines.map(({ ts_ms, ...metric }) => metric)).toEqual(
      result.records.map(({ key, value, step }) => ({ key, value, step })),
    );
    expect(production).toBe(runId);
    expect(readProduction(store, "m", readRegistry(store).get("m")!).model).toEqual(result.model);
  });

  test("writes metrics before it tells of them", async () => {
    const { store, table, record } = workshop();
    const seen: [number, number][] = [];
    await record(
      await table("wine.csv", noisy()),
      {},
      {
        onProgress: ({ step }) => {
          const [run] = runDirectories(store);
          seen.push([step, Math.max(...readMetrics(run!).lines.map((metric) => metric.step))]);
          expect(readJson(run!, "meta.json").status).toBe("RUNNING");
          expect(existsSync(join(store, "registry.json"))).toBe(false);
        },
      },
    );
    expect(seen).toEqual([0, 10, 20, 30].map((step) => [step, step]));
  });

  test("records an interruption as killed, and throws its reason", async () => {
    const { store, table, record } = workshop();
    const controller = new AbortController();
    const reason = new Error("enough");
    const training = record(
      await table("wine.csv", noisy()),
      {},
      {
        signal: controller.signal,
        onProgress: ({ step }) => {
          if (step === 20) controller.abort(reason);
        },
      },
    );
    await expect(training).rejects.toBe(reason);
    const [run] = runDirectories(store);
    expect(readJson(run!, "meta.json")).toMatchObject({ status: "KILLED", error: "enough" });
    expect(existsSync(join(store, "registry.json"))).toBe(false);
  });

  test.each<[string, Partial<TrainingParams>, RegExp]>([
    ["parameters out of range", { lr: -1 }, /lr must be a finite number above 0/],
    ["a descent that diverges", { lr: 1e300, l2: 1 }, /lower the learning rate/],
  ])("records %s as failed, and throws", async (_, params, message) => {
    const { store, table, record } = workshop();
    await expect(record(await table("wine.csv", noisy()), params)).rejects.toThrow(message);
    const [run] = runDirectories(store);
    const meta = readJson(run!, "meta.json");
    expect(meta).toMatchObject({ status: "FAILED", error: expect.stringMatching(message) });
    expect(existsSync(join(store, "registry.json"))).toBe(false);
  });

  test("a failed run is no model to use", async () => {
    const { store, table, record } = workshop();
    await record(await table("wine.csv", noisy()), { lr: -1 }).catch(() => {});
    const [run] = runDirectories(store);
    expect(() => readStoredModel(run!)).toThrow("not finished: its status is FAILED");
    await expect(new Verifier().verify(run!)).rejects.toThrow(NotRepeatableError);
  });
});

describe("the decision", () => {
  test("scores production on the candidate's validation rows, by production's own threshold", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const first = await record(dataset, { seed: 1, iterations: 1, threshold: 0.45 });
    const { decision, result } = await record(dataset, { seed: 2 });
    const model = first.result.model;
    const { pred } = predictColumns(new Core(source), model, dataset.columns);
    const validation = [...result.split.validation];
    const right = validation.filter((i) => pred[i] === dataset.y[i]).length;
    expect(decision.production).toBe(right / validation.length);
    expect(decision.candidate).toBe(result.validation.accuracy);
    // Not the figure that production had on its own rows.
    const { train } = splitRows(dataset.rowDigests, dataset.y, { seed: 1, fraction: 0.2 });
    const seen = validation.filter((i) => train.includes(i)).length;
    expect(seen).toBeGreaterThan(0);
    expect(decision.seen_by_production).toBe(seen);
    expect(decision.reason).toContain(`had seen ${seen} of these ${validation.length} rows`);
    expect(decision.promoted).toBe(decision.candidate! > decision.production!);
    expect(readRegistry(store).get("m")?.production).toBe(
      decision.promoted
        ? readJson(runDirectories(store).find((path) => !path.endsWith(first.runId))!, "meta.json")
            .run_id
        : first.runId,
    );
  });

  test("says that it cannot tell which rows production has seen when that had other data", async () => {
    const { table, record } = workshop();
    await record(await table("wine.csv", noisy()));
    const { decision } = await record(await table("more.csv", noisy({ seed: 3 })));
    expect(decision.seen_by_production).toBeNull();
    expect(decision.reason).toContain(
      "trained on other data, so it may have seen some of these rows",
    );
  });

  test("compares models whose files had the columns in another order", async () => {
    const { table, record } = workshop();
    const text = noisy();
    const swapped = text.replaceAll(/^([^,]+),([^,]+),([^,]+),/gm, "$3,$1,$2,");
    const first = await record(await table("wine.csv", text), { valFraction: 0.3 });
    const second = await record(await table("swapped.csv", swapped), { valFraction: 0.3 });
    expect(second.result.model.featureNames).toEqual(["c", "a", "b"]);
    expect(second.decision.production_run).toBe(first.runId);
    // The production model's own columns: on its own rows it does as well as when it was trained.
    const again = await record(await table("third.csv", text), { valFraction: 0.3 });
    expect(again.decision.production).toBe(first.result.validation.accuracy);
  });

  test.each<[string, TableOptions, RegExp]>([
    [
      "other features",
      { features: ["a", "b", "z"] },
      /its features are a, b, c\. To keep both, train under another name with --model$/,
    ],
    ["fewer features", { features: ["a", "b"] }, /its features are a, b, c\. To keep both/],
    [
      "features whose names join to the same text",
      { features: ["a", '"b, c"'] },
      /its features are a, b, c\. To keep both/,
    ],
    ["other classes", { classes: ["no", "YES"] }, /its classes are no, yes/],
  ])("refuses %s, and says so", async (_, options, message) => {
    const { store, table, record } = workshop();
    const first = await record(await table("wine.csv", noisy()), { threshold: 0.99 });
    const { decision, production } = await record(await table("other.csv", noisy(options)));
    expect(decision).toMatchObject({
      promoted: false,
      production: null,
      production_run: first.runId,
    });
    expect(decision.reason).toMatch(message);
    expect(production).toBe(first.runId);
    expect(readRegistry(store).get("m")?.production).toBe(first.runId);
  });

  test("promotes nothing when a class has no validation row", async () => {
    const { store, table, record } = workshop();
    const lines = noisy().split("\n");
    const lonely = lines.filter((line, i) => i === 0 || line.endsWith("no"));
    lonely.push(lines.find((line) => line.endsWith("yes"))!);
    const { decision, result } = await record(await table("lonely.csv", lonely.join("\n")));
    expect(result.validation.roc_auc).toBeNull();
    expect(decision).toMatchObject({
      promoted: false,
      reason: expect.stringContaining("a class has no validation row"),
    });
    expect(existsSync(join(store, "registry.json"))).toBe(false);
  });

  test("keeps models of different names apart", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const a = await record(dataset, {}, { model: "__proto__" });
    const b = await record(dataset, {}, { model: "constructor" });
    expect([a.decision.promoted, b.decision.promoted]).toEqual([true, true]);
    expect(readRegistry(store).get("__proto__")?.production).toBe(a.runId);
    expect(
      readProduction(store, "constructor", readRegistry(store).get("constructor")!).run.id,
    ).toBe(b.runId);
  });

  test("with a production run that did not finish, records and promotes nothing", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const first = await record(dataset);
    const path = join(first.directory, "meta.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"FINISHED"', '"RUNNING"'));
    const second = await record(dataset, { threshold: 0.4 });
    expect(second.productionError?.message).toContain("its status is RUNNING");
    expect(second.decision.promoted).toBe(false);
    expect(readJson(second.directory, "meta.json").status).toBe("FINISHED");
    expect(readRegistry(store).get("m")?.production).toBe(first.runId);
  });
});

describe("a production run of no use", () => {
  test("whose split is not told: the seen rows are unknown, the comparison stands", async () => {
    const { table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const first = await record(dataset);
    const path = join(first.directory, "params.json");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"seed": \d+/, '"seed": 1.5'));
    const { decision, directory } = await record(dataset, { seed: 2 });
    expect(decision).toMatchObject({
      production: expect.any(Number),
      production_run: first.runId,
      seen_by_production: null,
    });
    expect(decision.reason).toContain("does not say how its data was split");
    expect(readJson(directory, "meta.json").status).toBe("FINISHED");
  });

  test("whose model cannot score the rows: the new run is recorded, and says what to do", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const first = await record(dataset);
    const { model } = first.result;
    const wild = { ...model, w: model.w.map(() => 1e300), std: model.std.map(() => 1e-300) };
    writeFileSync(join(first.directory, "artifacts/model/model.npz"), encodeModel(wild));
    const path = join(first.directory, "meta.json");
    const meta = readFileSync(path, "utf8");
    writeFileSync(path, meta.replace(first.result.modelDigest, modelDigest(wild)));
    const { directory, decision, productionError, production } = await record(dataset, { seed: 2 });
    expect(productionError?.message).toMatch(
      /logit is not finite.* Train under another name with --model, or take the entry "m" out of .*, or promote one without a comparison: `raisin models promote <run> --force`/,
    );
    expect(decision.promoted).toBe(false);
    expect(readJson(directory, "meta.json")).toMatchObject({
      status: "FINISHED",
      promotion: { promoted: false },
    });
    expect(production).toBe(first.runId);
    expect(readRegistry(store).get("m")?.production).toBe(first.runId);
  });

  test("a registry that cannot be written: the record says that the run was not promoted", async () => {
    const { store, table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    // Reads as empty, and cannot be written into.
    mkdirSync(store);
    symlinkSync("nowhere", join(store, "registry.d"));
    const { directory, runId, decision, productionError, production } = await record(dataset);
    const reason = `Cannot put run ${runId} into production as "m": Cannot write ${join(store, "registry.d")}`;
    expect(productionError?.message).toContain(reason);
    expect(productionError?.message).toContain(`\`raisin models promote ${runId}\``);
    expect(decision.promoted).toBe(false);
    expect(production).toBeNull();
    expect(readJson(directory, "meta.json")).toMatchObject({
      status: "FINISHED",
      promotion: { promoted: false, reason: expect.stringContaining(reason) },
    });
  });
});

describe("Verifier", () => {
  test("derives a run again with the scalar core, and knows it for the same core", async () => {
    const { table, record } = workshop();
    const { directory, runId, result } = await record(await table("wine.csv", noisy()));
    expect(await new Verifier({ source: loadCore("scalar") }).verify(directory)).toEqual({
      runId,
      reproduced: true,
      stage: null,
      difference: null,
      modelDigest: result.modelDigest,
      metricsCompared: result.records.length,
      core: { digest: source.digest, release: "0.1.0", used: "recorded", packageAgrees: null },
    });
  });

  test("follows the model file that was recorded, not what the caller has", async () => {
    const { table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const one = await record(dataset);
    const other = await record(dataset, { lr: 0.2 });
    const place = "artifacts/model/model.npz";
    copyFileSync(join(other.directory, place), join(one.directory, place));
    const verdict = await new Verifier().verify(one.directory);
    expect(verdict.reproduced).toBe(false);
    expect(verdict.stage).toBe("weights");
    expect(verdict.difference).toMatch(
      /^the weight of "\w+" is \S+ in model\.npz, derived again \S+$/,
    );
  });

  test("stops when it is told to", async () => {
    const { table, record } = workshop();
    const { directory } = await record(await table("wine.csv", noisy()));
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(new Verifier({ signal }).verify(directory)).rejects.toThrow();
  });

  test("needs the recorded data", async () => {
    const { table, record } = workshop();
    const dataset = await table("wine.csv", noisy());
    const { directory } = await record(dataset);
    rmSync(dataset.path);
    await expect(new Verifier().verify(directory)).rejects.toThrow("there is no such file");
  });
});
