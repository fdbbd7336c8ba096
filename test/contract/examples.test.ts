// Are the worked examples of assembly/CONTRACT.md right? Each is made again from the text alone, and by src.
//
// Design:
// - Values are read out of CONTRACT.md, so that the document cannot drift.
// - `own` follows the words of CONTRACT.md and takes nothing from src: Node's SHA-256, BigInt where the contract says
//   integer. Only exp and log come from reference.ts, which has its own tests. Only the last block looks at src.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { CsvReader } from "../../src/data/csv.ts";
import { orderClasses } from "../../src/data/dataset.ts";
import { contentDigest, digestRows } from "../../src/data/digest.ts";
import { splitRows } from "../../src/data/split.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { createRandom, exact, fromBits, fromHex, toBits, toHex } from "./bits.ts";
import { randomTerms } from "./cases.ts";
import { reference } from "./reference.ts";

const text = readFileSync(new URL("../../assembly/CONTRACT.md", import.meta.url), "utf8");
const blocks = new Map(
  Array.from(text.matchAll(/^```(?:csv|text) ([\w-]+)\n(.*?)^```$/gms), (match) => [
    match[1]!,
    match[2]!,
  ]),
);

function block(name: string): string {
  const found = blocks.get(name);
  if (found === undefined) throw new Error(`CONTRACT.md has no example named ${name}`);
  return found;
}

/** Lines "key  value" of a block: two blanks or more between them. */
function values(name: string): Record<string, string> {
  const lines = block(name).trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/ {2,}(.*)/s, 2) as [string, string]));
}

function sha256(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function little(bytes: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}
const u16 = (value: number) => little(2, (b) => b.writeUInt16LE(value));
const u32 = (value: number) => little(4, (b) => b.writeUInt32LE(value));
const u64 = (value: bigint) => little(8, (b) => b.writeBigUInt64LE(value));
const f64 = (value: number) => little(8, (b) => b.writeDoubleLE(value));

// N4, with integers in the place of an accumulator: k is the whole number nearest to (v|1)/q.

/** ceil(log2 B) from the exponent bits; 0 for B = 0. */
function exponentOf(B: number): number {
  const bits = toBits(B);
  const whole = (bits & 0xfffffffffffffn) === 0n ? 1023n : 1022n;
  return B === 0 ? 0 : Number((bits >> 52n) - whole);
}

interface OwnFold {
  e: number; // q = 2^e
  k: bigint[];
  rest: number[];
  value: number;
}

function fold(terms: readonly number[], E: number): OwnFold {
  const e = E - 42;
  const half = 1n << BigInt(e + 1073); // q/2 in units of 2^-1074
  const k = terms.map((v) => (exact(fromBits(toBits(v) | 1n)) + half) >> BigInt(e + 1074));
  const rest = terms.map((v, i) => v - Number(k[i]!) * 2 ** e);
  return { e, k, rest, value: Number(k.reduce((sum, one) => sum + one, 0n)) * 2 ** e };
}

function sum(terms: readonly number[], B: number) {
  const first = fold(terms, exponentOf(B));
  const second = fold(first.rest, first.e);
  return { first, second, value: first.value + second.value };
}

/** The words {tail, head} of N2's table, from square roots of 2 in integers of 240 bits. */
function expTable(): bigint[][] {
  const one = 1n << 240n;
  let root = one << 1n;
  for (let k = 0; k < 7; k++) {
    const square = root << 240n;
    let [guess, next] = [square, one << 1n];
    while (next < guess) [guess, next] = [next, (next + square / next) >> 1n];
    root = guess;
  }
  let power = one;
  return Array.from({ length: 128 }, (_, i) => {
    const H = Number(power) / 2 ** 240;
    const whole = BigInt(H * 2 ** 52) << 188n;
    const tail = Number(((power - whole) << 160n) / whole) / 2 ** 160;
    power = (power * root) >> 240n;
    return [toBits(tail), BigInt.asUintN(64, toBits(H) - (BigInt(i) << 45n))];
  });
}

// The example's table.

const PARAMS = values("parameters");
const [header, ...records] = block("table")
  .trimEnd()
  .split("\n")
  .map((line) =>
    Array.from(line.matchAll(/(?:"([^"]*)"|([^,"]+))(?:,|$)/g), (match) => match[1] ?? match[2]!),
  );
