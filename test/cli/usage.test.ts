// Does the command tell a wrong flag, word or file by its exit code and with a message that helps?
import { existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  filesBelow,
  ROOT,
  raisin,
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const cwd = temporaryDirectory();
writeTable(cwd, "wine.csv");

describe("raisin", () => {
  test("--version prints the package's version", async () => {
    const { version } = readJson(ROOT, "package.json");
    expect(await raisin(["--version"], { cwd })).toEqual({
      code: 0,
      signal: null,
      stdout: `${version}\n`,
      stderr: "",
    });
  });

  test("--help shows commands, examples and exit codes, and succeeds", async () => {
    const { code, stdout, stderr } = await raisin(["--help"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    for (const command of ["train", "predict", "evaluate", "verify", "data"]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, "m"));
    }
    expect(stdout).toContain("Examples:");
    expect(stdout).toContain(
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 not reproduced, 5 data invalid",
    );
  });

  test.each(["train", "predict", "evaluate", "verify", "data"])(
    "%s --help succeeds on stdout",
    async (command) => {
      const { code, stdout, stderr } = await raisin([command, "--help"], { cwd });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`Usage: raisin ${command}`);
    },
  );

  test("train --help states every default", async () => {
    const { stdout } = await raisin(["train", "--help"], { cwd });
    const text = stdout.replaceAll(/\s+/g, " ");
    for (const [flag, value] of [
      ["--label <column>", '"Class"'],
      ["--lr <number>", "0.1"],
      ["--iterations <count>", "2000"],
      ["--l2 <number>", "0"],
      ["--val-fraction <share>", "0.2"],
      ["--seed <number>", "42"],
      ["--log-every <count>", "50"],
      ["--store <dir>", '"miniflow"'],
      ["--out <file>", '"model.npz"'],
      ["--promote-on <metric>", '"val_accuracy"'],
    ] as const) {
      const from = text.indexOf(flag);
      expect(from, flag).toBeGreaterThan(0);
      expect(text.slice(from, text.indexOf(" --", from + 3))).toContain(`default: ${value})`);
    }
  });
});

