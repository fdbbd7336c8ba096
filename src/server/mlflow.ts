// MLflow's scoring protocol (mlflow.pyfunc.scoring_server): POST /invocations in the four forms that its clients send.
import type { Slice } from "../core/scorer.ts";
import { inTurn, textOfRows } from "./batch.ts";
import { parseJson } from "./body.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { HttpError } from "./http-error.ts";
import { kindOf, type Rows } from "./inputs.ts";
import type { ServedModel } from "./served-model.ts";

/** The forms of a body; exactly one of them is there. */
const FORMS = ["dataframe_split", "dataframe_records", "instances", "inputs"] as const;

export async function invocations(exchange: Exchange): Promise<Answer> {
  const { model } = exchange;
  exchange.query([]);
  const type = exchange.mediaType(["json", "csv"]);
  const bytes = await exchange.body();
  return inTurn(bytes.length, async () => {
    const { rows, explain } =
      type === "csv"
        ? { rows: model.inputs.readCsv(bytes), explain: false }
        : readInvocation(model, parseJson(bytes));
    const { answers } = model;
    const around = { head: '{"predictions":[', between: ",", foot: "]}" };
    const textOf = (slice: Slice, i: number) => answers.object(slice, i);
    return { body: await textOfRows(model, rows, explain, textOf, around), rows: rows.n };
  });
}

function readInvocation(model: ServedModel, body: unknown): { rows: Rows; explain: boolean } {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError("invalid_body", `The body must be an object: it is ${kindOf(body)}`);
  }
  const record = body as Readonly<Record<string, unknown>>;
  const keys = Object.keys(record);
  const unknown = keys.find(
    (key) => key !== "params" && !(FORMS as readonly string[]).includes(key),
  );
  if (unknown !== undefined) {
    throw new HttpError(
      "invalid_body",
      `A body has one of ${FORMS.join(", ")}, and perhaps params`,
      {
        field: unknown,
      },
    );
  }
  const forms = FORMS.filter((form) => Object.hasOwn(record, form));
  if (forms.length !== 1) {
    throw new HttpError(
      "invalid_body",
      `A body has exactly one of ${FORMS.join(", ")}: this one has ${forms.length}`,
    );
  }
  const [form] = forms;
  return { rows: readForm(model, form!, record[form!]), explain: readParams(record.params) };
}

/** The one parameter that predictions take. @throws HttpError for any other */
function readParams(params: unknown): boolean {
  if (params === undefined) return false;
  if (typeof params !== "object" || params === null || Array.isArray(params)) {
    throw new HttpError("invalid_body", `params must be an object: it is ${kindOf(params)}`, {
      field: "params",
    });
  }
  for (const [name, value] of Object.entries(params)) {
    if (name !== "explain" || typeof value !== "boolean") {
      throw new HttpError("invalid_body", "params may have explain, true or false", {
        field: name,
      });
    }
  }
  return (params as { explain?: boolean }).explain === true;
}

function readForm(model: ServedModel, form: (typeof FORMS)[number], value: unknown): Rows {
  const { inputs } = model;
  const wrong = (wanted: string) =>
    new HttpError("invalid_body", `${form} must be ${wanted}: it is ${kindOf(value)}`, {
      field: form,
    });
  if (form === "dataframe_split") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw wrong("an object of columns and data");
    }
    const { columns, data, index: _, ...others } = value as Readonly<Record<string, unknown>>;
    const other = Object.keys(others)[0];
    if (!Array.isArray(columns) || !Array.isArray(data) || other !== undefined) {
      throw new HttpError("invalid_body", `${form} has columns, data and perhaps an index`, {
        field: other ?? (Array.isArray(columns) ? "data" : "columns"),
      });
    }
    return inputs.readTable(columns, data);
  }
  if (form === "inputs" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value).map(([name, list]): [string, readonly unknown[]] => {
      if (Array.isArray(list)) return [name, list];
      throw new HttpError("invalid_body", `A column must be a list: it is ${kindOf(list)}`, {
        field: name,
      });
    });
    return inputs.readColumns(
      entries.map(([name]) => name),
      entries.map(([, list]) => list),
    );
  }
  if (!Array.isArray(value)) throw wrong("a list of rows");
  if (form === "dataframe_records" || !Array.isArray(value[0])) return inputs.readObjects(value);
  return inputs.readTable(
    inputs.columns.map(({ name }) => name),
    value,
  );
}
