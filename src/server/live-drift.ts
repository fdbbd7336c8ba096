// How far the rows of late are from the training rows: a window that slides with them, and its score.
import type { Column } from "../core/column.ts";
import {
  type DriftReference,
  type DriftReport,
  type DriftRows,
  driftOf,
  driftScore,
} from "../monitoring/drift.ts";
import { DriftWindow } from "../monitoring/window.ts";

/** Rows of the window, unless the operator says otherwise. */
export const WINDOW_ROWS = 1000;

/** A report that takes less is made each time. */
const SHORT_MS = 20;

export class LiveDrift {
  readonly trainRows: number;
  readonly #reference: DriftReference;
  readonly #window: DriftWindow;
  #scored: { readonly seen: number; readonly score: ReturnType<typeof driftScore> } | undefined;

  #reported:
    | { readonly seen: number; readonly report: DriftReport; readonly until: number }
    | undefined;

  constructor(reference: DriftReference, windowRows: number) {
    this.#reference = reference;
    this.trainRows = reference.profile.rows;
    this.#window = new DriftWindow(reference.columns, windowRows);
  }

  get windowRows(): number {
    return this.#window.size;
  }

  get capacity(): number {
    return this.#window.capacity;
  }

  /** Rows since the model began to serve. */
  get seen(): number {
    return this.#window.seen;
  }

  push(
    columns: readonly Column[],
    logits: Float64Array,
    probabilities: Float64Array,
    n: number,
  ): void {
    this.#window.push(columns, logits, probabilities, n);
  }

  /** Made anew when rows have come since; undefined while there are none. */
  score(): ReturnType<typeof driftScore> | undefined {
    const { seen, size } = this.#window;
    if (size === 0) return undefined;
    if (this.#scored?.seen !== seen) {
      this.#scored = { seen, score: driftScore(this.#reference, this.#window.rows()) };
    }
    return this.#scored.score;
  }

  /**
   * What the window says; undefined while it has no rows. A report of a wide model takes long: it is then given again for
   * ten times as long, so that asking for it cannot keep the server from answering.
   */
  report(): DriftReport | undefined {
    const { seen, size } = this.#window;
    if (size === 0) return undefined;
    const started = performance.now();
    const last = this.#reported;
    if (last !== undefined && (last.seen === seen || started < last.until)) return last.report;
    const report = driftOf(this.#reference, this.#window.rows());
    const ended = performance.now();
    const took = ended - started;
    this.#reported = { seen, report, until: took < SHORT_MS ? ended : ended + 10 * took };
    return report;
  }

  /** What rows that do not enter the window say. */
  reportOf(rows: DriftRows): DriftReport {
    return driftOf(this.#reference, rows);
  }
}
