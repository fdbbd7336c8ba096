// The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol): tensors in, tensors out.
import { inTurn, predictRows } from "./batch.ts";
import { parseJson } from "./body.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { HttpError, inertJson } from "./http-error.ts";
import { kindOf, type Rows } from "./inputs.ts";
import { type InferRequest, inferSchema, ROWS_MAX } from "./schemas.ts";
import type { ServedModel } from "./served-model.ts";

/** Outputs, in the order in which they are given; the first three also unasked. */
const OUTPUTS = ["pred", "p_class1", "logit", "label", "feature_contrib_logit"] as const;
const USUAL = 3;
type Output = (typeof OUTPUTS)[number];

const DATATYPE: Readonly<Record<Output, string>> = {
  pred: "INT64",
  p_class1: "FP64",
  logit: "FP64",
  label: "BYTES",
  feature_contrib_logit: "FP64",
};

export function serverMetadata(version: string): Answer {
  return { body: JSON.stringify({ name: "raisin", version, extensions: [] }) };
}

/** The model that the path names. @throws HttpError 404 when it is not the one that serves */
function modelOf(exchange: Exchange): ServedModel {
  const { model, context } = exchange;
  const name = context.req.param("model") ?? "";
  if (!model.isCalled(name, context.req.param("version"))) {
    throw new HttpError("unknown_model", "No model of that name and version serves here");
  }
  return model;
}

export function modelMetadata(exchange: Exchange): Answer {
  const model = modelOf(exchange);
  const d = model.model.featureNames.length;
  return {
    body: JSON.stringify({
      name: model.name,
      versions: [model.version],
      platform: "raisin_npz",
      inputs: model.inputs.columns.map(({ name, as }) => ({
        name,
        datatype: as === "number" ? "FP64" : "BYTES",
        shape: [-1, 1],
      })),
      outputs: OUTPUTS.map((name) => ({
        name,
        datatype: DATATYPE[name],
        shape: name === "feature_contrib_logit" ? [-1, d] : [-1],
      })),
    }),
  };
}

export function modelReady(exchange: Exchange): Answer {
  return { body: JSON.stringify({ name: modelOf(exchange).name, ready: true }) };
}

export async function infer(exchange: Exchange): Promise<Answer> {
  const model = modelOf(exchange);
  exchange.query([]);
  // Triton's client names no type. A page of another site that leaves it out is known by Sec-Fetch-Site.
  const isSilent = ["content-type", "content-encoding"].every(
    (name) => exchange.header(name) === undefined,
  );
  if (!isSilent) exchange.mediaType(["json"]);
  const bytes = await exchange.body();
  return inTurn(bytes.length, () => inferJson(model, parseJson(bytes)));
}

async function inferJson(model: ServedModel, body: unknown): Promise<Answer> {
  const request = readRequest(body, model);
  const outputs = outputsOf(request);
  const rows = readInputs(model, request);
  const explain = outputs.includes("feature_contrib_logit");
  const parts = Object.fromEntries(OUTPUTS.map((name) => [name, [] as string[]])) as Record<
    Output,
    string[]
  >;
  await predictRows(model, rows, explain, (slice, n) => {
    const { logits, probabilities, contributions } = slice;
    const preds = Array.from(probabilities, (p) => model.answers.pred(p));
    const texts: Record<Output, () => string> = {
      pred: () => preds.join(","),
      p_class1: () => probabilities.join(","),
      logit: () => logits.join(","),
      label: () => preds.map((pred) => JSON.stringify(model.answers.label(pred))).join(","),
      feature_contrib_logit: () => contributions!.subarray(0, n * model.model.w.length).join(","),
    };
    for (const name of outputs) parts[name].push(texts[name]());
  });
  const d = model.model.featureNames.length;
  const tensors = outputs.map((name) => {
    const shape = name === "feature_contrib_logit" ? [rows.n, d] : [rows.n];
    return `{"name":"${name}","shape":[${shape.join(",")}],"datatype":"${DATATYPE[name]}","data":[${parts[name].join(",")}]}`;
  });
  const id = request.id === undefined ? "" : `"id":${inertJson(request.id)},`;
  return {
    body: `{"model_name":${inertJson(model.name)},"model_version":"${model.version}",${id}"outputs":[${tensors.join(",")}]}`,
    rows: rows.n,
  };
}

