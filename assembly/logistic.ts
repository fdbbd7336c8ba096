// The sigmoid, and the two terms by which a probability is judged.
import { exp } from "./exp";
import { add, div, greater, lesser, neg, splat } from "./lane";
import { log } from "./log";

const LOGIT_LIMIT: f64 = 35; // N6: sigmoid(35) is the last value that differs from 1 by more than an ulp or two
const PROBABILITY_MIN: f64 = 1e-12; // N6
const PROBABILITY_MAX: f64 = 1 - 1e-12;

/** N4's bound of a clipped loss term: -log(1e-12) = 27.631… */
export const LOSS_BOUND: f64 = 27.7;

/** p = 1 / (1 + e^-z) with z clipped to ±35, in each lane. */
export function sigmoid<V>(z: V): V {
  const clipped = greater<V>(lesser<V>(z, splat<V>(LOGIT_LIMIT)), splat<V>(-LOGIT_LIMIT));
  const one = splat<V>(1);
  return div<V>(one, add<V>(one, inline.always(exp<V>(neg<V>(clipped)))));
}

/** Cross-entropy of one row: -log p if y is 1, else -log(1 - p), with p clipped to [1e-12, 1 - 1e-12]. */
export function lossTerm(p: f64, y: f64): f64 {
  let q = p > PROBABILITY_MAX ? PROBABILITY_MAX : p;
  q = q < PROBABILITY_MIN ? PROBABILITY_MIN : q;
  return -log(y == 1 ? q : 1 - q);
}

/** 1 if the row's prediction, p ≥ threshold, is right, else 0. */
export function rightTerm(p: f64, y: f64, threshold: f64): f64 {
  const predicted: f64 = p >= threshold ? 1 : 0;
  return predicted == y ? 1 : 0;
}

/** Squared error of one row, (p - y)², at most 1. */
export function squareTerm(p: f64, y: f64): f64 {
  const r = p - y;
  return r * r;
}
