// Trains a recorded run again and compares every byte of its model and every metric: by its own core, on its own data, wherever
// they stand now.
import { createHash } from "node:crypto";
import { basename, extname, join } from "node:path";
import { Core } from "../core/core.ts";
import { loadCore, releaseOf } from "../core/node.ts";
import { type CoreSource, coreOfBytes, ForeignCoreError, OlderCoreError } from "../core/source.ts";
import { FileError } from "../data/csv-error.ts";
import { DataError } from "../data/data-error.ts";
import { forEachChunk } from "../data/files.ts";
import { parseSketch, type RowSketch } from "../data/sketch.ts";
import { HeaderReader } from "../data/table-reader.ts";
import { readArtifact, readMetrics, readRun, type StoredRun } from "../miniflow/runs.ts";
import {
  compareTraining,
  type Derived,
  differs,
  type Outcome,
  outcomeOf,
  type Stage,
} from "../proof/compare.ts";
import {
  type DataVerdict,
  OtherDataError,
  type ProvenDataset,
  readRecordedData,
  type TableSource,
} from "../proof/data.ts";
import { secondsFor } from "../proof/derive.ts";
import {
  NotRepeatableError,
  type RecordedReading,
  type TrainingRecord,
  trainingOf,
} from "../proof/record.ts";
import { readSealedData, type SealedRun } from "../proof/sealed.ts";
import type { TrainingParams } from "../training/params.ts";
import { DivergenceError, train } from "../training/train.ts";
import { FileDigests, filesBelow } from "./data-places.ts";
import { CoreFailure, trainInThread } from "./threads.ts";
import { turn } from "./turn.ts";

/** Which core a run was trained by. */
export interface CoreVerdict {
  /** As the run recorded it. */
  readonly digest: string;
  /** The release that it belongs to; null for one that this package does not know. */
  readonly release: string | null;
  /** Which core trained again: the run's own, or this package's where that one cannot be run here. */
  readonly used: "recorded" | "package";
  /** Whether this package's core gives the same; null where it is the one that trained, or nothing was trained. */
  readonly packageAgrees: boolean | null;
}

export interface Verdict extends Outcome {
  readonly runId: string;
  readonly modelDigest: string;
  readonly core: CoreVerdict;
}

export interface VerifyOptions {
  /** The package's own core; the build with vectors when absent. */
  readonly source?: CoreSource;
  /** The file to train on; by default the path that the run recorded, then the places. */
  readonly data?: string;
  /** Directories to look for the data in. */
  readonly places?: readonly string[];
  /** Seconds that an unknown core gets; by default some that a slow machine needs tenfold. */
  readonly timeLimit?: number;
  readonly signal?: AbortSignal;
}

/**
 * What a run recorded, for a comparison.
 *
 * @param verb what for, in a message
 * @throws NotRepeatableError, StoreError
 */
export function recordOfRun(run: StoredRun, verb: string): TrainingRecord {
  const { meta, directory } = run;
  if (meta.kind !== "train" || meta.status !== "FINISHED") {
    throw new NotRepeatableError(
      `Cannot ${verb} run ${run.id} as only finished trainings can be derived again: its kind is ${String(meta.kind)}, its status ${meta.status}`,
    );
  }
  const { content_digest: content } = (meta.dataset ?? {}) as Record<string, unknown>;
  if (typeof content !== "string") {
    throw new NotRepeatableError(
      `Cannot ${verb} run ${run.id} as its meta.json does not say which data it had`,
    );
  }
  for (const key of ["core_digest", "model_digest"] as const) {
    if (!/^[0-9a-f]{64}$/.test(String(meta[key]))) {
      throw new NotRepeatableError(
        `Cannot ${verb} run ${run.id} as its meta.json has no ${key}, or one that is damaged`,
      );
    }
  }
  return {
    runId: run.id,
    params: run.params,
    contentDigest: content,
    sketch: sketchIn(directory),
    splitDigest: typeof meta.split_digest === "string" ? meta.split_digest : null,
    coreDigest: String(meta.core_digest),
    modelDigest: String(meta.model_digest),
    modelBytes: readArtifact(directory, "model/model.npz") ?? new Uint8Array(0),
    metrics: readMetrics(directory).lines.map(({ key, value, step }) => ({ key, value, step })),
  };
}

/** What a core made, and which one it was. */
type Trained = { readonly derived: Derived } & Pick<CoreVerdict, "used" | "packageAgrees">;

/** Where the data of a run were, as far as its record says. */
interface DataFacts {
  readonly path?: unknown;
  readonly file_sha256?: unknown;
}

function coreOf({ coreDigest: digest }: TrainingRecord) {
  return { digest, release: releaseOf(digest)?.version ?? null };
}

function differing(record: TrainingRecord, stage: Stage, difference: string): Verdict {
  return {
    runId: record.runId,
    modelDigest: record.modelDigest,
    ...differs(stage, difference),
    core: { ...coreOf(record), used: "recorded", packageAgrees: null },
  };
}

