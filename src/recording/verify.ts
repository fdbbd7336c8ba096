// Trains a recorded run again and compares every byte of its model and every metric.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { CoreSource } from "../core/source.ts";
import { readArtifact, readMetrics, readRun, type StoredRun } from "../miniflow/runs.ts";
import { type TrainingResult, train } from "../training/train.ts";
import { NotRepeatableError, readAgain, recordedData, recordedParams } from "./recorded.ts";
import { turn } from "./turn.ts";

export interface Verdict {
  readonly runId: string;
  readonly reproduced: boolean;
  /** What differs first; null when nothing does. */
  readonly difference: string | null;
  readonly modelDigest: string;
  readonly metricsCompared: number;
  /** Whether the core of this package is the one that the run recorded. */
  readonly isSameCore: boolean;
}

/**
 * @param options data: the file to train on, by default the path that the run recorded
 * @throws NotRepeatableError, CsvError, StoreError
 */
export async function verifyRun(
  source: CoreSource,
  directory: string,
  options: { data?: string; signal?: AbortSignal } = {},
): Promise<Verdict> {
  const { signal } = options;
  const run = readRun(directory);
  if (run.meta.kind !== "train" || run.meta.status !== "FINISHED") {
    throw new NotRepeatableError(
      `Cannot verify run ${run.id} as only finished trainings can be derived again: its kind is ${String(run.meta.kind)}, its status ${run.meta.status}`,
    );
  }
  const { params, reading } = recordedParams(run, "verify");
  const { path, contentDigest } = recordedData(run, "verify", options.data);
  const verdict = {
    runId: run.id,
    modelDigest: String(run.meta.model_digest),
    isSameCore: run.meta.core_digest === source.digest,
  };
  const differs = (difference: string): Verdict => ({
    ...verdict,
    reproduced: false,
    difference,
    metricsCompared: 0,
  });
  const dataset = await readAgain(
    path,
    { ...reading, ...(signal && { signal }) },
    options.data !== undefined,
  );
  if (dataset.contentDigest !== contentDigest) {
    return differs(
      `data: ${path} has content digest ${dataset.contentDigest}, the run recorded ${contentDigest}`,
    );
  }
  const core = readArtifact(directory, "core/core.wasm");
  if (core === undefined || sha256(core) !== run.meta.core_digest) {
    return differs(
      "core: artifacts/core/core.wasm is missing or has another digest than meta.json records",
    );
  }
  const result = await train(source, dataset, params, {
    ...(signal && { signal }),
    pause: turn,
  });
  const difference = modelDifference(directory, run, result) ?? metricDifference(directory, result);
  return difference === undefined
    ? { ...verdict, reproduced: true, difference: null, metricsCompared: result.records.length }
    : differs(difference);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function modelDifference(
  directory: string,
  run: StoredRun,
  result: TrainingResult,
): string | undefined {
  const stored = readArtifact(directory, "model/model.npz");
  if (stored === undefined) return "model: artifacts/model/model.npz is missing";
  if (run.meta.model_digest !== result.modelDigest) {
    return `model: digest ${result.modelDigest}, the run recorded ${String(run.meta.model_digest)}`;
  }
  const at = result.modelBytes.findIndex((byte, i) => byte !== stored[i]);
  if (at >= 0) return `model: model.npz differs from byte ${at} on`;
  if (stored.length !== result.modelBytes.length) {
    return `model: model.npz has ${stored.length} bytes, derived again ${result.modelBytes.length}`;
  }
  return undefined;
}

function metricDifference(directory: string, result: TrainingResult): string | undefined {
  const { lines, bad } = readMetrics(directory);
  if (bad.length > 0) {
    return `metrics: ${join(directory, "metrics.jsonl")}, line ${bad[0]!.line} ${bad[0]!.reason}`;
  }
  for (const [i, { key, value, step }] of result.records.entries()) {
    const line = lines[i];
    if (line === undefined) return `metrics: ${key} at step ${step} is missing (line ${i + 1})`;
    if (line.key !== key || line.step !== step || !Object.is(line.value, value)) {
      return `metrics: line ${i + 1} says ${line.key} ${line.value} at step ${line.step}, derived again ${key} ${value} at step ${step}`;
    }
  }
  if (lines.length > result.records.length) {
    return `metrics: ${lines.length - result.records.length} lines more than derived again`;
  }
  return undefined;
}
