// Tells how far a command is, on stderr: a bar on a terminal, lines when not, nothing when asked to be quiet.
import type ProgressBar from "progress";

export interface Meter {
  /** @param done of the total   @param text what to show beside it */
  update(done: number, text: string): void;
  end(): void;
}

const SILENT: Meter = { update() {}, end() {} };

/** @param lineOf makes the line for a terminal that is none; without it nothing is printed there */
export async function createMeter(
  total: number,
  options: { title: string; quiet: boolean; lines: boolean },
): Promise<Meter> {
  if (options.quiet) return SILENT;
  const isTerminal = process.stderr.isTTY && process.env.TERM !== "dumb";
  if (!isTerminal) {
    if (!options.lines) return SILENT;
    return { update: (_, text) => process.stderr.write(`${text}\n`), end() {} };
  }
  const { default: Bar } = (await import("progress")) as unknown as { default: typeof ProgressBar };
  const bar = new Bar(`${options.title} [:bar] :percent :text`, {
    total: Math.max(total, 1),
    width: 30,
    stream: process.stderr,
    clear: true,
  });
  return {
    update: (done, text) => bar.update(done / Math.max(total, 1), { text }),
    end: () => bar.terminate(),
  };
}