/** Null for a run without a sketch that can be used: it explains a difference, and no verdict depends on it. */
function sketchIn(directory: string): RowSketch | null {
  const bytes = readArtifact(directory, "data_sketch.json");
  try {
    return (bytes && parseSketch(JSON.parse(Buffer.from(bytes).toString()))) ?? null;
  } catch {
    return null;
  }
}

/** Verifies runs one after the other. Data that several of them share are read once. */
export class Verifier {
  readonly #own: CoreSource;
  readonly #hasher: Core;
  readonly #options: VerifyOptions;
  readonly #digests = new FileDigests();
  #last: { key: string; verdict: Promise<DataVerdict> } | undefined;

  constructor(options: VerifyOptions = {}) {
    this.#options = options;
    this.#own = options.source ?? loadCore();
    this.#hasher = new Core(this.#own);
  }

  /** @throws NotRepeatableError, OtherDataError, FileError where the data cannot be found, StoreError */
  async verify(directory: string): Promise<Verdict> {
    const run = readRun(directory);
    const record = recordOfRun(run, "verify");
    const { reading } = trainingOf(record.params, `verify run ${run.id}`);
    const data = await this.#readData(record, reading, (run.meta.dataset ?? {}) as DataFacts);
    if (data.verdict.dataset === null) {
      return differing(record, "data", `${data.path}: ${data.verdict.difference}`);
    }
    const core = readArtifact(directory, "core/core.wasm");
    if (core === undefined || sha256(core) !== record.coreDigest) {
      return differing(
        record,
        "core",
        "artifacts/core/core.wasm is missing or has another digest than meta.json records",
      );
    }
    if (record.modelBytes.length === 0)
      return differing(record, "encoding", "artifacts/model/model.npz is missing");
    const { bad } = readMetrics(directory);
    if (bad.length > 0) {
      const [{ line, reason }] = bad as [(typeof bad)[0]];
      const path = join(directory, "metrics.jsonl");
      return differing(record, "record", `metrics: ${path}, line ${line} ${reason}`);
    }
    return this.#deriveAndCompare(record, core, data.verdict.dataset, true);
  }

  /**
   * Where the data of a run are, and how they differ where none are the recorded ones.
   *
   * @throws as verify
   */
  async findData(directory: string): Promise<{ path: string; difference: string | null }> {
    const run = readRun(directory);
    const record = recordOfRun(run, "verify");
    const { reading } = trainingOf(record.params, `verify run ${run.id}`);
    const facts = (run.meta.dataset ?? {}) as DataFacts;
    const { path, verdict } = await this.#readData(record, reading, facts);
    return { path, difference: verdict.difference };
  }

  /**
   * Verifies a run that was sealed into a file, which was opened and checked: on the named data, else those that were sealed
   * with it, else those in the places.
   *
   * @throws as verify
   */
  async verifySealed({ record, core, about, data: sealed }: SealedRun): Promise<Verdict> {
    const { reading } = trainingOf(record.params, `verify run ${record.runId}`);
    const { contentDigest, sketch } = record;
    const facts = { file_sha256: about.dataset.file_sha256 };
    const data =
      sealed !== null && this.#options.data === undefined
        ? {
            path: `${sealed.name} in the sealed file`,
            verdict: await readRecordedData(
              { name: sealed.name, read: (use) => readSealedData(sealed, use) },
              { reading, contentDigest, sketch },
              this.#hasher,
            ),
          }
        : await this.#readData(record, reading, facts);
    return data.verdict.dataset === null
      ? differing(record, "data", `${data.path}: ${data.verdict.difference}`)
      : this.#deriveAndCompare(record, core, data.verdict.dataset, false);
  }

