// Which number and text arrays an .npz file holds, if it is sound; and how to write one.
//
// Design:
// - fflate zips. Every check is here, and it is made on the central directory before anything is
//   inflated, so that what a file costs is known before it is paid.
// - What NumPy writes is read: savez and savez_compressed (tested with 2.4.6), npy 1.0 to 3.0. What
//   it never writes (gaps, comments, foreign extra fields, other orders) is refused.
// - Dates, permissions and "made by" change no value, so a reader ignores them.
import { type Zippable, zipSync } from "fflate";

/** Bytes are not a model file, or a model cannot be one. */
export class ModelFormatError extends Error {
  override readonly name = "ModelFormatError";
}

/** An array to be written. Values are in C order, as many as the product of the shape. */
export type NpyArray =
  | { readonly dtype: "<f8"; readonly shape: readonly number[]; readonly values: Float64Array }
  | { readonly dtype: "<U"; readonly shape: readonly number[]; readonly values: readonly string[] };

/** A member whose header is sound and whose size is what the header says; values not yet read. */
export interface Npy {
  readonly key: string;
  readonly dtype: "<f8" | "<U";
  readonly shape: readonly number[];
  /** Bytes of one value: 8, or 4 for every code point of a text. */
  readonly valueBytes: number;
  /** Where the values begin in `bytes`. */
  readonly valuesAt: number;
  /** The whole .npy file. Of a stored member a view of the file's bytes, not a copy. */
  readonly bytes: Uint8Array;
}

const MIB = 2 ** 20;
/** Largest file, and largest sum of the sizes its members declare. */
export const MAX_FILE_BYTES = 16 * MIB;
/** Largest sum of the sizes that compressed members declare: they cost memory and 45 ms a MiB. */
export const MAX_INFLATED_BYTES = MIB / 2;
const MAX_MEMBERS = 64;
const MAX_RATIO = 100;
// Below this size a ratio says nothing: a thousand equal values alone reach 110.
const MIN_RATIO_BYTES = 65_536;
const MAX_HEADER_BYTES = 4096;
const MAX_DIMENSIONS = 32;

const LOCAL_SIGNATURE = 0x04034b50;
const ENTRY_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const LOCAL_BYTES = 30;
const ENTRY_BYTES = 46;
const END_BYTES = 22;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED_FLAG = 0x0001;
const STREAMED_FLAG = 0x0008;
const HARMLESS_FLAGS = 0x0806; // how well it was compressed, and UTF-8 names
const FOLDER_ATTRIBUTE = 0x10;
const REGULAR_FILE = 0o100000;
const BEYOND_32_BITS = 0xffffffff;
const ZIP64_EXTRA_BYTES = 20;
const UNIX = 3;
const OWNER_READS_AND_WRITES = 0o600 << 16;

const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SUFFIX = ".npy";
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

function unreadable(what: string): ModelFormatError {
  return new ModelFormatError(`Cannot read model: ${what}`);
}

function unwritable(what: string): ModelFormatError {
  return new ModelFormatError(`Cannot write model: ${what}`);
}

function toView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A shape as NumPy prints it. */
export function showShape(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

// Writing

/**
 * An array as the bytes of a .npy file, version 1.0: the bytes that `numpy.save` writes for it.
 *
 * @throws ModelFormatError if a text has a lone surrogate or ends in NUL, which NumPy would drop
 * @throws RangeError if the values are not as many as the shape says
 */
export function encodeNpy(array: NpyArray): Uint8Array {
  const { dtype, shape, values } = array;
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== values.length) {
    throw new RangeError(
      `Cannot encode array as shape ${showShape(shape)} needs ${count} values: ` +
        `current count is ${values.length}`,
    );
  }
  if (array.dtype === "<f8") {
    const { bytes, view, valuesAt } = startNpy(dtype, shape, 8 * count);
    for (let i = 0; i < count; i++) view.setFloat64(valuesAt + 8 * i, array.values[i]!, true);
    return bytes;
  }
  const texts = array.values.map(toCodePoints);
  // NumPy has no texts of width 0: even the empty one takes a code point.
  const width = texts.reduce((widest, points) => Math.max(widest, points.length), 1);
  const { bytes, view, valuesAt } = startNpy(`<U${width}`, shape, 4 * width * count);
  texts.forEach((points, i) => {
    const at = valuesAt + 4 * width * i;
    for (let k = 0; k < points.length; k++) view.setUint32(at + 4 * k, points[k]!, true);
  });
  return bytes;
}

