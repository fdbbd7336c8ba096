// Are the digests of rows with texts, gaps and weights those of CONTRACT.md (N10), in any order and by any hasher?
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { type Dataset, inputsOf, weightsFromArray } from "../../src/data/dataset.ts";
import { contentDigest, digestRows } from "../../src/data/digest.ts";
import { datasetFromObjects } from "../../src/data/objects.ts";
import { splitRows } from "../../src/data/split.ts";
import { check, createRandom, hexOf, SEED, shuffled } from "./support.ts";
import { csvOf, datasetOf, type TextOptions } from "./tables.ts";

const core = new Core(loadCore());

// The oracle: from the words of N10 and Node's own SHA-256 alone.

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

type Value = number | string | null;

function cellOf(value: Value): Buffer {
  if (value === null) return Buffer.of(0);
  if (typeof value === "number") {
    const cell = Buffer.alloc(9);
    cell[0] = 1;
    cell.writeDoubleLE(value + 0, 1);
    return cell;
  }
  const utf8 = Buffer.from(value, "utf8");
  const head = Buffer.alloc(5);
  head[0] = 2;
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}

const rowOracle = (values: readonly Value[], label: string) =>
  sha256(...values.map(cellOf), cellOf(label));

function contentOracle(
  header: { classes: string[]; columns: string[]; label: string; weight?: string },
  digests: readonly Buffer[],
  weights?: readonly number[],
): string {
  const rows = weights ? digests.map((digest, i) => sha256(digest, cellOf(weights[i]!))) : digests;
  const buckets = Array.from({ length: 256 }, (_, first) =>
    sha256(...rows.filter((digest) => digest[0] === first).sort(Buffer.compare)),
  );
  // The keys happen to be sorted as RFC 8785 wants them, and so are the classes by their bytes.
  return sha256(Buffer.from(JSON.stringify(header), "utf8"), Buffer.of(0), ...buckets).toString(
    "hex",
  );
}

const digestOf = (dataset: Dataset) => contentDigest(dataset, digestRows(dataset));

interface Row {
  readonly x: number | null;
  readonly c: string | null;
  readonly d: string;
  readonly w: number;
  readonly label: string;
}

const HEADER = ["x", "c", "w", "d", "y"];

function tableOf(rows: readonly Row[]): string {
  return csvOf([
    HEADER,
    ...rows.map(({ x, c, w, d, label }) => [
      x === null ? "" : String(x),
      c ?? "?",
      String(w),
      d,
      label,
    ]),
  ]);
}

const OPTIONS: TextOptions = { missing: "indicator", categorical: ["c", "d"], numeric: ["x"] };
const WEIGHTED: TextOptions = { ...OPTIONS, weight: "w" };

const valuesOf = ({ x, c, d }: Row): Value[] => [x, c, d];

/** Two rows first that make both classes, two levels each and one weight above 0; some rows twice. */
const tables: fc.Arbitrary<Row[]> = fc
  .tuple(
    fc.array(
      fc.record({
        x: fc.oneof(
          fc.constant(null),
          fc.constantFrom(0, 1, -1.5, 1e300, 5e-324),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        ),
        c: fc.constantFrom(null, "a", "b", "\u{1F347}", "ß".repeat(30), "e\u0301", "x".repeat(64)),
        d: fc.constantFrom("p", "q", "y".repeat(17)),
        w: fc.constantFrom(0, 0.5, 1, 1, 3, 1e-9),
        label: fc.constantFrom("n", "p"),
      }),
      { maxLength: 24 },
    ),
    fc.array(fc.nat(), { maxLength: 8 }),
  )
  .map(([rows, copies]) => {
    const all: Row[] = [
      { x: 1, c: "a", d: "p", w: 1, label: "n" },
      { x: 2, c: "b", d: "q", w: 2, label: "p" },
      ...rows,
    ];
    return [...all, ...copies.map((k) => all[k % all.length]!)];
  })
  .map((rows) => rows.map((row) => (row.x === null ? row : { ...row, x: row.x + 0 })));

const header = { classes: ["n", "p"], columns: ["x", "c", "d"], label: "y" };

