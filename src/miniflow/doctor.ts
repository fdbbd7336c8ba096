// Is a store whole? Looks at everything and changes nothing: what a crash leaves, the next command copes with by itself.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { isRunId, isSafeName } from "./names.ts";
import { checkChain, PRODUCTION, type Registry, readRegistry, viewState } from "./registry.ts";
import { leftovers, SWEEP_MS } from "./removal.ts";
import {
  findRun,
  isDeleted,
  readArtifact,
  readMetrics,
  readRun,
  readTags,
  type StoredRun,
  statusOf,
} from "./runs.ts";
import {
  entriesOf,
  kindOf,
  linkFile,
  ownKindOf,
  remove,
  StoreError,
  writeNewFile,
} from "./store.ts";
import { experimentsDirectory } from "./tracker.ts";

/** error: something is lost, damaged or forged. warning: something was skipped. note: good to know. */
export type Level = "error" | "warning" | "note";

export interface Finding {
  readonly level: Level;
  readonly path: string;
  readonly problem: string;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  readonly runs: number;
  readonly by_status: Readonly<Record<string, number>>;
  /** The newest generation of the registry, and its SHA-256: noted elsewhere, it proves the history up to here. */
  readonly generation: number;
  readonly head_sha256: string | null;
}

/**
 * @param anchor a head_sha256 that was noted earlier; it must be in the history
 * @throws StoreError only where the store itself cannot be looked at
 */
export function diagnose(store: string, anchor?: string): Diagnosis {
  const findings: Finding[] = [];
  const add = (level: Level, path: string, problem: string) =>
    findings.push({ level, path, problem });
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      add("error", error.path, error.message);
    }
  };
  if (kindOf(store) === undefined) {
    add("note", store, "there is no store yet: the first run makes it");
    return { findings, runs: 0, by_status: {}, generation: 0, head_sha256: null };
  }
  attempt(() => probe(store, add));
  let registry: Registry = new Map();
  let view = { generation: 0, sha256: null as string | null };
  attempt(() => {
    for (const { path, problem } of checkChain(store, anchor)) add("error", path, problem);
  });
  attempt(() => {
    registry = readRegistry(store);
    const state = viewState(store);
    view = state;
    const path = join(store, "registry.json");
    if (state.isEdited && state.generation > 0)
      add(
        "warning",
        path,
        "it is no generation of registry.d: something else wrote it, or that generation is missing. It counts, and the next change records it",
      );
    if (state.isBehind)
      add("note", path, "it is one generation behind: the next change mends that");
  });
  const byStatus = new Map<string, number>();
  let runs = 0;
  for (const directory of runsOf(store, add)) {
    runs++;
    attempt(() => {
      const run = readRun(directory);
      const status = isDeleted(directory) ? "DELETED" : statusOf(run);
      byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
      checkRun(run, add);
      if (status === "INTERRUPTED") add("note", directory, "its process ended before the run did");
    });
  }
  for (const [model, entry] of registry) {
    const named = [[PRODUCTION, entry.production] as const].concat(
      Object.entries(entry.aliases ?? {}).map(([alias, { run_id }]) => [
        alias as "production",
        run_id,
      ]),
    );
    for (const [alias, id] of named)
      attempt(() => checkNamed(store, `${alias} of "${model}"`, id, add));
  }
  attempt(() => {
    const old = leftovers(store).filter(({ ageMs }) => ageMs >= SWEEP_MS);
    for (const { path } of old) add("note", path, "a crash left it; `raisin runs gc` sweeps it");
  });
  const order: Level[] = ["error", "warning", "note"];
  findings.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  return {
    findings,
    runs,
    by_status: Object.fromEntries([...byStatus].sort()),
    generation: view.generation,
    head_sha256: view.sha256,
  };
}

type Add = (level: Level, path: string, problem: string) => void;

/** Whether a file can be written, and given a second name. */
function probe(store: string, add: Add): void {
  const path = join(store, `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    writeNewFile(path, "");
  } catch (error) {
    add(
      "warning",
      store,
      `${(error as Error).message}: it can be read, but nothing can be recorded in it`,
    );
    return;
  }
  try {
    linkFile(path, `${path}.tmp`);
  } catch (error) {
    add("error", store, (error as Error).message);
  } finally {
    remove(path);
    remove(`${path}.tmp`);
  }
}

/** Directories of all runs; what stands among them and is none is told. */
function* runsOf(store: string, add: Add): Generator<string> {
  const experiments = experimentsDirectory(store);
  for (const experiment of entriesOf(experiments)) {
    const runs = join(experiments, experiment.name, "runs");
    if (!experiment.isDirectory() || !isSafeName(experiment.name)) {
      add("warning", join(experiments, experiment.name), "it is no experiment, and is left out");
      continue;
    }
    if (ownKindOf(runs) === undefined) continue;
    if (ownKindOf(runs) !== "directory") {
      add("warning", runs, "it is no directory, and is left out");
      continue;
    }
    for (const run of entriesOf(runs)) {
      const directory = join(runs, run.name);
      if (run.isDirectory() && /^\.[0-9a-f]{12}\.gone$/.test(run.name)) continue;
      if (!run.isDirectory() || !isRunId(run.name)) {
        add("warning", directory, "it is no run, and is left out");
      } else if (ownKindOf(join(directory, "meta.json")) !== undefined) yield directory;
    }
  }
}

function checkRun(run: StoredRun, add: Add): void {
  const { directory, meta, id } = run;
  if (!directory.endsWith(id)) {
    add(
      "error",
      join(directory, "meta.json"),
      `it is of run ${id}, not of the one whose directory it is in`,
    );
  }
  const { bad, isTorn } = readMetrics(directory);
  const metrics = join(directory, "metrics.jsonl");
  for (const { line, reason } of bad.slice(0, 5)) add("warning", metrics, `line ${line} ${reason}`);
  if (bad.length > 5) add("warning", metrics, `${bad.length - 5} more lines are bad`);
  if (isTorn && meta.status !== "RUNNING") add("warning", metrics, "its last line has no end");
  const { bad: badTags } = readTags(directory);
  if (badTags > 0) add("warning", join(directory, "tags.jsonl"), `${badTags} lines are no tags`);
  if (meta.status === "FINISHED" && typeof meta.model_sha256 === "string") {
    const path = join(directory, "artifacts/model/model.npz");
    const bytes = readArtifact(directory, "model/model.npz");
    const digest = bytes && createHash("sha256").update(bytes).digest("hex");
    if (digest === undefined) add("error", path, "it is missing");
    else if (digest !== meta.model_sha256)
      add("error", path, `its SHA-256 is ${digest}, recorded was ${meta.model_sha256}`);
  }
}

function checkNamed(store: string, name: string, id: string, add: Add): void {
  const path = join(store, "registry.json");
  const directory = findRun(store, id);
  if (directory === undefined) {
    add("error", path, `run ${id}, ${name}, is missing`);
    return;
  }
  const { status } = readRun(directory).meta;
  if (status !== "FINISHED") add("error", path, `run ${id}, ${name}, is ${status}`);
}
