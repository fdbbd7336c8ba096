// How a model becomes the bytes of a model.npz and back, and which digest names it (N10).
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { canonicalJson } from "../data/canonical-json.ts";
import { DataError } from "../data/data-error.ts";
import { type Dataset, inputsOf } from "../data/dataset.ts";
import {
  type CategoryColumn,
  featureNamesOf,
  type InputColumn,
  type NumberColumn,
} from "../data/encoding.ts";
import { compareCodePoints } from "../data/labels.ts";
import { isNameTooLong, NAME_MAX } from "../data/names.ts";
import { shown as shownName } from "../data/shown.ts";
import { TOKENS_MAX } from "../data/table-dataset.ts";
import { type Action, failure, ModelFormatError } from "./format-error.ts";
import { formatOf, MODEL_FORMAT, type Model, type ModelSpec } from "./model.ts";
import { encodeNpy, type Npy, showShape, toNumbers, toStrings } from "./npy.ts";
import { MAX_FILE_BYTES, readNpz, writeNpz } from "./npz.ts";

export { ModelFormatError } from "./format-error.ts";

/** Most features of a model file. One of 16,384 with short names takes 3.6 MB and 70 ms to read. */
export const MAX_FEATURES = 32_768;

const KEYS = ["w", "b", "mean", "std", "feature_names", "class_names", "spec"] as const;
const DIGEST_KEYS = ["spec", "feature_names", "class_names", "mean", "std", "w", "b"] as const;

type Key = (typeof KEYS)[number];

/**
 * A model as the bytes of a model.npz. Equal models give equal bytes.
 *
 * @throws ModelFormatError if the model cannot be stored: values not finite, names that are not
 *   distinct, arrays that do not agree
 * @example
 * decodeModel(encodeModel(model)); // the same numbers, to the last bit
 */
export function encodeModel(model: Model): Uint8Array {
  return toFile(encodeMembers(model));
}

function toFile(npys: Record<Key, Uint8Array>): Uint8Array {
  return writeNpz(KEYS.map((key) => [key, npys[key]]));
}

/** What of a dataset a spec is made of. */
type Described = Pick<
  Dataset,
  "features" | "columns" | "inputs" | "label" | "classes" | "rest" | "missingTokens"
>;

/**
 * Can a model of these columns and labels be stored? Asked before a training, since hours of it would be lost after.
 *
 * @throws DataError naming the column or label that is in the way, and what to do
 */
export function assertStorable(dataset: Described): void {
  const { features, label, classes } = dataset;
  const d = features.length;
  const refuse = (what: string) =>
    new DataError(`Cannot train as the model could not be stored: ${what}`);
  if (d > MAX_FEATURES) {
    throw refuse(`it may have at most ${MAX_FEATURES} features and would have ${d}; drop columns`);
  }
  const [longest, length] = features.reduce<[string, number]>(
    (most, name) => {
      const count = name.length > most[1] ? Array.from(name).length : 0;
      return count > most[1] ? [name, count] : most;
    },
    ["", 0],
  );
  const sizeError = () =>
    refuse(
      `all ${d} names take the room of the longest, ${length} characters of column ${shownName(longest)}, ` +
        `and the file would exceed ${MAX_FILE_BYTES} bytes; shorten that name, or drop columns`,
    );
  // Before anything so large is made.
  if (4 * d * length > MAX_FILE_BYTES) throw sizeError();
  // The size of a file does not depend on its numbers.
  const ones = new Float64Array(d).fill(1);
  const numbers = { mean: ones, std: ones, w: ones, b: 1 };
  const spec = specOf(dataset, 0.5);
  let npys: Record<Key, Uint8Array>;
  try {
    assertName(label, "the label column", "write");
    for (const name of classes) assertName(name, "a label", "write");
    for (const { column } of inputsOf(dataset)) assertName(column.name, "a column", "write");
    for (const name of features) assertName(name, "a feature", "write");
    npys = encodeMembers({ spec, featureNames: features, ...numbers });
  } catch (error) {
    throw refuse(`${reasonOf(error)}; rename it`);
  }
  try {
    toFile(npys);
  } catch (error) {
    throw error instanceof ModelFormatError ? sizeError() : error;
  }
}

