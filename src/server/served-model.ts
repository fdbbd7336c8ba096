// A model that is ready to answer: read, checked against its digests, self-tested, with all that its requests share.
import { type Column, columnLength } from "../core/column.ts";
import { ValueRangeError } from "../core/core.ts";
import { Scorer, type Slice } from "../core/scorer.ts";
import type { CoreSource } from "../core/source.ts";
import { readFileIfAny, readJsonIfAny } from "../miniflow/store.ts";
import { goldenByHand, goldenOf, selfTest } from "../model/golden.ts";
import type { Model } from "../model/model.ts";
import { FeatureSums } from "../monitoring/feature-sums.ts";
import { parseProfile } from "../monitoring/profile-file.ts";
import type { LocatedModel } from "../recording/stored-model.ts";
import { AnswerWriter } from "./answers.ts";
import { HttpError } from "./http-error.ts";
import { InputReader, type Rows } from "./inputs.ts";
import { LiveDrift } from "./live-drift.ts";
import { Buckets, FEATURES_MAX, LOGIT_EDGES } from "./metrics.ts";

const PROFILE_BYTES_MAX = 64 << 20;

/** Farthest that a logit counts in the sum of the histogram, or one would swallow all others. */
const LOGIT_MAX = 1e6;

/** What a model has answered so far. */
export interface ModelCounts {
  rows: number;
  positive: number;
  readonly logits: Buckets;
}

export class ServedModel {
  readonly model: Model;
  /** What clients call it: its name in the registry, or that of its run, or "raisin". */
  readonly name: string;
  readonly runId: string | null;
  readonly digest: string;
  readonly coreDigest: string;
  /** First 12 hex digits of the model digest: the version in V2 and in metrics. */
  readonly version: string;
  /** Value of x-raisin-model. */
  readonly header: string;
  readonly located: LocatedModel;
  readonly loadedMs: number;
  readonly inputs: InputReader;
  readonly answers: AnswerWriter;
  /** Null without a training profile. */
  readonly drift: LiveDrift | null;
  readonly sums: FeatureSums;
  readonly counts: ModelCounts = { rows: 0, positive: 0, logits: new Buckets(LOGIT_EDGES) };
  readonly featureLabels: readonly string[];
  readonly #scorer: Scorer;
  /** [d] one row of plain numbers, and the same as columns. */
  readonly #row: Float64Array;
  readonly #rowColumns: readonly Float64Array[];
  readonly #oneRow: Rows;

