// Does /predict say what the model says, to the last bit, in every form?
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import { explainRow } from "../../src/model/predict.ts";
import type { Json } from "../support/cli.ts";
import {
  ask,
  bitsOf,
  CSV_TYPE,
  FEATURES,
  type Opened,
  open,
  post,
  ROW,
  raisinRows,
  trained,
  trainedMixed,
} from "./support.ts";

let server: Opened;
let directory: string;
const rows = raisinRows();

beforeAll(async () => {
  directory = trained();
  server = await open(directory);
});

/** What adding base value and contributions in feature order gives. */
function sumOf({ base_value, feature_contrib_logit }: Json): number {
  return FEATURES.reduce((z, name) => z + feature_contrib_logit[name], base_value);
}

describe("one object", () => {
  it("gets the seed's answer, with its label and base value", async () => {
    const { status, json, headers } = await post(server.port, "/predict", ROW);
    expect(status).toBe(200);
    expect(Object.keys(json)).toEqual([
      "pred",
      "label",
      "p_class1",
      "logit",
      "base_value",
      "feature_contrib_logit",
    ]);
    expect(Object.keys(json.feature_contrib_logit)).toEqual(FEATURES);
    expect(headers["content-type"]).toBe("application/json");
    expect(json.label).toBe(["Besni", "Kecimen"][json.pred]);
  });

  it("gets the bits of the library, and contributions that add up to the logit", async () => {
    const model = decodeModel(readFileSync(join(directory, "model.npz")));
    const core = new Core(loadCore());
    for (const row of rows.filter((_, i) => i % 9 === 0)) {
      const { json } = await post(server.port, "/predict", row);
      const said = explainRow(
        core,
        model,
        FEATURES.map((name) => Float64Array.of(row[name]!)),
      );
      expect(json).toEqual(said);
      expect(bitsOf(sumOf(json))).toBe(bitsOf(json.logit));
    }
  });

  it("gets no contributions when it asks for none", async () => {
    const { json } = await post(server.port, "/predict?explain=false", ROW);
    expect(Object.keys(json)).toEqual(["pred", "label", "p_class1", "logit"]);
    expect((await post(server.port, "/predict?explain=true", ROW)).json).toHaveProperty(
      "base_value",
    );
  });

  it("may write its keys in any order, and the last of equal keys counts", async () => {
    const { json } = await post(server.port, "/predict", ROW);
    const turned = Object.fromEntries(Object.entries(ROW).reverse());
    expect((await post(server.port, "/predict", turned)).json).toEqual(json);
    const twice = JSON.stringify(ROW).replace("{", '{"Area":1,');
    expect((await post(server.port, "/predict", twice)).json).toEqual(json);
  });

  it.each([
    ["a tiny number", "1e-400"],
    ["minus nothing", "-0"],
    ["another notation", "1E+2"],
    ["more digits than a double has", "9007199254740993"],
  ])("may hold %s", async (_, text) => {
    const body = JSON.stringify({ ...ROW, Area: 0 }).replace('"Area":0', `"Area":${text}`);
    const { status, json } = await post(server.port, "/predict", body);
    expect(status).toBe(200);
    expect(json).toEqual(
      (await post(server.port, "/predict", { ...ROW, Area: Number(text) + 0 })).json,
    );
  });

  it("names the run and the model in a header", async () => {
    const { headers } = await post(server.port, "/predict", ROW);
    const { json } = await ask(server.port, "/model");
    expect(headers["x-raisin-model"]).toBe(`${json.run_id};${json.model_digest}`);
    expect(json.model_digest).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("many rows", () => {
  const some = rows.slice(0, 25);
  let single: Json[];

  beforeAll(async () => {
    single = [];
    for (const row of some) single.push((await post(server.port, "/predict", row)).json);
  });

  it("as a list of objects get a list of the same answers", async () => {
    const { json } = await post(server.port, "/predict", some);
    expect(json).toEqual(single);
    expect((await post(server.port, "/predict", [some[0]])).json).toEqual([single[0]]);
  });

  it("as columns and data get columns and data, in whatever order the columns come", async () => {
    const columns = [...FEATURES].reverse();
    const data = some.map((row) => columns.map((name) => row[name]));
    const { json } = await post(server.port, "/predict", { columns, data });
    expect(json.columns).toEqual([
      "pred",
      "label",
      "p_class1",
      "logit",
      "base_value",
      ...FEATURES.map((name) => `contrib_${name}`),
    ]);
    expect(json.data).toEqual(
      single.map((one) => [
        one.pred,
        one.label,
        one.p_class1,
        one.logit,
        one.base_value,
        ...FEATURES.map((name) => one.feature_contrib_logit[name]),
      ]),
    );
  });

  it("as CSV get CSV", async () => {
    const body = [
      FEATURES.join(","),
      ...some.map((row) => FEATURES.map((name) => row[name]).join(",")),
    ].join("\r\n");
    const { text, headers } = await ask(server.port, "/predict", { headers: CSV_TYPE, body });
    expect(headers["content-type"]).toBe("text/csv; charset=utf-8");
    const [header, ...lines] = text.trimEnd().split("\n");
    expect(header).toBe(
      `pred,label,p_class1,logit,base_value,${FEATURES.map((name) => `contrib_${name}`).join(",")}`,
    );
    expect(lines.map((line) => Number(line.split(",")[3]))).toEqual(
      single.map(({ logit }) => logit),
    );
    const short = await ask(server.port, "/predict?explain=false", { headers: CSV_TYPE, body });
    expect(short.text.split("\n")[0]).toBe("pred,label,p_class1,logit");
  });

  it("come in slices, and every one is answered with its own", async () => {
    const many = Array.from({ length: 2503 }, (_, i) => rows[i % rows.length]!);
    const { json } = await post(server.port, "/predict?explain=false", many);
    expect(json).toHaveLength(2503);
    expect(json[2502]).toEqual(
      (await post(server.port, "/predict?explain=false", many[2502])).json,
    );
    expect(json[1000]).toEqual(
      (await post(server.port, "/predict?explain=false", many[1000])).json,
    );
  });

  it("are answered with their own, however many ask at once", async () => {
    const bodies = Array.from({ length: 200 }, (_, i) =>
      i % 5 === 0 ? { Area: i } : i % 3 === 0 ? rows.slice(i, i + 3) : rows[i % rows.length]!,
    );
    const alone: string[] = [];
    for (const body of bodies) alone.push((await post(server.port, "/predict", body)).text);
    const together = await Promise.all(bodies.map((body) => post(server.port, "/predict", body)));
    expect(together.map(({ text }) => text)).toEqual(alone);
  });
});

describe("a model of categories and gaps", () => {
  let mixed: Opened;

  beforeAll(async () => {
    mixed = await open(trainedMixed());
  });

  it("takes texts and null, and says what each level and each column adds", async () => {
    const { status, json } = await post(mixed.port, "/predict", {
      age: 31,
      job: "driver",
      hours: null,
    });
    expect(status).toBe(200);
    expect(Object.keys(json.feature_contrib_logit)).toEqual([
      "age",
      "job=driver",
      "job=nurse",
      "hours",
      "hours is missing",
    ]);
    expect(Object.keys(json.column_contrib_logit)).toEqual(["age", "job", "hours"]);
    const sum = Object.values<number>(json.feature_contrib_logit).reduce(
      (z, c) => z + c,
      json.base_value,
    );
    expect(bitsOf(sum)).toBe(bitsOf(json.logit));
    expect(json.feature_contrib_logit.hours + 0).toBe(0);
  });

  it("gives the same for one object, a list, a table and CSV", async () => {
    const one = await post(mixed.port, "/predict", { age: 31, job: "cook", hours: 40 });
    const list = await post(mixed.port, "/predict", [{ age: 31, job: "cook", hours: 40 }]);
    const table = await post(mixed.port, "/predict", {
      columns: ["job", "hours", "age"],
      data: [["cook", 40, 31]],
    });
    const csv = await ask(mixed.port, "/predict", {
      headers: CSV_TYPE,
      body: "age,job,hours\n31,cook,40\n",
    });
    expect(list.json[0]).toEqual(one.json);
    expect(table.json.data[0][3]).toBe(one.json.logit);
    expect(table.json.columns.at(-1)).toBe("contrib_hours (sum)");
    expect(Number(csv.text.split("\n")[1]!.split(",")[3])).toBe(one.json.logit);
  });

  it.each([
    [{ age: 31, job: "pilot", hours: 40 }, "unknown_level", "job"],
    [{ age: null, job: "cook", hours: 40 }, "missing_value", "age"],
    [{ age: 31, job: null, hours: 40 }, "missing_value", "job"],
    [{ age: 31, job: ["cook"], hours: 40 }, "wrong_type", "job"],
    [{ age: "31", job: "cook", hours: 40 }, "wrong_type", "age"],
    [{ age: 31, job: "cook" }, "missing_feature", "hours"],
    [{ age: 31, job: "NA", hours: 40 }, "missing_value", "job"],
  ])("refuses %j with %s", async (body, code, field) => {
    const { status, json } = await post(mixed.port, "/predict", body);
    expect([status, json.error, json.field]).toEqual([400, code, field]);
  });
});

describe("the other routes of the seed", () => {
  it("say that the process turns", async () => {
    const { status, text } = await ask(server.port, "/healthz");
    expect([status, text]).toEqual([200, '{"status":"ok"}']);
  });

  it("say which model serves, and how to derive it", async () => {
    const { json } = await ask(server.port, "/model");
    expect(json).toMatchObject({
      name: "raisin_logreg",
      label: "Class",
      classes: { "0": "Besni", "1": "Kecimen" },
      threshold: 0.5,
      features: FEATURES,
    });
    expect(json.version).toBe(json.model_digest.slice(0, 12));
  });
});
