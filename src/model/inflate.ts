// What do raw deflate (RFC 1951) bytes stand for, if they come from a stranger?
//
// Design:
// - Not fflate's inflater, which builds tables of 32,768 entries for every deflate block: a stream of
//   950 KB that is nothing but block headers kept it busy for 6.4 s.
// - Bounds: memory is the declared size and three codes of a few hundred entries, made once. Time
//   goes with the bytes in, the bytes declared and the blocks, and blocks are counted: at most 16,
//   and one more for every 64 declared bytes.
// - The result has exactly the declared size and the stream ends where its bytes end; else refused.
import { unreadable } from "./format-error.ts";

// Lengths of matches are 3 to 258 and distances 1 to 32,768, each a base and some extra bits.
const LENGTH_EXTRA = Uint8Array.from({ length: 29 }, (_, i) =>
  i < 28 ? Math.max(0, (i >> 2) - 1) : 0,
);
const LENGTH_BASE = toBases(3, LENGTH_EXTRA).fill(258, 28);
const DISTANCE_EXTRA = Uint8Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1));
const DISTANCE_BASE = toBases(1, DISTANCE_EXTRA);
const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK = 256;

function toBases(first: number, extra: Uint8Array): Uint16Array {
  let base = first;
  return Uint16Array.from(extra, (bits) => {
    base += 2 ** bits;
    return base - 2 ** bits;
  });
}

/** A prefix code: how many codes there are of each length, and their symbols in order. */
interface PrefixCode {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

function createPrefixCode(): PrefixCode {
  return { counts: new Uint16Array(16), symbols: new Uint16Array(288) };
}

/** Makes the canonical code of lengths[from .. to - 1] (RFC 1951, 3.2.2); false if none exists. */
function fillPrefixCode(code: PrefixCode, lengths: Uint8Array, from: number, to: number): boolean {
  const { counts, symbols } = code;
  counts.fill(0);
  for (let i = from; i < to; i++) counts[lengths[i]!]!++;
  const codeCount = to - from - counts[0]!;
  counts[0] = 0;
  let left = 1;
  STARTS[0] = 0;
  for (let length = 1; length < 16; length++) {
    left = 2 * left - counts[length]!;
    if (left < 0) return false;
    STARTS[length] = STARTS[length - 1]! + counts[length - 1]!;
  }
  // A code must use every bit pattern, but one symbol alone has one bit, and none is none.
  if (left > 0 && codeCount !== counts[1]) return false;
  for (let i = from; i < to; i++) {
    const length = lengths[i]!;
    if (length !== 0) symbols[STARTS[length]!++] = i - from;
  }
  return true;
}

// A block costs the 300 lengths of its codes even if it holds nothing. zlib at its lowest memory
// level puts 127 symbols into one; some writers add empty ones.
const MIN_BLOCK_BYTES = 64;
const SPARE_BLOCKS = 16;

// Scratch of fillPrefixCode(): where the symbols of each length begin.
const STARTS = new Uint16Array(16);

const FIXED_LITERALS = createPrefixCode();
const FIXED_DISTANCES = createPrefixCode();
const FIXED_LENGTHS = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280);
fillPrefixCode(FIXED_LITERALS, FIXED_LENGTHS, 0, 288);
fillPrefixCode(FIXED_DISTANCES, new Uint8Array(32).fill(5), 0, 32);

/**
 * Inflates raw deflate into exactly the declared size.
 *
 * @param key what errors call the member
 * @throws ModelFormatError if the bytes are not one sound stream of that size
 */
