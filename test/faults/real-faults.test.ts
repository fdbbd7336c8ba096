// Does the command cope with real disks: full, read-only, forbidden, out of descriptors, limits on the size of files?
//
// Full and read-only file systems are mounted in a mount namespace of the process's own, which takes root and `unshare`;
// without them these tests say that they skip.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { diagnose } from "../../src/miniflow/doctor.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import {
  BIN,
  filesBelow,
  type Outcome,
  raisin,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

const isRoot = process.getuid?.() === 0;
const canMount =
  isRoot && spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
const canDrop = isRoot && spawnSync("setpriv", ["--version"]).status === 0;
const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;

const directory = temporaryDirectory();
const table = writeTable(directory, "t.csv", { rows: 40 });
const good = join(directory, "good");

function trainWords(store: string, out: string): string[] {
  const words = ["--data", table, "--iterations", "20", "--log-every", "5"];
  return ["train", ...words, "--store", store, "--out", out];
}

beforeAll(async () => {
  const { code, stderr } = await raisin(trainWords(good, join(directory, "good.npz")), {
    cwd: directory,
  });
  expect([code, stderr.includes("error")]).toEqual([0, false]);
});

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
const command = (words: readonly string[]) => quoted([process.execPath, BIN, ...words]);

/** Runs a shell script in a mount namespace of its own. */
function inNamespace(script: string): { status: number | null; stdout: string; stderr: string } {
  const env = { PATH: process.env.PATH ?? "" };
  return spawnSync("unshare", ["-m", "bash", "-c", script], {
    encoding: "utf8",
    cwd: directory,
    env,
  });
}

const errorsOf = (stderr: string) =>
  stderr.split("\n").filter((line) => line.startsWith("error: "));

describe.skipIf(!canMount)("on a file system of its own (needs root and unshare)", () => {
  test.each([
    ["bytes", "size=%d"],
    ["files", "size=8m,nr_inodes=%d"],
  ])(
    "that runs out of %s at any point, nothing is lost, and the next training goes on",
    (what, option) => {
      const disk = join(directory, `disk-${what}`);
      mkdirSync(disk);
      const copy = join(directory, `copy-${what}`);
      const limits =
        what === "bytes"
          ? Array.from({ length: 24 }, (_, k) => 64 * 1024 + k * 4096)
          : Array.from({ length: 24 }, (_, k) => 24 + k);
      let failed = 0;
      const problems: string[] = [];
      for (const limit of limits) {
        const store = join(disk, "miniflow");
        const train = command(trainWords(store, join(disk, "model.npz")));
        const { stdout } = inNamespace(`
        mount -t tmpfs -o ${option.replace("%d", String(limit))} none '${disk}' || exit 9
        cp -r '${good}' '${store}' 2>/dev/null || { echo "too small"; exit 0; }
        before=$(cat '${store}/registry.json' | sha256sum)
        ${train} >/dev/null 2>'${copy}.err'; echo "code $?"
        after=$(cat '${store}/registry.json' | sha256sum)
        [ "$before" = "$after" ] && echo "registry same" || echo "registry changed"
        rm -rf '${copy}-${limit}'; cp -r '${store}' '${copy}-${limit}'
        mount -o remount,size=32m,nr_inodes=9999 '${disk}'
        ${train} >/dev/null 2>'${copy}.err2'; echo "next $?"
      `);
        if (stdout.startsWith("too small")) continue;
        const [, code] = /code (\d+)/.exec(stdout)!;
        const stderr = readFileSync(`${copy}.err`, "utf8");
        if (code !== "0") {
          failed++;
          const errors = errorsOf(stderr);
          if (code !== "1" || errors.length !== 1 || !errors[0]!.includes("ENOSPC"))
            problems.push(`${limit}: exit ${code}: ${stderr}`);
        }
        const findings = diagnose(`${copy}-${limit}`).findings.filter(
          ({ level }) => level === "error",
        );
        problems.push(...findings.map(({ path, problem }) => `${limit}: ${path}: ${problem}`));
        if (!stdout.includes("next 0"))
          problems.push(`${limit}: then ${readFileSync(`${copy}.err2`, "utf8")}`);
      }
      expect(problems).toEqual([]);
      expect(failed).toBeGreaterThan(3);
    },
    120_000,
  );

  test("that is read-only, every reading command works, and training says why it cannot", () => {
    const disk = join(directory, "read-only");
    cpSync(good, disk, { recursive: true });
    const id = readdirSync(join(disk, "experiments/t/runs"))[0]!;
    const run = (words: string[]) => command([...words, "--store", disk]);
    const { stdout, stderr } = inNamespace(`
      mount --bind '${disk}' '${disk}' && mount -o remount,ro,bind '${disk}' || exit 9
      for c in ${[
        ["runs", "list"],
        ["runs", "show", id],
        ["models", "list"],
        ["models", "history"],
        ["doctor"],
      ]
        .map((words) => `"${run(words)}"`)
        .join(" ")}; do eval "$c" >/dev/null; echo "code $?"; done
      ${command(trainWords(disk, "/dev/null"))}; echo "train $?"
      ${run(["runs", "delete", id])}; echo "delete $?"
      ${run(["models", "promote", id, "--alias", "staging"])}; echo "promote $?"
    `);
    expect(stdout.match(/code \d/g)).toEqual(["code 0", "code 0", "code 0", "code 0", "code 0"]);
    expect(stdout).toContain("train 1");
    expect(stdout).toContain("promote 1");
    expect(stderr).toMatch(/error: Cannot make directory .*: EROFS/);
    expect(stderr).toMatch(/error: Cannot write .*registry\.d.*: EROFS/);
  });
});

