// A sealed run: one file with everything that it takes to train a recorded run again, and the program that does it.
//
//   PREFIX                                        markup, a policy that lets no request out
//   /*proof*/const SEAL={format, digest, signature};
//   const RUN={…};                                what was recorded, and the core
//   /*verifier*/…                                 the program; with the two above one line, which Node runs by itself
//   SUFFIX
//
// The digest is SHA-256 over all bytes of the file but the seal's own object; a signature is Ed25519 (RFC 8032) over a text
// that holds the digest.
import { deflateSync } from "fflate";
import { sha256, toHex } from "../data/sha256.ts";
import { plain } from "../data/shown.ts";
import { parseSketch } from "../data/sketch.ts";
import { ModelFormatError } from "../model/format-error.ts";
import { inflate } from "../model/inflate.ts";
import { decodeModel } from "../model/model-file.ts";
import type { MetricRecord } from "../training/train.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { NotRepeatableError, type TrainingRecord, trainingOf } from "./record.ts";
import { PREFIX, SUFFIX } from "./shell.ts";

export const SEAL_FORMAT = 1;

const SEAL_MARK = "/*proof*/const SEAL=";
const RUN_MARK = ";const RUN=";
const VERIFIER_MARK = ";/*verifier*/";

export interface Signature {
  readonly algorithm: "ed25519";
  /** The public key, 32 bytes, base64. */
  readonly key: string;
  /** 64 bytes, base64. */
  readonly value: string;
}

export interface Seal {
  readonly format: number;
  /** SHA-256, 64 hex digits. */
  readonly digest: string;
  readonly signature: Signature | null;
}

/** What a reader may want to know of a run, and no verdict depends on. */
export interface About {
  /** The version that wrote the run. */
  readonly raisin: string;
  readonly experiment: string;
  readonly model: string;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly dataset: { readonly name: string; readonly rows: number; readonly file_sha256: string };
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly promotion: { readonly promoted: boolean; readonly reason: string };
  /** The release that the core belongs to, as the version that sealed the run knew; null for an unknown core. */
  readonly release: string | null;
}

export interface SealedRun {
  readonly about: About;
  readonly record: TrainingRecord;
  readonly core: Uint8Array;
  /** The table, where it was sealed with the run. */
  readonly data: SealedData | null;
}

export interface SealedData {
  readonly name: string;
  readonly bytes: number;
  /** Deflated (RFC 1951). */
  readonly packed: Uint8Array;
}

/** A file that is no whole sealed run of a known format, or was altered since it was sealed. */
export class SealError extends Error {
  override readonly name: string = "SealError";
}

/** Signs a text. */
export type Sign = (text: string) => Signature;

/** What is signed: the digest, and what kind of thing it is the digest of. */
export function signedText(digest: string): string {
  return `raisin sealed run ${SEAL_FORMAT}\n${digest}\n`;
}

/** @param verifier the program, one line */
export function writeSealed(run: SealedRun, verifier: string, sign?: Sign): string {
  const body = `${RUN_MARK}${scriptJson(payloadOf(run))}${VERIFIER_MARK}${verifier}`;
  if (/[\r\n\u2028\u2029]|<\/script|<!--|<script/i.test(body)) {
    throw new Error("Cannot seal: the verifier is not one line that can stand in a page");
  }
  const [head, tail] = [PREFIX + SEAL_MARK, body + SUFFIX];
  const digest = digestOf(head + tail);
  const signature = sign?.(signedText(digest)) ?? null;
  return head + JSON.stringify({ format: SEAL_FORMAT, digest, signature }) + tail;
}

function digestOf(text: string): string {
  return toHex(sha256(new TextEncoder().encode(text)));
}

/** JSON that can stand in a script, within which no mark of this format occurs. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll("<", "\\u003c")
    .replaceAll("*/", "*\\/")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}

function payloadOf({ about, record, core, data }: SealedRun) {
  return {
    about,
    run_id: record.runId,
    params: record.params,
    content_digest: record.contentDigest,
    sketch: record.sketch,
    split_digest: record.splitDigest,
    core: {
      digest: record.coreDigest,
      bytes: core.length,
      packed: toBase64(deflateSync(core, { level: 9 })),
    },
    model: { digest: record.modelDigest, npz: toBase64(record.modelBytes) },
    metrics: record.metrics.map(({ key, value, step }) => [key, value, step]),
    data: data && { ...data, packed: toBase64(data.packed) },
  };
}