function startNpy(descr: string, shape: readonly number[], valuesBytes: number) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${showShape(shape)}, }`;
  const valuesAt = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(valuesAt + valuesBytes);
  const view = toView(bytes);
  bytes.set(MAGIC);
  bytes[6] = 1;
  view.setUint16(8, valuesAt - 10, true);
  for (let i = 0; i < text.length; i++) bytes[10 + i] = text.charCodeAt(i);
  bytes.fill(0x20, 10 + text.length, valuesAt - 1);
  bytes[valuesAt - 1] = 0x0a;
  return { bytes, view, valuesAt };
}

function toCodePoints(text: string): number[] {
  const points = Array.from(text, (character) => character.codePointAt(0)!);
  if (points.some(isSurrogate)) {
    throw unwritable(`texts must be Unicode: ${JSON.stringify(text)} has a lone surrogate`);
  }
  if (points.at(-1) === 0) {
    throw unwritable(`texts must not end in NUL, which NumPy drops: ${JSON.stringify(text)}`);
  }
  return points;
}

function isSurrogate(point: number): boolean {
  return point >= 0xd800 && point <= 0xdfff;
}

/**
 * A zip file of .npy members, stored, in the order given. Equal members give equal bytes, whenever
 * and wherever they are written.
 *
 * @param members key (a plain ASCII word) and bytes of the .npy file
 * @throws ModelFormatError if a key is no such word or comes twice, or if `readNpz` would refuse
 *   the file for its size
 */
export function writeNpz(members: Iterable<readonly [key: string, npy: Uint8Array]>): Uint8Array {
  const files: Zippable = {};
  // Zip holds local time, so fflate reads this date's local fields: made from local fields, it says
  // midnight in every time zone.
  const mtime = new Date(1980, 0, 1);
  for (const [key, npy] of members) {
    const name = key + SUFFIX;
    if (!KEY.test(key)) throw unwritable(`"${key}" must be letters, digits and _`);
    if (Object.hasOwn(files, name)) throw unwritable(`"${key}" must come once`);
    files[name] = [npy, { level: 0, mtime, os: UNIX, attrs: OWNER_READS_AND_WRITES }];
  }
  const bytes = zipSync(files);
  if (bytes.length > MAX_FILE_BYTES) {
    throw unwritable(
      `a file must have at most ${MAX_FILE_BYTES} bytes: it would have ${bytes.length}`,
    );
  }
  return bytes;
}

// Reading

interface Entry {
  readonly key: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
  /** Where the packed bytes begin in the file. */
  readonly dataAt: number;
}

/**
 * The members of an .npz file, in file order, checked as far as that goes without reading values.
 *
 * @param keys the members the file must have, no more and no fewer; default: any
 * @throws ModelFormatError if the file is not a sound .npz file of <f8 and <U arrays
 */
export function readNpz(bytes: Uint8Array, keys?: readonly string[]): Map<string, Npy> {
  const entries = readDirectory(bytes);
  if (keys !== undefined) assertKeys(entries, keys);
  return new Map(entries.map((entry) => [entry.key, readNpy(entry.key, readMember(bytes, entry))]));
}

function readDirectory(bytes: Uint8Array): Entry[] {
  if (bytes.length > MAX_FILE_BYTES) {
    throw unreadable(
      `a file must have at most ${MAX_FILE_BYTES} bytes: this one has ${bytes.length}`,
    );
  }
  const view = toView(bytes);
  const endAt = bytes.length - END_BYTES;
  if (endAt < 0 || view.getUint32(endAt, true) !== END_SIGNATURE) {
    throw unreadable("it does not end as an .npz file does: it is cut off, or no .npz file at all");
  }
  const entryCount = view.getUint16(endAt + 10, true);
  const directoryAt = view.getUint32(endAt + 16, true);
  if (view.getUint32(endAt + 4, true) !== 0 || view.getUint16(endAt + 8, true) !== entryCount) {
    throw unreadable("the archive must be on one disk");
  }
  if (view.getUint16(endAt + 20, true) !== 0) {
    throw unreadable("nothing may follow the archive, not even a comment");
  }
  if (entryCount > MAX_MEMBERS) {
    throw unreadable(`a file must have at most ${MAX_MEMBERS} members: it has ${entryCount}`);
  }
  if (directoryAt + view.getUint32(endAt + 12, true) !== endAt) {
    throw unreadable(
      "the directory must stand right before the end record: something lies between",
    );
  }

  const entries: Entry[] = [];
  let entryAt = directoryAt;
  let memberAt = 0;
  for (let i = 0; i < entryCount; i++) {
    const { entry, entryEnd } = readEntry(bytes, view, { entryAt, endAt, memberAt, directoryAt });
    if (entries.some((other) => other.key === entry.key)) {
      throw unreadable(`"${entry.key}" is in the file twice`);
    }
    entries.push(entry);
    entryAt = entryEnd;
    memberAt = entry.dataAt + entry.packedBytes;
  }
  if (entryAt !== endAt) throw unreadable("the directory holds more than its members");
  if (memberAt !== directoryAt) throw unreadable("bytes lie between the members and the directory");
  assertSizes(entries);
  return entries;
}

/** One entry of the central directory and the local header it points to. */
function readEntry(
  bytes: Uint8Array,
  view: DataView,
  at: { entryAt: number; endAt: number; memberAt: number; directoryAt: number },
): { entry: Entry; entryEnd: number } {
  const { entryAt, endAt, memberAt, directoryAt } = at;
  if (entryAt + ENTRY_BYTES > endAt || view.getUint32(entryAt, true) !== ENTRY_SIGNATURE) {
    throw unreadable("the directory is damaged");
  }
  const nameBytes = view.getUint16(entryAt + 28, true);
  const entryEnd = entryAt + ENTRY_BYTES + nameBytes;
  if (entryEnd > endAt) throw unreadable("the directory is damaged");
  const name = bytes.subarray(entryAt + ENTRY_BYTES, entryEnd);
  const key = toKey(name);
  if (view.getUint32(entryAt + 30, true) !== 0) {
    throw unreadable(`"${key}" has an extra field or a comment in the directory`);
  }
  const method = view.getUint16(entryAt + 10, true);
  assertKind(view, entryAt, key, method);
  const packedBytes = view.getUint32(entryAt + 20, true);
  const plainBytes = view.getUint32(entryAt + 24, true);
  if (packedBytes === BEYOND_32_BITS || plainBytes === BEYOND_32_BITS) {
    throw unreadable(`"${key}" declares a size beyond 32 bits`);
  }
  if (method === STORED && packedBytes !== plainBytes) {
    throw unreadable(`"${key}" is stored in ${packedBytes} bytes but declares ${plainBytes}`);
  }

  if (view.getUint32(entryAt + 42, true) !== memberAt) {
    throw unreadable(`"${key}" must begin where the member before it ends, at byte ${memberAt}`);
  }
  const nameAt = memberAt + LOCAL_BYTES;
  const extraAt = nameAt + nameBytes;
  if (extraAt > directoryAt || view.getUint32(memberAt, true) !== LOCAL_SIGNATURE) {
    throw unreadable(`"${key}" has no header where the directory says`);
  }
  // Version, flags, method, time, date and CRC stand in the same order in both headers.
  const isEqual =
    equals(
      bytes.subarray(memberAt + 4, memberAt + 18),
      bytes.subarray(entryAt + 6, entryAt + 20),
    ) &&
    view.getUint16(memberAt + 26, true) === nameBytes &&
    equals(bytes.subarray(nameAt, extraAt), name);
  const extraBytes = view.getUint16(memberAt + 28, true);
  const dataAt = extraAt + extraBytes;
  if (dataAt + packedBytes > directoryAt) {
    throw unreadable(`"${key}" reaches into the directory: the file is cut or members overlap`);
  }
  const sizes = localSizes(view, memberAt, extraAt, extraBytes);
  if (!isEqual || sizes?.packedBytes !== packedBytes || sizes.plainBytes !== plainBytes) {
    throw unreadable(`"${key}" has a header that differs from its entry in the directory`);
  }
  const crc = view.getUint32(entryAt + 16, true);
  return { entry: { key, method, crc, packedBytes, plainBytes, dataAt }, entryEnd };
}

/** NumPy gives the sizes of a local header in a zip64 field, others in their plain places. */
function localSizes(view: DataView, memberAt: number, extraAt: number, extraBytes: number) {
  const packedBytes = view.getUint32(memberAt + 18, true);
  const plainBytes = view.getUint32(memberAt + 22, true);
  if (extraBytes === 0) return { packedBytes, plainBytes };
  const isZip64 =
    extraBytes === ZIP64_EXTRA_BYTES &&
    packedBytes === BEYOND_32_BITS &&
    plainBytes === BEYOND_32_BITS &&
    view.getUint16(extraAt, true) === 1 &&
    view.getUint16(extraAt + 2, true) === 16;
  if (!isZip64) return undefined;
  return {
    packedBytes: Number(view.getBigUint64(extraAt + 12, true)),
    plainBytes: Number(view.getBigUint64(extraAt + 4, true)),
  };
}

function toKey(name: Uint8Array): string {
  const text = toText(name.subarray(0, 80));
  const key = text.slice(0, -SUFFIX.length);
  if (name.length > 80 || !text.endsWith(SUFFIX) || !KEY.test(key)) {
    throw unreadable(`members must be named like w.npy: one is named ${JSON.stringify(text)}`);
  }
  return key;
}

function assertKind(view: DataView, entryAt: number, key: string, method: number): void {
  const flags = view.getUint16(entryAt + 8, true);
  if ((flags & ENCRYPTED_FLAG) !== 0) throw unreadable(`"${key}" is encrypted`);
  if ((flags & STREAMED_FLAG) !== 0) {
    throw unreadable(`"${key}" was written as a stream, without its size: save it to a file`);
  }
  if ((flags & ~HARMLESS_FLAGS) !== 0) throw unreadable(`"${key}" has zip flags ${flags}`);
  if (method !== STORED && method !== DEFLATED) {
    throw unreadable(
      `"${key}" is compressed with method ${method}: must be 0 (stored) or 8 (deflated)`,
    );
  }
  if (view.getUint16(entryAt + 34, true) !== 0) throw unreadable("the archive must be on one disk");
  const attributes = view.getUint32(entryAt + 38, true);
  const fileType = (attributes >>> 16) & 0o170000;
  if ((fileType !== 0 && fileType !== REGULAR_FILE) || (attributes & FOLDER_ATTRIBUTE) !== 0) {
    throw unreadable(`"${key}" must be a regular file: it is a link, a folder or a device`);
  }
}

function assertSizes(entries: readonly Entry[]): void {
  let total = 0;
  let inflated = 0;
  for (const { key, method, packedBytes, plainBytes } of entries) {
    total += plainBytes;
    if (method === DEFLATED) inflated += plainBytes;
    if (plainBytes > MIN_RATIO_BYTES && plainBytes > MAX_RATIO * packedBytes) {
      throw unreadable(
        `"${key}" declares ${plainBytes} bytes compressed into ${packedBytes}, which must be ` +
          `at most ${MAX_RATIO} to 1: save it with numpy.savez, not savez_compressed`,
      );
    }
  }
  if (total > MAX_FILE_BYTES) {
    throw unreadable(
      `members must declare at most ${MAX_FILE_BYTES} bytes together: they declare ${total}`,
    );
  }
  if (inflated > MAX_INFLATED_BYTES) {
    throw unreadable(
      `compressed members must declare at most ${MAX_INFLATED_BYTES} bytes together: ` +
        `they declare ${inflated}; save the file with numpy.savez, not savez_compressed`,
    );
  }
}

function assertKeys(entries: readonly Entry[], keys: readonly string[]): void {
  const missing = keys.filter((key) => !entries.some((entry) => entry.key === key));
  if (missing.length > 0) throw unreadable(`the file lacks ${missing.join(", ")}`);
  const extra = entries.filter((entry) => !keys.includes(entry.key));
  if (extra.length > 0) {
    throw unreadable(`the file must hold ${keys.join(", ")} only: it also holds ${extra[0]!.key}`);
  }
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function readMember(bytes: Uint8Array, entry: Entry): Uint8Array {
  const { key, method, crc, packedBytes, plainBytes, dataAt } = entry;
  const packed = bytes.subarray(dataAt, dataAt + packedBytes);
  const plain = method === STORED ? packed : inflate(key, packed, plainBytes);
  if (crc32(plain) !== crc) {
    throw unreadable(`"${key}" is damaged: its bytes do not give the checksum stored with them`);
  }
  return plain;
}

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
 * Inflates raw deflate (RFC 1951) into exactly the declared size.
 *
 * Written here and not taken from fflate, which builds tables of 32,768 entries for every block: a
 * file of 950 KB that is nothing but block headers kept it busy for 6.4 s. Here blocks are counted,
 * nothing is made beside the declared bytes, and the end of the stream is seen.
 */
function inflate(key: string, packed: Uint8Array, plainBytes: number): Uint8Array {
  const plain = new Uint8Array(plainBytes);
  let filled = 0;
  let packedAt = 0;
  let bitBuffer = 0;
  let bitCount = 0;

  const failure = (what: string) => unreadable(`"${key}" cannot be inflated: ${what}`);
  const assertRoom = (count: number) => {
    if (filled + count > plainBytes)
      throw failure(`it has more than the ${plainBytes} bytes declared`);
  };

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

  function takeCodes(): void {
    const literalCount = takeBits(5) + 257;
    const distanceCount = takeBits(5) + 1;
    const lengthCount = takeBits(4) + 4;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < lengthCount; i++) lengths[LENGTHS_ORDER[i]!] = takeBits(3);
    const total = literalCount + distanceCount;
    let isValid = fillPrefixCode(lengthCode, lengths, 0, 19);
    for (let i = 0; isValid && i < total; ) {
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
    isValid &&= fillPrefixCode(literals, lengths, 0, literalCount);
    isValid &&= fillPrefixCode(distances, lengths, literalCount, total);
    if (!isValid) throw failure("a block has no valid code");
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

// Table k holds the CRC of a byte followed by k zero bytes, so that four bytes go in one step:
// 22 ms for the largest file, and 39 byte by byte.
const CRC_TABLES = new Uint32Array(4 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  CRC_TABLES[byte] = crc;
}
for (let i = 256; i < CRC_TABLES.length; i++) {
  const crc = CRC_TABLES[i - 256]!;
  CRC_TABLES[i] = CRC_TABLES[crc & 255]! ^ (crc >>> 8);
}

function crc32(bytes: Uint8Array): number {
  const view = toView(bytes);
  const tables = CRC_TABLES;
  let crc = -1;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^= view.getInt32(at, true);
    crc =
      tables[768 + (crc & 255)]! ^
      tables[512 + ((crc >>> 8) & 255)]! ^
      tables[256 + ((crc >>> 16) & 255)]! ^
      tables[crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = tables[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

// One array

/**
 * A .npy file with its header read and held against its size.
 *
 * @param key what errors call it
 * @throws ModelFormatError if the header is not as NumPy writes it, or the file is longer or
 *   shorter than it says
 */
export function readNpy(key: string, bytes: Uint8Array): Npy {
  const { text, valuesAt } = readHeader(key, bytes);
  const fields = parseHeader(key, text);
  const { dtype, valueBytes } = parseDescr(key, fields.descr);
  if (fields.fortran_order !== "False") {
    throw unreadable(`"${key}" must be in C order: save numpy.ascontiguousarray of it`);
  }
  const sizes = parseShape(key, fields.shape);
  // BigInt, since sizes of a hostile file multiply to anything; nothing is made before they agree.
  const declared = sizes.reduce((product, size) => product * size, BigInt(valueBytes));
  if (declared !== BigInt(bytes.length - valuesAt)) {
    throw unreadable(
      `"${key}" has shape ${fields.shape.slice(0, 60)} and so must hold ${declared} bytes: ` +
        `it holds ${bytes.length - valuesAt}`,
    );
  }
  return { key, dtype, shape: sizes.map(Number), valueBytes, valuesAt, bytes };
}

function readHeader(key: string, bytes: Uint8Array): { text: string; valuesAt: number } {
  const version = bytes[6]!;
  const textAt = version === 1 ? 10 : 12;
  if (bytes.length < textAt || !MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw unreadable(`"${key}" is no .npy file`);
  }
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    throw unreadable(`"${key}" has .npy version ${version}.${bytes[7]}: must be 1.0, 2.0 or 3.0`);
  }
  const view = toView(bytes);
  const textBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (textBytes > MAX_HEADER_BYTES) {
    throw unreadable(
      `"${key}" must have a header of at most ${MAX_HEADER_BYTES} bytes: it has ${textBytes}`,
    );
  }
  const valuesAt = textAt + textBytes;
  if (valuesAt > bytes.length) throw unreadable(`"${key}" has a header that passes its end`);
  // 64 since NumPy 1.14, 16 before; versions 2 and 3 were then padded as if they were version 1.
  if (valuesAt % 16 !== 0 && (10 + textBytes) % 16 !== 0) {
    throw unreadable(`"${key}" has a header that is not padded to a multiple of 16 bytes`);
  }
  const text = toText(bytes.subarray(textAt, valuesAt));
  if (!/^[ -~]*\n$/.test(text)) {
    throw unreadable(`"${key}" must have a header of ASCII text with a newline at its end`);
  }
  return { text, valuesAt };
}

const HEADER_ENTRY =
  / *'(descr|fortran_order|shape)' *: *('[^']*'|True|False|\([^()]*\)) *(?:,|(?=\}))/y;

/** NumPy evaluates the header as Python; here it is three literals by a grammar. */
function parseHeader(key: string, text: string) {
  const fields = new Map<string, string>();
  let at = text.startsWith("{") ? 1 : 0;
  while (at > 0) {
    HEADER_ENTRY.lastIndex = at;
    const match = HEADER_ENTRY.exec(text);
    if (match === null || fields.has(match[1]!)) break;
    fields.set(match[1]!, match[2]!);
    at = HEADER_ENTRY.lastIndex;
  }
  const rest = text.slice(at);
  if (/^ *'descr' *: *\[/.test(rest)) {
    throw unreadable(`"${key}" has a structured type: must be <f8 or <U`);
  }
  const descr = fields.get("descr");
  const order = fields.get("fortran_order");
  const shape = fields.get("shape");
  const isWhole = /^ *\} *\n$/.test(rest);
  if (!isWhole || descr === undefined || order === undefined || shape === undefined) {
    throw unreadable(
      `"${key}" must have a header of descr, fortran_order and shape as NumPy writes it: ` +
        `it has ${JSON.stringify(text.trimEnd().slice(0, 80))}`,
    );
  }
  return { descr, fortran_order: order, shape };
}

function parseDescr(key: string, descr: string): Pick<Npy, "dtype" | "valueBytes"> {
  if (descr === "'<f8'") return { dtype: "<f8", valueBytes: 8 };
  const width = /^'<U([1-9][0-9]{0,6})'$/.exec(descr)?.[1];
  if (width !== undefined) return { dtype: "<U", valueBytes: 4 * Number(width) };
  const shown = descr.slice(0, 40);
  if (descr.startsWith("'>")) {
    throw unreadable(
      `"${key}" is big-endian (${shown}): save array.astype(array.dtype.newbyteorder("<"))`,
    );
  }
  if (descr.startsWith("'|O")) {
    throw unreadable(`"${key}" holds Python objects, which are never loaded: save <f8 or <U`);
  }
  throw unreadable(`"${key}" has type ${shown}: must be <f8 or <U`);
}

function parseShape(key: string, shape: string): bigint[] {
  if (!/^\((?:|\d+,|\d+(?:, *\d+)+,?)\)$/.test(shape)) {
    throw unreadable(
      `"${key}" must have a shape like (), (7,) or (2, 3): it has ${shape.slice(0, 60)}`,
    );
  }
  const sizes = (shape.match(/\d+/g) ?? []).map(BigInt);
  if (sizes.length > MAX_DIMENSIONS) {
    throw unreadable(
      `"${key}" must have at most ${MAX_DIMENSIONS} dimensions: it has ${sizes.length}`,
    );
  }
  if (sizes.includes(0n)) throw unreadable(`"${key}" has shape ${shape.slice(0, 60)}: it is empty`);
  return sizes;
}

/** The values of an <f8 array, in C order. A copy. */
export function toNumbers(npy: Npy): Float64Array {
  if (npy.dtype !== "<f8") throw unreadable(`"${npy.key}" must be numbers (<f8): it is text`);
  const view = toView(npy.bytes);
  const count = (npy.bytes.length - npy.valuesAt) / npy.valueBytes;
  return Float64Array.from({ length: count }, (_, i) =>
    view.getFloat64(npy.valuesAt + 8 * i, true),
  );
}

/**
 * The values of a <U array, in C order.
 *
 * @throws ModelFormatError if the array is not text, or a value is no Unicode code point
 */
export function toStrings(npy: Npy): string[] {
  if (npy.dtype !== "<U") throw unreadable(`"${npy.key}" must be text (<U): it is numbers`);
  const view = toView(npy.bytes);
  const count = (npy.bytes.length - npy.valuesAt) / npy.valueBytes;
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const from = npy.valuesAt + i * npy.valueBytes;
    let to = from + npy.valueBytes;
    while (to > from && view.getUint32(to - 4, true) === 0) to -= 4;
    texts.push(readText(npy.key, view, from, to));
  }
  return texts;
}

// A call takes only so many arguments, so long texts are made in pieces.
const UNITS = new Uint16Array(4096);

function readText(key: string, view: DataView, from: number, to: number): string {
  let text = "";
  let count = 0;
  for (let at = from; at < to; at += 4) {
    const point = view.getUint32(at, true);
    if (point > 0x10ffff || isSurrogate(point)) {
      throw unreadable(`"${key}" holds ${point}, which is no Unicode code point`);
    }
    if (point > 0xffff) {
      UNITS[count++] = 0xd7c0 + (point >> 10);
      UNITS[count++] = 0xdc00 | (point & 0x3ff);
    } else {
      UNITS[count++] = point;
    }
    if (count >= UNITS.length - 1) {
      text += toText(UNITS.subarray(0, count));
      count = 0;
    }
  }
  return text + toText(UNITS.subarray(0, count));
}

function toText(units: Uint8Array | Uint16Array): string {
  // A typed array will do for the list of arguments, though the type of apply() asks for an array.
  return String.fromCharCode.apply(null, units as unknown as number[]);
}
