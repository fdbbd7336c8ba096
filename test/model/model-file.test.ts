// Does a model survive its file to the last bit, and is every file that is not a model refused?
import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../src/data/canonical-json.ts";
import { DataError } from "../../src/data/data-error.ts";
import { NAME_MAX } from "../../src/data/names.ts";
import type { Model } from "../../src/model/model.ts";
import {
  assertStorable,
  decodeModel,
  encodeModel,
  MAX_FEATURES,
  ModelFormatError,
  modelDigest,
  specOf,
} from "../../src/model/model-file.ts";
import { encodeNpy } from "../../src/model/npy.ts";
import { MAX_FILE_BYTES, readNpz, writeNpz } from "../../src/model/npz.ts";

const KEYS = ["w", "b", "mean", "std", "feature_names", "class_names", "spec"];
const DIGEST_KEYS = ["spec", "feature_names", "class_names", "mean", "std", "w", "b"];

const SMALL: Model = {
  spec: {
    format: 1,
    label: "Class",
    classes: ["Kecimen", "Besni"],
    threshold: 0.5,
    columns: [
      { name: "Area", as: "number" },
      { name: "Extent", as: "number" },
    ],
  },
  featureNames: ["Area", "Extent"],
  mean: Float64Array.of(87_804.127_777, -0),
  std: Float64Array.of(39_002.111_39, 5e-324),
  w: Float64Array.of(-1.5, 0.1),
  b: -0.25,
};

const KIND = {
  as: "category",
  base: "b",
  levels: ["a", "b", "c"],
  missing: "indicator",
  name: "kind",
  other: true,
  unseen: "base",
} as const;
const GAPPY = { as: "number", missing: "indicator", name: "size" } as const;

/** A model with all that format 2 knows. */
const RICH: Model = {
  spec: {
    format: 2,
    label: "Class",
    classes: ["not a", "a"],
    rest: true,
    threshold: 0.5,
    columns: [KIND, GAPPY, { name: "Area", as: "number" }],
    missing_tokens: ["?", "NA"],
  },
  // biome-ignore format: a line a column
  featureNames: [
    "kind=a", "kind=c", "kind is other", "kind is missing",
    "size", "size is missing",
    "Area",
  ],
  mean: Float64Array.of(0.5, 0.25, 0.125, -0, 5, 0.1, 9),
  std: Float64Array.of(0.5, 0.4, 0.3, 1, 2, 0.3, 5e-324),
  w: Float64Array.of(1, -1, 0.5, -0, 0.1, 0.2, 0.3),
  b: -0.25,
};

/** Everything of a model, numbers as their bits, so that -0 and 0 differ. */
function bitsOf(model: Model): unknown {
  const bits = (values: Float64Array) => [...values].map(bitsOfNumber);
  return {
    spec: model.spec,
    featureNames: model.featureNames,
    mean: bits(model.mean),
    std: bits(model.std),
    w: bits(model.w),
    b: bitsOfNumber(model.b),
  };
}

function bitsOfNumber(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16);
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

function f8(values: readonly number[], shape: readonly number[] = [values.length]): Uint8Array {
  return encodeNpy({ dtype: "<f8", shape, values: Float64Array.from(values) });
}

function u(values: readonly string[], shape: readonly number[] = [values.length]): Uint8Array {
  return encodeNpy({ dtype: "<U", shape, values });
}

/** The file of SMALL with some members replaced, and with others if they have new names. */
function fileWith(changes: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const members = readNpz(encodeModel(SMALL));
  const keys = new Set([...KEYS, ...Object.keys(changes)]);
  return writeNpz([...keys].map((key) => [key, changes[key] ?? members.get(key)!.bytes]));
}

function fileWithSpec(spec: unknown): Uint8Array {
  return fileWith({ spec: u([typeof spec === "string" ? spec : JSON.stringify(spec)], []) });
}

/** The spec of SMALL with its keys in RFC 8785 order, and some fields changed. */
function specWith(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { classes, format, label, threshold } = SMALL.spec;
  const columns = SMALL.featureNames.map((name) => ({ as: "number", name }));
  return { classes, columns, format, label, threshold, ...changes };
}

/** The file of RICH with some fields of its spec changed; an undefined one is left out. */
function richFileWith(changes: Readonly<Record<string, unknown>>): Uint8Array {
  const fields = Object.entries({ ...RICH.spec, ...changes });
  const spec = Object.fromEntries(fields.filter(([, value]) => value !== undefined));
  const members = readNpz(encodeModel(RICH));
  return writeNpz(
    KEYS.map((key) => [
      key,
      key === "spec" ? u([canonicalJson(spec)], []) : members.get(key)!.bytes,
    ]),
  );
}

