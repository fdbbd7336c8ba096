// Does this host, with this core, give the numbers that the model was released with? Asked before a model serves.
import type { Scorer } from "../core/scorer.ts";
import type { Model } from "./model.ts";

/** The model does not give the numbers that it must. */
export class SelfTestError extends Error {
  override readonly name = "SelfTestError";
}

/** Synthetic rows and the bits that they must give. */
export interface Golden {
  /** [k][d] features in model order. */
  readonly rows: readonly (readonly number[])[];
  /** [k] logits. */
  readonly logits: readonly number[];
}

/**
 * The golden rows of a model card.
 *
 * @param card the JSON of a model_card.json
 * @throws SelfTestError when the card is damaged or another model's
 */
export function goldenOf(card: unknown, model: Model, digest: string): Golden {
  const { model_digest: recorded, golden } = (card ?? {}) as Record<string, unknown>;
  if (recorded !== digest) {
    throw new SelfTestError(
      `Cannot use the model card as it is about another model: digest ${String(recorded).slice(0, 64)}, not ${digest}`,
    );
  }
  const { rows, logits } = (golden ?? {}) as Record<string, unknown>;
  const isRow = (row: unknown) => isNumbers(row) && row.length === model.w.length;
  const isSound = Array.isArray(rows) && rows.length > 0 && rows.every(isRow) && isNumbers(logits);
  if (!isSound || logits.length !== rows.length) {
    throw new SelfTestError("Cannot use the model card as its golden rows are damaged");
  }
  return { rows, logits };
}

/** For a model without a card: rows about the mean, and the logits that N3 gives in this host's own arithmetic. */
export function goldenByHand({ w, b, mean, std }: Model): Golden {
  const logitOf = (row: readonly number[]) =>
    row.reduce((z, x, j) => z + w[j]! * ((x - mean[j]!) / std[j]!), b);
  const rows = [0, -1, 1]
    .map((by) => Array.from(mean, (m, j) => m + by * std[j]!))
    .filter((row) => row.every(Number.isFinite) && Number.isFinite(logitOf(row)));
  return { rows, logits: rows.map(logitOf) };
}

/** @throws SelfTestError when a logit has other bits, or bias and contributions do not add up to it */
export function selfTest(scorer: Scorer, { b }: Model, golden: Golden): void {
  golden.rows.forEach((row, i) => {
    const { logits, contributions } = scorer.scoreRow(row, true);
    const sum = contributions!.reduce((z, part) => z + part, b);
    for (const found of [logits[0]!, sum]) {
      if (!Object.is(found + 0, golden.logits[i]! + 0)) {
        throw new SelfTestError(
          `Cannot serve the model as golden row ${i + 1} gives the logit ${found}, not ${golden.logits[i]}`,
        );
      }
    }
  });
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isFinite(item));
}
