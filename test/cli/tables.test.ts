// Are the tables that everybody knows trained on, if need be by the printed command, and is bad input named with a way out?
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { TextReader } from "../../src/data/csv-text.ts";
import { PLAIN_DIALECT } from "../../src/data/dialect.ts";
import { featureNamesOf, type InputColumn } from "../../src/data/encoding.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import {
  createRandom,
  type Json,
  type Outcome,
  raisin,
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";
import { commandIn, FAMOUS, type FamousTable, shell, writeFamous } from "../support/famous.ts";

const QUICK = ["--iterations", "40", "--log-every", "20", "--quiet"];

interface Answer extends TrainAnswer {
  readonly guesses: readonly string[];
  readonly warnings: readonly string[];
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly use: string;
  }[];
}

/** A train command, and, where it fails on the data, the one that it prints. */
async function trainOn(
  cwd: string,
  args: readonly string[],
): Promise<{ first: Outcome; command: string | undefined; answer: Answer; stderr: string }> {
  const first = await raisin(["train", ...args, ...QUICK, "--json"], { cwd });
  if (first.code === 0) {
    return {
      first,
      command: undefined,
      answer: JSON.parse(first.stdout) as Answer,
      stderr: first.stderr,
    };
  }
  expect(first.code).toBe(5);
  expect(first.stdout).toBe("");
  const command = commandIn(first.stderr);
  if (command === undefined) throw new Error(`no command is offered: ${first.stderr}`);
  const second = await shell(command, cwd);
  if (second.code !== 0) throw new Error(`${command}: exit ${second.code}: ${second.stderr}`);
  return { first, command, answer: JSON.parse(second.stdout) as Answer, stderr: second.stderr };
}

function shuffledRows(rows: readonly string[]): string[] {
  const random = createRandom(99);
  return rows
    .map((row) => [random(), row] as const)
    .sort(([a], [b]) => a - b)
    .map(([, row]) => row);
}

function recordsOf(text: string, delimiter = ","): string[][] {
  const dialect = { ...PLAIN_DIALECT, delimiter };
  return new TextReader(dialect).push(new TextEncoder().encode(text), true);
}

describe.each(FAMOUS)("$name", async (table: FamousTable) => {
  const cwd = temporaryDirectory();
  const file = writeFamous(cwd, table);
  const delimiter = table.header.includes(";") ? ";" : ",";
  const { command, answer, stderr } = await trainOn(cwd, ["--data", file, "--label", table.label]);
  const bytes = readFileSync(join(cwd, "model.npz"));
  const model = decodeModel(bytes);

  test("is trained, by the printed command where the plain one does not do", () => {
    expect(command === undefined).toBe(table.flags.length === 0);
    for (const flag of table.flags) expect(command).toContain(flag);
    expect(model.spec.columns.map((column) => column.name)).toEqual(table.columns);
    expect(answer.dataset.rows).toBe(table.rows.length);
    // Whatever the labels follow has been learned: better than the larger class alone would do.
    expect(answer.metrics.train_loss).toBeLessThan(0.69);
  });

  test("has each guess told on stderr, --quiet or not, and recorded", () => {
    for (const guess of table.guesses) expect(stderr).toMatch(guess);
    const told = stderr.split("\n").filter((line) => line.startsWith("guess: "));
    expect(told.map((line) => line.slice("guess: ".length))).toEqual(answer.guesses);
    const card = readJson(answer.run_dir, "artifacts/model/model_card.json");
    expect(card.data.guesses).toEqual(answer.guesses);
    expect(card.data.columns.map((column: { name: string }) => column.name)).toEqual(table.columns);
    expect(stderr.split("\n").filter((line) => line !== "" && !line.startsWith("guess: "))).toEqual(
      [],
    );
  });

  test("predicts with parts that add up to the logit, in the table's own dialect", async () => {
    const scored = await raisin(
      [
        "predict",
        "--data",
        file,
        "--model-file",
        "model.npz",
        "--explain",
        "--prefix",
        "r_",
        "--quiet",
      ],
      { cwd },
    );
    expect(scored).toMatchObject({ code: 0, stderr: "" });
    const [header, ...rows] = recordsOf(scored.stdout, delimiter) as [string[], ...string[][]];
    const [given] = recordsOf(`${table.header}\n`, delimiter) as [string[]];
    expect(header.slice(0, given.length + 3)).toEqual([
      ...given,
      "r_pred",
      "r_label",
      "r_p_class1",
    ]);
    expect(rows).toHaveLength(table.rows.length);
    const at = (column: string) => header.indexOf(column);
    const parts = featureNamesOf(model.spec.columns).map((feature) => at(`r_contrib_${feature}`));
    expect(parts.every((place) => place >= 0)).toBe(true);
    const logits = rows.map((row) =>
      parts.reduce((sum, place) => sum + Number(row[place]), model.b),
    );
    const core = new Core(loadCore());
    core.reset();
    // The sigmoid of the logit, by the core: the probabilities are the very same numbers only if the logits are.
    const again = core
      .rows({
        columns: [Float64Array.from(logits)],
        mean: Float64Array.of(0),
        std: Float64Array.of(1),
      })
      .predict(Float64Array.of(1, 0));
    expect(rows.map((row) => Number(row[at("r_p_class1")]))).toEqual(
      Array.from(again.probabilities),
    );
    for (const row of rows) {
      const pred = Number(Number(row[at("r_p_class1")]) >= 0.5);
      expect(row[at("r_pred")]).toBe(String(pred));
      expect(row[at("r_label")]).toBe(model.spec.classes[pred]);
    }
    // The sum of a column's parts stands beside them.
    let from = 0;
    for (const column of model.spec.columns) {
      const width = featureNamesOf([column]).length;
      const own = parts.slice(from, from + width);
      from += width;
      const sum = at(`r_contrib_${column.name} (sum)`);
      expect(sum >= 0).toBe(width > 1);
      if (sum < 0) continue;
      for (const row of rows) {
        const [first, ...more] = own.map((place) => Number(row[place]));
        expect(Number(row[sum])).toBe(more.reduce((all, part) => all + part, first!));
      }
    }
  });

  test("is evaluated and derived again", async () => {
    const evaluated = await raisinJson<Json>(
      ["evaluate", "--data", file, "--model-file", "model.npz"],
      { cwd },
    );
    expect(evaluated.metrics.rows).toBe(table.rows.length);
    expect(evaluated.unseen_cells).toBe(0);
    expect(evaluated.metrics.loss).toBeLessThan(0.69);
    expect(evaluated.dataset.content_digest).toBe(answer.dataset.content_digest);
    const verified = await raisinJson<Json>(["verify", answer.run_id], { cwd });
    expect(verified).toMatchObject({ reproduced: true, model_digest: answer.model_digest });
  });

  test("gives equal bytes and an equal content digest when its rows are shuffled", async () => {
    const other = writeFamous(cwd, { ...table, rows: shuffledRows(table.rows) }, "shuffled.csv");
    expect(readFileSync(join(cwd, other)).equals(readFileSync(join(cwd, file)))).toBe(false);
    const line =
      command?.replace(`--data ${file}`, `--data ${other}`) ??
      `raisin train --data ${other} --label ${table.label} ${QUICK.join(" ")} --json`;
    const outcome = await shell(`${line} --out shuffled.npz`, cwd);
    expect(outcome.code).toBe(0);
    const again = JSON.parse(outcome.stdout) as Answer;
    expect(again.model_digest).toBe(answer.model_digest);
    expect(again.dataset.content_digest).toBe(answer.dataset.content_digest);
    expect(again.metrics).toEqual(answer.metrics);
    expect(readFileSync(join(cwd, "shuffled.npz")).equals(bytes)).toBe(true);
    expect(again.guesses).toEqual(answer.guesses);
    // A control: one row less is another content.
    const fewer = writeFamous(cwd, { ...table, rows: table.rows.slice(1) }, "fewer.csv");
    const less = await shell(line.replace(other, fewer), cwd);
    expect((JSON.parse(less.stdout) as Answer).dataset.content_digest).not.toBe(
      answer.dataset.content_digest,
    );
  });
});

