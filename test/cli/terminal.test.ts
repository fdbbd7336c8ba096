// What does a reader at a terminal see while a training goes on?
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { BIN, temporaryDirectory, writeTable } from "../support/cli.ts";

const hasScript = spawnSync("script", ["--version"]).status === 0;
const cwd = temporaryDirectory();
writeTable(cwd, "wine.csv");

/** What the command writes to a terminal of 80 columns. */
function atTerminal(args: string, env: Record<string, string> = {}): string {
  const command = `stty cols 80; "${process.execPath}" "${BIN}" train --data wine.csv ${args}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    cwd,
    encoding: "utf8",
    env: { PATH: process.env.PATH ?? "", TERM: "xterm", ...env },
  });
  return stdout;
}

describe.skipIf(!hasScript)("at a terminal (needs script of util-linux)", () => {
  test("a bar grows on one line and is gone in the end", () => {
    const [bar, summary] = atTerminal("--iterations 200000 --log-every 20000").split("dataset   ");
    const states = bar!
      .split("\u001b[1G")
      .map((state) => state.replaceAll("\u001b[0K", "").replaceAll("\u001b[2K", ""))
      .filter((state) => state.startsWith("training ["));
    expect(states.length).toBeGreaterThanOrEqual(2);
    for (const state of states) {
      expect(state.length).toBeLessThanOrEqual(80);
      expect(state).toMatch(
        /^training \[[=-]{24}\] \d+% train_loss 0\.\d{4} {2}val_loss \d\.\d{4}$/,
      );
    }
    expect(states.at(-1)).toMatch(/^training \[=+\] 100%/);
    expect(bar!.endsWith("\u001b[2K\u001b[1G")).toBe(true);
    expect(bar).not.toContain("\n");
    expect(summary).toContain("wine: 60 rows");
  });

  test("a dumb terminal gets lines, and --quiet nothing", () => {
    const dumb = atTerminal("--iterations 20", { TERM: "dumb" });
    expect(dumb).toMatch(/^20 {2}train_loss 0\.\d+ /m);
    expect(dumb).not.toContain("\u001b");
    expect(atTerminal("--iterations 20 --quiet")).toBe("");
  });
});