  /**
   * @param loadedMs now, in milliseconds since 1970
   * @throws Error saying what is damaged, or that the self-test failed: such a model must not serve
   */
  constructor(
    source: CoreSource,
    located: LocatedModel,
    options: { readonly windowRows: number; readonly loadedMs: number },
  ) {
    const { model, digest, run } = located;
    this.located = located;
    this.model = model;
    this.digest = digest;
    this.coreDigest = source.digest;
    this.version = digest.slice(0, 12);
    this.runId = run?.id ?? null;
    const { model: recorded } = run?.meta ?? {};
    this.name =
      located.name ?? (typeof recorded === "string" && recorded !== "" ? recorded : "raisin");
    this.header = `${this.runId ?? "none"};${digest}`;
    this.loadedMs = options.loadedMs;
    this.#scorer = new Scorer(source, model);
    const card = readJsonIfAny(located.cardPath);
    selfTest(this.#scorer, model, goldenByHand(model));
    if (card !== undefined) selfTest(this.#scorer, model, goldenOf(card, model, digest));
    this.inputs = new InputReader(model);
    this.answers = new AnswerWriter(model);
    this.drift = driftOfFile(located, options.windowRows);
    this.sums = new FeatureSums(model);
    this.featureLabels = model.featureNames.slice(0, FEATURES_MAX);
    this.#row = new Float64Array(model.w.length);
    this.#rowColumns = Array.from(model.w, () => new Float64Array(1));
    this.#oneRow = { n: 1, columns: this.#rowColumns };
  }

  /** Whether a client's name for a model means this one. */
  isCalled(name: string, version?: string): boolean {
    return (
      name === this.name &&
      (version === undefined || version === this.version || version === this.runId)
    );
  }

  get sliceRows(): number {
    return this.#scorer.sliceRows;
  }

  /**
   * What the model says of one object of features. The slice is the model's own: use it before the next call.
   *
   * @throws HttpError
   */
  predictObject(body: unknown, explain: boolean): Slice {
    if (!this.inputs.isPlain || typeof body !== "object" || body === null) {
      const rows = this.inputs.readObjects([body]);
      const slice = this.score(rows, 0, 1, explain);
      this.observe(rows, slice);
      return slice;
    }
    this.inputs.readPlainRow(body, this.#row);
    for (let j = 0; j < this.#row.length; j++) this.#rowColumns[j]![0] = this.#row[j]!;
    let slice: Slice;
    try {
      slice = this.#scorer.scoreRow(this.#row, explain);
    } catch (error) {
      throw this.#rangeError(error, this.#oneRow, 0, 1);
    }
    this.observe(this.#oneRow, slice);
    return slice;
  }

  /** What the model says of the rows [from, from + n); not counted yet. @throws HttpError */
  score(rows: Rows, from: number, n: number, explain: boolean): Slice {
    try {
      return this.#scorer.score(rows.columns, from, n, explain);
    } catch (error) {
      throw this.#rangeError(error, rows, from, n);
    }
  }

  /** Counts rows as answered, and moves the drift window on. */
  observe({ columns, n }: Rows, scores: Pick<Slice, "logits" | "probabilities">): void {
    const { logits, probabilities } = scores;
    const { counts } = this;
    counts.rows += n;
    for (let i = 0; i < n; i++) {
      counts.positive += this.answers.pred(probabilities[i]!);
      counts.logits.observe(Math.max(-LOGIT_MAX, Math.min(LOGIT_MAX, logits[i]!)));
    }
    this.sums.add(columns, n);
    this.drift?.push(columns, logits, probabilities, n);
  }

  /** Names the row and the feature that is farthest out. */
  #rangeError(error: unknown, { columns }: Rows, from: number, n: number): unknown {
    if (!(error instanceof ValueRangeError)) return error;
    const { mean, std, w, b, featureNames, spec } = this.model;
    for (let i = from; i < from + n; i++) {
      let logit = b;
      let worst = 0;
      let most = -1;
      for (let j = 0; j < w.length; j++) {
        const x = (valueAt(columns[j]!, i, mean[j]!) - mean[j]!) / std[j]!;
        logit += w[j]! * x;
        if (!(Math.abs(x) <= most)) {
          most = Number.isNaN(x) ? Number.POSITIVE_INFINITY : Math.abs(x);
          worst = j;
        }
      }
      if (Number.isFinite(logit)) continue;
      // A number's first feature bears its column's name.
      const name = featureNames[worst]!;
      const field = spec.columns.some((column) => column.name === name) ? name : undefined;
      return new HttpError(
        "out_of_range",
        `${columnLength(columns[0]!) === 1 ? "" : `Row ${i + 1}: `}the values are so far from the training data that the logit is not finite`,
        { ...(field && { field }), ...(columnLength(columns[0]!) > 1 && { row: i + 1 }) },
      );
    }
    return error;
  }
}

function driftOfFile(located: LocatedModel, windowRows: number): LiveDrift | null {
  const bytes = readFileIfAny(located.profilePath, PROFILE_BYTES_MAX);
  if (bytes === undefined) return null;
  const { spec, featureNames, w, b, mean, std } = located.model;
  const { columns, threshold } = spec;
  const profile = parseProfile(bytes, { featureNames, columns, mean, std });
  return new LiveDrift({ profile, columns, featureNames, w, b, mean, std, threshold }, windowRows);
}

function valueAt(column: Column, i: number, missing: number): number {
  if (column instanceof Float64Array) return column[i]!;
  if ("code" in column) return Number(column.codes[i] === column.code);
  const value = column.optional[i]!;
  return Number.isNaN(value) ? missing : value;
}
