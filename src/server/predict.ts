// POST /predict: one object, several, a table or CSV in; the same form out.
import type { Slice } from "../core/scorer.ts";
import { inTurn, textOfRows } from "./batch.ts";
import { parseJson } from "./body.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { HttpError } from "./http-error.ts";
import { kindOf, type Rows } from "./inputs.ts";
import type { ServedModel } from "./served-model.ts";

export function predict(exchange: Exchange): Promise<Answer> {
  const { model } = exchange;
  const explain = exchange.flag("explain", true);
  const type = exchange.mediaType(MEDIA_TYPES);
  return exchange
    .body()
    .then((bytes) =>
      inTurn(bytes.length, () =>
        type === "csv" ? predictCsv(model, bytes, explain) : predictJson(model, bytes, explain),
      ),
    );
}

const MEDIA_TYPES = ["json", "csv"] as const;

function predictJson(
  model: ServedModel,
  bytes: Uint8Array,
  explain: boolean,
): Answer | Promise<Answer> {
  const body = parseJson(bytes);
  // What was parsed is let go before the first slice is scored: it is larger than what was read from it.
  if (Array.isArray(body)) return predictObjects(model, model.inputs.readObjects(body), explain);
  if (isTable(body, model)) return predictTable(model, readTable(model, body), explain);
  return { body: model.answers.object(model.predictObject(body, explain), 0), rows: 1 };
}

async function predictObjects(model: ServedModel, rows: Rows, explain: boolean): Promise<Answer> {
  const { answers } = model;
  const around = { head: "[", between: ",", foot: "]" };
  const textOf = (slice: Slice, i: number) => answers.object(slice, i);
  return { body: await textOfRows(model, rows, explain, textOf, around), rows: rows.n };
}

async function predictTable(model: ServedModel, rows: Rows, explain: boolean): Promise<Answer> {
  const { answers } = model;
  const names = JSON.stringify(answers.columnNames(explain));
  const around = { head: `{"columns":${names},"data":[`, between: ",", foot: "]}" };
  const textOf = (slice: Slice, i: number) => answers.record(slice, i, "json");
  return { body: await textOfRows(model, rows, explain, textOf, around), rows: rows.n };
}

async function predictCsv(
  model: ServedModel,
  bytes: Uint8Array,
  explain: boolean,
): Promise<Answer> {
  const rows = model.inputs.readCsv(bytes);
  const { answers } = model;
  const around = { head: answers.header(explain), between: "", foot: "" };
  const textOf = (slice: Slice, i: number) => answers.record(slice, i, "csv");
  const body = await textOfRows(model, rows, explain, textOf, around);
  return { type: "text/csv; charset=utf-8", body, rows: rows.n };
}

/** Whether a body is {"columns", "data"} and not one object of features. */
export function isTable(
  body: unknown,
  model: ServedModel,
): body is { columns: unknown; data: unknown } {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, "columns")) return false;
  return !model.inputs.columns.some(({ name }) => Object.hasOwn(body, name));
}

/** @throws HttpError */
export function readTable(
  model: ServedModel,
  body: { readonly columns: unknown; readonly data: unknown },
): Rows {
  for (const key of ["columns", "data"] as const) {
    const value = Object.hasOwn(body, key) ? body[key] : undefined;
    if (!Array.isArray(value)) {
      throw new HttpError("invalid_body", `"${key}" must be a list: it is ${kindOf(value)}`, {
        field: key,
      });
    }
  }
  const other = Object.keys(body).find((key) => key !== "columns" && key !== "data");
  if (other !== undefined) {
    throw new HttpError("invalid_body", 'A table has "columns" and "data" and nothing else', {
      field: other,
    });
  }
  return model.inputs.readTable(body.columns as unknown[], body.data as unknown[]);
}

/** The rows of a body of any form that /predict takes. @throws HttpError */
export function readAny(model: ServedModel, bytes: Uint8Array, type: "json" | "csv"): Rows {
  if (type === "csv") return model.inputs.readCsv(bytes);
  const body = parseJson(bytes);
  if (Array.isArray(body)) return model.inputs.readObjects(body);
  if (isTable(body, model)) return readTable(model, body);
  return model.inputs.readObjects([body]);
}
