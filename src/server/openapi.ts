// The interface as an OpenAPI 3.1 document, made of the schemas that validate and, where one serves, of the model's own features.
import * as z from "zod";
import { ERRORS } from "./http-error.ts";
import {
  errorSchema,
  explanationSchema,
  inferAnswerSchema,
  inferSchema,
  invocationsSchema,
  tableAnswerSchema,
} from "./schemas.ts";
import type { ServedModel } from "./served-model.ts";

type Json = Readonly<Record<string, unknown>>;

/** An operation of the document. */
interface Operation {
  readonly path: string;
  readonly method: "get" | "post";
  readonly tag: string;
  readonly summary: string;
  readonly parameters?: readonly Json[];
  readonly body?: Json;
  readonly answer: Json;
  /** Codes of errors that it may answer with. */
  readonly errors?: readonly (keyof typeof ERRORS)[];
}

const INPUT_ERRORS = [
  "invalid_json",
  "forbidden_host",
  "body_too_large",
  "unsupported_media_type",
  "no_model",
] as const;

function schemaOf(schema: z.ZodType, io: "input" | "output" = "input"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io }) as Record<string, unknown>;
  return rest;
}

const json = (schema: Json, example?: unknown): Json => ({
  "application/json": { schema, ...(example !== undefined && { example }) },
});

const text = (description: string, type = "text/csv"): Json => ({
  [type]: { schema: { type: "string", description } },
});

const object = (description: string): Json => json({ type: "object", description });

const EXPLAIN: Json = {
  name: "explain",
  in: "query",
  schema: { type: "boolean", default: true },
  description: "Whether to say what each feature adds to the logit",
};

const inPath = (name: string, description: string, known: readonly string[]): Json => ({
  name,
  in: "path",
  required: true,
  schema: { type: "string", ...(known.length > 0 && { enum: known }) },
  description,
});

function operations(model: ServedModel | null): Operation[] {
  const schemas = model === null ? null : model.inputs.schemas;
  const features = { type: "object", description: "the features of one row, by name" };
  const row = schemas === null ? features : schemaOf(schemas.row);
  const body = schemas === null ? features : schemaOf(schemas.predict);
  const example = model === null ? undefined : exampleOf(model);
  const explanation = schemaOf(explanationSchema, "output");
  const table = schemaOf(tableAnswerSchema, "output");
  const ready = json({ type: "object", properties: { ready: { const: true } } });
  const modelPath = [inPath("model", "Name of the model", model === null ? [] : [model.name])];
  const versions = model === null ? [] : [model.version, ...(model.runId ? [model.runId] : [])];
  const versionPath = [
    ...modelPath,
    inPath("version", "Its version: 12 hex digits, or a run's id", versions),
  ];
  const v2 = (path: string, summary: string, answer: Json): Operation[] => [
    {
      path: `/v2/models/{model}${path}`,
      method: "get",
      tag: "Open Inference Protocol",
      summary,
      parameters: modelPath,
      answer,
      errors: ["unknown_model", "no_model"],
    },
    {
      path: `/v2/models/{model}/versions/{version}${path}`,
      method: "get",
      tag: "Open Inference Protocol",
      summary,
      parameters: versionPath,
      answer,
      errors: ["unknown_model", "no_model"],
    },
  ];
  const infer = (path: string, parameters: readonly Json[]): Operation => ({
    path,
    method: "post",
    tag: "Open Inference Protocol",
    summary: "Predict from one [rows, columns] tensor, or from a tensor a column",
    parameters,
    body: json(schemaOf(inferSchema)),
    answer: json(schemaOf(inferAnswerSchema, "output")),
    errors: [...INPUT_ERRORS, "unknown_model"],
  });
  return [
    {
      path: "/predict",
      method: "post",
      tag: "Prediction",
      summary: "What the model says of one row, or of many, and why",
      parameters: [EXPLAIN],
      body: { ...json(body, example), ...text("a header and rows, commas, decimal points") },
      answer: {
        ...json({ anyOf: [explanation, { type: "array", items: explanation }, table] }),
        ...text("pred, label, p_class1, logit, base_value and contrib_<feature>"),
      },
      errors: INPUT_ERRORS,
    },
    {
      path: "/invocations",
      method: "post",
      tag: "MLflow",
      summary: "The same for MLflow's clients",
      body: { ...json(schemaOf(invocationsSchema)), ...text("a header and rows") },
      answer: json({
        type: "object",
        properties: { predictions: { type: "array", items: explanation } },
        required: ["predictions"],
      }),
      errors: INPUT_ERRORS,
    },
    {
      path: "/model",
      method: "get",
      tag: "Model",
      summary: "Which model serves: run, digests, features, classes, metrics",
      answer: object("see the fields"),
      errors: ["no_model"],
    },
    {
      path: "/drift",
      method: "get",
      tag: "Drift",
      summary: "How far the rows of late are from the training rows",
      answer: object("the report, its score first"),
      errors: ["no_model", "no_profile"],
    },
    {
      path: "/drift",
      method: "post",
      tag: "Drift",
      summary:
        "How far the rows of the body are from the training rows; they do not enter the window",
      body: { ...json({ anyOf: [row, body] }), ...text("a header and rows") },
      answer: object("the report, its score first"),
      errors: [...INPUT_ERRORS, "no_profile"],
    },
    {
      path: "/healthz",
      method: "get",
      tag: "Probes",
      summary: "The process turns",
      answer: json({ type: "object", properties: { status: { const: "ok" } } }),
    },
    {
      path: "/livez",
      method: "get",
      tag: "Probes",
      summary: "The same",
      answer: json({ type: "object", properties: { status: { const: "ok" } } }),
    },
    {
      path: "/readyz",
      method: "get",
      tag: "Probes",
      summary: "A model serves, its self-test has passed, and the server is not draining",
      answer: ready,
      errors: ["no_model", "draining"],
    },
    {
      path: "/ping",
      method: "get",
      tag: "MLflow",
      summary: "A model serves",
      answer: text("a line end", "text/plain"),
      errors: ["unknown_model", "draining"],
    },
    {
      path: "/metrics",
      method: "get",
      tag: "Probes",
      summary: "Counts for Prometheus",
      answer: text("Prometheus' text format", "text/plain"),
    },
    {
      path: "/v2",
      method: "get",
      tag: "Open Inference Protocol",
      summary: "The server",
      answer: object("name, version, extensions"),
    },
    {
      path: "/v2/health/live",
      method: "get",
      tag: "Open Inference Protocol",
      summary: "The process turns",
      answer: object("live"),
    },
    {
      path: "/v2/health/ready",
      method: "get",
      tag: "Open Inference Protocol",
      summary: "As /readyz",
      answer: object("live, ready"),
      errors: ["no_model", "draining"],
    },
    ...v2("", "Names, types and shapes of the model's tensors", object("the model's tensors")),
    ...v2("/ready", "Whether this model serves", object("name, ready")),
    infer("/v2/models/{model}/infer", modelPath),
    infer("/v2/models/{model}/versions/{version}/infer", versionPath),
    {
      path: "/openapi.json",
      method: "get",
      tag: "Documentation",
      summary: "This document",
      answer: object("OpenAPI 3.1"),
    },
    {
      path: "/docs",
      method: "get",
      tag: "Documentation",
      summary: "The same for people",
      answer: text("a page", "text/html"),
    },
  ];
}