/** The same with its category changed. */
const kindWith = (changes: Readonly<Record<string, unknown>>) =>
  richFileWith({ columns: [{ ...KIND, ...changes }, ...RICH.spec.columns.slice(1)] });

const name = fc.string({ unit: "binary", maxLength: 12 }).filter((text) => !text.endsWith("\0"));
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const positive = fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true });

const anyModel: fc.Arbitrary<Model> = fc
  .record({
    features: fc.uniqueArray(fc.record({ name, mean: finite, std: positive, w: finite }), {
      minLength: 1,
      maxLength: 9,
      selector: (feature) => feature.name,
    }),
    classes: fc.uniqueArray(name, { minLength: 2, maxLength: 2 }),
    label: name,
    threshold: fc.double({ min: 0, max: 1, minExcluded: true, maxExcluded: true, noNaN: true }),
    b: finite,
  })
  .map(({ features, classes, label, threshold, b }) => ({
    spec: {
      format: 1,
      label,
      classes: [classes[0]!, classes[1]!],
      threshold,
      columns: features.map((feature) => ({ name: feature.name, as: "number" })),
    },
    featureNames: features.map((feature) => feature.name),
    mean: Float64Array.from(features, (feature) => feature.mean),
    std: Float64Array.from(features, (feature) => feature.std),
    w: Float64Array.from(features, (feature) => feature.w),
    b,
  }));

describe("round trip", () => {
  test("any model comes back to the last bit, and encodes to the same bytes again", () => {
    const signs = new Set<boolean>();
    fc.assert(
      fc.property(anyModel, (model) => {
        const bytes = encodeModel(model);
        const back = decodeModel(bytes);
        expect(bitsOf(back)).toEqual(bitsOf(model));
        expect(Buffer.from(encodeModel(back)).equals(bytes)).toBe(true);
        expect(modelDigest(back)).toBe(modelDigest(model));
        signs.add(model.b < 0);
      }),
      { numRuns: 1000, examples: [[SMALL], [RICH]] },
    );
    expect(signs.size).toBe(2); // the models did vary
  });

  test("the model owns its arrays", () => {
    const bytes = encodeModel(SMALL);
    const model = decodeModel(bytes);
    bytes.fill(0);
    expect(bitsOf(model)).toEqual(bitsOf(SMALL));
  });

  test("members stand in the documented order, spec as RFC 8785 JSON", () => {
    const npys = readNpz(encodeModel(SMALL));
    expect([...npys.keys()]).toEqual(KEYS);
    const spec = Buffer.from(npys.get("spec")!.bytes.subarray(npys.get("spec")!.valuesAt));
    expect(spec.toString("utf16le").replaceAll("\0", "")).toBe(
      '{"classes":["Kecimen","Besni"],"columns":[{"as":"number","name":"Area"},' +
        '{"as":"number","name":"Extent"}],"format":1,"label":"Class","threshold":0.5}',
    );
  });

  test("the spec of format 2 has only the fields that say something", () => {
    const npys = readNpz(encodeModel(RICH));
    const spec = Buffer.from(npys.get("spec")!.bytes.subarray(npys.get("spec")!.valuesAt));
    expect(spec.toString("utf16le").replaceAll("\0", "")).toBe(
      '{"classes":["not a","a"],"columns":[{"as":"category","base":"b","levels":["a","b","c"],' +
        '"missing":"indicator","name":"kind","other":true,"unseen":"base"},' +
        '{"as":"number","missing":"indicator","name":"size"},{"as":"number","name":"Area"}],' +
        '"format":2,"label":"Class","missing_tokens":["?","NA"],"rest":true,"threshold":0.5}',
    );
  });

  test("deflated members of the same arrays give the same model and digest", () => {
    expect(bitsOf(decodeModel(deflatedFile()))).toEqual(bitsOf(SMALL));
    expect(modelDigest(decodeModel(deflatedFile()))).toBe(modelDigest(SMALL));
  });

  test("the largest number of features fits", () => {
    const model = wideModel(MAX_FEATURES);
    expect(decodeModel(encodeModel(model)).w.length).toBe(MAX_FEATURES);
  });
});

function wideModel(d: number): Model {
  const featureNames = Array.from({ length: d }, (_, j) => `x${j}`);
  return {
    spec: {
      ...SMALL.spec,
      columns: featureNames.map((feature) => ({ name: feature, as: "number" })),
    },
    featureNames,
    mean: new Float64Array(d),
    std: new Float64Array(d).fill(1),
    w: new Float64Array(d),
    b: 0,
  };
}

