// Does the example worker give the bits of `raisin predict`, and refuse what it cannot read?
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { packaged, serveWorkerd } from "./runtimes.mjs";
import { here, root, run } from "./tools.mjs";

const ROWS = 60;

/** @returns what was found, in a sentence @throws Error for a bit that differs */
export async function checkEdge({ scratch, cores, install }) {
  const command = packaged("@cloudflare/workerd-linux-64/bin/workerd", { install });
  const folder = join(scratch, "edge");
  mkdirSync(folder);
  const bundle = await rolldown({ input: join(root, "build/dist/edge.js"), platform: "browser" });
  await bundle.write({
    file: join(folder, "raisin-edge.mjs"),
    format: "esm",
    codeSplitting: false,
  });
  const cli = (...args) => {
    const { code, stderr } = run(process.execPath, [join(root, "build/cli.js"), ...args], {
      cwd: folder,
    });
    if (code !== 0) throw new Error(stderr);
  };
  const data = join(root, "data/raisins-simulated.csv");
  cli("train", "--quiet");
  cli(
    "predict",
    "--data",
    data,
    "--explain",
    "--model-file",
    "model.npz",
    "--out",
    "scored.csv",
    "--quiet",
  );
  copyFileSync(here("workerd/edge.capnp"), join(folder, "config.capnp"));
  copyFileSync(here("workerd/edge.mjs"), join(folder, "worker.mjs"));
  copyFileSync(cores.SIMD, join(folder, "core.wasm"));
  const [header, ...lines] = readFileSync(join(folder, "scored.csv"), "utf8").trimEnd().split("\n");
  const names = header.split(",");
  const rows = lines.slice(0, ROWS).map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(
      names.map((name, j) => [name, Number.isNaN(Number(cells[j])) ? cells[j] : Number(cells[j])]),
    );
  });
  const { address, end, stderr } = await serveWorkerd(command, folder);
  try {
    if (address === null) throw new Error(`The example worker did not start: ${stderr()}`);
    const post = (body) => fetch(address, { method: "POST", body });
    const answers = await (await post(JSON.stringify(rows))).json();
    answers.forEach((answer, i) => {
      const wanted = rows[i];
      const contributions = Object.entries(answer.feature_contrib_logit);
      const isEqual =
        answer.p_class1 === wanted.p_class1 &&
        answer.label === wanted.label &&
        contributions.every(([name, value]) => value === wanted[`contrib_${name}`]);
      if (!isEqual) throw new Error(`The example worker differs in row ${i + 1}`);
    });
    if (answers.length !== ROWS) throw new Error("The example worker lost rows");
    for (const [body, status] of [
      ["{", 400],
      ['{"Area":1}', 422],
      [JSON.stringify({ ...rows[0], Area: "large" }), 422],
      [JSON.stringify(Array(1001).fill(rows[0])), 413],
    ]) {
      const answer = await post(body);
      if (answer.status !== status)
        throw new Error(`The example worker answered ${answer.status}, not ${status}`);
      await answer.text();
    }
    return `the example worker at the edge predicts ${ROWS} rows with the bits of raisin predict, and refuses what it cannot read`;
  } finally {
    end();
  }
}