/** What was wrong, without "Cannot write model: ". */
function reasonOf(error: unknown): string {
  if (!(error instanceof ModelFormatError)) throw error;
  return error.message.slice(failure("write", "").message.length);
}

/** The spec of a model of a dataset's input columns. */
export function specOf(dataset: Described, threshold: number): ModelSpec {
  const { label, classes, rest, missingTokens } = dataset;
  const columns = inputsOf(dataset).map(({ column }) => column);
  const parts = {
    label,
    classes,
    threshold,
    columns,
    ...(rest && { rest }),
    ...(missingTokens && { missing_tokens: [...new Set(missingTokens)].sort(compareCodePoints) }),
  };
  return { format: formatOf(parts), ...parts };
}

function encodeMembers(model: Model): Record<Key, Uint8Array> {
  const spec = toSpec(model.spec, "write");
  assertModel(model, "write");
  const d = model.w.length;
  return {
    w: encodeNpy({ dtype: "<f8", shape: [d], values: model.w }),
    b: encodeNpy({ dtype: "<f8", shape: [], values: Float64Array.of(model.b) }),
    mean: encodeNpy({ dtype: "<f8", shape: [d], values: model.mean }),
    std: encodeNpy({ dtype: "<f8", shape: [d], values: model.std }),
    feature_names: encodeNpy({ dtype: "<U", shape: [d], values: model.featureNames }),
    class_names: encodeNpy({ dtype: "<U", shape: [2], values: spec.classes }),
    spec: encodeNpy({ dtype: "<U", shape: [], values: [canonicalJson(spec)] }),
  };
}

/**
 * The model in the bytes of a model.npz, ours or one that `numpy.savez` wrote of the same arrays.
 *
 * @returns a model that owns its arrays
 * @throws ModelFormatError if the bytes are not a sound model file of a known format
 */
export function decodeModel(bytes: Uint8Array): Model {
  return decodeMembers(readMembers(bytes));
}

/** Every member with its one dtype and shape; values not yet read. */
function readMembers(bytes: Uint8Array): Record<Key, Npy> {
  const members = readNpz(bytes, KEYS);
  const npys = Object.fromEntries(members) as Record<Key, Npy>;
  const d = npys.w.shape[0];
  if (npys.w.shape.length !== 1 || d === undefined) {
    throw failure("read", `"w" must have one dimension: its shape is ${showShape(npys.w.shape)}`);
  }
  assertFeatureCount(d, "read");
  assertKind(npys.w, "<f8", [d]);
  assertKind(npys.b, "<f8", []);
  assertKind(npys.mean, "<f8", [d]);
  assertKind(npys.std, "<f8", [d]);
  assertKind(npys.feature_names, "<U", [d]);
  assertKind(npys.class_names, "<U", [2]);
  assertKind(npys.spec, "<U", []);
  assertNameLength(npys.feature_names);
  assertNameLength(npys.class_names);
  return npys;
}

function assertKind(npy: Npy, dtype: Npy["dtype"], shape: readonly number[]): void {
  if (npy.dtype !== dtype) {
    throw failure("read", `"${npy.key}" must have type ${dtype}: its type is ${npy.dtype}`);
  }
  if (showShape(npy.shape) !== showShape(shape)) {
    throw failure(
      "read",
      `"${npy.key}" must have shape ${showShape(shape)}: its shape is ${showShape(npy.shape)}`,
    );
  }
}

function assertNameLength(npy: Npy): void {
  if (npy.valueBytes > 4 * NAME_MAX) {
    throw failure(
      "read",
      `"${npy.key}" must hold names of at most ${NAME_MAX} characters: ` +
        `its type is <U${npy.valueBytes / 4}`,
    );
  }
}

