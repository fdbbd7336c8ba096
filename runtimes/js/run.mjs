// Runs the kit on Node, Deno or Bun: <runtime> run.mjs core.wasm kit.txt
import { readFileSync } from "node:fs";
import process from "node:process";
import { runKit } from "./kit.mjs";

const start = performance.now();
const [core, kit] = process.argv.slice(2);
try {
  const module = new WebAssembly.Module(readFileSync(core));
  const now = () => performance.now();
  const { lines, code } = runKit(module, readFileSync(kit, "utf8"), start, now);
  process.stdout.write(`${lines.join("\n")}\n`);
  process.exitCode = code;
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
}
