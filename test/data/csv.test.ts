// Does a table come out the same however it is quoted, ended, marked and cut into chunks?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CsvSelection, Table } from "../../src/data/csv.ts";
import { formatRecord, TextReader } from "../../src/data/csv-text.ts";
import { orderClasses } from "../../src/data/dataset.ts";
import { PLAIN_DIALECT } from "../../src/data/dialect.ts";
import { contentDigest, digestRows } from "../../src/data/digest.ts";
import { NAME_MAX } from "../../src/data/names.ts";
import { numbersOf } from "../support/numbers.ts";
import { bytesOf, check, errorOf, readTableOf, SEED, toBytes } from "./support.ts";

const PLAIN = "a,b,Class\n1,1.5,A\n-2,.5,B\n3e0,5.,A\n";
const EXPECTED = { a: [1, -2, 3], b: [1.5, 0.5, 5] };

const labelsOf = (table: Table) => Array.from(table.labelCodes, (code) => table.labels[code]);
const columnsOf = (table: Table) =>
  Object.fromEntries(table.features.map((name, j) => [name, [...numbersOf(table.columns[j])]]));

// biome-ignore format: one line a case
const SAME: [is: string, input: string | Uint8Array][] = [
  ["LF", PLAIN],
  ["CRLF", PLAIN.replaceAll("\n", "\r\n")],
  ["LF and CRLF", "a,b,Class\r\n1,1.5,A\n-2,.5,B\r\n3e0,5.,A\n"],
  ["no final line end", PLAIN.trimEnd()],
  ["CRLF and no final line end", PLAIN.trimEnd().replaceAll("\n", "\r\n")],
  ["a carriage return at the very end", `${PLAIN.trimEnd()}\r`],
  ["a byte order mark", `\ufeff${PLAIN}`],
  ["a byte order mark before a quote", `\ufeff"a",b,Class\n1,1.5,A\n-2,.5,B\n3e0,5.,A\n`],
  ["blank lines", "a,b,Class\n\n1,1.5,A\n\r\n-2,.5,B\n\n\n3e0,5.,A\n\n\n"],
  ["blank lines and quotes", 'a,b,Class\n\n1,"1.5",A\n\r\n-2,.5,B\n\n\n3e0,5.,"A"\n\n\n'],
  ["blank lines before the header", `\n\r\n\n${PLAIN}`],
  ["blank lines before the header, and quotes", '\n\r\n\na,b,Class\n1,"1.5",A\n-2,.5,B\n3e0,5.,"A"\n'],
  ["a blank line before a quoted header", '\r\n"a",b,Class\n1,1.5,A\n-2,.5,B\n3e0,5.,A\n'],
  ["blanks round numbers", "a,b,Class\n 1,1.5 ,A\n-2\t,\t.5,B\n 3e0 , 5.  ,A\n"],
  ["blanks within quotes", 'a,b,Class\n" 1","1.5 ",A\n-2,.5,B\n3e0,5.,A\n'],
  ["every field in quotes", '"a","b","Class"\n"1","1.5","A"\n"-2",".5","B"\n"3e0","5.","A"\n'],
  ["every field in quotes and CRLF", '"a","b","Class"\r\n"1","1.5","A"\r\n"-2",".5","B"\r\n"3e0","5.","A"\r\n'],
  ["quotes and no final line end", '"a","b","Class"\n"1","1.5","A"\n"-2",".5","B"\n"3e0","5.","A"'],
  ["quotes and a carriage return at the very end", 'a,b,Class\n1,1.5,A\n-2,.5,B\n3e0,5.,"A"\r'],
  ["blanks behind closing quotes", 'a,b,Class\n"1" ,"1.5"\t,"A" \n-2,.5,B\n3e0,5.,"A"  \r\n'],
  ["another order of columns", "Class,a,b\nA,1,1.5\nB,-2,.5\nA,3e0,5.\n"],
];

describe("CsvReader reads alike", () => {
  test.each(SAME)("%s", (_, input) => {
    for (const size of [Number.POSITIVE_INFINITY, 1, 2, 3, 5, 8]) {
      const table = readTableOf(input, { label: "Class" }, size);
      expect(columnsOf(table)).toEqual(EXPECTED);
      expect(labelsOf(table)).toEqual(["A", "B", "A"]);
      expect(table.rowCount).toBe(3);
    }
  });
});

