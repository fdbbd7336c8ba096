// Do clients of other servers get what their protocols say?
import { beforeAll, describe, expect, it } from "vitest";
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
let mixed: Opened;
let single: Json[];
const rows = raisinRows().slice(0, 6);
const matrix = rows.map((row) => FEATURES.map((name) => row[name]!));

beforeAll(async () => {
  server = await open(trained());
  mixed = await open(trainedMixed());
  single = [];
  for (const row of rows) single.push((await post(server.port, "/predict", row)).json);
});

const MODEL = "/v2/models/raisin_logreg";
const tensor = (more = {}) => ({
  name: "input",
  shape: [rows.length, FEATURES.length],
  datatype: "FP64",
  data: matrix.flat(),
  ...more,
});
const outputOf = ({ json }: { json: Json }, name: string) =>
  json.outputs.find((output: Json) => output.name === name);

describe("the Open Inference Protocol", () => {
  it("has health, server and model metadata", async () => {
    const { port } = server;
    expect((await ask(port, "/v2/health/live")).json).toEqual({ live: true });
    expect((await ask(port, "/v2/health/ready")).json).toEqual({ live: true, ready: true });
    expect((await ask(port, "/v2")).json).toMatchObject({ name: "raisin", extensions: [] });
    const { json } = await ask(port, MODEL);
    expect(json).toMatchObject({ name: "raisin_logreg", platform: "raisin_npz" });
    expect(json.inputs).toEqual(
      FEATURES.map((name) => ({ name, datatype: "FP64", shape: [-1, 1] })),
    );
    expect((await ask(port, `${MODEL}/versions/${json.versions[0]}`)).json).toEqual(json);
    expect((await ask(port, `${MODEL}/ready`)).json).toEqual({
      name: "raisin_logreg",
      ready: true,
    });
  });

  it.each([
    ["flat", tensor()],
    ["nested", tensor({ data: matrix })],
    ["of another type", tensor({ datatype: "FP32" })],
  ])("infers from one tensor, %s", async (_, input) => {
    const answer = await post(server.port, `${MODEL}/infer`, { id: "abc-1", inputs: [input] });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ model_name: "raisin_logreg", id: "abc-1" });
    expect(answer.json.outputs.map(({ name }: Json) => name)).toEqual([
      "pred",
      "p_class1",
      "logit",
    ]);
    expect(outputOf(answer, "pred")).toMatchObject({
      datatype: "INT64",
      shape: [6],
      data: single.map(({ pred }) => pred),
    });
    expect(outputOf(answer, "p_class1").data).toEqual(single.map(({ p_class1 }) => p_class1));
    expect(outputOf(answer, "logit").data.map(bitsOf)).toEqual(
      single.map(({ logit }) => bitsOf(logit)),
    );
  });

  it("infers from named columns in any order, of shape [n] and [n, 1]", async () => {
    const inputs = FEATURES.map((name, k) => ({
      name,
      shape: k % 2 === 0 ? [6] : [6, 1],
      datatype: "FP64",
      data: rows.map((row) => row[name]),
    })).reverse();
    const answer = await post(server.port, `${MODEL}/infer`, { inputs });
    expect(outputOf(answer, "logit").data).toEqual(single.map(({ logit }) => logit));
  });

  it("gives the outputs that are named, contributions on request", async () => {
    const request = {
      inputs: [tensor()],
      outputs: [{ name: "feature_contrib_logit" }, { name: "label" }],
    };
    const answer = await post(server.port, `${MODEL}/infer`, request);
    expect(answer.json.outputs.map(({ name }: Json) => name)).toEqual([
      "label",
      "feature_contrib_logit",
    ]);
    expect(outputOf(answer, "feature_contrib_logit")).toMatchObject({
      shape: [6, 7],
      datatype: "FP64",
    });
    expect(outputOf(answer, "feature_contrib_logit").data).toEqual(
      single.flatMap((one) => FEATURES.map((name) => one.feature_contrib_logit[name])),
    );
    const asked = await post(server.port, `${MODEL}/infer`, {
      inputs: [tensor()],
      parameters: { explain: true },
    });
    expect(asked.json.outputs).toHaveLength(4);
  });

  it("takes a body without a type, as Triton's client sends it, and no other type", async () => {
    const body = JSON.stringify({ inputs: [tensor()] });
    expect((await ask(server.port, `${MODEL}/infer`, { body })).status).toBe(200);
    const headers = { "content-type": "application/octet-stream" };
    expect((await ask(server.port, `${MODEL}/infer`, { headers, body })).status).toBe(415);
  });

  it("takes categories as named columns, and no tensor of all", async () => {
    const name = mixed.service.models.current!.name;
    const inputs = [
      { name: "age", shape: [2], datatype: "INT64", data: [31, 50] },
      { name: "job", shape: [2], datatype: "BYTES", data: ["cook", "nurse"] },
      { name: "hours", shape: [2], datatype: "FP64", data: [40, null] },
    ];
    const { status, json } = await post(mixed.port, `/v2/models/${name}/infer`, { inputs });
    expect(status).toBe(200);
    const alone = await post(mixed.port, "/predict", { age: 50, job: "nurse", hours: null });
    expect(json.outputs[2].data[1]).toBe(alone.json.logit);
    const all = { inputs: [{ name: "x", shape: [1, 3], datatype: "FP64", data: [1, 2, 3] }] };
    expect((await post(mixed.port, `/v2/models/${name}/infer`, all)).status).toBe(400);
  });

  it.each([
    ["a shape that lies", { inputs: [tensor({ shape: [5, 7] })] }, "invalid_tensor"],
    ["other columns", { inputs: [tensor({ shape: [7, 6] })] }, "invalid_tensor"],
    ["three dimensions", { inputs: [tensor({ shape: [1, 6, 7] })] }, "invalid_tensor"],
    ["no rows", { inputs: [tensor({ shape: [0, 7], data: [] })] }, "no_rows"],
    ["texts", { inputs: [tensor({ datatype: "BYTES" })] }, "wrong_type"],
    [
      "a text among numbers",
      { inputs: [tensor({ data: ["1", ...matrix.flat().slice(1)] })] },
      "wrong_type",
    ],
    ["halves as whole numbers", { inputs: [tensor({ datatype: "INT32" })] }, "wrong_type"],
    ["an unknown type", { inputs: [tensor({ datatype: "FP8" })] }, "invalid_body"],
    [
      "binary data",
      { inputs: [tensor({ parameters: { binary_data_size: 8 } })] },
      "invalid_tensor",
    ],
    ["an unknown output", { inputs: [tensor()], outputs: [{ name: "shap" }] }, "unknown_output"],
    [
      "an unknown column",
      { inputs: [{ name: "Colour", shape: [1, 1], datatype: "FP64", data: [1] }, tensor()] },
      "invalid_tensor",
    ],
    [
      "a missing column",
      { inputs: [{ name: "Area", shape: [1], datatype: "FP64", data: [1] }] },
      "missing_feature",
    ],
    [
      "a row that is ragged",
      { inputs: [tensor({ data: [...matrix.slice(1), [1]] })] },
      "invalid_tensor",
    ],
    ["a million inputs", { inputs: Array.from({ length: 100_000 }, () => 1) }, "invalid_tensor"],
    ["no inputs", { inputs: [] }, "invalid_body"],
    ["a list", [], "invalid_body"],
    [
      "a number without end",
      `{"inputs":[{"name":"input","shape":[1,7],"datatype":"FP64","data":[1e400,1,1,1,1,1,1]}]}`,
      "not_finite",
    ],
  ])("refuses %s", async (_, body, code) => {
    const { status, json } = await post(server.port, `${MODEL}/infer`, body);
    expect([status, json.error]).toEqual([400, code]);
  });

  it.each([
    "/v2/models/other",
    "/v2/models/raisin_logreg/versions/9",
    "/v2/models/__proto__/ready",
  ])("knows no model at %s", async (path) => {
    const { status, json } = await ask(server.port, path);
    expect([status, json.error]).toEqual([404, "unknown_model"]);
  });
});