/** The file of SMALL as savez_compressed would lay it out, less the zip64 fields. */
function deflatedFile(): Uint8Array {
  const stored = Buffer.from(encodeModel(SMALL));
  const files: Buffer[] = [];
  const entries: Buffer[] = [];
  let entryAt = stored.readUInt32LE(stored.length - 6);
  let memberAt = 0;
  for (const key of KEYS) {
    const nameBytes = key.length + 4;
    const entry = Buffer.from(stored.subarray(entryAt, entryAt + 46 + nameBytes));
    const localAt = entry.readUInt32LE(42);
    const local = Buffer.from(stored.subarray(localAt, localAt + 30 + nameBytes));
    const dataAt = localAt + local.length;
    const packed = deflateRawSync(stored.subarray(dataAt, dataAt + entry.readUInt32LE(24)));
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(packed.length, 18);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(memberAt, 42);
    files.push(local, packed);
    entries.push(entry);
    memberAt += local.length + packed.length;
    entryAt += entry.length;
  }
  const end = Buffer.from(stored.subarray(-22));
  end.writeUInt32LE(memberAt, 16);
  return new Uint8Array(Buffer.concat([...files, ...entries, end]));
}

describe("modelDigest()", () => {
  test("is SHA-256 over the members in the order of N10", () => {
    const npys = readNpz(encodeModel(SMALL));
    const hash = createHash("sha256");
    for (const key of DIGEST_KEYS) hash.update(npys.get(key)!.bytes);
    expect(modelDigest(SMALL)).toBe(hash.digest("hex"));
  });

  test("differs for another value of any member", () => {
    const others: Model[] = [
      SMALL,
      { ...SMALL, w: Float64Array.of(-1.5, 0.100_000_000_000_000_02) },
      { ...SMALL, b: 0.25 },
      { ...SMALL, mean: Float64Array.of(87_804.127_777, 0) },
      { ...SMALL, std: Float64Array.of(39_002.111_39, 1e-323) },
      { ...SMALL, spec: { ...SMALL.spec, threshold: 0.25 } },
      { ...SMALL, spec: { ...SMALL.spec, classes: ["Besni", "Kecimen"] } },
      { ...SMALL, spec: { ...SMALL.spec, label: "class" } },
    ];
    expect(new Set(others.map((model) => modelDigest(model))).size).toBe(others.length);
  });
});

describe("damage", () => {
  test.each([
    ["stored", encodeModel(SMALL)],
    ["deflated", deflatedFile()],
  ])("a %s file cut at any offset is refused", (_, file) => {
    for (let length = 0; length < file.length; length++) {
      expect(message(() => decodeModel(file.subarray(0, length)))).toMatch(/^Cannot read model: /);
      expect(message(() => decodeModel(file.subarray(file.length - length)))).toMatch(/Cannot/);
    }
  });

  test.each([
    ["stored", encodeModel(SMALL)],
    ["deflated", deflatedFile()],
  ])("a %s file with any one bit flipped is refused or the same model", (_, file) => {
    const expected = JSON.stringify(bitsOf(SMALL));
    const harmless = new Set<number>();
    const bytes = file.slice();
    for (let at = 0; at < file.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        bytes[at] = file[at]! ^ (1 << bit);
        try {
          const model = decodeModel(bytes);
          if (JSON.stringify(bitsOf(model)) !== expected) {
            throw new Error(`another model after bit ${bit} of byte ${at}`);
          }
          harmless.add(at);
        } catch (error) {
          if (!(error instanceof ModelFormatError)) throw error;
        }
      }
      bytes[at] = file[at]!;
    }
    // What no value depends on: "made by", inner attributes and permissions in the directory; and
    // in deflated bytes a copy of one run of spaces for another.
    const free = new Set<number>();
    const view = Buffer.from(file);
    let entryAt = view.readUInt32LE(file.length - 6);
    for (const key of KEYS) {
      for (const offset of [4, 5, 36, 37, 38, 39, 40, 41]) free.add(entryAt + offset);
      const localAt = view.readUInt32LE(entryAt + 42);
      const packedBytes = view.readUInt32LE(entryAt + 20);
      if (view.readUInt16LE(entryAt + 10) === 8) {
        for (let k = 0; k < packedBytes; k++) free.add(localAt + 34 + key.length + k);
      }
      entryAt += 46 + key.length + 4;
    }
    expect([...harmless].filter((at) => !free.has(at))).toEqual([]);
    expect(harmless.size).toBeGreaterThan(KEYS.length * 4);
  });

  test("a date in both headers of a member changes nothing", () => {
    const file = Buffer.from(encodeModel(SMALL));
    file.writeUInt16LE(0x5a21, 12);
    file.writeUInt16LE(0x5a21, file.readUInt32LE(file.length - 6) + 14);
    expect(bitsOf(decodeModel(file))).toEqual(bitsOf(SMALL));
    expect(modelDigest(decodeModel(file))).toBe(modelDigest(SMALL));
  });

  test("random changes are refused or harmless", () => {
    const file = encodeModel(SMALL);
    const expected = JSON.stringify(bitsOf(SMALL));
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const bytes = file.slice();
          for (const [at, byte] of changes) bytes[at] = byte;
          try {
            expect(JSON.stringify(bitsOf(decodeModel(bytes)))).toBe(expected);
          } catch (error) {
            if (!(error instanceof ModelFormatError)) throw error;
            refused++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(1500);
  });
});

