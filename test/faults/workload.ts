// What the fault tests do to a store, and what must be true of it afterwards, whatever happened.
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { changeRegistry, checkChain, history, readRegistry } from "../../src/miniflow/registry.ts";
import { leftovers } from "../../src/miniflow/removal.ts";
import { findRun, readArtifact, readMetrics, readRun, readTags } from "../../src/miniflow/runs.ts";
import { type ActiveRun, startRun } from "../../src/miniflow/tracker.ts";
import { ENVIRONMENT } from "../support/environment.ts";

export const MODEL = Buffer.from("the bytes of a model ".repeat(200));
const DIGEST = createHash("sha256").update(MODEL).digest("hex");
export const PARAMS = { lr: 0.1, label: "Class", features: ["a", "b"] };

/** What was promised: an invariant counts only from its promise on. */
export interface Progress {
  run?: ActiveRun;
  flushed: number;
  isTagged: boolean;
  isEnded: boolean;
  isPromoted: boolean;
}

/** A run from start to promotion. @param note is called at each promise */
export async function work(
  store: string,
  source: string,
  progress: Progress,
  note: (what: string) => void = () => {},
): Promise<void> {
  const run = await startRun({
    store,
    experiment: "faults",
    environment: Promise.resolve(ENVIRONMENT),
  });
  progress.run = run;
  run.logParams(PARAMS);
  run.logMetrics([
    { key: "loss", value: 0.5, step: 0 },
    { key: "accuracy", value: 0.6, step: 0 },
  ]);
  run.flush();
  progress.flushed = 2;
  note(`flush ${run.id} 2`);
  run.logMetrics({ loss: 0.25 }, { step: 1 });
  run.setTag("note", "good");
  progress.isTagged = true;
  note(`tag ${run.id}`);
  run.logDataset({ name: "raisins", rows: 900, digests: { content_digest: "0".repeat(64) } });
  run.writeArtifact("model/model.npz", MODEL);
  run.logArtifact(source, "input.csv");
  run.endRun("FINISHED", { model_sha256: DIGEST });
  progress.flushed = 3;
  progress.isEnded = true;
  note(`end ${run.id}`);
  changeRegistry(store, "m", () => ({ action: "promote", runId: run.id, reason: "better" }));
  progress.isPromoted = true;
  note(`promote ${run.id}`);
}

export const nothing = (): Progress => ({
  flushed: 0,
  isTagged: false,
  isEnded: false,
  isPromoted: false,
});

/** What is wrong with a store; nothing, if all is well. @param before the run that was in production before */
export function faultsOf(
  store: string,
  before: string | null,
  runId: string | undefined,
  promised: Omit<Progress, "run">,
): string[] {
  const faults: string[] = [];
  const attempt = (what: string, check: () => string | false | undefined) => {
    try {
      const fault = check();
      if (fault) faults.push(`${what}: ${fault}`);
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
    }
  };
  attempt("registry", () => {
    const production = readRegistry(store).get("m")?.production ?? null;
    if (promised.isPromoted && production !== runId) return `a promised promotion is lost`;
    if (production !== before && production !== runId) return `it names ${production}`;
    return production !== null && notWhole(store, production);
  });
  attempt("history", () => {
    const findings = checkChain(store);
    if (findings.length > 0) return findings[0]!.problem;
    return new Set(history(store).map(({ generation }) => generation)).size !==
      history(store).length
      ? "a generation stands twice"
      : undefined;
  });
  if (runId !== undefined) {
    attempt("run", () => {
      const directory = findRun(store, runId);
      if (directory === undefined) return promised.flushed > 0 && promised.isEnded && "it is gone";
      if (promised.isEnded) return notWhole(store, runId);
      const { lines, bad } = readMetrics(directory);
      // A line that was never promised may be damaged by a power loss; it is skipped, and nothing before it is.
      const isPrefix = lines.slice(0, promised.flushed).length === promised.flushed;
      if (!isPrefix)
        return `${lines.length} of ${promised.flushed} flushed values are there (${bad.length} bad)`;
      return (
        promised.isTagged && readTags(directory).tags.get("note") !== "good" && "the tag is lost"
      );
    });
  }
  attempt("files", () => {
    const known = new Set(leftovers(store).map(({ path }) => path));
    const isKnown = (path: string) =>
      [...known].some((one) => path === one || path.startsWith(`${one}/`));
    const strange = filesOf(store).filter(
      (path) => !isOrdinary(path.slice(store.length + 1)) && !isKnown(path),
    );
    return strange.length > 0 && `${strange[0]} belongs to nothing`;
  });
  return faults;
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Whether a file has one of the names that a store is made of. A token may stand until its generation is shown. */
function isOrdinary(path: string): boolean {
  return /^(?:registry\.json|registry\.d\/(?:\d{12}\.json|\.\d+\.[0-9a-f]{16}\.tmp)|experiments\/faults\/runs\/[0-9a-f]{12}\/(?:(?:meta|params)\.json|(?:metrics|tags)\.jsonl|artifacts\/(?:model\/model\.npz|input\.csv)))$/.test(
    path,
  );
}

/** What a run lacks that was ended. */
function notWhole(store: string, id: string): string | undefined {
  const directory = findRun(store, id);
  if (directory === undefined) return `run ${id} is missing`;
  const { meta, params } = readRun(directory);
  if (meta.status !== "FINISHED") return `run ${id} is ${meta.status}`;
  if (JSON.stringify(params) !== JSON.stringify(PARAMS)) return `run ${id} has other parameters`;
  const { lines, bad, isTorn } = readMetrics(directory);
  if (lines.length !== 3 || bad.length > 0 || isTorn) return `run ${id} has lost metrics`;
  if (readTags(directory).tags.get("note") !== "good") return `run ${id} has lost its tag`;
  const model = readArtifact(directory, "model/model.npz");
  if (model === undefined || Buffer.compare(model, MODEL) !== 0)
    return `run ${id} has no whole model`;
  return readArtifact(directory, "input.csv") === undefined
    ? `run ${id} has no input.csv`
    : undefined;
}
