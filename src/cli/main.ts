#!/usr/bin/env node
// The command `raisin`: flags become calls, errors become exit codes.
import { Command, CommanderError, Option } from "commander";
import { RAISIN_URL } from "../data/bundled.ts";
import { packageVersion } from "../recording/version.ts";
import { DEFAULT_PARAMS } from "../training/params.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { namesFlag, numberFlag, pathFlag, typedWords, urlFlag } from "./options.ts";

const interruption = new AbortController();
let exitCode: number = EXIT.ok;

/** Runs a command's work and keeps its exit code. Commands are imported when they are used. */
function run(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  return work(interruption.signal).then((code) => {
    exitCode = code;
  });
}

const store = () =>
  new Option("--store <dir>", "where runs and the registry are kept")
    .argParser(pathFlag)
    .default("miniflow");
const modelFile = () =>
  new Option("--model-file <path>", "a model.npz, or a directory that holds one").argParser(
    pathFlag,
  );
const modelName = () =>
  new Option("--model <name>", "which production model, where the registry has several");
const json = () => new Option("--json", "print one JSON object, nothing else, on stdout");
const quiet = () => new Option("--quiet", "print no progress and no summary");

function createProgram(): Command {
  const program = new Command("raisin")
    .description("Binary classification you can prove: train, predict, evaluate, verify.")
    .version(packageVersion(), "--version")
    .helpCommand("help [command]", "show what a command takes")
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  raisin train                                     the bundled simulated raisins
  raisin train --data wine.csv --label quality     your own table
  raisin predict --data new.csv --explain          the production model's word on each row
  raisin verify 0123456789ab                       derive a run again, to the last bit

Exit codes: 0 ok, 1 failure, 2 usage, 3 not reproduced, 5 data invalid, 130 interrupted`,
    );

  program
    .command("train")
    .description("train a logistic regression on a CSV, record the run, promote it if it is better")
    .option(
      "--data <file>",
      "CSV with a header; by default the bundled simulated raisins",
      pathFlag,
    )
    .option("--label <column>", "the column that holds the class", "Class")
    .option("--positive <label>", "which label is class 1; by default the one that sorts last")
    .option("--features <a,b,…>", "the feature columns; by default all others", namesFlag)
    .option("--drop <a,b,…>", "columns to leave out", namesFlag)
    .option("--lr <number>", "step size", numberFlag("lr"), DEFAULT_PARAMS.lr)
    .option(
      "--iterations <count>",
      "steps of gradient descent",
      numberFlag("iterations"),
      DEFAULT_PARAMS.iterations,
    )
    .option("--l2 <number>", "weight of the L2 penalty", numberFlag("l2"), DEFAULT_PARAMS.l2)
    .option(
      "--val-fraction <share>",
      "share of rows that validate; 0 trains on all",
      numberFlag("valFraction"),
      DEFAULT_PARAMS.valFraction,
    )
    .option("--seed <number>", "chooses the split", numberFlag("seed"), DEFAULT_PARAMS.seed)
    .option(
      "--log-every <count>",
      "steps between logged metrics",
      numberFlag("logEvery"),
      DEFAULT_PARAMS.logEvery,
    )
    .option(
      "--threshold <p>",
      "a row is positive from this probability on",
      numberFlag("threshold"),
      DEFAULT_PARAMS.threshold,
    )
    .option("--experiment <name>", "what the run belongs to; by default raisin, or the file's name")
    .option("--model <name>", "name in the registry; by default raisin_logreg, or the file's name")
    .addOption(store())
    .option("--out <file>", "where to leave the model", pathFlag, "model.npz")
    .addOption(
      new Option("--promote-on <metric>", "what must be strictly better")
        .choices(["val_accuracy", "val_loss"])
        .default("val_accuracy"),
    )
    .option("--no-promote", "leave the production model alone")
    .addOption(json())
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin train --iterations 20000 --lr 0.5
  raisin train --data churn.csv --label churn --drop customer_id --json`,
    )
    .action((flags, command: Command) =>
      run(async (signal) => {
        const rest = typedWords(command, ["data", "label", "positive", "features", "drop"]);
        return (await import("./train.ts")).runTrain(flags, signal, rest);
      }),
    );

  program
    .command("predict")
    .description("add pred, label and p_class1 to the rows of a CSV")
    .requiredOption("--data <file>", "CSV with the model's columns; others pass through", pathFlag)
    .addOption(modelFile())
    .addOption(modelName())
    .option("--explain", "also add contrib_<feature>: what each feature adds to the logit")
    .option("--prefix <text>", "put this before the names of added columns", "")
    .addOption(store())
    .option("--out <file>", "where to write; by default stdout", pathFlag)
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin predict --data new.csv --out scored.csv
  raisin predict --data new.csv --model-file model.npz --explain --prefix raisin_`,
    )
    .action((flags) =>
      run(async (signal) => (await import("./predict.ts")).runPredict(flags, signal)),
    );

  program
    .command("evaluate")
    .description("score a model on new labelled rows and record that as a run")
    .requiredOption("--data <file>", "CSV with the model's columns and the label", pathFlag)
    .addOption(modelFile())
    .addOption(modelName())
    .option("--experiment <name>", "what the run belongs to; by default the model's experiment")
    .addOption(store())
    .addOption(json())
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin evaluate --data labelled.csv
  raisin evaluate --data labelled.csv --model-file model.npz --json`,
    )
    .action((flags) =>
      run(async (signal) => (await import("./evaluate.ts")).runEvaluate(flags, signal)),
    );

  program
    .command("verify <run>")
    .description("train a recorded run again and compare every byte and every metric")
    .option("--data <file>", "the data, if it is no longer where the run found it", pathFlag)
    .addOption(store())
    .addOption(json())
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin verify 0123456789ab
  raisin verify miniflow/experiments/raisin/runs/0123456789ab --data moved.csv`,
    )
    .action((id, flags) =>
      run(async (signal) => (await import("./verify.ts")).runVerify(id, flags, signal)),
    );

  program
    .command("data")
    .description("fetch the real raisins from UCI, check them, write them as CSV")
    .option("--url <address>", "where the archive is", urlFlag, RAISIN_URL)
    .option("--out <file>", "where to write", pathFlag, "data/raisins.csv")
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin data
  raisin data --out raisins.csv && raisin train --data raisins.csv`,
    )
    .action((flags) => run(async (signal) => (await import("./data.ts")).runData(flags, signal)));

  return program;
}

function onInterrupt(): void {
  // A second one does not wait for the run to be closed.
  if (interruption.signal.aborted) process.exit(EXIT.interrupted);
  interruption.abort(new Error("interrupted"));
}

async function main(): Promise<number> {
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  process.on("SIGHUP", onInterrupt); // the terminal was closed
  // A reader that went away, such as `head`, is no failure of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCode);
    process.stderr.write(`error: Cannot write to standard output: ${error.code}\n`);
    process.exit(EXIT.failure);
  });
  try {
    await createProgram().parseAsync();
    return exitCode;
  } catch (error) {
    if (interruption.signal.aborted) {
      process.stderr.write("interrupted\n");
      return EXIT.interrupted;
    }
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    process.stderr.write(`error: ${(error as Error).message}\n`);
    return exitCodeOf(error);
  }
}

process.exitCode = await main();
