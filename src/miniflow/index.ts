// The library: what `import … from "raisin/miniflow"` gives. Runs of any experiment, and a registry, in plain files.

export { type Diagnosis, diagnose, type Finding } from "./doctor.ts";
export type { Environment } from "./environment.ts";
export {
  type FoundRuns,
  findRuns,
  listRuns,
  type MetricSummary,
  type RunSummary,
  type SearchOptions,
  searchRuns,
} from "./listing.ts";
export { defaultStore } from "./names.ts";
export {
  type Change,
  changeRegistry,
  type Figures,
  type Generation,
  history,
  type Proposal,
  promote,
  type Registry,
  type RegistryEntry,
  readRegistry,
  rollback,
} from "./registry.ts";
export { RegistryError } from "./registry-error.ts";
export { collectGarbage, deleteRun, type Garbage, restoreRun } from "./removal.ts";
export {
  findRun,
  type MetricLine,
  type RunMetrics,
  readArtifact,
  readMetrics,
  readRun,
  readTags,
  type ShownStatus,
  type StoredRun,
  statusOf,
} from "./runs.ts";
export { SearchError } from "./search.ts";
export { StoreError } from "./store.ts";
export {
  type ActiveRun,
  appendTag,
  type DatasetRecord,
  type Metric,
  type ParamValue,
  type RunMeta,
  type RunOptions,
  type RunStatus,
  startRun,
} from "./tracker.ts";
