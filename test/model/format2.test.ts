// Does a model with categories, gaps and a rest survive its file, is every lie in its spec refused, and is format 1 as it was?
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { canonicalJson } from "../../src/data/canonical-json.ts";
import { featureNamesOf, type InputColumn } from "../../src/data/encoding.ts";
import { compareCodePoints } from "../../src/data/labels.ts";
import { formatOf, type Model, type ModelSpec } from "../../src/model/model.ts";
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
import { readNpz, writeNpz } from "../../src/model/npz.ts";
import { check, SEED } from "../data/support.ts";
import { datasetOf, tableOf } from "../data/tables.ts";

const KEYS = ["w", "b", "mean", "std", "feature_names", "class_names", "spec"] as const;

/** A model of a spec, with numbers of no meaning. */
function modelOf(parts: Omit<ModelSpec, "format">, format = formatOf(parts)): Model {
  const featureNames = featureNamesOf(parts.columns);
  const values = (from: number) => Float64Array.from(featureNames, (_, j) => (from + j) / 7);
  return {
    spec: { format, ...parts },
    featureNames,
    mean: values(-3),
    std: values(1),
    w: values(-1),
    b: 0.1,
  };
}

/** A model's file whose spec is this text, whatever it says. */
function fileWith(model: Model, spec: string): Uint8Array {
  const members = readNpz(encodeModel(model));
  const text = encodeNpy({ dtype: "<U", shape: [], values: [spec] });
  return writeNpz(KEYS.map((key) => [key, key === "spec" ? text : members.get(key)!.bytes]));
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ModelFormatError) return error.message;
    throw error;
  }
  throw new Error("it was taken, where a refusal was expected");
}

// Any spec of format 2

const name = fc.stringMatching(/^[a-c=é ]{1,5}$/);
const level = fc.constantFrom(
  "a",
  "b",
  "B",
  "",
  " x",
  "é",
  "\uFF5E",
  "\u{1F347}",
  "10",
  '"',
  "\\",
  "a\nb",
  "__proto__",
);
const levels = fc
  .uniqueArray(level, { minLength: 1, maxLength: 6 })
  .map((texts) => texts.sort(compareCodePoints));
const flag = fc.boolean();
const number = fc.record({ name, missing: flag }).map(
  ({ name: text, missing }): InputColumn => ({
    name: text,
    as: "number",
    ...(missing && { missing: "indicator" as const }),
  }),
);
const category = fc
  .record({ name, levels, base: fc.nat(), other: flag, missing: flag, unseen: flag })
  .map((it): InputColumn => {
    const isNarrow = it.levels.length === 1;
    return {
      name: it.name,
      as: "category",
      levels: it.levels,
      base: it.levels[it.base % it.levels.length]!,
      // One level gives no feature by itself.
      ...((it.other || (isNarrow && !it.missing)) && { other: true as const }),
      ...(it.missing && { missing: "indicator" as const }),
      ...(it.unseen && { unseen: "base" as const }),
    };
  });
const models: fc.Arbitrary<Model> = fc
  .record({
    columns: fc.uniqueArray(fc.oneof(number, category), {
      minLength: 1,
      maxLength: 5,
      selector: (column) => column.name,
    }),
    rest: flag,
    tokens: fc.uniqueArray(fc.constantFrom("?", "NA", "", "é", "\u{1F347}"), { maxLength: 4 }),
  })
  .filter(({ columns }) => {
    const names = featureNamesOf(columns);
    return new Set(names).size === names.length;
  })
  .map(({ columns, rest, tokens }) => {
    const isOptional = columns.some(({ missing }) => missing !== undefined);
    return modelOf({
      label: "y",
      classes: rest ? ["not a", "a"] : ["n", "p"],
      threshold: 0.25,
      columns,
      ...(rest && { rest: true as const }),
      ...(isOptional && { missing_tokens: tokens.sort(compareCodePoints) }),
    });
  });

