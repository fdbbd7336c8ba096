// raisin verify: derives recorded runs again and says whether every byte came out the same.
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileError } from "../data/csv-error.ts";
import { DataError } from "../data/data-error.ts";
import { isDeleted, readRun, runDirectories } from "../miniflow/runs.ts";
import { StoreError } from "../miniflow/store.ts";
import { NotRepeatableError } from "../proof/record.ts";
import { checkSignature, looksSealed, openSealed, type Seal, SealError } from "../proof/sealed.ts";
import { dataPlaces } from "../recording/data-places.ts";
import { KeyError, publicKeyOf } from "../recording/seal.ts";
import { type Verdict, Verifier } from "../recording/verify.ts";
import { plain } from "./charts.ts";
import { DataCommandError, EXIT, UsageError } from "./exit.ts";
import type { OutputFlags } from "./options.ts";
import { checkForms, type FormFlags, printJson, printLines, tableLines } from "./output.ts";
import { statIfAny } from "./paths.ts";
import { createMeter } from "./progress.ts";
import { runDirectory } from "./run-argument.ts";

export interface VerifyFlags extends OutputFlags, FormFlags {
  readonly all?: boolean;
  readonly data?: string;
  readonly timeLimit?: number;
  readonly signer?: string;
  readonly store: string;
}

/** @param run an id, the path of a run directory, or that of a sealed run; undefined with --all */
export async function runVerify(
  run: string | undefined,
  flags: VerifyFlags,
  signal: AbortSignal,
): Promise<number> {
  checkForms(flags);
  const { all, data, store, timeLimit } = flags;
  if ((run === undefined) === (all !== true)) {
    throw new UsageError("Name one run to verify, or --all for every run of the store");
  }
  if (all && flags.signer !== undefined) {
    throw new UsageError("--signer says who must have signed a sealed run: name that file");
  }
  if (all && data !== undefined) {
    throw new UsageError(
      "Cannot use --data with --all, since runs may have different data: name the directories where they stand with `raisin data-dir add`",
    );
  }
  const verifier = new Verifier({
    signal,
    places: dataPlaces(store),
    ...(data !== undefined && { data }),
    ...(timeLimit !== undefined && { timeLimit }),
  });
  if (run === undefined) return verifyAll(verifier, flags);
  const sealed = sealedFile(run);
  if (sealed !== undefined) return verifySealed(verifier, run, sealed, flags);
  if (flags.signer !== undefined) {
    throw new UsageError("--signer says who must have signed a sealed run, and this is none");
  }
  const verdict = await withHints(verifier.verify(runDirectory(store, run)), flags);
  if (flags.json) printJson(jsonOf(verdict));
  else if (!flags.quiet) printLines(verdictLines(verdict));
  return verdict.reproduced ? EXIT.ok : EXIT.refused;
}

/** Says in errors of a verification what to do about them. */
function withHints(verdict: Promise<Verdict>, flags: VerifyFlags): Promise<Verdict> {
  return verdict.catch((error: unknown) => {
    if (error instanceof NotRepeatableError) throw new UsageError(error.message);
    if (error instanceof FileError && flags.data === undefined) {
      throw new DataCommandError(
        `${error.message}\nIf the data of this run stands elsewhere now, name it with --data, or its directory with \`raisin data-dir add\``,
        { cause: error },
      );
    }
    throw error;
  });
}

/** Most bytes of a sealed run, and so of a table that is sealed with one: half of what a text can hold. */
const SEALED_BYTES_MAX = 1 << 28;

/** The bytes of a file that is meant as a sealed run; undefined for anything else. */
function sealedFile(path: string): Uint8Array | undefined {
  const info = path.includes("\0") ? undefined : statIfAny(path);
  if (!info?.isFile()) return undefined;
  const file = openSync(path, "r");
  try {
    const start = new Uint8Array(200);
    const length = readSync(file, start);
    if (!looksSealed(start.subarray(0, length))) return undefined;
    if (info.size > SEALED_BYTES_MAX) {
      throw new UsageError(`Cannot open ${path} as a sealed run: it has more than 256 MiB`);
    }
    return readFileSync(path);
  } finally {
    closeSync(file);
  }
}

async function verifySealed(
  verifier: Verifier,
  path: string,
  bytes: Uint8Array,
  flags: VerifyFlags,
): Promise<number> {
  const signer = flags.signer === undefined ? null : signerIn(flags.signer);
  try {
    const { seal, run } = openSealed(bytes);
    await checkSigner(seal, signer);
    const verdict = await withHints(verifier.verifySealed(run), flags);
    const key = seal.signature && `ed25519:${seal.signature.key}`;
    if (flags.json) {
      printJson({ ...jsonOf(verdict), seal: { digest: seal.digest, signer: key } });
    } else if (!flags.quiet) {
      printLines([
        ...verdictLines(verdict),
        `  seal ${seal.digest}, ${key === null ? "not signed" : `signed by ${key}`}`,
      ]);
    }
    return verdict.reproduced ? EXIT.ok : EXIT.refused;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    const { message } = error;
    if (flags.json) {
      printJson({ run_id: null, reproduced: false, stage: "seal", difference: message });
    } else if (!flags.quiet) printLines([`not verified: ${plain(path)}: ${plain(message)}`]);
    return EXIT.refused;
  }
}

/** A key's text, or a file that holds one. */
function signerIn(given: string): string {
  try {
    return publicKeyOf(statIfAny(given)?.isFile() ? readFileSync(given) : given);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    throw new UsageError(`Cannot use the signer ${given.slice(0, 100)}: ${error.message}`);
  }
}

