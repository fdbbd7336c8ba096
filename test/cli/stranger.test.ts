// What a stranger met: empty paths, places that take no files, names from odd stems, and closed terminals.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, raisin, temporaryDirectory as workplace } from "../support/cli.ts";

const bundledCsv = () => readFileSync(join(ROOT, "data/raisins-simulated.csv"));

const QUICK = ["--iterations", "5"];

describe("raisin", () => {
  it.each([
    ["train", "--store", ""],
    ["train", "--out", ""],
    ["train", "--data", ""],
    ["predict", "--data", ""],
    ["data", "--url", "nonsense"],
    ["data", "--url", "file:///etc/hosts"],
  ])("refuses %s %s %j before any work", async (...args) => {
    const folder = workplace();
    const { code, stderr } = await raisin(args, { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain("must");
    expect(existsSync(join(folder, "miniflow"))).toBe(false);
  });

  it.skipIf(!existsSync("/proc/self"))(
    "says at once that a place takes no directories",
    async () => {
      const { code, stderr } = await raisin(["train", "--out", "/proc/x/m.npz"], {
        cwd: workplace(),
      });
      expect(code).toBe(1);
      expect(stderr).toContain("/proc/x");
    },
  );

  it.skipIf(!existsSync("/dev/full"))(
    "tells the result when only --out cannot be written",
    async () => {
      const args = ["train", "--out", "/dev/full", "--json", "--quiet", ...QUICK];
      const { code, stdout, stderr } = await raisin(args, { cwd: workplace() });
      expect(code).toBe(1);
      expect(stderr).toContain("ENOSPC");
      expect(stderr).toContain(JSON.parse(stdout).run_dir);
    },
  );

  it("names model and experiment after a stem without the blanks round it", async () => {
    const folder = workplace();
    writeFileSync(join(folder, " x .csv"), bundledCsv());
    const { code } = await raisin(["train", "--data", " x .csv", ...QUICK], { cwd: folder });
    expect(code).toBe(0);
    const registry = JSON.parse(readFileSync(join(folder, "miniflow/registry.json"), "utf8"));
    expect(Object.keys(registry)).toEqual(["x"]);
  });

  it("says for every command what to do about a damaged registry", async () => {
    const folder = workplace();
    mkdirSync(join(folder, "miniflow"));
    writeFileSync(join(folder, "miniflow/registry.json"), "{");
    writeFileSync(join(folder, "d.csv"), bundledCsv());
    for (const command of ["predict", "evaluate"]) {
      const { code, stderr } = await raisin([command, "--data", "d.csv"], { cwd: folder });
      expect(code).toBe(1);
      expect(stderr).toContain("Repair");
    }
  });

  it("names the model file that is damaged", async () => {
    const folder = workplace();
    mkdirSync(join(folder, "kept"));
    writeFileSync(join(folder, "kept/model.npz"), "not a model");
    writeFileSync(join(folder, "d.csv"), bundledCsv());
    const args = ["predict", "--data", "d.csv", "--model-file", "kept"];
    const { code, stderr } = await raisin(args, { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain("kept/model.npz");
  });

  it("says what a model needs, to evaluate as to predict", async () => {
    const folder = workplace();
    expect((await raisin(["train", ...QUICK], { cwd: folder })).code).toBe(0);
    writeFileSync(join(folder, "d.csv"), "Area,Class\n1,Besni\n");
    for (const command of ["predict", "evaluate"]) {
      const { code, stderr } = await raisin([command, "--data", "d.csv"], { cwd: folder });
      expect(code).toBe(5);
      expect(stderr).toContain("needs: Area, MajorAxisLength");
    }
  });
});
