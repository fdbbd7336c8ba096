// raisin evaluate: how a trained model does on new labelled rows, recorded as a run.
import { Core } from "../core/core.ts";
import { loadCore } from "../core/node.ts";
import type { Input } from "../data/encoding.ts";
import { toFileDataset } from "../data/files.ts";
import { readEnvironment } from "../miniflow/environment.ts";
import { evaluationOf } from "../model/metrics.ts";
import { scoreColumns } from "../model/predict.ts";
import { describeDataset, recordEvaluation } from "../recording/record.ts";
import { figure, plain, table as tableOf } from "./charts.ts";
import { EXIT } from "./exit.ts";
import { chooseModel, type ModelFlags, type ReadFlags, readForModel } from "./model-source.ts";
import { checkNames, type OutputFlags } from "./options.ts";

export interface EvaluateFlags extends ModelFlags, OutputFlags, ReadFlags {
  readonly data: string;
  readonly experiment?: string;
  readonly weight?: string;
}

export async function runEvaluate(flags: EvaluateFlags, signal: AbortSignal): Promise<number> {
  checkNames(flags);
  const environment = readEnvironment();
  const chosen = chooseModel(flags);
  const { model, origin, run, name } = chosen;
  const { label, classes, threshold } = model.spec;
  const selection = { label, classes, ...(flags.weight !== undefined && { weight: flags.weight }) };
  const { table, inputs, columns, unseen } = await readForModel(
    flags.data,
    chosen,
    selection,
    flags,
    signal,
  );
  const dataset = toFileDataset(table, {
    label,
    classes,
    inputs: inFileOrder(inputs, table.header),
    ...(flags.weight !== undefined && { weight: flags.weight }),
  });
  const source = loadCore();
  const values = dataset.weights?.values;
  const { score, weight } = scoreColumns(new Core(source), model, columns, dataset.y, {
    ...(values && { weights: values }),
  });
  const weighing = values && { values, total: weight };
  const evaluation = evaluationOf(score, dataset.y, threshold, weighing);
  const { metrics } = evaluation;
  const { digest } = chosen;
  const experiment = flags.experiment ?? run?.experiment ?? dataset.name.trim();
  // A file may be called what no experiment can.
  checkNames({ experiment });
  const recorded = await recordEvaluation(source, dataset, {
    store: flags.store,
    experiment,
    model: name,
    modelDigest: digest,
    modelRun: run?.id ?? null,
    evaluation,
    environment,
    signal,
  });
  if (flags.json) {
    const answer = {
      run_id: recorded.runId,
      run_dir: recorded.directory,
      model_digest: digest,
      model_run: run?.id ?? null,
      core_digest: source.digest,
      dataset: describeDataset(dataset),
      weight: flags.weight ?? null,
      unseen_cells: unseen,
      metrics,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  } else if (!flags.quiet) {
    const { confusion, rows, ...figures } = metrics;
    const { tn, fp, fn, tp } = confusion;
    const lines = [
      `model     ${plain(origin)}`,
      `          digest ${digest}`,
      `dataset   ${plain(dataset.name)}: ${rows} rows`,
      `          content ${dataset.contentDigest}`,
      ...unseenLines(unseen),
      "",
      ...tableOf(Object.entries(figures).map(([key, value]) => [key, figure(value)])),
      "",
      ...tableOf([
        ["", `predicted ${plain(classes[0])}`, `predicted ${plain(classes[1])}`],
        [plain(classes[0]), String(tn), String(fp)],
        [plain(classes[1]), String(fn), String(tp)],
      ]),
      "",
      `run       ${plain(recorded.directory)}`,
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }
  return EXIT.ok;
}

function unseenLines(unseen: number): string[] {
  return unseen === 0
    ? []
    : [`unseen    ${unseen} cells of levels that the model has not learned, taken as the base`];
}

/** A row digest goes by the file's columns, not by the model's. */
function inFileOrder(inputs: readonly Input[], header: readonly string[]): Input[] {
  const place = new Map(header.map((name, j) => [name, j]));
  return [...inputs].sort((a, b) => place.get(a.column.name)! - place.get(b.column.name)!);
}
