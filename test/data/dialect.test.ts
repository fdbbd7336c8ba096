// Are delimiter and quotes guessed as a reader would, do flags win over guesses, and is each way to write a number read?
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Texts } from "../../src/data/csv-column.ts";
import { CsvError } from "../../src/data/csv-error.ts";
import { formatRecord } from "../../src/data/csv-text.ts";
import {
  checkDialect,
  DIALECT_WORDS,
  type Dialect,
  type DialectKey,
  describeDialect,
  dialectOfWords,
  guessDialect,
  numberReader,
  PLAIN_DIALECT,
  SAMPLE_BYTES,
} from "../../src/data/dialect.ts";
import { readCsv, readTable } from "../../src/data/files.ts";
import { check, readTableOf, SEED, toBytes } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "raisin-dialect-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const guessOf = (text: string, given: Partial<Dialect> = {}) => guessDialect(toBytes(text), given);

describe("guessDialect()", () => {
  test.each<[name: string, text: string, delimiter: string, quote: string]>([
    ["commas", "a,b,y\n1,2,n\n", ",", '"'],
    ["semicolons", "a;b;y\n1;2;n\n", ";", '"'],
    ["tabs", "a\tb\ty\n1\t2\tn\n", "\t", '"'],
    ["pipes", "a|b|y\n1|2|n\n", "|", '"'],
    ["CRLF", "a;b;y\r\n1;2;n\r\n", ";", '"'],
    ["a byte order mark", "\uFEFFa;b;y\n1;2;n\n", ";", '"'],
    ["single quotes", "'a','b','y'\n'1','2','n'\n", ",", "'"],
    ["single quotes and semicolons", "'a';'b'\n1;2\n", ";", "'"],
    ["single quotes behind a byte order mark", "\uFEFF'a';'b'\n1;2\n", ";", "'"],
    ["a single-quoted header that is alone", "'a'\n1\n", ",", "'"],
    ["an apostrophe that is no quote", "'tis,b\n1,2\n", ",", '"'],
    ["an apostrophe in the first name", "it's,b\n1,2\n", ",", '"'],
    ["commas within quoted headers", '"a, b";"c, d, e";y\n1;2;n\n', ";", '"'],
    ["semicolons within quoted headers", '"a;b;c;d",y\n1,n\n', ",", '"'],
    ["delimiters within quoted cells", 'a,y\n"1;2;3;4",n\n"5;6;7;8",p\n', ",", '"'],
    ["a line end within quotes", '"a\nb;c";"d"\n1;2\n', ";", '"'],
    ["a doubled quote within quotes", '"a "";"" b",y\n1,n\n', ",", '"'],
    ["one column", "x\n1\n2\n", ",", '"'],
    ["one column of texts with commas", "x\na, b\nc\n", ",", '"'],
    ["a decimal comma between semicolons", "a;b;y\n1,5;2,5;n\n3,5;4,5;p\n", ";", '"'],
    ["decimal commas in each cell between tabs", "a\tb\n1,5\t2,5\n1,5\t2,5\n", "\t", '"'],
    ["thousands between semicolons", "a;y\n1,234,567;n\n2,345,678;p\n", ";", '"'],
    ["texts with semicolons between commas", "a,y\nu;v;w,n\nu,p\n", ",", '"'],
    ["times with other marks", "t,y\n10|20,n\n11|30,p\n", ",", '"'],
    ["as many of one as of another", "a,b;c\n1,2;3\n", ",", '"'],
    ["more of one than of another", "a,b;c;d\n1,2;3;4\n", ";", '"'],
    ["a row too short", "a;b;c\n1;2\n3;4;5\n", ";", '"'],
    ["a row too long", "a;b;c\n1;2;3;4\n", ";", '"'],
    ["blank lines first", "\n\r\n\na;b\n\n1;2\n", ";", '"'],
    ["no line end at the end", "a;b\n1;2", ";", '"'],
    ["a header only", "a;b", ";", '"'],
    ["nothing", "", ",", '"'],
    ["a byte order mark only", "\uFEFF", ",", '"'],
  ])("takes %s for what they are", (_, text, delimiter, quote) => {
    const { dialect, guesses } = guessOf(text);
    expect(dialect).toEqual({ delimiter, quote, decimal: ".", thousands: null });
    // What is not the usual is said, what is the usual is not.
    expect(guesses.filter((guess) => guess.includes("--delimiter"))).toHaveLength(
      Number(delimiter !== ","),
    );
    expect(guesses.filter((guess) => guess.includes("--quote"))).toHaveLength(
      Number(quote !== '"'),
    );
  });

  test("says in words which mark it took", () => {
    expect(guessOf("a\tb\n1\t2\n").guesses).toEqual(["fields are separated by tab (--delimiter)"]);
    expect(guessOf("'a';'b'\n1;2\n").guesses).toHaveLength(2);
  });

  test.each<[name: string, text: string, given: Partial<Dialect>, expected: Partial<Dialect>]>([
    ["a delimiter", "a;b\n1;2\n", { delimiter: "," }, { delimiter: "," }],
    ["a delimiter that is nowhere", "a;b\n1;2\n", { delimiter: "|" }, { delimiter: "|" }],
    ["double quotes", "'a','b'\n1,2\n", { quote: '"' }, { quote: '"' }],
    ["single quotes", '"a","b"\n1,2\n', { quote: "'" }, { quote: "'" }],
    ["no quotes", "'a','b'\n1,2\n", { quote: null }, { quote: null }],
    ["a decimal comma", "a;b\n1,5;2\n", { decimal: "," }, { decimal: ",", delimiter: ";" }],
    ["thousands", "a;b\n1.000;2\n", { decimal: ",", thousands: "." }, { thousands: "." }],
    ["no thousands", "a\n1\n", { thousands: null }, { thousands: null }],
  ])("lets %s that is given stand, and does not call it a guess", (_, text, given, expected) => {
    const { dialect, guesses } = guessOf(text, given);
    expect(dialect).toMatchObject(expected);
    for (const key of Object.keys(given)) expect(guesses.join()).not.toContain(`--${key}`);
  });

  test("reads quotes as it was told when it counts fields", () => {
    const text = `'a;b;c',"d"\n'1;2;3',"4"\n`;
    expect(guessOf(text, { quote: "'" }).dialect.delimiter).toBe(",");
    expect(guessOf(text, { quote: null }).dialect.delimiter).toBe(";");
  });

  test("looks at no more than its sample: what comes behind changes nothing", () => {
    const line = "1,5;2,5;n\n";
    const text = `a;b;y\n${line.repeat(Math.ceil(SAMPLE_BYTES / line.length))}`;
    const long = `${text}x,y,z,w\n`.repeat(2);
    expect(toBytes(text).length).toBeGreaterThan(SAMPLE_BYTES);
    expect(guessOf(long)).toEqual(guessOf(text));
    expect(guessOf(text).dialect.delimiter).toBe(";");
  });

  test("does not count a record that the sample cuts", () => {
    // One record longer than the sample: its first part has five commas, and is no whole record.
    const text = `a;b\n1;${"2,".repeat(5)}${"x".repeat(SAMPLE_BYTES)}\n`;
    expect(guessOf(text).dialect.delimiter).toBe(";");
  });

  test("takes bytes that are no UTF-8, and leaves the refusal to the reader", () => {
    const bytes = Uint8Array.of(0x61, 0x3b, 0xff, 0x0a, 0x31, 0x3b, 0x32, 0x0a);
    expect(guessDialect(bytes, {}).dialect.delimiter).toBe(";");
  });
});

