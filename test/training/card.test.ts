// Does the model card say what a reader needs, and do its golden rows reproduce from the model file?
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { datasetFromArrays } from "../../src/data/dataset.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import { predictColumns } from "../../src/model/predict.ts";
import { DEFAULT_PARAMS, snakeCase } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { hexOf } from "../contract/bits.ts";
import { numbersOf } from "../support/numbers.ts";
import { generate } from "./generated.ts";

const dataset = generate({ n: 120, d: 3, seed: 21 });
const params = { ...DEFAULT_PARAMS, iterations: 80, l2: 0.01, threshold: 0.4, seed: 9 };
const result = await train(loadCore(), { ...dataset, fileSha256: "ab".repeat(32) }, params);
const { card, model, split } = result;

describe("the model card", () => {
  it("names data, parameters, classes, split and digests", () => {
    expect(card.schema).toBe("raisin.model_card/1");
    expect(card.what).toMatch(
      /predicts answer as yes \(1\) or no \(0\) from 3 standardised features/,
    );
    expect(card.data).toEqual({
      name: "generated",
      rows: 120,
      columns: ["x1", "x2", "x3"].map((name) => ({ name, as: "number", missing_cells: 0 })),
      features: ["x1", "x2", "x3"],
      label: "answer",
      content_digest: result.contentDigest,
      file_sha256: "ab".repeat(32),
      weight: null,
      guesses: [],
      warnings: [],
    });
    expect(card.parameters).toEqual({
      lr: 0.1,
      iterations: 80,
      l2: 0.01,
      val_fraction: 0.2,
      seed: 9,
      log_every: 50,
      threshold: 0.4,
      class_weight: "none",
    });
    expect(card.classes).toEqual({ "0": "no", "1": "yes" });
    expect(card.model_digest).toBe(result.modelDigest);
    expect(card.core_digest).toBe(loadCore().digest);
    const count = (index: Uint32Array, label: number) =>
      index.reduce((sum, i) => sum + Number(dataset.y[i] === label), 0);
    for (const part of ["train", "validation"] as const) {
      const labels = { no: count(split[part], 0), yes: count(split[part], 1) };
      expect(card.split[part]).toEqual({ rows: split[part].length, labels });
      expect(card.metrics[part]).toEqual(result[part]);
      expect(card.metrics[part].rows).toBe(split[part].length);
    }
  });

  it("gives each coefficient with its odds ratio", () => {
    expect(card.bias).toBe(model.b);
    card.coefficients.forEach(({ feature, column, weight, odds_ratio_per_std: odds }, j) => {
      expect([feature, column]).toEqual([model.featureNames[j], model.featureNames[j]]);
      expect(weight).toBe(model.w[j]);
      // exp of the core is within 0.51 ulp, the engine's within one.
      expect(Math.abs(odds / Math.exp(weight) - 1)).toBeLessThan(4e-16);
    });
  });

  it("says whether the weights may be read as estimates", async () => {
    expect(card.convergence.converged).toBe(false);
    expect(card.convergence.note).toMatch(/stopped before it converged/);
    expect(card.limits).toContain(card.convergence.note);
    const settled = await train(loadCore(), dataset, {
      ...params,
      lr: 1,
      iterations: 2000,
      l2: 0.1,
    });
    expect(settled.card.convergence).toMatchObject({
      converged: true,
      gradient_max: settled.gradientMax,
    });
    expect(settled.card.convergence.note).toMatch(/has converged/);
    expect(settled.card.limits).not.toContain(settled.card.convergence.note);
  });

  it("has golden rows that the model file reproduces to the last bit, on both builds", () => {
    const read = decodeModel(result.modelBytes);
    const columns = read.featureNames.map((_, j) =>
      Float64Array.from(card.golden.rows, (row) => row[j]!),
    );
    for (const build of ["simd", "scalar"] as const) {
      const said = predictColumns(new Core(loadCore(build)), read, columns);
      expect(hexOf(said.logits)).toEqual(hexOf(card.golden.logits));
      expect(hexOf(said.probabilities)).toEqual(hexOf(card.golden.p_class1));
    }
    // They come back from JSON as they were.
    const text = JSON.parse(JSON.stringify(card.golden)) as typeof card.golden;
    expect(hexOf(text.logits)).toEqual(hexOf(card.golden.logits));
  });

  it("has golden rows made of moments, none of them a training row", () => {
    const { mean, std } = model;
    expect(card.golden.rows).toHaveLength(5);
    expect(card.golden.rows[0]).toEqual([...mean]);
    expect(card.golden.rows[1]).toEqual(Array.from(mean, (m, j) => m - std[j]!));
    expect(card.golden.rows[2]).toEqual(Array.from(mean, (m, j) => m + std[j]!));
    expect(card.golden.logits[0]).toBe(model.b);
    const rows = new Set(
      Array.from({ length: dataset.rowCount }, (_, i) =>
        JSON.stringify(dataset.columns.map((column) => numbersOf(column)[i])),
      ),
    );
    for (const row of card.golden.rows) expect(rows.has(JSON.stringify(row))).toBe(false);
  });

  it("survives a class named like a property of every object, and weights beyond exp", async () => {
    const odd = datasetFromArrays([[0], [1], [2], [3]], ["a", "a", "__proto__", "__proto__"], {
      positive: "__proto__",
    });
    const { card: oddCard, profile } = await train(loadCore(), odd, {
      ...params,
      lr: 1e5,
      l2: 0,
      valFraction: 0,
    });
    expect(Object.entries(oddCard.split.train.labels)).toEqual([
      ["a", 2],
      ["__proto__", 2],
    ]);
    expect(Object.hasOwn(profile.label_counts, "__proto__")).toBe(true);
    // e^w would be Infinity, which JSON does not have; the odds ratio ends at e^700.
    expect(oddCard.coefficients[0]!.weight).toBeGreaterThan(710);
    expect(oddCard.coefficients[0]!.odds_ratio_per_std).toBeCloseTo(Math.exp(700), -290);
  });
});

describe("snakeCase()", () => {
  it("turns flags' names into those of params.json", () => {
    expect(Object.keys(snakeCase(DEFAULT_PARAMS))).toEqual([
      "lr",
      "iterations",
      "l2",
      "val_fraction",
      "seed",
      "log_every",
      "threshold",
      "class_weight",
    ]);
  });
});