// One line a case: what is wrong, the file, what the error must say.
type Case = readonly [name: string, file: () => Uint8Array, expected: RegExp];

const TEXT_B = u(["1"], []);
const OTHER_NAMES = u(["Area", "extent"]);

const MEMBERS: readonly Case[] = [
  ["a member too many", () => fileWith({ x: f8([1]) }), /it also holds x/],
  ["w in two dimensions", () => fileWith({ w: f8([1, 2], [1, 2]) }), /"w" must have one dim/],
  ["w as a scalar", () => fileWith({ w: f8([1], []) }), /"w" must have one dimension: .* \(\)/],
  ["w as text", () => fileWith({ w: u(["1", "2"]) }), /"w" must have type <f8: its type is <U/],
  ["b as text", () => fileWith({ b: TEXT_B }), /"b" must have type <f8/],
  ["b with a dimension", () => fileWith({ b: f8([1]) }), /"b" must have shape \(\): .* \(1,\)/],
  ["mean too short", () => fileWith({ mean: f8([1]) }), /"mean" must have shape \(2,\): .* \(1,\)/],
  ["mean as a column", () => fileWith({ mean: f8([1, 2], [2, 1]) }), /"mean" must have shape/],
  ["mean as text", () => fileWith({ mean: u(["1", "2"]) }), /"mean" must have type <f8/],
  ["std too long", () => fileWith({ std: f8([1, 2, 3]) }), /"std" must have shape \(2,\)/],
  ["std as text", () => fileWith({ std: u(["1", "2"]) }), /"std" must have type <f8/],
  ["names too few", () => fileWith({ feature_names: u(["Area"]) }), /"feature_names" must have sh/],
  [
    "names as numbers",
    () => fileWith({ feature_names: f8([1, 2]) }),
    /"feature_names" must have t/,
  ],
  ["one class", () => fileWith({ class_names: u(["a"]) }), /"class_names" must have shape \(2,\)/],
  ["three classes", () => fileWith({ class_names: u(["a", "b", "c"]) }), /"class_names" must have/],
  [
    "classes as numbers",
    () => fileWith({ class_names: f8([0, 1]) }),
    /"class_names" must have typ/,
  ],
  ["spec with a dimension", () => fileWith({ spec: u(["{}"]) }), /"spec" must have shape \(\)/],
  ["spec as a number", () => fileWith({ spec: f8([1], []) }), /"spec" must have type <U/],
];

const LONG = "x".repeat(NAME_MAX + 1);
const BIG_W = f8(Array(MAX_FEATURES + 1).fill(1));

const VALUES: readonly Case[] = [
  ["NaN in w", () => fileWith({ w: f8([1, Number.NaN]) }), /"w" must be finite: value 1 is NaN/],
  ["∞ in w", () => fileWith({ w: f8([Number.POSITIVE_INFINITY, 1]) }), /value 0 is Infinity/],
  ["NaN as b", () => fileWith({ b: f8([Number.NaN], []) }), /"b" must be finite/],
  ["-∞ in mean", () => fileWith({ mean: f8([1, -1 / 0]) }), /"mean" must be finite: .* -Infinity/],
  ["NaN in std", () => fileWith({ std: f8([Number.NaN, 1]) }), /"std" must be finite/],
  ["∞ in std", () => fileWith({ std: f8([1, 1 / 0]) }), /"std" must be finite/],
  ["std 0", () => fileWith({ std: f8([1, 0]) }), /"std" must be above 0: value 1 is 0/],
  ["std -0", () => fileWith({ std: f8([-0, 1]) }), /"std" must be above 0: value 0 is -0/],
  ["std below 0", () => fileWith({ std: f8([1, -1]) }), /"std" must be above 0: value 1 is -1/],
  ["a name twice", () => fileWith({ feature_names: u(["Area", "Area"]) }), /"Area" comes twice/],
  [
    "a name unlike spec's",
    () => fileWith({ feature_names: OTHER_NAMES }),
    /at 1 they say "extent"/,
  ],
  ["a name too long", () => fileWith({ feature_names: u([LONG, "b"]) }), /1024 char.* <U1025/],
  ["a class too long", () => fileWith({ class_names: u([LONG, "b"]) }), /1024 char.* <U1025/],
  ["classes unlike spec's", () => fileWith({ class_names: u(["a", "b"]) }), /the classes of spec/],
  ["classes swapped", () => fileWith({ class_names: u(["Besni", "Kecimen"]) }), /classes of spec/],
  ["too many features", () => fileWith({ w: BIG_W }), /1 to 32768 features: it has 32769/],
];