// Bad input

interface Bad {
  readonly what: string;
  readonly text: string;
  readonly args?: readonly string[];
  /** What the error has to name. */
  readonly names: readonly string[];
  /** What the command that works has to say; null where none can. */
  readonly flags: readonly string[] | null;
}

const random = createRandom(5);
const lines = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => `${make(i)}\n`).join("");
const noise = () => (Math.round(random() * 1000) / 8).toString();
const yn = (i: number) => (i % 3 === 0 ? "n" : "p");

const BAD: readonly Bad[] = [
  {
    what: "a label with blanks",
    text: `x,y\n${lines(30, (i) => `${noise()},${i === 7 ? "" : i === 9 ? "  " : yn(i)}`)}`,
    names: ['column "y"', "the label is empty", "line 9", "2 rows", "--missing drop"],
    flags: ["--missing drop"],
  },
  {
    what: "a label with a token",
    text: `x,y\n${lines(30, (i) => `${noise()},${i === 7 ? "NA" : yn(i)}`)}`,
    names: ['column "y"', '"NA"', "line 9", "--missing drop"],
    flags: ["--missing drop"],
  },
  {
    what: "a category that is a number in one row",
    text: `grade,x,y\n${lines(30, (i) => `${i === 20 ? "7" : ["good", "fair"][i % 2]},${noise()},${yn(i)}`)}`,
    names: ['column "grade"', "7", "line 22", "1 row", "--categorical", "--drop"],
    flags: ["--categorical grade"],
  },
  {
    what: "a text in one row of numbers",
    text: `x,z,y\n${lines(30, (i) => `${i === 20 ? "n.a." : noise()},${noise()},${yn(i)}`)}`,
    names: ['column "x"', '"n.a."', "line 22", "--missing-tokens"],
    flags: ["--missing-tokens n.a.", "--missing indicator"],
  },
  {
    what: "texts for missing values that are none of the usual, and some that are",
    text: `x,z,y\n${lines(30, (i) => `${["NA", "none", "?", "-"][i] ?? noise()},${i === 9 ? "unknown" : noise()},${yn(i)}`)}`,
    names: ['column "x"', '"none"', 'column "z"', '"unknown"'],
    flags: ["none", "NA", "?", "unknown", "--missing indicator"],
  },
  {
    what: "an empty column",
    text: `x,nothing,y\n${lines(30, (i) => `${noise()},${i % 2 ? "" : " "},${yn(i)}`)}`,
    names: ['column "nothing"', "empty throughout", "--drop"],
    flags: ["--drop nothing"],
  },
  {
    what: "thousands between commas",
    text: `x,z,y\n${lines(30, (i) => `"1,${100 + i},567",${noise()},${yn(i)}`)}`,
    names: ['column "x"', '"1,100,567"', "--thousands comma"],
    flags: ["--thousands comma"],
  },
  {
    what: "decimal commas between semicolons",
    text: `x;z;y\n${lines(30, (i) => `${i},5;${i % 7};${yn(i)}`)}`,
    names: ['column "x"', '"0,5"', "--decimal comma"],
    flags: ["--decimal comma"],
  },
  {
    what: "decimal commas and thousands between points",
    text: `x;z;y\n${lines(30, (i) => `1.${100 + i},5;${i % 7};${yn(i)}`)}`,
    names: ['column "x"', "--decimal comma", "--thousands point"],
    flags: ["--decimal comma", "--thousands point"],
  },
  {
    what: "a comma and three digits, which nobody can tell",
    text: `x;z;y\n${lines(30, (i) => `1,${100 + i};${i % 7};${yn(i)}`)}`,
    names: ['column "x"', '"1,100"', "--decimal comma", "--thousands comma", "say which"],
    flags: null,
  },
  {
    what: "dates",
    text: `when,x,y\n${lines(28, (i) => `2024-02-${String(i + 1).padStart(2, "0")},${noise()},${yn(i)}`)}`,
    names: ['column "when"', '"2024-02-01"', "date", "days", "--drop", "--categorical"],
    flags: ["--drop when"],
  },
  {
    what: "amounts of money",
    text: `price,x,y\n${lines(30, (i) => `$${i}.50,${noise()},${yn(i)}`)}`,
    names: ['column "price"', '"$0.50"', "currency", "--drop"],
    flags: ["--drop price"],
  },
  {
    what: "gaps",
    text: `x,job,y\n${lines(30, (i) => `${i === 3 ? "" : noise()},${i === 5 ? "?" : ["cook", "smith"][i % 2]},${yn(i)}`)}`,
    names: [
      'column "x"',
      "line 5",
      'column "job"',
      '"?"',
      "line 7",
      "--missing indicator",
      "--missing drop",
    ],
    flags: ["--missing indicator"],
  },
  {
    what: "three classes",
    text: `x,y\n${lines(30, (i) => `${noise()},${"abc"[i % 3]}`)}`,
    names: ['"y"', "exactly two classes", '"a" (10 rows)', "--positive", "--rest"],
    flags: ["--positive c", "--rest"],
  },
  {
    what: "a column of two writings and all else at once",
    text: `x;job;when;gap;y\n${lines(30, (i) => `${i},5;${i === 4 ? "7" : ["cook", "smith"][i % 2]};2024-02-${10 + (i % 10)};${i === 3 ? "" : i % 5};${i === 8 ? "" : yn(i)}`)}`,
    names: ['column "y"', "the label is empty"],
    flags: ["--decimal comma", "--categorical job", "--drop when", "--missing drop"],
  },
  {
    what: "names that a shell or a list would take apart",
    text: `"a, b",$(rm) 'x',"say ""hi""",y\n${lines(30, (i) => `2024-02-${10 + (i % 10)},${noise()},${i === 4 ? "7" : ["u", "v"][i % 2]},${yn(i)}`)}`,
    names: ['"a, b"', "date", String.raw`"say \"hi\""`],
    flags: ["--drop", "--categorical"],
  },
];

