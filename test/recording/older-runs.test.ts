// Do runs and models from before there were categories, missing values and weights still open and verify?
//
// test/golden/run-0.1.0 holds a run of the first version as that version wrote it (only the path of its data, which
// named a machine's folder, was cut): model format 1, and a params.json without any of the later fields.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LogisticRegression } from "../../src/index.ts";
import { encodeModel } from "../../src/model/model-file.ts";
import { NotRepeatableError } from "../../src/proof/record.ts";
import { readStoredModel } from "../../src/recording/stored-model.ts";
import { Verifier } from "../../src/recording/verify.ts";
import { ROOT, temporaryDirectory } from "../support/cli.ts";

const FOLDER = join(ROOT, "test/golden/run-0.1.0");
const RUN = join(FOLDER, "c6d43239bdd5");
const DATA = join(FOLDER, "fruit.csv");

describe("a run of version 0.1.0", () => {
  test("says nothing of what came later, so that this tests what it should", () => {
    const params = JSON.parse(readFileSync(join(RUN, "params.json"), "utf8"));
    for (const name of ["categorical", "missing", "weight", "class_weight", "delimiter"]) {
      expect(params).not.toHaveProperty(name);
    }
  });

  test("its model opens, predicts, and is written in the same bytes", () => {
    const { model } = readStoredModel(RUN);
    expect(model.spec.format).toBe(1);
    const bytes = readFileSync(join(RUN, "artifacts/model/model.npz"));
    expect(Buffer.from(encodeModel(model)).equals(bytes)).toBe(true);
    const loaded = LogisticRegression.load(bytes);
    const row = { Length: 1.5, "Width, mm": 0 };
    expect(loaded.predictProba([row])).toEqual(loaded.predictProba([[1.5, 0]]));
  });

  test("verifies, by a core that is not its own", async () => {
    const verdict = await new Verifier({ data: DATA }).verify(RUN);
    expect(verdict).toMatchObject({
      reproduced: true,
      difference: null,
      core: { release: null, used: "package" },
    });
    expect(verdict.metricsCompared).toBeGreaterThan(20);
  });

  test("verifies by data that is named, though its record does not say where it was", async () => {
    const copy = join(temporaryDirectory(), "c6d43239bdd5");
    cpSync(RUN, copy, { recursive: true });
    const meta = JSON.parse(readFileSync(join(copy, "meta.json"), "utf8"));
    meta.dataset.path = undefined;
    writeFileSync(join(copy, "meta.json"), JSON.stringify(meta));
    expect(await new Verifier({ data: DATA }).verify(copy)).toMatchObject({ reproduced: true });
    await expect(new Verifier().verify(copy)).rejects.toThrow(/not recorded where its data are/);
  });

  test("does not verify when a parameter is another one, or cannot be one", async () => {
    const copy = temporaryDirectory();
    cpSync(RUN, join(copy, "c6d43239bdd5"), { recursive: true });
    const path = join(copy, "c6d43239bdd5/params.json");
    const params = JSON.parse(readFileSync(path, "utf8"));
    const verifyWith = (change: object) => {
      writeFileSync(path, JSON.stringify({ ...params, ...change }));
      return new Verifier({ data: DATA }).verify(join(copy, "c6d43239bdd5"));
    };
    expect((await verifyWith({ l2: 0.02 })).stage).toBe("iterations");
    for (const change of [
      { categorical: "Length" },
      { missing: "sometimes" },
      { delimiter: "x" },
      { max_levels: 0 },
      { class_weight: "heavy" },
      { weight: 3 },
    ]) {
      await expect(verifyWith(change)).rejects.toThrow(NotRepeatableError);
    }
    // Control: with nothing changed it verifies.
    expect((await verifyWith({})).reproduced).toBe(true);
  });
});