const ASTRAY = '{"classes":["Kecimen","Besni"],"columns":[],"format":1,"label":"Class"';

const SPECS: readonly Case[] = [
  ["format 3", () => fileWithSpec({ format: 3 }), /format 3, .* knows formats 1 to 2: use the ver/],
  ["format 2 for nothing", () => fileWithSpec(specWith({ format: 2 })), /must be 1 .*: it is 2/],
  ["format 0", () => fileWithSpec(specWith({ format: 0 })), /format 0, and this version/],
  ["format as text", () => fileWithSpec(specWith({ format: "1" })), /format "1", and this/],
  ["no format", () => fileWithSpec({}), /format undefined, and this version/],
  ["no text", () => fileWithSpec(""), /"spec" must be JSON: it is ""/],
  ["no JSON", () => fileWithSpec("{'format': 1}"), /"spec" must be JSON/],
  ["text after it", () => fileWithSpec(`${JSON.stringify(specWith({}))}x`), /must be JSON/],
  ["null", () => fileWithSpec("null"), /"spec" must be an object: it is null/],
  ["a list", () => fileWithSpec("[]"), /"spec" must be an object: it is a list/],
  ["no label", () => fileWithSpec(specWith({ label: undefined })), /spec lacks the field label/],
  ["a field too many", () => fileWithSpec(specWith({ zeta: 1 })), /does not know: "zeta"/],
  ["__proto__", () => fileWithSpec(`${ASTRAY},"threshold":0.5,"__proto__":{}}`), /"__proto__"/],
  [
    "label a number",
    () => fileWithSpec(specWith({ label: 1 })),
    /spec.label must be text: it is 1/,
  ],
  ["label too long", () => fileWithSpec(specWith({ label: LONG })), /spec.label must have at most/],
  ["a lone surrogate", () => fileWithSpec(specWith({ label: "\ud800" })), /lone surrogate/],
  ["classes an object", () => fileWithSpec(specWith({ classes: {} })), /a list of two names/],
  ["three classes", () => fileWithSpec(specWith({ classes: ["a", "b", "c"] })), /list of two/],
  ["class a number", () => fileWithSpec(specWith({ classes: [0, "b"] })), /classes\[0\] must be t/],
  ["class null", () => fileWithSpec(specWith({ classes: ["a", null] })), /classes\[1\] must be te/],
  ["equal classes", () => fileWithSpec(specWith({ classes: ["a", "a"] })), /must differ: both/],
  ["threshold 0", () => fileWithSpec(specWith({ threshold: 0 })), /above 0 and below 1: it is 0/],
  ["threshold 1", () => fileWithSpec(specWith({ threshold: 1 })), /above 0 and below 1: it is 1/],
  ["threshold text", () => fileWithSpec(specWith({ threshold: "0.5" })), /spec.threshold must be/],
  ["threshold null", () => fileWithSpec(specWith({ threshold: null })), /spec.threshold must be/],
  ["columns text", () => fileWithSpec(specWith({ columns: "ab" })), /spec.columns must be a list/],
  ["columns empty", () => fileWithSpec(specWith({ columns: [] })), /"spec.columns" must have 2/],
  ["a column of text", () => fileWithSpec(specWith({ columns: ["a"] })), /columns\[0\] must be an/],
  [
    "as text",
    () => fileWithSpec(specWith({ columns: [{ as: "text", name: "a" }] })),
    /be "number"/,
  ],
  [
    "column name 1",
    () => fileWithSpec(specWith({ columns: [{ as: "number", name: 1 }] })),
    /\.name/,
  ],
  [
    "no column name",
    () => fileWithSpec(specWith({ columns: [{ as: "number" }] })),
    /lacks the fie/,
  ],
  ["spaces", () => fileWithSpec(JSON.stringify(specWith({}), null, 1)), /RFC 8785/],
  ["unsorted keys", () => fileWithSpec(SMALL.spec), /RFC 8785 JSON/],
  [
    "a key twice",
    () => fileWithSpec(`{"classes":[],${JSON.stringify(specWith({})).slice(1)}`),
    /RFC/,
  ],
  ["0.50", () => fileWithSpec(JSON.stringify(specWith({})).replace("0.5", "0.50")), /RFC 8785/],
  ["10^6 brackets", () => fileWithSpec("[".repeat(1_000_000)), /more than 2 features need/],
  ["300,000 objects", () => fileWithSpec(`[${"{},".repeat(300_000)}{}]`), /more than 2 features/],
  ["brackets behind a quote", () => fileWithSpec(`["\\"",${"[".repeat(999)}`), /more than 2/],

  // What format 1 does not know.
  [
    "a category in format 1",
    () => fileWithSpec(specWith({ columns: [KIND] })),
    /as must be "number": /,
  ],
  ["an indicator in format 1", () => fileWithSpec(specWith({ columns: [GAPPY] })), /"missing"/],
  ["rest in format 1", () => fileWithSpec(specWith({ rest: true })), /does not know: "rest"/],
  ["tokens in format 1", () => fileWithSpec(specWith({ missing_tokens: [] })), /"missing_tokens"/],
];

