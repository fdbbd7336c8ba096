// What makes a training what it is: data content, parameters and core. Two runs of one fingerprint have the same bytes.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalJson } from "../data/canonical-json.ts";
import {
  isDeleted,
  readArtifact,
  readRun,
  runDirectories,
  type StoredRun,
} from "../miniflow/runs.ts";
import { readOwnFile, StoreError } from "../miniflow/store.ts";

/** Parameters that say where a run belongs and what becomes of it, or how its table was written; its bytes do not know. */
const OUTSIDE = new Set([
  "experiment",
  "model",
  "promote",
  "promote_on",
  "min_gain",
  "significance",
  "delimiter",
  "quote",
  "decimal",
  "thousands",
]);

/**
 * SHA-256 of the RFC 8785 JSON of content digest, core digest and parameters, 64 hex digits.
 *
 * @param params as in params.json
 */
export function fingerprintOf(
  contentDigest: string,
  params: Readonly<Record<string, unknown>>,
  coreDigest: string,
): string {
  const inside = Object.entries(params).filter(([key]) => !OUTSIDE.has(key));
  const text = canonicalJson({
    content_digest: contentDigest,
    core_digest: coreDigest,
    params: Object.fromEntries(inside),
  });
  return createHash("sha256").update(text).digest("hex");
}

/** The first finished run of a fingerprint whose model is there as it was recorded; undefined when there is none. */
export function findIdentical(store: string, fingerprint: string): StoredRun | undefined {
  let first: StoredRun | undefined;
  for (const { directory } of runDirectories(store)) {
    try {
      // Most runs are of another fingerprint, which can be told without parsing.
      const bytes = readOwnFile(join(directory, "meta.json"));
      if (
        bytes === undefined ||
        !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(fingerprint)
      )
        continue;
      const run = readRun(directory);
      const { meta } = run;
      const isOne =
        meta.fingerprint === fingerprint && meta.status === "FINISHED" && !isDeleted(directory);
      if (!isOne || (first !== undefined && first.meta.start_ts_ms <= meta.start_ts_ms)) continue;
      const model = readArtifact(directory, "model/model.npz");
      const sha256 = model && createHash("sha256").update(model).digest("hex");
      if (sha256 === meta.model_sha256) first = run;
    } catch (error) {
      // A damaged run is none that could be used instead.
      if (!(error instanceof StoreError)) throw error;
    }
  }
  return first;
}