/** Whether a file is meant as a sealed run, whole or not. @param start its first bytes */
export function looksSealed(start: Uint8Array): boolean {
  const text = new TextDecoder().decode(start.subarray(0, PREFIX.length));
  const plain = text.replaceAll("\r", "").toLowerCase();
  const mark = "<!doctype html>\n<!-- a sealed run of raisin.";
  return plain.startsWith(mark) || mark.startsWith(plain);
}

/** A sealed file, opened. */
export interface OpenedSeal {
  readonly seal: Seal;
  readonly run: SealedRun;
}

/**
 * Opens a sealed file, and checks every byte of it against its digest. Whether the digest is the one that was given out, and
 * who signed it, is for the caller to ask (`checkSignature`).
 *
 * @throws SealError saying what is wrong with it
 */
export function openSealed(bytes: Uint8Array): OpenedSeal {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SealError("it is altered: it holds bytes that are no text");
  }
  const start = text.indexOf(SEAL_MARK);
  const end = text.indexOf(RUN_MARK, start);
  if (start < 0 || end < 0) throw new SealError("it is truncated, or altered: it has no seal");
  const [head, tail] = [text.slice(0, start + SEAL_MARK.length), text.slice(end)];
  const seal = parseSeal(text.slice(head.length, end));
  if (seal.format > SEAL_FORMAT) {
    throw new SealError(
      `it has format ${seal.format}, and this version reads ${SEAL_FORMAT}: verify it with a newer version of raisin`,
    );
  }
  if (digestOf(head + tail) !== seal.digest) {
    const what = /<\/script>\s*$/.test(tail) ? "altered" : "truncated";
    throw new SealError(`it is ${what}: its bytes are not those that its digest was made of`);
  }
  let run: unknown;
  try {
    run = JSON.parse(tail.slice(RUN_MARK.length, tail.indexOf(VERIFIER_MARK)));
  } catch {
    throw noRun("it is no JSON");
  }
  return { seal, run: parseRun(run) };
}

function noRun(what: string): SealError {
  return new SealError(`it was sealed with a record that is none: ${what}`);
}

/** @throws SealError for a seal that is not written as `writeSealed` does, to the byte */
function parseSeal(text: string): Seal {
  const damaged = new SealError("it is altered: its seal is damaged");
  let seal: Seal;
  try {
    seal = JSON.parse(text) as Seal;
  } catch {
    throw damaged;
  }
  const { format, digest, signature } = (seal ?? {}) as Partial<Seal>;
  if (Number.isSafeInteger(format) && format! > SEAL_FORMAT) return seal;
  const { algorithm, key, value } = signature ?? {};
  const isSigned =
    algorithm === "ed25519" && bytesIn(key)?.length === 32 && bytesIn(value)?.length === 64;
  const whole = { format, digest, signature: signature && { algorithm, key, value } };
  const isSound =
    format === SEAL_FORMAT &&
    isDigest(digest) &&
    (signature === null || typeof signature === "object") &&
    (signature === null || isSigned) &&
    writes(whole, text);
  if (!isSound) throw damaged;
  return seal;
}

