// Does `raisin inspect` say what a table holds, in any order of its rows, and suggest a command that trains on it?
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeModel } from "../../src/model/model-file.ts";
import { type Json, raisin, raisinJson, temporaryDirectory } from "../support/cli.ts";
import { FAMOUS, type FamousTable, shell, writeFamous } from "../support/famous.ts";

const lines = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => `${make(i)}\n`).join("");

interface Column {
  readonly name: string;
  readonly type: string;
  readonly missing: number;
  readonly distinct: number;
  readonly numbers: number;
  readonly texts: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly levels: readonly { readonly level: string; readonly count: number }[];
}

interface Inspected {
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly types: Readonly<Record<string, string>>;
  readonly label: string | null;
  readonly command: string | null;
  readonly guesses: readonly string[];
  readonly delimiter: string;
  readonly file_sha256: string;
}

const inspect = (cwd: string, file: string, ...args: string[]) =>
  raisinJson<Inspected>(["inspect", file, ...args], { cwd });

/** A table with a column of each type. */
function table(order: readonly number[]): string {
  const rows = order.map((i) =>
    [
      i + 1, // id
      `Ms. ${i}`, // name
      i % 5 === 0 ? "" : (i * 37) % 101, // age
      ["cook", "smith", "cook", "driver"][i % 4], // job
      ["yes", "no"][i % 2], // member
      i % 3 === 0 ? 1 : 0, // flag
      `2024-02-${String((i % 28) + 1).padStart(2, "0")}`, // when
      "p", // veil
      7, // five
      i === 3 ? "x" : i, // code
      i % 2 ? "" : "?", // nothing
      i % 7 < 3 ? "n" : "p", // outcome
    ].join(),
  );
  return `id,name,age,job,member,flag,when,veil,five,code,nothing,outcome\n${rows.join("\n")}\n`;
}

const straight = Array.from({ length: 60 }, (_, i) => i);
const turned = straight.map((i) => (i * 7 + 3) % 60);