function decodeMembers(npys: Record<Key, Npy>): Model {
  const numbers = {
    w: toNumbers(npys.w),
    b: toNumbers(npys.b)[0]!,
    mean: toNumbers(npys.mean),
    std: toNumbers(npys.std),
  };
  assertNumbers(numbers, "read");
  const classNames = toStrings(npys.class_names);
  const featureNames = toStrings(npys.feature_names);
  assertFeatureNames(featureNames, "read");
  const specText = toStrings(npys.spec)[0]!;
  assertSpecSize(specText, featureNames.length);
  const spec = parseSpec(specText);
  if (classNames[0] !== spec.classes[0] || classNames[1] !== spec.classes[1]) {
    throw failure("read", `"class_names" must be the classes of spec: ${listed(classNames)}`);
  }
  const model = { spec, featureNames, ...numbers };
  assertModel(model, "read");
  return model;
}

/**
 * Model digest: SHA-256 over the .npy members' bytes in the order spec, feature_names, class_names,
 * mean, std, w, b. It says nothing of the zip around them: dates and compression do not change it.
 *
 * They are the members that `encodeModel` writes: of a file that another program wrote, decode it first.
 *
 * @returns 64 lower-case hex digits
 * @throws ModelFormatError if the model cannot be written
 */
export function modelDigest(model: Model): string {
  const hash = sha256.create();
  const npys = encodeMembers(model);
  for (const key of DIGEST_KEYS) hash.update(npys[key]);
  return bytesToHex(hash.digest());
}

// What holds for every model, read or written

function assertModel(model: Model, action: Action): void {
  const { spec, featureNames, mean, std, w } = model;
  const d = w.length;
  assertFeatureCount(d, action);
  for (const [key, length] of [
    ["mean", mean.length],
    ["std", std.length],
    ["feature_names", featureNames.length],
    ["spec.columns", spec.columns.reduce((count, column) => count + widthOf(column), 0)],
  ] as const) {
    if (length !== d) {
      throw failure(action, `"${key}" must have ${d} values, one a weight: it has ${length}`);
    }
  }
  assertNumbers(model, action);
  assertFeatureNames(featureNames, action);
  featureNamesOf(spec.columns).forEach((name, j) => {
    if (name !== featureNames[j]) {
      throw failure(
        action,
        `"feature_names" must be the columns of spec: at ${j} they say ` +
          `${shown(featureNames[j])} and ${shown(name)}`,
      );
    }
  });
}

/** How many features a column gives, without their names, which a hostile file could make long. */
function widthOf(column: InputColumn): number {
  const missing = Number(column.missing !== undefined);
  if (column.as === "number") return 1 + missing;
  return column.levels.length - 1 + Number(column.other === true) + missing;
}

function assertFeatureCount(d: number, action: Action): void {
  if (d < 1 || d > MAX_FEATURES) {
    throw failure(action, `a model must have 1 to ${MAX_FEATURES} features: it has ${d}`);
  }
}

function assertNumbers(
  { w, b, mean, std }: Pick<Model, "w" | "b" | "mean" | "std">,
  action: Action,
): void {
  for (const [key, values] of [
    ["w", w],
    ["b", [b]],
    ["mean", mean],
    ["std", std],
  ] as const) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) {
      throw failure(action, `"${key}" must be finite: value ${at} is ${values[at]}`);
    }
  }
  const at = std.findIndex((value) => !(value > 0));
  if (at >= 0) throw failure(action, `"std" must be above 0: value ${at} is ${shown(std[at])}`);
}

function assertFeatureNames(names: readonly string[], action: Action): void {
  const seen = new Set<string>();
  for (const name of names) {
    assertName(name, "a feature name", action);
    if (seen.has(name)) {
      throw failure(action, `feature names must be distinct: ${shown(name)} comes twice`);
    }
    seen.add(name);
  }
}

function assertName(name: unknown, what: string, action: Action): asserts name is string {
  if (typeof name !== "string") {
    throw failure(action, `${what} must be text: it is ${shown(name)}`);
  }
  if (/\p{Surrogate}/u.test(name)) {
    throw failure(action, `${what} must be Unicode: ${shown(name)} has a lone surrogate`);
  }
  if (isNameTooLong(name)) {
    throw failure(action, `${what} must have at most ${NAME_MAX} characters: it is ${shown(name)}`);
  }
}

