// Do the pictures show what they are given?
import { describe, expect, test } from "vitest";
import { bar, chart, figure, plain, table } from "../../src/cli/charts.ts";

describe("bar()", () => {
  test.each([
    [0, ""],
    [1, "████"],
    [0.5, "██"],
    [1 / 32, "▏"],
    [0.25 + 7 / 32, "█▉"],
    [2, "████"],
    [-1, ""],
  ])("of %d is %j", (share, expected) => {
    expect(bar(share, 4)).toBe(expected);
  });
});

describe("chart()", () => {
  test("draws a falling line from the top left to the bottom right, with the range beside", () => {
    const points = [
      [0, 1],
      [2, 0],
    ] as const;
    expect(chart([{ mark: "*", points }], 3, 3, ["0", "9"])).toEqual([
      "1.0000 ┤*",
      "       ┤ *",
      "0.0000 ┤  *",
      "       └───",
      "        0 9",
    ]);
  });

  test("puts later series on top, and a level line at the bottom", () => {
    const level = { mark: "a", points: [[0, 5]] as const };
    expect(chart([level, { ...level, mark: "b" }], 2, 2, ["", ""])[1]).toBe("5.0000 ┤bb");
    expect(chart([], 2, 2, ["", ""])).toEqual([]);
  });
});

test("table() aligns the first column left and the others right, by characters", () => {
  expect(
    table([
      ["", "p"],
      ["長い", "10"],
      ["a", "5"],
    ]),
  ).toEqual(["     p", "長い  10", "a    5"]);
  expect(
    table([
      ["ab", "1"],
      ["c", "22"],
    ]),
  ).toEqual(["ab   1", "c   22"]);
  expect(table([])).toEqual([]);
});

test.each([
  [null, "–"],
  [0, "0"],
  [0.123456789, "0.123457"],
  [1e-5, "1.000e-5"],
  [-12345678, "-1.235e+7"],
  [900, "900"],
])("figure(%d) is %s", (value, expected) => {
  expect(figure(value)).toBe(expected);
});

test("plain() makes control characters visible, and leaves text", () => {
  expect(plain("a\u001b[31m\u202eb\n名")).toBe("a\\u001b[31m\\u202eb\\u000a名");
});
