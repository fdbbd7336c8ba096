// Do texts of flags become the values that were meant, and words of a shell stay words?
import { spawnSync } from "node:child_process";
import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { shellWord } from "../../src/cli/exit.ts";
import { countFlag, dialectFlag, namesFlag, namesText, numberFlag } from "../../src/cli/options.ts";

describe("namesFlag()", () => {
  test.each([
    ["a", ["a"]],
    ["a,b c,d", ["a", "b c", "d"]],
    ['"a,b",c', ["a,b", "c"]],
    ['c,"say ""x"""', ["c", 'say "x"']],
    [' a ,5"', [" a ", '5"']],
    ['"two\nlines"', ["two\nlines"]],
    ["-x", ["-x"]],
  ])("reads %j", (text, names) => {
    expect(namesFlag(text)).toEqual(names);
    expect(namesFlag(namesText(names))).toEqual(names);
  });

  test.each(["", ",", "a,", ",a", "a,,b", '"a', '"a"b', '""', '"a",'])("refuses %j", (text) => {
    expect(() => namesFlag(text)).toThrow(InvalidArgumentError);
  });

  test("adds to what an earlier flag said", () => {
    expect(namesFlag("b", ["a"])).toEqual(["a", "b"]);
  });
});

test.each([
  ["lr", "0.1", 0.1],
  ["lr", "+.5e-3", 0.0005],
  ["iterations", "1e3", 1000],
  ["seed", "9007199254740991", 9007199254740991],
  ["valFraction", "0", 0],
] as const)("numberFlag(%s) reads %s", (parameter, text, value) => {
  expect(numberFlag(parameter)(text)).toBe(value);
});

test.each([
  ["lr", "0x1"],
  ["lr", " 1"],
  ["lr", "1_000"],
  ["lr", "Infinity"],
  ["lr", "NaN"],
  ["iterations", "1.5"],
  ["seed", "9007199254740992"],
] as const)("numberFlag(%s) refuses %j", (parameter, text) => {
  expect(() => numberFlag(parameter)(text)).toThrow(InvalidArgumentError);
});

test.each([
  ["delimiter", "semicolon", ";"],
  ["delimiter", ";", ";"],
  ["delimiter", "tab", "\t"],
  ["delimiter", "\t", "\t"],
  ["delimiter", "\\t", "\t"], // as a shell hands on '\t'
  ["quote", "single", "'"],
  ["quote", "none", null],
  ["decimal", "comma", ","],
  ["thousands", "apostrophe", "'"],
  ["thousands", "none", null],
] as const)("dialectFlag(%s) reads %j", (key, text, mark) => {
  expect(dialectFlag(key)(text)).toBe(mark);
});

test.each([
  ["delimiter", ""],
  ["delimiter", "Comma"],
  ["delimiter", ";;"],
  ["delimiter", "toString"],
  ["quote", "\\t"],
  ["decimal", "none"],
  ["thousands", "_"],
] as const)("dialectFlag(%s) refuses %j", (key, text) => {
  expect(() => dialectFlag(key)(text)).toThrow(InvalidArgumentError);
});

test("countFlag() reads whole numbers from 1 and nothing else", () => {
  expect(["1", "50", "999999999"].map(countFlag)).toEqual([1, 50, 999_999_999]);
  for (const text of ["", "0", "-1", "+1", "1.0", "1e3", " 1", "01", "0x1", "1000000000"]) {
    expect(() => countFlag(text), text).toThrow(InvalidArgumentError);
  }
});

test("shellWord() comes back from a shell as it was", () => {
  const words = [
    "plain",
    "two words",
    "it's",
    '"q"',
    "$HOME",
    "`x`",
    "a\\b",
    "*",
    "",
    "名",
    "a\nb",
    "-n",
    "~",
  ];
  const { stdout } = spawnSync("sh", ["-c", `printf '%s\\0' ${words.map(shellWord).join(" ")}`], {
    encoding: "utf8",
  });
  expect(stdout.split("\0").slice(0, -1)).toEqual(words);
});
