// Puts a recorded training into one file from which anybody can derive it again, and signs it.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, extname } from "node:path";
import { deflateRawSync } from "node:zlib";
import { releaseOf } from "../core/node.ts";
import { coreOfBytes, ForeignCoreError, instantiateChecked } from "../core/source.ts";
import { readArtifact, readMetrics, readRun } from "../miniflow/runs.ts";
import { NotRepeatableError, trainingOf } from "../proof/record.ts";
import {
  type About,
  openSealed,
  type Seal,
  type SealedData,
  type Sign,
  writeSealed,
} from "../proof/sealed.ts";
import { readStoredModel } from "./stored-model.ts";
import { recordOfRun } from "./verify.ts";

/** A key that cannot sign, or is none. */
export class KeyError extends Error {
  override readonly name: string = "KeyError";
}

const TEXT_OF_KEY = /^ed25519:([A-Za-z0-9+/]{43}=)$/;

/**
 * A sealed file of a finished training: what it recorded, its core, the program that derives it again.
 *
 * @param table the file of its data, to seal it with the run
 * @throws NotRepeatableError, StoreError, ModelFormatError or Error for a run that is damaged
 */
export function sealRun(
  directory: string,
  options: { readonly table?: { path: string; bytes: Uint8Array }; readonly sign?: Sign } = {},
): { text: string; seal: Seal } {
  const run = readRun(directory);
  const record = recordOfRun(run, "seal");
  trainingOf(record.params, `seal run ${run.id}`);
  // What is sealed is whole: the model as meta.json names it, the core, every metric.
  readStoredModel(directory);
  const core = readArtifact(directory, "core/core.wasm");
  if (core === undefined || sha256(core) !== record.coreDigest) {
    throw new Error(
      `Cannot seal run ${run.id} as its core is missing or has another digest than meta.json records`,
    );
  }
  try {
    instantiateChecked(coreOfBytes(core, record.coreDigest));
  } catch (error) {
    if (!(error instanceof ForeignCoreError)) throw error;
    throw new NotRepeatableError(
      `Cannot seal run ${run.id} as the program that would be sealed with it cannot run its core: ${error.message}`,
    );
  }
  const [bad] = readMetrics(directory).bad;
  if (bad !== undefined) {
    throw new Error(`Cannot seal run ${run.id} as metrics.jsonl, line ${bad.line} ${bad.reason}`);
  }
  const { table, sign: signer } = options;
  const data: SealedData | null =
    table === undefined
      ? null
      : {
          name: basename(table.path, extname(table.path)),
          bytes: table.bytes.length,
          packed: deflateRawSync(table.bytes, { level: 9 }),
        };
  const program = readFileSync(createRequire(import.meta.url).resolve("#proof.js"), "utf8");
  const text = writeSealed({ about: aboutOf(run.meta), record, core, data }, program, signer);
  // A file that cannot be opened again proves nothing.
  const { seal } = openSealed(new TextEncoder().encode(text));
  return { text, seal };
}

/** Whose account and machine it was, and where its files stood, is nobody's business. */
function aboutOf(meta: Readonly<Record<string, unknown>>): About {
  const part = (value: unknown) => (value ?? {}) as Record<string, unknown>;
  const [dataset, promotion, versions] = [meta.dataset, meta.promotion, meta.versions].map(part);
  return {
    raisin: String(versions!.raisin),
    experiment: String(meta.experiment),
    model: String(meta.model),
    started: timeOf(Number(meta.start_ts_ms)),
    dataset: {
      name: String(dataset!.name),
      rows: Number(dataset!.rows) || 0,
      file_sha256: String(dataset!.file_sha256),
    },
    metrics: part(meta.metrics) as About["metrics"],
    promotion: { promoted: promotion!.promoted === true, reason: String(promotion!.reason) },
    release: releaseOf(String(meta.core_digest))?.version ?? null,
  };
}

/** ISO 8601; what a file says may be no time at all. */
function timeOf(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : "?";
}

/** @param pem a private key, PKCS #8 as `openssl genpkey -algorithm ed25519` writes it @throws KeyError */
export function signerOf(pem: Uint8Array): Sign {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pem), format: "pem" });
  } catch {
    throw new KeyError(
      "it is no private key in PEM without a passphrase, as `openssl genpkey -algorithm ed25519` writes it",
    );
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new KeyError(`it is of type ${key.asymmetricKeyType}, and seals are signed by ed25519`);
  }
  return (text) => ({
    algorithm: "ed25519",
    key: rawKey(key),
    value: sign(null, Buffer.from(text), key).toString("base64"),
  });
}

/** @param given a public key in PEM, or its text, `ed25519:…` @returns 32 bytes, base64 @throws KeyError */
export function publicKeyOf(given: Uint8Array | string): string {
  if (typeof given === "string") {
    const found = TEXT_OF_KEY.exec(given)?.[1];
    if (found !== undefined) return found;
    throw new KeyError("it is no key: give `ed25519:` and 44 characters, or a file in PEM");
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(given), format: "pem" });
  } catch {
    throw new KeyError("it is no public key in PEM, as `openssl pkey -pubout` writes it");
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new KeyError(`it is of type ${key.asymmetricKeyType}, and seals are signed by ed25519`);
  }
  return rawKey(key);
}

function rawKey(key: KeyObject): string {
  const { x } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return Buffer.from(x!, "base64url").toString("base64");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