describe("MLflow's scoring protocol", () => {
  it("has a ping", async () => {
    for (const path of ["/ping", "/health"]) {
      const { status, text } = await ask(server.port, path);
      expect([status, text]).toEqual([200, "\n"]);
    }
  });

  const split = { columns: FEATURES, data: matrix };
  const plain = (one: Json) => ({
    pred: one.pred,
    label: one.label,
    p_class1: one.p_class1,
    logit: one.logit,
  });

  it.each([
    ["dataframe_split", { dataframe_split: split }],
    [
      "dataframe_split with its index",
      { dataframe_split: { ...split, index: [0, 1, 2, 3, 4, 5] } },
    ],
    ["dataframe_records", { dataframe_records: rows }],
    ["instances, as objects", { instances: rows }],
    ["instances, as lists", { instances: matrix }],
    [
      "inputs, by column",
      { inputs: Object.fromEntries(FEATURES.map((name) => [name, rows.map((row) => row[name])])) },
    ],
    ["inputs, as lists", { inputs: matrix }],
    ["parameters", { dataframe_split: split, params: { explain: false } }],
  ])("takes %s", async (_, body) => {
    const { status, json } = await post(server.port, "/invocations", body);
    expect(status).toBe(200);
    expect(json).toEqual({ predictions: single.map(plain) });
  });

  it("takes CSV, and explains on request", async () => {
    const body = [FEATURES.join(","), ...matrix.map((row) => row.join(","))].join("\n");
    const csv = await ask(server.port, "/invocations", { headers: CSV_TYPE, body });
    expect(csv.json.predictions).toEqual(single.map(plain));
    const { json } = await post(server.port, "/invocations", {
      dataframe_split: split,
      params: { explain: true },
    });
    expect(json.predictions).toEqual(single);
  });

  it.each([
    ["a list", [ROW]],
    ["two forms", { instances: matrix, dataframe_records: rows }],
    ["no form", {}],
    ["an unknown key", { dataframe_split: split, x: 1 }],
    ["an unknown parameter", { dataframe_split: split, params: { x: true } }],
    ["a split that is a list", { dataframe_split: matrix }],
    ["a split with an unknown key", { dataframe_split: { ...split, x: 1 } }],
    ["a record too little", { dataframe_records: [{ Area: 1 }] }],
    ["a column that is no list", { inputs: { Area: 1 } }],
    ["nothing", ""],
  ])("refuses %s in MLflow's words", async (_, body) => {
    const { status, json } = await post(server.port, "/invocations", body);
    expect([status, json.error_code]).toEqual([400, "BAD_REQUEST"]);
    expect(typeof json.message).toBe("string");
  });

  it("refuses another type", async () => {
    const { status, json } = await ask(server.port, "/invocations", {
      headers: { "content-type": "text/plain" },
      body: "x",
    });
    expect([status, json.error]).toEqual([415, "unsupported_media_type"]);
  });
});