describe("CsvReader", () => {
  test("counts the characters of names as a model file does, by code point", () => {
    const name = "🍇".repeat(NAME_MAX);
    const table = readTableOf(`${name},Class\n1,${name}\n2,B\n`);
    expect([table.features, table.labels]).toEqual([[name], [name, "B"]]);
  });

  test("keeps columns in file order, whatever the order of the flags", () => {
    const text = "d,c,b,a,Class\n1,2,3,4,A\n5,6,7,8,B\n";
    const chosen = readTableOf(text, { label: "Class", features: ["a", "d", "b"] });
    expect(chosen.features).toEqual(["d", "b", "a"]);
    expect(columnsOf(chosen)).toEqual({ d: [1, 5], b: [3, 7], a: [4, 8] });
    const left = readTableOf(text, { label: "Class", drop: ["c", "d"] });
    expect(columnsOf(left)).toEqual({ b: [3, 7], a: [4, 8] });
    const both = readTableOf(text, { label: "Class", features: ["a", "d"], drop: ["d", "c"] });
    expect(columnsOf(both)).toEqual({ a: [4, 8] });
    expect(both.header).toEqual(["d", "c", "b", "a", "Class"]);
  });

  test("does not look at what dropped columns hold, but that it is text", () => {
    const text = 'note,a,Class\n"1,2\n""3""",1,A\nnull,2,B\n,3,A\n=1+1,4,B\n\r5,5,A\n';
    const table = readTableOf(text, { label: "Class", drop: ["note"] });
    expect(columnsOf(table)).toEqual({ a: [1, 2, 3, 4, 5] });
  });

  test("reads without labels, and with classes of which some are missing", () => {
    const unlabelled = readTableOf("a,b\n1,2\n3,4\n", { label: null });
    expect(columnsOf(unlabelled)).toEqual({ a: [1, 3], b: [2, 4] });
    expect(unlabelled.labels).toEqual([]);
    expect(unlabelled.labelCodes).toHaveLength(0);
    const one = readTableOf("a,Class\n1,B\n", { label: "Class", classes: ["A", "B"] });
    expect(labelsOf(one)).toEqual(["B"]);
  });

  test("reads headers and labels that are names of JavaScript's own objects", () => {
    const hostile = ["__proto__", "constructor", "toString", "hasOwnProperty", "length"];
    const rows = "1,2,3,4,5,__proto__\n5,4,3,2,1,constructor\n";
    for (const quote of ["", '"']) {
      const header = [...hostile, "valueOf"].map((name) => quote + name + quote).join();
      const table = readTableOf(`${header}\n${rows}`, { label: "valueOf", drop: ["length"] });
      expect(table.features).toEqual(hostile.slice(0, 4));
      expect(table.columns.map((column) => [...numbersOf(column)])).toEqual([
        [1, 5],
        [2, 4],
        [3, 3],
        [4, 2],
      ]);
      expect(table.labels).toEqual(["__proto__", "constructor"]);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)[0]).toBeUndefined();
  });

  test("reads a header that only begins like a compressed file", () => {
    expect(readTableOf("BZh1,PK,Class\n1,2,A\n3,4,B\n").features).toEqual(["BZh1", "PK"]);
  });

  test("keeps labels as they are: case, blanks, characters beyond U+FFFF", () => {
    const labels = readTableOf("a,Class\n1,\u{1f347}\n2, a\n").labels;
    expect(labels).toEqual(["\u{1f347}", " a"]);
  });

  test("keeps the rows of many blocks in order", () => {
    const n = 200_000;
    const lines = Array.from({ length: n }, (_, i) => `${i},${-i / 4},${i % 3 === 0 ? "A" : "B"}`);
    const table = readTableOf(`a,b,Class\n${lines.join("\n")}\n`, { label: "Class" }, 1 << 20);
    expect(table.rowCount).toBe(n);
    const [a, b] = table.columns.map(numbersOf);
    const isRight = (i: number) =>
      a![i] === i && b![i] === (i === 0 ? 0 : -i / 4) && table.labelCodes[i] === Number(i % 3 > 0);
    expect(lines.findIndex((_, i) => !isRight(i))).toBe(-1);
  });

  test("takes as many columns as the limit, and names and rows as long", () => {
    const name = "n".repeat(1024);
    expect(readTableOf(`${name},Class\n1,A\n2,B\n`).features).toEqual([name]);
    const blanks = " ".repeat(65_535);
    expect([...numbersOf(readTableOf(`a,Class\n${blanks}1,A\n2,B\n`).columns[0])]).toEqual([1, 2]);
    // A row of exactly 1 MiB, and one byte more.
    const names = Array.from({ length: 17 }, (_, j) => `c${j}`).join();
    const rowOf = (bytes: number) => {
      const cells = `${"1".padStart(62_000)},`.repeat(16);
      return `${cells}${"1".padStart(bytes - cells.length - 2)},A\n`;
    };
    for (const head of [`${names},Class\n`, `"c${names.replace(",", '",').slice(1)},Class\n`]) {
      for (const size of [1 << 20, 300_000]) {
        const good = `${head}${rowOf(2 ** 20)}${"2,".repeat(17)}B\n`;
        expect(readTableOf(good, { label: "Class" }, size).rowCount).toBe(2);
        const bad = errorOf(head + rowOf(2 ** 20 + 1), { label: "Class" }, size);
        expect(bad.message).toMatch(/the row that begins at line 2 as rows must be at most 1 MiB/);
      }
    }
  });
});