/** @throws HttpError */
function readRequest(body: unknown, model: ServedModel): InferRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError("invalid_body", `The body must be an object: it is ${kindOf(body)}`);
  }
  // Bounded before the schema looks at each element.
  const { inputs, outputs } = body as Readonly<Record<string, unknown>>;
  const mostInputs = model.inputs.columns.length;
  if (Array.isArray(inputs) && inputs.length > mostInputs) {
    throw new HttpError("invalid_tensor", `There must be at most ${mostInputs} inputs`, {
      field: "inputs",
    });
  }
  if (Array.isArray(outputs) && outputs.length > OUTPUTS.length) {
    throw new HttpError("unknown_output", `There must be at most ${OUTPUTS.length} outputs`, {
      field: "outputs",
    });
  }
  if (Array.isArray(inputs)) {
    for (const input of inputs as { shape?: unknown }[]) {
      if (Array.isArray(input?.shape) && input.shape.length > 2) {
        throw new HttpError("invalid_tensor", "A shape must have one or two dimensions", {
          field: "shape",
        });
      }
    }
  }
  const parsed = inferSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join(".");
  throw new HttpError(
    "invalid_body",
    `The request does not follow the protocol at ${field === "" ? "its top" : field}`,
    { field },
  );
}

/** @throws HttpError for a name that is no output */
function outputsOf({ outputs, parameters }: InferRequest): Output[] {
  if (outputs === undefined) {
    return parameters?.explain === true
      ? OUTPUTS.filter((name) => name !== "label")
      : OUTPUTS.slice(0, USUAL);
  }
  const unknown = outputs.find(({ name }) => !(OUTPUTS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new HttpError("unknown_output", `The outputs are ${OUTPUTS.join(", ")}`, {
      field: unknown.name,
    });
  }
  return OUTPUTS.filter((name) => outputs.some((output) => output.name === name));
}

/** One tensor of all columns, or a tensor a column. @throws HttpError */
function readInputs(model: ServedModel, { inputs }: InferRequest): Rows {
  const { columns } = model.inputs;
  const [first] = inputs;
  const isColumn = (name: string) => columns.some((column) => column.name === name);
  const tensors = inputs.map((input) => readTensor(input, columns));
  if (inputs.length === 1 && (columns.length > 1 || !isColumn(first!.name))) {
    const { shape, name } = first!;
    if (shape.length === 2 && shape[1] === columns.length) {
      return model.inputs.readTable(
        columns.map((column) => column.name),
        tensors[0]!,
      );
    }
    if (!isColumn(name)) {
      throw new HttpError(
        "invalid_tensor",
        `A tensor of all columns must have the shape [rows, ${columns.length}], in model order`,
        { field: name },
      );
    }
  }
  return model.inputs.readColumns(
    inputs.map(({ name }) => name),
    tensors.map((rows, k) => {
      const { shape, name } = inputs[k]!;
      if (shape.length === 2 && shape[1] !== 1) {
        throw new HttpError("invalid_tensor", "A column must have the shape [rows] or [rows, 1]", {
          field: name,
        });
      }
      return rows.map((row) => row[0]);
    }),
  );
}

/** A tensor's rows. @throws HttpError unless shape, type and data agree */
function readTensor(
  { name, shape, datatype, data, parameters }: InferRequest["inputs"][number],
  columns: ServedModel["inputs"]["columns"],
): unknown[][] {
  const fail = (message: string) => new HttpError("invalid_tensor", message, { field: name });
  if (parameters?.binary_data_size !== undefined) {
    throw fail("Binary tensors are not taken: send the data as JSON");
  }
  const n = shape[0]!;
  const width = shape[1] ?? 1;
  if (n === 0) throw new HttpError("no_rows", "There must be at least one row", { field: name });
  if (n > ROWS_MAX) {
    throw new HttpError("too_many_rows", `At most ${ROWS_MAX} rows at a time`, { field: name });
  }
  // Counted before anything is made of them: a shape costs nothing to write.
  const lies = () =>
    fail(`The data must be as many values as the shape [${shape.join(", ")}] says`);
  const isNested = data.length > 0 && data.every((row) => Array.isArray(row));
  if (data.length !== (isNested ? n : n * width)) throw lies();
  const rows = isNested
    ? (data as unknown[][])
    : Array.from({ length: n }, (_, i) => data.slice(i * width, (i + 1) * width));
  if (rows.some((row) => row.length !== width)) throw lies();
  const column = columns.find((one) => one.name === name);
  const isForNumbers =
    column === undefined || width > 1
      ? columns.every(({ as }) => as === "number")
      : column.as === "number";
  if (isForNumbers && (datatype === "BYTES" || datatype === "BOOL")) {
    throw new HttpError("wrong_type", `The datatype must be one of numbers: it is ${datatype}`, {
      field: name,
    });
  }
  if (/^U?INT/.test(datatype)) {
    for (const row of rows) {
      for (const value of row) {
        if (typeof value === "number" && !Number.isInteger(value)) {
          throw new HttpError("wrong_type", `${datatype} must be whole numbers`, { field: name });
        }
      }
    }
  }
  return rows;
}
