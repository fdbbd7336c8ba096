// Which parameters does a training take?
import { describe, expect, it } from "vitest";
import { loadCore } from "../../src/core/node.ts";
import {
  checkParams,
  DEFAULT_PARAMS,
  type NumberParam,
  PARAM_RULES,
  type TrainingParams,
} from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { generate } from "./generated.ts";

const NEVER = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  "1",
  null,
  undefined,
  true,
];

const TABLE: Record<NumberParam, { good: number[]; bad: unknown[] }> = {
  lr: { good: [5e-324, 0.1, 10, 1e308], bad: [0, -0, -0.1] },
  iterations: { good: [1, 2 ** 31 - 1], bad: [0, -1, 1.5, 2 ** 31] },
  l2: { good: [0, 5e-324, 1e308], bad: [-1e-9] },
  valFraction: { good: [0, 0.2, 1 - 2 ** -53], bad: [-0.1, 1, 1.5] },
  seed: { good: [0, 42, 2 ** 53 - 1], bad: [-1, 0.5, 2 ** 53] },
  logEvery: { good: [1, 2 ** 31 - 1], bad: [0, -1, 1.5, 2 ** 31] },
  threshold: { good: [5e-324, 0.5, 1 - 2 ** -53], bad: [0, 1, -0.5, 2] },
};

describe("checkParams()", () => {
  it("takes the defaults, which are those of the command line", () => {
    expect(() => checkParams(DEFAULT_PARAMS)).not.toThrow();
    expect(DEFAULT_PARAMS).toEqual({
      lr: 0.1,
      iterations: 2000,
      l2: 0,
      valFraction: 0.2,
      seed: 42,
      logEvery: 50,
      threshold: 0.5,
      classWeight: "none",
    });
  });

  it("has a rule for every parameter", () => {
    // All are numbers but one, whose rule is a list of words.
    const known = Object.keys(DEFAULT_PARAMS).sort();
    expect([...Object.keys(PARAM_RULES), "classWeight"].sort()).toEqual(known);
    expect([...Object.keys(TABLE), "classWeight"].sort()).toEqual(known);
  });

  describe.each(Object.entries(TABLE))("%s", (key, { good, bad }) => {
    it.each(good)("takes %s", (value) => {
      expect(() => checkParams({ ...DEFAULT_PARAMS, [key]: value })).not.toThrow();
    });

    it.each([...bad, ...NEVER].map((value) => [value]))("refuses %s", (value) => {
      const check = () => checkParams({ ...DEFAULT_PARAMS, [key]: value } as TrainingParams);
      expect(check).toThrow(RangeError);
      const { says } = PARAM_RULES[key as NumberParam];
      expect(check).toThrow(`Cannot train as ${key} must be ${says}: current value is ${value}`);
    });
  });

  describe("classWeight", () => {
    it.each(["none", "balanced"] as const)("takes %s", (classWeight) => {
      expect(() => checkParams({ ...DEFAULT_PARAMS, classWeight })).not.toThrow();
    });

    it.each(["", "Balanced", "toString", 1, { none: 1 }, ["none"], null, undefined, true])(
      "refuses %j",
      (classWeight) => {
        const check = () => checkParams({ ...DEFAULT_PARAMS, classWeight } as TrainingParams);
        expect(check).toThrow(RangeError);
        expect(check).toThrow(
          `Cannot train as classWeight must be "none" or "balanced": current value is ${JSON.stringify(classWeight)}`,
        );
      },
    );
  });

  it("stands before every training", async () => {
    const dataset = generate({ n: 20, d: 1, seed: 1 });
    const promise = train(loadCore(), dataset, { ...DEFAULT_PARAMS, lr: 0 });
    await expect(promise).rejects.toThrow(/lr must be a finite number above 0/);
  });
});
