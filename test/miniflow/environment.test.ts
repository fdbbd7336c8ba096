// Is the state of the source tree told, however many changes it has?
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import {
  raisinJson,
  readJson,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";

test.skipIf(process.platform === "win32")(
  "a status of two megabytes is no lack of git",
  async () => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, ".git"));
    mkdirSync(join(cwd, "bin"));
    const commit = "0123456789".repeat(4);
    const git = join(cwd, "bin/git");
    writeFileSync(
      git,
      `#!/usr/bin/env node\nconsole.log("# branch.oid ${commit}\\n" + "? some/changed/file\\n".repeat(100_000));\n`,
    );
    chmodSync(git, 0o755);
    writeTable(cwd, "wine.csv");
    const PATH = `${join(cwd, "bin")}${delimiter}${process.env.PATH}`;
    const args = ["train", "--data", "wine.csv", "--iterations", "2"];
    const { run_dir } = await raisinJson<TrainAnswer>(args, { cwd, env: { PATH } });
    expect(readJson(run_dir, "meta.json").git).toEqual({ commit, dirty: true });
  },
);
