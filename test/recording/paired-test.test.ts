// Does the paired test tell a better model from a lucky one?
import { describe, expect, test } from "vitest";
import { pairedTest, type ScoredRows } from "../../src/recording/paired-test.ts";
import { createRandom } from "../support/cli.ts";

const rows = (
  probabilities: number[],
  y: number[],
  weights: number[] | null = null,
): ScoredRows => ({
  metrics: {} as ScoredRows["metrics"], // of no use to the test
  probabilities: Float64Array.from(probabilities),
  threshold: 0.5,
  y: Uint8Array.from(y),
  weights: weights && Float64Array.from(weights),
});

describe("McNemar's exact test", () => {
  test("counts only the rows that one of the two gets right", () => {
    // 1 and 9 rows of 12 differ: 2·(1 + 10)/2^10.
    const y = Array.from({ length: 12 }, () => 1);
    const candidate = rows([0.1, ...Array.from({ length: 11 }, () => 0.9)], y);
    const production = rows([0.9, ...Array.from({ length: 9 }, () => 0.1), 0.9, 0.9], y);
    const { name, p_value } = pairedTest("val_accuracy", candidate, production);
    expect(name).toBe("McNemar's exact test, 9 rows to 1");
    expect(p_value).toBeCloseTo(22 / 1024, 15);
  });

  test("of equal models says 1", () => {
    const same = rows([0.2, 0.8], [0, 0]);
    expect(pairedTest("val_accuracy", same, same).p_value).toBe(1);
  });

  test("each model is judged by its own threshold", () => {
    const strict = { ...rows([0.6, 0.6, 0.6], [0, 0, 0]), threshold: 0.9 };
    expect(pairedTest("val_accuracy", strict, rows([0.6, 0.6, 0.6], [0, 0, 0])).name).toContain(
      "3 rows to 0",
    );
  });
});

describe("the sign-flip test", () => {
  test("is Σd/√Σd² as a normal deviate", () => {
    // Losses ln 2 and ln 4 apart by ln 2, four times the same way: z = 4/√4 = 2.
    const candidate = rows([0.5, 0.5, 0.5, 0.5], [1, 1, 1, 1]);
    const production = rows([0.25, 0.25, 0.25, 0.25], [1, 1, 1, 1]);
    expect(pairedTest("val_loss", candidate, production).p_value).toBeCloseTo(
      0.0455002638963584,
      12,
    );
    expect(pairedTest("val_loss", candidate, candidate).p_value).toBe(1);
  });

  test("is finite for probabilities of 0 and 1", () => {
    const { p_value } = pairedTest("val_loss", rows([0, 1], [1, 0]), rows([1, 0], [1, 0]));
    expect(p_value).toBeGreaterThan(0);
  });

  test("weighs rows where they have weights", () => {
    const y = [1, 1, 1, 1];
    const right = rows([0.9, 0.9, 0.1, 0.9], y, [1, 1, 0, 1]);
    const wrong = rows([0.1, 0.1, 0.9, 0.1], y, [1, 1, 0, 1]);
    const { name, p_value } = pairedTest("val_accuracy", right, wrong);
    expect(name).toBe("paired sign-flip test");
    expect(p_value).toBeCloseTo(0.0832645166635504, 12); // z = 3/√3
  });
});

test("two models that differ by chance alone are told apart in about as many cases as asked", () => {
  const random = createRandom(11);
  let found = 0;
  const rounds = 2000;
  for (let round = 0; round < rounds; round++) {
    const y = Array.from({ length: 60 }, () => Number(random() < 0.5));
    const noisy = () =>
      rows(
        y.map((label) => 0.5 + (label - 0.5) * 0.4 + (random() - 0.5) * 0.6),
        y,
      );
    if (pairedTest("val_loss", noisy(), noisy()).p_value <= 0.05) found++;
  }
  // 5 % of 2,000 is 100 with a standard deviation of 10; four of them either way.
  expect(found).toBeGreaterThan(60);
  expect(found).toBeLessThan(140);
});