describe("the table", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "t.csv"), table(straight));
  writeFileSync(join(cwd, "turned.csv"), table(turned));
  const said = await inspect(cwd, "t.csv");
  const column = (name: string) => said.columns.find((one) => one.name === name)!;

  test("says of each column what it is, what is missing, how many values differ, and which", () => {
    expect(said.rows).toBe(60);
    expect(Object.fromEntries(said.columns.map(({ name, type }) => [name, type]))).toEqual({
      id: "identifier",
      name: "identifier",
      age: "numeric",
      job: "categorical",
      member: "boolean",
      flag: "boolean",
      when: "date",
      veil: "constant",
      five: "constant",
      code: "mixed",
      nothing: "empty",
      outcome: "categorical",
    });
    const ages = straight.filter((i) => i % 5).map((i) => (i * 37) % 101);
    expect(column("age")).toEqual({
      name: "age",
      type: "numeric",
      missing: 12,
      distinct: new Set(ages).size,
      numbers: 48,
      texts: 0,
      min: Math.min(...ages),
      max: Math.max(...ages),
      levels: [],
    });
    expect(column("job")).toEqual({
      name: "job",
      type: "categorical",
      missing: 0,
      distinct: 3,
      numbers: 0,
      texts: 60,
      min: null,
      max: null,
      levels: [
        { level: "cook", count: 30 },
        { level: "driver", count: 15 },
        { level: "smith", count: 15 },
      ],
    });
    expect(column("nothing")).toMatchObject({ missing: 60, distinct: 0, min: null, levels: [] });
    expect(column("code")).toMatchObject({ numbers: 59, texts: 1 });
    expect(column("name")).toMatchObject({ distinct: 60, levels: { length: 10 } });
    expect(column("five")).toMatchObject({ distinct: 1, min: 7, max: 7 });
  });

  test("is for people, too: every column on a line of its own, and the command", async () => {
    const { code, stdout, stderr } = await raisin(["inspect", "t.csv"], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const shown = stdout.split("\n");
    expect(shown[0]).toContain("60 rows, 12 columns");
    for (const { name, type, missing, distinct } of said.columns) {
      const [line] = shown.filter((one) => one.startsWith(`${name} `));
      expect(line!.trim().split(/\s+/).slice(0, 4)).toEqual([
        name,
        type,
        String(missing),
        String(distinct),
      ]);
    }
    expect(stdout).toContain("cook (30), driver (15), smith (15)");
    expect(stdout).toContain("59 numbers and 1 texts: x (1)");
    expect(stdout).toContain(said.command!);
  });

  test("does not depend on the order of rows", async () => {
    const { file_sha256: own, path: _, ...other } = (await inspect(cwd, "turned.csv")) as Json;
    const { file_sha256: before, path: __, ...expected } = said as Json;
    expect(own).not.toBe(before);
    expect({ ...other, command: null }).toEqual({ ...expected, command: null });
    expect(other.command).toBe(expected.command.replace("t.csv", "turned.csv"));
  });

  test("says what it guessed of the dialect, and takes flags for it and for what is missing", async () => {
    writeFileSync(join(cwd, "semi.csv"), table(straight).replaceAll(",", ";"));
    const semi = await inspect(cwd, "semi.csv");
    expect(semi.columns).toEqual(said.columns);
    expect(semi.delimiter).toBe("semicolon");
    expect(semi.guesses).toHaveLength(1);
    expect((await raisin(["inspect", "semi.csv"], { cwd })).stdout).toContain(
      "guess     fields are separated by semicolon",
    );
    const given = await inspect(
      cwd,
      "semi.csv",
      "--delimiter",
      "semicolon",
      "--missing-tokens",
      "cook",
    );
    expect(given.guesses).toEqual([]);
    expect(given.columns.find(({ name }) => name === "job")).toMatchObject({
      missing: 30,
      distinct: 2,
    });
    const decimal = "x;y\n1,5;n\n2,5;p\n";
    writeFileSync(join(cwd, "comma.csv"), decimal);
    expect((await inspect(cwd, "comma.csv")).columns[0]).toMatchObject({ type: "mixed", texts: 2 });
    expect((await inspect(cwd, "comma.csv", "--decimal", "comma")).columns[0]).toMatchObject({
      type: "numeric",
      min: 1.5,
    });
  });

  test("leaves nothing behind", () => {
    expect(existsSync(join(cwd, "miniflow"))).toBe(false);
    expect(existsSync(join(cwd, "model.npz"))).toBe(false);
  });
});

describe("the label", () => {
  // biome-ignore format: one line a case
  test.each<[what: string, header: string, row: (i: number) => string, label: string | null]>([
    ["named like one", "churn,a,b", (i) => `${i % 2 ? "yes" : "no"},${i % 7},${i % 2}`, "churn"],
    ["named like one, in capitals", "a,TARGET,b", (i) => `${i % 7},${i % 2},${i % 2}`, "TARGET"],
    ["the last of two values", "a,b,c", (i) => `${i % 2},${i % 2},${i % 7}`, "b"],
    ["a few texts where nothing has two values", "kind,a,b", (i) => `${"uvw"[i % 3]},${i % 7},${i % 5}`, "kind"],
    ["one that is named so, not one with gaps", "class,a,b", (i) => `${["u", "v", ""][i % 3]},${i % 7},${i % 2}`, "b"],
    ["none: only numbers", "a,b,c", (i) => `${i % 7},${i % 5},${i % 3}`, null],
  ])("is %s", async (_, header, row, label) => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "t.csv"), `${header}\n${lines(42, row)}`);
    const said = await inspect(cwd, "t.csv");
    expect(said.label).toBe(label);
    expect(said.command === null).toBe(label === null);
    if (label === null) {
      expect((await raisin(["inspect", "t.csv"], { cwd })).stdout).toContain("--label");
    }
  });

  test("is the one that is named, and an error where there is none of that name", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(
      join(cwd, "t.csv"),
      `a,flag,churn\n${lines(30, (i) => `${i % 7},${i % 2},${i % 2 ? "y" : "n"}`)}`,
    );
    expect(await inspect(cwd, "t.csv", "--label", "flag")).toMatchObject({
      label: "flag",
      command: "raisin train --data t.csv --label flag",
    });
    const outcome = await raisin(["inspect", "t.csv", "--label", "chrn"], { cwd });
    expect(outcome).toMatchObject({ code: 5, stdout: "" });
    expect(outcome.stderr).toContain(
      't.csv: Cannot find column "chrn": the columns are "a", "flag", "churn"; perhaps "churn" is meant',
    );
  });
});

