// Does readNpz() take every sound .npz file, refuse every other, and never pay much for a bad one?
import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ModelFormatError } from "../../src/model/format-error.ts";
import {
  encodeNpy,
  type Npy,
  type NpyArray,
  readNpy,
  toNumbers,
  toStrings,
} from "../../src/model/npy.ts";
import { MAX_FILE_BYTES, MAX_INFLATED_BYTES, readNpz, writeNpz } from "../../src/model/npz.ts";

const MS_MAX = 50;
const BYTES_MAX = 8 * 2 ** 20;

// A zip writer that lies wherever it is told to.

type Fields = Partial<{
  signature: number;
  madeBy: number;
  version: number;
  flags: number;
  method: number;
  time: number;
  date: number;
  crc: number;
  packedBytes: number;
  plainBytes: number;
  name: string;
  extra: Uint8Array;
  comment: string;
  disk: number;
  attributes: number;
  localAt: number;
}>;

interface Member {
  readonly name: string;
  readonly plain: Uint8Array;
  readonly packed?: Uint8Array;
  /** What both headers say. */
  readonly both?: Fields;
  readonly local?: Fields;
  readonly entry?: Fields;
}

interface Archive {
  readonly before?: Uint8Array;
  readonly between?: Uint8Array;
  readonly afterMembers?: Uint8Array;
  readonly afterDirectory?: Uint8Array;
  readonly after?: Uint8Array;
  readonly end?: Partial<{
    disk: number;
    entryCountHere: number;
    entryCount: number;
    directoryBytes: number;
    directoryAt: number;
    commentBytes: number;
  }>;
}

const NOTHING = new Uint8Array();

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts);
}

function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function pack(...fields: readonly (readonly [value: number, size: 2 | 4])[]): Uint8Array {
  const bytes = Buffer.alloc(fields.reduce((sum, [, size]) => sum + size, 0));
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) bytes.writeUInt16LE(value, at);
    else bytes.writeUInt32LE(value, at);
    at += size;
  }
  return bytes;
}

function zip(members: readonly Member[], archive: Archive = {}): Uint8Array {
  const before = archive.before ?? NOTHING;
  const files: Uint8Array[] = [before];
  const entries: Uint8Array[] = [];
  let localAt = before.length;
  for (const [i, member] of members.entries()) {
    const packed = member.packed ?? member.plain;
    const truth = {
      madeBy: 0x032d,
      version: 20,
      flags: 0,
      method: member.packed === undefined ? 0 : 8,
      time: 0,
      date: 33,
      crc: zlib.crc32 === undefined ? crcOf(member.plain) : zlib.crc32(member.plain),
      packedBytes: packed.length,
      plainBytes: member.plain.length,
      name: member.name,
      extra: NOTHING,
      comment: "",
      disk: 0,
      attributes: 0,
      localAt,
      ...member.both,
    };
    const local = { signature: 0x04034b50, ...truth, ...member.local };
    const entry = { signature: 0x02014b50, ...truth, ...member.entry };
    const middle = (fields: typeof truth) =>
      pack(
        [fields.version, 2],
        [fields.flags, 2],
        [fields.method, 2],
        [fields.time, 2],
        [fields.date, 2],
        [fields.crc, 4],
        [fields.packedBytes, 4],
        [fields.plainBytes, 4],
        [fields.name.length, 2],
        [fields.extra.length, 2],
      );
    const between = i < members.length - 1 ? (archive.between ?? NOTHING) : NOTHING;
    const file = concat(
      pack([local.signature, 4]),
      middle(local),
      Buffer.from(local.name, "latin1"),
      local.extra,
      packed,
      between,
    );
    files.push(file);
    localAt += file.length;
    entries.push(
      pack([entry.signature, 4], [entry.madeBy, 2]),
      middle(entry),
      pack([entry.comment.length, 2], [entry.disk, 2], [0, 2], [entry.attributes, 4]),
      pack([entry.localAt, 4]),
      Buffer.from(entry.name, "latin1"),
      entry.extra,
      Buffer.from(entry.comment, "latin1"),
    );
  }
  files.push(archive.afterMembers ?? NOTHING);
  const directory = concatAll(entries);
  const end = {
    disk: 0,
    entryCountHere: members.length,
    entryCount: members.length,
    directoryBytes: directory.length,
    directoryAt: files.reduce((sum, file) => sum + file.length, 0),
    commentBytes: 0,
    ...archive.end,
  };
  return concat(
    concatAll(files),
    directory,
    archive.afterDirectory ?? NOTHING,
    pack([0x06054b50, 4], [end.disk, 2], [0, 2], [end.entryCountHere, 2], [end.entryCount, 2]),
    pack([end.directoryBytes, 4], [end.directoryAt, 4], [end.commentBytes, 2]),
    archive.after ?? NOTHING,
  );
}

// Bit by bit, from the definition: another way than the one under test.
function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ ((crc & 1) * 0xedb88320);
  }
  return ~crc >>> 0;
}

