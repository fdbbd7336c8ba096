// Tells how far a command is, on stderr: a bar on a terminal, lines when not, nothing when asked to be quiet.
import type ProgressBar from "progress";

export interface Meter {
  /**
   * @param done of the total
   * @param text what to show beside the bar, short enough to leave it room in 80 columns
   * @param line what to print where there is no bar
   */
  update(done: number, text: string, line?: string): void;
  end(): void;
}

const SILENT: Meter = { update() {}, end() {} };

/** @param options lines: whether to print lines where stderr is no terminal */
export async function createMeter(
  total: number,
  options: { title: string; quiet: boolean; lines: boolean },
): Promise<Meter> {
  if (options.quiet) return SILENT;
  const isTerminal = process.stderr.isTTY && process.env.TERM !== "dumb";
  if (!isTerminal) {
    if (!options.lines) return SILENT;
    return {
      update: (_, text, line = text) => {
        process.stderr.write(`${line}\n`);
      },
      end() {},
    };
  }
  const { default: Bar } = (await import("progress")) as unknown as { default: typeof ProgressBar };
  const bar = new Bar(`${options.title} [:bar] :percent :text`, {
    total: Math.max(total, 1),
    // The library does not count the text when it fits the bar into the line.
    width: 24,
    stream: process.stderr,
    clear: true,
  });
  return {
    update: (done, text) => bar.update(done / Math.max(total, 1), { text }),
    end: () => bar.terminate(),
  };
}
