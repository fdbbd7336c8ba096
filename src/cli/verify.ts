// raisin verify: derives a recorded run again and says whether every byte came out the same.
import { loadCore } from "../core/node.ts";
import { CsvError } from "../data/csv-error.ts";
import { NotRepeatableError } from "../recording/recorded.ts";
import { verifyRun } from "../recording/verify.ts";
import { DataCommandError, EXIT, UsageError } from "./exit.ts";
import type { OutputFlags } from "./options.ts";
import { runDirectory } from "./run-argument.ts";

export interface VerifyFlags extends OutputFlags {
  readonly data?: string;
  readonly store: string;
}

/** @param run an id, or the path of a run directory */
export async function runVerify(
  run: string,
  flags: VerifyFlags,
  signal: AbortSignal,
): Promise<number> {
  const directory = runDirectory(flags.store, run);
  const verdict = await verifyRun(loadCore(), directory, {
    signal,
    ...(flags.data !== undefined && { data: flags.data }),
  }).catch((error: unknown) => {
    if (error instanceof NotRepeatableError) throw new UsageError(error.message);
    if (error instanceof CsvError && flags.data === undefined) {
      throw new DataCommandError(
        `${error.message}\nIf the data of this run stands elsewhere now, name it with --data`,
        { cause: error },
      );
    }
    throw error;
  });
  if (flags.json) {
    const { runId, modelDigest, metricsCompared, isSameCore, ...rest } = verdict;
    const answer = {
      run_id: runId,
      ...rest,
      model_digest: modelDigest,
      metrics_compared: metricsCompared,
      same_core: isSameCore,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  } else if (!flags.quiet) {
    const core = verdict.isSameCore ? "" : " (by another core than the run recorded)";
    process.stdout.write(
      verdict.reproduced
        ? `reproduced: run ${verdict.runId}, every byte of model.npz and ${verdict.metricsCompared} metric values${core}\n  model digest ${verdict.modelDigest}\n`
        : `not reproduced: run ${verdict.runId}${core}\n  first difference: ${verdict.difference}\n`,
    );
  }
  return verdict.reproduced ? EXIT.ok : EXIT.refused;
}