const features = header!.slice(0, -1);
const rows = records.map((cells) => ({
  x: cells.slice(0, -1).map((cell) => Number(cell) + 0), // -0 + 0 is 0
  label: cells.at(-1)!,
}));
const classes = [...new Set(rows.map(({ label }) => label))].sort(); // one code unit a code point here
const y = rows.map(({ label }) => classes.indexOf(label));

const messages = rows.map(({ x, label }) => {
  const utf8 = Buffer.from(label);
  const numbers = x.flatMap((value) => [Uint8Array.of(1), f64(value)]);
  return Buffer.concat([...numbers, Uint8Array.of(2), u32(utf8.length), utf8]);
});
const digests = messages.map((message) => sha256(message));

const buckets = Array.from({ length: 256 }, (_, i) =>
  sha256(...digests.filter((digest) => digest[0] === i).sort(Buffer.compare)),
);
const head = JSON.stringify({ classes, columns: features, label: header!.at(-1) });

const keys = digests.map((digest) => sha256(u64(BigInt(PARAMS.seed!)), digest));

function split(): Set<number> {
  const validation = new Set<number>();
  for (const label of [0, 1]) {
    const own = [...y.keys()].filter((i) => y[i] === label);
    const wanted = Math.min(
      Math.floor(Number(PARAMS.val_fraction) * own.length + 0.5),
      own.length - 1,
    );
    let taken = 0;
    for (const key of [...new Set(own.map((i) => keys[i]!.toString("hex")))].sort()) {
      const group = own.filter((i) => keys[i]!.toString("hex") === key);
      if (taken + group.length > wanted) continue;
      for (const i of group) validation.add(i);
      taken += group.length;
    }
  }
  return validation;
}
const validation = split();
const training = [...y.keys()].filter((i) => !validation.has(i));

/** N5 for the training rows of a column: NaN where a value is missing. */
function standardise(x: readonly number[]) {
  const there = x.filter((value) => !Number.isNaN(value));
  const [min, max] = [Math.min(...there), Math.max(...there)];
  const c = min / 2 + max / 2;
  const B1 = Math.max(max - c, c - min);
  const u = there.map((value) => value - c);
  const S1 = sum(u, B1).value;
  const d = S1 / there.length;
  const mean = c + d;
  const H = Math.max(max - c - d, d - (min - c));
  const S2 = sum(
    u.map((value) => (value - d) * (value - d)),
    H * H,
  ).value;
  const std = min < max && S2 > 0 ? Math.sqrt(S2 / x.length) : 1;
  const bound = Math.max(Math.abs((min - mean) / std), Math.abs((max - mean) / std));
  const scaled = x.map((value) => (Number.isNaN(value) ? 0 : (value - mean) / std));
  return { min, max, c, B1, S1, d, mean, H, S2, std, bound, scaled };
}

const columns = features.map((_, j) => standardise(training.map((i) => rows[i]!.x[j]!)));

// The same column with two values missing.
const missing = values("moments-with-missing")["missing rows"]!.split(" ").map(Number);
const gaps = training.map((i) => (missing.includes(i + 1) ? Number.NaN : rows[i]!.x[0]!));

// Weights of the training rows. Without them every row weighs 1, which changes no bit.
const ones = training.map(() => 1);
const weights = values("weighted").s!.split(" ").map(fromHex);

/** s*(p - y) of the training rows. */
function residuals(w: readonly number[], s: readonly number[]): number[] {
  return training.map((at, i) => {
    let z = w.at(-1)!;
    columns.forEach(({ scaled }, j) => {
      z = z + w[j]! * scaled[i]!;
    });
    const clipped = Math.max(Math.min(z, 35), -35);
    return s[i]! * (1 / (1 + reference.exp(Float64Array.of(-clipped))[0]!) - y[at]!);
  });
}

