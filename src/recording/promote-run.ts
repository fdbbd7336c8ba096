// Puts a recorded run into production by hand: compared as a training's own run would be, or by force, and always on record.
import type { CoreSource } from "../core/source.ts";
import { encode } from "../data/encoding.ts";
import { splitRows } from "../data/split.ts";
import {
  type Change,
  changeRegistry,
  PRODUCTION,
  type Proposal,
  type RegistryEntry,
} from "../miniflow/registry.ts";
import { RegistryError } from "../miniflow/registry-error.ts";
import { findRun, readRun, type StoredRun } from "../miniflow/runs.ts";
import type { Model } from "../model/model.ts";
import { NoModelError } from "./no-model-error.ts";
import {
  type Candidate,
  type Decision,
  decide,
  type Gate,
  inputsForModel,
  proposalOf,
  scoreOn,
} from "./promote.ts";
import { readAgain, recordedData, recordedParams } from "./recorded.ts";
import { readEntries, readStoredModel } from "./stored-model.ts";

export interface PromotionRequest {
  readonly store: string;
  readonly runId: string;
  /** Name in the registry; by default the one that the run was trained for. */
  readonly model?: string;
  /** By default production. Others are given without a comparison. */
  readonly alias?: string;
  readonly gate: Gate;
  /** Labelled rows to compare on: by default the run's own validation rows, read from where it found them. */
  readonly data?: string;
  /** Put it into production whatever the figures say. */
  readonly force: boolean;
  readonly reason?: string;
  readonly by?: string;
  readonly signal?: AbortSignal;
}

export interface Promotion {
  readonly model: string;
  /** What was changed; null when nothing was. */
  readonly change: Change | null;
  /** Why, also where nothing was changed. */
  readonly reason: string;
  /** Null where nothing was compared. */
  readonly decision: Decision | null;
  /** Whether the alias names the run now. */
  readonly isNamed: boolean;
}

/** @throws NoModelError, RegistryError, NotRepeatableError, ProductionError, DataError, StoreError */
export async function promoteRun(
  source: CoreSource,
  request: PromotionRequest,
): Promise<Promotion> {
  const { store, runId, alias = PRODUCTION, by } = request;
  const directory = findRun(store, runId);
  if (directory === undefined) throw new NoModelError(`Cannot find run "${runId}" in ${store}`);
  const run = readRun(directory);
  refuseSearch(run);
  const named = run.meta.model;
  const model = request.model ?? (typeof named === "string" ? named : undefined);
  if (model === undefined) {
    throw new NoModelError(`Run ${runId} does not say which model it is: name one with --model`);
  }
  // Other programs' runs may be promoted too, but only what raisin trained can be compared, or checked.
  const own = run.meta.kind === "train" ? readStoredModel(directory).model : undefined;
  const isCompared = alias === PRODUCTION && !request.force;
  let decision: Decision | null = null;
  let reason =
    request.reason ?? (request.force ? "promoted by force" : `given the alias "${alias}"`);
  // Read before the registry is asked: it may take long, and is the same whatever stands there.
  const candidate = isCompared ? await candidateOf(source, directory, own, request) : undefined;
  let isNamed = false;
  const change = changeRegistry(store, model, (entry) => {
    isNamed = idUnder(entry, alias) === runId;
    if (isNamed) {
      reason = `run ${runId} is ${alias} of "${model}" already`;
      return undefined;
    }
    const proposal: Proposal = {
      action: "promote",
      alias,
      runId,
      reason,
      ...(by !== undefined && { by }),
    };
    if (!isCompared) return proposal;
    if (entry === undefined) {
      reason = request.reason ?? `first run of model "${model}"`;
      return { ...proposal, reason };
    }
    if (candidate === undefined && own !== undefined) {
      throw new RegistryError(
        `Run ${entry.production} came into production while run ${runId} was looked at: try again`,
      );
    }
    if (candidate === undefined) {
      throw new RegistryError(
        `Cannot compare run ${runId} as it is no training of raisin: look at its figures yourself, and promote it with --force`,
      );
    }
    decision = decide(source, candidate, { store, model, gate: request.gate }, entry);
    reason = decision.reason;
    const decided = proposalOf(decision, runId, by);
    return decided && request.reason !== undefined
      ? { ...decided, reason: `${request.reason} (${decided.reason})` }
      : decided;
  });
  return {
    model,
    change: change ?? null,
    reason,
    decision,
    isNamed: isNamed || change !== undefined,
  };
}

/** A search and its candidates have no model; the training below the search has. @throws RegistryError */
function refuseSearch({ id, meta }: StoredRun): void {
  const { kind, refit_run: refit, parent_run_id: parent } = meta;
  if (kind === "tune") {
    const which = typeof refit === "string" ? `run ${refit}` : "no run, as it did not finish";
    throw new RegistryError(
      `Cannot promote run ${id} as it is a search and has no model: its best candidate was trained in ${which}`,
    );
  }
  if (kind === "candidate") {
    throw new RegistryError(
      `Cannot promote run ${id} as it is a candidate of the search ${String(parent)}, and has no model: train one with its parameters`,
    );
  }
}

function idUnder(entry: RegistryEntry | undefined, alias: string): string | undefined {
  return alias === PRODUCTION ? entry?.production : entry?.aliases?.[alias]?.run_id;
}

/** The run's model on the rows to compare on. Undefined for a run that is no training, or where nothing is to compare with. */
async function candidateOf(
  source: CoreSource,
  directory: string,
  model: Model | undefined,
  request: PromotionRequest,
): Promise<Candidate | undefined> {
  const { store, data, signal } = request;
  const run = readRun(directory);
  const name = request.model ?? String(run.meta.model);
  const entry = readEntries(store).get(name);
  if (model === undefined || entry === undefined || entry.production === run.id) return undefined;
  const { params, reading } = recordedParams(run, "compare");
  const { path, contentDigest } = recordedData(run, "compare", data);
  const dataset = await readAgain(
    path,
    { ...reading, ...(signal && { signal }) },
    data !== undefined,
  );
  const isOwn = dataset.contentDigest === contentDigest;
  if (!isOwn && data === undefined) {
    throw new RegistryError(
      `Cannot compare run ${run.id} as ${path} holds other data now: name the run's data, or other labelled rows, with --data, or promote without a comparison with --force`,
    );
  }
  const index = isOwn
    ? splitRows(dataset.rowDigests, dataset.y, { fraction: params.valFraction, seed: params.seed })
        .validation
    : Uint32Array.from({ length: dataset.rowCount }, (_, i) => i);
  // Class weights belong to a training; rows are judged by the weights that the table gives them.
  const weights = dataset.weights?.values ?? null;
  const rows = { dataset, index, weights };
  const { columns } = encode(inputsForModel(model, dataset), "base");
  const { metrics: figures } = scoreOn(source, model, columns, rows);
  return { model, ...rows, figures };
}

/** Whether a run that is to go back into production still has the model that it recorded. @throws Error when it has not */
export function checkModel(store: string, runId: string): void {
  const directory = findRun(store, runId);
  if (directory !== undefined && readRun(directory).meta.kind === "train")
    readStoredModel(directory);
}