/** One row of the training means, or of first levels. */
export function exampleOf({ model }: ServedModel): Json {
  const entries = model.spec.columns.map((column): [string, unknown] => {
    if (column.as === "category") return [column.name, column.base];
    const mean = model.mean[model.featureNames.indexOf(column.name)]!;
    return [column.name, Number(mean.toPrecision(6))];
  });
  return Object.fromEntries(entries);
}

/** @param version of the package */
export function openapiOf(model: ServedModel | null, version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { path, method, tag, summary, parameters, body, answer, errors } of operations(
    model,
  )) {
    const refused = new Map<number, string[]>();
    for (const code of errors ?? []) {
      refused.set(ERRORS[code], [...(refused.get(ERRORS[code]) ?? []), code]);
    }
    const errorAnswers = [...refused].map(([status, codes]) => [
      status,
      { description: codes.join(", "), content: json({ $ref: "#/components/schemas/Error" }) },
    ]);
    paths[path] ??= {};
    paths[path][method] = {
      tags: [tag],
      summary,
      operationId: `${method}${path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next = "") => next.toUpperCase())}`,
      ...(parameters && { parameters }),
      ...(body && { requestBody: { required: true, content: body } }),
      responses: {
        200: {
          description: summary,
          headers: { "x-raisin-model": { $ref: "#/components/headers/Model" } },
          content: answer,
        },
        400: {
          description: "Something is wrong with the request",
          content: json({ $ref: "#/components/schemas/Error" }),
        },
        ...Object.fromEntries(errorAnswers.filter(([status]) => status !== 400)),
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: model === null ? "Raisin" : `Raisin: ${model.name}`,
      version,
      description:
        "Predictions of a logistic regression with what each feature adds to the logit. Bias plus contributions, added in feature order, is the logit to the last bit. Duplicate keys of a JSON object: the last one counts. Numbers are rounded to the nearest f64.",
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: { Error: schemaOf(errorSchema, "output") },
      headers: {
        Model: {
          description: "Run id and model digest, so that a prediction can be derived again",
          schema: { type: "string" },
        },
      },
    },
  };
}
