// What bodies look like, for one model: the schemas that validate them are the ones that openapi.json shows.
import * as z from "zod";
import type { InputColumn } from "../data/encoding.ts";
import type { Model } from "../model/model.ts";

/** Most rows of one request. */
export const ROWS_MAX = 10_000;

/** A value of an input column. Numbers are JSON numbers: nothing is made a number that is none. */
function valueSchema(column: InputColumn): z.ZodType {
  if (column.as === "number") {
    const number = z.number().meta({ description: "a finite number" });
    return column.missing ? number.nullable() : number;
  }
  const others = column.other || column.unseen === "base" ? "; other texts are taken, too" : "";
  const shown = column.levels.slice(0, 20).map((level) => JSON.stringify(level));
  const more = column.levels.length > 20 ? `, and ${column.levels.length - 20} more` : "";
  const level = z
    .union([z.string(), z.number(), z.boolean()])
    .meta({ description: `one of ${shown.join(", ")}${more}${others}` });
  return column.missing ? level.nullable() : level;
}

/** The schemas of the bodies that a model takes. */
export interface BodySchemas {
  /** [columns] of one value of each column, in model order; `isNumber`: any finite number passes. */
  readonly values: readonly { readonly type: z.ZodType; readonly isNumber: boolean }[];
  readonly row: z.ZodType;
  readonly rows: z.ZodType;
  readonly table: typeof tableSchema;
  readonly predict: z.ZodType;
}

const tableSchema = z.strictObject({
  columns: z.array(z.string()),
  data: z.array(z.array(z.unknown())),
});

/** Names and values by column, as pandas writes them with orient="split". */
export const splitSchema = z.strictObject({
  columns: z.array(z.string()),
  data: z.array(z.array(z.unknown())),
  index: z.array(z.unknown()).optional(),
});

export function bodySchemas(model: Pick<Model, "spec">): BodySchemas {
  const { columns } = model.spec;
  const values = columns.map(valueSchema);
  const row = z.strictObject(
    Object.fromEntries(columns.map(({ name }, k) => [name, values[k]!])) as z.ZodRawShape,
  );
  const rows = z.array(row).min(1).max(ROWS_MAX);
  return {
    values: values.map((type, k) => ({ type, isNumber: columns[k]!.as === "number" })),
    row,
    rows,
    table: tableSchema,
    predict: z.union([row, rows, tableSchema]),
  };
}

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const DATATYPES = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES",
] as const;

/** An inference request of the Open Inference Protocol, version 2. */
export const inferSchema = z.object({
  id: z.string().max(256).optional(),
  parameters: parameters.optional(),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().min(0)).min(1).max(2),
        datatype: z.enum(DATATYPES),
        parameters: parameters.optional(),
        data: z.array(z.unknown()),
      }),
    )
    .min(1),
  outputs: z.array(z.object({ name: z.string(), parameters: parameters.optional() })).optional(),
});

export type InferRequest = z.infer<typeof inferSchema>;

/** What MLflow's scoring server takes: exactly one of the four forms. */
export const invocationsSchema = z.strictObject({
  dataframe_split: splitSchema.optional(),
  dataframe_records: z.array(z.unknown()).optional(),
  instances: z.array(z.unknown()).optional(),
  inputs: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).optional(),
  params: z.record(z.string(), z.unknown()).optional(),
});

export type Invocations = z.infer<typeof invocationsSchema>;

/** One answer of /predict. */
export const explanationSchema = z.object({
  pred: z.int().min(0).max(1),
  label: z.string(),
  p_class1: z.number().min(0).max(1),
  logit: z.number(),
  base_value: z.number().optional(),
  feature_contrib_logit: z.record(z.string(), z.number()).optional(),
  column_contrib_logit: z.record(z.string(), z.number()).optional(),
});

/** An error. */
export const errorSchema = z.object({
  error: z.string(),
  /** MLflow's word, on its routes. */
  error_code: z.string().optional(),
  message: z.string(),
  field: z.string().optional(),
  row: z.int().optional(),
  line: z.int().optional(),
});

/** Answers of the Open Inference Protocol. */
export const tensorSchema = z.object({
  name: z.string(),
  shape: z.array(z.int()),
  datatype: z.string(),
  data: z.array(z.unknown()),
});
export const inferAnswerSchema = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(tensorSchema),
});

/** The answer to {"columns", "data"}. */
export const tableAnswerSchema = z.object({
  columns: z.array(z.string()),
  data: z.array(z.array(z.union([z.number(), z.string()]))),
});
