// Does `raisin data` fetch from an address, and is what it writes then known as the raisins?
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RAISIN_FILE_SHA256 } from "../../src/data/bundled.ts";
import {
  filesBelow,
  raisin,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";

const RAISIN_CSV = process.env.RAISIN_CSV;

/** UCI's archive, as far as it matters: a zip in a zip with the rows as ARFF. */
function archiveOf(csv: string): Uint8Array {
  const [header, ...rows] = csv
    .replace(/^\uFEFF/, "")
    .trimEnd()
    .split(/\r?\n/) as [string, ...string[]];
  const attributes = header
    .split(",")
    .map((name) => `@ATTRIBUTE ${name} ${name === "Class" ? "{Kecimen,Besni}" : "REAL"}`);
  const arff = ["@RELATION raisins", ...attributes, "@DATA", ...rows].join("\r\n");
  const inner = zipSync({ "Raisin_Dataset/Raisin_Dataset.arff": new TextEncoder().encode(arff) });
  return zipSync({ "Raisin_Dataset.zip": inner });
}

let server: Server;
let base: string;
const answers = new Map<string, Uint8Array>();

beforeAll(async () => {
  server = createServer((request, response) => {
    const body = answers.get(request.url ?? "");
    if (body === undefined) response.writeHead(404).end("no");
    else response.writeHead(200, { "content-length": body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

describe("raisin data", () => {
  test.each([
    ["what the server does not have", "/absent", undefined, 1, /answered 404/],
    ["what is no archive", "/text", new TextEncoder().encode("hello"), 5, /not a zip file/],
    [
      "other raisins",
      "/other",
      archiveOf("Area,Class\n1,Kecimen\n2,Besni\n"),
      5,
      /must have digest [0-9a-f]{64}/,
    ],
  ])("refuses %s and writes nothing", async (_, path, body, expected, message) => {
    const cwd = temporaryDirectory();
    if (body) answers.set(path, body);
    const { code, stdout, stderr } = await raisin(["data", "--url", `${base}${path}`], { cwd });
    expect([code, stdout]).toEqual([expected, ""]);
    expect(stderr).toMatch(message);
    expect(filesBelow(cwd)).toEqual([]);
  });

  test("an address where nobody answers is an error in one line", async () => {
    const { code, stderr } = await raisin(["data", "--url", "http://127.0.0.1:1/x.zip"], {
      cwd: temporaryDirectory(),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Cannot fetch http:\/\/127\.0\.0\.1:1\/x\.zip: .+\n$/);
  });

  test.skipIf(RAISIN_CSV === undefined)(
    "writes the real raisins, which train then knows by their digest (needs RAISIN_CSV)",
    async () => {
      const cwd = temporaryDirectory();
      answers.set("/raisin.zip", archiveOf(readFileSync(RAISIN_CSV!, "utf8")));
      const { code, stdout } = await raisin(["data", "--url", `${base}/raisin.zip`], { cwd });
      expect(code).toBe(0);
      expect(stdout).toContain("CC BY 4.0");
      expect(stdout).toContain("  raisin train --data data/raisins.csv\n");
      expect(filesBelow(cwd)).toEqual(["data/raisins.csv"]);
      const written = readFileSync(join(cwd, "data/raisins.csv"));
      expect(createHash("sha256").update(written).digest("hex")).toBe(RAISIN_FILE_SHA256);
      symlinkSync("data/raisins.csv", join(cwd, "link.csv"));
      const url = ["--url", `${base}/raisin.zip`];
      expect((await raisin(["data", ...url, "--out", "link.csv"], { cwd })).code).toBe(0);
      expect(lstatSync(join(cwd, "link.csv")).isSymbolicLink()).toBe(true);
      expect((await raisin(["data", ...url, "--out", "/dev/null"], { cwd })).code).toBe(0);
      expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
      const args = ["train", "--data", "data/raisins.csv", "--iterations", "5"];
      const { params, dataset } = await raisinJson<TrainAnswer>(args, { cwd });
      expect(params).toMatchObject({ experiment: "raisin", model: "raisin_logreg" });
      expect(dataset.rows).toBe(900);
    },
  );

  test("looks at --out before it fetches anything", async () => {
    const cwd = temporaryDirectory();
    let requests = 0;
    const count = () => requests++;
    server.on("request", count);
    const { code, stderr } = await raisin(["data", "--url", `${base}/absent`, "--out", "."], {
      cwd,
    });
    server.off("request", count);
    expect([code, requests]).toEqual([2, 0]);
    expect(stderr).toContain("it is a directory: name a file with --out");
  });

  test("leaves an existing file as it is when it fails", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "x.csv"), "mine");
    const { code } = await raisin(["data", "--url", `${base}/absent`, "--out", "x.csv"], { cwd });
    expect([code, readFileSync(join(cwd, "x.csv"), "utf8")]).toEqual([1, "mine"]);
  });
});
