// Does the packed package work in a project of somebody else: import, command, types, and nothing too much?
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import * as raisin from "../../src/index.ts";
import {
  filesBelow,
  outcomeOf,
  ROOT,
  readJson,
  runNode,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";
import { commentExamples, markdownExamples, toRunnable } from "./examples.ts";

/** An empty project in which the package stands as npm would put it. Nothing comes from the network. */
const project = temporaryDirectory();
const installed = join(project, "node_modules/raisin");
let files: string[];
let packedBytes: number;

interface LockEntry {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
}

/** Places of the packages that an installation for production holds. */
function productionPackages(): [string, LockEntry][] {
  const packages: Record<string, LockEntry> = readJson(ROOT, "package-lock.json").packages;
  return Object.entries(packages).filter(
    ([place, { dev, devOptional }]) => place && !dev && !devOptional,
  );
}

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error || status !== 0)
    throw error ?? new Error(`${command} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

beforeAll(() => {
  // Without scripts, since `prepare` would build what the tests run on.
  run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", project], ROOT);
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"))!;
  packedBytes = statSync(join(project, tarball)).size;
  run("tar", ["-xzf", tarball], project);
  mkdirSync(join(project, "node_modules/.bin"), { recursive: true });
  renameSync(join(project, "package"), installed);
  for (const [place] of productionPackages()) {
    mkdirSync(dirname(join(project, place)), { recursive: true });
    cpSync(join(ROOT, place), join(project, place), { recursive: true, dereference: true });
  }
  const bin = join(installed, readJson(installed, "package.json").bin.raisin);
  chmodSync(bin, 0o755);
  symlinkSync(bin, join(project, "node_modules/.bin/raisin"));
  writeFileSync(join(project, "package.json"), '{"private": true, "type": "module"}');
  files = filesBelow(installed);
});

describe("the tarball", () => {
  test("holds what a user needs", () => {
    expect(files).toEqual(
      expect.arrayContaining([
        "package.json",
        "README.md",
        "LICENSE",
        "assembly/CONTRACT.md",
        "build/core.wasm",
        "build/core.scalar.wasm",
        "build/dist/index.d.ts",
        "build/dist/index.js",
        "build/dist/miniflow/index.d.ts",
        "build/dist/miniflow/index.js",
        "assembly/released.json",
        "data/raisins-simulated.csv",
      ]),
    );
  });

  test("holds no tests, sources of the host, maps or debug builds, and stays small", () => {
    const allowed =
      /^(build|assembly|data)\/|^(package\.json|README\.md|LICENSE|NOTICE|CHANGELOG\.md)$/;
    expect(files.filter((path) => !allowed.test(path))).toEqual([]);
    expect(
      files.filter((path) => /\.(map|wat|tgz|tsbuildinfo)$|debug|\.test\./.test(path)),
    ).toEqual([]);
    expect(files.filter((path) => /^build\/.*(?<!\.d)\.ts$/.test(path))).toEqual([]);
    // 700 kB when this was written: the command, the server and what threads run, each in one file, and the data.
    expect(packedBytes).toBeLessThan(850_000);
  });

  test("holds nothing of the machine it was built on", () => {
    const named = files.filter((path) => readFileSync(join(installed, path)).includes(ROOT));
    expect(named).toEqual([]);
  });
});

describe("an installation for production", () => {
  test("is at most 16 packages, none with an install script, the package itself among them", () => {
    const packages = productionPackages();
    expect(packages.length).toBeGreaterThan(0);
    expect(packages.length + 1).toBeLessThanOrEqual(16);
    expect(packages.filter(([, entry]) => entry.hasInstallScript)).toEqual([]);
    const { scripts } = readJson(installed, "package.json");
    for (const hook of ["preinstall", "install", "postinstall"])
      expect(scripts[hook]).toBeUndefined();
  });
});

describe("an import of the package", () => {
  test("fits, predicts, saves and loads", async () => {
    writeFileSync(
      join(project, "use.js"),
      `import { LogisticRegression, readCsv } from "raisin";
import { createRequire } from "node:module";
import { version } from "node:process";
const X = [[1, 5], [2, 3], [3, 4], [4, 1]];
const model = await new LogisticRegression({ iterations: 100 }).fit(X, ["n", "n", "y", "y"]);
await model.save("saved.npz");
const loaded = LogisticRegression.load("saved.npz");
const packaged = createRequire(import.meta.url)("raisin/package.json").version;
const p = Array.from(loaded.predictProba(X));
console.log(JSON.stringify({ labels: loaded.predict(X), p, digest: loaded.digest, packaged, read: typeof readCsv }));`,
    );
    const { code, stdout, stderr } = await runNode(["use.js"], { cwd: project });
    expect([code, stderr]).toEqual([0, ""]);
    const here = await new raisin.LogisticRegression({ iterations: 100 }).fit(
      [
        [1, 5],
        [2, 3],
        [3, 4],
        [4, 1],
      ],
      ["n", "n", "y", "y"],
    );
    expect(JSON.parse(stdout)).toEqual({
      labels: ["n", "n", "y", "y"],
      p: [
        ...here.predictProba([
          [1, 5],
          [2, 3],
          [3, 4],
          [4, 1],
        ]),
      ],
      digest: here.digest,
      packaged: readJson(ROOT, "package.json").version,
      read: "function",
    });
  });

  test("tracks runs of any experiment, and promotes them", async () => {
    writeFileSync(
      join(project, "track.js"),
      `import { changeRegistry, history, readRegistry, searchRuns, startRun } from "raisin/miniflow";
const run = await startRun({ store: "tracked", experiment: "mine", name: "first" });
run.logParams({ depth: 3 });
run.logMetrics({ auc: 0.9 }, { step: 1 });
const part = await run.startRun({ name: "fold" });
part.endRun("FAILED");
run.endRun();
changeRegistry("tracked", "tree", () => ({ action: "promote", runId: run.id, reason: "first" }));
const [found] = searchRuns("tracked", { filter: "metrics.auc > 0.8 and params.depth = '3'" });
console.log(JSON.stringify([found.run_name, readRegistry("tracked").get("tree").production === run.id, history("tracked").length, found.metrics.auc.last]));`,
    );
    const { code, stdout, stderr } = await runNode(["track.js"], { cwd: project });
    expect([code, stderr, stdout]).toEqual([0, "", '["first",true,1,0.9]\n']);
  });

  test("gives what src/index.ts exports, and nothing of its insides", async () => {
    const script = `console.log(JSON.stringify(Object.keys(await import("raisin")).sort()));
      const inside = await import("raisin/build/dist/core/core.js").catch((error) => error.code);
      console.log(inside);`;
    const { stdout } = await runNode(["--input-type=module", "-e", script], { cwd: project });
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      JSON.stringify(Object.keys(raisin).sort()),
      "ERR_PACKAGE_PATH_NOT_EXPORTED",
    ]);
  });
});

describe("the command of the package", () => {
  const raisinIn = (cwd: string, ...args: string[]) =>
    outcomeOf(
      spawn(join(project, "node_modules/.bin/raisin"), args, {
        cwd,
        env: { PATH: process.env.PATH ?? "" },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );

  test("trains on the bundled data from anywhere, predicts and verifies", async () => {
    const cwd = temporaryDirectory();
    const trained = await raisinIn(cwd, "train", "--json", "--iterations", "50");
    expect(trained.code, trained.stderr).toBe(0);
    const answer: TrainAnswer = JSON.parse(trained.stdout);
    expect(answer.dataset).toMatchObject({ name: "raisins-simulated", rows: 900 });
    expect(answer.params).toMatchObject({ experiment: "raisin", model: "raisin_logreg" });
    const data = join(installed, "data/raisins-simulated.csv");
    const predicted = await raisinIn(cwd, "predict", "--data", data, "--quiet");
    expect(predicted.stdout.trimEnd().split("\n")).toHaveLength(901);
    const verified = await raisinIn(cwd, "verify", answer.run_id);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringMatching(/^reproduced/)]);
    expect(existsSync(join(project, "miniflow"))).toBe(false);
  });
});

describe("the types of the package", () => {
  const consumer = `import {
  type Explanation,
  type FileDataset,
  LogisticRegression,
  type LogisticRegressionOptions,
  type Metrics,
  type Progress,
  readCsv,
  type TrainingFile,
} from "raisin";
import { type ActiveRun, type RunSummary, searchRuns, startRun } from "raisin/miniflow";

const options: LogisticRegressionOptions = { lr: 0.5, iterations: 10, positive: "y", valFraction: 0.2 };
const data: TrainingFile = await readCsv("x.csv", { label: "Class", features: ["a"], drop: [] });
const file: FileDataset = data;
const byDataset: LogisticRegression = await new LogisticRegression(options).fit(data);
const { signal } = new AbortController();
const onProgress = ({ step, records }: Progress): void => void [step, records[0]?.key];
const byRows = await new LogisticRegression().fit([[1], [2]], [0, 1], { signal, onProgress });
await byRows.fit(new Float64Array(4), ["a", "b"]);
await byRows.fit([[1], [2]], [true, false], { features: ["a"] });
await byRows.fit([[1], [2]], new Uint8Array(2));
await byRows.fit(data, { signal });
const p: Float64Array = byRows.predictProba([[1]]);
const labels: string[] = byRows.predict(new Float64Array(2));
const said: Explanation = byRows.explain({ a: 1 });
const logit: number = byRows.explain([1]).logit;
const bytes: Uint8Array = byRows.save();
const nothing: Promise<void> = byRows.save("model.npz");
const run: ActiveRun = await startRun({ store: "x", tags: { a: "b" } });
run.logMetrics([{ key: "loss", value: 1, step: 2 }]);
const runs: readonly RunSummary[] = searchRuns("x", { orderBy: ["metrics.loss ASC"] });
const last: number | undefined = runs[0]?.metrics["loss"]?.last;
const loss: Metrics["loss"] = LogisticRegression.load(bytes).metrics.train.loss;
const classes: readonly [string, string] = byDataset.classes;
export const used = [p, labels, said.feature_contrib_logit["a"], logit, nothing, loss, last, classes, file.fileSha256, data.guesses];

// @ts-expect-error: the label column is not optional
await readCsv("x.csv", {});
// @ts-expect-error: rows need labels
await byRows.fit([[1], [2]]);
// @ts-expect-error: text is no row
byRows.predict([["1"]]);
// @ts-expect-error: no such parameter
new LogisticRegression({ learningRate: 0.1 });
// @ts-expect-error: parameters are read-only
byRows.params.lr = 1;
`;

  test.each([
    ["nodenext", "nodenext", ["es2022", "dom"], []],
    ["esnext", "bundler", ["es2022", "dom"], []],
    ["nodenext", "nodenext", ["es2023"], ["node"]],
  ])(
    "hold under module %s, moduleResolution %s, lib %j, types %j",
    (module, resolution, lib, types) => {
      const folder = join(project, `types-${module}-${types.length}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "consumer.ts"), consumer);
      // The documentation's examples are held against the published types too.
      const examples = [
        ...commentExamples(ROOT, "src/index.ts"),
        ...commentExamples(ROOT, "src/data/files.ts"),
        ...markdownExamples(ROOT, "README.md"),
      ];
      examples.forEach(({ code }, k) => {
        writeFileSync(join(folder, `example-${k}.ts`), toRunnable(code, Object.keys(raisin)).code);
      });
      const config = {
        compilerOptions: {
          module,
          moduleResolution: resolution,
          target: "es2022",
          lib,
          types,
          typeRoots: [join(ROOT, "node_modules/@types")],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          // What the package declares must hold by itself; Node's own types are not ours to check.
          skipLibCheck: types.length > 0,
        },
        include: ["*.ts"],
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], {
        encoding: "utf8",
      });
      expect(stdout).toBe("");
      expect(status).toBe(0);
    },
  );
});