describe(`digests of a table, seed ${SEED}`, () => {
  test("are those of the specification, recomputed from its words", () => {
    const met = { missing: 0, texts: 0 };
    check(
      fc.property(tables, (rows) => {
        const dataset = datasetOf(tableOf(rows), { ...OPTIONS, drop: ["w"] });
        const expected = rows.map((row) => rowOracle(valuesOf(row), row.label));
        for (const hasher of [undefined, core]) {
          expect(hexOf(digestRows(dataset, hasher))).toBe(hexOf(Buffer.concat(expected)));
        }
        expect(digestOf(dataset)).toBe(contentOracle(header, expected));
        met.missing += rows.filter(({ x, c }) => x === null || c === null).length;
        met.texts += new Set(rows.map(({ c }) => c)).size;
      }),
      200,
    );
    expect(met.missing).toBeGreaterThan(200);
    expect(met.texts).toBeGreaterThan(400);
  });

  test("take weights into the content, and not into the rows", () => {
    check(
      fc.property(tables, (rows) => {
        const dataset = datasetOf(tableOf(rows), WEIGHTED);
        const expected = rows.map((row) => rowOracle(valuesOf(row), row.label));
        const digests = digestRows(dataset);
        expect(hexOf(digests)).toBe(hexOf(Buffer.concat(expected)));
        const content = contentOracle(
          { ...header, weight: "w" },
          expected,
          rows.map(({ w }) => w),
        );
        expect(contentDigest(dataset, digests)).toBe(content);
        expect(contentDigest(dataset, digests, undefined, core)).toBe(content);
      }),
      200,
    );
  });

  test("do not depend on the order of rows, but on how often each is there", () => {
    check(
      fc.property(tables, fc.nat(), (rows, seed) => {
        const other = shuffled(rows, createRandom(seed));
        for (const options of [WEIGHTED, { ...OPTIONS, drop: ["w"] }]) {
          const digest = digestOf(datasetOf(tableOf(rows), options));
          expect(digestOf(datasetOf(tableOf(other), options))).toBe(digest);
          expect(digestOf(datasetOf(tableOf([...rows, rows[0]!]), options))).not.toBe(digest);
        }
      }),
      100,
    );
  });

  test("keep equal rows together in the split, whatever they weigh", () => {
    let divided = 0;
    check(
      fc.property(
        tables,
        fc.integer({ min: 0, max: 50 }),
        fc.constantFrom(0.2, 0.5),
        (rows, seed, fraction) => {
          const dataset = datasetOf(tableOf(rows), WEIGHTED);
          const { train, validation } = splitRows(digestRows(dataset), dataset.y, {
            fraction,
            seed,
          });
          const keyOf = (i: number) => JSON.stringify([valuesOf(rows[i]!), rows[i]!.label]);
          const inTrain = new Set(Array.from(train, keyOf));
          expect(Array.from(validation, keyOf).filter((key) => inTrain.has(key))).toEqual([]);
          // How many rows would have been on both sides if their weights had a part in the split.
          divided +=
            new Set(rows.map((row, i) => `${keyOf(i)} ${row.w}`)).size -
            new Set(rows.map((_, i) => keyOf(i))).size;
        },
      ),
      200,
    );
    expect(divided).toBeGreaterThan(0);
  });
});

