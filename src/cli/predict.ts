// raisin predict: the input's columns, and behind them what the model says of each row.
import { Core } from "../core/core.ts";
import { loadCore } from "../core/node.ts";
import { CsvError } from "../data/csv-error.ts";
import { formatRecord, TextReader } from "../data/csv-text.ts";
import { forEachChunk } from "../data/files.ts";
import { FileWriter } from "../miniflow/store.ts";
import type { Model } from "../model/model.ts";
import {
  type ColumnParts,
  type Predictions,
  partsOf,
  predictColumns,
  sumParts,
} from "../model/predict.ts";
import { EXIT, UsageError } from "./exit.ts";
import { chooseModel, type ModelFlags, type ReadFlags, readForModel } from "./model-source.ts";
import { outFile } from "./paths.ts";

export interface PredictFlags extends ModelFlags, ReadFlags {
  readonly data: string;
  readonly explain?: boolean;
  readonly prefix: string;
  readonly out?: string;
  readonly quiet?: boolean;
}

export async function runPredict(flags: PredictFlags, signal: AbortSignal): Promise<number> {
  const chosen = chooseModel(flags);
  const { model, origin } = chosen;
  const out = flags.out === undefined ? undefined : outFile(flags.out);
  // The numbers are read and checked first, all of them, so that a bad row is told before anything is written.
  const { table, columns, unseen } = await readForModel(
    flags.data,
    chosen,
    { label: null },
    flags,
    signal,
  );
  const added = addedColumns(model, flags);
  const header = new Set(table.header);
  const taken = added.filter((name, k) => header.has(name) || added.indexOf(name) < k);
  if (taken.length > 0) {
    throw new UsageError(
      `The input already has a column ${taken.map((name) => `"${name}"`).join(", ")}: put something before the names that are added, with --prefix`,
    );
  }
  const { dialect } = table;
  const sums = flags.explain ? summedParts(model) : [];
  const said = predictColumns(new Core(loadCore()), model, columns, {
    explain: flags.explain === true,
  });
  const sink = out === undefined ? standardOutput() : new FileWriter(out);
  try {
    await sink.write(formatRecord([...table.header, ...added], dialect));
    const reader = new TextReader(dialect);
    let row = -1; // the header
    const take = async (chunk: Uint8Array, isLast: boolean) => {
      let text = "";
      for (const record of reader.push(chunk, isLast)) {
        if (row >= 0) text += formatRecord([...record, ...cells(said, model, sums, row)], dialect);
        row++;
      }
      if (row > table.rowCount) throw new CsvError(`${flags.data} has changed while it was read`);
      if (text !== "") await sink.write(text);
    };
    await forEachChunk(flags.data, signal, (chunk) => take(chunk, false));
    await take(new Uint8Array(0), true);
    if (row !== table.rowCount) throw new CsvError(`${flags.data} has changed while it was read`);
    sink.commit();
  } catch (error) {
    sink.abandon();
    throw error;
  }
  if (!flags.quiet) {
    const guesses = table.dialectGuesses.map((guess) => `guess: ${guess}\n`).join("");
    const base =
      unseen === 0
        ? ""
        : `; ${unseen} cells of levels that it has not learned were taken as the base`;
    process.stderr.write(`${guesses}${table.rowCount} rows scored by ${origin}${base}\n`);
  }
  return EXIT.ok;
}

function addedColumns(model: Model, flags: PredictFlags): string[] {
  const contributions = flags.explain
    ? [
        ...model.featureNames.map((name) => `contrib_${name}`),
        ...summedParts(model).map(({ name }) => `contrib_${name} (sum)`),
      ]
    : [];
  return ["pred", "label", "p_class1", ...contributions].map((name) => flags.prefix + name);
}

/** Input columns of several features: their parts are added up, too. */
function summedParts(model: Model): ColumnParts[] {
  return partsOf(model.spec).filter(({ from, to }) => to - from > 1);
}

function cells(
  said: Predictions,
  model: Model,
  sums: readonly ColumnParts[],
  row: number,
): (string | number)[] {
  const pred = said.pred[row]!;
  const d = model.featureNames.length;
  const contributions = said.contributions?.subarray(row * d, (row + 1) * d) ?? [];
  return [
    pred,
    model.spec.classes[pred]!,
    said.probabilities[row]!,
    ...contributions,
    ...sums.map((parts) => sumParts(contributions, parts)),
  ];
}

interface Sink {
  write(text: string): void | Promise<void>;
  commit(): void;
  abandon(): void;
}

function standardOutput(): Sink {
  return {
    write: (text) =>
      new Promise((done, fail) => {
        process.stdout.write(text, (error) => (error ? fail(error) : done()));
      }),
    commit() {},
    abandon() {},
  };
}
