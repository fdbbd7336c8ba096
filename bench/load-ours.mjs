// Loads one CSV in a process of its own, so that its peak memory is that of loading alone.
import { readCsv } from "../build/dist/data/files.js";

const start = performance.now();
const dataset = await readCsv(process.argv[2], { label: "Class" });
dataset.contentDigest; // made when it is first asked for
const seconds = (performance.now() - start) / 1000;
process.stdout.write(
  JSON.stringify({
    seconds,
    rows: dataset.rowCount,
    numericMiB: (dataset.rowCount * dataset.columns.length * 8) / 2 ** 20,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