/** The bounds of the gradient: of the features, then of the bias. */
function boundsOf(s: readonly number[]): number[] {
  return [...columns.map(({ bound }) => bound), 1].map((bound) => Math.max(...s) * bound);
}

/** One pass over the training rows: the integer totals of the gradient, and their quanta. */
function totals(w: readonly number[], s: readonly number[] = ones): { K: bigint; e: number }[] {
  const r = residuals(w, s);
  return boundsOf(s).map((bound, j) => {
    const terms = r.map((value, i) => (columns[j] ? value * columns[j].scaled[i]! : value));
    const { k, e } = fold(terms, exponentOf(bound));
    return { K: k.reduce((one, other) => one + other, 0n), e };
  });
}

function sumOfWeights(s: readonly number[]): number {
  return sum(s, Math.max(...s)).value;
}

function meanGradient(w: readonly number[], s: readonly number[] = ones): number[] {
  return totals(w, s).map(({ K, e }, j) => {
    const mean = (Number(K) * 2 ** e) / sumOfWeights(s);
    return j < features.length ? mean + Number(PARAMS.l2) * w[j]! : mean;
  });
}

function descend(w: readonly number[], s: readonly number[] = ones): number[] {
  const g = meanGradient(w, s);
  return w.map((weight, j) => weight - Number(PARAMS.lr) * g[j]!);
}

const steps = [new Array<number>(features.length + 1).fill(0)];
for (let step = 0; step < Number(PARAMS.iterations); step++) steps.push(descend(steps.at(-1)!));
const final = steps.at(-1)!;

function judge(
  chosen: readonly number[],
  w: readonly number[] = final,
  s: readonly number[] = chosen.map(() => 1),
) {
  const p = chosen.map((i) => {
    let z = w.at(-1)!;
    columns.forEach(({ mean, std }, j) => {
      z = z + w[j]! * ((rows[i]!.x[j]! - mean) / std);
    });
    return reference.sigmoid(Float64Array.of(z))[0]!;
  });
  const losses = p.map((value, k) => {
    const q = Math.max(Math.min(value, 1 - 1e-12), 1e-12);
    return s[k]! * -reference.log(Float64Array.of(y[chosen[k]!] === 1 ? q : 1 - q))[0]!;
  });
  const squares = p.map(
    (value, k) => s[k]! * ((value - y[chosen[k]!]!) * (value - y[chosen[k]!]!)),
  );
  const right = p.map((value, k) =>
    Number(value >= Number(PARAMS.threshold)) === y[chosen[k]!] ? s[k]! : 0,
  );
  const most = Math.max(...s);
  return {
    loss: sum(losses, 27.7 * most).value / sumOfWeights(s),
    brier: sum(squares, most).value / sumOfWeights(s),
    right: sum(right, most).value,
  };
}

// The model file.

function npy(descr: string, shape: string, data: readonly Uint8Array[]): Buffer {
  const told = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const total = Math.ceil((10 + told.length + 1) / 64) * 64;
  const magic = Buffer.from("\x93NUMPY\x01\x00", "latin1");
  return Buffer.concat([
    magic,
    u16(total - 10),
    Buffer.from(`${told.padEnd(total - 11)}\n`),
    ...data,
  ]);
}

function npyOfTexts(shape: string, texts: readonly string[]): Buffer {
  const width = Math.max(1, ...texts.map((one) => [...one].length));
  const data = texts.flatMap((one) =>
    Array.from({ length: width }, (_, k) => u32([...one][k]?.codePointAt(0) ?? 0)),
  );
  return npy(`<U${width}`, shape, data);
}