describe("any model", () => {
  test(`comes back from its file, in the lowest format that can say it, seed ${SEED}`, () => {
    const formats = { 1: 0, 2: 0 };
    check(
      fc.property(models, (model) => {
        const bytes = encodeModel(model);
        const back = decodeModel(bytes);
        expect(back).toEqual(model);
        expect(Buffer.from(encodeModel(back)).equals(bytes)).toBe(true);
        expect(modelDigest(back)).toBe(modelDigest(model));
        const isPlain = model.spec.columns.every(({ as, missing }) => as === "number" && !missing);
        expect(model.spec.format).toBe(isPlain && !model.spec.rest ? 1 : 2);
        formats[model.spec.format]++;
        // The other format is refused, written and read.
        const other = { ...model.spec, format: model.spec.format === 1 ? 2 : 1 } as const;
        refusalOf(() => encodeModel({ ...model, spec: other }));
        refusalOf(() => decodeModel(fileWith(model, canonicalJson(other))));
      }),
      300,
    );
    expect(Math.min(formats[1], formats[2])).toBeGreaterThan(5);
  });

  test(`whose spec is changed in one place is another model or refused, never the same, seed ${SEED}`, () => {
    let refused = 0;
    let taken = 0;
    check(
      fc.property(
        models,
        fc.nat(),
        fc.constantFrom("remove", "double", "swap", "letter"),
        (model, at, how) => {
          const text = canonicalJson(model.spec);
          const k = at % (text.length - 1);
          const changed = {
            remove: text.slice(0, k) + text.slice(k + 1),
            double: text.slice(0, k) + text[k] + text.slice(k),
            swap: text.slice(0, k) + text[k + 1] + text[k] + text.slice(k + 2),
            letter: `${text.slice(0, k)}x${text.slice(k + 1)}`,
          }[how];
          if (changed === text) return;
          try {
            const other = decodeModel(fileWith(model, changed));
            taken++;
            expect(canonicalJson(other.spec)).toBe(changed);
            expect(modelDigest(other)).not.toBe(modelDigest(model));
          } catch (error) {
            refused++;
            expect(error).toBeInstanceOf(ModelFormatError);
          }
        },
      ),
      600,
    );
    // A change within a label or a token is another model; nearly all others are none.
    expect(taken).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(300);
  });
});

const KIND = {
  name: "kind",
  as: "category",
  levels: ["a", "b", "c"],
  base: "b",
  missing: "indicator",
} as const;
const SIZE = { name: "size", as: "number", missing: "indicator" } as const;
const AREA = { name: "Area", as: "number" } as const;
const RICH = modelOf({
  label: "y",
  classes: ["n", "p"],
  threshold: 0.5,
  columns: [KIND, SIZE, AREA],
  missing_tokens: ["?", "NA"],
});