describe("marks and words", () => {
  const keys = Object.keys(DIALECT_WORDS) as DialectKey[];

  test("name each other, for every dialect there is", () => {
    const all = keys.reduce<Record<string, string>[]>(
      (made, key) =>
        made.flatMap((words) =>
          Object.keys(DIALECT_WORDS[key]).map((word) => ({ ...words, [key]: word })),
        ),
      [{}],
    );
    expect(all).toHaveLength(4 * 3 * 2 * 5);
    for (const words of all) {
      const dialect = dialectOfWords(words as Record<DialectKey, string>)!;
      expect(describeDialect(dialect)).toEqual(words);
    }
  });

  test.each([
    ["an unknown word", { delimiter: "colon" }],
    ["a word of another mark", { decimal: "semicolon" }],
    ["what every object has", { quote: "constructor" }],
    ["another thing every object has", { thousands: "__proto__" }],
    ["a mark in place of its word", { delimiter: "," }],
    ["no word at all", { decimal: undefined }],
    ["a number", { thousands: 3 }],
  ])("are refused for %s", (_, wrong) => {
    const words = { delimiter: "comma", quote: "double", decimal: "point", thousands: "none" };
    expect(dialectOfWords(words)).toEqual(PLAIN_DIALECT);
    expect(dialectOfWords({ ...words, ...wrong } as Record<DialectKey, unknown>)).toBeNull();
  });
});