const spec = JSON.stringify({
  classes,
  columns: features.map((name) => ({ as: "number", name })),
  format: 1,
  label: header!.at(-1),
  threshold: Number(PARAMS.threshold),
});
const members: Record<string, Buffer> = {
  w: npy("<f8", `(${features.length},)`, final.slice(0, -1).map(f64)),
  b: npy("<f8", "()", [f64(final.at(-1)!)]),
  mean: npy(
    "<f8",
    `(${features.length},)`,
    columns.map(({ mean }) => f64(mean)),
  ),
  std: npy(
    "<f8",
    `(${features.length},)`,
    columns.map(({ std }) => f64(std)),
  ),
  feature_names: npyOfTexts(`(${features.length},)`, features),
  class_names: npyOfTexts("(2,)", classes),
  spec: npyOfTexts("()", [spec]),
};

function npz(): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [key, bytes] of Object.entries(members)) {
    const name = Buffer.from(`${key}.npy`);
    const shared = Buffer.concat([
      ...[20, 0, 0, 0, 0x0021].map(u16), // version needed, flags, method, time, date
      ...[crc32(bytes), bytes.length, bytes.length].map(u32),
      ...[name.length, 0].map(u16), // extra field
    ]);
    local.push(Buffer.concat([u32(0x04034b50), shared, name, bytes]));
    const tail = [...[0, 0, 0].map(u16), u32(0x01800000), u32(at), name]; // comment, disk, attributes
    central.push(Buffer.concat([u32(0x02014b50), u16(0x0314), shared, ...tail]));
    at += local.at(-1)!.length;
  }
  const directory = Buffer.concat(central);
  const counts = [0, 0, central.length, central.length].map(u16);
  const end = [u32(0x06054b50), ...counts, u32(directory.length), u32(at), u16(0)];
  return Buffer.concat([...local, directory, ...end]);
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const numbered = (list: readonly Uint8Array[]) =>
  Object.fromEntries(list.map((bytes, i) => [String(i + 1), hex(bytes)]));
const listed = (numbers: readonly number[]) => numbers.map(toHex).join(" ");
const placed = (list: Iterable<number>) =>
  [...list]
    .map((i) => i + 1)
    .sort((a, b) => a - b)
    .join(" ");

