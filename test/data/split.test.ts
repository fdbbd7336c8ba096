// Is the split that of N9: by content, the same in any row order, equal rows together, a training row in each class?
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitRows } from "../../src/data/split.ts";
import { validationOf } from "./oracle.ts";
import { check, createRandom, SEED, shuffled } from "./support.ts";

interface Row {
  digest: Buffer;
  label: string;
}

/** Equal numbers of one class are equal rows: the label is part of a row's digest. */
function rowOf(content: number, label: 0 | 1): Row {
  const digest = createHash("sha256").update(`${content},${label}`).digest();
  return { digest, label: String(label) };
}

function split(rows: readonly Row[], fraction: number, seed: number) {
  const digests = new Uint8Array(Buffer.concat(rows.map((row) => row.digest)));
  const y = Uint8Array.from(rows, (row) => Number(row.label));
  const { train, validation } = splitRows(digests, y, { fraction, seed });
  return { train: [...train], validation: [...validation] };
}

const rowsFrom = (contents: readonly (readonly [number, 0 | 1])[]) =>
  contents.map(([content, label]) => rowOf(content, label));

const label = fc.constantFrom<0 | 1>(0, 1);
/** Some rows many times, some once. */
const rows = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 30 }), label), { maxLength: 60 })
  .map(rowsFrom);
/** No two rows equal. */
const singles = fc
  .array(label, { maxLength: 60 })
  .map((labels) => labels.map((y, i) => rowOf(i, y)));
const fraction = fc.oneof(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom(0, 0.2, 0.25, 0.5, 1 - 2 ** -53),
);
const seed = fc.oneof(fc.constantFrom(0, 1, 42, 2 ** 32, 2 ** 53 - 1), fc.maxSafeNat());

const contentsOf = (all: readonly Row[], indexes: readonly number[]) =>
  indexes.map((i) => all[i]!.digest.toString("hex")).sort();

describe(`splitRows(), seed ${SEED}`, () => {
  test("is the split of the specification, recomputed from its words", () => {
    check(
      fc.property(rows, fraction, seed, (all, f, s) => {
        const { train, validation } = split(all, f, s);
        expect(validation).toEqual(validationOf(all, f, BigInt(s)));
        const both = [...train, ...validation].sort((a, b) => a - b);
        expect(both).toEqual(all.map((_, i) => i));
        expect(train).toEqual([...train].sort((a, b) => a - b));
      }),
      500,
    );
  });

  test("does not depend on the order of rows", () => {
    const random = createRandom();
    check(
      fc.property(rows, fraction, seed, (all, f, s) => {
        const other = shuffled(all, random);
        expect(contentsOf(other, split(other, f, s).validation)).toEqual(
          contentsOf(all, split(all, f, s).validation),
        );
      }),
      300,
    );
  });

  test("never has equal rows on both sides, and leaves each class a training row", () => {
    check(
      fc.property(rows, fraction, seed, (all, f, s) => {
        const { train, validation } = split(all, f, s);
        const trained = new Set(contentsOf(all, train));
        expect(contentsOf(all, validation).filter((digest) => trained.has(digest))).toEqual([]);
        for (const { label } of all) {
          expect(train.some((i) => all[i]!.label === label)).toBe(true);
          const count = all.filter((row) => row.label === label).length;
          const taken = validation.filter((i) => all[i]!.label === label).length;
          expect(taken).toBeLessThanOrEqual(Math.floor(f * count + 0.5));
        }
      }),
      500,
    );
  });

  test("takes exactly the fraction of each class, rounded, where no rows are equal", () => {
    check(
      fc.property(singles, fraction, seed, (all, f, s) => {
        const { validation } = split(all, f, s);
        for (const label of ["0", "1"]) {
          const count = all.filter((row) => row.label === label).length;
          const wanted = Math.max(0, Math.min(Math.floor(f * count + 0.5), count - 1));
          expect(validation.filter((i) => all[i]!.label === label)).toHaveLength(wanted);
        }
      }),
      300,
    );
  });

  test("moves at most as many rows as are appended, all of one class the same way", () => {
    // The validation rows of a class are the first k of its keys. With m rows more these are the first k', and
    // k ≤ k' ≤ k + m; s ≤ m of them are new: of the old rows the first k' - s. So |k' - s - k| ≤ m rows move.
    check(
      fc.property(
        singles,
        fc.array(label, { maxLength: 20 }),
        fraction,
        seed,
        (all, more, f, s) => {
          const before = new Set(split(all, f, s).validation);
          const longer = [...all, ...more.map((y, i) => rowOf(1000 + i, y))];
          const after = new Set(split(longer, f, s).validation);
          for (const [y, label] of (["0", "1"] as const).entries()) {
            const old = all.map((_, i) => i).filter((i) => all[i]!.label === label);
            const gone = old.filter((i) => before.has(i) && !after.has(i)).length;
            const come = old.filter((i) => !before.has(i) && after.has(i)).length;
            expect(Math.min(gone, come)).toBe(0);
            expect(Math.max(gone, come)).toBeLessThanOrEqual(more.filter((m) => m === y).length);
          }
        },
      ),
      400,
    );
  });

  test("differs from seed to seed, and is the same for the same", () => {
    const all = Array.from({ length: 200 }, (_, i) => rowOf(i, (i % 2) as 0 | 1));
    const splits = Array.from({ length: 20 }, (_, s) => split(all, 0.2, s).validation.join());
    expect(new Set(splits).size).toBe(20);
    expect(split(all, 0.2, 7).validation.join()).toBe(splits[7]);
  });

  test("chooses at random: over many seeds each row validates as often as the fraction says", () => {
    const all = Array.from({ length: 50 }, (_, i) => rowOf(i, 0));
    const counts = new Array<number>(50).fill(0);
    const seeds = 400;
    for (let s = 0; s < seeds; s++) for (const i of split(all, 0.2, s).validation) counts[i]!++;
    // 80 expected; the binomial deviation is 8, and 50 rows stay within 5 of them.
    for (const count of counts) expect(Math.abs(count - 80)).toBeLessThan(40);
  });
});