// biome-ignore format: one line a case
const FORMAT_2: readonly Case[] = [
  ["format 1", () => richFileWith({ format: 1 }), /spec has a field .* does not know: "missing_tokens"/],
  ["rest false", () => richFileWith({ rest: false }), /spec\.rest must be true: it is false/],
  ["as boolean", () => kindWith({ as: "boolean" }), /columns\[0\]\.as must be "number" or "category": it is "boolean"/],
  ["no as", () => richFileWith({ columns: [{ name: "kind" }] }), /columns\[0\] lacks the field as/],
  ["a number with levels", () => richFileWith({ columns: [{ ...GAPPY, levels: [] }] }), /columns\[0\] .* does not know: "levels"/],
  ["a category with a mean", () => kindWith({ mean: 0 }), /columns\[0\] .* does not know: "mean"/],
  ["a category without levels", () => richFileWith({ columns: [{ as: "category", base: "a", name: "kind" }] }), /lacks the field levels/],
  ["one column twice", () => richFileWith({ columns: [KIND, { ...GAPPY, name: "kind" }] }), /spec\.columns must have distinct names: "kind" comes twice/],
  ["missing true", () => kindWith({ missing: true }), /columns\[0\]\.missing must be "indicator": it is true/],
  ["other false", () => kindWith({ other: false }), /columns\[0\]\.other must be true: it is false/],
  ["unseen error", () => kindWith({ unseen: "error" }), /columns\[0\]\.unseen must be "base": it is "error"/],
  ["a base that is no level", () => kindWith({ base: "d" }), /columns\[0\]\.base must be one of its levels: it is "d"/],
  ["a base that is a number", () => kindWith({ base: 1 }), /columns\[0\]\.base must be one of its levels: it is 1/],
  ["no levels", () => kindWith({ levels: [] }), /columns\[0\]\.base must be one of its levels/],
  ["levels as text", () => kindWith({ levels: "abc" }), /columns\[0\]\.levels must be a list of at most 32769 texts/],
  ["a level that is a number", () => kindWith({ levels: ["a", 2] }), /columns\[0\]\.levels\[1\] must be text: it is 2/],
  ["a level too long", () => kindWith({ levels: ["b", LONG] }), /columns\[0\]\.levels\[1\] must have at most 1024/],
  ["levels out of order", () => kindWith({ levels: ["b", "a", "c"] }), /columns\[0\]\.levels must ascend by code point: "a" does not/],
  ["levels in UTF-16 order", () => kindWith({ levels: ["b", "\u{1f347}", "\uff21"] }), /levels must ascend by code point: "\uff21" does not/],
  ["a level twice", () => kindWith({ levels: ["a", "b", "b"] }), /levels must ascend by code point: "b" does not/],
  ["a category of no feature", () => kindWith({ levels: ["b"], other: undefined, missing: undefined }), /columns\[0\] must give a feature: it has one level and nothing else/],
  ["a level too many", () => kindWith({ levels: ["a", "b", "c", "d"] }), /"spec\.columns" must have 7 values, one a weight: it has 8/],
  ["another level", () => kindWith({ levels: ["a", "b", "d"] }), /at 1 they say "kind=c" and "kind=d"/],
  ["another base", () => kindWith({ base: "a" }), /at 0 they say "kind=a" and "kind=b"/],
  ["no tokens where cells may be missing", () => richFileWith({ missing_tokens: undefined }), /spec\.missing_tokens must be there where a column may be missing, and only there/],
  ["tokens where none may", () => richFileWith({ columns: [{ as: "number", name: "size" }] }), /missing_tokens must be there where .* only there/],
  ["tokens as text", () => richFileWith({ missing_tokens: "NA" }), /spec\.missing_tokens must be a list of at most 256 texts: it is "NA"/],
  ["a token that is a number", () => richFileWith({ missing_tokens: [-999] }), /spec\.missing_tokens\[0\] must be text: it is -999/],
  ["tokens out of order", () => richFileWith({ missing_tokens: ["NA", "?"] }), /missing_tokens must ascend by code point: "\?" does not/],
  ["257 tokens", () => richFileWith({ missing_tokens: Array.from({ length: 257 }, (_, k) => String(1000 + k)) }), /a list of at most 256 texts/],
  ["100,000 levels", () => kindWith({ levels: Array.from({ length: 100_000 }, (_, k) => String(k)) }), /more than 7 features need/],
];

