// Are whole files whole and logs free of torn lines, also when the disk refuses?
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isRunId, isSafeName } from "../../src/miniflow/names.ts";
import {
  claimDirectory,
  FileWriter,
  LineLog,
  listDirectory,
  readFileIfAny,
  readJsonIfAny,
  StoreError,
  targetOf,
  writeTarget,
  writeWholeFile,
} from "../../src/miniflow/store.ts";
import { ROOT, temporaryDirectory } from "../support/cli.ts";

const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;

/** Runs a script against the built store under a limit on the size of files, which makes writes fall short. */
function underFileLimit(bytes: number, script: string) {
  const store = JSON.stringify(join(ROOT, "build/dist/miniflow/store.js"));
  const code = `import { writeFileSync } from "node:fs"; import { LineLog, writeWholeFile } from ${store};\n${script}`;
  const args = [`--fsize=${bytes}`, process.execPath, "--input-type=module", "-e", code];
  return spawnSync("prlimit", args, { encoding: "utf8" });
}

describe("isSafeName()", () => {
  test.each(["a", "Z9", "model.npz", "a-b_c.d", "0123456789ab", "a".repeat(64)])(
    "takes %j",
    (name) => {
      expect(isSafeName(name)).toBe(true);
    },
  );

  test.each([
    "",
    ".",
    "..",
    ".hidden",
    "a.",
    "a..b",
    "-a",
    "_a",
    "a/b",
    "a\\b",
    "/a",
    "a b",
    "a\n",
    "a\0",
    "a:b",
    "%2e%2e",
    "名前",
    "é",
    "a".repeat(65),
  ])("refuses %j", (name) => {
    expect(isSafeName(name)).toBe(false);
  });
});

test.each([
  ["0123456789ab", true],
  ["0123456789AB", false],
  ["0123456789a", false],
  ["0123456789abc", false],
  ["0123456789ag", false],
  ["0123456789ab\n", false],
  ["../../../../x", false],
])("isRunId(%j) is %s", (id, expected) => {
  expect(isRunId(id)).toBe(expected);
});

describe("writeWholeFile()", () => {
  test("makes and replaces a file, and leaves no temporary one", () => {
    const directory = temporaryDirectory();
    const path = join(directory, "x.json");
    writeWholeFile(path, "one");
    writeWholeFile(path, new Uint8Array([1, 2]));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    expect(readdirSync(directory)).toEqual(["x.json"]);
    expect(statSync(path).mode & 0o022).toBe(0); // nobody else may write
  });

  test("names path and system error, and leaves nothing, when it cannot", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "taken"));
    const write = (name: string) => () => writeWholeFile(join(directory, name), "x");
    expect(write("absent/x")).toThrow(
      expect.objectContaining({ name: "StoreError", code: "ENOENT" }),
    );
    expect(write("taken")).toThrow(`Cannot write ${join(directory, "taken")}: EISDIR`);
    expect(readdirSync(directory)).toEqual(["taken"]);
  });

  test("takes a name as long as the system does", () => {
    const directory = temporaryDirectory();
    writeWholeFile(join(directory, "x".repeat(255)), "x");
    expect(readdirSync(directory)).toEqual(["x".repeat(255)]);
  });

  test.skipIf(!hasPrlimit)(
    "keeps the old file when the new one does not fit (needs prlimit)",
    () => {
      const directory = temporaryDirectory();
      const path = join(directory, "x");
      writeFileSync(path, "old");
      const { status, stdout, stderr } = underFileLimit(
        1000,
        `try { writeWholeFile(${JSON.stringify(path)}, "x".repeat(5000)); } catch (error) { console.log(error.name, error.code); }`,
      );
      expect([status, stdout, stderr]).toEqual([0, "StoreError EFBIG\n", ""]);
      expect(readFileSync(path, "utf8")).toBe("old");
      expect(readdirSync(directory)).toEqual(["x"]);
    },
  );
});

describe("FileWriter", () => {
  test("puts a file in its place when it is committed, not before", () => {
    const directory = temporaryDirectory();
    const path = join(directory, "x");
    writeFileSync(path, "old");
    const file = new FileWriter(targetOf(path));
    file.write("a é");
    file.write(new Uint8Array([10]));
    expect(readFileSync(path, "utf8")).toBe("old");
    file.commit();
    expect(readFileSync(path, "utf8")).toBe("a é\n");
    expect(readdirSync(directory)).toEqual(["x"]);
  });

  test("leaves nothing when it is abandoned", () => {
    const directory = temporaryDirectory();
    const file = new FileWriter(targetOf(join(directory, "x")));
    file.write("a");
    file.abandon();
    file.abandon();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("follows a link and leaves it a link", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "x"), "old");
    symlinkSync("x", join(directory, "link"));
    writeTarget(targetOf(join(directory, "link")), "new");
    expect(readFileSync(join(directory, "x"), "utf8")).toBe("new");
    expect(lstatSync(join(directory, "link")).isSymbolicLink()).toBe(true);
  });

  test.skipIf(!existsSync("/dev/full"))("writes into a device, and says when it is full", () => {
    writeTarget(targetOf("/dev/null"), "x");
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    expect(() => writeTarget(targetOf("/dev/full"), "x")).toThrow("Cannot write /dev/full: ENOSPC");
  });
});