describe("a row digest", () => {
  const rows: Row[] = [
    { x: 1, c: "a", d: "p", w: 1, label: "n" },
    { x: 2, c: "b", d: "q", w: 1, label: "p" },
  ];
  const of = (change: Partial<Row>) => {
    const dataset = datasetOf(tableOf([...rows, { ...rows[0]!, ...change }]), {
      ...OPTIONS,
      drop: ["w"],
    });
    return hexOf(digestRows(dataset)).slice(128);
  };

  test("tells a missing cell from a number, a text, an empty row and each other place", () => {
    const digests = [
      of({}),
      of({ x: null }),
      of({ c: null }),
      of({ x: null, c: null }),
      of({ x: 0 }),
      of({ c: "0" }),
      of({ c: "?!" }),
      of({ c: "p", d: "a" }),
      of({ c: "ap", d: "p" }),
      of({ c: "a", d: "pp" }),
      of({ label: "p" }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(of({ x: -0 })).toBe(of({ x: 0 }));
  });

  test("does not know how a cell was written, nor in which dialect or token", () => {
    const one = datasetOf("x,c,y\n1.5, a ,n\n,b,p\n2,NA,n\n", { missing: "indicator" });
    const other = datasetOf('x;c;y\n"15e-1";"a";n\nnone;b;p\n2,0;none;n\n', {
      missing: "indicator",
      missingTokens: ["none"],
      dialect: { delimiter: ";", quote: '"', decimal: ",", thousands: null },
    });
    expect(hexOf(digestRows(other))).toBe(hexOf(digestRows(one)));
    expect(digestOf(other)).toBe(digestOf(one));
  });

  test("is over what is left after a drop, the rest, or columns left out", () => {
    const text = tableOf([...rows, { ...rows[0]!, x: null }, ...rows]);
    const dropped = datasetOf(text, { ...OPTIONS, missing: "drop", drop: ["w"] });
    const never = datasetOf(tableOf([...rows, ...rows]), { ...OPTIONS, drop: ["w"] });
    expect(hexOf(digestRows(dropped))).toBe(hexOf(digestRows(never)));
    const rest = datasetOf(tableOf([...rows, { ...rows[0]!, label: "q" }]), {
      ...OPTIONS,
      drop: ["w", "d"],
      positive: "n",
      rest: true,
    });
    const expected = [
      rowOracle([1, "a"], "n"),
      rowOracle([2, "b"], "not n"),
      rowOracle([1, "a"], "not n"),
    ];
    expect(hexOf(digestRows(rest))).toBe(hexOf(Buffer.concat(expected)));
    expect(digestOf(rest)).toBe(
      contentOracle({ classes: ["n", "not n"], columns: ["x", "c"], label: "y" }, expected),
    );
  });

  test("is right at every length at which a block of SHA-256 ends", () => {
    // A row is 9 bytes for x, 5 and the level, 6 for the label: levels of 1 to 140 pass two ends of blocks.
    const levels = Array.from({ length: 140 }, (_, k) => "z".repeat(k + 1));
    const text = csvOf([
      ["x", "c", "y"],
      ...levels.map((c, i) => [String(i % 3), c, i % 2 ? "p" : "n"]),
    ]);
    const dataset = datasetOf(text, { categorical: ["c"] });
    const expected = levels.map((c, i) => rowOracle([i % 3, c], i % 2 ? "p" : "n"));
    for (const hasher of [undefined, core]) {
      expect(hexOf(digestRows(dataset, hasher))).toBe(hexOf(Buffer.concat(expected)));
    }
  });

  test("is the same for many rows of few and of different lengths", () => {
    const many: Row[] = Array.from({ length: 3000 }, (_, i) => ({
      x: i % 5 === 0 ? null : (i * 7919) % 1000,
      c: i % 7 === 0 ? null : "l".repeat((i * 31) % 97) || "m",
      d: i % 2 ? "p" : "q",
      w: i % 4,
      label: i % 3 ? "n" : "p",
    }));
    const dataset = datasetOf(tableOf(many), WEIGHTED);
    const expected = many.map((row) => rowOracle(valuesOf(row), row.label));
    expect(hexOf(digestRows(dataset, core))).toBe(hexOf(Buffer.concat(expected)));
    expect(contentDigest(dataset, digestRows(dataset, core), undefined, core)).toBe(
      contentOracle(
        { ...header, weight: "w" },
        expected,
        many.map(({ w }) => w),
      ),
    );
  });
});

describe("a content digest", () => {
  const rows: Row[] = [
    { x: 1, c: "a", d: "p", w: 1, label: "n" },
    { x: 2, c: "b", d: "q", w: 2, label: "p" },
    { x: 1, c: "b", d: "q", w: 0, label: "p" },
  ];
  const weighted = datasetOf(tableOf(rows), WEIGHTED);

  test("changes with one weight, with whose weight it is, with their name, and with having any", () => {
    const change = (weights: number[], name = "w") =>
      digestOf({ ...weighted, weights: { name, values: Float64Array.from(weights) } });
    const plain = digestOf(datasetOf(tableOf(rows), { ...OPTIONS, drop: ["w"] }));
    const all = [
      digestOf(weighted),
      plain,
      change([1, 2, 5e-324]),
      change([2, 1, 0]),
      change([1, 0, 2]),
      change([1, 1, 1]),
      change([1, 2, 0], "v"),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(change([1, 2, 0])).toBe(all[0]);
  });

  test("does not know how a feature is encoded: that is the model's", () => {
    for (const options of [
      { base: "most-frequent" },
      { maxLevels: 1 },
      { unseen: "base" },
    ] as const) {
      expect(digestOf(datasetOf(tableOf(rows), { ...WEIGHTED, ...options }))).toBe(
        digestOf(weighted),
      );
    }
  });

  test("is that of the same rows as objects, weights of -0 and truth values among them", () => {
    const objects = rows.map(({ x, c, w, d, label }) => ({
      x,
      c,
      w: w === 0 ? -0 : w,
      d,
      y: label,
    }));
    const dataset = datasetFromObjects(objects, null, { label: "y", weight: "w" });
    expect(inputsOf(dataset).map(({ column }) => column.name)).toEqual(header.columns);
    expect(digestOf(dataset)).toBe(digestOf(weighted));
    expect(Object.is(weightsFromArray([-0, 1], 2).values[0], 0)).toBe(true);
    const flags = [true, false, true].map((ok, i) => ({ ok, y: i % 2 ? "p" : "n" }));
    const text = csvOf([["ok", "y"], ...flags.map(({ ok, y }) => [String(ok), y])]);
    expect(digestOf(datasetFromObjects(flags, null, { label: "y" }))).toBe(
      digestOf(datasetOf(text)),
    );
  });
});
