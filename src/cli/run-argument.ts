// Which run a command line means: an id in the store, or the path of a run's directory.
import { join } from "node:path";
import { isRunId } from "../miniflow/names.ts";
import { findRun } from "../miniflow/runs.ts";
import { UsageError } from "./exit.ts";
import { statIfAny } from "./paths.ts";

/** The directory of a run. @throws UsageError when there is none */
export function runDirectory(store: string, run: string): string {
  const found = findRun(store, run);
  if (found !== undefined) return found;
  // A path is the operator's own, and may lead through links; an id may not.
  if (!isRunId(run) && !run.includes("\0") && statIfAny(join(run, "meta.json"))?.isFile())
    return run;
  throw new UsageError(
    `Cannot find run ${JSON.stringify(run.slice(0, 64))} in ${store}: give the 12 hex digits of a run, or the path of its directory; \`raisin runs list\` shows them`,
  );
}

/** The id of a run of the store, checked before it becomes part of a path. @throws UsageError */
export function runIdFlag(store: string, run: string): string {
  if (isRunId(run) && findRun(store, run) !== undefined) return run;
  throw new UsageError(
    `Cannot find run ${JSON.stringify(run.slice(0, 64))} in ${store}: give the 12 hex digits of a run, as \`raisin runs list\` shows them`,
  );
}
