// The state from which a training that was killed goes on: its weights after some steps, in a file of its run.
//
// Design: the file is replaced as a whole, after the metrics up to its step are durable. It carries its own digest, and one
// that is damaged, or whose metrics are gone, is no checkpoint: the training then starts at zeros, and ends in the same bytes.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { wholeMetrics } from "../miniflow/reopen.ts";
import { readMetrics } from "../miniflow/runs.ts";
import { readOwnFile, removeQuietly, toJson, writeWholeFile } from "../miniflow/store.ts";
import type { ActiveRun } from "../miniflow/tracker.ts";
import type { Checkpoint } from "../training/train.ts";

const NAME = "checkpoint.json";

interface Stored {
  readonly format: 1;
  readonly step: number;
  /** Values in metrics.jsonl up to this step. */
  readonly records: number;
  /** f64, little endian, base64: JSON has no -0. */
  readonly weights: string;
}

function digestOf({ format, step, records, weights }: Stored): string {
  return createHash("sha256")
    .update(JSON.stringify([format, step, records, weights]))
    .digest("hex");
}

/** Writes a run's checkpoint, durably. @throws StoreError */
export function writeCheckpoint(run: ActiveRun, { step, weights, records }: Checkpoint): void {
  run.flush();
  const bytes = Buffer.alloc(weights.length * 8);
  weights.forEach((weight, k) => {
    bytes.writeDoubleLE(weight, 8 * k);
  });
  const stored: Stored = {
    format: 1,
    step,
    records: records.length,
    weights: bytes.toString("base64"),
  };
  writeWholeFile(join(run.directory, NAME), toJson({ ...stored, sha256: digestOf(stored) }));
}

/** The checkpoint of a run, with the records before it; undefined when it has none that can be used. */
export function readCheckpoint(directory: string): Checkpoint | undefined {
  const bytes = readOwnFile(join(directory, NAME));
  if (bytes === undefined) return undefined;
  let stored: Stored & { readonly sha256: string };
  try {
    stored = JSON.parse(Buffer.from(bytes).toString()) as typeof stored;
    if (stored.sha256 !== digestOf(stored) || stored.format !== 1) return undefined;
  } catch {
    return undefined;
  }
  if (wholeMetrics(directory) < stored.records) return undefined;
  const packed = Buffer.from(stored.weights, "base64");
  return {
    step: stored.step,
    weights: Float64Array.from({ length: packed.length / 8 }, (_, k) => packed.readDoubleLE(8 * k)),
    records: readMetrics(directory)
      .lines.slice(0, stored.records)
      .map(({ key, value, step }) => ({ key, value, step })),
  };
}

/** A finished run needs none. */
export function removeCheckpoint(run: ActiveRun): void {
  removeQuietly(join(run.directory, NAME));
}
