// Reads a registry over and over until a file says stop: no reading may fail, and no generation may be older than the one
// before it. argv: library, store, stop file. Prints how many readings there were, and what was wrong.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [library, store, stop] = process.argv.slice(2);
const { readRegistry, findRun, readRun } = await import(library);
const seen = { library: 0, raw: 0 };
const wrong = [];
let reads = 0;
const note = (where, generation) => {
  if (generation < seen[where]) wrong.push(`${where}: ${generation} after ${seen[where]}`);
  seen[where] = generation;
};
while (reads % 64 !== 0 || !existsSync(stop)) {
  reads++;
  try {
    const entry = readRegistry(store).get("m");
    if (entry !== undefined) {
      note("library", entry.generation);
      const { status } = readRun(findRun(store, entry.production)).meta;
      if (status !== "FINISHED") wrong.push(`it names run ${entry.production}, which is ${status}`);
    }
    // As a tool reads it that knows registry.json alone.
    if (existsSync(join(store, "registry.json"))) {
      note("raw", JSON.parse(readFileSync(join(store, "registry.json"), "utf8")).m.generation);
    }
  } catch (error) {
    wrong.push(error.message);
  }
}
process.stdout.write(JSON.stringify({ reads, wrong: wrong.slice(0, 5) }));