/** @throws SealError for a signature that is none of the key's, or of another key */
async function checkSigner(seal: Seal, signer: string | null): Promise<void> {
  const { signature } = seal;
  if (signature !== null && (await checkSignature(seal)) !== true) {
    throw new SealError(`its signature is not by the key that it names, ed25519:${signature.key}`);
  }
  if (signer === null) return;
  if (signature === null) throw new SealError(`it is not signed, by ed25519:${signer} or anybody`);
  if (signature.key !== signer) {
    throw new SealError(`it is signed by ed25519:${signature.key}, not by ed25519:${signer}`);
  }
}

function jsonOf({ core, ...verdict }: Verdict) {
  return {
    run_id: verdict.runId,
    reproduced: verdict.reproduced,
    stage: verdict.stage,
    difference: verdict.difference,
    model_digest: verdict.modelDigest,
    metrics_compared: verdict.metricsCompared,
    core: {
      digest: core.digest,
      released: core.release,
      used: core.used,
      package_agrees: core.packageAgrees,
    },
  };
}

function verdictLines(verdict: Verdict): string[] {
  const { runId, reproduced, stage, difference, modelDigest, metricsCompared } = verdict;
  const core = coreLine(verdict);
  return reproduced
    ? [
        `reproduced: run ${runId}, every byte of model.npz and ${metricsCompared} metric values`,
        `  model digest ${modelDigest}`,
        core,
      ]
    : [
        `not reproduced: run ${runId}`,
        `  first difference: ${plain(`${stage}: ${difference}`)}`,
        core,
      ];
}

/** What is known of the core, and so what the verdict is worth. */
function coreLine({ reproduced, core }: Verdict): string {
  const { digest, release, used, packageAgrees } = core;
  const agreement =
    packageAgrees === null
      ? ""
      : packageAgrees
        ? "; this version's core gives the same"
        : reproduced
          ? "; this version's core gives something else"
          : "";
  const name = `  core ${digest}`;
  if (used === "package") {
    return `${name}, which this version cannot run: trained by this version's core instead`;
  }
  if (release === null && !reproduced) return `${name}, unknown`;
  return release === null
    ? `${name}, unknown: only the arithmetic was checked, not that this core trains a logistic regression${agreement}`
    : `${name}, released with raisin ${release}${agreement}`;
}

/** A run of --all, and what came of it. */
interface Row {
  readonly id: string;
  readonly experiment: string;
  readonly verdict: Verdict | null;
  /** Why there is no verdict. */
  readonly problem: string | null;
  readonly code: number;
}

async function verifyAll(verifier: Verifier, flags: VerifyFlags): Promise<number> {
  const runs: string[] = [];
  let others = 0;
  for (const { directory } of runDirectories(flags.store)) {
    if (isDeleted(directory)) continue;
    if (isOther(directory)) others++;
    else runs.push(directory);
  }
  const rows: Row[] = [];
  const options = { title: "verifying", quiet: flags.quiet === true || flags.json === true };
  const meter = await createMeter(runs.length, { ...options, lines: false });
  try {
    for (const [k, run] of runs.entries()) {
      rows.push(await rowOf(verifier, run));
      meter.update(k + 1, rows.at(-1)!.id, "");
    }
  } finally {
    meter.end();
  }
  const reproduced = rows.filter(({ verdict }) => verdict?.reproduced).length;
  if (flags.json) {
    const list = rows.map((row) =>
      row.verdict
        ? { ...jsonOf(row.verdict), experiment: row.experiment, problem: null }
        : { run_id: row.id, reproduced: false, experiment: row.experiment, problem: row.problem },
    );
    printJson({ runs: list, reproduced, verified: rows.length, others });
  } else if (!flags.quiet) {
    printLines(tableLines(tableOf(rows), flags));
    const left = others === 0 ? "" : `; ${others} other runs are no finished trainings`;
    printLines(["", `${reproduced} of ${rows.length} finished trainings reproduced${left}`]);
  }
  const codes = rows.map(({ code }) => code);
  return [EXIT.refused, EXIT.data, EXIT.failure].find((code) => codes.includes(code)) ?? EXIT.ok;
}

/** Whether a run is certainly none to verify. One whose record is damaged may be one. */
function isOther(directory: string): boolean {
  try {
    const { meta } = readRun(directory);
    return meta.kind !== "train" || meta.status !== "FINISHED";
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    // A directory without meta.json is no run yet, and the doctor's business.
    return !existsSync(join(directory, "meta.json")) || !existsSync(join(directory, "artifacts"));
  }
}

async function rowOf(verifier: Verifier, directory: string): Promise<Row> {
  const about = { id: basename(directory), experiment: basename(dirname(dirname(directory))) };
  try {
    const verdict = await verifier.verify(directory);
    const code = verdict.reproduced ? EXIT.ok : EXIT.refused;
    return { ...about, verdict, problem: null, code };
  } catch (error) {
    const isKnown =
      error instanceof NotRepeatableError ||
      error instanceof DataError ||
      error instanceof StoreError;
    if (!isKnown) throw error;
    const code = error instanceof DataError ? EXIT.data : EXIT.failure;
    return { ...about, verdict: null, problem: error.message, code };
  }
}

function tableOf(rows: readonly Row[]) {
  return {
    head: ["run", "experiment", "verdict", "core", "first difference"],
    rows: rows.map(({ id, experiment, verdict, problem }) => {
      if (verdict === null) return [id, experiment, "cannot be verified", "", problem!];
      const { release, used } = verdict.core;
      const core =
        used === "package" ? "this version's" : release ? `raisin ${release}` : "unknown";
      return [
        id,
        experiment,
        verdict.reproduced ? "reproduced" : "differs",
        core,
        verdict.stage === null ? "" : `${verdict.stage}: ${verdict.difference}`,
      ];
    }),
    left: 5,
  };
}
