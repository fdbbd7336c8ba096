// Would chance alone give a difference as large between two models on the same rows?
//
// The engine's own Math may serve here: none of it reaches a model.

import type { Metrics } from "../model/metrics.ts";
import { normalTail, signTail } from "../monitoring/statistics.ts";

/** A model's word on some labelled rows. */
export interface ScoredRows {
  readonly metrics: Metrics;
  /** [n] probabilities of class 1. */
  readonly probabilities: Float64Array;
  readonly threshold: number;
  /** [n] 0 or 1. */
  readonly y: Uint8Array;
  /** [n] row weights; null when every row counts once. */
  readonly weights: Float64Array | null;
}

export interface PairedTest {
  readonly name: string;
  /** Two-sided. */
  readonly p_value: number;
}

/** The loss clips probabilities to [this, 1 - this] (CONTRACT.md, N6). */
const CLIP = 1e-12;

/**
 * For accuracy the exact test of McNemar (1947): of the rows that only one of the two gets right, each is as likely to
 * be the one's as the other's. For the loss, and wherever rows have weights, the sum of the differences over its standard
 * deviation when each row's sign is a toss, Σd/√Σd², as a normal deviate: good from a few dozen rows on.
 */
export function pairedTest(
  metric: "val_accuracy" | "val_loss",
  candidate: ScoredRows,
  production: ScoredRows,
): PairedTest {
  const { y, weights } = candidate;
  const isRight = ({ probabilities, threshold }: ScoredRows, i: number) =>
    Number(Number(probabilities[i]! >= threshold) === y[i]);
  if (metric === "val_accuracy" && weights === null) {
    let onlyCandidate = 0;
    let onlyProduction = 0;
    for (let i = 0; i < y.length; i++) {
      const difference = isRight(candidate, i) - isRight(production, i);
      if (difference > 0) onlyCandidate++;
      if (difference < 0) onlyProduction++;
    }
    return {
      name: `McNemar's exact test, ${onlyCandidate} rows to ${onlyProduction}`,
      p_value: signTail(Math.min(onlyCandidate, onlyProduction), onlyCandidate + onlyProduction),
    };
  }
  const lossOf = ({ probabilities }: ScoredRows, i: number) => {
    const p = Math.min(Math.max(probabilities[i]!, CLIP), 1 - CLIP);
    return -Math.log(y[i] === 1 ? p : 1 - p);
  };
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < y.length; i++) {
    const difference =
      metric === "val_loss"
        ? lossOf(production, i) - lossOf(candidate, i)
        : isRight(candidate, i) - isRight(production, i);
    const weighted = (weights?.[i] ?? 1) * difference;
    sum += weighted;
    squares += weighted * weighted;
  }
  const z = squares === 0 ? 0 : sum / Math.sqrt(squares);
  return { name: "paired sign-flip test", p_value: normalTail(z) };
}
