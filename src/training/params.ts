// What a training can be told, with its defaults and ranges.

export interface TrainingParams {
  /** Step size, > 0. */
  readonly lr: number;
  /** Updates of gradient descent, at least 1. */
  readonly iterations: number;
  /** Weight of the L2 penalty l2/2·|w|², ≥ 0; the bias goes free. */
  readonly l2: number;
  /** Share of rows that validate, in [0, 1). */
  readonly valFraction: number;
  /** Chooses the split; a whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Metrics are taken at 0, every so many updates, and at the last. */
  readonly logEvery: number;
  /** A row is predicted positive when its probability reaches this; in (0, 1). */
  readonly threshold: number;
  /** Whether both classes count as much as each other in all. */
  readonly classWeight: ClassWeight;
}

export type ClassWeight = "none" | "balanced";

/** Parameters that are numbers. */
export type NumberParam = Exclude<keyof TrainingParams, "classWeight">;

export const DEFAULT_PARAMS: TrainingParams = {
  lr: 0.1,
  iterations: 2000,
  l2: 0,
  valFraction: 0.2,
  seed: 42,
  logEvery: 50,
  threshold: 0.5,
  classWeight: "none",
};

const COUNT_MAX = 2 ** 31 - 1;

interface Rule {
  readonly says: string;
  readonly holds: (value: number) => boolean;
}

const isCount = (value: number) => Number.isInteger(value) && value >= 1 && value <= COUNT_MAX;

/** The range of each parameter, in words and as a check. */
export const PARAM_RULES: Record<NumberParam, Rule> = {
  lr: { says: "a finite number above 0", holds: (v) => Number.isFinite(v) && v > 0 },
  iterations: { says: `a whole number from 1 to ${COUNT_MAX}`, holds: isCount },
  l2: { says: "a finite number from 0", holds: (v) => Number.isFinite(v) && v >= 0 },
  valFraction: { says: "a number from 0 to below 1", holds: (v) => v >= 0 && v < 1 },
  seed: {
    says: "a whole number from 0 to 2^53 - 1",
    holds: (v) => Number.isSafeInteger(v) && v >= 0,
  },
  logEvery: { says: `a whole number from 1 to ${COUNT_MAX}`, holds: isCount },
  threshold: { says: "a number between 0 and 1", holds: (v) => v > 0 && v < 1 },
};

/** @throws RangeError naming the first parameter out of its range */
export function checkParams(params: TrainingParams): void {
  for (const key of Object.keys(PARAM_RULES) as NumberParam[]) {
    const value = params[key];
    if (typeof value !== "number" || !PARAM_RULES[key].holds(value)) {
      throw new RangeError(
        `Cannot train as ${key} must be ${PARAM_RULES[key].says}: current value is ${value}`,
      );
    }
  }
  const { classWeight } = params;
  if (classWeight !== "none" && classWeight !== "balanced") {
    throw new RangeError(
      `Cannot train as classWeight must be "none" or "balanced": current value is ${JSON.stringify(classWeight)}`,
    );
  }
}

/** The name of a parameter on disk. */
export function snakeName(key: keyof TrainingParams): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Parameters under their names on disk. */
export function snakeCase(params: TrainingParams): Record<string, number | string> {
  const entries = Object.entries(params) as [keyof TrainingParams, number | string][];
  return Object.fromEntries(entries.map(([key, value]) => [snakeName(key), value]));
}