describe.skipIf(!canDrop)("without permission (needs root and setpriv)", () => {
  const asNobody = (words: readonly string[]) =>
    spawnSync(
      "setpriv",
      ["--reuid", "65532", "--regid", "65532", "--clear-groups", process.execPath, BIN, ...words],
      { encoding: "utf8", cwd: "/", env: { PATH: process.env.PATH ?? "" } },
    );

  test("to write, a store is read, and nothing in it changes", () => {
    const store = join(directory, "forbidden");
    cpSync(good, store, { recursive: true });
    for (let path = store; path !== "/"; path = join(path, "..")) chmodSync(path, 0o755);
    const before = filesBelow(store);
    const list = asNobody(["runs", "list", "--json", "--store", store]);
    expect([list.status, JSON.parse(list.stdout).total, list.stderr]).toEqual([0, 1, ""]);
    const train = asNobody(trainWords(store, "/dev/null"));
    expect(train.status).toBe(1);
    expect(errorsOf(train.stderr)).toEqual([
      expect.stringMatching(/Cannot make directory .*: EACCES/),
    ]);
    expect(filesBelow(store)).toEqual(before);
  });

  test("to read a run, it is listed as damaged, and the others as they are", () => {
    const store = join(directory, "hidden");
    cpSync(good, store, { recursive: true });
    const runs = join(store, "experiments/t/runs");
    const [id] = readdirSync(runs);
    cpSync(join(runs, id!), join(runs, "0123456789ab"), { recursive: true });
    chmodSync(join(runs, "0123456789ab/meta.json"), 0o000);
    const list = asNobody(["runs", "list", "--json", "--store", store]);
    expect(list.status).toBe(0);
    const shown = JSON.parse(list.stdout).runs as {
      run_id: string;
      status: string;
      error: string;
    }[];
    expect(shown.find(({ run_id }) => run_id === id)?.status).toBe("FINISHED");
    expect(shown.find(({ run_id }) => run_id === "0123456789ab")).toMatchObject({
      status: "DAMAGED",
      error: expect.stringContaining("EACCES"),
    });
  });
});