/** A table to be written: cells as text, so that each has one value whatever the quotes. */
interface Written {
  header: string[];
  rows: string[][];
}

const NAMES = ["a", "b", "Class", "note"] as const;
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.constantFrom("-0", ".5", "5.", " 7", "8\t", "1e-5", "+3", "9007199254740993", "1E+2"),
);
/** Text without quotes, commas and line ends, so that it can be written without quotes too. */
const word = fc.string({ unit: fc.constantFrom(..."ab 'é€🍇\u0661x-;|\t"), maxLength: 6 });
/** Text with everything that needs quotes. */
const anyText = fc.string({ unit: fc.constantFrom(...'ab,"\n\r é€🍇'), maxLength: 8 });

const tableOf = (note: fc.Arbitrary<string>) =>
  fc.array(fc.tuple(number, number, fc.constantFrom("A", "Bé🍇"), note), {
    minLength: 2,
    maxLength: 12,
  });

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** Lines of fields; `isQuoted` says of each in turn whether it is written in quotes. */
function render(table: Written, eol: string, isQuoted: (k: number, text: string) => boolean) {
  let k = 0;
  const line = (fields: string[]) =>
    fields.map((text) => (isQuoted(k++, text) ? quoted(text) : text)).join() + eol;
  return [table.header, ...table.rows].map(line).join("");
}

/** Both classes are there. */
const withBoth = (rows: string[][]): Written => ({
  header: [...NAMES],
  rows: [["1", "2", "A", ""], ["3", "4", "Bé🍇", ""], ...rows],
});

function digestOf(table: Table): string {
  const { features, rowCount } = table;
  const classes = orderClasses(table.labels);
  const dataset = {
    name: "test",
    features,
    columns: table.columns.map(numbersOf),
    rowCount,
    label: "Class",
    classes,
    y: table.labelCodes.map((code) => Number(table.labels[code] === classes[1])),
    warnings: [],
  };
  return contentDigest(dataset, digestRows(dataset));
}

describe(`CsvReader, seed ${SEED}`, () => {
  const selection: CsvSelection = { label: "Class", drop: ["note"] };
  const sizes = fc.oneof(
    fc.constant([Number.POSITIVE_INFINITY]),
    fc.constant([1]),
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
  );
  const eols = fc.constantFrom("\n", "\r\n");

  test("reads the same table with and without quotes, in any chunks, with LF and CRLF", () => {
    check(
      fc.property(
        tableOf(word),
        fc.infiniteStream(fc.boolean()),
        sizes,
        eols,
        fc.boolean(),
        (rows, flags, chunks, eol, hasMark) => {
          const written = withBoth(rows);
          const plain = readTableOf(
            render(written, "\n", () => false),
            selection,
          );
          const input = render(written, eol, () => flags.next().value);
          const mixed = readTableOf((hasMark ? "\ufeff" : "") + input, selection, chunks);
          expect(mixed).toEqual(plain);
          expect(columnsOf(plain).a).toEqual(written.rows.map(([a]) => Number(a) + 0));
          expect(columnsOf(plain).b).toEqual(written.rows.map(([, b]) => Number(b) + 0));
          expect(labelsOf(plain)).toEqual(written.rows.map((row) => row[2]));
          expect(digestOf(mixed)).toBe(digestOf(plain));
        },
      ),
      400,
    );
  });

  test("names the right line below quoted fields with line ends, in any chunks", () => {
    check(
      fc.property(tableOf(anyText), sizes, eols, fc.nat(), (rows, chunks, eol, at) => {
        const written = withBoth(rows);
        const badRow = 1 + (at % (written.rows.length - 1));
        written.rows[badRow]![1] = "oops";
        const needsQuotes = (_: number, text: string) => /[",\n\r]/.test(text);
        const input = render(written, eol, needsQuotes);
        const before = render(
          { ...written, rows: written.rows.slice(0, badRow) },
          eol,
          needsQuotes,
        );
        const error = errorOf(input, selection, chunks);
        expect(error.problems).toEqual([
          {
            kind: "text",
            column: "b",
            line: before.split("\n").length,
            value: "oops",
            count: 1,
          },
        ]);
      }),
      400,
    );
  });

  test("says which byte is no UTF-8, in any chunks", () => {
    const isUtf8 = (bytes: Uint8Array) =>
      Buffer.compare(Buffer.from(bytes.toString()), bytes) === 0;
    check(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 6 }),
        fc.boolean(),
        sizes,
        (noise, hasQuotes, chunks) => {
          const isMarkup = (byte: number) => [0x00, 0x0a, 0x0d, 0x22, 0x2c].includes(byte);
          const bad = noise.filter((byte) => !isMarkup(byte));
          fc.pre(!isUtf8(Buffer.from(bad)));
          // The longest part at the front that is the beginning of some text, minus an unfinished character.
          let good = bad.length;
          while (!isUtf8(Buffer.from(bad.subarray(0, good)))) good--;
          const head = `note,Class${hasQuotes ? ',"a"' : ",a"}\n`;
          const input = bytesOf(`${head}x,A,1\nyé`, [...bad], ",B,2\n");
          const error = errorOf(input, { label: "Class", drop: ["note"] }, chunks);
          const byte = toBytes(`${head}x,A,1\nyé`).length + good;
          expect(error.message).toContain(`byte ${byte} (line 3, column "note") is not`);
        },
      ),
      400,
    );
  });
});