describe("the documents", () => {
  it("are OpenAPI 3.1 of every route, with the model's own features", async () => {
    const { json } = await ask(server.port, "/openapi.json");
    expect(json.openapi).toBe("3.1.0");
    const row = json.paths["/predict"].post.requestBody.content["application/json"].schema.anyOf[0];
    expect(row).toMatchObject({ type: "object", required: FEATURES, additionalProperties: false });
    expect(Object.keys(json.paths)).toEqual(
      expect.arrayContaining([
        "/predict",
        "/invocations",
        "/drift",
        "/model",
        "/v2/models/{model}/infer",
      ]),
    );
    // Every route that it names is there, and takes the method.
    for (const [path, methods] of Object.entries<Json>(json.paths)) {
      for (const method of Object.keys(methods)) {
        const actual = path
          .replace("{model}", "raisin_logreg")
          .replace("{version}", server.service.models.current!.version);
        const { status } = await ask(server.port, actual, { method: method.toUpperCase() });
        expect([path, [404, 405].includes(status)]).toEqual([path, false]);
      }
    }
    // Its example is an answerable body.
    const { example } = json.paths["/predict"].post.requestBody.content["application/json"];
    expect((await post(server.port, "/predict", example)).status).toBe(200);
  });

  it("resolve their references, and name each operation once", async () => {
    const { json } = await ask(server.port, "/openapi.json");
    const text = JSON.stringify(json);
    for (const [, reference] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      expect(reference!.split("/").reduce((at, part) => at?.[part], json)).toBeDefined();
    }
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("are a page that asks nobody else", async () => {
    const { text, headers } = await ask(server.port, "/docs");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(text).not.toMatch(/<script|https?:\/\/(?!localhost)|style="/);
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    expect((await ask(server.port, "/docs/style.css")).headers["content-type"]).toBe(
      "text/css; charset=utf-8",
    );
    expect((await ask(mixed.port, "/docs")).text).toContain("job");
  });
});