describe("LineLog", () => {
  const logged = (before: string, ...lines: string[]) => {
    const path = join(temporaryDirectory(), "log");
    writeFileSync(path, before);
    const log = new LineLog(path);
    if (lines.length > 0) log.append(lines);
    log.flush();
    log.close();
    return readFileSync(path, "utf8");
  };

  test.each([
    ["nothing", "", ""],
    ["whole lines", "a\nb\n", "a\nb\n"],
    ["a torn line", "a\nb\ncd", "a\nb\n"],
    ["nothing but a torn line", "abc", ""],
    ["a torn line longer than any record", `a\n${"x".repeat(200_000)}`, "a\n"],
    ["nothing but that", "x".repeat(65_536 * 2), ""],
    ["a torn line at the edge of a block", `a\n${"x".repeat(65_535)}`, "a\n"],
    ["zeros where a line should be", "a\n\0\0\0\0", "a\n"],
  ])("on opening repairs a file of %s", (_, before, kept) => {
    expect(logged(before)).toBe(kept);
    expect(logged(before, "next")).toBe(`${kept}next\n`);
  });

  test("appends some lines at once, behind what is there", () => {
    expect(logged("a\n", "b", "c é")).toBe("a\nb\nc é\n");
  });

  test("refuses a record beyond 64 KiB and appends none of its batch", () => {
    const path = join(temporaryDirectory(), "log");
    const log = new LineLog(path);
    expect(() => log.append(["fits", "é".repeat(32_768)])).toThrow(RangeError);
    log.append(["x".repeat(65_535)]);
    log.close();
    expect(readFileSync(path, "utf8")).toBe(`${"x".repeat(65_535)}\n`);
  });

  test.skipIf(!existsSync("/dev/full"))("reports a full disk by the system's name for it", () => {
    const log = new LineLog("/dev/full");
    expect(() => log.append(["a"])).toThrow("Cannot append to /dev/full: ENOSPC");
    log.close();
  });

  test.skipIf(!hasPrlimit)("takes back an append that fell short (needs prlimit)", () => {
    const path = join(temporaryDirectory(), "log");
    const { status, stdout, stderr } = underFileLimit(
      25,
      `const log = new LineLog(${JSON.stringify(path)});
      log.append(["0123456789"]);
      try { log.append(["abc", "0123456789"]); } catch (error) { console.log(error.name, error.code); }
      log.append(["then this"]);
      log.close();`,
    );
    expect([status, stdout, stderr]).toEqual([0, "StoreError EFBIG\n", ""]);
    expect(readFileSync(path, "utf8")).toBe("0123456789\nthen this\n");
  });
});

describe("reading", () => {
  test("what is not there is undefined, or empty", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "file"), "x");
    expect(readFileIfAny(join(directory, "absent"))).toBeUndefined();
    expect(readFileIfAny(join(directory, "file/below"))).toBeUndefined();
    expect(readJsonIfAny(join(directory, "absent"))).toBeUndefined();
    expect(listDirectory(join(directory, "absent"))).toEqual([]);
  });

  test.each([
    ["a directory", "sub", /not a regular file/],
    ["too large a file", "large", /larger than 10 bytes/],
  ])("%s is an error with its path", (_, name, message) => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "sub"));
    writeFileSync(join(directory, "large"), "x".repeat(11));
    const read = () => readFileIfAny(join(directory, name), 10);
    expect(read).toThrow(StoreError);
    expect(read).toThrow(message);
    expect(read).toThrow(join(directory, name));
  });

  test.each([
    ["text", "hello", /not valid JSON/],
    ["half an object", '{"a": 1', /not valid JSON/],
    ["a list", "[]", /not a JSON object/],
    ["null", "null", /not a JSON object/],
    ["nothing", "", /not valid JSON/],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /Cannot read/],
  ])("JSON that is %s is an error with its path", (_, content, message) => {
    const path = join(temporaryDirectory(), "x.json");
    writeFileSync(path, content);
    expect(() => readJsonIfAny(path)).toThrow(StoreError);
    expect(() => readJsonIfAny(path)).toThrow(message);
  });
});

test("claimDirectory() makes a directory once", () => {
  const path = join(temporaryDirectory(), "run");
  expect([claimDirectory(path), claimDirectory(path)]).toEqual([true, false]);
  expect(() => claimDirectory(join(path, "a/b"))).toThrow(StoreError);
});