describe("splitRows()", () => {
  test("trains on every row when the fraction is 0", () => {
    const all = [rowOf(1, 0), rowOf(2, 0), rowOf(3, 1)];
    expect(split(all, 0, 42)).toEqual({ train: [0, 1, 2], validation: [] });
    expect(split([], 0, 42)).toEqual({ train: [], validation: [] });
    expect(split([], 0.5, 42)).toEqual({ train: [], validation: [] });
  });

  // biome-ignore format: one line a case
  test.each<[what: string, contents: [number, 0 | 1][], fraction: number, counts: [number, number]]>([
    ["one row a class", [[1, 0], [1, 1]], 0.9, [0, 0]],
    ["two rows a class at one half", [[1, 0], [2, 0], [1, 1], [2, 1]], 0.5, [1, 1]],
    ["two rows a class, nearly all", [[1, 0], [2, 0], [1, 1], [2, 1]], 0.99, [1, 1]],
    ["two rows a class at a fifth, which rounds to none", [[1, 0], [2, 0], [1, 1], [2, 1]], 0.2, [0, 0]],
    ["a half, which rounds up", [[1, 0], [2, 0], [1, 1], [2, 1]], 0.25, [1, 1]],
    ["just under a half", [[1, 0], [2, 0], [1, 1], [2, 1]], 0.2499999, [0, 0]],
    ["equal rows only", [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], 0.9, [0, 0]],
    ["three equal rows and one more, of which the pair does not fit", [[1, 0], [1, 0], [1, 0], [2, 0], [1, 1]], 0.25, [1, 0]],
    ["a class without rows", [[1, 0], [2, 0], [3, 0], [4, 0]], 0.5, [2, 0]],
  ])("%s", (_, contents, f, counts) => {
    const all = rowsFrom(contents);
    for (let s = 0; s < 10; s++) {
      const { validation } = split(all, f, s);
      const found = [0, 1].map((y) => validation.filter((i) => contents[i]![1] === y).length);
      expect(found).toEqual(counts);
    }
  });

  test.each([-0.1, 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses the fraction %s",
    (f) => {
      const says = `Cannot split as the fraction must be in [0, 1): current value is ${f}`;
      expect(() => split([], f, 42)).toThrow(new RangeError(says));
    },
  );

  test.each([-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses the seed %s",
    (s) => {
      for (const f of [0, 0.5]) {
        expect(() => split([], f, s)).toThrow(RangeError);
        expect(() => split([], f, s)).toThrow(/whole number from 0.*: current value is /);
      }
    },
  );
});
