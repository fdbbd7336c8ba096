import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { badInputs } from "./bad-input.mjs";
import { checkEdge } from "./edge.mjs";
import { install } from "./install.mjs";
import { pythonIn, RUNTIMES } from "./runtimes.mjs";
import { here, root, run, Skip } from "./tools.mjs";

const words = process.argv.slice(2);
const flags = words.filter((word) => word.startsWith("--"));
const names = words.filter((word) => !word.startsWith("--"));

/** A folder for what is built and need not be built twice. */
const cache = join(root, "build/runtimes");
mkdirSync(cache, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), "raisin-kit-"));

const kit = here("kit/kit.txt");
const cores = {
  SIMD: join(root, "build/core.wasm"),
  scalar: join(root, "build/core.scalar.wasm"),
};
/** What a run must say: one verdict for each expectation of the kit. */
const expected = readFileSync(kit, "utf8").match(/^expect /gm).length;

function log(text) {
  if (!flags.includes("--json")) process.stderr.write(`${text}\n`);
}

/** Reads what a runner said. */
function verdictOf({ code, stdout, stderr }) {
  const lines = stdout.split("\n");
  const equal = lines.filter((line) => line.startsWith("equal ")).length;
  const different = lines.filter((line) => line.startsWith("different "));
  const first = lines.find((line) => line.startsWith("first "))?.slice("first ".length);
  return { code, equal, different, first: first === undefined ? null : Number(first), stderr };
}

/** All of one runtime: both builds where it can, and what it does with bad input. */
async function examine(name, runtime) {
  const {
    version,
    run: runKit,
    cpu = "x86-64",
    builds = ["SIMD", "scalar"],
    isControl,
  } = await runtime({
    cache,
    scratch,
    cores,
    install: () => install(here(".")),
  });
  const found = [];
  for (const build of builds) {
    const verdict = verdictOf(await runKit(cores[build], kit));
    if (verdict.code === 2) throw new Error(verdict.stderr.trim().slice(0, 300));
    found.push({ build, ...verdict });
  }
  const isEqual = found.every(({ code, equal }) => code === 0 && equal === expected);
  const refused = [];
  for (const bad of isControl ? [] : badInputs(scratch, cores[builds.at(-1)], kit)) {
    if (bad.isOtherCore && runtime.isCompiledIn) continue;
    const { code, stdout, stderr } = await runKit(bad.core, bad.kit);
    const isRefused = code === 2 && !/^(equal|different)/m.test(stdout) && bad.says.test(stderr);
    if (!isRefused)
      log(`  ${name}: ${bad.name} was not refused: ${code} ${stderr.trim().slice(0, 200)}`);
    refused.push(isRefused);
  }
  return {
    name,
    version,
    cpu,
    builds,
    isEqual,
    isControl: isControl === true,
    different: found.flatMap(({ different }) => different),
    first: found[0].first,
    refused: refused.filter(Boolean).length,
    bad: refused.length,
  };
}

const wanted = Object.entries(RUNTIMES).filter(
  ([name]) => names.length === 0 || names.some((word) => name.startsWith(word)),
);
const rows = [];
const skipped = [];
const notes = [];
try {
  for (const [name, runtime] of wanted) {
    log(`== ${name}`);
    try {
      rows.push(await examine(name, runtime));
    } catch (error) {
      if (!(error instanceof Skip)) throw new Error(`${name}: ${error.message}`, { cause: error });
      skipped.push({ name, reason: error.message });
      log(`   skipped: ${error.message}`);
    }
  }
  if (rows.some(({ name }) => name === "wasmtime (Python)")) {
    log("== the kit against 50 digits");
    const { code, stdout, stderr } = run(pythonIn(cache), [here("kit/check.py"), kit]);
    if (code !== 0) throw new Error(`The kit is not what 50 digits give:\n${stdout}${stderr}`);
    notes.push(`the kit's figures against 50 digits: ${stdout.trim().split("\n").at(-1)}`);
  }
  if (rows.some(({ name }) => name === "workerd")) {
    log("== the example worker at the edge");
    const edge = await checkEdge({ scratch, cores, install: () => install(here(".")) });
    notes.push(edge);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

const digest = createHash("sha256").update(readFileSync(cores.SIMD)).digest("hex");
const released = JSON.parse(readFileSync(join(root, "assembly/released.json"), "utf8"));
const release = released.find(({ core }) => core === digest);
const date = new Date().toISOString().slice(0, 10);
const judged = rows.filter(({ isControl }) => !isControl);
const isSound =
  judged.every(({ isEqual, refused, bad }) => isEqual && refused === bad) &&
  rows.every(({ isControl, isEqual }) => !isControl || !isEqual);

function tableOf() {
  const head = ["runtime", "version", "CPU", "build", "bits", "to the first prediction"];
  const cells = judged.map((row) => [
    row.name.replace(/ \(.*\)$/, ""),
    row.version,
    row.cpu,
    row.builds.join(" and "),
    row.isEqual ? "equal" : `${row.different.length} different`,
    row.first === null ? "–" : `${row.first.toFixed(row.first < 10 ? 1 : 0)} ms`,
  ]);
  return [head, head.map(() => "---"), ...cells].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const summary = [
  `core ${digest}, ${release ? `released with raisin ${release.version}` : "none of a release"}; ${expected} expectations each; ${date}`,
  `${judged.length} runtimes on ${new Set(judged.map(({ cpu }) => cpu)).size} CPU architectures: ${judged.every(({ isEqual }) => isEqual) ? "all equal" : "NOT all equal"}`,
  ...rows
    .filter(({ isControl }) => isControl)
    .map(({ name, isEqual, different }) =>
      isEqual
        ? `${name}: equal, and must NOT be`
        : `${name}: ${different.length} differ, as they must`,
    ),
  ...notes,
  ...skipped.map(({ name, reason }) => `skipped ${name}: ${reason}`),
];
if (flags.includes("--json")) {
  process.stdout.write(`${JSON.stringify({ digest, date, rows, skipped })}\n`);
} else {
  process.stdout.write(`\n${tableOf()}\n\n${summary.join("\n")}\n`);
}
if (flags.includes("--readme")) {
  const path = join(root, "README.md");
  const marks = /(<!-- runtimes -->\n)[\s\S]*?(<!-- \/runtimes -->)/;
  const readme = readFileSync(path, "utf8");
  if (!marks.test(readme)) throw new Error("README.md has no place for the table");
  const text = `${tableOf()}\n\nMeasured on ${date}, core ${digest.slice(0, 12)}…\n`;
  writeFileSync(path, readme.replace(marks, `$1${text}$2`));
}
process.exitCode = isSound && existsSync(kit) ? 0 : 1;
