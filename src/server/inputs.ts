// From a body that was parsed to the columns that a model reads: every value is checked, and the first bad one is named.
//
// Design:
// - Whatever form a body has, it becomes values by input column, and those go through `encode`, as tables do.
// - Values are checked one by one and the first bad one ends it: a list of all that is wrong with a hostile body could
//   be larger than the body.
import type { Column } from "../core/column.ts";
import { MISSING_TOKENS } from "../data/column-types.ts";
import { CsvReader } from "../data/csv.ts";
import type { MissingTokens } from "../data/csv-column.ts";
import { CsvError, type CsvProblem, describeProblem } from "../data/csv-error.ts";
import { TextReader } from "../data/csv-text.ts";
import { PLAIN_DIALECT } from "../data/dialect.ts";
import { encode, type Input, type InputColumn } from "../data/encoding.ts";
import { inputOfValues, missingTokensOf } from "../data/objects.ts";
import { shown } from "../data/shown.ts";
import { inputsFor } from "../data/table-dataset.ts";
import type { Model } from "../model/model.ts";
import { isPlainModel } from "../model/predict.ts";
import { HttpError } from "./http-error.ts";
import { type BodySchemas, bodySchemas, ROWS_MAX } from "./schemas.ts";

/** n rows as a model reads them. */
export interface Rows {
  readonly n: number;
  /** [d] features in model order. */
  readonly columns: readonly Column[];
}

/** Reads the rows of requests for one model. */
export class InputReader {
  readonly schemas: BodySchemas;
  /** Input columns in model order. */
  readonly columns: readonly InputColumn[];
  readonly isPlain: boolean;
  readonly #places: ReadonlyMap<string, number>;
  readonly #tokens: MissingTokens;
  readonly #tokenTexts: readonly string[];

  constructor(model: Model) {
    this.schemas = bodySchemas(model);
    this.columns = model.spec.columns;
    this.isPlain = isPlainModel(model);
    this.#places = new Map(this.columns.map(({ name }, k) => [name, k]));
    this.#tokenTexts = model.spec.missing_tokens ?? MISSING_TOKENS;
    this.#tokens = missingTokensOf(this.#tokenTexts);
  }

  /**
   * Writes the numbers of one object, for a model of plain numbers.
   *
   * @param into [d]
   * @throws HttpError naming the first feature that is not as it should be
   */
  readPlainRow(body: object, into: Float64Array): void {
    this.#checkRow(body, undefined);
    const row = body as Readonly<Record<string, number>>;
    // Adding 0 makes -0 a 0, as in training.
    for (let k = 0; k < into.length; k++) into[k] = row[this.columns[k]!.name]! + 0;
  }

  /** One object, or several. @throws HttpError */
  readObjects(rows: readonly unknown[]): Rows {
    checkRowCount(rows.length);
    rows.forEach((row, i) => {
      this.#checkRow(row, rows.length === 1 ? undefined : i);
    });
    const records = rows as readonly Readonly<Record<string, unknown>>[];
    if (this.isPlain) {
      // As `encode` would: a plain number is a feature.
      const columns = this.columns.map(({ name }) =>
        Float64Array.from(records, (row) => (row[name] as number) + 0),
      );
      return { n: rows.length, columns };
    }
    return this.#encode(this.columns.map(({ name }) => records.map((row) => row[name])));
  }

  /** Rows as lists of values. @param names of the columns, in their order @throws HttpError */
  readTable(names: readonly unknown[], data: readonly unknown[]): Rows {
    const order = this.#orderOf(names);
    checkRowCount(data.length);
    const plain = this.isPlain ? numbersOf(data, order) : undefined;
    if (plain !== undefined) return { n: data.length, columns: plain };
    const values: unknown[][] = this.columns.map(() => new Array<unknown>(data.length));
    data.forEach((row, i) => {
      if (!Array.isArray(row)) {
        throw new HttpError("invalid_body", `Row ${i + 1} must be a list: it is ${kindOf(row)}`, {
          row: i + 1,
        });
      }
      if (row.length !== order.length) {
        throw new HttpError(
          "ragged_rows",
          `Row ${i + 1} must have ${order.length} values, one for each column: it has ${row.length}`,
          { row: i + 1 },
        );
      }
      for (let k = 0; k < order.length; k++) values[order[k]!]![i] = row[k];
    });
    return this.#readValues(values);
  }