/** Every example but the table and the parameters, made from CONTRACT.md's words. */
function own(): Record<string, Record<string, string>> {
  const functions = Object.keys(values("functions")).map((call) => {
    const [, name, x] = /^(\w+)\((\w+)\)$/.exec(call)!;
    const result = reference[name as "exp" | "log" | "sigmoid"](Float64Array.of(fromHex(x!)));
    return [call, toHex(result[0]!)] as const;
  });
  const terms = values("sum").terms!.split(" ").map(fromHex);
  const B = fromHex(values("sum").B!);
  const added = sum(terms, B);
  const K = (one: OwnFold) => one.k.reduce((total, k) => total + k, 0n);
  const limbs = (one: OwnFold) => `${K(one) >> 32n} ${K(one) & 0xffffffffn}`;
  const ended = judge(training);
  const validated = judge([...validation]);
  const { scaled: filled, bound: filledBound, ...withMissing } = standardise(gaps);
  const weighted = judge(training, descend(steps[0]!, weights), weights);
  const table = expTable();
  const words = (i: number) => table[i]!.map((word) => word.toString(16).padStart(16, "0"));
  return {
    "exp-table": {
      ...Object.fromEntries([1, 64, 127].map((i) => [`tail and head of ${i}`, words(i).join(" ")])),
      "SHA-256": hex(sha256(...table.flat().map(u64))),
    },
    functions: Object.fromEntries(functions),
    sum: {
      B: toHex(B),
      terms: listed(terms),
      E: String(exponentOf(B)),
      q: toHex(2 ** added.first.e),
      M: toHex(1.5 * 2 ** 52 * 2 ** added.first.e),
      "v|1": listed(terms.map((v) => fromBits(toBits(v) | 1n))),
      k: added.first.k.join(" "),
      r: listed(added.first.rest),
      "q of the second fold": toHex(2 ** added.second.e),
      "M of the second fold": toHex(1.5 * 2 ** 52 * 2 ** added.second.e),
      "r|1": listed(added.first.rest.map((r) => fromBits(toBits(r) | 1n))),
      "k of the second fold": added.second.k.join(" "),
      "first total": String(K(added.first)),
      "its limbs": limbs(added.first),
      "second total": String(K(added.second)),
      "limbs of the second": limbs(added.second),
      "first fold": toHex(added.first.value),
      "second fold": toHex(added.second.value),
      result: toHex(added.value),
      "plain addition": toHex(terms.reduce((one, v) => one + v, 0)),
      "plain addition backwards": toHex(terms.reduceRight((one, v) => one + v, 0)),
    },
    "row-messages": Object.fromEntries([1, 4].map((row) => [String(row), hex(messages[row - 1]!)])),
    "row-digests": numbered(digests),
    "content-digest": {
      header: head,
      "an empty bucket": hex(sha256()),
      ...Object.fromEntries(
        [...new Set(digests.map((digest) => digest[0]!))]
          .sort((a, b) => a - b)
          .map((i) => [`bucket ${i.toString(16).padStart(2, "0")}`, hex(buckets[i]!)]),
      ),
      "content digest": hex(sha256(head, Uint8Array.of(0), ...buckets)),
      "file digest": hex(sha256(block("table"))),
    },
    "split-keys": numbered(keys),
    split: {
      "k of each class": classes
        .map((_, label) =>
          Math.floor(Number(PARAMS.val_fraction) * y.filter((one) => one === label).length + 0.5),
        )
        .join(" "),
      "validation rows": placed(validation),
      "training rows": placed(training),
    },
    moments: Object.fromEntries(
      columns.flatMap(({ scaled, bound, ...moments }, j) => [
        ...Object.entries(moments).map(([name, value]) => [`${name} ${j}`, toHex(value)] as const),
        [`scaled ${j}`, listed(scaled)] as const,
        [`B ${j}`, toHex(bound)] as const,
      ]),
    ),
    "moments-with-missing": {
      "missing rows": missing.join(" "),
      ...Object.fromEntries(
        Object.entries(withMissing).map(([name, value]) => [name, toHex(value)]),
      ),
      scaled: listed(filled),
      B: toHex(filledBound),
    },
    training: {
      "totals of the first pass": totals(steps[0]!)
        .map((total) => total.K)
        .join(" "),
      "exponents of q": totals(steps[0]!)
        .map((total) => total.e)
        .join(" "),
      "gradient at step 0": listed(meanGradient(steps[0]!)),
      ...Object.fromEntries(steps.map((w, step) => [`weights at step ${step}`, listed(w)])),
      "max|gradient| at the end": toHex(Math.max(...meanGradient(final).map(Math.abs))),
      train_loss: toHex(ended.loss),
      train_brier: toHex(ended.brier),
      val_loss: toHex(validated.loss),
      val_brier: toHex(validated.brier),
    },
    weighted: {
      s: listed(weights),
      "max s": toHex(Math.max(...weights)),
      "sum of s": toHex(sumOfWeights(weights)),
      "bounds of the gradient": listed(boundsOf(weights)),
      "s*(p - y)": listed(residuals(steps[0]!, weights)),
      "totals of the first pass": totals(steps[0]!, weights)
        .map((total) => total.K)
        .join(" "),
      "exponents of q": totals(steps[0]!, weights)
        .map((total) => total.e)
        .join(" "),
      "gradient at step 0": listed(meanGradient(steps[0]!, weights)),
      "weights at step 1": listed(descend(steps[0]!, weights)),
      "loss at step 1": toHex(weighted.loss),
      "brier at step 1": toHex(weighted.brier),
      "right at step 1": toHex(weighted.right),
    },
    model: {
      spec,
      ...Object.fromEntries(
        Object.entries(members).map(([key, bytes]) => [`${key}.npy`, hex(sha256(bytes))]),
      ),
      "model digest": hex(
        sha256(
          ...["spec", "feature_names", "class_names", "mean", "std", "w", "b"].map(
            (key) => members[key]!,
          ),
        ),
      ),
      "bytes of model.npz": String(npz().length),
      "SHA-256 of model.npz": hex(sha256(npz())),
    },
  };
}

