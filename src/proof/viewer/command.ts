// A sealed run under Node alone: node proof.mjs data.csv
import { plain } from "../../data/shown.ts";
import { lateAfter, type Outcome } from "../compare.ts";
import type { TableSource } from "../data.ts";
import { secondsForSealed } from "../derive.ts";
import { checkSignature, openSealed, SealError } from "../sealed.ts";
import { fileOf, openOwn, ownAddress, ownRun, type Payload } from "./payload.ts";
import { type Report, report, sealedTable } from "./worker.ts";

const EXIT = { ok: 0, failure: 1, usage: 2, refused: 3, data: 5 };

const USAGE = `usage: node proof.mjs [data.csv] [proof.html]

Trains the run in this file again and compares every byte. Without a table it takes the one that was sealed with the run.
With the page that this file was taken from it also checks every byte of that page.
`;

/** Runs in the thread that Node starts, and again in the one that trains. */
export async function openAsCommand(): Promise<void> {
  const { isMainThread, parentPort, workerData } = await import("node:worker_threads");
  if (!isMainThread) {
    const run = ownRun();
    const path = workerData as string | null;
    const table = path === null ? sealedTable(run) : await tableAt(path);
    await report(run, table, (said) => parentPort!.postMessage(said));
    return;
  }
  const { default: process } = await import("node:process");
  const [path, page] = process.argv.slice(2);
  if (path?.startsWith("-")) {
    process.stdout.write(USAGE);
    process.exitCode = path === "--help" ? EXIT.ok : EXIT.usage;
    return;
  }
  const { code, lines } = await verdictOf(path ?? null, page);
  const stream = code === EXIT.ok || code === EXIT.refused ? process.stdout : process.stderr;
  stream.write(`${lines.join("\n")}\n`);
  process.exitCode = code;
}

async function verdictOf(path: string | null, page: string | undefined) {
  const { readFileSync } = await import("node:fs");
  let payload: Payload;
  try {
    const line = readFileSync(ownAddress(), "utf8").replace(/\n$/, "");
    payload = openOwn(line);
    if (page !== undefined) {
      openSealed(readFileSync(page));
      if (readFileSync(page, "utf8") !== fileOf(line)) {
        throw new SealError(`this file was not taken from ${page}`);
      }
    }
  } catch (error) {
    const isSeal = error instanceof SealError;
    const message = (error as Error).message;
    return isSeal
      ? { code: EXIT.refused, lines: [`not verified: ${message}`] }
      : { code: EXIT.usage, lines: [`error: ${message}`] };
  }
  const { seal, run } = payload;
  if (seal.signature !== null && (await checkSignature(seal)) === false) {
    const line = `not verified: its signature is not by the key that it names, ed25519:${seal.signature.key}`;
    return { code: EXIT.refused, lines: [line] };
  }
  if (path === null && run.data === null) {
    return { code: EXIT.usage, lines: ["error: This run was sealed without its data", USAGE] };
  }
  const said = await inThread(path, secondsForSealed(run));
  if (said.kind === "error") {
    return said.isSeal
      ? { code: EXIT.refused, lines: [`not verified: ${plain(said.message)}`] }
      : { code: EXIT.data, lines: [`error: ${plain(said.message)}`] };
  }
  const { record, about } = run;
  const { reproduced, stage, difference, metricsCompared }: Outcome = said.outcome;
  const signed =
    seal.signature === null
      ? "not signed"
      : `signed by ed25519:${seal.signature.key}${(await checkSignature(seal)) === null ? ", which this runtime cannot check" : ""}`;
  const first = reproduced
    ? [
        `reproduced: run ${record.runId}, every byte of model.npz and ${metricsCompared} metric values`,
        `  model digest ${record.modelDigest}`,
      ]
    : [
        `not reproduced: run ${record.runId}`,
        `  first difference: ${stage}: ${plain(difference!)}`,
      ];
  const core =
    about.release === null
      ? `unknown to the version that sealed it${reproduced ? ": only the arithmetic was checked" : ""}`
      : `released with raisin ${about.release}, as the version that sealed it says`;
  const lines = [
    ...first,
    `  core ${record.coreDigest}, ${core}`,
    `  seal ${seal.digest}, ${signed}`,
  ];
  return { code: reproduced ? EXIT.ok : EXIT.refused, lines };
}

/** Trains in a thread, which is ended when its core does not return in time. */
async function inThread(
  path: string | null,
  seconds: number,
): Promise<Extract<Report, { kind: "outcome" | "error" }>> {
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(ownAddress(), { workerData: path });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise((resolve) => {
      const late = () => {
        resolve({ kind: "outcome", outcome: lateAfter(seconds) });
      };
      worker.on("message", (said: Report) => {
        if (said.kind === "training") timer = setTimeout(late, 1000 * seconds);
        else if (said.kind === "outcome" || said.kind === "error") resolve(said);
      });
      const failed = (message: string) => resolve({ kind: "error", message, isSeal: false });
      worker.on("error", ({ message }) => failed(message));
      worker.on("exit", () => failed("The training ended early"));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

async function tableAt(path: string): Promise<TableSource> {
  const { createReadStream, statSync } = await import("node:fs");
  const { basename, extname } = await import("node:path");
  // A pipe could be read once only, and a table may have to be read again.
  if (!statSync(path).isFile()) throw new Error(`Cannot read ${path}: it is not a regular file`);
  return {
    name: basename(path, extname(path)),
    read: async (use) => {
      for await (const chunk of createReadStream(path)) {
        if (use(chunk as Uint8Array) === false) return;
      }
    },
  };
}
