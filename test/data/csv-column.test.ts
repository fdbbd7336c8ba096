// Is each text of a column found again by its bytes, however many there are, and also where somebody made them collide?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Texts } from "../../src/data/csv-column.ts";
import { check, createRandom, readTableOf, SEED, shuffled } from "./support.ts";

const SELECTION = { label: null, infer: true, missingTokens: ["?"] };

/** The texts of column c, row by row, null where they are missing. */
function textsOf(rows: readonly string[], sizes?: number | readonly number[]): (string | null)[] {
  const text = `c,x\n${rows.map((row, i) => `${row},${i % 7}\n`).join("")}`;
  const { codes, texts } = readTableOf(text, SELECTION, sizes).columns[0] as Texts;
  expect(new Set(texts).size).toBe(texts.length);
  return Array.from(codes, (code) => (code < 0 ? null : texts[code]!));
}

const trimmed = (row: string) => {
  const text = row.replace(/^[ \t]+|[ \t]+$/g, "");
  return text === "" || text === "?" ? null : text;
};

/** FNV-1a of 32 bits, as the reader takes it of a cell's bytes. @param text ASCII */
function hashFrom(state: number, text: string): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** 2^k texts of one hash: of each of k places two blocks lead to the same state, and either may stand there (Joux 2004). */
function collidingTexts(k: number): string[] {
  let state = 0x811c9dc5 | 0;
  const pairs = Array.from({ length: k }, () => {
    const seen = new Map<number, string>();
    for (let i = 0; ; i++) {
      const block = i.toString(36).padStart(4, "_");
      const hash = hashFrom(state, block);
      const other = seen.get(hash);
      if (other !== undefined) {
        state = hash;
        return [other, block] as const;
      }
      seen.set(hash, block);
    }
  });
  return Array.from({ length: 2 ** k }, (_, i) =>
    pairs.map(([zero, one], place) => ((i >> place) & 1 ? one : zero)).join(""),
  );
}

describe("the texts of a column", () => {
  test(`are those that stand there, without blanks round them, seed ${SEED}`, () => {
    const cell = fc.oneof(
      fc.constantFrom(
        "a",
        "ab",
        "abc",
        "a b",
        " a",
        "a ",
        "\ta",
        "",
        " ",
        "?",
        " ? ",
        "??",
        "é",
        "ée",
        "\u{1F347}",
      ),
      fc.stringMatching(/^[a-c ]{0,8}$/),
    );
    const rows = fc.array(cell, { minLength: 1, maxLength: 60 });
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
    check(
      fc.property(rows, sizes, (some, chunks) => {
        // A text first, or the column may be one of missing numbers.
        const all = ["text", ...some];
        expect(textsOf(all, chunks)).toEqual(all.map(trimmed));
      }),
      300,
    );
  });

  test("are found again among many thousands, also where they begin alike", () => {
    const random = createRandom();
    for (const prefix of [
      "",
      "the same beginning of all; long enough to be past any first look: ",
    ]) {
      const distinct = Array.from(
        { length: 20_000 },
        (_, i) => `${prefix}${(i * 2654435761) % 2 ** 32}x`,
      );
      const rows = [...distinct, ...shuffled(distinct, random)];
      expect(textsOf(rows).join("\n") === rows.join("\n")).toBe(true);
    }
  });

  test("are found again in time that grows with their number where they were made to collide", () => {
    const distinct = collidingTexts(15);
    expect(new Set(distinct).size).toBe(2 ** 15);
    expect(new Set(distinct.map((text) => hashFrom(0x811c9dc5 | 0, text))).size).toBe(1);
    // Looking at all that collide would take 3·2^29 comparisons, some minutes: the time that a test has is not enough.
    const rows = [...distinct, ...distinct.toReversed(), ...distinct];
    expect(textsOf(rows).join("\n") === rows.join("\n")).toBe(true);
  });
});
