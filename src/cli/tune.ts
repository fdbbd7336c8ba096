// raisin tune: searches a grid by cross-validation, shows the candidates, and trains the best one.
import { readFileSync } from "node:fs";
import { loadCore } from "../core/node.ts";
import { FoldError } from "../data/split.ts";
import { readEnvironment } from "../miniflow/environment.ts";
import { type RecordedTuning, recordTuning, tableOf, variedOf } from "../recording/tune.ts";
import { snakeName, type TrainingParams } from "../training/params.ts";
import {
  checkValues,
  type Grid,
  GridError,
  parseGrids,
  SELECTIONS,
  type Selection,
  spreadOf,
  TUNABLE,
  type Tunable,
} from "../training/tune.ts";
import { figure, table } from "./charts.ts";
import { UsageError } from "./exit.ts";
import { gateOf } from "./options.ts";
import { outFile } from "./paths.ts";
import { createMeter } from "./progress.ts";
import { namesOf, readDataset, type TrainFlags, tell, trainingJson } from "./train.ts";

/** Values of a grid as flags give them; the rest is what train takes. */
export type TuneFlags = Omit<TrainFlags, Tunable | "reuse" | "checkpointEvery"> & {
  readonly [K in Tunable]?: readonly TrainingParams[K][];
} & {
  readonly grid?: string;
  readonly folds: number;
  readonly select: Selection;
  readonly workers?: number;
};

const SHOWN_MAX = 20;

/** @param defaults what neither grid nor flags say @param rest the words that were typed besides those that choose data and columns */
export async function runTune(
  flags: TuneFlags,
  defaults: TrainingParams,
  signal: AbortSignal,
  rest: readonly string[],
): Promise<number> {
  const grids = gridsOf(flags);
  const out = outFile(flags.out);
  const environment = readEnvironment();
  const dataset = await readDataset(flags, signal, rest, "tune");
  const { valFraction, seed, logEvery, folds, select, workers } = flags;
  const how = { title: "tuning", quiet: flags.quiet === true, lines: false };
  const meter = await createMeter(1, how);
  let tuned: RecordedTuning;
  try {
    tuned = await recordTuning(loadCore(), dataset, {
      store: flags.store,
      ...namesOf(flags, dataset),
      gate: gateOf(flags),
      promote: flags.promote,
      params: { ...defaults, valFraction, seed, logEvery },
      environment,
      signal,
      grids,
      folds,
      select,
      ...(workers !== undefined && { workers }),
      onFits: (done, all, best) => {
        const text = best === null ? "" : `best ${select} ${best.toFixed(4)}`;
        meter.update(done / all, text);
      },
    });
  } catch (error) {
    if (error instanceof FoldError)
      throw new UsageError(folds > 2 ? `${error.message}; give fewer --folds` : error.message);
    if (error instanceof GridError)
      throw new UsageError(`Cannot search the grid: ${error.message}`);
    throw error;
  } finally {
    meter.end();
  }
  if (flags.json) {
    const { candidates, ...rest } = tableOf(tuned.candidates, tuned.ranking, { folds, select });
    const refit = trainingJson(tuned.refit, dataset);
    const answer = { run_id: tuned.runId, run_dir: tuned.directory, ...rest, candidates, refit };
    return tell(tuned.refit, dataset, flags, out, () => `${JSON.stringify(answer)}\n`);
  }
  return tell(tuned.refit, dataset, flags, out, (summary) =>
    [...candidateLines(tuned, select), "", summary].join("\n"),
  );
}

/** The grid of the flags or of the file. @throws UsageError naming the first thing that is wrong, before anything runs */
function gridsOf(flags: TuneFlags): Grid[] {
  const typed = Object.fromEntries(
    TUNABLE.flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]]])),
  ) as Grid;
  const path = flags.grid;
  if (path === undefined && Object.keys(typed).length === 0) {
    throw new UsageError("Name values to try, such as --lr 0.1,0.5 --l2 0,0.01, or a --grid file");
  }
  try {
    for (const key of Object.keys(typed) as Tunable[]) {
      checkValues(key, typed[key]!, flagOf(key));
    }
    if (path === undefined) return [typed];
    const text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
    return parseGrids(JSON.parse(text)).map((grid) => {
      const twice = (Object.keys(grid) as Tunable[]).find((key) => typed[key] !== undefined);
      if (twice !== undefined)
        throw new GridError(`${snakeName(twice)} is given by ${flagOf(twice)}, too`);
      return { ...typed, ...grid };
    });
  } catch (error) {
    const where = path === undefined ? "" : ` of ${path}`;
    throw new UsageError(`Cannot search the grid${where}: ${(error as Error).message}`);
  }
}

function flagOf(key: Tunable): string {
  return `--${snakeName(key).replaceAll("_", "-")}`;
}

function candidateLines(
  { candidates, ranking, runId }: RecordedTuning,
  select: Selection,
): string[] {
  const varied = variedOf(candidates.map(({ params }) => params));
  const cell = (metric: Selection, place: number) => {
    const candidate = candidates[place]!;
    const spread = spreadOf(candidate, metric);
    if (spread === null) return candidate.scores.includes(null) ? "diverged" : "–";
    return `${figure(spread.mean)} ± ${figure(spread.std)}`;
  };
  const metrics = [select, ...SELECTIONS.filter((metric) => metric !== select)].slice(0, 3);
  const head = ["rank", ...varied.map(snakeName), ...metrics, "run"];
  const rows = ranking
    .slice(0, SHOWN_MAX)
    .map((place, k) => [
      String(k + 1),
      ...varied.map((key) => String(candidates[place]!.params[key])),
      ...metrics.map((metric) => cell(metric, place)),
      candidates[place]!.runId,
    ]);
  const more = candidates.length - rows.length;
  return [
    `search    run ${runId}: ${candidates.length === 1 ? "1 candidate" : `${candidates.length} candidates`} in ${candidates[0]!.scores.length} folds of the training rows, by ${select}`,
    "",
    ...table([head, ...rows], 1),
    ...(more > 0 ? [`and ${more} more: artifacts/tuning.json has them all`] : []),
    "",
    "The best one, trained on all training rows:",
  ];
}
