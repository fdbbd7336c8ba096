// Are tables on disk read whole, with their digests, and is whatever is no readable file refused without hanging?
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CsvError } from "../../src/data/csv-error.ts";
import { DataError } from "../../src/data/data-error.ts";
import { forEachChunk, readCsv, readTable, toFileDataset } from "../../src/data/files.ts";
import { inputsFor } from "../../src/data/table-dataset.ts";
import { numbersOf } from "../support/numbers.ts";
import { createRandom, hexOf, shuffled } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "raisin-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");
const label = "Class";

async function errorOf(read: Promise<unknown>): Promise<Error> {
  return read.then(
    () => {
      throw new Error("the file was read, where an error was expected");
    },
    (error: Error) => error,
  );
}

describe("readCsv()", () => {
  const random = createRandom();
  const lines = Array.from(
    { length: 50 },
    (_, i) => `${Math.floor(random() * 1000)},${random() - 0.5},${i % 3 ? "no" : "yes"}`,
  );
  const text = `size,weight,Class\n${lines.join("\n")}\n`;

  test("gives columns, classes, digests, name and absolute path", async () => {
    const path = fileOf("some.rows.csv", text);
    const dataset = await readCsv(path, { label });
    expect(dataset).toMatchObject({
      name: "some.rows",
      path,
      features: ["size", "weight"],
      label,
      classes: ["no", "yes"],
      rowCount: 50,
      warnings: [],
      fileSha256: sha256(text),
    });
    expect(dataset.inputs.map(({ column }) => column)).toEqual([
      { name: "size", as: "number" },
      { name: "weight", as: "number" },
    ]);
    expect([...dataset.y]).toEqual(lines.map((line) => Number(line.endsWith("yes"))));
    expect([...numbersOf(dataset.columns[1])]).toEqual(
      lines.map((line) => Number(line.split(",")[1])),
    );
    expect(dataset.rowDigests).toHaveLength(50 * 32);
    expect((await readCsv(relative(process.cwd(), path), { label })).path).toBe(path);
  });

  test("has the same content digest for other line ends, mark, quotes and order", async () => {
    const { contentDigest, fileSha256 } = await readCsv(fileOf("a.csv", text), { label });
    expect(contentDigest).toMatch(/^[0-9a-f]{64}$/);
    const others = {
      crlf: text.replaceAll("\n", "\r\n"),
      mark: `\ufeff${text}`,
      quotes: text.replace(/[^,\n]+/g, '"$&"'),
      end: text.trimEnd(),
      order: `size,weight,Class\n${shuffled(lines, random).join("\n")}\n`,
    };
    for (const [name, content] of Object.entries(others)) {
      const other = await readCsv(fileOf(`${name}.csv`, content), { label });
      expect(other.contentDigest, name).toBe(contentDigest);
      expect(other.fileSha256, name).toBe(sha256(content));
      expect(other.fileSha256, name).not.toBe(fileSha256);
    }
    const dropped = await readCsv(fileOf("a.csv", text), { label, drop: ["size"] });
    expect(dropped.contentDigest).not.toBe(contentDigest);
  });

  test("makes the named class 1, which changes no digest", async () => {
    const path = fileOf("a.csv", text);
    const usual = await readCsv(path, { label });
    const turned = await readCsv(path, { label, positive: "no" });
    expect(turned.classes).toEqual(["yes", "no"]);
    expect([...turned.y]).toEqual([...usual.y].map((y) => 1 - y));
    expect(turned.contentDigest).toBe(usual.contentDigest);
    expect(hexOf(turned.rowDigests)).toBe(hexOf(usual.rowDigests));
    const error = await errorOf(readCsv(path, { label, positive: "maybe" }));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toBe(
      `${path}: Cannot make "maybe" the positive class as the classes are "no" and "yes"`,
    );
  });

  test("reads a file of many chunks, with records and characters across their borders", async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i},"é€🍇, ""${i}""\n",${i % 2}`);
    const content = `n,note,Class\r\n${rows.join("\r\n")}`;
    expect(content.length).toBeGreaterThan(1.5 * 2 ** 20);
    const table = await readTable(fileOf("many.csv", content), { label, drop: ["note"] });
    expect(table.rowCount).toBe(60_000);
    expect(numbersOf(table.columns[0]).every((value, i) => value === i)).toBe(true);
    expect(table.fileSha256).toBe(sha256(content));
  });

  test("names the file before each problem, and keeps problems and fix", async () => {
    const path = fileOf("bad.csv", "a,b,Class\n1,x,A\n2,2,B\n");
    for (const { given, kind, fix, features } of [
      { given: {}, kind: "mixed", fix: { categorical: ["b"] }, features: ["a", "b=x"] },
      { given: { numeric: ["b"] }, kind: "text", fix: { drop: ["b"] }, features: ["a"] },
    ]) {
      const error = await errorOf(readCsv(path, { label, ...given }));
      expect(error).toBeInstanceOf(CsvError);
      expect(error.message.startsWith(`${path}: Cannot read the table, 1 problem:\n`)).toBe(true);
      expect(error).toMatchObject({
        problems: [{ kind, column: "b", line: 2, value: "x", count: 1 }],
      });
      expect((error as CsvError).fix).toEqual(fix);
      const fixed = await readCsv(path, { label, ...given, ...(error as CsvError).fix });
      expect(fixed.features).toEqual(features);
    }
    const early = await errorOf(readCsv(fileOf("early.csv", "a,a,Class\n"), { label }));
    expect(early.message).toMatch(/early\.csv: Cannot read the table as headers must differ/);
  });

  test("stops when aborted, before and while it reads", async () => {
    const path = fileOf("large.csv", text.repeat(3000).replaceAll("\nsize,weight,Class", ""));
    const before = AbortSignal.abort();
    expect((await errorOf(readCsv(path, { label, signal: before }))).name).toBe("AbortError");
    const controller = new AbortController();
    let chunks = 0;
    const reading = forEachChunk(path, controller.signal, () => {
      chunks++;
      controller.abort();
    });
    expect((await errorOf(reading)).name).toBe("AbortError");
    expect(chunks).toBe(1);
  });
});

describe("toFileDataset()", () => {
  test("takes classes from elsewhere, of which some may have no row", async () => {
    const path = fileOf("one.csv", "a,Class\n1,B\n2,B\n");
    const table = await readTable(path, { label, classes: ["A", "B"] });
    const inputs = inputsFor([{ name: "a", as: "number" }], table);
    const datasetOf = (...classes: [string, string]) =>
      toFileDataset(table, { label, classes, inputs });
    expect([...datasetOf("A", "B").y]).toEqual([1, 1]);
    expect([...datasetOf("B", "A").y]).toEqual([0, 0]);
    expect(datasetOf("B", "A")).toMatchObject({ name: "one", features: ["a"], rowCount: 2 });
  });
});

describe("what is no file to read", () => {
  beforeAll(() => {
    mkdirSync(join(folder, "directory.csv"));
    symlinkSync("loop-b.csv", join(folder, "loop-a.csv"));
    symlinkSync("loop-a.csv", join(folder, "loop-b.csv"));
    symlinkSync("nowhere.csv", join(folder, "dangling.csv"));
    fileOf("file", "a,Class\n1,A\n");
  });

  // biome-ignore format: one line a case
  test.each([
    ["missing.csv", "there is no such file"],
    ["directory.csv", "it is a directory"],
    ["loop-a.csv", "its symbolic links go round in a circle"],
    ["dangling.csv", "there is no such file"],
    ["file/rows.csv", "a part of the path is not a directory"],
    [`${"n".repeat(300)}.csv`, "the name is too long"],
  ])("%s: %s", async (name, reason) => {
    const path = join(folder, name);
    const error = await errorOf(readCsv(path, { label }));
    expect(error).toBeInstanceOf(CsvError);
    expect(error.message).toMatch(`Cannot read ${path}`);
    expect(error.message.endsWith(reason)).toBe(true);
    // The file is named once.
    expect(error.message.split(path)).toHaveLength(2);
  });

  test("a path with a NUL", async () => {
    const error = await errorOf(readCsv(join(folder, "a\0.csv"), { label }));
    expect(error).toBeInstanceOf(CsvError);
  });

  test("a FIFO, which nobody writes to", { timeout: 5000 }, async (context) => {
    const path = join(folder, "fifo.csv");
    try {
      execFileSync("mkfifo", [path], { stdio: "ignore" });
    } catch {
      return context.skip("mkfifo is not to be had here");
    }
    const error = await errorOf(readCsv(path, { label }));
    expect(error.message).toBe(`Cannot read ${path} as it is not a regular file`);
  });

  test("a device, which never ends", { timeout: 5000 }, async (context) => {
    if (!existsSync("/dev/zero")) return context.skip("/dev/zero is not to be had here");
    const error = await errorOf(readCsv("/dev/zero", { label }));
    expect(error.message).toBe("Cannot read /dev/zero as it is not a regular file");
  });

  test("a file without permission", async (context) => {
    if (process.getuid?.() === 0) return context.skip("root may read everything");
    const path = fileOf("secret.csv", "a,Class\n1,A\n2,B\n");
    chmodSync(path, 0);
    const error = await errorOf(readCsv(path, { label }));
    expect(error).toBeInstanceOf(CsvError);
    expect(error.message).toBe(`Cannot read ${path}: permission denied`);
  });
});

describe("forEachChunk()", () => {
  test("gives every byte, in order, and waits for its user", async () => {
    const content = "0123456789".repeat(300_000);
    const chunks: Uint8Array[] = [];
    let isBusy = false;
    await forEachChunk(fileOf("bytes", content), undefined, async (chunk) => {
      expect(isBusy).toBe(false);
      isBusy = true;
      await new Promise((done) => setImmediate(done));
      chunks.push(chunk);
      isBusy = false;
    });
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.concat(chunks).toString()).toBe(content);
    await forEachChunk(fileOf("empty", ""), undefined, () => expect.unreachable());
  });

  test("passes on the errors of its user as they are, and does not blame the file", async () => {
    // An output that cannot be written, say.
    const own = Object.assign(new Error("EIO: i/o error, write"), {
      code: "EIO",
      syscall: "write",
    });
    const reading = forEachChunk(fileOf("bytes", "0123"), undefined, () => {
      throw own;
    });
    expect(await errorOf(reading)).toBe(own);
  });
});