/** A .npy file whose header text is given, padded as NumPy does unless told not to. */
function npy(
  text: string,
  values: Uint8Array,
  options: { version?: readonly [number, number]; align?: number; textBytes?: number } = {},
): Uint8Array {
  const { version = [1, 0], align = 64, textBytes } = options;
  const start = version[0] === 1 ? 10 : 12;
  const total = Math.ceil((start + text.length + 1) / align) * align;
  const header = align === 1 ? text : `${text.padEnd(total - start - 1)}\n`;
  const length = textBytes ?? header.length;
  return concat(
    Buffer.from("\x93NUMPY", "latin1"),
    Uint8Array.from(version),
    version[0] === 1 ? pack([length, 2]) : pack([length, 4]),
    Buffer.from(header, "latin1"),
    values,
  );
}

function dict(descr: string, shape: string, order = "False"): string {
  return `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
}

function f8(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

function w(plain: Uint8Array, rest: Omit<Partial<Member>, "plain"> = {}): Member {
  return { name: "w.npy", plain, ...rest };
}

const TWO = encodeNpy({ dtype: "<f8", shape: [2], values: Float64Array.of(1, 2) });
const ONE = encodeNpy({ dtype: "<f8", shape: [], values: Float64Array.of(3) });
const ZEROS = encodeNpy({ dtype: "<f8", shape: [10_000], values: new Float64Array(10_000) });
const GOOD = [w(TWO), { name: "b.npy", plain: ONE }];

function zip64(packedBytes: bigint, plainBytes: bigint): Uint8Array {
  const extra = Buffer.alloc(20);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(16, 2);
  extra.writeBigUInt64LE(plainBytes, 4);
  extra.writeBigUInt64LE(packedBytes, 12);
  return extra;
}

const NO_SIZES = { packedBytes: 0xffffffff, plainBytes: 0xffffffff };

function deflated(plain: Uint8Array, options?: zlib.ZlibOptions): Member {
  return w(plain, { packed: zlib.deflateRawSync(plain, options) });
}

function valuesOf(npys: Map<string, Npy>, key: string): number[] {
  return [...toNumbers(npys.get(key)!)];
}

type Put = (value: number, size: number) => void;

/** Bytes from bits: numbers from their lowest bit on, as deflate has them. */
function bitStream(write: (put: Put) => void): Uint8Array {
  const bits: number[] = [];
  write((value, size) => {
    for (let k = 0; k < size; k++) bits.push((value >> k) & 1);
  });
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7);
  return bytes;
}

/** A last block of 257 literals and 1 distance whose lengths have a code for 16 and 18, or one. */
function codesBlock(has16: boolean, write: (put: Put) => void): Member {
  const packed = bitStream((put) => {
    put(0b10_1, 3);
    put(0, 14);
    put(has16 ? 1 : 0, 3); // of 16
    put(0, 3); // of 17
    put(1, 3); // of 18
    put(0, 3); // of 0
    write(put);
    put(0, 64);
  });
  return w(TWO, { packed });
}

/** A last block in the fixed codes, given as its bits. */
function fixedBlock(bits: string): Member {
  const packed = bitStream((put) => {
    put(0b01_1, 3);
    for (const bit of bits) put(Number(bit), 1);
    put(0, 64);
  });
  return w(TWO, { packed });
}

/** Deflate with a block of nothing but codes, over and over: the dearest per byte. */
function emptyBlocks(count: number): Uint8Array {
  return bitStream((put) => {
    for (let i = 0; i <= count; i++) {
      put(i === count ? 1 : 0, 1);
      put(2, 2); // a block with codes of its own
      put(0, 10); // 257 literals, 1 distance
      put(14, 4); // 18 lengths of lengths: 1 for the symbols 18 and 1
      for (const symbol of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]) {
        put(symbol === 18 || symbol === 1 ? 1 : 0, 3);
      }
      put(0, 1); // literal 0 has length 1
      put(1, 1);
      put(138 - 11, 7);
      put(1, 1);
      put(117 - 11, 7);
      put(0, 1); // the end of the block has length 1
      put(0, 1); // so has the one distance
      put(1, 1); // end of the block
    }
  });
}

/** The good file with its last name longer than the directory. */
function longLastName(): Uint8Array {
  const file = zip([w(TWO)]);
  return file.fill(0xff, file.length - 22 - 51 + 28, file.length - 22 - 51 + 29);
}

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ModelFormatError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("round trips", () => {
  test("readNpz() gives back what writeNpz() wrote, in order", () => {
    const npys = readNpz(
      writeNpz([
        ["w", TWO],
        ["b", ONE],
      ]),
    );
    expect([...npys.keys()]).toEqual(["w", "b"]);
    expect(npys.get("w")!.shape).toEqual([2]);
    expect(npys.get("b")!.shape).toEqual([]);
    expect(valuesOf(npys, "w")).toEqual([1, 2]);
    expect(valuesOf(npys, "b")).toEqual([3]);
    expect(npys.get("w")!.bytes).toEqual(TWO);
  });

  test("every finite f64 keeps its bits", () => {
    fc.assert(
      fc.property(
        fc.float64Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 20 }),
        (values) => {
          const array: NpyArray = { dtype: "<f8", shape: [values.length], values };
          const back = toNumbers(readNpy("w", encodeNpy(array)));
          expect(Buffer.from(back.buffer).equals(Buffer.from(f8(...values)))).toBe(true);
        },
      ),
      { numRuns: 1000, examples: [[Float64Array.of(-0, 0, 5e-324, -Number.MAX_VALUE)]] },
    );
  });

  test("texts come back, in the narrowest type NumPy has for them", () => {
    const text = fc.string({ unit: "binary", maxLength: 8 }).filter((t) => !t.endsWith("\0"));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (values) => {
        const npy = readNpy("names", encodeNpy({ dtype: "<U", shape: [values.length], values }));
        expect(toStrings(npy)).toEqual(values);
        const widest = Math.max(1, ...values.map((value) => [...value].length));
        expect(npy.valueBytes).toBe(4 * widest);
      }),
      { numRuns: 1000, examples: [[["", "a\0b", "\u{10ffff}", "é"]], [[""]]] },
    );
  });

  test("a text longer than a call takes arguments comes back", () => {
    const text = "Raisin 🍇 ".repeat(20_000);
    const npy = readNpy("spec", encodeNpy({ dtype: "<U", shape: [], values: [text] }));
    expect(toStrings(npy)).toEqual([text]);
  });

  test("the builder of bad files builds good ones", () => {
    expect(valuesOf(readNpz(zip(GOOD), ["w", "b"]), "w")).toEqual([1, 2]);
    expect(valuesOf(readNpz(zip([deflated(ONE)])), "w")).toEqual([3]);
  });

  test("local headers as NumPy writes them, sizes in a zip64 field, are read", () => {
    const extra = zip64(BigInt(TWO.length), BigInt(TWO.length));
    const file = zip([w(TWO, { both: { version: 45 }, local: { ...NO_SIZES, extra } })]);
    expect(valuesOf(readNpz(file), "w")).toEqual([1, 2]);
  });

  test.each([
    ["version 2.0", npy(dict("'<f8'", "(2,)"), f8(1, 2), { version: [2, 0] })],
    ["version 3.0", npy(dict("'<f8'", "(2,)"), f8(1, 2), { version: [3, 0] })],
    ["padding to 16, as before NumPy 1.14", npy(dict("'<f8'", "(2,)"), f8(1, 2), { align: 16 })],
    ["NumPy's spare padding", npy(`${dict("'<f8'", "(2,)")}${" ".repeat(64)}`, f8(1, 2))],
    [
      "keys in another order",
      npy("{'shape': (2,), 'descr': '<f8', 'fortran_order': False}", f8(1, 2)),
    ],
  ])("an array in %s is read", (_, plain) => {
    expect(valuesOf(readNpz(zip([w(plain)])), "w")).toEqual([1, 2]);
  });

  test("a shape of three dimensions keeps them", () => {
    const array = encodeNpy({
      dtype: "<f8",
      shape: [1, 2, 2],
      values: Float64Array.of(1, 2, 3, 4),
    });
    expect(readNpy("w", array).shape).toEqual([1, 2, 2]);
  });

  test("whatever zlib deflates is inflated", () => {
    const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED } = zlib.constants;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED),
        fc.array(fc.tuple(fc.double({ noNaN: true }), fc.integer({ min: 1, max: 400 })), {
          minLength: 1,
          maxLength: 12,
        }),
        (level, memLevel, strategy, runs) => {
          const values = Float64Array.from(runs.flatMap(([v, n]) => Array<number>(n).fill(v)));
          const plain = encodeNpy({ dtype: "<f8", shape: [values.length], values });
          const member = deflated(plain, { level, memLevel, strategy });
          expect(Buffer.from(readNpz(zip([member])).get("w")!.bytes).equals(plain)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("a deflate stream of many blocks, far matches and stored pieces is inflated", () => {
    let seed = 1;
    const values = Float64Array.from({ length: 60_000 }, (_, i) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return i % 7000 < 3500 ? seed : i % 50;
    });
    const plain = encodeNpy({ dtype: "<f8", shape: [values.length], values });
    for (const options of [{ level: 0 }, { level: 1 }, { level: 9, memLevel: 1 }, {}]) {
      const npys = readNpz(zip([deflated(plain, options)]));
      expect(Buffer.from(npys.get("w")!.bytes).equals(plain)).toBe(true);
    }
  });
});

describe("writing", () => {
  test("the bytes do not depend on the time zone", () => {
    const zone = process.env.TZ;
    const files = new Set<string>();
    const offsets = new Set<number>();
    try {
      for (const name of ["UTC", ...Intl.supportedValuesOf("timeZone")]) {
        process.env.TZ = name;
        offsets.add(new Date(1980, 0, 1).getTimezoneOffset());
        files.add(Buffer.from(writeNpz([["w", TWO]])).toString("base64"));
      }
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    expect(offsets.size).toBeGreaterThan(20); // the zones did take effect
    expect(files.size).toBe(1);
  });

  test("members are stored, dated 1980-01-01 00:00", () => {
    const bytes = Buffer.from(writeNpz([["w", TWO]]));
    expect(bytes.readUInt16LE(8)).toBe(0);
    expect(bytes.readUInt16LE(10)).toBe(0);
    expect(bytes.readUInt16LE(12)).toBe((1 << 5) | 1);
    expect(bytes.subarray(35, 35 + TWO.length).equals(TWO)).toBe(true);
  });

  test.each([
    ["a key that is a path", () => writeNpz([["../w", TWO]]), /"\.\.\/w" must be letters/],
    [
      "a key twice",
      () =>
        writeNpz([
          ["w", TWO],
          ["w", ONE],
        ]),
      /"w" must come once/,
    ],
    ["too many bytes", () => writeNpz([["w", new Uint8Array(MAX_FILE_BYTES)]]), /at most 16777216/],
    [
      "a lone surrogate",
      () => encodeNpy({ dtype: "<U", shape: [], values: ["a\ud800"] }),
      /"a\\ud800" has a lone surrogate/,
    ],
    [
      "a NUL at the end",
      () => encodeNpy({ dtype: "<U", shape: [], values: ["a\0"] }),
      /must not end in NUL/,
    ],
  ])("%s is refused", (_, run, expected) => {
    expect(message(run)).toMatch(/^Cannot write model: /);
    expect(message(run)).toMatch(expected);
  });

  test("encodeNpy() refuses a shape that is not the values'", () => {
    const array: NpyArray = { dtype: "<f8", shape: [3], values: Float64Array.of(1) };
    expect(() => encodeNpy(array)).toThrow(RangeError);
  });
});

// One line a case: what is wrong, the file, what the error must say.
type Case = readonly [name: string, file: () => Uint8Array, expected: RegExp];

function link(attributes: number): Uint8Array {
  return zip([w(TWO, { entry: { attributes } })]);
}

function array(plain: Uint8Array): () => Uint8Array {
  return () => zip([w(plain)]);
}

function header(text: string, values = f8(1, 2)): () => Uint8Array {
  return array(npy(text, values));
}

const SURROUNDINGS: readonly Case[] = [
  ["no bytes", () => NOTHING, /does not end as an .npz file/],
  ["text", () => Buffer.from("w,b\n1,2\n".repeat(10)), /does not end as an .npz file/],
  ["an empty archive", () => zip([]), /lacks w, b/],
  ["garbage before", () => zip(GOOD, { before: Buffer.from("#!") }), /begin where/],
  [
    "garbage before, known to the directory",
    () => concat(Buffer.from("#!"), zip(GOOD)),
    /right before/,
  ],
  ["garbage after", () => zip(GOOD, { after: Buffer.from("\n") }), /does not end as an .npz file/],
  [
    "a comment",
    () => zip(GOOD, { end: { commentBytes: 2 }, after: NOTHING }),
    /not even a comment/,
  ],
  ["two end records", () => concat(zip(GOOD), zip(GOOD).slice(-22)), /right before/],
  ["two archives", () => concat(zip(GOOD), zip(GOOD)), /right before/],
  ["a gap between members", () => zip(GOOD, { between: Buffer.from("gap") }), /begin where/],
  [
    "a gap after the members",
    () => zip(GOOD, { afterMembers: Buffer.from("gap") }),
    /bytes lie between/,
  ],
  [
    "a gap after the directory",
    () => zip(GOOD, { afterDirectory: Buffer.alloc(20) }),
    /right before/,
  ],
  [
    "a directory longer than its entries",
    () => zip(GOOD, { end: { entryCount: 1, entryCountHere: 1 } }),
    /more than its members/,
  ],
  [
    "fewer entries than declared",
    () => zip(GOOD, { end: { entryCount: 3, entryCountHere: 3 } }),
    /directory is damaged/,
  ],
  ["another disk", () => zip(GOOD, { end: { disk: 1 } }), /one disk/],
  ["entries on another disk", () => zip(GOOD, { end: { entryCountHere: 1 } }), /one disk/],
  ["a member on another disk", () => zip([w(TWO, { entry: { disk: 1 } })]), /one disk/],
  [
    "a file above 16 MiB",
    () => new Uint8Array(MAX_FILE_BYTES + 1),
    /at most 16777216 bytes: .* 16777217/,
  ],
];

const MEMBERS: readonly Case[] = [
  ["one missing", () => zip([w(TWO)]), /lacks b/],
  ["one extra", () => zip([...GOOD, { name: "x.npy", plain: ONE }]), /w, b only: it also holds x/],
  ["one twice", () => zip([...GOOD, w(TWO)]), /"w" is in the file twice/],
  [
    "overlap",
    () => zip([w(TWO), { name: "b.npy", plain: ONE, entry: { localAt: 0 } }]),
    /begin where/,
  ],
  [
    "overlap by size",
    () => zip([w(TWO, { both: { packedBytes: 300, plainBytes: 300 } }), GOOD[1]!]),
    /begin where/,
  ],
  [
    "a size past the directory",
    () => zip([w(TWO, { both: { packedBytes: 999, plainBytes: 999 } })]),
    /reaches into the directory/,
  ],
  [
    "an offset past the end",
    () => zip([w(TWO, { entry: { localAt: 0xfffffff0 } })]),
    /begin where/,
  ],
  [
    "entries in another order",
    () =>
      zip([
        w(TWO, { entry: { localAt: 200 } }),
        { name: "b.npy", plain: ONE, entry: { localAt: 0 } },
      ]),
    /begin where/,
  ],
  ["a path above", () => zip([{ name: "../w.npy", plain: TWO }]), /one is named "\.\.\/w\.npy"/],
  ["an absolute path", () => zip([{ name: "/w.npy", plain: TWO }]), /named like/],
  ["a drive", () => zip([{ name: "C:\\w.npy", plain: TWO }]), /named like/],
  ["a folder", () => zip([{ name: "w.npy/", plain: NOTHING }]), /named like/],
  ["no suffix", () => zip([{ name: "w", plain: TWO }]), /named like/],
  ["NUL in a name", () => zip([{ name: "w\0.npy", plain: TWO }]), /named like/],
  [
    "a name of 60,000 characters",
    () => zip([{ name: `${"w".repeat(60_000)}.npy`, plain: TWO }]),
    /named like/,
  ],
  ["a name that passes the directory", longLastName, /directory is damaged/],
  ["a symbolic link", () => link(0o120777 * 0x10000), /regular file/],
  ["a folder by its mode", () => link(0o040755 * 0x10000), /regular file/],
  ["a folder by its DOS bit", () => link(0x10), /regular file/],
  [
    "tens of thousands",
    () => zip(Array.from({ length: 30_000 }, (_, i) => ({ name: `k${i}.npy`, plain: NOTHING }))),
    /at most 64 members: it has 30000/,
  ],
  ["a comment on a member", () => zip([w(TWO, { entry: { comment: "hi" } })]), /comment/],
  [
    "an extra field in the directory",
    () => zip([w(TWO, { entry: { extra: zip64(144n, 144n) } })]),
    /extra field/,
  ],
];

const LOCAL_HEADERS: readonly Case[] = [
  ["no signature", () => zip([w(TWO, { local: { signature: 0 } })]), /no header where/],
  ["another name", () => zip([w(TWO, { local: { name: "b.npy" } })]), /differs from its entry/],
  ["a longer name", () => zip([w(TWO, { local: { name: "ww.npy" } })]), /differs|reaches/],
  ["another version", () => zip([w(TWO, { local: { version: 45 } })]), /differs from its entry/],
  ["other flags", () => zip([w(TWO, { local: { flags: 0x800 } })]), /differs from its entry/],
  ["another method", () => zip([w(TWO, { local: { method: 8 } })]), /differs from its entry/],
  ["another time", () => zip([w(TWO, { local: { time: 1 } })]), /differs from its entry/],
  ["another date", () => zip([w(TWO, { local: { date: 34 } })]), /differs from its entry/],
  ["another checksum", () => zip([w(TWO, { local: { crc: 1 } })]), /differs from its entry/],
  [
    "another packed size",
    () => zip([w(TWO, { local: { packedBytes: 1 } })]),
    /differs from its entry/,
  ],
  ["another size", () => zip([w(TWO, { local: { plainBytes: 1 } })]), /differs from its entry/],
  [
    "zip64 sizes of 2^63",
    () => zip([w(TWO, { local: { ...NO_SIZES, extra: zip64(2n ** 63n, 2n ** 63n) } })]),
    /differs from its entry/,
  ],
  [
    "zip64 sizes beside plain ones",
    () => zip([w(TWO, { local: { extra: zip64(144n, 144n) } })]),
    /differs from its entry/,
  ],
  ["no sizes at all", () => zip([w(TWO, { local: NO_SIZES })]), /differs from its entry/],
  [
    "a foreign extra field",
    () => zip([w(TWO, { local: { ...NO_SIZES, extra: zip64(144n, 144n).fill(0x55, 0, 2) } })]),
    /differs from its entry/,
  ],
];

const COMPRESSION: readonly Case[] = [
  [
    "method 14",
    () => zip([w(TWO, { both: { method: 14 } })]),
    /method 14: must be 0 \(stored\) or 8/,
  ],
  ["encrypted", () => zip([w(TWO, { both: { flags: 1 } })]), /encrypted/],
  ["a stream without sizes", () => zip([w(TWO, { both: { flags: 8 } })]), /written as a stream/],
  ["an unknown flag", () => zip([w(TWO, { both: { flags: 0x2000 } })]), /zip flags 8192/],
  ["a wrong checksum", () => zip([w(TWO, { both: { crc: 1 } })]), /"w" is damaged/],
  [
    "no deflate stream",
    () => zip([w(TWO, { packed: new Uint8Array(60).fill(0xff) })]),
    /unknown kind of block/,
  ],
  [
    "a stream cut short",
    () => zip([w(TWO, { packed: deflated(TWO).packed!.subarray(0, -3) })]),
    /ends early/,
  ],
  [
    "bytes after the stream",
    () => zip([w(TWO, { packed: concat(deflated(TWO).packed!, Uint8Array.of(0)) })]),
    /bytes follow its end/,
  ],
  ["a code for nothing", () => zip([codesBlock(false, (put) => put(1, 1))]), /stands for nothing/],
  ["a repetition of nothing", () => zip([codesBlock(true, (put) => put(0, 1))]), /does not have/],
  [
    "too many codes",
    () => zip([codesBlock(true, (put) => put(-1, 16))]),
    /more codes than it decl/,
  ],
  ["length 286", () => zip([fixedBlock("11000110")]), /invalid length/],
  ["distance 30", () => zip([fixedBlock("00110000000000111110")]), /invalid distance/],
  ["an empty stream", () => zip([w(TWO, { packed: NOTHING })]), /ends early/],
  [
    "a match before the beginning",
    () => zip([w(TWO, { packed: Uint8Array.of(0x03, 0x02, 0x00) })]),
    /points before its beginning/,
  ],
  [
    "an oversubscribed code",
    () =>
      zip([
        w(TWO, {
          packed: Uint8Array.of(0x05, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
        }),
      ]),
    /no valid code/,
  ],
  [
    "a stored block with a wrong complement",
    () => zip([w(TWO, { packed: Uint8Array.of(1, 1, 0, 1, 0, 7) })]),
    /damaged length/,
  ],
  [
    "a stored block past the end",
    () => zip([w(TWO, { packed: Uint8Array.of(1, 9, 0, 246, 255, 7) })]),
    /ends early/,
  ],
  [
    "less than declared",
    () => zip([{ ...deflated(TWO), both: { plainBytes: 160 } }]),
    /has 144 bytes and declares 160/,
  ],
  [
    "more than declared",
    () => zip([{ ...deflated(ZEROS), both: { plainBytes: 9000 } }]),
    /more than the 9000 bytes/,
  ],
];

const BOMBS: readonly Case[] = [
  [
    "16 GiB declared",
    () =>
      zip([
        w(TWO, { entry: NO_SIZES, local: { ...NO_SIZES, extra: zip64(2n ** 34n, 2n ** 34n) } }),
      ]),
    /beyond 32 bits/,
  ],
  [
    "4 GiB - 2 declared in a deflated member",
    () => zip([{ ...deflated(TWO), both: { plainBytes: 0xfffffffe } }]),
    /at most 100 to 1/,
  ],
  [
    "1 KB stored, 4 GiB declared",
    () => zip([w(TWO, { both: { plainBytes: 0xfffffffe } })]),
    /stored in 144 bytes but declares 4294967294/,
  ],
  [
    "zip64 sizes of 2^63 in the directory",
    () => zip([w(TWO, { entry: { ...NO_SIZES, extra: zip64(2n ** 63n, 2n ** 63n) } })]),
    /extra field/,
  ],
  ["ratio 1000", () => zip([deflated(new Uint8Array(2 ** 20))]), /at most 100 to 1/],
  [
    "more than 512 KiB inflated",
    () =>
      zip([
        w(NOTHING, {
          packed: new Uint8Array(2 ** 19),
          both: { plainBytes: MAX_INFLATED_BYTES + 1, crc: 0 },
        }),
      ]),
    /at most 524288 bytes together: they declare 524289/,
  ],
  [
    "more than 16 MiB declared",
    () =>
      zip(
        Array.from({ length: 20 }, (_, i) => ({
          name: `k${i}.npy`,
          plain: NOTHING,
          packed: new Uint8Array(10_000),
          both: { plainBytes: 999_999, crc: 0 },
        })),
      ),
    /at most 16777216 bytes together: they declare 19999980/,
  ],
  [
    "a lie: 100 KB declared, 60 MB packed",
    () =>
      zip([
        w(NOTHING, {
          packed: zlib.deflateRawSync(new Uint8Array(60 * 2 ** 20)),
          both: { plainBytes: 100_000, crc: 0 },
        }),
      ]),
    /more than the 100000 bytes/,
  ],
  [
    "a lie: 512 KiB declared, 60 MB packed",
    () =>
      zip([
        w(NOTHING, {
          packed: zlib.deflateRawSync(new Uint8Array(60 * 2 ** 20)),
          both: { plainBytes: 2 ** 19, crc: 0 },
        }),
      ]),
    /more than the 524288 bytes/,
  ],
  [
    "empty blocks for more bytes than the content",
    () => zip([w(TWO, { packed: emptyBlocks(1000) })]),
    /more blocks than any program/,
  ],
  [
    "empty blocks",
    () => zip([w(NOTHING, { packed: emptyBlocks(25_000), both: { plainBytes: 2 ** 19, crc: 0 } })]),
    /more blocks than any program/,
  ],
  [
    "16 MiB with a wrong checksum",
    () =>
      zip([
        w(NOTHING, { both: { crc: 1 } }),
        w(new Uint8Array(MAX_FILE_BYTES - 1000), { name: "b.npy", both: { crc: 1 } }),
      ]),
    /is damaged|no .npy/,
  ],
];

const DTYPES: readonly Case[] = [
  ["Python objects", header(dict("'|O'", "(2,)")), /Python objects/],
  ["big-endian", header(dict("'>f8'", "(2,)")), /big-endian \('>f8'\): save .*newbyteorder/],
  ["big-endian text", header(dict("'>U4'", "(1,)"), new Uint8Array(16)), /big-endian/],
  ["half precision", header(dict("'<f2'", "(8,)")), /type '<f2': must be <f8 or <U/],
  ["single precision", header(dict("'<f4'", "(4,)")), /type '<f4'/],
  ["integers", header(dict("'<i8'", "(2,)")), /type '<i8'/],
  ["i8 without order", header(dict("'i8'", "(2,)")), /type 'i8'/],
  ["complex", header(dict("'<c16'", "(1,)")), /type '<c16'/],
  ["bytes", header(dict("'|S8'", "(2,)")), /type '\|S8'/],
  ["a structured type", header(dict("[('a', '<f8')]", "(2,)")), /structured type/],
  ["a subarray", header(dict("('<f8', (2,))", "(1,)")), /must have a header of/],
  ["text of width 0", header(dict("'<U0'", "(2,)"), NOTHING), /type '<U0'/],
  ["text of a width beyond all", header(dict("'<U99999999'", "(1,)")), /type '<U99999999'/],
];

const SHAPES: readonly Case[] = [
  [
    "Fortran order in two dimensions",
    header(dict("'<f8'", "(1, 2)", "True")),
    /must be in C order/,
  ],
  ["(0,)", header(dict("'<f8'", "(0,)"), NOTHING), /is empty/],
  ["(-1,)", header(dict("'<f8'", "(-1,)")), /shape like .* it has \(-1,\)/],
  [
    "a product beyond 2^53",
    header(dict("'<f8'", "(9007199254740993, 9)")),
    /must hold 648518346341351496 bytes: it holds 16/,
  ],
  [
    "a product that is 2 modulo 2^64",
    header(dict("'<f8'", "(2305843009213693954,)")),
    /must hold 18446744073709551632 bytes/,
  ],
  ["more values than declared", header(dict("'<f8'", "(1,)")), /must hold 8 bytes: it holds 16/],
  ["fewer values than declared", header(dict("'<f8'", "(3,)")), /must hold 24 bytes: it holds 16/],
  [
    "half a value",
    header(dict("'<f8'", "(2,)"), new Uint8Array(15)),
    /must hold 16 bytes: it holds 15/,
  ],
  [
    "33 dimensions",
    header(dict("'<f8'", `(2, ${Array(32).fill(1).join(", ")})`)),
    /at most 32 dimensions: it has 33/,
  ],
  ["a number, not a tuple", header(dict("'<f8'", "2")), /must have a header of/],
  ["a bracketed number", header(dict("'<f8'", "(2)")), /shape like/],
  ["a list", header(dict("'<f8'", "[2]")), /must have a header of/],
  ["a long integer of Python 2", header(dict("'<f8'", "(2L,)")), /shape like/],
  ["a hexadecimal", header(dict("'<f8'", "(0x2,)")), /shape like/],
  ["an expression", header(dict("'<f8'", "(1+1,)")), /shape like/],
];

const HEADERS: readonly Case[] = [
  ["not padded", array(npy(`${dict("'<f8'", "(2,)")} \n`, f8(1, 2), { align: 1 })), /not padded/],
  [
    "no newline",
    array(npy(`${dict("'<f8'", "(2,)")}`.padEnd(118), f8(1, 2), { align: 1 })),
    /newline at its end/,
  ],
  [
    "a length past the end",
    array(npy(dict("'<f8'", "(2,)"), NOTHING, { textBytes: 4086 })),
    /passes its end/,
  ],
  [
    "a length of 65,535",
    array(npy(dict("'<f8'", "(2,)"), NOTHING, { textBytes: 65_535 })),
    /at most 4096 bytes: it has 65535/,
  ],
  [
    "a length of 2^32 - 1",
    array(npy(dict("'<f8'", "(2,)"), NOTHING, { version: [2, 0], textBytes: 0xffffffff })),
    /at most 4096/,
  ],
  [
    "10^6 brackets",
    array(npy(`${"[".repeat(1_000_000)}`, NOTHING, { version: [2, 0] })),
    /at most 4096/,
  ],
  ["4,000 brackets", array(npy("[".repeat(4000), NOTHING)), /must have a header of/],
  ["4,000 spaces", array(npy(`{${" ".repeat(4000)}`, NOTHING)), /must have a header of/],
  ["not ASCII", header(`{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\xa0`), /ASCII/],
  ["a tab", header(`{\t'descr': '<f8', 'fortran_order': False, 'shape': (2,), }`), /ASCII/],
  ["an expression", header("__import__('os').system('true')"), /must have a header of/],
  ["an expression for a literal", header(dict("'<' + 'f8'", "(2,)")), /must have a header of/],
  ["a call for a literal", header(dict("'<f8'", "(2,)", "bool(0)")), /must have a header of/],
  ["a missing key", header("{'descr': '<f8', 'shape': (2,), }"), /must have a header of/],
  [
    "an extra key",
    header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'x': (), }"),
    /must have a header of/,
  ],
  [
    "a key twice",
    header("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"),
    /must have a header of/,
  ],
  ["text after the dictionary", header(`${dict("'<f8'", "(2,)")} + {}`), /must have a header of/],
  [
    "no brace",
    header("'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"),
    /must have a header of/,
  ],
  ["fortran_order of another type", header(dict("'<f8'", "(2,)", "'False'")), /must be in C order/],
  ["version 4.0", array(npy(dict("'<f8'", "(2,)"), f8(1, 2), { version: [4, 0] })), /version 4\.0/],
  ["version 1.1", array(npy(dict("'<f8'", "(2,)"), f8(1, 2), { version: [1, 1] })), /version 1\.1/],
  ["version 0.0", array(npy(dict("'<f8'", "(2,)"), f8(1, 2), { version: [0, 0] })), /version 0\.0/],
  [
    "another magic",
    array(Uint8Array.from(TWO, (byte, i) => (i === 0 ? 0x92 : byte))),
    /no .npy file/,
  ],
  ["nothing but magic", array(TWO.slice(0, 8)), /no .npy file/],
  ["no bytes", array(NOTHING), /no .npy file/],
];

describe.each([
  ["surroundings", SURROUNDINGS],
  ["members", MEMBERS],
  ["local header", LOCAL_HEADERS],
  ["compression", COMPRESSION],
  ["bombs", BOMBS],
  ["dtypes", DTYPES],
  ["shapes", SHAPES],
  ["npy headers", HEADERS],
])("readNpz() refuses: %s", (kind, cases) => {
  const keys = kind === "surroundings" || kind === "members" ? ["w", "b"] : undefined;

  test.each(cases)(`%s, within ${MS_MAX} ms and 8 MiB`, (_, build, expected) => {
    const file = build();
    expect(message(() => readNpz(file, keys))).toMatch(/^Cannot read model: /);
    // The best of five: other programs share the machine.
    let bestMs = Number.POSITIVE_INFINITY;
    let bestBytes = Number.POSITIVE_INFINITY;
    for (let k = 0; k < 5; k++) {
      const before = process.memoryUsage();
      const start = performance.now();
      expect(message(() => readNpz(file, keys))).toMatch(expected);
      bestMs = Math.min(bestMs, performance.now() - start);
      const after = process.memoryUsage();
      const heapBytes = Math.max(0, after.heapUsed - before.heapUsed);
      const arrayBytes = Math.max(0, after.arrayBuffers - before.arrayBuffers);
      bestBytes = Math.min(bestBytes, heapBytes + arrayBytes);
    }
    expect(bestMs).toBeLessThan(MS_MAX);
    expect(bestBytes).toBeLessThan(BYTES_MAX);
  });
});

describe("values", () => {
  test("texts read as numbers and numbers read as texts are refused", () => {
    const text = readNpy("names", encodeNpy({ dtype: "<U", shape: [1], values: ["a"] }));
    expect(message(() => toNumbers(text))).toMatch(/"names" must be numbers/);
    expect(message(() => toStrings(readNpy("w", TWO)))).toMatch(/"w" must be text/);
  });

  test.each([0xd800, 0xdfff, 0x110000, 0xffffffff])("code point %i is refused", (point) => {
    const npys = readNpy("names", npy(dict("'<U1'", "(1,)"), pack([point, 4])));
    expect(message(() => toStrings(npys))).toMatch(`"names" holds ${point}`);
  });

  test("a view into a larger buffer is read", () => {
    const file = zip(GOOD);
    const larger = concat(new Uint8Array(3), file, new Uint8Array(5));
    expect(valuesOf(readNpz(larger.subarray(3, 3 + file.length)), "w")).toEqual([1, 2]);
  });
});

test("a file changed at random is refused or means the same", () => {
  const files = [
    zip(GOOD),
    zip(
      [deflated(TWO), deflated(ONE)].map((m, i) => ({ ...m, name: i === 0 ? "w.npy" : "b.npy" })),
    ),
  ];
  let refused = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 6,
      }),
      (file, changes) => {
        const bytes = file.slice();
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          const npys = readNpz(bytes, ["w", "b"]);
          expect([valuesOf(npys, "w"), valuesOf(npys, "b")]).toEqual([[1, 2], [3]]);
        } catch (error) {
          if (!(error instanceof ModelFormatError)) throw error;
          refused++;
        }
      },
    ),
    { numRuns: 5000 },
  );
  expect(refused).toBeGreaterThan(4000);
});
