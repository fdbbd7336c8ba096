// Are the real raisins fetched, unpacked and checked, and is everything else refused? The archive here is made up.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync, strToU8, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RAISIN_CONTENT_DIGEST, RAISIN_FILE_SHA256 } from "../../src/data/bundled.ts";
import { DataError } from "../../src/data/data-error.ts";
import { readCsv } from "../../src/data/files.ts";
import { fetchArchive, raisinsOfArchive } from "../../src/data/raisins.ts";
import { contentDigestOf, rowDigestOf } from "./oracle.ts";
import { createRandom } from "./support.ts";

// biome-ignore format: one line
const FEATURES = ["Area", "MajorAxisLength", "MinorAxisLength", "Eccentricity", "ConvexArea", "Extent", "Perimeter"];

const random = createRandom();
const ROWS = Array.from({ length: 40 }, (_, i) => ({
  values: FEATURES.map((_, j) => (j % 4 === 0 ? Math.floor(random() * 1e5) : random() * 500)),
  label: i < 20 ? "Kecimen" : "Besni",
}));
const CSV = [
  [...FEATURES, "Class"],
  ...ROWS.map(({ values, label }) => [...values.map(String), label]),
]
  .map((fields) => `${fields.join()}\n`)
  .join("");
const DIGEST = contentDigestOf(
  { classes: ["Besni", "Kecimen"], columns: FEATURES, label: "Class" },
  ROWS.map(({ values, label }) => rowDigestOf(values, label)),
);

/** As UCI's: blank lines, comments, CRLF; numbers not in their shortest form. */
function arffOf(lines: readonly string[]): string {
  return [
    "% a comment",
    "@RELATION Raisin_Dataset",
    "",
    ...FEATURES.map((name, j) => `@ATTRIBUTE\t${j === 1 ? `'${name}'` : name}\tREAL`),
    "@ATTRIBUTE Class {Kecimen, Besni}",
    "",
    "@DATA",
    ...lines,
    "",
  ].join("\r\n");
}
const DATA_LINES = ROWS.map(({ values, label }, i) =>
  [...values.map((value) => (i % 2 ? `${value.toFixed(20)}` : ` ${value}`)), label].join(),
);

type Members = Record<string, Uint8Array>;
const innerOf = (arff: string): Members => ({
  "Raisin_Dataset/": new Uint8Array(0),
  "Raisin_Dataset/Raisin_Dataset.xlsx": strToU8("PK, not looked at"),
  "Raisin_Dataset/Raisin_Dataset.arff": strToU8(arff),
  "Raisin_Dataset/Raisin_Dataset.txt": strToU8("Citation Request"),
});
const archiveOf = (members: Members) => zipSync({ "Raisin_Dataset.zip": zipSync(members) });
const ARFF = arffOf(DATA_LINES);
const ARCHIVE = archiveOf(innerOf(ARFF));