function recordsOf(input: string | Uint8Array, size = Number.POSITIVE_INFINITY): string[][] {
  const reader = new TextReader(PLAIN_DIALECT);
  const bytes = toBytes(input);
  const rows: string[][] = [];
  for (let at = 0; at < bytes.length; at += size) {
    rows.push(...reader.push(Uint8Array.from(bytes.subarray(at, at + size))));
  }
  return [...rows, ...reader.push(new Uint8Array(0), true)];
}

describe("TextReader and formatRecord()", () => {
  // biome-ignore format: one line a case
  test.each<[is: string, input: string, rows: string[][]]>([
    ["nothing", "", []],
    ["blank lines", "\n\r\n\n", []],
    ["a last record without a line end", "a,b\n1,2", [["a", "b"], ["1", "2"]]],
    ["a byte order mark", "\ufeffa,b\n", [["a", "b"]]],
    ["a byte order mark before a quote", '\ufeff"a",b\n', [["a", "b"]]],
    ["quotes before CRLF", 'a,"b"\r\n"1","2"\r\n', [["a", "b"], ["1", "2"]]],
    ["a doubled quote", 'a\n"x""y"\n', [["a"], ['x"y']]],
    ["only doubled quotes", 'a\n""""""\n', [["a"], ['""']]],
    ["blanks behind a closing quote", '"a" ,"b"\t\n', [["a", "b"]]],
    ["a line end in quotes", '"a\r\nb",c\r\n', [["a\r\nb", "c"]]],
    ["a carriage return that ends quoted text", '1,"a\r"\n2,"b\r"\r\n', [["1", "a\r"], ["2", "b\r"]]],
    ["a carriage return that ends text without quotes", "1,a\r\r\n", [["1", "a\r"]]],
    ["quotes within a field", 'a"b,c""d\n', [['a"b', 'c""d']]],
    ["an empty field alone in quotes", 'a\n""\n\nb\n', [["a"], [""], ["b"]]],
    ["characters of 2, 3 and 4 bytes", "é,€,🍇\n", [["é", "€", "🍇"]]],
  ])("reads %s", (_, input, rows) => {
    for (const size of [Number.POSITIVE_INFINITY, 1, 2, 3]) {
      expect(recordsOf(input, size)).toEqual(rows);
    }
  });

  test("refuse what is no table, at once or at the end", () => {
    expect(() => recordsOf('a\n"b\nc\n')).toThrow(/quote opened at line 2 is not closed$/);
    expect(() => recordsOf('a\n"b"c\n')).toThrow(/text follows a closing quote at line 2/);
    expect(() => recordsOf(bytesOf("a\nb\n", [0xff], "\n"))).toThrow(/byte 4 \(line 3\) is not/);
    expect(() => recordsOf(`a,"${"b\n".repeat(2 ** 20)}`)).toThrow(/rows must be at most 1 MiB/);
  });

  test(`bring back every record that was written, in any chunks, seed ${SEED}`, () => {
    const field = fc.oneof(anyText, fc.string({ unit: "binary" }));
    check(
      fc.property(
        fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        (rows, size) => {
          // A lone surrogate has no UTF-8; a byte order mark at the very front is not text.
          fc.pre(rows.flat().every((text) => Buffer.from(text).toString() === text));
          fc.pre(rows[0]?.[0]?.startsWith("\ufeff") !== true);
          expect(
            recordsOf(rows.map((row) => formatRecord(row, PLAIN_DIALECT)).join(""), size),
          ).toEqual(rows);
        },
      ),
      400,
    );
  });

  test("write numbers so that they read back as the same", () => {
    const numbers = [0.1, -0, 1e21, 5e-324];
    expect(formatRecord(["a", ...numbers], PLAIN_DIALECT)).toBe("a,0.1,0,1e+21,5e-324\n");
  });
});