describe("checkDialect()", () => {
  test.each<[name: string, part: Partial<Dialect>]>([
    ["two characters between fields", { delimiter: "ab" }],
    ["nothing between fields", { delimiter: "" }],
    ["a letter", { delimiter: "x" }],
    ["a digit", { delimiter: "1" }],
    ["an underscore", { delimiter: "_" }],
    ["a blank", { delimiter: " " }],
    ["a line feed", { delimiter: "\n" }],
    ["a NUL", { delimiter: "\0" }],
    ["a character beyond ASCII", { delimiter: "§" }],
    ["the delimiter as quote", { quote: "," }],
    ["a letter as quote", { quote: "q" }],
    ["two quotes", { quote: '""' }],
    ["one mark for fraction and thousands", { decimal: ",", thousands: "," }],
    ["the point for both", { decimal: ".", thousands: "." }],
    ["an unknown mark before the fraction", { decimal: ":" as "." }],
    ["an unknown mark between thousands", { thousands: "_" }],
  ])("refuses %s", (_, part) => {
    expect(() => checkDialect({ ...PLAIN_DIALECT, ...part })).toThrow(TypeError);
  });

  test.each<[name: string, part: Partial<Dialect>]>([
    ["the usual", {}],
    ["a colon", { delimiter: ":" }],
    ["no quotes", { quote: null }],
    ["commas for fields and fractions", { decimal: "," }],
    ["a comma between thousands, and between fields", { thousands: "," }],
  ])("takes %s", (_, part) => {
    expect(() => checkDialect({ ...PLAIN_DIALECT, ...part })).not.toThrow();
  });

  test("is asked before a file is read", async () => {
    const path = fileOf("plain.csv", "a,y\n1,n\n2,p\n");
    const read = (given: Partial<Dialect>) => readTable(path, { label: "y" }, given);
    await expect(read({ delimiter: "ab" })).rejects.toThrow(TypeError);
    await expect(read({ decimal: ",", thousands: "," })).rejects.toThrow(TypeError);
    await expect(read({ delimiter: "," })).resolves.toMatchObject({ rowCount: 2 });
  });
});

/** Every way to write numbers that can be told. */
const WAYS: readonly Dialect[] = ([".", ","] as const).flatMap((decimal) =>
  [null, ",", ".", " ", "'"]
    .filter((thousands) => thousands !== decimal)
    .map((thousands) => ({ ...PLAIN_DIALECT, decimal, thousands })),
);

/**
 * CONTRACT.md, N8, letter by letter: what a text is as a number, NaN if it is none. Groups come after one to three
 * digits, all of three digits, and only in front of the fraction.
 */
