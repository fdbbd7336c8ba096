// Does the same table give the same model bytes, whatever its row order, line ends, time zone, language or directory?
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  BIN,
  createRandom,
  noisyTable,
  raisinJson,
  runNode,
  type TrainAnswer,
  temporaryDirectory,
} from "../support/cli.ts";

const text = noisyTable({ rows: 300, features: ["a", "b", "c", "d", "e"] });
const [header, ...rows] = text.trimEnd().split("\n") as [string, ...string[]];
const random = createRandom(11);
const shuffled = rows
  .map((row) => ({ row, key: random() }))
  .sort((a, b) => a.key - b.key)
  .map(({ row }) => row);

interface Trained {
  readonly digest: string;
  readonly contentDigest: string;
  readonly model: Buffer;
  readonly params: string;
  readonly metrics: string[];
}

/** Trains on these bytes in a directory of their own, and reads what is left. */
async function train(
  csv: string,
  surroundings: { env?: Record<string, string>; directory?: string } = {},
): Promise<Trained> {
  const cwd = join(temporaryDirectory(), surroundings.directory ?? "");
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, "table.csv"), csv);
  const args = ["train", "--data", "table.csv", "--iterations", "200", "--l2", "0.001"];
  const { env } = surroundings;
  const answer = await raisinJson<TrainAnswer>(args, { cwd, ...(env && { env }) });
  return readTrained(cwd, answer);
}

function readTrained(cwd: string, answer: TrainAnswer): Trained {
  const lines = readFileSync(join(answer.run_dir, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return {
    digest: answer.model_digest,
    contentDigest: answer.dataset.content_digest,
    model: readFileSync(join(cwd, "model.npz")),
    params: readFileSync(join(answer.run_dir, "params.json"), "utf8"),
    metrics: lines.map((line) => line.replace(/,"ts_ms":\d+}$/, "}")),
  };
}

describe("the same table", () => {
  let first: Trained;
  beforeAll(async () => {
    first = await train(text);
  });

  const expectSame = (other: Trained) => {
    expect(other.digest).toBe(first.digest);
    expect(other.contentDigest).toBe(first.contentDigest);
    expect(other.model.equals(first.model)).toBe(true);
    expect(other.params).toBe(first.params);
    expect(other.metrics).toEqual(first.metrics);
  };

  test.each([
    ["once more", text],
    ["with its rows shuffled", `${[header, ...shuffled].join("\n")}\n`],
    ["with its rows reversed", `${[header, ...rows.toReversed()].join("\n")}\n`],
    ["with CRLF", text.replaceAll("\n", "\r\n")],
    ["with a byte order mark", `\uFEFF${text}`],
    ["without a last line end", text.trimEnd()],
    ["with every cell in quotes", text.replaceAll(/[^,\n]+/g, '"$&"')],
    [
      "with numbers written otherwise",
      text.replaceAll(/(?<=^|,)(\d+)\.(\d+)(?=,)/gm, "+$1.$200e0"),
    ],
  ])("%s: the same bytes", async (name, csv) => {
    if (name !== "once more") expect(csv).not.toBe(text);
    expectSame(await train(csv));
  });

  test.each([
    ["another time zone", { TZ: "Pacific/Auckland" }],
    ["another language", { LANG: "de_DE.UTF-8", LC_ALL: "tr_TR.UTF-8", LANGUAGE: "tr" }],
    ["no colours and a dumb terminal", { NO_COLOR: "1", TERM: "dumb", CI: "true" }],
  ])("under %s: the same bytes", async (_, env) => {
    expectSame(await train(text, { env }));
  });

  test("in a directory with an odd name: the same bytes", async () => {
    expectSame(await train(text, { directory: "a b/名 前#%41" }));
  });

  test("under another umask: the same bytes", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "table.csv"), text);
    const args = ["train", "--data", "table.csv", "--iterations", "200", "--l2", "0.001", "--json"];
    const script = `process.umask(0o077); await import(${JSON.stringify(BIN)});`;
    const outcome = await runNode(["--input-type=module", "-e", script, "--", ...args], { cwd });
    expect(outcome.code, outcome.stderr).toBe(0);
    expectSame(readTrained(cwd, JSON.parse(outcome.stdout)));
  });

  test("other rows, another seed or a value one ulp away: other bytes", async () => {
    // The comparison above would find a difference.
    const [last] = rows.slice(-1) as [string];
    const without = await train(`${[header, ...rows.slice(0, -1)].join("\n")}\n`);
    expect(without.digest).not.toBe(first.digest);
    expect(without.metrics).not.toEqual(first.metrics);
    const nudged = last.replace(/^[^,]+/, (cell) => `${cell}00000000001`);
    const other = await train(`${[header, ...rows.slice(0, -1), nudged].join("\n")}\n`);
    expect(other.contentDigest).not.toBe(first.contentDigest);
    expect(other.digest).not.toBe(first.digest);
  });
});
