// raisin data: fetches the real raisins, checks their content, and says how to train on them.
import { fetchArchive, raisinsOfArchive } from "../data/raisins.ts";
import { writeTarget } from "../miniflow/store.ts";
import { EXIT, shellWord } from "./exit.ts";
import { outFile } from "./paths.ts";
import { createMeter } from "./progress.ts";

export interface DataFlags {
  readonly url: string;
  readonly out: string;
  readonly quiet?: boolean;
}

export async function runData(flags: DataFlags, signal: AbortSignal): Promise<number> {
  const out = outFile(flags.out);
  const meter = await createMeter(100, {
    title: "fetching",
    quiet: flags.quiet === true,
    lines: false,
  });
  const archive = await fetchArchive(flags.url, {
    signal,
    onProgress: (bytes, total) => {
      const share = total === null ? 0 : Math.min(100, (100 * bytes) / total);
      meter.update(share, `${Math.ceil(bytes / 1024)} KiB`);
    },
  }).finally(() => meter.end());
  const csv = raisinsOfArchive(archive);
  writeTarget(out, csv);
  if (!flags.quiet) {
    process.stdout.write(
      [
        `${flags.out}: the 900 raisins of Çinar, Koklu and Tasdemir (2020), UCI id 850, CC BY 4.0; content checked`,
        "Train on them with:",
        `  raisin train --data ${shellWord(flags.out)}`,
        "",
      ].join("\n"),
    );
  }
  return EXIT.ok;
}
