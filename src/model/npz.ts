// Which arrays does an .npz file hold, if it is a sound zip file of them; and how is one written?
//
// Design:
// - fflate zips. Every check is here, and it is made on the central directory before anything is
//   inflated, so that what a file costs is known before it is paid.
// - What NumPy writes is read: savez and savez_compressed (tested with 2.4.6). What it never writes
//   (gaps, comments, foreign extra fields, other orders) is refused.
// - Dates, permissions and "made by" change no value, so a reader ignores them.
import { type Zippable, zipSync } from "fflate";
import { crc32 } from "./crc32.ts";
import { unreadable, unwritable } from "./format-error.ts";
import { inflate } from "./inflate.ts";
import { type Npy, readNpy, toView } from "./npy.ts";

const MIB = 2 ** 20;
/** Largest file, and largest sum of the sizes its members declare. */
export const MAX_FILE_BYTES = 16 * MIB;
/** Largest sum of the sizes that compressed members declare: they cost memory and 45 ms a MiB. */
export const MAX_INFLATED_BYTES = MIB / 2;
const MAX_MEMBERS = 64;
const MAX_RATIO = 100;
// Below this size a ratio says nothing: a thousand equal values alone reach 110.
const MIN_RATIO_BYTES = 65_536;

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

// Writing

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
  const text = String.fromCharCode(...name.subarray(0, 80));
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