describe("bad input", () => {
  test.concurrent.each(BAD)(
    "$what: exit 5, named, nothing written, and the command that is printed works",
    async ({ text, args = [], names, flags }) => {
      const cwd = temporaryDirectory();
      writeFileSync(join(cwd, "t.csv"), text);
      const outcome = await raisin(
        ["train", "--data", "t.csv", "--label", "y", ...args, ...QUICK],
        { cwd },
      );
      expect(outcome).toMatchObject({ code: 5, stdout: "" });
      for (const name of ["t.csv", ...names]) expect(outcome.stderr).toContain(name);
      expect(outcome.stderr).toMatch(/^error: /);
      expect(outcome.stderr).not.toMatch(/\n\s+at |undefined|\[object/);
      expect(existsSync(join(cwd, "model.npz"))).toBe(false);
      expect(existsSync(join(cwd, "miniflow"))).toBe(false);
      const command = commandIn(outcome.stderr);
      if (flags === null) {
        expect(command).toBeUndefined();
        return;
      }
      for (const flag of flags) expect(command).toContain(flag);
      const again = await shell(command!, cwd);
      expect(again.stderr).not.toContain("error");
      expect(again.code).toBe(0);
      expect(existsSync(join(cwd, "model.npz"))).toBe(true);
    },
  );

  test("10^5 levels are named with --max-levels, which works; each once they are an identifier, and that is said", async () => {
    const cwd = temporaryDirectory();
    const n = 100_000;
    writeFileSync(
      join(cwd, "twice.csv"),
      `zip,x,y\n${lines(2 * n, (i) => `z${i % n},${(i * 7) % 13},${yn(i)}`)}`,
    );
    writeFileSync(
      join(cwd, "once.csv"),
      `zip,x,y\n${lines(n, (i) => `z${i},${(i * 7) % 13},${yn(i)}`)}`,
    );
    const few = ["--iterations", "2", "--quiet"];
    const [twice, once] = await Promise.all(
      ["twice", "once"].map((name) =>
        raisin(["train", "--data", `${name}.csv`, "--label", "y", "--out", `${name}.npz`, ...few], {
          cwd,
        }),
      ),
    );
    expect(twice!.code).toBe(5);
    for (const words of ['column "zip"', "100000 levels", "--max-levels", "--drop"])
      expect(twice!.stderr).toContain(words);
    const command = commandIn(twice!.stderr)!;
    expect(command).toContain("--max-levels 50");
    const again = await shell(command, cwd);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("50 levels and other");
    expect(decodeModel(readFileSync(join(cwd, "twice.npz"))).featureNames).toHaveLength(51);
    expect(once!.code).toBe(0);
    expect(once!.stderr).toContain('guess: column "zip" is left out: it looks like an identifier');
  });
});

describe("at prediction", async () => {
  const cwd = temporaryDirectory();
  const rows = (count: number, job: (i: number) => string, from = 0) =>
    lines(
      count,
      (i) =>
        `${((i + from) * 37) % 50 || 1},${job(i)},${(i * 13) % 7 === 3 ? "" : (i * 13) % 7},${yn(i)}`,
    );
  const jobs = ["cook", "driver", "smith"];
  writeFileSync(join(cwd, "train.csv"), `x,job,gap,y\n${rows(60, (i) => jobs[i % 3]!)}`);
  const train = (out: string, ...args: string[]) =>
    raisinJson<Answer>(
      [
        "train",
        "--data",
        "train.csv",
        "--label",
        "y",
        "--missing",
        "indicator",
        "--out",
        out,
        ...QUICK.filter((word) => word !== "--quiet"),
        ...args,
      ],
      { cwd },
    );
  const strict = await train("strict.npz");
  await train("lenient.npz", "--unseen", "base");

  const use = (verb: "predict" | "evaluate", text: string, ...args: string[]) => {
    writeFileSync(join(cwd, "new.csv"), text);
    return raisin([verb, "--data", "new.csv", "--model-file", "strict.npz", ...args], { cwd });
  };
  const good = `x,job,gap,y\n${rows(9, (i) => jobs[i % 3]!, 5)}`;

  // biome-ignore format: one line a case
  test.each<[what: string, text: string, names: string[]]>([
    ["a column less", good.replace("job", "jbo"), ['"job"', '"jbo"', "x, job, gap"]],
    ["a number where a category was learned", good.replace("cook", "7"), ['column "job"', "number 7", "categories", "line 2", '"cook", "driver", "smith"']],
    ["a column of numbers where a category was", good.replaceAll(/cook|driver|smith/g, "7"), ['column "job"', "number 7", "9 rows"]],
    ["a level that was not learned", good.replace("smith", "king"), ['column "job"', '"king"', "line 4", "--unseen base", '"smith"']],
    ["a text where a number was", good.replace(/^\d+,cook/m, "much,cook"), ['column "x"', '"much"', "not a decimal number"]],
    ["a decimal comma", good.replaceAll(",", ";").replace(/^(\d+);/m, "$1,5;"), ['column "x"', '"35,5"']],
    ["a gap where none was learned", good.replace(/^\d+,cook/m, ",cook"), ['column "x"', "empty"]],
    ["a blank level where none was learned", good.replace("cook", " "), ['column "job"', "empty"]],
    ["a token where none was learned", good.replace("cook", "?"), ['column "job"', '"?"']],
  ])("%s is named, by predict and evaluate", async (_, text, names) => {
    for (const verb of ["predict", "evaluate"] as const) {
      const outcome = await use(verb, text);
      expect(outcome).toMatchObject({ code: 5, stdout: "" });
      for (const name of ["new.csv", ...names]) expect(outcome.stderr).toContain(name);
    }
  });

  test("the table that these are made of is taken", async () => {
    for (const verb of ["predict", "evaluate"] as const) {
      expect((await use(verb, good)).code).toBe(0);
    }
  });

  test("levels that were not learned are the base where that is asked for, and counted", async () => {
    const text = good
      .replace("smith", "king")
      .replace("driver", "queen")
      .replace("driver", "queen");
    const based = good.replace("smith", "cook").replace("driver", "cook").replace("driver", "cook");
    const [asked, byModel, expected] = [
      await use("predict", text, "--unseen", "base"),
      await raisin(["predict", "--data", "new.csv", "--model-file", "lenient.npz"], { cwd }),
      await use("predict", based),
    ];
    const scores = ({ stdout }: Outcome) => recordsOf(stdout).map((record) => record.slice(4));
    expect(scores(asked)).toEqual(scores(expected));
    expect(scores(byModel)).toEqual(scores(expected));
    for (const outcome of [asked, byModel])
      expect(outcome.stderr).toContain("3 cells of levels that it has not learned");
    expect(expected.stderr).not.toContain("not learned");
    writeFileSync(join(cwd, "new.csv"), text);
    const evaluated = await raisinJson<Json>(
      ["evaluate", "--data", "new.csv", "--model-file", "strict.npz", "--unseen", "base"],
      { cwd },
    );
    expect(evaluated.unseen_cells).toBe(3);
    const refused = await raisin(
      ["predict", "--data", "new.csv", "--model-file", "lenient.npz", "--unseen", "error"],
      { cwd },
    );
    expect(refused.code).toBe(5);
  });

  test("other tokens can be named, and the dialect is the new file's own", async () => {
    const text = good.replaceAll(",,", ",none,");
    expect((await use("predict", text)).code).toBe(5);
    const named = await use("predict", text, "--missing-tokens", "none");
    const plain = await use("predict", good);
    expect(recordsOf(named.stdout).map((record) => record.slice(4))).toEqual(
      recordsOf(plain.stdout).map((record) => record.slice(4)),
    );
    const semicolons = await use("predict", good.replaceAll(",", ";"));
    expect(semicolons.stdout).toBe(plain.stdout.replaceAll(",", ";"));
    expect(semicolons.stderr).toContain("guess: fields are separated by semicolon");
  });

  test("the run says how its table was read, and the card what became of each column", () => {
    const params = readJson(strict.run_dir, "params.json");
    expect(params).toMatchObject({
      features: ["x", "job", "gap"],
      categorical: ["job"],
      missing: "indicator",
      base: "first",
      max_levels: null,
      unseen: "error",
      weight: null,
      rest: false,
      delimiter: "comma",
      quote: "double",
      decimal: "point",
      thousands: "none",
      class_weight: "none",
    });
    const card = readJson(strict.run_dir, "artifacts/model/model_card.json");
    const gaps = Array.from({ length: 60 }, (_, i) => (i * 13) % 7 === 3).filter(Boolean).length;
    expect(card.data.columns).toEqual([
      { name: "x", as: "number", missing_cells: 0 },
      { name: "job", as: "category", levels: jobs, base: "cook", missing_cells: 0 },
      { name: "gap", as: "number", missing: "indicator", missing_cells: gaps },
    ]);
    const profile = readJson(strict.run_dir, "artifacts/train_profile.json");
    const [job] = profile.categories;
    expect(job.levels.map((level: { level: string }) => level.level)).toEqual(jobs);
    expect(job.levels.reduce((sum: number, level: { count: number }) => sum + level.count, 0)).toBe(
      profile.rows,
    );
    expect(profile.missing[0].present + profile.missing[0].missing).toBe(profile.rows);
  });
});

describe("choices of levels", async () => {
  const cwd = temporaryDirectory();
  // b is the most frequent level, then c, a, and three rare ones.
  const cities = ["b", "b", "b", "b", "c", "c", "c", "a", "a", "d", "e", "f"];
  writeFileSync(
    join(cwd, "t.csv"),
    `city,x,y\n${lines(120, (i) => `${cities[(i * 5) % 12]},${noise()},${yn(i)}`)}`,
  );
  const columnsOf = async (...args: string[]): Promise<readonly InputColumn[]> => {
    const answer = await raisinJson<Answer>(
      ["train", "--data", "t.csv", "--label", "y", "--iterations", "3", ...args],
      { cwd },
    );
    expect((await raisin(["verify", answer.run_id], { cwd })).code).toBe(0);
    return decodeModel(readFileSync(join(cwd, "model.npz"))).spec.columns;
  };

  test("keep them all, the first as base", async () => {
    const [city] = await columnsOf();
    expect(city).toEqual({
      name: "city",
      as: "category",
      levels: ["a", "b", "c", "d", "e", "f"],
      base: "a",
    });
  });

  test("take the most frequent as base, keep a few, and say what is other", async () => {
    const [city] = await columnsOf(
      "--base",
      "most-frequent",
      "--max-levels",
      "3",
      "--unseen",
      "base",
    );
    expect(city).toEqual({
      name: "city",
      as: "category",
      levels: ["a", "b", "c"],
      base: "b",
      other: true,
      unseen: "base",
    });
    writeFileSync(join(cwd, "new.csv"), "city,x\nd,5\nzzz,5\nb,5\n");
    const { stdout, stderr } = await raisin(
      ["predict", "--data", "new.csv", "--model-file", "model.npz"],
      { cwd },
    );
    const scores = recordsOf(stdout)
      .slice(1)
      .map((record) => record[4]);
    expect(scores[0]).toBe(scores[1]); // a text nobody knew is other, too
    expect(scores[0]).not.toBe(scores[2]);
    expect(stderr).not.toContain("not learned");
  });
});

describe("weights", async () => {
  const cwd = temporaryDirectory();
  const weights = Array.from({ length: 90 }, (_, i) => i % 4);
  const values = weights.map((_, i) => [noise(), ["u", "v", "w"][i % 3]!, yn(i)] as const);
  const text = (weight: (i: number) => string | number) =>
    `x,c,w,y\n${lines(90, (i) => `${values[i]![0]},${values[i]![1]},${weight(i)},${values[i]![2]}`)}`;
  writeFileSync(
    join(cwd, "w.csv"),
    text((i) => weights[i]!),
  );
  const train = (file: string, ...args: string[]) =>
    raisinJson<Answer>(
      [
        "train",
        "--data",
        file,
        "--label",
        "y",
        "--val-fraction",
        "0",
        ...QUICK.filter((word) => word !== "--quiet"),
        ...args,
      ],
      { cwd },
    );

  test("are rows that stand there so many times, but for what is rounded", async () => {
    const weighted = await train("w.csv", "--weight", "w", "--out", "w.npz");
    const repeated = weights.flatMap((count, i) =>
      Array.from({ length: count }, () => values[i]!.join()),
    );
    // The moments have no part in weights, so rows of all weights stand in the other table with the same ones.
    writeFileSync(join(cwd, "r.csv"), `x,c,y\n${repeated.join("\n")}\n`);
    const model = decodeModel(readFileSync(join(cwd, "w.npz")));
    expect(model.featureNames).toEqual(["x", "c=v", "c=w"]); // w is no feature
    expect(readJson(weighted.run_dir, "params.json").weight).toBe("w");
    expect(readJson(weighted.run_dir, "artifacts/model/model_card.json").data.weight).toBe("w");
    expect((await raisin(["verify", weighted.run_id], { cwd })).code).toBe(0);
    const [own, other] = await Promise.all([
      raisinJson<Json>(
        [
          "evaluate",
          "--data",
          "w.csv",
          "--model-file",
          "w.npz",
          "--weight",
          "w",
          "--experiment",
          "own",
        ],
        { cwd },
      ),
      raisinJson<Json>(
        ["evaluate", "--data", "r.csv", "--model-file", "w.npz", "--experiment", "other"],
        { cwd },
      ),
    ]);
    expect(own.weight).toBe("w");
    expect(own.metrics.weight).toBe(other.metrics.rows);
    expect(own.metrics.confusion).toEqual(other.metrics.confusion);
    for (const key of ["roc_auc", "average_precision", "accuracy", "f1", "mcc"]) {
      expect(own.metrics[key]).toBe(other.metrics[key]);
    }
    // Terms s·loss are rounded once, where s terms are added: less than 2^-50 of a sum of some tens.
    expect(Math.abs(own.metrics.loss - other.metrics.loss)).toBeLessThan(1e-14);
    expect(weighted.metrics.train_loss).toBe(own.metrics.loss);
  });

  test("of 1 change no bit, and others change the model", async () => {
    writeFileSync(
      join(cwd, "one.csv"),
      text(() => 1),
    );
    const [ones, none, some] = [
      await train("one.csv", "--weight", "w", "--out", "ones.npz"),
      await train("one.csv", "--drop", "w", "--out", "none.npz"),
      await train("w.csv", "--weight", "w", "--out", "some.npz"),
    ];
    expect(ones.model_digest).toBe(none.model_digest);
    expect(ones.dataset.content_digest).not.toBe(none.dataset.content_digest);
    expect(some.model_digest).not.toBe(none.model_digest);
  });

  test("balance the classes", async () => {
    const [balanced, plain] = [
      await train("w.csv", "--drop", "w", "--class-weight", "balanced"),
      await train("w.csv", "--drop", "w"),
    ];
    expect(balanced.params.class_weight).toBe("balanced");
    expect(balanced.model_digest).not.toBe(plain.model_digest);
    expect(balanced.dataset.content_digest).toBe(plain.dataset.content_digest);
    expect((await raisin(["verify", balanced.run_id], { cwd })).code).toBe(0);
  });

  // biome-ignore format: one line a case
  test.each<[what: string, weight: (i: number) => string | number, args: string[], names: string[]]>([
    ["negative", (i) => (i === 4 ? -0.5 : 1), [], ['column "w"', '"-0.5"', "negative", "line 6"]],
    ["text", (i) => (i === 4 ? "heavy" : 1), [], ['column "w"', '"heavy"', "line 6"]],
    ["blank", (i) => (i === 4 ? "" : 1), [], ['column "w"', "empty", "line 6"]],
    ["blank, when rows with gaps are dropped", (i) => (i === 4 ? "" : 1), ["--missing", "drop"], ['column "w"', "empty", "line 6"]],
    ["not finite", (i) => (i === 4 ? "inf" : 1), [], ['column "w"', "finite"]],
    ["all zero", () => 0, [], ['column "w"', "all weights are 0"]],
    ["beyond all measure", (i) => (i === 4 ? "1e200" : 1), [], ["2^400", "1e+200"]],
    ["zero in one class, when classes are balanced", (i) => (yn(i) === "n" ? 0 : 1), ["--class-weight", "balanced"], ['"n"', "weight 0"]],
  ])("that are %s are refused", async (_, weight, args, names) => {
    writeFileSync(join(cwd, "bad.csv"), text(weight));
    const outcome = await raisin(["train", "--data", "bad.csv", "--label", "y", "--weight", "w", ...args, ...QUICK], { cwd });
    expect(outcome.code).toBe(5);
    for (const name of names) expect(outcome.stderr).toContain(name);
  });

  test("from a column that is not there, or is something else, are refused", async () => {
    for (const [weight, ...args] of [
      ["ww"],
      ["y"],
      ["w", "--features", "x,w"],
      ["w", "--drop", "w"],
    ] as const) {
      const outcome = await raisin(
        ["train", "--data", "w.csv", "--label", "y", "--weight", weight, ...args, ...QUICK],
        { cwd },
      );
      expect(outcome.code).toBe(5);
      expect(outcome.stderr).toContain(`"${weight}"`);
    }
    const evaluated = await raisin(
      ["evaluate", "--data", "w.csv", "--model-file", "w.npz", "--weight", "ww"],
      { cwd },
    );
    expect(evaluated.code).toBe(5);
  });
});

describe("--types", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(
    join(cwd, "t.csv"),
    `id,zip,when,job,x,y\n${lines(40, (i) => `${i + 1},${8000 + (i % 3)},2024-02-${10 + (i % 10)},${["u", "v"][i % 2]},${noise()},${yn(i)}`)}`,
  );
  const train = (types: unknown, ...args: string[]) => {
    writeFileSync(
      join(cwd, "types.json"),
      typeof types === "string" ? types : JSON.stringify(types),
    );
    return raisin(
      ["train", "--data", "t.csv", "--label", "y", "--types", "types.json", ...args, ...QUICK],
      { cwd },
    );
  };
  const features = () =>
    decodeModel(readFileSync(join(cwd, "model.npz"))).spec.columns.map(
      ({ name, as }) => `${name} ${as}`,
    );

  test("says what columns are, as many as it likes", async () => {
    const outcome = await train({
      zip: "categorical",
      when: "drop",
      id: "numeric",
      job: "category",
    });
    expect(outcome).toMatchObject({ code: 0, stderr: expect.not.stringContaining("guess") });
    expect(features()).toEqual(["id number", "zip category", "job category", "x number"]);
  });

  test("goes behind what the command line says, label and weight included", async () => {
    const types = {
      zip: "categorical",
      when: "date",
      id: "identifier",
      job: "categorical",
      x: "numeric",
      y: "boolean",
    };
    expect((await train(types, "--numeric", "zip")).code).toBe(0);
    expect(features()).toEqual(["zip number", "job category", "x number"]);
    expect((await train(types, "--weight", "zip")).code).toBe(0);
    expect(features()).toEqual(["job category", "x number"]);
    expect((await train({ types }, "--drop", "job")).code).toBe(0);
    expect(features()).toEqual(["zip category", "x number"]);
  });

  // biome-ignore format: one line a case
  test.each<[what: string, types: unknown, code: number, says: RegExp]>([
    ["no JSON", "{", 2, /types\.json/],
    ["nothing", "", 2, /types\.json/],
    ["a list", [], 2, /JSON object/],
    ["a text", '"zip"', 2, /JSON object/],
    ["null", "null", 2, /JSON object/],
    ["an unknown type", { zip: "ordinal" }, 2, /"zip".*"ordinal".*categorical/],
    ["a type that every object has", { zip: "constructor" }, 2, /"zip".*"constructor"/],
    ["a type that is no text", { zip: 5 }, 2, /"zip".*5/],
    ["types in types", { types: { types: {} } }, 2, /"types"/],
    ["a column that is not there", { zp: "drop", when: "drop" }, 5, /"zp".*"zip"/],
    ["a text column as numbers", { job: "numeric", when: "drop" }, 5, /column "job".*"u"/],
  ])("is refused for %s", async (_, types, code, says) => {
    const outcome = await train(types);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(says);
  });

  test("is refused where there is no such file", async () => {
    const outcome = await raisin(
      ["train", "--data", "t.csv", "--label", "y", "--types", "none.json", ...QUICK],
      { cwd },
    );
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain("none.json");
  });
});