/** Whether a value is written as this text. Text that is too deep for that was written by nobody here. */
function writes(value: unknown, text: string): boolean {
  try {
    return JSON.stringify(value) === text;
  } catch {
    return false;
  }
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function bytesIn(value: unknown): Uint8Array | undefined {
  return typeof value === "string" ? fromBase64(value) : undefined;
}

/** What a sealed file holds besides its program, every part of it checked. @throws SealError where somebody sealed what is no run */
export function parseRun(value: unknown): SealedRun {
  const run = objectIn(value);
  const [core, model, params] = [run.core, run.model, run.params].map(objectIn);
  const data = run.data === null ? null : objectIn(run.data);
  const [npz, packed] = [bytesIn(model!.npz), bytesIn(data?.packed)];
  const wasm = coreIn(core!);
  const sketch = run.sketch === null ? null : parseSketch(run.sketch);
  const metrics = Array.isArray(run.metrics) ? run.metrics.map(metricOf) : [undefined];
  const parts: readonly (readonly [string, boolean])[] = [
    ["run_id", typeof run.run_id === "string" && /^[0-9a-f]{12}$/.test(run.run_id)],
    ["content_digest", isDigest(run.content_digest)],
    ["split_digest", run.split_digest === null || isDigest(run.split_digest)],
    ["sketch", sketch !== undefined],
    ["core", wasm !== undefined && isDigest(core!.digest)],
    ["model", npz !== undefined && isDigest(model!.digest)],
    ["metrics", !metrics.includes(undefined)],
    ["data", data === null || (isText(data.name) && isCount(data.bytes) && packed !== undefined)],
  ];
  const damaged = parts.find(([, isSound]) => !isSound);
  if (damaged !== undefined) throw noRun(`its ${damaged[0]} is missing or damaged`);
  if (toHex(sha256(wasm!)) !== core!.digest)
    throw noRun("its core has another digest than it says");
  try {
    trainingOf(params!, "read it");
    decodeModel(npz!);
  } catch (error) {
    if (!(error instanceof NotRepeatableError || error instanceof ModelFormatError)) throw error;
    throw noRun(error instanceof ModelFormatError ? error.message : "its params are damaged");
  }
  return {
    about: aboutOf(run.about),
    record: {
      runId: run.run_id as string,
      params: params!,
      contentDigest: run.content_digest as string,
      sketch: sketch!,
      splitDigest: run.split_digest as string | null,
      coreDigest: core!.digest as string,
      modelDigest: model!.digest as string,
      modelBytes: npz!,
      metrics: metrics as MetricRecord[],
    },
    core: wasm!,
    data: data && { name: data.name as string, bytes: data.bytes as number, packed: packed! },
  };
}

/** @returns an empty object for what is none */
function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : {};
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Most bytes of a core; ours has 16 KiB. */
const CORE_BYTES_MAX = 1 << 20;

function coreIn({ bytes, packed }: Record<string, unknown>): Uint8Array | undefined {
  const deflated = bytesIn(packed);
  const isPossible =
    Number.isSafeInteger(bytes) && (bytes as number) >= 0 && (bytes as number) <= CORE_BYTES_MAX;
  if (deflated === undefined || !isPossible) return undefined;
  try {
    return inflate("core", deflated, bytes as number);
  } catch (error) {
    if (error instanceof ModelFormatError) return undefined;
    throw error;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function metricOf(item: unknown): MetricRecord | undefined {
  if (!Array.isArray(item)) return undefined;
  const [key, value, step] = item as unknown[];
  if (!isText(key) || typeof value !== "number" || !Number.isSafeInteger(step)) return undefined;
  return { key, value, step: step as number };
}

/** Whoever made the file may have said anything here: texts are made fit for a terminal. @throws SealError */
function aboutOf(value: unknown): About {
  const about = objectIn(value);
  const [dataset, metrics, promotion] = [about.dataset, about.metrics, about.promotion].map(
    objectIn,
  );
  const text = (part: unknown) => (isText(part) ? plain(part) : "?");
  if (!isCount(dataset!.rows)) throw noRun("its number of rows is none");
  const { release } = about;
  return {
    raisin: text(about.raisin),
    experiment: text(about.experiment),
    model: text(about.model),
    started: text(about.started),
    dataset: {
      name: text(dataset!.name),
      rows: dataset!.rows,
      file_sha256: text(dataset!.file_sha256),
    },
    metrics: Object.fromEntries(
      Object.entries(metrics!).filter((entry): entry is [string, number | null] =>
        [typeof entry[1] === "number", entry[1] === null].includes(true),
      ),
    ),
    promotion: { promoted: promotion!.promoted === true, reason: text(promotion!.reason) },
    release: isText(release) && /^\d+\.\d+\.\d+$/.test(release) ? release : null,
  };
}

/** Whether a seal's signature is by the key that it names. Every runtime of today has the algorithm; null where one has not. */
export async function checkSignature({ digest, signature }: Seal): Promise<boolean | null> {
  if (signature === null) return false;
  const [key, value] = [fromBase64(signature.key)!, fromBase64(signature.value)!];
  const text = new TextEncoder().encode(signedText(digest));
  try {
    const { subtle } = globalThis.crypto;
    const raw = key as Uint8Array<ArrayBuffer>;
    const imported = await subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", imported, value as Uint8Array<ArrayBuffer>, text);
  } catch {
    return null;
  }
}

/** The table that was sealed with a run, piece by piece. @throws SealError for bytes that are no deflated table of that size */
export async function readSealedData(
  { bytes, packed }: SealedData,
  use: (chunk: Uint8Array) => unknown,
): Promise<void> {
  const damaged = new SealError("the table that was sealed with this run cannot be unpacked");
  const source = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  let left = bytes;
  for (;;) {
    const { done, value } = await reader.read().catch(() => Promise.reject(damaged));
    if (done) break;
    left -= value.length;
    // A few bytes can be made to unpack to any number.
    if (left < 0) throw damaged;
    if (use(value) === false) return;
  }
  if (left !== 0) throw damaged;
}