function shown(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "string") {
    return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
  }
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function listed(names: readonly string[]): string {
  return names.map(shown).join(", ");
}

// The spec

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENERS = [0x2c, 0x5b, 0x7b]; // , [ {

/** A category of one feature: 8 of its own and 6 fields; two levels at 1 each. */
const MARKS_PER_FEATURE = 12;

/**
 * JSON.parse makes a value of every bracket and comma, and a text of four million characters holds
 * many. A column and its levels need fewer than this allows.
 */
function assertSpecSize(text: string, d: number): void {
  const limit = MARKS_PER_FEATURE * d + TOKENS_MAX + 64;
  let count = 0;
  let isInText = false;
  for (let at = 0; at < text.length && count <= limit; at++) {
    const character = text.charCodeAt(at);
    if (isInText && character === BACKSLASH) at++;
    else if (character === QUOTE) isInText = !isInText;
    else if (!isInText && OPENERS.includes(character)) count++;
  }
  if (count > limit) {
    throw failure(
      "read",
      `"spec" holds more than ${d} features need: a newer version of Raisin may read it`,
    );
  }
}

function parseSpec(text: string): ModelSpec {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw failure("read", `"spec" must be JSON: it is ${shown(text)}`);
  }
  const spec = toSpec(value, "read");
  // One text for one spec: otherwise equal models had other digests, and a key could come twice.
  if (canonicalJson(spec) !== text) {
    throw failure("read", '"spec" must be RFC 8785 JSON: keys sorted, no spaces, none twice');
  }
  return spec;
}

function toSpec(value: unknown, action: Action): ModelSpec {
  if (!isRecord(value)) {
    throw failure(action, `"spec" must be an object: it is ${shown(value)}`);
  }
  // First of all, since another format may mean anything by its other fields.
  const { format } = value;
  if (format !== 1 && format !== MODEL_FORMAT) {
    throw failure(
      action,
      `the model has format ${shown(format)}, and this version of Raisin knows formats 1 to ` +
        `${MODEL_FORMAT}: use the version that wrote it, or a newer one`,
    );
  }
  const fields = ["classes", "columns", "format", "label", "threshold"];
  const optional = format === 1 ? [] : ["missing_tokens", "rest"];
  assertFields(value, fields, "spec", action, optional);
  const { classes, columns, label, threshold } = value;
  assertName(label, "spec.label", action);
  if (!Array.isArray(classes) || classes.length !== 2) {
    throw failure(action, "spec.classes must be a list of two names");
  }
  const [negative, positive] = classes as [unknown, unknown];
  assertName(negative, "spec.classes[0]", action);
  assertName(positive, "spec.classes[1]", action);
  if (negative === positive) {
    throw failure(action, `spec.classes must differ: both are ${shown(negative)}`);
  }
  if (typeof threshold !== "number" || !(threshold > 0 && threshold < 1)) {
    throw failure(action, `spec.threshold must be above 0 and below 1: it is ${shown(threshold)}`);
  }
  if (!Array.isArray(columns)) {
    throw failure(action, `spec.columns must be a list: it is ${shown(columns)}`);
  }
  const spec: ModelSpec = {
    format,
    label,
    classes: [negative, positive],
    threshold,
    columns: columns.map((column: unknown, j) =>
      toColumn(column, `spec.columns[${j}]`, format, action),
    ),
    ...(toFlag(value, "rest", true, "spec", action) && { rest: true as const }),
    ...(value.missing_tokens !== undefined && {
      missing_tokens: toTexts(value.missing_tokens, "spec.missing_tokens", TOKENS_MAX, action),
    }),
  };
  const names = new Set(spec.columns.map(({ name }) => name));
  if (names.size < columns.length) {
    const twice = spec.columns.find(({ name }) => !names.delete(name));
    throw failure(
      action,
      `spec.columns must have distinct names: ${shown(twice?.name)} comes twice`,
    );
  }
  if (formatOf(spec) !== format) {
    throw failure(
      action,
      `spec.format must be 1 for a model that format 1 can say: it is ${format}`,
    );
  }
  const isOptional = spec.columns.some(({ missing }) => missing !== undefined);
  if (isOptional !== (spec.missing_tokens !== undefined)) {
    throw failure(
      action,
      `spec.missing_tokens must be there where a column may be missing, and only there`,
    );
  }
  return spec;
}