function errorOf(archive: Uint8Array, expected?: string): DataError {
  try {
    raisinsOfArchive(archive, expected);
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
  throw new Error("the archive was accepted, where an error was expected");
}

describe("raisinsOfArchive()", () => {
  test("gives the rows as CSV, numbers in their shortest form", () => {
    expect(raisinsOfArchive(ARCHIVE, DIGEST)).toBe(CSV);
  });

  test("needs the digest of the rows, which is by default that of the real raisins", () => {
    const says = (expected: string) =>
      `Cannot accept the downloaded raisins as their content must have digest ${expected}: it is ${DIGEST} (40 rows)`;
    expect(errorOf(ARCHIVE).message).toBe(says(RAISIN_CONTENT_DIGEST));
    expect(errorOf(ARCHIVE, DIGEST.replace(/^./, "x")).message).toMatch(/must have digest x/);
    const lines = [DATA_LINES[0]!.replace(/\d/, (digit) => String(9 - Number(digit)))];
    const changed = archiveOf(innerOf(arffOf([...lines, ...DATA_LINES.slice(1)])));
    expect(errorOf(changed, DIGEST).message).toMatch(/^Cannot accept the downloaded raisins/);
  });

  // biome-ignore format: one line a case
  test.each<[what: string, archive: () => Uint8Array, says: RegExp]>([
    ["an empty file", () => new Uint8Array(0), /^Cannot open the archive: it is not a zip file/],
    ["a page of HTML", () => strToU8("<!doctype html><title>Sorry</title>".repeat(100)), /^Cannot open the archive: it is not a zip file/],
    ["half an archive", () => ARCHIVE.subarray(0, ARCHIVE.length / 2), /^Cannot open the archive: it is not a zip file/],
    ["an archive of something else", () => zipSync({ "iris.csv": strToU8("a") }), /^Cannot find a \.zip file in the archive$/],
    ["a zip in name only", () => zipSync({ "Raisin_Dataset.zip": strToU8("no zip") }), /^Cannot open the archive's inner zip: it is not a zip file/],
    ["no ARFF file", () => archiveOf({ "a.txt": strToU8("a") }), /^Cannot find a \.arff file in the archive's inner zip$/],
    ["an ARFF file of 17 MiB", () => archiveOf({ "a.arff": new Uint8Array(17 * 2 ** 20) }), /^Cannot read the \.arff file in the archive's inner zip as it may have at most 16777216 bytes: it has 17825792$/],
    ["an inner zip of 17 MiB", () => zipSync({ "a.zip": new Uint8Array(17 * 2 ** 20) }), /^Cannot read the \.zip file in the archive as it may have/],
    ["an ARFF file without @DATA", () => archiveOf(innerOf(ARFF.replace("@DATA", ""))), /it has no @ATTRIBUTE or no @DATA line$/],
    ["an ARFF file without @ATTRIBUTE", () => archiveOf(innerOf("@DATA\n1,2\n")), /it has no @ATTRIBUTE or no @DATA line$/],
    ["an ARFF file without rows", () => archiveOf(innerOf(arffOf([]))), /there is a header and no row/],
    ["an ARFF file with a short row", () => archiveOf(innerOf(arffOf([...DATA_LINES, "1,2"]))), /the row has 2 fields where the header has 8/],
    ["an ARFF file with text for a number", () => archiveOf(innerOf(arffOf([`?${DATA_LINES[0]!.slice(DATA_LINES[0]!.indexOf(","))}`, ...DATA_LINES]))), /column "Area": "\?" is not a decimal number/],
    ["a hexadecimal number", () => archiveOf(innerOf(arffOf([`0x1F${DATA_LINES[0]!.slice(DATA_LINES[0]!.indexOf(","))}`, ...DATA_LINES]))), /column "Area": "0x1F" is not a decimal number/],
    ["no member but a hostile name", () => zipSync(JSON.parse('{"__proto__":[1,2,3]}')), /^Cannot find a \.zip file in the archive$/],
  ])("refuses %s", (_, archive, says) => {
    expect(errorOf(archive(), DIGEST).message).toMatch(says);
  });

  test("unpacks one member only, however many an archive lists", () => {
    // Each of 200 members would take 16 MiB.
    const large = new Uint8Array(16 * 2 ** 20);
    const packed = zipSync({ "0.arff": large }, { level: 9 });
    const names = Array.from({ length: 200 }, (_, i) => `${i}.arff`);
    const inner = withManyEntries(packed, names);
    const before = process.memoryUsage().arrayBuffers;
    expect(errorOf(zipSync({ "a.zip": inner }), DIGEST).message).toMatch(/no @ATTRIBUTE/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 2 ** 20);
  });

  test("refuses a damaged archive, wherever it is damaged, or reads the same rows", () => {
    const chance = createRandom();
    for (let k = 0; k < 300; k++) {
      const damaged = ARCHIVE.slice(
        0,
        k % 3 ? ARCHIVE.length : Math.floor(chance() * ARCHIVE.length),
      );
      for (let times = 1 + (k % 4); times > 0; times--) {
        damaged[Math.floor(chance() * damaged.length)] = Math.floor(chance() * 256);
      }
      let csv = CSV;
      try {
        csv = raisinsOfArchive(damaged, DIGEST);
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
      expect(csv).toBe(CSV);
    }
  });
});

/** A zip whose directory lists its one member under many names. */
function withManyEntries(zip: Uint8Array, names: readonly string[]): Uint8Array {
  const bytes = Buffer.from(zip);
  const end = bytes.lastIndexOf("PK\x05\x06", undefined, "latin1");
  const directoryAt = bytes.readUInt32LE(end + 16);
  const entry = bytes.subarray(directoryAt, end);
  const nameLength = entry.readUInt16LE(28);
  const entries = names.map((name) => {
    const head = Buffer.from(entry.subarray(0, 46));
    head.writeUInt16LE(name.length, 28);
    return Buffer.concat([head, Buffer.from(name), entry.subarray(46 + nameLength)]);
  });
  const directory = Buffer.concat(entries);
  const tail = Buffer.from(bytes.subarray(end));
  tail.writeUInt16LE(names.length, 8);
  tail.writeUInt16LE(names.length, 10);
  tail.writeUInt32LE(directory.length, 12);
  return Buffer.concat([bytes.subarray(0, directoryAt), directory, tail]);
}

describe("fetchArchive()", () => {
  type Answer = (response: ServerResponse, request: IncomingMessage) => void;
  const answers: Record<string, Answer> = {
    "/raisin.zip": (response) => {
      response.setHeader("content-length", ARCHIVE.length);
      response.end(ARCHIVE);
    },
    "/unsized": (response) => {
      response.write(ARCHIVE.subarray(0, 1000));
      setTimeout(() => response.end(ARCHIVE.subarray(1000)), 20);
    },
    "/elsewhere": (response) => {
      response.writeHead(302, { location: "/raisin.zip" }).end();
    },
    "/packed": (response) => {
      const packed = gzipSync(ARCHIVE);
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length });
      response.end(packed);
    },
    "/missing": (response) => {
      response.writeHead(404).end("<html>".repeat(10_000));
    },
    "/broken": (response) => {
      response.writeHead(503).end();
    },
    "/large": (response) => {
      response.writeHead(200, { "content-length": 17 * 2 ** 20 });
      response.end(new Uint8Array(17 * 2 ** 20));
    },
    "/endless": (response) => {
      const chunk = new Uint8Array(2 ** 20);
      const write = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once("drain", write);
      };
      write();
    },
    "/cut": (response) => {
      response.writeHead(200, { "content-length": ARCHIVE.length });
      response.write(ARCHIVE.subarray(0, 500));
      setTimeout(() => response.destroy(), 20);
    },
    "/hanging": (response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write(new Uint8Array(10));
    },
    "/silent": () => {},
  };
  const server = createServer((request, response) => answers[request.url!]?.(response, request));
  let base = "";
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const failure = (url: string, signal?: AbortSignal) =>
    fetchArchive(url, signal ? { signal } : {}).then(
      () => expect.unreachable(),
      (error: Error) => error,
    );

  test("gives the bytes, and says how far it is", async () => {
    const progress: [number, number | null][] = [];
    const archive = await fetchArchive(`${base}/raisin.zip`, {
      onProgress: (bytes, total) => progress.push([bytes, total]),
    });
    expect(raisinsOfArchive(archive, DIGEST)).toBe(CSV);
    expect(progress.at(-1)).toEqual([ARCHIVE.length, ARCHIVE.length]);
    const steps = progress.map(([bytes]) => bytes);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  test("does without a stated length, and with one of what is packed for the way", async () => {
    for (const path of ["/unsized", "/packed"]) {
      const totals = new Set<number | null>();
      const archive = await fetchArchive(base + path, {
        onProgress: (_, total) => totals.add(total),
      });
      expect(Buffer.compare(archive, ARCHIVE)).toBe(0);
      expect([...totals]).toEqual([null]);
    }
  });

  test("follows to where the archive went", async () => {
    expect(Buffer.compare(await fetchArchive(`${base}/elsewhere`), ARCHIVE)).toBe(0);
  });

  test("says what the server answered", async () => {
    const url = `${base}/missing`;
    const missing = await failure(url);
    expect(missing.message).toBe(`Cannot fetch ${url}: the server answered 404 Not Found`);
    expect((await failure(`${base}/broken`)).message).toMatch(/answered 503 Service Unavailable$/);
  });

  test("says that nobody answers", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/raisin.zip`;
    await new Promise((done) => other.close(done));
    expect((await failure(url)).message).toMatch(`Cannot fetch ${url}: connect ECONNREFUSED`);
    expect((await failure("no address")).message).toMatch(/^Cannot fetch no address: /);
  });

  test("stops where an archive is too large, whether that is stated or not", async () => {
    for (const path of ["/large", "/endless"]) {
      expect((await failure(base + path)).message).toBe(
        `Cannot fetch ${base + path} as it is larger than 16777216 bytes`,
      );
    }
  });

  test("says that the connection broke off", async () => {
    const url = `${base}/cut`;
    expect((await failure(url)).message).toMatch(`Cannot fetch ${url}: the connection broke off (`);
  });

  test("stops when aborted: before, while it waits, and while bytes arrive", async () => {
    const before = await failure(`${base}/raisin.zip`, AbortSignal.abort());
    expect(before.name).toBe("AbortError");
    const waiting = new AbortController();
    setTimeout(() => waiting.abort(), 30);
    expect((await failure(`${base}/silent`, waiting.signal)).name).toBe("AbortError");
    const reading = new AbortController();
    const error = await fetchArchive(`${base}/hanging`, {
      signal: reading.signal,
      onProgress: () => reading.abort(),
    }).then(
      () => expect.unreachable(),
      (reason: Error) => reason,
    );
    expect(error.name).toBe("AbortError");
  });
});

describe("the real raisins", () => {
  const path = process.env.RAISIN_CSV;
  const reason = "RAISIN_CSV is not set to the path of the real dataset, which is not committed";

  test("have the content digest that the package knows", async (context) => {
    if (!path) return context.skip(reason);
    const raisins = await readCsv(path, { label: "Class" });
    expect(raisins.contentDigest).toBe(RAISIN_CONTENT_DIGEST);
    expect(raisins.rowCount).toBe(900);
    expect([...raisins.y].filter(Boolean)).toHaveLength(450);
    expect(raisins.warnings).toEqual([]);
  });

  test("come out of an archive as the file that the package knows", (context) => {
    if (!path) return context.skip(reason);
    const lines = readFileSync(path, "utf8").trimEnd().split(/\r?\n/).slice(1);
    const csv = raisinsOfArchive(archiveOf(innerOf(arffOf(lines))));
    expect(createHash("sha256").update(csv).digest("hex")).toBe(RAISIN_FILE_SHA256);
  });
});
