// raisin seal: one file of a recorded training, from which anybody can derive it again.
import { readFileSync } from "node:fs";
import { readRun } from "../miniflow/runs.ts";
import { writeTarget } from "../miniflow/store.ts";
import { NotRepeatableError } from "../proof/record.ts";
import type { Sign } from "../proof/sealed.ts";
import { dataPlaces } from "../recording/data-places.ts";
import { KeyError, sealRun, signerOf } from "../recording/seal.ts";
import { Verifier } from "../recording/verify.ts";
import { DataCommandError, EXIT, UsageError } from "./exit.ts";
import type { OutputFlags } from "./options.ts";
import { printJson, printLines } from "./output.ts";
import { outFile } from "./paths.ts";
import { runDirectory } from "./run-argument.ts";

export interface SealFlags extends OutputFlags {
  readonly withData?: boolean;
  readonly data?: string;
  readonly sign?: string;
  readonly store: string;
  readonly out: string;
}

export async function runSeal(id: string, flags: SealFlags, signal: AbortSignal): Promise<number> {
  if (flags.data !== undefined && !flags.withData) {
    throw new UsageError("--data names the table to seal with the run: give --with-data too");
  }
  const directory = runDirectory(flags.store, id);
  const sign = flags.sign === undefined ? undefined : signerIn(flags.sign);
  const out = outFile(flags.out);
  try {
    const table = flags.withData ? await tableOf(directory, flags, signal) : undefined;
    const { text, seal } = sealRun(directory, { ...(table && { table }), ...(sign && { sign }) });
    writeTarget(out, text);
    const bytes = Buffer.byteLength(text);
    const run = readRun(directory).id;
    const key = seal.signature === null ? null : `ed25519:${seal.signature.key}`;
    if (flags.json) {
      printJson({ run_id: run, out: flags.out, bytes, digest: seal.digest, signer: key });
    } else if (!flags.quiet) {
      printLines([
        `sealed: run ${run} in ${flags.out}, ${Math.ceil(bytes / 1000)} kB${table ? `, with ${table.path}` : ", without its data"}`,
        `  digest ${seal.digest}`,
        ...(key === null ? [] : [`  signed by ${key}`]),
        `  open it in a browser, or: raisin verify ${flags.out}`,
      ]);
    }
    return EXIT.ok;
  } catch (error) {
    if (error instanceof NotRepeatableError) throw new UsageError(error.message);
    throw error;
  }
}

function signerIn(path: string): Sign {
  try {
    return signerOf(readFileSync(path));
  } catch (error) {
    const reason = error instanceof KeyError ? error.message : (error as Error).message;
    throw new UsageError(`Cannot sign with ${path}: ${reason}`);
  }
}

/** The table that a run was trained on, wherever it stands. @throws DataCommandError where another one was found */
async function tableOf(directory: string, flags: SealFlags, signal: AbortSignal) {
  const places = dataPlaces(flags.store);
  const verifier = new Verifier({
    signal,
    places,
    ...(flags.data !== undefined && { data: flags.data }),
  });
  const { path, difference } = await verifier.findData(directory);
  if (difference !== null) {
    throw new DataCommandError(`Cannot seal ${path} with this run: ${difference}`);
  }
  return { path, bytes: readFileSync(path) };
}
