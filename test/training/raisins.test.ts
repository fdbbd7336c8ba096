// Does training on the real raisins give what NumPy, scikit-learn and statsmodels give, within a stated tolerance?
//
// RAISIN_CSV names the real file and RAISIN_REFERENCE the figures; without the latter they are looked for at
// ../reference/raisin.json beside the directory of the former.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCore } from "../../src/core/node.ts";
import { RAISIN_CONTENT_DIGEST } from "../../src/data/bundled.ts";
import { readCsv } from "../../src/data/files.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { largestDifference } from "./generated.ts";

interface Reference {
  features: string[];
  mean: number[];
  std: number[];
  gd: {
    lr: number;
    iterations: number;
    l2: number;
    w: number[];
    b: number;
    log_loss: number;
    accuracy: number;
  }[];
  "metrics_gd_lr0.1_2000": {
    roc_auc: number;
    average_precision: number;
    log_loss: number;
    brier: number;
    f1: number;
    mcc: number;
    confusion_tn_fp_fn_tp: number[];
  };
  mle_standardised: { w: number[]; b: number };
}

const csv = process.env.RAISIN_CSV;
const referencePath =
  process.env.RAISIN_REFERENCE ?? (csv && join(dirname(csv), "..", "reference", "raisin.json"));
const missing =
  csv === undefined || csv === ""
    ? "RAISIN_CSV does not name the real raisins"
    : !existsSync(referencePath!)
      ? "RAISIN_REFERENCE does not name the reference figures, and they are not beside RAISIN_CSV"
      : undefined;

if (missing !== undefined) {
  describe("train() on the real raisins", () => {
    it.skip(`skipped: ${missing}`, () => {});
  });
} else {
  const reference = JSON.parse(readFileSync(referencePath!, "utf8")) as Reference;
  const dataset = await readCsv(csv!, { label: "Class" });
  const trainFor = (params: { lr: number; iterations: number; l2: number }) =>
    train(loadCore(), dataset, {
      ...DEFAULT_PARAMS,
      ...params,
      valFraction: 0,
      logEvery: params.iterations,
    });

  describe("train() on the real raisins", () => {
    it("reads the rows that the figures are about", () => {
      expect(dataset.contentDigest).toBe(RAISIN_CONTENT_DIGEST);
      expect(dataset.features).toEqual(reference.features);
      expect(dataset.classes).toEqual(["Besni", "Kecimen"]);
      const settings = reference.gd.map(({ iterations, l2 }) => `${iterations} ${l2 > 0}`);
      for (const needed of ["1 false", "2000 false", "10000 false"]) {
        expect(settings).toContain(needed);
      }
      expect(settings.some((setting) => setting.endsWith("true"))).toBe(true);
    });

    // NumPy adds 900 terms in its own order and has another exp, so weights differ in their last digits, and a descent
    // carries that along; N4's one fold adds 2^-42 of the bound to each mean gradient.
    it.each(reference.gd)(
      "weights after $iterations iterations at lr $lr, l2 $l2, are within 1e-10 of NumPy's",
      async ({ w, b, log_loss: loss, accuracy, ...params }) => {
        const { model, train: figures } = await trainFor(params);
        const weights = largestDifference([...model.w, model.b], [...w, b]);
        const losses = largestDifference([figures.loss!], [loss]);
        console.info(
          `raisins, ${params.iterations} iterations, lr ${params.lr}, l2 ${params.l2}: weights ${weights.toExponential(2)}, loss ${losses.toExponential(2)} relative`,
        );
        expect(weights).toBeLessThan(1e-10);
        expect(losses).toBeLessThan(1e-12);
        expect(figures.accuracy).toBe(accuracy);
      },
    );

    it("means and standard deviations are NumPy's but for its roundings", async () => {
      const { model } = await trainFor({ lr: 0.1, iterations: 1, l2: 0 });
      const [means, stds] = [
        largestDifference(model.mean, reference.mean),
        largestDifference(model.std, reference.std),
      ];
      console.info(
        `raisins: means ${means.toExponential(2)}, deviations ${stds.toExponential(2)} relative`,
      );
      expect(means).toBeLessThan(1e-13);
      expect(stds).toBeLessThan(1e-13);
    });

    it("metrics are scikit-learn's within 1e-12", async () => {
      const { train: figures } = await trainFor({ lr: 0.1, iterations: 2000, l2: 0 });
      const {
        confusion_tn_fp_fn_tp: counts,
        log_loss: loss,
        ...expected
      } = reference["metrics_gd_lr0.1_2000"];
      const { tn, fp, fn, tp } = figures.confusion;
      expect([tn, fp, fn, tp]).toEqual(counts);
      expect(figures.accuracy).toBe((counts[0]! + counts[3]!) / dataset.rowCount);
      const keys = Object.keys(expected) as (keyof typeof expected)[];
      expect(keys.sort()).toEqual(["average_precision", "brier", "f1", "mcc", "roc_auc"]);
      const difference = largestDifference(
        [...keys.map((key) => figures[key]!), figures.loss!],
        [...keys.map((key) => expected[key]), loss],
      );
      console.info(`raisins: metrics ${difference.toExponential(2)} relative`);
      expect(difference).toBeLessThan(1e-12);
    });

    it("the descent goes towards statsmodels' maximum-likelihood fit", async () => {
      const { w, b } = reference.mle_standardised;
      const distances = [];
      for (const iterations of [100, 2000, 10_000]) {
        const { model, converged } = await trainFor({ lr: 0.5, iterations, l2: 0 });
        distances.push(
          Math.hypot(...[...model.w, model.b].map((weight, j) => weight - [...w, b][j]!)),
        );
        expect(converged).toBe(false);
      }
      expect(distances).toEqual([...distances].sort((one, other) => other - one));
    });
  });
}