function oracle(text: string, { decimal, thousands }: Dialect): number {
  let at = 0;
  let end = text.length;
  while (at < end && " \t".includes(text[at]!)) at++;
  while (end > at && " \t".includes(text[end - 1]!)) end--;
  const isDigit = (k: number) => k < end && text[k]! >= "0" && text[k]! <= "9";
  let plain = "";
  if (at < end && "+-".includes(text[at]!)) plain += text[at++];
  let whole = "";
  while (isDigit(at)) whole += text[at++];
  if (thousands !== null && text[at] === thousands && at < end) {
    if (whole.length < 1 || whole.length > 3) return Number.NaN;
    while (at < end && text[at] === thousands) {
      at++;
      let group = "";
      while (isDigit(at)) group += text[at++];
      if (group.length !== 3) return Number.NaN;
      whole += group;
    }
  }
  plain += whole;
  let fraction = "";
  if (at < end && text[at] === decimal) {
    at++;
    plain += ".";
    while (isDigit(at)) fraction += text[at++];
    plain += fraction;
  }
  if (whole === "" && fraction === "") return Number.NaN;
  if (at < end && "eE".includes(text[at]!)) {
    plain += text[at++];
    if (at < end && "+-".includes(text[at]!)) plain += text[at++];
    if (!isDigit(at)) return Number.NaN;
    while (isDigit(at)) plain += text[at++];
  }
  return at === end ? Number(plain) + 0 : Number.NaN;
}

const words = ({ decimal, thousands }: Dialect) =>
  `decimal ${JSON.stringify(decimal)}, thousands ${JSON.stringify(thousands)}`;