describe("a lie in the spec is refused", () => {
  const withColumns = (...columns: unknown[]) => ({ ...RICH.spec, columns });
  const withKind = (part: Record<string, unknown>) => withColumns({ ...KIND, ...part }, SIZE, AREA);

  // biome-ignore format: one line a case
  test.each<[what: string, spec: Record<string, unknown>, says: RegExp]>([
    ["levels that descend", withKind({ levels: ["a", "c", "b"] }), /levels must ascend by code point/],
    ["a level twice", withKind({ levels: ["a", "b", "b"] }), /levels must ascend/],
    ["levels in UTF-16 order", withKind({ levels: ["b", "\u{1F347}", "\uFF5E"] }), /levels must ascend/],
    ["a base that is no level", withKind({ base: "d" }), /base must be one of its levels/],
    ["a base of another type", withKind({ base: 1 }), /base must be one of its levels/],
    ["a base beyond the list", withKind({ base: "length" }), /base must be one of its levels/],
    ["no base", withColumns({ name: "kind", as: "category", levels: ["a", "b"], missing: "indicator" }, SIZE, AREA), /lacks the field base/],
    ["no levels", withColumns({ name: "kind", as: "category", base: "a" }, SIZE, AREA), /lacks the field levels/],
    ["levels that are none", withKind({ levels: [] }), /base must be one of its levels/],
    ["levels that are a text", withKind({ levels: "abc" }), /levels must be a list/],
    ["levels that are an object", withKind({ levels: { 0: "a", length: 1 } }), /levels must be a list/],
    ["a level that is a number", withKind({ levels: ["a", "b", 3] }), /levels\[2\] must be text/],
    ["a level that is null", withKind({ levels: [null, "b"] }), /levels\[0\] must be text/],
    ["a level with a lone surrogate", withKind({ levels: ["b", "\ud800"] }), /lone surrogate|JSON/],
    ["a level that is too long", withKind({ levels: ["b", "c".repeat(1025)] }), /at most 1024/],
    ["one level and nothing else", withColumns({ name: "kind", as: "category", levels: ["a"], base: "a" }, SIZE, AREA), /must give a feature/],
    ["other that is false", withKind({ other: false }), /other must be true/],
    ["other that is a text", withKind({ other: "true" }), /other must be true/],
    ["missing that is true", withKind({ missing: true }), /missing must be "indicator"/],
    ["missing in other words", withColumns(KIND, { ...SIZE, missing: "mean" }, AREA), /missing must be "indicator"/],
    ["unseen that is an error", withKind({ unseen: "error" }), /unseen must be "base"/],
    ["a field that nobody knows", withKind({ weight: 1 }), /does not know: "weight"/],
    ["a field of another kind of column", withColumns(KIND, { ...SIZE, levels: ["a"] }, AREA), /does not know: "levels"/],
    ["a kind that nobody knows", withColumns({ ...KIND, as: "ordinal" }, SIZE, AREA), /"number" or "category"/],
    ["no kind", withColumns({ name: "kind" }, SIZE, AREA), /lacks the field as/],
    ["a column that is a list", withColumns(["kind"], SIZE, AREA), /must be an object/],
    ["a column that is null", withColumns(null, SIZE, AREA), /must be an object/],
    ["a column twice", withColumns(KIND, SIZE, { ...AREA, name: "size" }), /comes twice/],
    ["columns in another order", withColumns(SIZE, KIND, AREA), /feature_names/],
    ["a column less", withColumns(KIND, SIZE), /must have 6 values|feature_names|spec.columns/],
    ["a level less", withKind({ levels: ["a", "b"] }), /spec.columns/],
    ["another level", withKind({ levels: ["a", "b", "d"] }), /feature_names/],
    ["another base", withKind({ base: "a" }), /feature_names/],
    ["other in place of a level", withKind({ levels: ["a", "b"], other: true }), /feature_names/],
    ["an indicator less", withColumns({ ...KIND, missing: undefined }, SIZE, AREA), /spec.columns/],
    ["no missing tokens where a column may be missing", { ...RICH.spec, missing_tokens: undefined }, /missing_tokens must be there/],
    ["tokens that descend", { ...RICH.spec, missing_tokens: ["NA", "?"] }, /missing_tokens must ascend/],
    ["a token twice", { ...RICH.spec, missing_tokens: ["?", "?"] }, /missing_tokens must ascend/],
    ["a token that is no text", { ...RICH.spec, missing_tokens: [7] }, /missing_tokens\[0\] must be text/],
    ["more tokens than there may be", { ...RICH.spec, missing_tokens: Array.from({ length: 257 }, (_, i) => String(i).padStart(3, "0")) }, /at most 256/],
    ["a rest that is false", { ...RICH.spec, rest: false }, /rest must be true/],
    ["a rest that is a text", { ...RICH.spec, rest: "a" }, /rest must be true/],
    ["format 3", { ...RICH.spec, format: 3 }, /formats 1 to 2/],
    ["format 1", { ...RICH.spec, format: 1 }, /./],
    ["a field of the spec that nobody knows", { ...RICH.spec, classWeight: "balanced" }, /does not know: "classWeight"/],
  ])("%s", (_, spec, says) => {
    const defined = JSON.parse(JSON.stringify(spec)) as Record<string, unknown>;
    const text = canonicalJsonOrNot(defined);
    expect(refusalOf(() => decodeModel(fileWith(RICH, text)))).toMatch(says);
    expect(refusalOf(() => encodeModel({ ...RICH, spec: spec as unknown as ModelSpec }))).toMatch(
      /^Cannot write model: /,
    );
  });

  test.each<[what: string, spec: Record<string, unknown>]>([
    ["missing tokens where no column may be missing", { missing_tokens: ["?"] }],
    ["no tokens at all, in a list", { missing_tokens: [] }],
    ["format 2 for numbers", {}],
  ])("%s", (_, part) => {
    const plain = modelOf({ label: "y", classes: ["n", "p"], threshold: 0.5, columns: [AREA] });
    expect(decodeModel(fileWith(plain, canonicalJson(plain.spec)))).toEqual(plain); // the control
    const spec = canonicalJson({ ...plain.spec, format: 2, ...part });
    refusalOf(() => decodeModel(fileWith(plain, spec)));
  });

  test("but the same is taken where it is true", () => {
    const empty = { ...RICH.spec, missing_tokens: [] };
    for (const spec of [RICH.spec, empty, { ...RICH.spec, rest: true as const }]) {
      expect(decodeModel(fileWith(RICH, canonicalJson(spec))).spec).toEqual(spec);
    }
  });

  test("in keys of another order, with blanks, or twice", () => {
    const text = canonicalJson(RICH.spec);
    for (const other of [
      JSON.stringify(RICH.spec),
      text.replace(",", ", "),
      text.replace('"label":"y"', '"label":"x","label":"y"'),
      text.replace('"levels":["a"', '"levels":["z"],"levels":["a"'),
      text.replace("0.5", "0.50"),
      `${text} `,
    ]) {
      expect(other).not.toBe(text);
      expect(refusalOf(() => decodeModel(fileWith(RICH, other)))).toMatch(/RFC 8785/);
    }
  });
});