function toColumn(value: unknown, path: string, format: 1 | 2, action: Action): InputColumn {
  if (!isRecord(value)) throw failure(action, `${path} must be an object: it is ${shown(value)}`);
  const { as } = value;
  if (as !== "number" && (format === 1 || as !== "category")) {
    // A column without the field is told so.
    assertFields(value, ["as", "name"], path, action, Object.keys(value));
    const known = format === 1 ? '"number"' : '"number" or "category"';
    throw failure(action, `${path}.as must be ${known}: it is ${shown(as)}`);
  }
  return as === "number"
    ? toNumberColumn(value, path, format, action)
    : toCategoryColumn(value, path, action);
}

function toNumberColumn(
  value: Record<string, unknown>,
  path: string,
  format: 1 | 2,
  action: Action,
): NumberColumn {
  assertFields(value, ["as", "name"], path, action, format === 1 ? [] : ["missing"]);
  assertName(value.name, `${path}.name`, action);
  return {
    name: value.name,
    as: "number",
    ...(toFlag(value, "missing", "indicator", path, action) && { missing: "indicator" as const }),
  };
}

function toCategoryColumn(
  value: Record<string, unknown>,
  path: string,
  action: Action,
): CategoryColumn {
  const fields = ["as", "base", "levels", "name"];
  assertFields(value, fields, path, action, ["missing", "other", "unseen"]);
  assertName(value.name, `${path}.name`, action);
  const levels = toTexts(value.levels, `${path}.levels`, MAX_FEATURES + 1, action);
  const { base } = value;
  if (typeof base !== "string" || !levels.includes(base)) {
    throw failure(action, `${path}.base must be one of its levels: it is ${shown(base)}`);
  }
  const column: CategoryColumn = {
    name: value.name,
    as: "category",
    levels,
    base,
    ...(toFlag(value, "other", true, path, action) && { other: true as const }),
    ...(toFlag(value, "missing", "indicator", path, action) && { missing: "indicator" as const }),
    ...(toFlag(value, "unseen", "base", path, action) && { unseen: "base" as const }),
  };
  if (widthOf(column) === 0) {
    throw failure(action, `${path} must give a feature: it has one level and nothing else`);
  }
  return column;
}

/** A field that is absent or has one value. */
function toFlag(
  record: Record<string, unknown>,
  field: string,
  value: unknown,
  path: string,
  action: Action,
): boolean {
  const found = record[field];
  if (found === undefined || found === value) return found !== undefined;
  throw failure(action, `${path}.${field} must be ${shown(value)}: it is ${shown(found)}`);
}

/** Different texts in code point order. */
function toTexts(value: unknown, path: string, most: number, action: Action): string[] {
  if (!Array.isArray(value) || value.length > most) {
    throw failure(action, `${path} must be a list of at most ${most} texts: it is ${shown(value)}`);
  }
  value.forEach((text: unknown, k) => {
    assertName(text, `${path}[${k}]`, action);
    const isAscending = k === 0 || compareCodePoints(value[k - 1] as string, text) < 0;
    if (!isAscending) {
      throw failure(action, `${path} must ascend by code point: ${shown(text)} does not`);
    }
  });
  return value as string[];
}

function assertFields(
  value: Record<string, unknown>,
  fields: readonly string[],
  path: string,
  action: Action,
  optional: readonly string[] = [],
): void {
  const missing = fields.find((field) => !Object.hasOwn(value, field));
  if (missing !== undefined) throw failure(action, `${path} lacks the field ${missing}`);
  const unknown = Object.keys(value).find(
    (field) => !fields.includes(field) && !optional.includes(field),
  );
  if (unknown !== undefined) {
    throw failure(
      action,
      `${path} has a field this version of Raisin does not know: ${shown(unknown)}`,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