  /** Values by column name. @throws HttpError */
  readColumns(names: readonly string[], lists: readonly (readonly unknown[])[]): Rows {
    const order = this.#orderOf(names);
    const n = lists[0]?.length ?? 0;
    checkRowCount(n);
    const values: (readonly unknown[])[] = new Array(order.length);
    lists.forEach((list, k) => {
      if (list.length !== n) {
        throw new HttpError(
          "ragged_rows",
          `All columns must have as many values as the first, ${n}: ${shown(names[k]!)} has ${list.length}`,
          { field: names[k]! },
        );
      }
      values[order[k]!] = list;
    });
    return this.#readValues(values);
  }

  /** Rows of CSV text with a header, comma and decimal point. @throws HttpError */
  readCsv(bytes: Uint8Array): Rows {
    try {
      this.#orderOf(headerOf(bytes));
      const names = this.columns.map(({ name }) => name);
      const where = (test: (column: InputColumn) => boolean) =>
        this.columns.filter(test).map(({ name }) => name);
      if (isHeaderOnly(bytes)) checkRowCount(0);
      const reader = new CsvReader({
        label: null,
        features: names,
        categorical: where(({ as }) => as === "category"),
        optional: new Set(where(({ missing }) => missing !== undefined)),
        missingTokens: this.#tokenTexts,
        dialect: PLAIN_DIALECT,
      });
      reader.push(bytes);
      const table = reader.end();
      checkRowCount(table.rowCount);
      return this.#encodeInputs(inputsFor(this.columns, table), table.rowCount, "line");
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      const [problem] = error.problems;
      if (problem !== undefined) throw problemError(problem, this.columns.length, "line");
      throw new HttpError("invalid_csv", error.message.split("\n")[0]!);
    }
  }

  /** @param values [columns][n], unchecked */
  #readValues(values: readonly (readonly unknown[])[]): Rows {
    const n = values[0]?.length ?? 0;
    // The first bad row is the one to name, not the first bad column.
    let bad: { k: number; i: number } | undefined;
    values.forEach((list, k) => {
      const schema = this.schemas.values[k]!;
      for (let i = 0; i < (bad?.i ?? n); i++) {
        const value = list[i];
        // Most values are numbers; the schema says the same of them, only slower.
        if (schema.isNumber && typeof value === "number" && Number.isFinite(value)) continue;
        if (!schema.type.safeParse(value).success) bad = { k, i };
      }
    });
    if (bad !== undefined) {
      throw valueError(this.columns[bad.k]!, values[bad.k]![bad.i], n === 1 ? undefined : bad.i);
    }
    return this.#encode(values);
  }

  /** @throws HttpError when the row does not follow the schema */
  #checkRow(row: unknown, i: number | undefined): void {
    if (this.schemas.row.safeParse(row).success) return;
    const details = i === undefined ? {} : { row: i + 1 };
    const where = i === undefined ? "" : `Row ${i + 1}: `;
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      throw new HttpError(
        "invalid_body",
        `${where}${i === undefined ? "The body" : "it"} must be an object of features: it is ${kindOf(row)}`,
        details,
      );
    }
    for (const { name } of this.columns) {
      if (!Object.hasOwn(row, name)) throw missingFeature(name, where, details);
    }
    const unknown = Object.keys(row).find((name) => !this.#places.has(name));
    if (unknown !== undefined) throw unknownFeature(unknown, where, details);
    const record = row as Readonly<Record<string, unknown>>;
    this.columns.forEach((column, k) => {
      const value = record[column.name];
      if (!this.schemas.values[k]!.type.safeParse(value).success) {
        throw valueError(column, value, i);
      }
    });
    throw new HttpError("invalid_body", `${where}The features are not as they should be`, details);
  }

  /** For each name its place in model order. @throws HttpError unless the names are the model's, each once */
  #orderOf(names: readonly unknown[]): number[] {
    const seen = new Set<number>();
    const order = names.map((name) => {
      if (typeof name !== "string") {
        throw new HttpError(
          "invalid_body",
          `The names of columns must be texts: one is ${kindOf(name)}`,
          { field: "columns" },
        );
      }
      const place = this.#places.get(name);
      if (place === undefined) throw unknownFeature(name, "", {});
      if (seen.has(place)) {
        throw new HttpError("duplicate_feature", `${shown(name)} is there twice`, { field: name });
      }
      seen.add(place);
      return place;
    });
    const missing = this.columns.find((_, k) => !seen.has(k));
    if (missing !== undefined) throw missingFeature(missing.name, "", {});
    return order;
  }

  #encode(values: readonly (readonly unknown[])[]): Rows {
    const inputs = values.map((list, k) => inputOfValues(this.columns[k]!, list, this.#tokens));
    return this.#encodeInputs(inputs, values[0]!.length, "row");
  }

  #encodeInputs(inputs: readonly Input[], n: number, unit: "row" | "line"): Rows {
    const { columns, problems } = encode(inputs);
    const [problem] = problems;
    if (problem !== undefined) throw problemError(problem, inputs.length, unit, n);
    return { n, columns };
  }
}

