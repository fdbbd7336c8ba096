// Predictions in runtimes that read no files and compile nothing by themselves, such as edge workers: raisin/edge.
import { Core } from "./core/core.ts";
import { coreOfModule } from "./core/source.ts";
import { encodeOrThrow } from "./data/encoding.ts";
import { inputsOfObjects, type RowObject } from "./data/objects.ts";
import { decodeModel, modelDigest } from "./model/model-file.ts";
import { type Explanation, explainRow } from "./model/predict.ts";

export type { RowObject } from "./data/objects.ts";
export { ModelFormatError } from "./model/format-error.ts";
export type { Explanation } from "./model/predict.ts";

/** A model and a core to predict with. It serves one call at a time, and no call waits. */
export interface EdgeModel {
  /** Model digest (CONTRACT.md, N10), 64 hex digits. */
  readonly digest: string;
  /** Names of the columns that a row must have. */
  readonly columns: readonly string[];
  readonly classes: readonly [string, string];
  /**
   * One row's prediction and what each feature adds to its logit: the bits that `raisin predict --explain` gives.
   *
   * @throws TypeError for a row without a column, DataError for a value that the model cannot read
   */
  explain(row: RowObject): Explanation;
}

/**
 * Opens a model.
 *
 * @param core core.wasm or core.scalar.wasm, as the runtime compiled it
 * @param npz the bytes of a model.npz
 * @throws ModelFormatError; ForeignCoreError for a module that is no core of this version
 * @example
 * import core from "./core.wasm"; // a WebAssembly.Module, in Cloudflare's workers
 * import npz from "./model.npz"; // an ArrayBuffer
 * const model = openModel(core, new Uint8Array(npz));
 */
export function openModel(core: WebAssembly.Module, npz: Uint8Array): EdgeModel {
  const instance = new Core(coreOfModule(core));
  const model = decodeModel(npz);
  const { spec } = model;
  return {
    digest: modelDigest(model),
    columns: spec.columns.map(({ name }) => name),
    classes: spec.classes,
    explain(row) {
      const inputs = inputsOfObjects(spec.columns, [row], spec.missing_tokens);
      const { columns } = encodeOrThrow(inputs, { width: spec.columns.length, unit: "row" });
      return explainRow(instance, model, columns);
    },
  };
}
