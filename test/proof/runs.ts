// Sealed runs for the tests: of the real raisins where they are, else of the simulated ones.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, raisin, raisinJson, type TrainAnswer } from "../support/cli.ts";

export const RAISINS = process.env.RAISIN_CSV ?? join(ROOT, "data/raisins-simulated.csv");
export const RAISINS_ARE_REAL = process.env.RAISIN_CSV !== undefined;

/** Trains in a directory and seals the run. @returns the run */
export async function trainAndSeal(
  cwd: string,
  out: string,
  ...flags: string[]
): Promise<TrainAnswer> {
  const trained = await raisinJson<TrainAnswer>(["train", "--data", RAISINS], { cwd });
  await seal(cwd, trained.run_id, out, ...flags);
  return trained;
}

export async function seal(cwd: string, run: string, out: string, ...flags: string[]) {
  const { code, stderr } = await raisin(["seal", run, "--out", out, ...flags], { cwd });
  if (code !== 0) throw new Error(stderr);
}

/** The raisins with one cell changed: the Extent of the 500th row. */
export function writeChangedRaisins(path: string): void {
  const lines = readFileSync(RAISINS, "utf8").split("\n");
  const column = lines[0]!.split(",").indexOf("Extent");
  lines[500] = lines[500]!
    .split(",")
    .map((cell, j) => (j === column ? String(Number(cell) + 0.001) : cell))
    .join(",");
  writeFileSync(path, lines.join("\n"));
}

/** Takes the one line out of the page that Node runs; the README does it by grep (sealed.test.ts holds the two together). */
export function extract(page: string, program: string): void {
  const lines = readFileSync(page, "utf8").split("\n");
  writeFileSync(program, `${lines.filter((line) => line.startsWith("/*proof*/")).join("\n")}\n`);
}
