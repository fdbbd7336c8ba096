// What a model says of rows, as JSON and CSV text. Written by hand, so that keys stand in feature order whatever they are.

import type { Slice } from "../core/scorer.ts";
import { formatRecord } from "../data/csv-text.ts";
import { parseDecimal } from "../data/decimal.ts";
import { PLAIN_DIALECT } from "../data/dialect.ts";
import type { Model } from "../model/model.ts";
import { type ColumnParts, isPlainModel, partsOf, sumParts } from "../model/predict.ts";

/** Texts of one model's answers, of which only the numbers change. */
export class AnswerWriter {
  readonly #threshold: number;
  readonly #d: number;
  /** `"<feature>":`, the first without and the others with a comma before. */
  readonly #featureKeys: readonly string[];
  readonly #columnKeys: readonly string[];
  readonly #columns: readonly ColumnParts[];
  /** Input columns of several features. */
  readonly #summed: readonly ColumnParts[];
  readonly #heads: readonly [string, string];
  readonly #base: string;
  readonly #baseValue: string;
  readonly #labels: readonly [string, string];
  readonly #csvLabels: readonly [string, string];
  readonly #jsonLabels: readonly [string, string];
  readonly #featureNames: readonly string[];

  constructor(model: Model) {
    const { spec, featureNames, b } = model;
    this.#threshold = spec.threshold;
    this.#d = featureNames.length;
    const keys = (names: readonly string[]) =>
      names.map((name, k) => `${k === 0 ? "" : ","}${JSON.stringify(name)}:`);
    this.#featureKeys = keys(featureNames);
    this.#featureNames = featureNames;
    this.#columns = isPlainModel(model) ? [] : partsOf(spec);
    this.#columnKeys = keys(this.#columns.map(({ name }) => name));
    this.#summed = this.#columns.filter(({ from, to }) => to - from > 1);
    this.#labels = spec.classes;
    const [first, second] = spec.classes.map((label) => JSON.stringify(label)) as [string, string];
    this.#jsonLabels = [first, second];
    this.#heads = [
      `{"pred":0,"label":${first},"p_class1":`,
      `{"pred":1,"label":${second},"p_class1":`,
    ];
    const [one, two] = spec.classes.map((label) => csvCell(label));
    this.#csvLabels = [one!, two!];
    this.#baseValue = String(b + 0);
    this.#base = `,"base_value":${this.#baseValue},"feature_contrib_logit":{`;
  }

  /** Row i of a slice as an object. */
  object(slice: Slice, i: number): string {
    const p = slice.probabilities[i]!;
    const { contributions } = slice;
    let text = `${this.#heads[this.pred(p)]}${p},"logit":${slice.logits[i]! + 0}`;
    if (contributions === undefined) return `${text}}`;
    text += this.#base;
    const keys = this.#featureKeys;
    const at = i * this.#d;
    for (let j = 0; j < keys.length; j++) text += keys[j]! + (contributions[at + j]! + 0);
    if (this.#columns.length === 0) return `${text}}}`;
    text += '},"column_contrib_logit":{';
    this.#columns.forEach((parts, k) => {
      text += this.#columnKeys[k]! + (sumParts(contributions, parts, at) + 0);
    });
    return `${text}}}`;
  }

  pred(p: number): 0 | 1 {
    return p >= this.#threshold ? 1 : 0;
  }

  label(pred: 0 | 1): string {
    return this.#labels[pred];
  }

  /** Names of an answer's columns. */
  columnNames(explain: boolean): string[] {
    const plain = ["pred", "label", "p_class1", "logit"];
    if (!explain) return plain;
    return [
      ...plain,
      "base_value",
      ...this.#featureNames.map((name) => `contrib_${name}`),
      ...this.#summed.map(({ name }) => `contrib_${name} (sum)`),
    ];
  }

  header(explain: boolean): string {
    return formatRecord(this.columnNames(explain), PLAIN_DIALECT);
  }

  /** Row i of a slice as a JSON array of the columns' values, or as a CSV record. */
  record(slice: Slice, i: number, form: "json" | "csv"): string {
    const p = slice.probabilities[i]!;
    const pred = this.pred(p);
    const { contributions } = slice;
    const label = (form === "json" ? this.#jsonLabels : this.#csvLabels)[pred];
    let text = `${pred},${label},${p},${slice.logits[i]! + 0}`;
    if (contributions !== undefined) {
      const at = i * this.#d;
      // A typed array joins its numbers faster than a loop can, and writes -0 as 0.
      text += `,${this.#baseValue},${contributions.subarray(at, at + this.#d).join(",")}`;
      for (const parts of this.#summed) text += `,${sumParts(contributions, parts, at) + 0}`;
    }
    return form === "json" ? `[${text}]` : `${text}\n`;
  }
}

/** A text cell that no spreadsheet takes for a formula (OWASP, CSV injection); a number is none. */
function csvCell(text: string): string {
  const isFormula = /^[=+\-@\t\r]/.test(text) && Number.isNaN(parseDecimal(text));
  return formatRecord([isFormula ? `'${text}` : text], PLAIN_DIALECT).slice(0, -1);
}