describe("flags that mean nothing", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "t.csv"), `x,y\n${lines(20, (i) => `${noise()},${yn(i)}`)}`);

  test.each([
    [["--rest"], /--positive/],
    [["--missing", "mean"], /indicator/],
    [["--base", "last"], /most-frequent/],
    [["--unseen", "other"], /error, base/],
    [["--max-levels", "0"], /whole number from 1/],
    [["--max-levels", "1.5"], /whole number from 1/],
    [["--delimiter", "x"], /semicolon/],
    [["--quote", ","], /single/],
    [["--decimal", "space"], /comma/],
    [["--thousands", "underscore"], /apostrophe/],
    [["--decimal", "comma", "--thousands", "comma"], /both/],
    [["--class-weight", "heavy"], /balanced/],
    [["--categorical", ""], /column names/],
    [["--missing-tokens", "a,,b"], /./],
  ])("%j: exit 2, and what there is", async (args, says) => {
    const outcome = await raisin(["train", "--data", "t.csv", "--label", "y", ...args, ...QUICK], {
      cwd,
    });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(says);
    expect(existsSync(join(cwd, "miniflow"))).toBe(false);
  });
});

test("a guess that changes the model is shown with and without --quiet and --json, and none where none was made", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(
    join(cwd, "t.csv"),
    `id;job;x;y\n${lines(30, (i) => `${i};${["u", "v"][i % 2]};${i % 7};${yn(i)}`)}`,
  );
  const args = ["train", "--data", "t.csv", "--label", "y", "--iterations", "2"];
  const said = async (...more: string[]) => {
    const { stderr, code } = await raisin([...args, ...more], { cwd });
    expect(code).toBe(0);
    return stderr.split("\n").filter((line) => line.startsWith("guess: "));
  };
  const guesses = await said();
  expect(guesses).toHaveLength(3);
  expect(await said("--quiet")).toEqual(guesses);
  expect(await said("--json")).toEqual(guesses);
  expect(
    await said("--delimiter", "semicolon", "--drop", "id", "--categorical", "job", "--quiet"),
  ).toEqual([]);
  const { stderr } = await raisin(["predict", "--data", "t.csv", "--model-file", "model.npz"], {
    cwd,
  });
  expect(stderr).toContain("guess: fields are separated by semicolon");
});

