// Do NumPy and this project read each other's model files, bit for bit?
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Model } from "../../src/model/model.ts";
import { decodeModel, encodeModel, modelDigest } from "../../src/model/model-file.ts";

const PYTHON = process.env.RAISIN_PYTHON ?? "python3";
const SCRIPT = fileURLToPath(new URL("../python/model_npz.py", import.meta.url));

const probe = spawnSync(PYTHON, ["-c", "import numpy; print(numpy.__version__)"], {
  encoding: "utf8",
});
const hasNumPy = probe.status === 0;
const title = hasNumPy
  ? `with NumPy ${probe.stdout.trim()}`
  : `skipped: ${PYTHON} has no NumPy (set RAISIN_PYTHON to one that has)`;

interface Report {
  readonly problem: string | null;
  readonly digest: string;
  readonly arrays: Readonly<
    Record<string, { dtype: string; shape: readonly number[]; values: readonly string[] }>
  >;
}

function modelOf(names: readonly string[], classes: readonly [string, string]): Model {
  const d = names.length;
  // Values of every size and sign, with -0 and the smallest and largest there are.
  const values = (start: number) =>
    Float64Array.from({ length: d }, (_, j) => (-1) ** j * 1.1 ** (start + 97 * j));
  const w = values(0);
  const mean = values(5);
  w[0] = -0;
  mean[d - 1] = -Number.MAX_VALUE;
  return {
    spec: {
      format: 1,
      label: "Klasse «ß»",
      classes,
      threshold: 0.1 + 0.2,
      columns: names.map((name) => ({ name, as: "number" })),
    },
    featureNames: names,
    mean,
    std: Float64Array.from(values(9), Math.abs).fill(5e-324, 0, 1),
    w,
    b: 1 / 3,
  };
}

const MODELS: readonly (readonly [name: string, model: Model])[] = [
  ["plain names", modelOf(["Area", "MajorAxisLength", "Eccentricity"], ["Kecimen", "Besni"])],
  ["one feature", modelOf(["x"], ["0", "1"])],
  ["empty texts", modelOf([""], ["", "1"])],
  [
    "all of Unicode",
    modelOf(["a\0b", "🍇 grape", "é\u0301", "\u{10ffff}", "\n\t\"'"], ["否", "是"]),
  ],
  [
    "many features",
    modelOf(
      Array.from({ length: 70 }, (_, j) => `x${j}`),
      ["no", "yes"],
    ),
  ],
];

function bitsOf(values: Float64Array): string[] {
  return [...new BigUint64Array(values.slice().buffer)].map(String);
}

describe.skipIf(!hasNumPy)(title, () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "raisin-numpy-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(MODELS)("%s", (_, model) => {
    const paths = ["ours", "stored", "deflated", "versioned"].map((n) => join(folder, `${n}.npz`));
    writeFileSync(paths[0]!, encodeModel(model));
    const run = spawnSync(PYTHON, [SCRIPT, ...paths], { encoding: "utf8" });
    expect(run.stderr).toBe("");
    const report = JSON.parse(run.stdout) as Report;

    const d = model.w.length;
    const { arrays } = report;
    expect(report.problem).toBe(null);
    expect(Object.keys(arrays)).toEqual([
      "w",
      "b",
      "mean",
      "std",
      "feature_names",
      "class_names",
      "spec",
    ]);
    for (const [key, values, shape] of [
      ["w", model.w, [d]],
      ["b", Float64Array.of(model.b), []],
      ["mean", model.mean, [d]],
      ["std", model.std, [d]],
    ] as const) {
      expect(arrays[key]).toEqual({ dtype: "<f8", shape, values: bitsOf(values) });
    }
    expect(arrays.feature_names!.values).toEqual(model.featureNames);
    expect(arrays.feature_names!.shape).toEqual([d]);
    expect(arrays.class_names!.values).toEqual(model.spec.classes);
    expect(JSON.parse(arrays.spec!.values[0]!)).toEqual(model.spec);
    expect(arrays.spec!.shape).toEqual([]);
    expect(report.digest).toBe(modelDigest(model));

    for (const path of paths.slice(1)) {
      const back = decodeModel(readFileSync(path));
      expect(back.spec).toEqual(model.spec);
      expect(back.featureNames).toEqual(model.featureNames);
      for (const key of ["w", "mean", "std"] as const) {
        expect(bitsOf(back[key])).toEqual(bitsOf(model[key]));
      }
      expect(back.b).toBe(model.b);
    }
    // The digest survives a visit to NumPy.
    expect(modelDigest(decodeModel(readFileSync(paths[1]!)))).toBe(modelDigest(model));
    expect(modelDigest(decodeModel(readFileSync(paths[2]!)))).toBe(modelDigest(model));
  });
});
