// SHA-256 for digests, anywhere JavaScript runs. A host with a faster one passes it in.
import { sha256 as portableSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** SHA-256 of some bytes, 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const sha256: Sha256 = portableSha256;

/** SHA-256 of some bytes as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(portableSha256(bytes));
}

export const toHex: (bytes: Uint8Array) => string = bytesToHex;