describe("CONTRACT.md's worked examples, made again from its words", () => {
  const expected = own();

  it.each(Object.keys(expected))("%s", (name) => {
    expect(values(name)).toEqual(expected[name]);
  });

  it("has no other examples", () => {
    expect([...blocks.keys()].sort()).toEqual(
      [...Object.keys(expected), "table", "parameters"].sort(),
    );
  });

  it("holds what it is meant to show", () => {
    expect(block("table")).toMatch(/,-0,/);
    expect(messages.some((message, i) => i > 0 && message.equals(messages[i - 1]!))).toBe(true);
    expect(validation.size).toBe(2);
    expect(weights).toContain(0);
    expect(new Set(weights).size).toBeGreaterThan(2);
    expect(gaps.filter(Number.isNaN)).toHaveLength(2);
    const { "plain addition": forwards, "plain addition backwards": backwards } = values("sum");
    expect(forwards).not.toBe(backwards);
    // The group of equal rows comes first among its class and does not fit, so the next row is taken.
    const smallest = keys
      .map((key) => key.toString("hex"))
      .filter((_, i) => y[i] === 0)
      .sort();
    expect(smallest[0]).toBe(smallest[1]);
  });

  it("N4 by integers alone is what the core adds up", () => {
    const core = new Core(loadCore());
    const random = createRandom(11);
    for (const bound of [1, 0.3, 27.7, 2 ** -40, 3e200]) {
      for (const n of [1, 7, 300]) {
        const terms = randomTerms(random, n, bound);
        expect(toHex(core.sum(terms, bound))).toBe(toHex(sum([...terms], bound).value));
      }
    }
  });
});

