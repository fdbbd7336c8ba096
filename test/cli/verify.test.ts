// Does `raisin verify` derive a run again, and tell the first thing that differs?
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import binaryen from "binaryen";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createRandom,
  noisyTable,
  raisin,
  raisinJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";
import {
  changedCore,
  coreWithDescend,
  endlessCore,
  exchangeCore,
  markedCore,
} from "../support/foreign-cores.ts";

const cwd = temporaryDirectory();
let trained: TrainAnswer;

beforeAll(async () => {
  writeTable(cwd, "wine.csv");
  const args = ["train", "--data", "wine.csv", "--iterations", "120", "--l2", "0.01"];
  trained = await raisinJson<TrainAnswer>(args, { cwd });
});

const verify = (...args: string[]) => raisin(["verify", ...args], { cwd });

/** A copy of the run, damaged; verified by its path. */
async function verifyCopy(damage: (directory: string) => void, ...args: string[]) {
  const copy = join(cwd, "copy");
  rmSync(copy, { recursive: true, force: true });
  cpSync(trained.run_dir, copy, { recursive: true });
  damage(copy);
  return verify("copy", ...args);
}

function edit(path: string, change: (text: string) => string): void {
  const before = readFileSync(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
}

describe("raisin verify", () => {
  test("says reproduced for a run as it was recorded, by id and by path", async () => {
    const byId = await verify(trained.run_id);
    expect(byId).toMatchObject({ code: 0, stderr: "" });
    // Five values at steps 0, 50, 100 and 120, and seven figures of each part at the end.
    expect(byId.stdout).toBe(
      `reproduced: run ${trained.run_id}, every byte of model.npz and 34 metric values\n  model digest ${trained.model_digest}\n  core ${trained.core_digest}, released with raisin 0.1.0\n`,
    );
    expect(await verifyCopy(() => {})).toEqual(byId);
  });

  test("--json gives the verdict as one object, --quiet only the exit code", async () => {
    const answer = JSON.parse((await verify(trained.run_id, "--json")).stdout);
    expect(answer).toEqual({
      run_id: trained.run_id,
      reproduced: true,
      stage: null,
      difference: null,
      model_digest: trained.model_digest,
      metrics_compared: 34,
      core: {
        digest: trained.core_digest,
        released: "0.1.0",
        used: "recorded",
        package_agrees: null,
      },
    });
    expect(await verify(trained.run_id, "--quiet")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  test.each<[string, (directory: string) => void, RegExp]>([
    [
      "a changed byte of model.npz",
      (run) => {
        const path = join(run, "artifacts/model/model.npz");
        const bytes = readFileSync(path);
        bytes[1000]! ^= 1;
        writeFileSync(path, bytes);
      },
      /(encoding: model\.npz differs from byte 1000 on|statistics: |weights: )/,
    ],
    [
      "model.npz with a byte more",
      (run) => writeFileSync(join(run, "artifacts/model/model.npz"), "x", { flag: "a" }),
      /encoding: model\.npz has \d+ bytes/,
    ],
    [
      "no model.npz",
      (run) => rmSync(join(run, "artifacts/model/model.npz")),
      /model\.npz is missing/,
    ],
    [
      "a changed metric",
      (run) =>
        edit(join(run, "metrics.jsonl"), (text) =>
          text.replace(/("key":"val_loss","value":0\.\d+?)\d("?,"step":50)/, "$10$2"),
        ),
      /record: metrics: line 9 says val_loss 0\.\d+ at step 50, derived again val_loss 0\.\d+ at step 50/,
    ],
    [
      "a metric line that is no JSON",
      (run) =>
        edit(join(run, "metrics.jsonl"), (text) => text.replace('{"key":"gradient_max"', "{")),
      /record: metrics: .*line 3 is not a metric/,
    ],
    [
      "a metric line less",
      (run) => edit(join(run, "metrics.jsonl"), (text) => text.replace(/[^\n]*\n$/, "")),
      /record: metrics: val_mcc \S+ at step 120 is missing \(line 34\)/,
    ],
    [
      "a metric line more",
      (run) => edit(join(run, "metrics.jsonl"), (text) => `${text}${text.split("\n")[0]}\n`),
      /record: metrics: 1 lines? more than derived again/,
    ],
    [
      "another learning rate in params.json",
      (run) => edit(join(run, "params.json"), (text) => text.replace('"lr": 0.1', '"lr": 0.2')),
      /iterations 1 to 50: train_loss \S+ at step 50, derived again train_loss \S+ at step 50/,
    ],
    ["no core", (run) => rmSync(join(run, "artifacts/core/core.wasm")), /core: .*missing/],
    [
      "another core",
      (run) => writeFileSync(join(run, "artifacts/core/core.wasm"), "x", { flag: "a" }),
      /core: .*another digest/,
    ],
  ])("%s: exit 3 and the first difference", async (_, damage, difference) => {
    const { code, stdout } = await verifyCopy(damage);
    expect(stdout).toMatch(difference);
    expect(stdout).toMatch(/^not reproduced: run [0-9a-f]{12}\n {2}first difference: /);
    expect(code).toBe(3);
  });

  test("other data: exit 3 and both content digests", async () => {
    writeTable(cwd, "other.csv", { seed: 3 });
    const { code, stdout } = await verify(trained.run_id, "--data", "other.csv", "--json");
    expect(code).toBe(3);
    const answer = JSON.parse(stdout);
    expect(answer.reproduced).toBe(false);
    expect(answer.stage).toBe("data");
    expect(answer.difference).toMatch(
      /^other\.csv: .*many rows are others.*\(content digest [0-9a-f]{64}, the run recorded/,
    );
    expect(answer.difference).toContain(trained.dataset.content_digest);
  });

  test("the same rows in another order and with other line ends are the same data", async () => {
    const [header, ...rows] = noisyTable().trimEnd().split("\n");
    const random = createRandom(5);
    const shuffled = rows.map((row) => ({ row, key: random() })).sort((a, b) => a.key - b.key);
    writeFileSync(
      join(cwd, "shuffled.csv"),
      [header, ...shuffled.map(({ row }) => row)].join("\r\n"),
    );
    const { code, stdout } = await verify(trained.run_id, "--data", "shuffled.csv");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^reproduced: /)]);
  });

  test("the same rows with other delimiters are the same data, and a file that cannot be read is not", async () => {
    const text = readFileSync(join(cwd, "wine.csv"), "utf8");
    writeFileSync(join(cwd, "semicolons.csv"), text.replaceAll(",", ";"));
    expect((await verify(trained.run_id, "--data", "semicolons.csv")).code).toBe(0);
    writeFileSync(join(cwd, "broken.csv"), text.replace(/^/, '"'));
    expect((await verify(trained.run_id, "--data", "broken.csv")).code).toBe(5);
  });

  test("data that moved: exit 5 and a hint at --data, which then works", async () => {
    renameSync(join(cwd, "wine.csv"), join(cwd, "moved.csv"));
    try {
      const { code, stdout, stderr } = await verify(trained.run_id);
      expect([code, stdout]).toEqual([5, ""]);
      expect(stderr).toContain("there is no such file");
      expect(stderr).toContain("name it with --data");
      expect((await verify(trained.run_id, "--data", "moved.csv")).code).toBe(0);
    } finally {
      renameSync(join(cwd, "moved.csv"), join(cwd, "wine.csv"));
    }
  });

  test.each(["0123456789ab", "../..", "..", "%2e%2e", "%2e%2e%2f", "/etc/passwd", "wine.csv", ""])(
    "%j is no run: exit 2",
    async (id) => {
      const { code, stdout, stderr } = await verify(id);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("give the 12 hex digits of a run, or the path of its directory");
    },
  );

  test("an evaluation, or a run that did not finish, cannot be derived: exit 2", async () => {
    const evaluated = await raisinJson<{ run_id: string }>(["evaluate", "--data", "wine.csv"], {
      cwd,
    });
    const evaluation = await verify(evaluated.run_id);
    expect([evaluation.code, evaluation.stderr]).toEqual([
      2,
      expect.stringContaining("its kind is evaluate, its status FINISHED"),
    ]);
    const killed = await verifyCopy((run) =>
      edit(join(run, "meta.json"), (text) => text.replace('"FINISHED"', '"KILLED"')),
    );
    expect([killed.code, killed.stderr]).toEqual([2, expect.stringContaining("KILLED")]);
  });

  test("metrics that cannot be read are a failure, no difference: exit 1", async () => {
    const { code, stdout, stderr } = await verifyCopy((run) => {
      rmSync(join(run, "metrics.jsonl"));
      mkdirSync(join(run, "metrics.jsonl"));
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^error: Cannot read .*metrics\.jsonl: not a regular file\n$/);
  });

  test.each<[string, (directory: string) => void]>([
    ["without params.json", (run) => rmSync(join(run, "params.json"))],
    [
      "whose parameters are out of range",
      (run) => edit(join(run, "params.json"), (text) => text.replace('"lr": 0.1', '"lr": -1')),
    ],
    [
      "that does not say which data it had",
      (run) => edit(join(run, "meta.json"), (text) => text.replace('"content_digest"', '"digest"')),
    ],
  ])("a run %s cannot be derived: exit 2", async (_, damage) => {
    const { code, stderr } = await verifyCopy(damage);
    expect([code, stderr]).toEqual([2, expect.stringContaining("Cannot verify run")]);
  });
});

describe("raisin verify of data in another state", () => {
  const text = () => readFileSync(join(cwd, "wine.csv"), "utf8");
  const lines = () => text().trimEnd().split("\n");
  const cells = (change: (row: string[], k: number) => string[]) =>
    lines()
      .map((line, k) => change(line.split(","), k).join(","))
      .join("\n");
  const rename = (from: string, to: string) => text().replace(from, to);

  test.each<[string, () => string, RegExp]>([
    [
      "one cell changed",
      () => cells((row, k) => (k === 17 ? ["99.5", ...row.slice(1)] : row)),
      /data: changed\.csv: row 17 is not as recorded, in "\w+" \(content digest/,
    ],
    [
      "one cell that is no number",
      () => cells((row, k) => (k === 17 ? ["nine", ...row.slice(1)] : row)),
      /data: changed\.csv: .*column "\w+": "nine" is not a decimal number \(1 row: line 18\)/s,
    ],
    [
      "another label",
      () => {
        const labels = [
          ...new Set(
            lines()
              .slice(1)
              .map((line) => line.split(",").at(-1)!),
          ),
        ];
        return cells((row, k) =>
          k === 3 ? [...row.slice(0, -1), labels.find((label) => label !== row.at(-1))!] : row,
        );
      },
      /data: changed\.csv: row 3 is not as recorded, in "\w+"/,
    ],
    [
      "one row missing",
      () => lines().toSpliced(5, 1).join("\n"),
      /data: changed\.csv: \d+ rows where \d+ were recorded, 1 recorded row is missing/,
    ],
    [
      "one row twice",
      () => [...lines(), lines()[4]].join("\n"),
      /data: changed\.csv: 61 rows where 60 were recorded, rows 4, 61 are alike, once more than recorded/,
    ],
    [
      "a row that was not there",
      () => [...lines(), lines()[4]!.replace(/^/, "1")].join("\n"),
      /data: changed\.csv: .*row \d+ was not recorded/,
    ],
    [
      "a row overwritten by another",
      () => lines().with(5, lines()[6]!).join("\n"),
      /data: changed\.csv: rows 5, 6 are alike, once more than recorded, 1 recorded row is missing/,
    ],
    [
      "a new row, twice",
      () => [...lines(), lines()[4]!.replace(/^/, "1"), lines()[4]!.replace(/^/, "1")].join("\n"),
      /data: changed\.csv: 62 rows where 60 were recorded, rows 61, 62 were not recorded/,
    ],
    [
      "two column names exchanged",
      () => [lines()[0]!.replace(/^(\w+),(\w+),/, "$2,$1,"), ...lines().slice(1)].join("\n"),
      /data: changed\.csv: columns are renamed: "a" is called "b", "b" is called "a"; the cells are/,
    ],
    [
      "columns in another order and one renamed",
      () => cells(([a, b, ...rest], k) => [b!, k === 0 ? "new" : a!, ...rest]),
      /columns are renamed: "a" is called "new"; and columns stand in another order: .*; the cells are/,
    ],
    [
      "a column renamed and a cell changed elsewhere",
      () => cells(([a, b, ...rest], k) => [k === 0 ? "new" : a!, k === 9 ? "7.5" : b!, ...rest]),
      /columns are renamed: "a" is called "new"; and row 9 is not as recorded, in "b"/,
    ],
    [
      "a column renamed among many that were not recorded",
      () =>
        cells(([a, ...rest], k) => [
          k === 0 ? "new" : a!,
          ...rest,
          ...(k === 0 ? "pqrstuvw" : "12345678"),
        ]),
      /columns are renamed: "a" is called "new"; the cells are the recorded ones/,
    ],
    [
      "a column renamed",
      () => rename(lines()[0]!.split(",")[1]!, "renamed"),
      /data: changed\.csv: columns are renamed: "\w+" is called "renamed"; the cells are the recorded ones/,
    ],
    [
      "the label and all columns renamed",
      () =>
        [
          lines()[0]!
            .split(",")
            .map((_, k) => `c${k}`),
          ...lines().slice(1),
        ].join("\n"),
      /data: changed\.csv: columns are renamed: .*; the cells are the recorded ones/,
    ],
    [
      "a column missing",
      () => cells((row) => row.toSpliced(1, 1)),
      /data: changed\.csv: column is missing: "\w+"/,
    ],
    [
      "columns in another order",
      () => cells(([a, b, ...rest]) => [b!, a!, ...rest]),
      /data: changed\.csv: columns stand in another order: recorded .*; here .*; the cells are the recorded ones/,
    ],
    [
      "columns in another order and a cell changed",
      () => cells(([a, b, ...rest], k) => [b!, k === 6 ? "-7" : a!, ...rest]),
      /columns stand in another order: .*; and row 6 is not as recorded, in "\w+"/,
    ],
  ])("%s: exit 3 and what differs", async (_, change, difference) => {
    writeFileSync(join(cwd, "changed.csv"), change());
    const { code, stdout, stderr } = await verify(trained.run_id, "--data", "changed.csv");
    expect([code, stderr]).toEqual([3, ""]);
    expect(stdout).toMatch(difference);
  });

  test.each<[string, string | Uint8Array]>([
    ["a picture", Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72])],
    ["nothing", ""],
    ["prose", "It was a dark and stormy night; the rain fell in torrents.\n"],
    ["another table", "city,people\nUlm,128928\nBonn,336465\n"],
    ["a spreadsheet", Uint8Array.from([0x50, 0x4b, 3, 4, 20, 0, 6, 0, 8, 0])],
  ])("%s is not the data at all: exit 5", async (_, content) => {
    writeFileSync(join(cwd, "other-file"), content);
    const { code, stdout, stderr } = await verify(trained.run_id, "--data", "other-file");
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(/^error: other-file: /);
  });
});

describe("raisin verify of a run by another core", () => {
  /** A copy of the run whose core is another one. */
  const withCore = (core: Uint8Array, ...args: string[]) =>
    verifyCopy((run) => exchangeCore(run, core), ...args);

  test("an unknown one that gives the same: only the arithmetic was checked", async () => {
    const { code, stdout } = await withCore(markedCore());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^reproduced: /);
    expect(stdout).toMatch(
      /core [0-9a-f]{64}, unknown: only the arithmetic was checked, .*; this version's core gives the same/,
    );
  });

  test("one that never returns is ended: exit 3", async () => {
    const { code, stdout } = await withCore(endlessCore(), "--time-limit", "1");
    expect(stdout).toMatch(/first difference: core: it did not return within 1 s/);
    expect(code).toBe(3);
  });

  test("one that does nothing does not reproduce: exit 3", async () => {
    const { code, stdout } = await withCore(coreWithDescend((module) => module.i32.const(0)));
    expect(stdout).toMatch(/first difference: (iterations|core): /);
    expect(code).toBe(3);
  });

  test("one that lacks a kernel of this version is replaced by this version's, which is said", async () => {
    const core = changedCore((module) => module.removeExport("weightedDescend"));
    const { code, stdout } = await withCore(core);
    expect(stdout).toMatch(/, which this version cannot run: trained by this version's core/);
    expect(code).toBe(0);
  });

  test.each<[string, () => Uint8Array]>([
    ["is no WebAssembly", () => Buffer.from("none")],
    ["is empty", () => Buffer.alloc(0)],
    [
      "runs code before it is called",
      () =>
        changedCore((module) => {
          const { none } = binaryen;
          module.addFunction("start", none, none, [], module.loop("l", module.br("l")));
          module.setStart(module.getFunction("start"));
        }),
    ],
    [
      "speaks another interface",
      () =>
        changedCore((module) => {
          const { i32, none } = binaryen;
          module.removeExport("abi");
          module.addFunction("two", none, i32, [], module.i32.const(2));
          module.addFunctionExport("two", "abi");
        }),
    ],
    [
      "asks for something from outside",
      () =>
        changedCore((module) => {
          const { none } = binaryen;
          module.addFunctionImport("leak", "env", "leak", none, none);
        }),
    ],
  ])("one that %s does not verify: exit 3", async (_, core) => {
    const { code, stdout } = await withCore(core());
    expect(stdout).toMatch(/first difference: core: Cannot (run|use) this core/);
    expect(code).toBe(3);
  });
});

describe("raisin verify --all", () => {
  test("verifies every finished training, and finds data by content in the places that were named", async () => {
    const store = temporaryDirectory();
    const at = (...args: string[]) => raisin(args, { cwd: store });
    writeTable(store, "one.csv");
    writeTable(store, "two.csv", { seed: 9 });
    const train = (data: string, ...args: string[]) =>
      raisinJson<TrainAnswer>(["train", "--data", data, "--iterations", "20", ...args], {
        cwd: store,
      });
    const one = await train("one.csv");
    const two = await train("two.csv");
    const again = await train("two.csv", "--lr", "0.2");
    await raisinJson(["evaluate", "--data", "one.csv", "--model-file", one.run_dir], {
      cwd: store,
    });
    const all = await at("verify", "--all");
    expect([all.code, all.stderr]).toEqual([0, ""]);
    for (const { run_id } of [one, two, again])
      expect(all.stdout).toMatch(new RegExp(`${run_id} .* reproduced +raisin 0\\.1\\.0`));
    expect(all.stdout).toContain("3 of 3 finished trainings reproduced; 1 other runs");

    // The data move, one file with other line ends under another name.
    mkdirSync(join(store, "archive/2026"), { recursive: true });
    writeFileSync(
      join(store, "archive/2026/renamed.csv"),
      readFileSync(join(store, "one.csv"), "utf8").replaceAll("\n", "\r\n"),
    );
    renameSync(join(store, "two.csv"), join(store, "archive/2026/two.csv"));
    rmSync(join(store, "one.csv"));
    const lost = await at("verify", "--all", "--json");
    expect(lost.code).toBe(5);
    expect(JSON.parse(lost.stdout)).toMatchObject({ reproduced: 0, verified: 3 });
    expect(JSON.parse(lost.stdout).runs[0].problem).toContain("there is no such file");
    expect((await at("data-dir", "add", "nowhere")).code).toBe(2);
    expect((await at("data-dir", "add", "archive")).stdout).toBe(`${join(store, "archive")}\n`);
    expect((await at("verify", "--all")).code).toBe(0);
    expect((await at("verify", one.run_id)).code).toBe(0);

    // One run's record is changed: it alone differs.
    edit(join(again.run_dir, "params.json"), (text) => text.replace('"lr": 0.2', '"lr": 0.3'));
    const mixed = await at("verify", "--all", "--json");
    expect(mixed.code).toBe(3);
    const { runs } = JSON.parse(mixed.stdout);
    const differing = runs.filter((run: { reproduced: boolean }) => !run.reproduced);
    expect(differing).toEqual([
      expect.objectContaining({ run_id: again.run_id, stage: "iterations" }),
    ]);
    expect((await at("data-dir", "remove", "archive")).stdout).toBe("");
    expect((await at("data-dir", "remove", "archive")).code).toBe(2);
    expect((await at("verify", "--all")).code).toBe(5);
  });

  test("takes either a run or --all, and no --data with it", async () => {
    for (const args of [[], [trained.run_id, "--all"], ["--all", "--data", "wine.csv"]]) {
      expect((await verify(...args)).code).toBe(2);
    }
  });
});

describe("raisin verify of tables of other kinds", () => {
  const at = (...args: string[]) => raisin(args, { cwd });

  test("numbers the rows of the file, also where rows with gaps are left out, and with weights", async () => {
    const rows = Array.from({ length: 50 }, (_, i) =>
      [
        i % 11 === 10 ? "" : i / 4,
        ["red", "blue"][(i * 3) % 5 > 2 ? 1 : 0],
        1 + (i % 3),
        i % 2 ? "y" : "n",
      ].join(),
    );
    const write = (name: string, lines: readonly string[]) =>
      writeFileSync(join(cwd, name), ["x,hue,w,c", ...lines].join("\n"));
    write("gaps.csv", rows);
    const flags = ["--label", "c", "--missing", "drop", "--weight", "w", "--iterations", "20"];
    const run = await raisinJson<TrainAnswer>(["train", "--data", "gaps.csv", ...flags], { cwd });
    const differs = async (lines: readonly string[]) => {
      write("gaps2.csv", lines);
      return (await at("verify", run.run_id, "--data", "gaps2.csv")).stdout;
    };
    const change = (row: number, from: RegExp, to: string) =>
      rows.with(row - 1, rows[row - 1]!.replace(from, to));
    expect(await differs(change(40, /^[^,]*/, "99"))).toContain(
      'row 40 is not as recorded, in "x"',
    );
    expect(await differs(change(40, /red|blue/, "green"))).toMatch(/row 40 .*, in "hue"/);
    expect(await differs(change(40, /,(\d),/, ",9,"))).toContain(
      'row 40 is not as recorded, in "w"',
    );
    // The same row with another weight was never there.
    const copy = rows[5]!.replace(/,(\d),/, ",9,");
    expect(await differs([...rows, copy])).toContain("row 51 was not recorded");
    expect(await differs([...rows, rows[5]!])).toContain(
      "rows 6, 51 are alike, once more than recorded",
    );
    expect(await differs(rows)).toMatch(/^reproduced/);
  });

  test("names a renamed column of a table whose header is longer than a sample", async () => {
    const names = Array.from({ length: 3000 }, (_, j) => `a_rather_long_name_of_column_${j}`);
    const rows = Array.from({ length: 12 }, (_, i) =>
      [...names.map((_, j) => (i * 7 + j) % 13), i % 2].join(),
    );
    const write = (name: string, header: readonly string[]) =>
      writeFileSync(join(cwd, name), [[...header, "c"].join(), ...rows].join("\n"));
    write("wide.csv", names);
    const run = await raisinJson<TrainAnswer>(
      [
        "train",
        "--data",
        "wide.csv",
        "--label",
        "c",
        "--iterations",
        "3",
        "--numeric",
        names.join(),
      ],
      { cwd },
    );
    write("wide2.csv", names.with(2900, "other"));
    const one = await at("verify", run.run_id, "--data", "wide2.csv");
    expect([one.code, one.stdout]).toEqual([
      3,
      expect.stringContaining('_2900" is called "other"'),
    ]);
    write(
      "wide2.csv",
      names.map((name) => `${name}!`),
    );
    const all = await at("verify", run.run_id, "--data", "wide2.csv");
    expect([all.code, all.stdout]).toEqual([3, expect.stringContaining("columns are renamed")]);
  });

  test("does without a sketch that is damaged", async () => {
    const verdict = await verifyCopy((run) =>
      writeFileSync(join(run, "artifacts/data_sketch.json"), "["),
    );
    expect(verdict.code).toBe(0);
  });

  test("--all counts a training whose record is damaged", async () => {
    const store = temporaryDirectory();
    writeTable(store, "one.csv");
    const train = () =>
      raisinJson<TrainAnswer>(["train", "--data", "one.csv", "--iterations", "5"], { cwd: store });
    const [good, bad, worse] = [await train(), await train(), await train()];
    writeFileSync(join(bad.run_dir, "params.json"), "{");
    writeFileSync(join(worse.run_dir, "meta.json"), "{");
    const { code, stdout } = await raisin(["verify", "--all"], { cwd: store });
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`${good.run_id} .* reproduced`));
    for (const { run_id } of [bad, worse])
      expect(stdout).toMatch(new RegExp(`${run_id} .* cannot be verified`));
    expect(stdout).toContain("1 of 3 finished trainings reproduced");
  });
});
