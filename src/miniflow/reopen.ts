// Goes on with a run whose process died, or that failed or was killed, under its own id.
//
// Design: whoever wants to go on takes the next `resumed-<n>.json`, which can be made once only. Of several at once one
// gets it; and one that died with it in its hand leaves it to the next, since the file says which process it was.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Environment, readEnvironment } from "./environment.ts";
import { thisProcess } from "./process.ts";
import { lastWriteMs, readMetrics, readRun, shownStatus, statusOf } from "./runs.ts";
import {
  linkFile,
  readOwnFile,
  readOwnJson,
  removeQuietly,
  StoreError,
  syncDirectory,
  toJson,
  writeNewFile,
  writeWholeFile,
} from "./store.ts";
import { ActiveRun, type ParamValue } from "./tracker.ts";

/** A run that is finished, still goes on, or is no run at all. */
export class NotResumableError extends Error {
  override readonly name: string = "NotResumableError";
}

/**
 * Opens a run again: it is RUNNING from now on, by this process. Its parameters, tags, artifacts and the first
 * `keepMetrics` values of its metrics stay; later values go, since they will come again.
 *
 * @throws NotResumableError for a run that is finished or that another process writes; StoreError
 */
export async function reopenRun(
  store: string,
  directory: string,
  options: { readonly keepMetrics: number; readonly environment?: Promise<Environment> },
): Promise<ActiveRun> {
  const environment = await (options.environment ?? readEnvironment());
  refuseUnlessOver(directory);
  claim(directory);
  // Whoever held it until now may have finished it since.
  const { meta, params } = refuseUnlessOver(directory);
  keepFirst(directory, options.keepMetrics);
  const { error: _, ...kept } = meta;
  const before = Array.isArray(meta.resumed) ? (meta.resumed as unknown[]) : [];
  const now = { ts_ms: Date.now(), kept_metrics: options.keepMetrics, ...environment };
  return new ActiveRun(
    store,
    directory,
    {
      ...kept,
      run_id: meta.run_id,
      experiment: meta.experiment,
      start_ts_ms: meta.start_ts_ms,
      status: "RUNNING",
      end_ts_ms: null,
      process: thisProcess(),
      resumed: [...before, now],
    },
    params as Readonly<Record<string, ParamValue>>,
    { metricCount: options.keepMetrics },
  );
}

/** @throws NotResumableError */
function refuseUnlessOver(directory: string): ReturnType<typeof readRun> {
  const run = readRun(directory);
  const status = statusOf(run);
  if (["INTERRUPTED", "FAILED", "KILLED"].includes(status)) return run;
  const reason =
    status === "RUNNING" ? "another process is still writing it" : `its status is ${status}`;
  throw new NotResumableError(`Cannot go on with run ${run.id}: ${reason}`);
}

/** Takes the run for this process. @throws NotResumableError when another one has taken it and lives */
function claim(directory: string): void {
  const nameOf = (n: number) => join(directory, `resumed-${n}.json`);
  let next = 1;
  for (; ; next++) {
    const holder = readOwnJson(nameOf(next));
    if (holder === undefined) break;
    if (shownStatus("RUNNING", holder.process, () => lastWriteMs(directory)) === "RUNNING") {
      throw taken(directory);
    }
  }
  // Linked when it is complete, so that nobody reads half of it.
  const draft = join(directory, `.${randomBytes(6).toString("hex")}.tmp`);
  writeNewFile(draft, toJson({ process: thisProcess(), ts_ms: Date.now() }));
  try {
    if (!linkFile(draft, nameOf(next))) throw taken(directory);
  } finally {
    removeQuietly(draft);
  }
  syncDirectory(directory);
}

function taken(directory: string): NotResumableError {
  return new NotResumableError(`Cannot go on with the run in ${directory}: another process does`);
}

/** Cuts the metrics to their first values. @throws StoreError when there are fewer */
function keepFirst(directory: string, count: number): void {
  const path = join(directory, "metrics.jsonl");
  const bytes = readOwnFile(path) ?? new Uint8Array(0);
  let end = 0;
  for (let k = 0; k < count; k++) {
    const at = bytes.indexOf(0x0a, end);
    if (at < 0) throw new StoreError("read", path, new Error(`it has fewer than ${count} values`));
    end = at + 1;
  }
  if (end < bytes.length) writeWholeFile(path, bytes.subarray(0, end));
}

/** How many of a run's metrics are whole: values before the first line that is none, or that misses some before it. */
export function wholeMetrics(directory: string): number {
  const { lines, bad } = readMetrics(directory);
  return Math.min(lines.length, (bad[0]?.line ?? Number.POSITIVE_INFINITY) - 1);
}
