// A thread of its own for trainings: of a core from anywhere, which may never return.
import { parentPort, workerData } from "node:worker_threads";
import { coreOfBytes, ForeignCoreError } from "../core/source.ts";
import type { TrainingParams } from "../training/params.ts";
import type { DigestedDataset } from "../training/train.ts";
import { train } from "../training/train.ts";

/** One training. */
export interface Task {
  readonly core: Uint8Array;
  readonly coreDigest: string;
  readonly dataset: DigestedDataset;
  readonly params: TrainingParams;
}

/** What a thread answers. */
export type Answer<T> =
  | { readonly result: T }
  | { readonly error: string; readonly isForeign: boolean };

try {
  const { core, coreDigest, dataset, params } = workerData as Task;
  const { model, modelBytes, modelDigest, splitDigest, records } = await train(
    coreOfBytes(core, coreDigest),
    dataset,
    params,
  );
  parentPort?.postMessage({ result: { model, modelBytes, modelDigest, splitDigest, records } });
} catch (error) {
  const isForeign = error instanceof ForeignCoreError;
  parentPort?.postMessage({ error: (error as Error).message, isForeign });
}