/** RFC 8785 JSON, or what is nearest to it where a lone surrogate stands. */
function canonicalJsonOrNot(value: Record<string, unknown>): string {
  try {
    return canonicalJson(value);
  } catch {
    return JSON.stringify(value, Object.keys(value).sort());
  }
}

describe("a file made to exhaust its reader", () => {
  const one = modelOf({
    label: "y",
    classes: ["n", "p"],
    threshold: 0.5,
    columns: [{ ...KIND, levels: ["a", "b"], base: "a" }],
    missing_tokens: [],
  });
  const spec = canonicalJson(one.spec);
  const list = (count: number) =>
    Array.from({ length: count }, (_, i) => `"${String(i).padStart(7, "0")}"`).join();

  test.each<[what: string, text: string]>([
    ["a million levels", spec.replace('["a","b"]', `["a",${list(400_000)}]`)],
    ["many empty columns", spec.replace('"columns":[', `"columns":[${"{},".repeat(1_000_000)}`)],
    ["deep lists", spec.replace('["a","b"]', "[".repeat(1_000_000) + "]".repeat(1_000_000))],
    ["as many tokens", spec.replace('"missing_tokens":[', `"missing_tokens":[${list(400_000)}`)],
    [
      "a column name that many features would repeat",
      spec.replace('"kind"', `"${"k".repeat(3_000_000)}"`),
    ],
  ])("is refused before much is made of it: %s", (_, text) => {
    // Each of these is a spec of some million characters, of which a reader that believes it makes as many objects.
    expect(text.length).toBeGreaterThan(1_000_000);
    const file = fileWith(one, text);
    const parse = vi.spyOn(JSON, "parse");
    try {
      refusalOf(() => decodeModel(file));
      // One long name makes one object; the others would make one for each bracket and comma.
      expect(parse).toHaveBeenCalledTimes(Number(text.includes("kkk")));
    } finally {
      parse.mockRestore();
    }
  });

  test("more features than there may be are refused by their number, before their names are made", () => {
    const levels = Array.from({ length: MAX_FEATURES + 2 }, (_, i) => String(i).padStart(6, "0"));
    const columns: InputColumn[] = [
      { name: "k".repeat(1000), as: "category", levels, base: levels[0]! },
    ];
    const dataset = { features: levels, columns: [], label: "y", classes: ["n", "p"] as const };
    const inputs = columns.map((column) => ({ column, cells: new Float64Array(1) }));
    expect(() => assertStorable({ ...dataset, inputs })).toThrow(/at most 32768 features/);
  });
});