/**
 * The columns of rows of finite numbers, in model order; undefined when there is anything else, for the general way to
 * find. Most batches are just numbers, and boxed ones would outlive several collections.
 */
function numbersOf(data: readonly unknown[], order: readonly number[]): Float64Array[] | undefined {
  const columns = order.map(() => new Float64Array(data.length));
  const inOrder = order.map((place) => columns[place]!);
  for (let i = 0; i < data.length; i++) {
    const row = data[i];
    if (!Array.isArray(row) || row.length !== inOrder.length) return undefined;
    for (let k = 0; k < inOrder.length; k++) {
      const value: unknown = row[k];
      if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
      inOrder[k]![i] = value + 0;
    }
  }
  return columns;
}

function checkRowCount(n: number): void {
  if (n === 0) throw new HttpError("no_rows", "There must be at least one row");
  if (n > ROWS_MAX) {
    throw new HttpError(
      "too_many_rows",
      `At most ${ROWS_MAX} rows at a time: there are ${n}; send them in several requests`,
    );
  }
}

/** The names in a header. Only its line is looked at, unless a quote may go on in the next. */
function headerOf(bytes: Uint8Array): string[] {
  const end = bytes.indexOf(0x0a) + 1 || bytes.length;
  const line = bytes.subarray(0, end);
  const head = line.includes(0x22) ? bytes : line;
  return new TextReader(PLAIN_DIALECT).push(head, true)[0] ?? [];
}

/** Whether nothing but line ends follows the first line. */
function isHeaderOnly(bytes: Uint8Array): boolean {
  const end = bytes.indexOf(0x0a);
  return end < 0 || bytes.subarray(end).every((byte) => byte === 0x0a || byte === 0x0d);
}

function missingFeature(name: string, where: string, details: { row?: number }): HttpError {
  return new HttpError("missing_feature", `${where}${shown(name)} is required`, {
    ...details,
    field: name,
  });
}

function unknownFeature(name: string, where: string, details: { row?: number }): HttpError {
  return new HttpError("unknown_feature", `${where}The model has no feature ${shown(name)}`, {
    ...details,
    field: name,
  });
}

/** What is wrong with a value that its schema refuses. @param i its row from 0, if there are several */
function valueError(column: InputColumn, value: unknown, i: number | undefined): HttpError {
  const { name } = column;
  const where = i === undefined ? "" : `Row ${i + 1}: `;
  const details = { field: name, ...(i !== undefined && { row: i + 1 }) };
  if (value === null || value === undefined) {
    return new HttpError(
      "missing_value",
      `${where}${shown(name)} must not be missing: the model has not learned missing values there`,
      details,
    );
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    return new HttpError(
      "not_finite",
      `${where}${shown(name)} must be a finite number: it is beyond the largest f64`,
      details,
    );
  }
  const wanted = column.as === "number" ? "a number" : "a text, a number or a truth value";
  return new HttpError(
    "wrong_type",
    `${where}${shown(name)} must be ${wanted}${column.missing ? " or null" : ""}: it is ${kindOf(value)}`,
    details,
  );
}

/** @param n rows, if a row need be named only where there are several */
function problemError(
  problem: CsvProblem,
  width: number,
  unit: "row" | "line",
  n?: number,
): HttpError {
  const codes: Partial<Record<CsvProblem["kind"], "missing_value" | "wrong_type" | "not_finite">> =
    {
      text: "wrong_type",
      empty: "missing_value",
      missing: "missing_value",
      non_finite: "not_finite",
      too_large: "not_finite",
    };
  const { kind, column, line } = problem;
  const isLevel = kind === "level_unknown" || kind === "number_for_level";
  const other = kind === "ragged" ? "ragged_rows" : "invalid_csv";
  const code = isLevel ? "unknown_level" : (codes[kind] ?? other);
  const isNamed = n !== 1;
  const where = isNamed ? `${unit === "row" ? "Row" : "Line"} ${line}: ` : "";
  const what = column === null ? "" : `${shown(column)}: `;
  return new HttpError(code, `${where}${what}${describeProblem(problem, width)}`, {
    ...(column !== null && { field: column }),
    ...(isNamed && { [unit]: line }),
  });
}

/** The JSON type of a value, for a message: the value itself might be anything. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  const kinds: Readonly<Record<string, string>> = {
    object: "an object",
    string: "a text",
    boolean: "a truth value",
    number: "a number",
  };
  return kinds[typeof value] ?? "something else";
}
