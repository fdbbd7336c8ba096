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
    for (const command of [
      "inspect",
      "train",
      "predict",
      "evaluate",
      "verify",
      "data-dir",
      "drift",
      "serve",
      "data",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, "m"));
    }
    expect(stdout).toContain("Examples:");
    expect(stdout).toContain(
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 not reproduced, or not promoted by models promote, 4 drift (with --fail)",
    );
  });

  test.each(["inspect", "train", "predict", "evaluate", "verify", "drift", "serve", "data"])(
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
      ["--threshold <p>", "0.5"],
      ["--class-weight <how>", '"none"'],
      ["--store <dir>", '"miniflow"'],
      ["--out <file>", '"model.npz"'],
      ["--promote-on <metric>", '"val_accuracy"'],
    ] as const) {
      const from = text.indexOf(flag);
      expect(from, flag).toBeGreaterThan(0);
      expect(text.slice(from, text.indexOf(" --", from + 3))).toContain(`default: ${value})`);
    }
    // Where a default is told in words, since what was typed must be known from what was not.
    for (const [flag, words] of [
      ["--rest", "against all others"],
      ["--missing <what>", "error by default"],
      ["--missing-tokens <a,b,…>", "by default #N/A,?,N/A,NA,NULL,NaN,n/a,nan,null"],
      ["--base <level>", "first by default"],
      ["--unseen <what>", "by default error"],
      ["--delimiter <mark>", "by default the one that fits the first rows"],
      ["--quote <mark>", "by default double, or single where the header has them"],
      ["--decimal <mark>", "point by default"],
      ["--thousands <mark>", "none by default"],
    ] as const) {
      const from = text.indexOf(`${flag} `);
      expect(from, flag).toBeGreaterThan(0);
      expect(text.slice(from, text.indexOf(" --", from + 3)), flag).toContain(words);
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
    [["train", "--rest"], "name it with --positive"],
    [["train", "--class-weight", "even"], "none, balanced"],
    [["train", "--missing", "mean"], "error, indicator, drop"],
    [["train", "--base", "last"], "first, most-frequent"],
    [["train", "--unseen", "other"], "error, base"],
    [["train", "--max-levels", "0"], "whole number from 1"],
    [["train", "--max-levels", "2.5"], "whole number from 1"],
    [["train", "--delimiter", "x"], "comma, semicolon, tab, pipe"],
    [["train", "--quote", "`"], "double, single, none"],
    [["train", "--decimal", "dot"], "point, comma"],
    [["train", "--thousands", "_"], "none, comma, point, space, apostrophe"],
    [["train", "--numeric", "a,,b"], "column names with commas between them"],
    [["train", "--categorical", ""], "column names with commas between them"],
    [["train", "--missing-tokens", '"a'], "column names with commas between them"],
    [["train", "--types", ""], "name a file"],
    [["train", "--data", "wine.csv", "--types", "none.json"], "Cannot use the types of none.json"],
    [["train", "--data", "wine.csv", "--types", "wine.csv"], "Cannot use the types of wine.csv"],
    [["inspect"], "missing required argument 'file'"],
    [["train", "--promote-on", "loss"], "val_accuracy, val_loss"],
    [["train", "--features", "a,,b"], "column names with commas between them"],
    [["train", "--drop", ""], "column names with commas between them"],
    [["train", "--drop", '"a'], "column names with commas between them"],
    [["predict"], "required option '--data <file>'"],
    [["evaluate"], "required option '--data <file>'"],
    [["verify"], "Name one run to verify, or --all"],
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

  // Texts among numbers: many different ones in "name"; one, as if it stood for nothing, in "note".
  const mixed = (mark: string) => (i: number) => (i % 4 === 0 ? `${mark}${i}` : String(i % 9));
  const [n, t, u] = ["n", "t", "u"].map(mixed) as [typeof kind, typeof kind, typeof kind];
  const note = (i: number) => (i % 10 === 0 ? '"a ""b"""' : String((i * 3) % 5));
  write(
    "texts.csv",
    `size,name,note,Class\n${rows((i) => `${(i * 7) % 11},${n(i)},${note(i)},${kind(i)}`)}`,
  );
  write(
    "kinds.csv",
    `size,weight,Kind\n${rows((i) => `${(i * 7) % 11},${(i * 3) % 13},${kind(i)}`)}`,
  );
  // A wrong label and, behind it, columns that cannot be used, whose names need quotes of both sorts.
  write(
    "both.csv",
    `size,"x, ""y""",it's,Kind\n${rows((i) => `${(i * 7) % 11},${t(i)},${u(i)},${kind(i)}`)}`,
  );
  // Three classes, and rows without one.
  const three = (i: number) => (i % 8 === 0 ? "NA" : i % 5 === 0 ? "rose" : kind(i));
  write("three.csv", `size,Class\n${rows((i) => `${(i * 7) % 11},${three(i)}`)}`);
  write("with space.csv", `size,name,Class\n${rows((i) => `${(i * 7) % 11},${n(i)},${kind(i)}`)}`);

  /** Splits a command line as a POSIX shell does, as far as quotes go. */
  function shellWords(line: string): string[] {
    return Array.from(line.matchAll(/(?:[^\s'\\]|\\.|'[^']*')+/g), ([word]) =>
      word.replace(/'([^']*)'|\\(.)/g, (_, quoted, escaped) => quoted ?? escaped),
    );
  }

  const NOTE = ["note", "note is missing"];
  test.each([
    ["texts among numbers", ["--data", "texts.csv"], ["size", ...NOTE]],
    ["texts among chosen columns", ["--data", "texts.csv", "--features", "size,name"], ["size"]],
    ["another label column", ["--data", "kinds.csv"], ["size", "weight"]],
    ["both, with quotes in the names", ["--data", "both.csv"], ["size"]],
    ["three classes, and rows without one", ["--data", "three.csv"], ["size"]],
    ["a blank in the file's name", ["--data", "with space.csv"], ["size"]],
    [
      "other flags",
      ["--data", "texts.csv", "--lr", "0.5", "--seed", "7", "--no-promote", "--experiment", "it's"],
      ["size", ...NOTE],
    ],
  ])("%s: exit 5 with a command line that then works", async (_, args, features) => {
    const fast = ["--iterations", "5", "--store", "runs"];
    const refused = await raisin(["train", ...args, ...fast], { cwd: data });
    expect([refused.code, refused.stdout]).toEqual([5, ""]);
    const [, command] = /This would work:\n {2}raisin (.*)\n$/.exec(refused.stderr)!;
    const words = shellWords(command!);
    const works = await raisinJson<TrainAnswer>(words, { cwd: data });
    expect(works.dataset.features).toEqual(features);
    // Nothing is guessed on the way: the command says all of it, and rows that go are counted.
    const dropped = ["5 rows with a missing cell are left out (--missing drop)"];
    expect(works.guesses).toEqual(args.includes("three.csv") ? dropped : []);
    // What else had been typed still holds.
    expect(works.params.iterations).toBe(5);
    if (args.includes("--lr")) {
      expect(works.params).toMatchObject({ lr: 0.5, seed: 7, promote: false, experiment: "it's" });
    }
  });

  test("each problem is named with what could be meant", async () => {
    const { stderr } = await raisin(["train", "--data", "texts.csv"], { cwd: data });
    expect(stderr).toBe(
      [
        "error: texts.csv: Cannot read the table, 2 problems:",
        '  column "name": 30 cells with numbers and 10 cells with text, such as "n0": --categorical takes each as a level, --drop leaves the column out (10 rows, the first: line 2)',
        '  column "note": 36 cells with numbers and 4 cells with text, such as "a \\"b\\"": if "a \\"b\\"" stands for a missing value, name it with --missing-tokens; --categorical takes each as a level, --drop leaves the column out (4 rows, the first: line 2)',
        "This would work:",
        `  raisin train --data texts.csv --label Class --drop name --missing indicator --missing-tokens '"a ""b"""'`,
        "",
      ].join("\n"),
    );
  });

  test("texts are categories, and identifiers and one text throughout are left out: exit 0, and all of it said", async () => {
    write(
      "words.csv",
      `size,sort,name,note,Class\n${rows((i) => `${(i * 7) % 11},${"abc"[i % 3]},n${i},"a ""b""",${kind(i)}`)}`,
    );
    const args = [
      "train",
      "--data",
      "words.csv",
      "--iterations",
      "5",
      "--quiet",
      "--store",
      "runs",
    ];
    const { code, stdout, stderr } = await raisin(args, { cwd: data });
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toBe(
      [
        'guess: column "sort" is a category of 3 levels, base "a", 2 features',
        'guess: column "name" is left out: it looks like an identifier; --categorical or --numeric keeps it',
        'guess: column "note" is left out: it holds one text only',
        "",
      ].join("\n"),
    );
    const { dataset, guesses } = await raisinJson<TrainAnswer>(args, { cwd: data });
    expect(dataset.features).toEqual(["size", "sort=b", "sort=c"]);
    expect(guesses).toHaveLength(3);
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