describe.each(WAYS.map((way) => [words(way), way] as const))("numbers with %s", (_, way) => {
  const { ofText, ofBytes } = numberReader(way);
  const read = (text: string) => {
    const bytes = toBytes(`x${text}x`);
    const both = [ofText(text), ofBytes(bytes, 1, bytes.length - 1)];
    expect(both[1]).toBe(both[0]);
    return both[0]!;
  };
  const mark = way.thousands ?? "#";
  const written = (text: string) => text.replace(/[_.]/g, (c) => (c === "_" ? mark : way.decimal));

  test("are read, whole and broken", () => {
    const cases: [text: string, value: number][] = [
      ["0", 0],
      ["-0", 0],
      ["-0.0", 0],
      ["1234", 1234],
      ["1.5", 1.5],
      ["-1.5e3", -1500],
      ["+.5", 0.5],
      ["5.", 5],
      [" \t1.5 \t", 1.5],
      ["1e400", Number.POSITIVE_INFINITY],
      ["-1e400", Number.NEGATIVE_INFINITY],
      ["0.1", 0.1],
      ["123456789012345678901234567890.5", 1.2345678901234568e29],
    ];
    for (const [text, value] of cases) expect(read(written(text))).toBe(value);
  });

  test("are read with groups of three, where there is a mark for them", () => {
    const cases: [text: string, value: number][] = [
      ["1_234", 1234],
      ["12_345_678", 12345678],
      ["-1_234.5", -1234.5],
      ["+1_234_567.", 1234567],
      ["1_000e-3", 1],
      ["  1_234  ", 1234],
      ["000_001", 1],
    ];
    for (const [text, value] of cases) {
      expect(read(written(text))).toBe(way.thousands === null ? Number.NaN : value);
    }
  });

  test("are none when they are malformed", () => {
    const cases = [
      ..."1_23_456 12_34 1_2345 1234_567 _123 1__234 1_234_ 1_234_56 1.234_567 - + e5 1e 1e+ 1.5.2".split(
        " ",
      ),
      ...[
        "",
        " ",
        ".",
        "_",
        "1 2",
        "1\u00a0234",
        "abc",
        "0x10",
        "1_000_00",
        "--1",
        "1e1.5",
        "1e1_000",
      ],
      ...["NaN", "Infinity", "١٢٣", "1\n234", "½", "1e5e5", "$5", "5%", "(5)", "1;234", "1:234"],
    ];
    // A blank that begins or ends the text is round the number, not in it.
    const isOutside = (text: string) => mark === " " && /^_|_$/.test(text);
    for (const text of cases) if (!isOutside(text)) expect(read(written(text))).toBeNaN();
  });

  test("are those of another dialect only where both agree", () => {
    const other = way.decimal === "." ? "," : ".";
    expect(read(`1${other}5`)).toBeNaN();
    // Three digits behind the mark are a group where it is one, which is why nobody may guess.
    expect(read(`1${other}234`)).toBe(way.thousands === other ? 1234 : Number.NaN);
  });

  test(`equal those of an oracle, seed ${SEED}`, () => {
    const digits = fc.stringMatching(/^\d{0,4}$/);
    const group = fc.oneof(
      { arbitrary: fc.stringMatching(/^\d{3}$/), weight: 4 },
      { arbitrary: digits, weight: 1 },
    );
    const marks = fc.constantFrom(mark, mark, mark, ",", ".", " ", "'");
    const nearly = fc
      .record({
        blank: fc.constantFrom("", "", " ", "\t"),
        sign: fc.constantFrom("", "", "-", "+"),
        head: digits,
        groups: fc.array(fc.tuple(marks, group), { maxLength: 3 }),
        fraction: fc.option(fc.tuple(fc.constantFrom(".", ","), digits), { nil: ["", ""] }),
        exponent: fc.constantFrom("", "", "", "e3", "E-2", "e", "e+05"),
        tail: fc.constantFrom("", "", " ", "\t ", "x"),
      })
      .map(
        ({ blank, sign, head, groups, fraction, exponent, tail }) =>
          blank + sign + head + groups.flat().join("") + fraction.join("") + exponent + tail,
      );
    const sound = fc
      .tuple(
        fc.constantFrom("", "-", "+"),
        fc.stringMatching(/^\d{1,3}$/),
        fc.array(fc.stringMatching(/^\d{3}$/), { maxLength: 3 }),
        fc.constantFrom("", "", ".", ".5", ".250"),
        fc.constantFrom("", "", "", "e3", "E-2"),
      )
      .map(([sign, head, groups, fraction, exponent]) =>
        written(sign + [head, ...groups].join("_") + fraction + exponent),
      );
    const wild = fc.stringMatching(/^[-+0-9.,' eE\t]{0,9}$/);
    const seen = { numbers: 0, others: 0 };
    check(
      fc.property(fc.oneof(nearly, sound, wild), (text) => {
        const value = oracle(text, way);
        seen[Number.isNaN(value) ? "others" : "numbers"]++;
        expect(read(text)).toBe(value);
      }),
      800,
    );
    // A test that met only one kind would prove little.
    expect(Math.min(seen.numbers, seen.others)).toBeGreaterThan(60);
  });
});

describe("a table in another dialect", () => {
  interface Made {
    readonly dialect: Dialect;
    readonly rows: readonly (readonly [number, string, string])[];
  }
  const cell = fc.stringMatching(/^[a-z;,|' "\t]{0,6}[a-z]$/).map((text) => text.trim());
  const made: fc.Arbitrary<Made> = fc.record({
    dialect: fc.record({
      delimiter: fc.constantFrom(",", ";", "\t", "|"),
      quote: fc.constantFrom('"', "'"),
      decimal: fc.constantFrom(".", ","),
      thousands: fc.constant(null),
    }),
    rows: fc.array(fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), cell, cell), {
      minLength: 1,
      maxLength: 12,
    }),
  });
  const numberText = (value: number, { decimal }: Dialect) =>
    String(value + 0).replace(".", decimal);

  test(`is read as it was written, in chunks of any size, seed ${SEED}`, () => {
    check(
      fc.property(
        made,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        ({ dialect, rows }, sizes, hasCrlf) => {
          const records = [
            ["x", "text", "y"],
            ...rows.map(([x, text, y]) => [numberText(x, dialect), text, y]),
          ];
          const lines = records.map((fields) => formatRecord(fields, dialect)).join("");
          const file = hasCrlf ? lines.replaceAll("\n", "\r\n") : lines;
          const selection = { label: null, infer: true, categorical: ["text", "y"], dialect };
          const table = readTableOf(file, selection, sizes);
          expect(table).toEqual(readTableOf(file, selection));
          expect(table.columns[0]).toEqual(Float64Array.from(rows, ([x]) => x + 0));
          for (const [j, place] of [
            [1, 1],
            [2, 2],
          ] as const) {
            const { codes, texts } = table.columns[j] as Texts;
            expect(Array.from(codes, (code) => texts[code])).toEqual(rows.map((row) => row[place]));
          }
        },
      ),
      150,
    );
  });

  test("is guessed and read from disk, past the first 64 KiB, and says so", async () => {
    const rows = Array.from({ length: 12_000 }, (_, i) => `${i % 97};'it; is'${i % 7};p${i % 2}`);
    const text = `'a';b;'y'\n${rows.join("\n").replaceAll("'it; is'", "it is ")}\n`;
    expect(text.length).toBeGreaterThan(2 * SAMPLE_BYTES);
    const path = fileOf("long.csv", text);
    const table = await readTable(path, { label: "y", infer: true });
    expect(table.dialect).toEqual({ ...PLAIN_DIALECT, delimiter: ";", quote: "'" });
    expect(table.dialectGuesses).toHaveLength(2);
    expect(table.rowCount).toBe(12_000);
    const dataset = await readCsv(path, { label: "y" });
    expect(dataset.guesses.slice(0, 2)).toEqual(table.dialectGuesses);
  });

  test("has its guesses overruled by flags, with an error where they do not fit", async () => {
    const path = fileOf("semi.csv", "a;b;y\n1;2;n\n3;4;p\n");
    await expect(readCsv(path, { label: "y" })).resolves.toMatchObject({ features: ["a", "b"] });
    const error = await readCsv(path, { label: "y", delimiter: "," }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CsvError);
    expect((error as Error).message).toContain("--delimiter semicolon");
  });

  test("gives the same dataset as the same table with commas and points", async () => {
    const values = Array.from({ length: 40 }, (_, i) => [i * 1.25, (i * 7919) % 4096, i % 3]);
    const labels = values.map(([, , k]) => (k === 1 ? "p" : "n"));
    const plain = values.map(([a, b, k], i) => `${a},${b},c${k},${labels[i]}`);
    const group = (value: number) => String(value).replace(/(\d)(?=(?:\d{3})+$)/g, "$1.");
    const other = values.map(
      ([a, b, k], i) => `${String(a).replace(".", ",")};${group(b!)};'c${k}';${labels[i]}`,
    );
    const [first, second] = await Promise.all([
      readCsv(fileOf("p.csv", `a,b,c,y\n${plain.join("\n")}\n`), { label: "y" }),
      readCsv(fileOf("o.csv", `\uFEFF'a';'b';'c';'y'\r\n${other.join("\r\n")}\r\n`), {
        label: "y",
        decimal: ",",
        thousands: ".",
      }),
    ]);
    expect(second.contentDigest).toBe(first.contentDigest);
    expect(second.inputs.map(({ column }) => column)).toEqual(
      first.inputs.map(({ column }) => column),
    );
    // A control: without the thousands the file is refused, not read as other numbers.
    const control = await readCsv(
      fileOf("o2.csv", `a;b;y\n${other.map((line) => line.replace(/'[^']*';/, "")).join("\n")}\n`),
      {
        label: "y",
        decimal: ",",
      },
    ).catch((e: unknown) => e);
    expect(control).toBeInstanceOf(CsvError);
  });
});