describe("CONTRACT.md's worked examples, by src", () => {
  const reader = new CsvReader({ label: header!.at(-1)! });
  reader.push(new TextEncoder().encode(block("table")));
  const table = reader.end();
  const ordered = orderClasses(table.labels);
  const dataset = {
    name: "example",
    features: table.features,
    columns: table.columns as readonly Float64Array[], // numbers all
    label: header!.at(-1)!,
    classes: ordered,
    y: table.labelCodes.map((code) => Number(table.labels[code] === ordered[1])),
    rowCount: table.rowCount,
    warnings: [],
  };
  const rowDigests = digestRows(dataset);

  it.each(["simd", "scalar"] as const)("functions and sums of the %s build", (build) => {
    const core = new Core(loadCore(build));
    for (const [call, result] of Object.entries(values("functions"))) {
      const [, name, x] = /^(\w+)\((\w+)\)$/.exec(call)!;
      const made = core[name as "exp" | "log" | "sigmoid"](Float64Array.of(fromHex(x!)));
      expect(toHex(made[0]!), call).toBe(result);
    }
    const { terms, B, result } = values("sum");
    const given = Float64Array.from(terms!.split(" "), fromHex);
    expect(toHex(core.sum(given, fromHex(B!)))).toBe(result);
    expect(toHex(core.sum(given.toReversed(), fromHex(B!)))).toBe(result);
  });

  it.each(["simd", "scalar"] as const)(
    "missing values and row weights of the %s build",
    (build) => {
      const core = new Core(loadCore(build));
      const index = Uint32Array.from(training);
      const numbers = features.map((_, j) => Float64Array.from(rows, ({ x }) => x[j]!));
      const optional = numbers[0]!.map((x, i) => (missing.includes(i + 1) ? Number.NaN : x));
      const gapped = values("moments-with-missing");
      const found = core.moments("0", { optional }, index);
      for (const [name, value] of Object.entries(found)) expect(toHex(value)).toBe(gapped[name]);
      // A weight of 1 and a bias of 0: the logit is the scaled value.
      const scaled = core
        .rows({
          columns: [{ optional }],
          mean: Float64Array.of(found.mean),
          std: Float64Array.of(found.std),
          index,
        })
        .predict(Float64Array.of(1, 0)).logits;
      expect(listed([...scaled])).toBe(gapped.scaled);

      const said = values("weighted");
      const s = new Float64Array(rows.length);
      training.forEach((i, k) => {
        s[i] = weights[k]!;
      });
      const chosen = core.rows({
        columns: numbers,
        mean: Float64Array.from(columns, ({ mean }) => mean),
        std: Float64Array.from(columns, ({ std }) => std),
        y: Uint8Array.from(y),
        index,
        weights: s,
      });
      expect(toHex(chosen.weight)).toBe(said["sum of s"]);
      const bounds = Float64Array.from(columns, ({ bound }) => bound);
      const start = new Float64Array(features.length + 1);
      const [lr, l2] = [Number(PARAMS.lr), Number(PARAMS.l2)];
      expect(listed([...chosen.gradient(start, bounds, l2)])).toBe(said["gradient at step 0"]);
      const moved = chosen.descend(start, bounds, { lr, l2, steps: 1 });
      expect(listed([...moved])).toBe(said["weights at step 1"]);
      const { loss, brier, correct } = chosen.score(moved, Number(PARAMS.threshold));
      expect(toHex(loss)).toBe(said["loss at step 1"]);
      expect(toHex(brier)).toBe(said["brier at step 1"]);
      expect(toHex(correct)).toBe(said["right at step 1"]);
    },
  );

  it("digests and split", () => {
    const made = Array.from({ length: table.rowCount }, (_, i) =>
      rowDigests.subarray(32 * i, 32 * i + 32),
    );
    expect(numbered(made)).toEqual(values("row-digests"));
    expect(contentDigest(dataset, rowDigests)).toBe(values("content-digest")["content digest"]);
    const { train: chosen, validation: held } = splitRows(rowDigests, dataset.y, {
      fraction: Number(PARAMS.val_fraction),
      seed: Number(PARAMS.seed),
    });
    expect(placed(held)).toBe(values("split")["validation rows"]);
    expect(placed(chosen)).toBe(values("split")["training rows"]);
  });

  it.each(["simd", "scalar"] as const)("training and model of the %s build", async (build) => {
    const params = {
      ...DEFAULT_PARAMS,
      lr: Number(PARAMS.lr),
      iterations: Number(PARAMS.iterations),
      l2: Number(PARAMS.l2),
      valFraction: Number(PARAMS.val_fraction),
      seed: Number(PARAMS.seed),
      threshold: Number(PARAMS.threshold),
    };
    const said = values("training");
    for (let iterations = 1; iterations <= params.iterations; iterations++) {
      const { model } = await train(loadCore(build), dataset, { ...params, iterations });
      expect(listed([...model.w, model.b])).toBe(said[`weights at step ${iterations}`]);
    }
    const result = await train(loadCore(build), dataset, params);
    const moments = values("moments");
    features.forEach((_, j) => {
      expect(toHex(result.model.mean[j]!)).toBe(moments[`mean ${j}`]);
      expect(toHex(result.model.std[j]!)).toBe(moments[`std ${j}`]);
    });
    expect(toHex(result.gradientMax)).toBe(said["max|gradient| at the end"]);
    expect(toHex(result.train.loss!)).toBe(said.train_loss);
    expect(toHex(result.train.brier!)).toBe(said.train_brier);
    expect(toHex(result.validation.loss!)).toBe(said.val_loss);
    expect(toHex(result.validation.brier!)).toBe(said.val_brier);
    expect(result.contentDigest).toBe(values("content-digest")["content digest"]);
    expect(result.modelDigest).toBe(values("model")["model digest"]);
    expect(hex(sha256(result.modelBytes))).toBe(values("model")["SHA-256 of model.npz"]);
  });
});