describe("a usage error", () => {
  test.each([
    [["trian"], "Did you mean train?"],
    [["train", "--iteratons", "5"], "Did you mean --iterations?"],
    [[], "Usage: raisin"],
    [["train", "extra"], "too many arguments"],
    [
      ["train", "--lr", "abc"],
      "'--lr <number>' argument 'abc' is invalid. It must be a finite number above 0",
    ],
    [["train", "--lr", "0"], "above 0"],
    [["train", "--lr", "-0.1"], "above 0"],
    [["train", "--lr", "1e400"], "finite"],
    [["train", "--lr", "0x10"], "finite"],
    [["train", "--lr", ""], "finite"],
    [["train", "--lr"], "argument missing"],
    [["train", "--iterations", "0"], "whole number from 1"],
    [["train", "--iterations", "2.5"], "whole number from 1"],
    [["train", "--iterations", "3000000000"], "2147483647"],
    [["train", "--l2", "-1"], "from 0"],
    [["train", "--val-fraction", "1"], "from 0 to below 1"],
    [["train", "--val-fraction", "20%"], "from 0 to below 1"],
    [["train", "--seed", "-1"], "whole number from 0"],
    [["train", "--seed", "9007199254740993"], "2^53 - 1"],
    [["train", "--log-every", "0"], "whole number from 1"],
    [["train", "--threshold", "1"], "between 0 and 1"],
    [["train", "--promote-on", "loss"], "val_accuracy, val_loss"],
    [["train", "--features", "a,,b"], "column names with commas between them"],
    [["train", "--drop", ""], "column names with commas between them"],
    [["train", "--drop", '"a'], "column names with commas between them"],
    [["predict"], "required option '--data <file>'"],
    [["evaluate"], "required option '--data <file>'"],
    [["verify"], "missing required argument 'run'"],
    [["predict", "--data", "wine.csv"], "run `raisin train`, or name a model with --model-file"],
    [["evaluate", "--data", "wine.csv"], "run `raisin train`, or name a model with --model-file"],
    [
      ["predict", "--data", "wine.csv", "--model-file", "none.npz"],
      "Cannot find the model file none.npz",
    ],
    [["predict", "--data", "wine.csv", "--model-file", "."], "Cannot find a model in ."],
    [["evaluate", "--data", "wine.csv", "--experiment", ""], "1 to 250 characters"],
  ])("%j exits 2 and says what would be right", async (args, message) => {
    const { code, stdout, stderr } = await raisin(args, { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m); // no stack
    expect(filesBelow(cwd)).toEqual(["wine.csv"]);
  });
});

describe("bad data", () => {
  const data = temporaryDirectory();
  const write = (name: string, text: string) => writeFileSync(join(data, name), text);
  const rows = (line: (i: number) => string) =>
    Array.from({ length: 40 }, (_, i) => `${line(i)}\n`).join("");
  const kind = (i: number) => ((i * 5) % 7 < 3 ? "red" : "white");

  write(
    "texts.csv",
    `size,name,note,Class\n${rows((i) => `${(i * 7) % 11},n${i},"a ""b""",${kind(i)}`)}`,
  );
  write(
    "kinds.csv",
    `size,weight,Kind\n${rows((i) => `${(i * 7) % 11},${(i * 3) % 13},${kind(i)}`)}`,
  );
  // A wrong label and, behind it, columns of text whose names need quotes of both sorts.
  write(
    "both.csv",
    `size,"x, ""y""",it's,Kind\n${rows((i) => `${(i * 7) % 11},t${i},u${i},${kind(i)}`)}`,
  );
  write("with space.csv", `size,name,Class\n${rows((i) => `${(i * 7) % 11},n${i},${kind(i)}`)}`);

  /** Splits a command line as a POSIX shell does, as far as quotes go. */
  function shellWords(line: string): string[] {
    return Array.from(line.matchAll(/(?:[^\s'\\]|\\.|'[^']*')+/g), ([word]) =>
      word.replace(/'([^']*)'|\\(.)/g, (_, quoted, escaped) => quoted ?? escaped),
    );
  }

  test.each([
    ["text in features", ["--data", "texts.csv"]],
    ["text among chosen features", ["--data", "texts.csv", "--features", "size,name"]],
    ["another label column", ["--data", "kinds.csv"]],
    ["both, with quotes in the names", ["--data", "both.csv"]],
    ["a blank in the file's name", ["--data", "with space.csv"]],
    [
      "other flags",
      ["--data", "texts.csv", "--lr", "0.5", "--seed", "7", "--no-promote", "--experiment", "it's"],
    ],
  ])("%s: exit 5 with a command line that then works", async (_, args) => {
    const fast = ["--iterations", "5", "--store", "runs"];
    const refused = await raisin(["train", ...args, ...fast], { cwd: data });
    expect([refused.code, refused.stdout]).toEqual([5, ""]);
    const [, command] = /This would work:\n {2}raisin (.*)\n$/.exec(refused.stderr)!;
    const words = shellWords(command!);
    const works = await raisinJson<TrainAnswer>(words, { cwd: data });
    expect(works.dataset.features).toContain("size");
    // What else had been typed still holds.
    expect(works.params.iterations).toBe(5);
    if (args.includes("--lr")) {
      expect(works.params).toMatchObject({ lr: 0.5, seed: 7, promote: false, experiment: "it's" });
    }
  });

  test.each([
    ["no such file", ["--data", "absent.csv"], /absent\.csv: there is no such file/],
    ["a directory", ["--data", "."], /is a directory/],
    ["one class", ["--data", "one.csv"], /exactly two classes/],
    ["an empty file", ["--data", "empty.csv"], /empty\.csv: .*empty/],
    [
      "a positive class that is none",
      ["--data", "kinds.csv", "--label", "Kind", "--positive", "Red"],
      /"red" and "white"/,
    ],
    [
      "a feature that is not there",
      ["--data", "kinds.csv", "--label", "Kind", "--features", "sizes"],
      /"sizes".*perhaps "size"/,
    ],
    ["a column too large to standardise", ["--data", "large.csv"], /"big"/],
  ])("%s: exit 5, and no command that would not work", async (_, args, message) => {
    write("one.csv", "size,Class\n1,red\n2,red\n");
    write("empty.csv", "");
    write("large.csv", `big,Class\n${rows((i) => `${i}e200,${kind(i)}`)}`);
    const { code, stdout, stderr } = await raisin(["train", ...args, "--quiet"], { cwd: data });
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("This would work");
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

test.skipIf(!existsSync("/dev/full"))("a full disk behind stdout is told in one line", async () => {
  const full = openSync("/dev/full", "w");
  const args = ["train", "--data", "wine.csv", "--json", "--quiet", "--iterations", "2"];
  const { code, stderr } = await raisin(args, { cwd: temporaryDirectoryWithTable(), stdout: full });
  expect(code).toBe(1);
  expect(stderr).toBe("error: Cannot write to standard output: ENOSPC\n");
});

function temporaryDirectoryWithTable(): string {
  const directory = temporaryDirectory();
  writeTable(directory, "wine.csv");
  return directory;
}
