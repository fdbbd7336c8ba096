// Bytes as text and back (RFC 4648, section 4), with what every runtime has.

const CHUNK = 0x8000;

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

/** @returns undefined for a text that is not exactly how some bytes are written */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  // The last character may have bits that belong to no byte.
  const last = bytes.subarray(Math.max(0, Math.ceil(bytes.length / 3) * 3 - 3));
  return text.endsWith(toBase64(last)) ? bytes : undefined;
}