describe("a table's spec", () => {
  const text = tableOf({
    x: [1.5, 2, 4, 1, 7, 3],
    job: ["cook", "smith", "cook", "?", "smith", "cook"],
    gap: [1, "", 3, 4.5, 5, 2],
  });

  test("says what its columns became, and tokens once and sorted", () => {
    const dataset = datasetOf(text, { missing: "indicator", missingTokens: ["NA", "?", "NA"] });
    expect(specOf(dataset, 0.5)).toEqual({
      format: 2,
      label: "y",
      classes: ["n", "p"],
      threshold: 0.5,
      columns: [
        { name: "x", as: "number" },
        {
          name: "job",
          as: "category",
          levels: ["cook", "smith"],
          base: "cook",
          missing: "indicator",
        },
        { name: "gap", as: "number", missing: "indicator" },
      ],
      missing_tokens: ["?", "NA"],
    });
    expect(() => assertStorable(dataset)).not.toThrow();
  });

  test("is format 1 where format 1 can say it, whatever was asked", () => {
    const plain = datasetOf(text, {
      missing: "indicator",
      features: ["x"],
      unseen: "base",
      maxLevels: 3,
    });
    expect(specOf(plain, 0.5)).toMatchObject({ format: 1 });
    expect(specOf(plain, 0.5)).not.toHaveProperty("missing_tokens");
    const rest = datasetOf(text, { features: ["x"], positive: "n", rest: true });
    expect(specOf(rest, 0.5)).toMatchObject({ format: 2, rest: true, classes: ["not n", "n"] });
  });

  test("names what could not be stored before anything is trained", () => {
    const long = tableOf({ ["k".repeat(1020)]: ["a", "b", "a", "b"], x: [1, 2, 4, 1] });
    expect(() => assertStorable(datasetOf(long))).not.toThrow();
    const longer = tableOf({ ["k".repeat(1020)]: ["a", "bcdef", "a", "bcdef"], x: [1, 2, 4, 1] });
    expect(() => assertStorable(datasetOf(longer))).toThrow(/at most 1024 characters/);
    const tokens = Array.from({ length: 257 }, (_, i) => `t${i}`);
    const many = { missing: "indicator", missingTokens: [...tokens, "?"] } as const;
    expect(() => assertStorable(datasetOf(text, many))).toThrow(/at most 256/);
  });
});

describe("format 1", () => {
  const contract = readFileSync(new URL("../../assembly/CONTRACT.md", import.meta.url), "utf8");
  const said = (block: string, key: string) =>
    new RegExp(`^\`\`\`text ${block}\\n(?:.*\\n)*?${key}  +(.*)$`, "m").exec(contract)![1]!;
  const f64 = (bits: string) => Buffer.from(bits, "hex").readDoubleBE();

  test("is what it was when it was released: the bytes of the worked example", () => {
    const weights = said("training", "weights at step 3").split(" ").map(f64);
    const model: Model = {
      spec: JSON.parse(said("model", "spec")) as ModelSpec,
      featureNames: ["Length", "Width, mm"],
      mean: Float64Array.of(f64(said("moments", "mean 0")), f64(said("moments", "mean 1"))),
      std: Float64Array.of(f64(said("moments", "std 0")), f64(said("moments", "std 1"))),
      w: Float64Array.from(weights.slice(0, 2)),
      b: weights[2]!,
    };
    const bytes = encodeModel(model);
    // Of the release before format 2 (commit 1f7e2f4), not of this one.
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(sha256).toBe("e0b09362fa0f880541d3fc7b4c70f807d97ce9fc74781dea17e16923645aaaf8");
    expect(modelDigest(model)).toBe(
      "2545a8b1e4f51d3f3101933a7f38be3b661a99db2d5000cf053bbed68a19b4c0",
    );
    expect(sha256).toBe(said("model", "SHA-256 of model.npz"));
    const back = decodeModel(bytes);
    expect(back).toEqual(model);
    expect(Buffer.from(encodeModel(back)).equals(bytes)).toBe(true);
  });
});
