// Do the examples in the documentation run, and give what they say?
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as raisin from "../../src/index.ts";
import { ROOT, temporaryDirectory } from "../support/cli.ts";
import { commentExamples, markdownExamples, toRunnable } from "./examples.ts";

/** Files whose examples a user of the library reads. */
const SOURCES = ["src/index.ts", "src/data/files.ts"];
const examples = [
  ...SOURCES.flatMap((path) => commentExamples(ROOT, path)),
  ...(existsSync(join(ROOT, "README.md")) ? markdownExamples(ROOT, "README.md") : []),
];

describe("the documentation's examples", () => {
  const directory = temporaryDirectory();
  const before = process.cwd();

  beforeAll(() => {
    // What the examples read.
    copyFileSync(join(ROOT, "data/raisins-simulated.csv"), join(directory, "raisins.csv"));
    process.chdir(directory);
  });
  afterAll(() => process.chdir(before));

  test("are found in each of the files", () => {
    const files = examples.map(({ name }) => name.replace(/:\d+$/, ""));
    expect(files).toEqual(expect.arrayContaining([...SOURCES, "README.md"]));
    // As many as the texts hold, by a plainer count.
    for (const path of SOURCES) {
      const count = readFileSync(join(ROOT, path), "utf8").split("@example").length - 1;
      expect(files.filter((file) => file === path)).toHaveLength(count);
    }
  });

  test.each(examples)("$name", async ({ name, code }) => {
    const { code: text, claims } = toRunnable(
      code,
      Object.keys(raisin),
      join(ROOT, "src/index.ts"),
    );
    const path = join(directory, `${name.replaceAll(/\W/g, "-")}.ts`);
    writeFileSync(path, text);
    const values = await import(/* @vite-ignore */ path);
    for (const [claim, value] of claims) expect(values[claim]).toEqual(value);
  });

  test("a claim that is wrong, and an example that fails, would be noticed", async () => {
    const { code, claims } = toRunnable(
      'const two = 1 + 1; // 3\nreadCsv.name; // "readCsv"\ntwo; // about two',
      Object.keys(raisin),
    );
    expect(code).toContain('import { readCsv } from "raisin";');
    expect([...claims.values()]).toEqual([3, "readCsv"]);
    const path = join(directory, "wrong.ts");
    writeFileSync(path, code.replace('"raisin"', JSON.stringify(join(ROOT, "src/index.ts"))));
    expect(await import(/* @vite-ignore */ path)).toMatchObject({ claim0: 2, claim1: "readCsv" });
    const failing = join(directory, "failing.ts");
    writeFileSync(
      failing,
      toRunnable("throw new Error('no');", []).code.split("\n").slice(1).join("\n"),
    );
    await expect(import(/* @vite-ignore */ failing)).rejects.toThrow("no");
  });
});
