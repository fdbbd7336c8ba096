// UTF-8 bytes as text, or the place of the first byte that is none.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns the text, or the index of the first byte that is not well-formed UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | number {
  try {
    return decoder.decode(bytes);
  } catch {
    return firstInvalid(bytes);
  }
}

/** Index of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7). */
function firstInvalid(bytes: Uint8Array): number {
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      i++;
      continue;
    }
    const count =
      lead >= 0xc2 && lead < 0xe0
        ? 1
        : (lead & 0xf0) === 0xe0
          ? 2
          : lead >= 0xf0 && lead < 0xf5
            ? 3
            : 0;
    if (count === 0) return i;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let k = 1; k <= count; k++) {
      const byte = bytes[i + k];
      const from = k === 1 ? low : 0x80;
      const to = k === 1 ? high : 0xbf;
      if (byte === undefined || byte < from || byte > to) return i;
    }
    i += count + 1;
  }
  return i;
}