describe.each([
  ["members", MEMBERS],
  ["values", VALUES],
  ["spec", SPECS],
  ["format 2", FORMAT_2],
])("decodeModel() refuses: %s", (_, cases) => {
  test.each(cases)("%s", (_, build, expected) => {
    const file = build();
    expect(message(() => decodeModel(file))).toMatch(/^Cannot read model: /);
    let bestMs = Number.POSITIVE_INFINITY;
    let bestBytes = Number.POSITIVE_INFINITY;
    for (let k = 0; k < 5; k++) {
      const before = process.memoryUsage();
      const start = performance.now();
      expect(message(() => decodeModel(file))).toMatch(expected);
      bestMs = Math.min(bestMs, performance.now() - start);
      const after = process.memoryUsage();
      const heapBytes = Math.max(0, after.heapUsed - before.heapUsed);
      const arrayBytes = Math.max(0, after.arrayBuffers - before.arrayBuffers);
      bestBytes = Math.min(bestBytes, heapBytes + arrayBytes);
    }
    expect(bestMs).toBeLessThan(50);
    expect(bestBytes).toBeLessThan(8 * 2 ** 20);
  });

  test("the file they are made from is good", () => {
    expect(bitsOf(decodeModel(fileWith({})))).toEqual(bitsOf(SMALL));
    expect(bitsOf(decodeModel(fileWithSpec(specWith({}))))).toEqual(bitsOf(SMALL));
    expect(bitsOf(decodeModel(kindWith({})))).toEqual(bitsOf(RICH));
  });
});

test.each(KEYS)("decodeModel() refuses a file without %s", (key) => {
  const npys = readNpz(encodeModel(SMALL));
  npys.delete(key);
  const file = writeNpz([...npys].map(([other, npy]) => [other, npy.bytes]));
  expect(message(() => decodeModel(file))).toBe(`Cannot read model: the file lacks ${key}`);
});

test("a bracket inside a name is no bracket of the spec", () => {
  const names = ['[{,"\\', `${"[".repeat(500)}\\"`];
  const model: Model = {
    ...SMALL,
    featureNames: names,
    spec: { ...SMALL.spec, columns: names.map((text) => ({ name: text, as: "number" })) },
  };
  expect(bitsOf(decodeModel(encodeModel(model)))).toEqual(bitsOf(model));
});

