// Is a gap that a model has not learned told, whatever stands for it, and never scored as a value?
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadCore } from "../../src/core/node.ts";
import { datasetFromObjects, LogisticRegression } from "../../src/index.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { raisin, temporaryDirectory } from "../support/cli.ts";

const cwd = temporaryDirectory();
const write = (name: string, lines: readonly string[]) =>
  writeFileSync(join(cwd, name), `${lines.join("\n")}\n`);

write("gaps.csv", [
  "a,b,c,y",
  ...Array.from({ length: 60 }, (_, i) =>
    [i % 7 === 0 ? -999 : (i * 13) % 11, (i * 7) % 9, "pqr"[i % 3], "LMN"[(i * i) % 3]].join(),
  ),
]);
const FLAGS = ["--missing", "indicator", "--missing-tokens=-999", "--unseen", "base"];
const trained = await raisin(
  ["train", "--data", "gaps.csv", "--label", "y", "--positive", "L", "--rest", ...FLAGS, "--quiet"],
  { cwd },
);

const predict = (...rows: string[]) => {
  write("new.csv", ["a,b,c,y", ...rows]);
  return raisin(["predict", "--data", "new.csv", "--quiet"], { cwd });
};

describe("a missing token in a column without gaps in training", () => {
  test("the model was trained, and reads a gap where it learned one", async () => {
    expect(trained.code).toBe(0);
    expect((await predict("-999,1,p,L", "1,2,q,M")).code).toBe(0);
  });

  test.each([
    [
      "a number that stands for a gap",
      "1,-999,p,L",
      /column "b": "-999" stands for a missing value/,
    ],
    ["a blank cell", "1,,p,L", /column "b": the field is empty/],
    [
      "a category, though other levels count as the base",
      "1,2,-999,L",
      /column "c": "-999" stands/,
    ],
  ])("is refused with its line: %s", async (_, row, says) => {
    const { code, stdout, stderr } = await predict("1,2,q,L", row);
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(says);
    expect(stderr).toContain("line 3");
    expect(stderr).toContain("train with --missing indicator");
    // Control: the same row without the gap.
    expect(
      (
        await predict(
          "1,2,q,L",
          row.replace(/-999|,,/, (gap) => (gap === ",," ? ",3," : "3")),
        )
      ).code,
    ).toBe(0);
  });

  test("a missing label is no row of the rest", async () => {
    write("labelled.csv", ["a,b,c,y", "1,2,p,L", "2,3,q,-999", "3,4,r,M"]);
    const { code, stderr } = await raisin(["evaluate", "--data", "labelled.csv"], { cwd });
    expect(code).toBe(5);
    expect(stderr).toMatch(/column "y": "-999" stands for a missing label.*line 3/);
  });
});

describe("rows as objects", () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    a: i % 5 === 0 ? null : (i * 13) % 11,
    seven: i % 4 === 0 ? null : 7,
    Class: i % 2 ? "x" : "z",
  }));

  test("labels that stand in the rows are not given a second time, which would make them a feature", async () => {
    const y = rows.map(({ Class }) => Class);
    await expect(
      new LogisticRegression().fit(rows, y, { label: "Class", missing: "indicator" }),
    ).rejects.toThrow('labels of their own beside "Class"');
    const model = await new LogisticRegression().fit(rows, {
      label: "Class",
      missing: "indicator",
    });
    expect(model.featureNames).toEqual(["a", "a is missing", "seven", "seven is missing"]);
  });

  test("an option that is none is named, with the one that is meant", async () => {
    const options = { label: "Class", missing: "indicator", catagorical: ["a"] } as const;
    await expect(new LogisticRegression().fit(rows, options)).rejects.toThrow(
      'Cannot use option "catagorical"; categorical may be meant',
    );
  });

  test("a number that is constant but for its gaps is not said to tell nothing", () => {
    const warnings = (some: typeof rows) =>
      datasetFromObjects(some, null, { label: "Class", missing: "indicator" }).warnings;
    expect(warnings(rows)).toEqual([]);
    expect(warnings(rows.map((row) => ({ ...row, seven: 7 })))).toEqual([
      'Column "seven" is constant and tells the model nothing',
    ]);
  });

  test("an indicator that no training row switches on is warned of, for the seeds where that is so", async () => {
    const one = rows.map((row, i) => ({ ...row, a: i === 3 ? null : i / 2, seven: i % 3 }));
    const dataset = datasetFromObjects(one, null, { label: "Class", missing: "indicator" });
    const outcomes = new Set<boolean>();
    for (let seed = 0; seed < 20; seed++) {
      const params = { ...DEFAULT_PARAMS, iterations: 1, seed };
      const { split, warnings } = await train(loadCore(), dataset, params);
      const isAbsent = split.validation.includes(3);
      outcomes.add(isAbsent);
      expect(warnings.some((text) => text.includes('lacks a value of "a"'))).toBe(isAbsent);
    }
    expect(outcomes.size).toBe(2);
  });
});