describe.each(FAMOUS)("the command for $name", async (famous: FamousTable) => {
  const cwd = temporaryDirectory();
  const file = writeFamous(cwd, famous);
  const label = famous.name === "adult" ? " income" : famous.label;
  const said = await inspect(cwd, file, "--label", label);

  test("trains on it, with guesses no other than a plain training has", async () => {
    for (const flag of famous.flags) expect(said.command).toContain(flag);
    const outcome = await shell(`${said.command} --iterations 3 --quiet --json`, cwd);
    expect(outcome.code).toBe(0);
    const { spec } = decodeModel(readFileSync(join(cwd, "model.npz")));
    expect(spec.columns.map(({ name }) => name)).toEqual(famous.columns);
    for (const guess of famous.guesses) expect(outcome.stderr).toMatch(guess);
  });

  test("gives the same bytes when the types that were printed are given back", async () => {
    writeFileSync(join(cwd, "types.json"), JSON.stringify(said));
    const train = async (out: string, types: string) => {
      const outcome = await shell(
        `${said.command} --iterations 3 --json --quiet --out ${out} ${types}`,
        cwd,
      );
      if (outcome.code !== 0) throw new Error(outcome.stderr);
      return { bytes: readFileSync(join(cwd, out)), stderr: outcome.stderr };
    };
    const [plain, typed] = await Promise.all([
      train("plain.npz", ""),
      train("typed.npz", "--types types.json"),
    ]);
    expect(typed.bytes.equals(plain.bytes)).toBe(true);
    // What was told is no guess any more; what is boolean is left to the cells.
    expect(typed.stderr).not.toContain("left out");
    expect(typed.stderr).not.toMatch(/is a category of (?:[3-9]|\d\d)/);
  });
});

describe("the label that is found without a word", () => {
  test.each(FAMOUS)("is the right one in $name", async (famous: FamousTable) => {
    const cwd = temporaryDirectory();
    const { label, command } = await inspect(cwd, writeFamous(cwd, famous));
    expect(label?.trim()).toBe(famous.label);
    expect((await shell(`${command} --iterations 2 --quiet`, cwd)).code).toBe(0);
  });
});

describe("what is no table", async () => {
  const cwd = temporaryDirectory();
  // biome-ignore format: one line a case
  test.each<[what: string, text: string, says: RegExp]>([
    ["nothing", "", /empty/],
    ["a header and no rows", "a,b\n", /no row/],
    ["rows of other lengths", "a,b\n1,2\n1\n1,2,3\n", /fields where the header has 2/],
    ["two columns of one name", "a,a\n1,2\n", /headers must differ/],
    ["bytes that are no text", "PK\u0003\u0004 and so on", /zip archive/],
  ])("%s: exit 5", async (_, text, says) => {
    writeFileSync(join(cwd, "t.csv"), text);
    const outcome = await raisin(["inspect", "t.csv"], { cwd });
    expect(outcome).toMatchObject({ code: 5, stdout: "" });
    expect(outcome.stderr).toMatch(says);
  });

  test("a file that is not there, or a word too many: exit 5, exit 2", async () => {
    expect((await raisin(["inspect", "none.csv"], { cwd })).code).toBe(5);
    expect((await raisin(["inspect"], { cwd })).code).toBe(2);
    expect((await raisin(["inspect", "a.csv", "b.csv"], { cwd })).code).toBe(2);
    expect((await raisin(["inspect", "t.csv", "--missing", "mean"], { cwd })).code).toBe(2);
  });
});

test("names and levels that could drive a terminal are shown as what they are", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(
    join(cwd, "t.csv"),
    `"\u202ex","long",y\n${lines(20, (i) => `${i % 2 ? "\u200bu" : "\u2066v"},${"w".repeat(300 + (i % 3))},${i % 2 ? "n" : "p"}`)}`,
  );
  const { stdout, code } = await raisin(["inspect", "t.csv"], { cwd });
  expect(code).toBe(0);
  expect(stdout).not.toMatch(/[\u202e\u200b\u2066]/);
  expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(260);
});