test("a model in production is compared with one of another table only where it can read the rows", async () => {
  const cwd = temporaryDirectory();
  const table = (job: (i: number) => string, gap = "") =>
    `x,job,y\n${lines(80, (i) => `${i % 9 === 4 ? gap || noise() : noise()},${job(i)},${yn(i)}`)}`;
  const train = async (name: string, text: string, ...args: string[]) => {
    writeFileSync(join(cwd, `${name}.csv`), text);
    const typed = ["--data", `${name}.csv`, "--label", "y", "--model", "m", "--iterations", "5"];
    return raisinJson<Answer>(["train", ...typed, ...args], { cwd });
  };
  const first = await train(
    "first",
    table((i) => ["a", "b"][i % 2]!),
  );
  expect(first.promoted).toBe(true);
  const level = await train(
    "level",
    table((i) => ["a", "b", "c"][i % 3]!),
  );
  expect(level.promotion_reason).toMatch(/26 cells .* has not learned and takes as the base/);
  const gaps = await train(
    "gaps",
    table((i) => ["a", "b"][i % 2]!, "?"),
    "--missing",
    "indicator",
  );
  expect(gaps).toMatchObject({ promoted: false });
  expect(gaps.promotion_reason).toMatch(/cannot read .* column x has missing cells/);
  const numbers = await train(
    "numbers",
    table((i) => String(i % 2)),
  );
  expect(numbers).toMatchObject({ promoted: false });
  expect(numbers.promotion_reason).toMatch(
    /another kind of model: its features are x, job \(a category\)/,
  );
  const rest = await train(
    "rest",
    table((i) => ["a", "b"][i % 2]!),
    "--positive",
    "n",
    "--rest",
  );
  expect(rest.promotion_reason).toMatch(/another kind of model: its classes are n, p/);
  expect(rest.promoted).toBe(false);
});