export function inflate(key: string, packed: Uint8Array, plainBytes: number): Uint8Array {
  const plain = new Uint8Array(plainBytes);
  let filled = 0;
  let packedAt = 0;
  let bitBuffer = 0;
  let bitCount = 0;

  const failure = (what: string) => unreadable(`"${key}" cannot be inflated: ${what}`);

  function assertRoom(count: number): void {
    if (filled + count > plainBytes) {
      throw failure(`it has more than the ${plainBytes} bytes declared`);
    }
  }

  function takeBits(count: number): number {
    while (bitCount < count) {
      if (packedAt === packed.length) throw failure("it ends early");
      bitBuffer |= packed[packedAt++]! << bitCount;
      bitCount += 8;
    }
    const bits = bitBuffer & ((1 << count) - 1);
    bitBuffer >>>= count;
    bitCount -= count;
    return bits;
  }

  function takeSymbol({ counts, symbols }: PrefixCode): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= takeBits(1);
      const count = counts[length]!;
      if (code - first < count) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw failure("it has a code that stands for nothing");
  }

  function takeStored(): void {
    bitBuffer = 0;
    bitCount = 0;
    const count = takeBits(8) | (takeBits(8) << 8);
    const complement = takeBits(8) | (takeBits(8) << 8);
    if ((count ^ complement) !== 0xffff) throw failure("a stored block has a damaged length");
    if (packedAt + count > packed.length) throw failure("it ends early");
    assertRoom(count);
    plain.set(packed.subarray(packedAt, packedAt + count), filled);
    packedAt += count;
    filled += count;
  }

  // Made once: a hostile stream has a block every eleven bytes.
  const lengthCode = createPrefixCode();
  const literals = createPrefixCode();
  const distances = createPrefixCode();
  const lengths = new Uint8Array(288 + 32);

  function makeCode(code: PrefixCode, from: number, to: number): void {
    if (!fillPrefixCode(code, lengths, from, to)) throw failure("a block has no valid code");
  }

  function takeCodes(): void {
    const literalCount = takeBits(5) + 257;
    const distanceCount = takeBits(5) + 1;
    const lengthCount = takeBits(4) + 4;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < lengthCount; i++) lengths[LENGTHS_ORDER[i]!] = takeBits(3);
    const total = literalCount + distanceCount;
    makeCode(lengthCode, 0, 19);
    for (let i = 0; i < total; ) {
      const symbol = takeSymbol(lengthCode);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw failure("a block repeats what it does not have");
      const repeated = symbol === 16 ? lengths[i - 1]! : 0;
      const count =
        symbol === 16 ? 3 + takeBits(2) : symbol === 17 ? 3 + takeBits(3) : 11 + takeBits(7);
      if (i + count > total) throw failure("a block has more codes than it declares");
      lengths.fill(repeated, i, i + count);
      i += count;
    }
    makeCode(literals, 0, literalCount);
    makeCode(distances, literalCount, total);
  }

  function takeCoded(literals: PrefixCode, distances: PrefixCode): void {
    for (;;) {
      const symbol = takeSymbol(literals);
      if (symbol === END_OF_BLOCK) return;
      if (symbol < END_OF_BLOCK) {
        assertRoom(1);
        plain[filled++] = symbol;
        continue;
      }
      const lengthIndex = symbol - 257;
      if (lengthIndex >= LENGTH_BASE.length) throw failure("it has an invalid length");
      const length = LENGTH_BASE[lengthIndex]! + takeBits(LENGTH_EXTRA[lengthIndex]!);
      const distanceIndex = takeSymbol(distances);
      if (distanceIndex >= DISTANCE_BASE.length) throw failure("it has an invalid distance");
      const distance = DISTANCE_BASE[distanceIndex]! + takeBits(DISTANCE_EXTRA[distanceIndex]!);
      if (distance > filled) throw failure("it points before its beginning");
      assertRoom(length);
      for (let end = filled + length; filled < end; filled++) {
        plain[filled] = plain[filled - distance]!;
      }
    }
  }

  let blocksLeft = SPARE_BLOCKS + plainBytes / MIN_BLOCK_BYTES;
  for (let isLast = false; !isLast; ) {
    if (--blocksLeft < 0) throw failure("it has more blocks than any program makes of it");
    isLast = takeBits(1) === 1;
    const kind = takeBits(2);
    if (kind === 0) takeStored();
    else if (kind === 1) takeCoded(FIXED_LITERALS, FIXED_DISTANCES);
    else if (kind === 2) {
      takeCodes();
      takeCoded(literals, distances);
    } else throw failure("it has an unknown kind of block");
  }
  if (packedAt !== packed.length) throw failure("bytes follow its end");
  if (filled !== plainBytes) {
    throw failure(`it has ${filled} bytes and declares ${plainBytes}`);
  }
  return plain;
}