  async #deriveAndCompare(
    record: TrainingRecord,
    core: Uint8Array,
    dataset: ProvenDataset,
    mayReplace: boolean,
  ): Promise<Verdict> {
    const { params } = trainingOf(record.params, `verify run ${record.runId}`);
    let trained: Trained;
    try {
      trained = await this.#derive(record, core, dataset, params, mayReplace);
    } catch (error) {
      if (error instanceof CoreFailure || error instanceof ForeignCoreError)
        return differing(record, "core", error.message);
      if (error instanceof DivergenceError) return differing(record, "iterations", error.message);
      throw error;
    }
    const { derived, used, packageAgrees } = trained;
    return {
      runId: record.runId,
      modelDigest: record.modelDigest,
      ...outcomeOf(record, derived),
      core: { ...coreOf(record), used, packageAgrees },
    };
  }

  /**
   * Trains again by the recorded core: one that was released as it is, any other in a thread with a time limit.
   *
   * @param mayReplace whether the package's own core may stand in for one of an earlier version, which lacks kernels
   * @throws CoreFailure, ForeignCoreError, DivergenceError
   */
  async #derive(
    record: TrainingRecord,
    core: Uint8Array,
    dataset: ProvenDataset,
    params: TrainingParams,
    mayReplace: boolean,
  ): Promise<Trained> {
    const { coreDigest } = record;
    const byPackage = () => this.#train(this.#own, dataset, params);
    if (coreDigest === this.#own.digest) {
      return { derived: await byPackage(), used: "recorded", packageAgrees: null };
    }
    try {
      const isReleased = releaseOf(coreDigest) !== undefined;
      const derived = isReleased
        ? await this.#train(coreOfBytes(core, coreDigest), dataset, params)
        : await this.#trainUnknown(core, coreDigest, dataset, params);
      const ours = await byPackage().catch(() => null);
      const packageAgrees = ours !== null && compareTraining(record, ours) === null;
      return { derived, used: "recorded", packageAgrees };
    } catch (error) {
      if (!(error instanceof OlderCoreError) || !mayReplace) throw error;
      return { derived: await byPackage(), used: "package", packageAgrees: null };
    }
  }

  #train(source: CoreSource, dataset: ProvenDataset, params: TrainingParams): Promise<Derived> {
    const { signal } = this.#options;
    return train(source, dataset, params, { ...(signal && { signal }), pause: turn });
  }

  #trainUnknown(
    core: Uint8Array,
    coreDigest: string,
    dataset: ProvenDataset,
    params: TrainingParams,
  ): Promise<Derived> {
    const { signal, timeLimit } = this.#options;
    const { rowCount, columns } = dataset;
    const seconds = timeLimit ?? secondsFor(rowCount, columns.length, params.iterations);
    const limits = { seconds, ...(signal && { signal }) };
    return trainInThread({ core, coreDigest, dataset, params }, limits);
  }

  /** The data of a run: as named, else where it was recorded, else in the places; and how they differ where none are the same. */
  async #readData(
    record: TrainingRecord,
    reading: RecordedReading,
    { path, file_sha256: file }: DataFacts,
  ): Promise<{ path: string; verdict: DataVerdict }> {
    const { data, places = [] } = this.#options;
    const read = async (path: string) => ({
      path,
      verdict: await this.#readTable(path, record, reading),
    });
    if (data !== undefined) return read(data);
    let recorded: Awaited<ReturnType<typeof read>> | undefined;
    let problem: unknown;
    if (typeof path === "string") {
      try {
        recorded = await read(path);
        if (recorded.verdict.dataset !== null) return recorded;
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        problem = error;
      }
    }
    const candidates = await this.#candidates(places, reading);
    for (const candidate of candidates) {
      if ((await this.#digests.of(candidate, this.#options.signal)) !== file) continue;
      const found = await read(candidate);
      if (found.verdict.dataset !== null) return found;
    }
    for (const candidate of candidates) {
      const found = await read(candidate).catch(ignoreDataErrors);
      if (found && found.verdict.dataset !== null) return found;
    }
    if (recorded !== undefined) return recorded;
    const looked = places.length > 0 ? `, nor is it in ${places.join(", ")}` : "";
    if (problem instanceof FileError) throw new FileError(`${problem.message}${looked}`);
    if (problem !== undefined) throw problem;
    throw new NotRepeatableError(
      `Cannot verify run ${record.runId} as it is not recorded where its data are${looked}: name them with --data`,
    );
  }

  /** Files of the places that have a column of each recorded name. */
  async #candidates(places: readonly string[], reading: RecordedReading): Promise<string[]> {
    const { features, label, weight } = reading;
    const names = [...features, label, ...(weight === undefined ? [] : [weight])];
    const candidates: string[] = [];
    for (const path of filesBelow(places)) {
      const header = await headerIn(path).catch(ignoreDataErrors);
      if (header && names.every((name) => header.includes(name))) candidates.push(path);
    }
    return candidates;
  }

  #readTable(path: string, record: TrainingRecord, reading: RecordedReading): Promise<DataVerdict> {
    const { contentDigest, sketch } = record;
    const key = JSON.stringify([path, contentDigest, reading]);
    if (this.#last?.key !== key) {
      const source = tableFile(path, this.#options.signal);
      const recorded = { reading, contentDigest, sketch };
      const verdict = readRecordedData(source, recorded, this.#hasher).catch((error: unknown) => {
        if (!(error instanceof OtherDataError)) throw error;
        throw new OtherDataError(`${path}: ${error.message}`);
      });
      this.#last = { key, verdict };
    }
    return this.#last.verdict;
  }
}

/** A table on disk. */
export function tableFile(path: string, signal: AbortSignal | undefined): TableSource {
  return {
    name: basename(path, extname(path)),
    read: (use) => forEachChunk(path, signal, use),
  };
}

async function headerIn(path: string): Promise<string[]> {
  const reader = new HeaderReader();
  await forEachChunk(path, undefined, (chunk) => reader.push(chunk));
  return reader.end();
}

function ignoreDataErrors(error: unknown): undefined {
  if (!(error instanceof DataError)) throw error;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
