// Does `raisin predict` keep the input as it is and add what the model says, and nothing half-done?
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { TextReader } from "../../src/data/csv-text.ts";
import { PLAIN_DIALECT } from "../../src/data/dialect.ts";
import type { Model } from "../../src/model/model.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import {
  BIN,
  noisyTable,
  raisin,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;
const cwd = temporaryDirectory();
const FEATURES = ["a", "b", "c"];
let answer: TrainAnswer;
let model: Model;

beforeAll(async () => {
  writeTable(cwd, "wine.csv");
  answer = await raisinJson<TrainAnswer>(["train", "--data", "wine.csv", "--iterations", "60"], {
    cwd,
  });
  model = decodeModel(readFileSync(join(cwd, "model.npz")));
});

function records(text: string): string[][] {
  return new TextReader(PLAIN_DIALECT).push(new TextEncoder().encode(text), true);
}

/** Columns by name, in the order of the output. */
function columnsOf(text: string): Map<string, string[]> {
  const [header, ...rows] = records(text) as [string[], ...string[][]];
  return new Map(header.map((name, j) => [name, rows.map((row) => row[j]!)]));
}

async function predict(...args: string[]) {
  return raisin(["predict", ...args], { cwd });
}

describe("raisin predict", () => {
  test("keeps columns, rows and their order, and appends pred, label and p_class1", async () => {
    const { code, stdout, stderr } = await predict("--data", "wine.csv");
    expect(code).toBe(0);
    expect(stderr).toBe(`60 rows scored by production of "wine", run ${answer.run_id}\n`);
    const input = noisyTable().trimEnd().split("\n");
    const output = stdout.trimEnd().split("\n");
    expect(output[0]).toBe(`${input[0]},pred,label,p_class1`);
    expect(output.map((line) => line.split(",").slice(0, 4).join(","))).toEqual(input);
    const columns = columnsOf(stdout);
    const p = columns.get("p_class1")!.map(Number);
    expect(columns.get("pred")).toEqual(p.map((value) => (value >= 0.5 ? "1" : "0")));
    expect(columns.get("label")).toEqual(p.map((value) => (value >= 0.5 ? "yes" : "no")));
    expect(new Set(columns.get("pred"))).toEqual(new Set(["0", "1"]));
  });

  test("--explain: the bias plus the contributions, in order, is the logit whose sigmoid is p, bit for bit", async () => {
    const { stdout } = await predict("--data", "wine.csv", "--explain", "--quiet");
    const columns = columnsOf(stdout);
    expect([...columns.keys()].slice(-3)).toEqual(FEATURES.map((name) => `contrib_${name}`));
    const p = columns.get("p_class1")!;
    const logits = Float64Array.from(p, (_, row) =>
      FEATURES.reduce((z, name, j) => {
        const contribution = Number(columns.get(`contrib_${name}`)![row]);
        const scaled = (Number(columns.get(name)![row]) - model.mean[j]!) / model.std[j]!;
        expect(contribution).toBe(model.w[j]! * scaled);
        return z + contribution;
      }, model.b),
    );
    expect(p.map(Number)).toEqual([...new Core(loadCore()).sigmoid(logits)]);
  });

  test("takes columns in any order, without the label, among others of any text", async () => {
    const [, ...rows] = noisyTable({ rows: 20 }).trimEnd().split("\n");
    const notes = ["plain", 'with "quotes"', "two\nlines", "a,b", "", " blanks ", "=1+1", "ünï 名"];
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const input = rows.map((row, i) => {
      const [a, b, c] = row.split(",");
      return {
        note: notes[i % notes.length]!,
        line: `${c},${quoted(notes[i % notes.length]!)},${b},${a}`,
      };
    });
    writeFileSync(
      join(cwd, "mixed.csv"),
      `\uFEFFc,note,b,a\r\n${input.map(({ line }) => line).join("\r\n")}`,
    );
    const { code, stdout } = await predict("--data", "mixed.csv", "--quiet");
    expect(code).toBe(0);
    const mixed = columnsOf(stdout);
    expect([...mixed.keys()]).toEqual(["c", "note", "b", "a", "pred", "label", "p_class1"]);
    expect(mixed.get("note")).toEqual(input.map(({ note }) => note));
    const straight = columnsOf((await predict("--data", "wine.csv", "--quiet")).stdout);
    expect(mixed.get("p_class1")).toEqual(straight.get("p_class1")!.slice(0, 20));
  });

  test("writes numbers of the input as they were written", async () => {
    writeFileSync(join(cwd, "forms.csv"), "a,b,c,id\n1.50,+2,.5e1,007\n-0,1e0, 3 ,0.10\n");
    const { stdout } = await predict("--data", "forms.csv", "--quiet");
    const columns = columnsOf(stdout);
    expect(["a", "b", "c", "id"].map((name) => columns.get(name))).toEqual([
      ["1.50", "-0"],
      ["+2", "1e0"],
      [".5e1", " 3 "],
      ["007", "0.10"],
    ]);
  });

  test("a name that is taken is an error that names --prefix, and --prefix helps", async () => {
    const [header, ...rows] = noisyTable({ rows: 5 }).trimEnd().split("\n");
    const text = [`${header},pred,p_class1`, ...rows.map((row) => `${row},old,older`)].join("\n");
    writeFileSync(join(cwd, "taken.csv"), text);
    const refused = await predict("--data", "taken.csv", "--out", "taken-out.csv");
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toContain('already has a column "pred", "p_class1"');
    expect(refused.stderr).toContain("--prefix");
    expect(existsSync(join(cwd, "taken-out.csv"))).toBe(false);
    const { code, stdout } = await predict(
      "--data",
      "taken.csv",
      "--prefix",
      "m_",
      "--explain",
      "--quiet",
    );
    expect(code).toBe(0);
    expect(stdout.split("\n")[0]).toBe(
      `${header},pred,p_class1,m_pred,m_label,m_p_class1,m_contrib_a,m_contrib_b,m_contrib_c`,
    );
  });

  test.each([
    ["a missing feature", "a,c\n1,2\n", /Cannot find column "b".*\n.*needs: a, b, c/],
    [
      "text where a number belongs",
      "a,b,c\n1,2,3\n1,x,3\n",
      /column "b": "x" is not a decimal number \(1 row: line 3\)/,
    ],
  ])("%s: exit 5, and nothing is written", async (_, text, message) => {
    writeFileSync(join(cwd, "bad.csv"), text);
    writeFileSync(join(cwd, "kept.csv"), "before");
    const before = readdirSync(cwd);
    const toFile = await predict("--data", "bad.csv", "--out", "kept.csv");
    expect(toFile.code).toBe(5);
    expect(toFile.stderr).toMatch(message);
    expect(readFileSync(join(cwd, "kept.csv"), "utf8")).toBe("before");
    expect(readdirSync(cwd)).toEqual(before);
    expect((await predict("--data", "bad.csv")).stdout).toBe("");
  });

  test("a row too far from the training rows for a finite logit: exit 5, which row", async () => {
    const rows = Array.from(
      { length: 40 },
      (_, i) => `${i % 9}e-6,${(i * 5) % 7 < 3 ? "no" : "yes"}`,
    );
    writeFileSync(join(cwd, "tiny.csv"), ["t,Class", ...rows].join("\n"));
    const args = ["train", "--data", "tiny.csv", "--store", "tiny", "--quiet", "--iterations", "5"];
    expect((await raisin([...args, "--out", "tiny.npz"], { cwd })).code).toBe(0);
    writeFileSync(join(cwd, "far.csv"), "t\n1e-6\n1e300\n1.7e308\n");
    const { code, stdout, stderr } = await predict("--data", "far.csv", "--model-file", "tiny.npz");
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toContain("Cannot score row 3");
  });

  test("--out leaves the whole output and no temporary file, also in a directory that was not there", async () => {
    const toStdout = await predict("--data", "wine.csv");
    const { code, stdout } = await predict("--data", "wine.csv", "--out", "made/up/out.csv");
    expect([code, stdout]).toEqual([0, ""]);
    expect(readFileSync(join(cwd, "made/up/out.csv"), "utf8")).toBe(toStdout.stdout);
    expect(readdirSync(join(cwd, "made/up"))).toEqual(["out.csv"]);
    expect((await predict("--data", "wine.csv", "--out", ".")).code).toBe(2);
  });

  test.skipIf(!hasPrlimit)(
    "leaves nothing when the output does not fit (needs prlimit)",
    async () => {
      writeFileSync(join(cwd, "kept.csv"), "before");
      const before = readdirSync(cwd);
      const { status, stderr } = spawnSync(
        "prlimit",
        [
          "--fsize=1000",
          process.execPath,
          BIN,
          "predict",
          "--data",
          "wine.csv",
          "--out",
          "kept.csv",
        ],
        { cwd, encoding: "utf8" },
      );
      expect([status, stderr]).toEqual([
        1,
        `error: Cannot write ${join(cwd, "kept.csv")}: EFBIG\n`,
      ]);
      expect(readFileSync(join(cwd, "kept.csv"), "utf8")).toBe("before");
      expect(readdirSync(cwd)).toEqual(before);
    },
  );

  test("--model-file takes a file, a run directory and an artifacts directory", async () => {
    const expected = (await predict("--data", "wine.csv")).stdout;
    mkdirSync(join(cwd, "plain"));
    copyFileSync(join(cwd, "model.npz"), join(cwd, "plain/model.npz"));
    for (const path of ["model.npz", answer.run_dir, join(answer.run_dir, "artifacts"), "plain"]) {
      // An empty store: the model does come from the path.
      const args = ["--data", "wine.csv", "--model-file", path, "--store", "nowhere"];
      const { code, stdout } = await predict(...args);
      expect(code, path).toBe(0);
      expect(stdout, path).toBe(expected);
    }
    expect(existsSync(join(cwd, "nowhere"))).toBe(false);
  });

  test("a model file that is none is refused in one line", async () => {
    const { code, stderr } = await predict("--data", "wine.csv", "--model-file", "wine.csv");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: wine\.csv: Cannot read model.*\n$/);
  });

  test("with several models in production, --model chooses", async () => {
    const args = ["train", "--data", "wine.csv", "--model", "other", "--store", "two", "--quiet"];
    await raisin([...args, "--iterations", "2"], { cwd });
    await raisin([...args, "--iterations", "2", "--model", "another"], { cwd });
    const unclear = await predict("--data", "wine.csv", "--store", "two");
    expect(unclear.code).toBe(2);
    expect(unclear.stderr).toContain("--model (other, another)");
    const clear = await predict("--data", "wine.csv", "--store", "two", "--model", "another");
    expect([clear.code, clear.stderr]).toEqual([0, expect.stringContaining('of "another"')]);
    const unknown = await predict("--data", "wine.csv", "--store", "two", "--model", "anther");
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("other, another")]);
  });

  test("a production run that is gone is an error that says what to do", async () => {
    const args = ["train", "--data", "wine.csv", "--store", "gone", "--json", "--iterations", "2"];
    const gone: TrainAnswer = JSON.parse((await raisin(args, { cwd })).stdout);
    rmSync(gone.run_dir, { recursive: true });
    const { code, stdout, stderr } = await predict("--data", "wine.csv", "--store", "gone");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("its directory is missing");
    expect(stderr).toContain("gone/registry.json");
  });
});