test("the summary shows columns first: what each is, and its levels' weights below its name", async () => {
  const cwd = temporaryDirectory();
  const text = `id,job,gap,x,y\n${lines(60, (i) => `${i + 1},${["cook", "smith", "driver"][i % 3]},${i % 5 ? i % 7 : ""},${noise()},${yn(i)}`)}`;
  writeFileSync(join(cwd, "t.csv"), text);
  const { stdout, code } = await raisin(
    ["train", "--data", "t.csv", "--label", "y", "--missing", "indicator", "--iterations", "50"],
    { cwd },
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/60 rows, 3 columns in 5 features, y = p \(1\) or n \(0\)/);
  expect(stdout).toMatch(/^columns {3}id +identifier +left out: it looks like an identifier/m);
  expect(stdout).toMatch(/^ {10}job +categorical +3 levels, base "cook", 2 features$/m);
  expect(stdout).toMatch(/^ {10}gap +numeric +12 missing +numbers, and whether missing$/m);
  const coefficients = stdout.slice(stdout.indexOf("coefficients"));
  expect(coefficients).toMatch(/^job$/m);
  for (const part of ["driver", "smith", "value", "is missing"]) {
    expect(coefficients).toMatch(new RegExp(`^  ${part} +-?\\d`, "m"));
  }
  expect(coefficients).toMatch(/^x +-?\d/m);
});