describe("encodeModel() refuses", () => {
  const withColumns = (names: readonly string[]): Model => ({
    ...SMALL,
    featureNames: names,
    spec: { ...SMALL.spec, columns: names.map((text) => ({ name: text, as: "number" })) },
  });
  const withSpec = (changes: object): Model => ({ ...SMALL, spec: { ...SMALL.spec, ...changes } });
  const one = Float64Array.of(1);
  const none = new Float64Array(0);

  const cases: readonly (readonly [name: string, model: Model, expected: RegExp])[] = [
    ["NaN in w", { ...SMALL, w: Float64Array.of(Number.NaN, 1) }, /"w" must be finite/],
    ["an infinite b", { ...SMALL, b: Number.NEGATIVE_INFINITY }, /"b" must be finite/],
    ["std 0", { ...SMALL, std: Float64Array.of(1, 0) }, /"std" must be above 0/],
    ["mean too short", { ...SMALL, mean: one }, /"mean" must have 2 values, one a weight/],
    ["std too short", { ...SMALL, std: one }, /"std" must have 2 values, one a weight/],
    ["names too few", { ...SMALL, featureNames: ["Area"] }, /"feature_names" must have 2/],
    ["columns too few", withSpec({ columns: [] }), /"spec.columns" must have 2 values/],
    ["no features", { ...withColumns([]), w: none, mean: none, std: none }, /1 to 32768 features/],
    ["names unlike columns", { ...SMALL, featureNames: ["Area", "x"] }, /at 1 they say "x"/],
    ["a name twice", withColumns(["a", "a"]), /"a" comes twice/],
    ["a lone surrogate", withColumns(["a", "\udc00"]), /lone surrogate/],
    ["a name ending in NUL", withColumns(["a", "b\0"]), /must not end in NUL/],
    ["a name too long", withColumns(["a", LONG]), /name must have at most 1024/],
    ["a class ending in NUL", withSpec({ classes: ["a", "a\0"] }), /must not end in NUL/],
    ["equal classes", withSpec({ classes: ["a", "a"] }), /must differ/],
    ["a lone surrogate as label", withSpec({ label: "\ud800" }), /label .*lone surrogate/],
    ["threshold NaN", withSpec({ threshold: Number.NaN }), /threshold must be above 0/],
    ["another format", withSpec({ format: 3 }), /format 3, and this version/],
    ["format 2 for nothing", withSpec({ format: 2 }), /must be 1 .*: it is 2/],
    ["format 1 where 2 is needed", withSpec({ rest: true }), /does not know: "rest"/],
    ["an unknown field", withSpec({ note: "" }), /does not know: "note"/],
  ];

  test.each(cases)("%s", (_, model, expected) => {
    expect(message(() => encodeModel(model))).toMatch(/^Cannot write model: /);
    expect(message(() => encodeModel(model))).toMatch(expected);
    expect(message(() => modelDigest(model))).toMatch(expected);
  });

  test("a name of the longest length is taken, in code points", () => {
    const model = withColumns(["🍇".repeat(NAME_MAX), "b"]);
    expect(decodeModel(encodeModel(model)).featureNames).toEqual(model.featureNames);
  });
});

describe("assertStorable() before a training", () => {
  const data = (features: string[], label = "Class", classes: [string, string] = ["a", "b"]) => ({
    features,
    columns: features.map(() => Float64Array.of(1, 2)),
    label,
    classes,
  });
  const wide = (d: number, length: number) => [
    "long".padEnd(length, "!"),
    ...Array.from({ length: d - 1 }, (_, j) => `x${j}`),
  ];

  test.each([
    [
      "a column with a long name",
      data(["x", LONG]),
      /a column must have at most 1024 .*"xxx.*rename/,
    ],
    [
      "a column with a lone surrogate",
      data(["x", "\ud800"]),
      /a column must be Unicode: "\\ud800"/,
    ],
    ["a column that ends in NUL", data(["x", "b\0"]), /must not end in NUL.*"b\\u0000"; rename/],
    ["a column twice", data(["x", "x"]), /distinct names: "x" comes twice; rename it$/],
    ["a long label", data(["x"], "y", ["a", LONG]), /a label must have at most 1024 .*rename/],
    ["a long name of the label", data(["x"], LONG), /the label column must have at most 1024/],
    ["too many columns", data(wide(MAX_FEATURES + 1, 5)), /at most 32768 .*have 32769; drop/],
    [
      "one long name among many",
      data(wide(16_000, 400)),
      /all 16000 names .* 400 characters of column "long!.*shorten that name, or drop columns$/,
    ],
  ])("refuses %s", (_, dataset, expected) => {
    const call = () => {
      assertStorable(dataset);
    };
    expect(call).toThrow(DataError);
    expect(call).toThrow(/^Cannot train as the model could not be stored: /);
    expect(call).toThrow(expected);
  });

  test("takes exactly what encodeModel() takes, at the edge of the size", () => {
    const d = 8000;
    const fits = (length: number, isAsked: boolean) => {
      const dataset = data(wide(d, length));
      const values = new Float64Array(d).fill(2.5);
      const numbers = { mean: values, std: values, w: values, b: 0.1 };
      try {
        if (isAsked) assertStorable(dataset);
        else
          encodeModel({ spec: specOf(dataset, 0.5), featureNames: dataset.features, ...numbers });
        return true;
      } catch {
        return false;
      }
    };
    let [least, most] = [1, NAME_MAX];
    while (most - least > 1) {
      const middle = (least + most) >> 1;
      if (fits(middle, false)) least = middle;
      else most = middle;
    }
    expect(4 * d * most).toBeLessThan(MAX_FILE_BYTES); // the names alone do not decide
    expect([fits(least, true), fits(most, true)]).toEqual([true, false]);
  });
});