describe.skipIf(!hasPrlimit)("under a limit (needs prlimit)", () => {
  const limited = (limit: string, words: readonly string[]): Outcome => {
    const args = [limit, process.execPath, BIN, ...words];
    const env = { PATH: process.env.PATH ?? "" };
    const { status, signal, stdout, stderr } = spawnSync("prlimit", args, {
      encoding: "utf8",
      cwd: directory,
      env,
    });
    return { code: status, signal, stdout, stderr };
  };

  test.each([
    ["open files", (k: number) => `--nofile=${14 + k}`, 12, "EMFILE"],
    ["the size of a file", (k: number) => `--fsize=${100 + k * 400}`, 20, "EFBIG"],
  ])(
    "on %s, a training succeeds or says why not, and the store is whole",
    (_, limitOf, count, code) => {
      let failed = 0;
      for (let k = 0; k < count; k++) {
        const store = join(temporaryDirectory(), "miniflow");
        cpSync(good, store, { recursive: true });
        const outcome = limited(limitOf(k), trainWords(store, join(store, "../model.npz")));
        const after = diagnose(store).findings.filter(({ level }) => level === "error");
        expect(after, `${limitOf(k)}: ${outcome.stderr}`).toEqual([]);
        if (outcome.code === 0) continue;
        // With too few descriptors Node itself does not start.
        if (outcome.signal !== null || !outcome.stderr.includes("error: ")) continue;
        failed++;
        expect(outcome.code, outcome.stderr).toBe(1);
        expect(outcome.stderr).toContain(code);
      }
      expect(failed).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe("trainings that write one --out", () => {
  test("leave one whole file, which is one of theirs", async () => {
    const base = temporaryDirectory();
    const out = join(base, "model.npz");
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, k) =>
        raisin([...trainWords(join(base, `store-${k % 2}`), out), "--seed", String(k), "--json"], {
          cwd: base,
        }),
      ),
    );
    expect(outcomes.map(({ code, stderr }) => [code, stderr.includes("error")])).toEqual(
      outcomes.map(() => [0, false]),
    );
    const bytes = readFileSync(out);
    expect(() => decodeModel(bytes)).not.toThrow();
    const models = outcomes.map(({ stdout }) =>
      readFileSync(join(JSON.parse(stdout).run_dir, "artifacts/model/model.npz")),
    );
    expect(models.some((model) => Buffer.compare(model, bytes) === 0)).toBe(true);
    expect(readdirSync(base).sort()).toEqual(["model.npz", "store-0", "store-1"]);
  });
});

describe("hostile names", () => {
  const store = join(directory, "names");
  beforeAll(() => {
    cpSync(good, store, { recursive: true });
    const runs = join(store, "experiments/t/runs");
    symlinkSync("/etc", join(runs, "aaaaaaaaaaaa"));
    mkdirSync(join(runs, "bbbbbbbbbbbb"));
    symlinkSync("/etc/passwd", join(runs, "bbbbbbbbbbbb/meta.json"));
    symlinkSync(join(good, "experiments/t"), join(store, "experiments/linked"));
    const run = join(runs, "cccccccccccc");
    mkdirSync(run);
    spawnSync("mkfifo", [join(run, "meta.json")]);
  });

  test.each([
    "..",
    "../../..",
    "..%2f..%2fetc",
    "%2e%2e",
    "%252e%252e%252f",
    "/etc",
    "aaaaaaaaaaaa",
    "bbbbbbbbbbbb",
    "cccccccccccc",
    "experiments",
    "registry.json",
    "",
    "a".repeat(300),
    "C:\\x",
    "/dev/zero",
    "/dev/stdin",
  ])(
    "as a run's, %j is refused, and touches nothing",
    async (name) => {
      const before = filesBelow(store).map((path) => [path, lstat(join(store, path))]);
      for (const words of [
        ["runs", "show", name],
        ["runs", "delete", name],
        ["runs", "restore", name],
        ["runs", "compare", name, "0123456789ab"],
        ["models", "promote", name, "--force"],
        ["models", "rollback", "t", "--to", name],
        ["verify", name],
      ]) {
        const { code, stderr, stdout } = await raisin([...words, "--store", store], {
          cwd: directory,
        });
        expect([code, stdout, stderr.includes("root:")], `${words.join(" ")}: ${stderr}`).toEqual([
          2,
          "",
          false,
        ]);
        expect(stderr).toMatch(/^error: /);
      }
      expect(filesBelow(store).map((path) => [path, lstat(join(store, path))])).toEqual(before);
    },
    60_000,
  );

  const lstat = (path: string) => {
    if (!existsSync(path)) return "dangling";
    const { size, mtimeMs } = statSync(path);
    return `${size} ${mtimeMs}`;
  };

  test("and what is no run breaks no list, and the doctor tells it", async () => {
    const { stdout, code } = await raisin(["runs", "list", "--json", "--store", store], {
      cwd: directory,
    });
    expect(code).toBe(0);
    const { runs } = JSON.parse(stdout) as { runs: { run_id: string; status: string }[] };
    const statuses = new Map(runs.map(({ run_id, status }) => [run_id, status]));
    expect([...statuses.values()].sort()).toEqual(["DAMAGED", "DAMAGED", "FINISHED"]);
    expect(statuses.get("bbbbbbbbbbbb")).toBe("DAMAGED");
    expect(statuses.get("cccccccccccc")).toBe("DAMAGED");
    const { findings } = diagnose(store);
    const told = findings.map(({ path, problem }) => `${path}: ${problem}`).join("\n");
    expect(told).toMatch(/aaaaaaaaaaaa: it is no run/);
    expect(told).toMatch(/bbbbbbbbbbbb.meta\.json: it is a symbolic link/);
    expect(told).toMatch(/cccccccccccc.meta\.json: not a regular file/);
    expect(told).toMatch(/linked: it is no experiment/);
  });
});