describe("every way to read a table can be derived again, also where the file has moved:", () => {
  const jobs = ["cook", " cook", "smith", "?", "driver ", "smith"];
  const text = `id;zip;job;gap;amount;same;five;lone;w;y\n${lines(90, (i) =>
    [
      i + 1,
      ["z1", "z1 ", "-999", "-999,0", "z2"][i % 5],
      jobs[(i * 7) % 6],
      i % 9 === 0 ? "" : i % 11 === 0 ? "NA" : `${i % 7},25`,
      `1.${100 + ((i * 37) % 101)}`,
      "s",
      5,
      i % 9 === 0 ? "q" : "p",
      i % 4,
      i % 13 === 0 ? "" : ["u", "v", "w"][(i * 5) % 3],
    ].join(";"),
  )}`;
  const common = ["--decimal", "comma", "--thousands", "point", "--positive", "v", "--rest"];
  const tokens = ["--missing-tokens", "-999,?,NA"];
  const whole = text.replaceAll(/^.*;$/gm, "").replaceAll("\n\n", "\n");

  // biome-ignore format: one line a case
  test.concurrent.each<[flags: string[], features: RegExp]>([
    [["--missing", "drop", ...tokens], /^zip=z2 job=driver job=smith gap amount five w$/],
    [["--missing", "drop", "--features", "gap,job"], /^job=driver job=smith gap$/],
    [["--missing", "drop", ...tokens, "--numeric", "id", "--drop", "same,lone"], /^id zip=z2/],
    [["--missing", "drop", ...tokens, "--base", "most-frequent", "--max-levels", "1"], /job is other/],
    [["--missing", "drop", "--drop", "zip", "--weight", "w", "--class-weight", "balanced"], /^job=driver job=smith gap amount five$/],
    [["--missing", "drop", "--categorical", "zip,w"], /zip=-999,0 zip=z1 zip=z2 .*w=1 w=2 w=3/],
    [["--missing", "indicator", ...tokens], /zip=z2 zip is missing job=driver job=smith job is missing gap gap is missing/],
    [["--missing", "indicator", ...tokens, "--categorical", "zip"], /zip=z2 zip is missing/],
    [["--missing", "indicator", ...tokens, "--categorical", "gap,amount", "--unseen", "base"], /gap=1,25.*gap is missing amount=/],
  ])("%j", async (flags, features) => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "t.csv"), flags.includes("drop") ? text : whole);
    const typed = ["--data", "t.csv", "--label", "y", ...common, ...flags];
    const answer = await raisinJson<Answer>(["train", ...typed, "--iterations", "8"], { cwd });
    expect(answer.dataset.features.join(" ")).toMatch(features);
    expect(await raisinJson<Json>(["verify", answer.run_id], { cwd })).toMatchObject({ reproduced: true });
    // Moved, and its rows in another order; then with one row less, which is told.
    const [header, ...rows] = readFileSync(join(cwd, "t.csv"), "utf8").trimEnd().split("\n");
    writeFileSync(join(cwd, "moved.csv"), `${[header, ...rows.toReversed()].join("\n")}\n`);
    writeFileSync(join(cwd, "less.csv"), `${[header, ...rows.slice(2)].join("\n")}\n`);
    const verify = (file: string) => raisin(["verify", answer.run_id, "--data", file], { cwd });
    expect((await verify("moved.csv")).code).toBe(0);
    const less = await verify("less.csv");
    expect(less.code).toBe(3);
    expect(less.stdout).toContain("content digest");
  });
});
