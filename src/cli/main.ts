#!/usr/bin/env node
// The command `raisin`: flags become calls, errors become exit codes.
import { Command, CommanderError, Option } from "commander";
import { RAISIN_URL } from "../data/bundled.ts";
import { MISSING_TOKENS } from "../data/column-types.ts";
import { DIALECT_WORDS } from "../data/dialect.ts";
import { defaultStore } from "../miniflow/names.ts";
import { packageVersion } from "../miniflow/version.ts";
import { DRIFT_DEFAULTS } from "../monitoring/drift-defaults.ts";
import { DEFAULT_PARAMS } from "../training/params.ts";
import { COLUMN_FLAGS } from "./column-flags.ts";
import { EXIT, exitCodeOf, UsageError } from "./exit.ts";
import {
  ageFlag,
  classWeightsFlag,
  countFlag,
  dialectFlag,
  digestFlag,
  hostsFlag,
  lineFlag,
  listFlag,
  namesFlag,
  numberFlag,
  numbersFlag,
  pathFlag,
  portFlag,
  probabilityFlag,
  scoreFlag,
  secondsFlag,
  timeLimitFlag,
  tokensFlag,
  typedWords,
  urlFlag,
  wholeFlag,
} from "./options.ts";

const interruption = new AbortController();
let exitCode: number = EXIT.ok;

/** Runs a command's work and keeps its exit code. Commands are imported when they are used. */
function run(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  return work(interruption.signal).then((code) => {
    exitCode = code;
  });
}

const store = () =>
  new Option(
    "--store <dir>",
    "where runs and the registry are kept; the variable RAISIN_STORE names another default",
  )
    .argParser(pathFlag)
    .default(defaultStore());
const modelFile = () =>
  new Option("--model-file <path>", "a model.npz, or a directory that holds one").argParser(
    pathFlag,
  );
const modelName = () =>
  new Option("--model <name>", "which production model, where the registry has several");
const json = () => new Option("--json", "print one JSON object, nothing else, on stdout");
const quiet = () => new Option("--quiet", "print no progress and no summary");

const markdown = () => new Option("--md", "print Markdown, for a pull request");
const why = () => new Option("--why <text>", "a reason for the record").argParser(lineFlag);
const by = () =>
  new Option("--by <name>", "who decided; by default the account that runs this").argParser(
    lineFlag,
  );

/** What a run must reach to replace the production model. */
const gateOptions = () => [
  new Option("--promote-on <metric>", "what must be strictly better")
    .choices(["val_accuracy", "val_loss"])
    .default("val_accuracy"),
  new Option("--min-gain <number>", "by how much at least, in the metric's unit").argParser(
    scoreFlag,
  ),
  new Option(
    "--significance <p>",
    "how likely chance may be to give such a difference, by a paired test on the same rows",
  ).argParser(probabilityFlag),
];

/** Which runs a table shows, and how. */
const listOptions = () => [
  new Option("--experiment <name>", "only runs of this experiment"),
  new Option(
    "--order-by <what>",
    'such as "metrics.val_loss ASC"; may be given several times; by default the newest first',
  ).argParser(listFlag),
  new Option("--limit <count>", "most runs to show; by default 100, and all with --json").argParser(
    countFlag,
  ),
  new Option(
    "--columns <a,b,…>",
    "what to show of each, such as metrics.val_loss,params.lr,tags.note",
  ).argParser(namesFlag),
  new Option("--deleted", "deleted runs instead"),
  store(),
  json(),
  markdown(),
];

/** How a table is written. */
const dialectOptions = () => [
  new Option(
    "--delimiter <mark>",
    "between fields: comma, semicolon, tab or pipe; by default the one that fits the first rows",
  ).argParser(dialectFlag("delimiter")),
  new Option(
    "--quote <mark>",
    "round fields: double, single or none; by default double, or single where the header has them",
  ).argParser(dialectFlag("quote")),
  new Option("--decimal <mark>", "before a fraction: point or comma; point by default").argParser(
    dialectFlag("decimal"),
  ),
  new Option(
    "--thousands <mark>",
    "between thousands: none, comma, point, space or apostrophe; none by default",
  ).argParser(dialectFlag("thousands")),
];

const missingTokens = (fallback: string) =>
  new Option(
    "--missing-tokens <a,b,…>",
    `texts that stand for a missing value, besides blank cells; by default ${fallback}`,
  ).argParser(tokensFlag);
const unseen = (fallback: string) =>
  new Option(
    "--unseen <what>",
    `what a level does that the model has not learned: error or base; by default ${fallback}`,
  ).choices(["error", "base"]);

/** What columns are and become. */
const columnOptions = () => [
  new Option("--drop <a,b,…>", "columns to leave out").argParser(namesFlag),
  new Option("--numeric <a,b,…>", "columns that are numbers, whatever they look like").argParser(
    namesFlag,
  ),
  new Option(
    "--categorical <a,b,…>",
    "columns that are categories, whatever they look like",
  ).argParser(namesFlag),
  new Option(
    "--types <file>",
    'JSON that says the same of many: {"zip": "categorical", "id": "drop"}, or what inspect --json prints',
  ).argParser(pathFlag),
  new Option(
    "--missing <what>",
    "missing cells: error, indicator (a number stands at its mean, and a feature says so) or drop (their rows); error by default",
  ).choices(["error", "indicator", "drop"]),
  missingTokens(MISSING_TOKENS.join(",")),
  new Option(
    "--max-levels <count>",
    'levels that a category keeps, the most frequent ones; the others become "other"',
  ).argParser(countFlag),
  new Option(
    "--base <level>",
    "the level without a feature: first (by code point) or most-frequent; first by default",
  ).choices(["first", "most-frequent"]),
  unseen("error"),
  ...dialectOptions(),
];

/** Which table, and what its columns are. */
const tableOptions = () => [
  new Option(
    "--data <file>",
    "CSV with a header; by default the bundled simulated raisins",
  ).argParser(pathFlag),
  new Option("--label <column>", "the column that holds the class").default("Class"),
  new Option("--positive <label>", "which label is class 1; by default the one that sorts last"),
  new Option("--rest", "set the positive label against all others, which become one class"),
  new Option("--features <a,b,…>", "the input columns; by default all others").argParser(namesFlag),
  ...columnOptions(),
  new Option("--weight <column>", "the column of row weights, numbers from 0"),
];

/** The split of a training, and where its run and model go. */
const trainingOptions = () => [
  new Option("--val-fraction <share>", "share of rows that validate; 0 trains on all")
    .argParser(numberFlag("valFraction"))
    .default(DEFAULT_PARAMS.valFraction),
  new Option("--seed <number>", "chooses the split")
    .argParser(numberFlag("seed"))
    .default(DEFAULT_PARAMS.seed),
  new Option("--log-every <count>", "steps between logged metrics")
    .argParser(numberFlag("logEvery"))
    .default(DEFAULT_PARAMS.logEvery),
  new Option(
    "--experiment <name>",
    "what the run belongs to; by default raisin, or the file's name",
  ),
  new Option(
    "--model <name>",
    "name in the registry; by default raisin_logreg, or the file's name",
  ),
  store(),
  new Option("--out <file>", "where to leave the model").argParser(pathFlag).default("model.npz"),
  new Option("--no-promote", "leave the production model alone"),
];

function addOptions(command: Command, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}

function createProgram(): Command {
  const program = new Command("raisin")
    .description(
      "Binary classification you can prove: inspect, train, predict, evaluate, verify, drift, serve, and every run on record.",
    )
    .version(packageVersion(), "--version")
    .helpCommand("help [command]", "show what a command takes")
    .exitOverride()
    .hook("preAction", (_, command) => {
      // Commander makes "" of the null that stands for no mark at all, as in --quote none.
      for (const key of Object.keys(DIALECT_WORDS)) {
        if (command.getOptionValue(key) === "") command.setOptionValueWithSource(key, null, "cli");
      }
    })
    .addHelpText(
      "after",
      `
Examples:
  raisin train                                     the bundled simulated raisins
  raisin inspect churn.csv                         what is in a table, and how to train on it
  raisin train --data churn.csv --label churn      your own table
  raisin tune --lr 0.1,0.5 --l2 0,0.01             the best of a grid, by cross-validation
  raisin predict --data new.csv --explain          the production model's word on each row
  raisin verify 0123456789ab                       derive a run again, to the last bit
  raisin seal 0123456789ab                         the same for others: one file, offline, in any browser
  raisin drift --data today.csv                    are the rows of today like those of training?
  raisin serve                                     the production model over HTTP
  raisin runs list                                 what was trained here
  raisin models history                            what was in production when, and why

Exit codes: 0 ok, 1 failure, 2 usage, 3 not reproduced, or not promoted by models promote, 4 drift (with --fail), 5 data invalid, 130 interrupted`,
    );

  addOptions(program.command("inspect <file>"), [
    new Option("--label <column>", "the column that holds the class; by default a likely one"),
    ...columnOptions(),
    json(),
  ])
    .description("say what each column of a table is, and which command trains on it")
    .addHelpText(
      "after",
      `
Examples:
  raisin inspect churn.csv
  raisin inspect churn.csv --json > types.json && raisin train --data churn.csv --types types.json`,
    )
    .action((path: string, flags) =>
      run(async (signal) =>
        (await import("./inspect.ts")).runInspect(pathFlag(path), flags, signal),
      ),
    );

  const train = program
    .command("train")
    .description(
      "train a logistic regression on a CSV, record the run, promote it if it is better",
    );
  addOptions(train, tableOptions())
    .addOption(
      new Option("--class-weight <how>", "balanced: both classes count as much in all")
        .choices(["none", "balanced"])
        .default("none"),
    )
    .option("--lr <number>", "step size", numberFlag("lr"), DEFAULT_PARAMS.lr)
    .option(
      "--iterations <count>",
      "steps of gradient descent",
      numberFlag("iterations"),
      DEFAULT_PARAMS.iterations,
    )
    .option("--l2 <number>", "weight of the L2 penalty", numberFlag("l2"), DEFAULT_PARAMS.l2)
    .option(
      "--threshold <p>",
      "a row is positive from this probability on",
      numberFlag("threshold"),
      DEFAULT_PARAMS.threshold,
    )
    .option(
      "--reuse",
      "when a run with the same data, parameters and core exists, give its model and train nothing",
    )
    .option(
      "--checkpoint-every <count>",
      "steps between checkpoints; by default some seconds of work",
      numberFlag("iterations"),
    )
    .option(
      "--resume <run>",
      "go on with a training that was killed, from its last checkpoint; everything else is as it was told then",
    );
  addOptions(train, [...trainingOptions(), ...gateOptions(), json(), quiet()])
    .addHelpText(
      "after",
      `
Examples:
  raisin train --iterations 20000 --lr 0.5
  raisin train --data churn.csv --label churn --missing indicator --json
  raisin train --data iris.csv --label species --positive setosa --rest
  raisin train --resume 0123456789ab`,
    )
    .action((flags, command: Command) =>
      run(async (signal) => {
        if (flags.resume !== undefined) {
          const { RESUME_FLAGS, runResume } = await import("./train.ts");
          const [idle] = typedWords(command, RESUME_FLAGS);
          if (idle !== undefined) {
            throw new UsageError(
              `Cannot use ${idle} with --resume: a training goes on as it was begun`,
            );
          }
          return runResume(flags.resume, flags, signal);
        }
        const rest = typedWords(command, ["data", ...COLUMN_FLAGS]);
        return (await import("./train.ts")).runTrain(flags, signal, rest);
      }),
    );

  const tune = program
    .command("tune")
    .description(
      "try the values of a grid by cross-validation on the training rows, and train the best on all of them",
    );
  addOptions(tune, tableOptions())
    .option("--lr <a,b,…>", "step sizes to try", numbersFlag("lr"))
    .option("--iterations <a,b,…>", "numbers of steps to try", numbersFlag("iterations"))
    .option("--l2 <a,b,…>", "weights of the L2 penalty to try", numbersFlag("l2"))
    .option("--class-weight <a,b>", "none, balanced or both", classWeightsFlag)
    .option(
      "--threshold <a,b,…>",
      "probabilities to try, from which on a row is positive",
      numbersFlag("threshold"),
    )
    .option(
      "--grid <file>",
      'the grid as JSON: {"lr": [0.1, 0.5], "l2": [0, 0.01]}, or a list of such grids',
      pathFlag,
    )
    .option("--folds <count>", "parts of the training rows", wholeFlag(2, 100), 5)
    .addOption(
      new Option("--select <metric>", "what is best, on average over the folds")
        .choices(["val_loss", "val_accuracy", "val_roc_auc", "val_brier"])
        .default("val_loss"),
    )
    .option(
      "--workers <count>",
      "threads; by default one a processor; the result is the same for any number",
      wholeFlag(1, 256),
    );
  addOptions(tune, [...trainingOptions(), ...gateOptions(), json(), quiet()])
    .addHelpText(
      "after",
      `
What neither flags nor the file name has the value that train would take.

Examples:
  raisin tune --lr 0.05,0.1,0.5 --l2 0,0.01,0.1
  raisin tune --data churn.csv --label churn --grid grid.json --folds 10 --select val_roc_auc`,
    )
    .action((flags, command: Command) =>
      run(async (signal) => {
        const rest = typedWords(command, ["data", ...COLUMN_FLAGS]);
        return (await import("./tune.ts")).runTune(flags, DEFAULT_PARAMS, signal, rest);
      }),
    );

  addOptions(program.command("predict"), dialectOptions())
    .description("add pred, label and p_class1 to the rows of a CSV")
    .requiredOption("--data <file>", "CSV with the model's columns; others pass through", pathFlag)
    .addOption(modelFile())
    .addOption(modelName())
    .option(
      "--explain",
      'also add contrib_<feature>, what each feature adds to the logit, and "contrib_<column> (sum)" for columns of several features',
    )
    .addOption(unseen("what the model says"))
    .addOption(missingTokens("what the model says"))
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

  addOptions(program.command("evaluate"), dialectOptions())
    .description("score a model on new labelled rows and record that as a run")
    .requiredOption("--data <file>", "CSV with the model's columns and the label", pathFlag)
    .addOption(modelFile())
    .addOption(modelName())
    .option("--weight <column>", "the column of row weights, numbers from 0")
    .addOption(unseen("what the model says"))
    .addOption(missingTokens("what the model says"))
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
    .command("verify [run]")
    .description(
      "train a recorded or sealed run again, compare every byte and every metric, say where it first differs",
    )
    .option("--all", "every finished training of the store")
    .option(
      "--data <file>",
      "the data, if it is neither where the run found it nor in a data-dir",
      pathFlag,
    )
    .option(
      "--signer <key>",
      "who must have signed a sealed run: a public key in a PEM file, or its text, ed25519:…",
      pathFlag,
    )
    .option(
      "--time-limit <seconds>",
      "how long a core that no release had may train; by default ten times what it should take",
      timeLimitFlag,
    )
    .addOption(store())
    .addOption(json())
    .addOption(markdown())
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin verify 0123456789ab
  raisin verify miniflow/experiments/raisin/runs/0123456789ab --data moved.csv
  raisin verify proof.html --signer audit.pub.pem --data raisins.csv
  raisin data-dir add ~/data && raisin verify --all`,
    )
    .action((id, flags) =>
      run(async (signal) => (await import("./verify.ts")).runVerify(id, flags, signal)),
    );

  program
    .command("seal <run>")
    .description("put a run into one file that trains it again in any browser, offline, or in Node")
    .option(
      "--with-data",
      "the table as well, with all of its columns: whoever has the file can read it",
    )
    .option(
      "--data <file>",
      "the table, if it is neither where the run found it nor in a data-dir",
      pathFlag,
    )
    .option("--sign <key>", "an ed25519 private key in a PEM file", pathFlag)
    .option("--out <file>", "where to write", pathFlag, "proof.html")
    .addOption(store())
    .addOption(json())
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin seal 0123456789ab                         then open proof.html and drop the table on it
  openssl genpkey -algorithm ed25519 -out audit.pem && raisin seal 0123456789ab --sign audit.pem
  grep '^/\\*proof\\*/' proof.html > proof.mjs && node proof.mjs data.csv     the same without raisin`,
    )
    .action((id, flags) =>
      run(async (signal) => (await import("./seal.ts")).runSeal(id, flags, signal)),
    );

  const places = program
    .command("data-dir")
    .description("directories in which verify looks for the data of runs, by their content");
  addOptions(places.command("add <directory>"), [store(), json()])
    .description("look there, and below it, from now on")
    .action((path: string, flags) =>
      run(async () => (await import("./data-dir.ts")).runDataDirAdd(pathFlag(path), flags)),
    );
  addOptions(places.command("remove <directory>"), [store(), json()])
    .description("look there no longer")
    .action((path: string, flags) =>
      run(async () => (await import("./data-dir.ts")).runDataDirRemove(pathFlag(path), flags)),
    );
  addOptions(places.command("list"), [store(), json()])
    .description("the directories that were added")
    .action((flags) => run(async () => (await import("./data-dir.ts")).runDataDirList(flags)));

  addOptions(program.command("drift"), dialectOptions())
    .description("say how far new rows are from those that a model was trained on")
    .requiredOption("--data <file>", "CSV with the model's columns", pathFlag)
    .addOption(modelFile())
    .addOption(modelName())
    .addOption(unseen("what the model says"))
    .addOption(missingTokens("what the model says"))
    .addOption(store())
    .option(
      "--threshold <score>",
      "drift is a score above this, unless chance explains it",
      scoreFlag,
      DRIFT_DEFAULTS.threshold,
    )
    .addOption(json())
    .option("--md", "print Markdown, for a pull request")
    .option("--html <file>", "also write a page with a picture of each feature", pathFlag)
    .option("--fail", "exit with 4 on drift")
    .addOption(quiet())
    .addHelpText(
      "after",
      `
Examples:
  raisin drift --data today.csv
  raisin drift --data today.csv --html drift.html --fail`,
    )
    .action((flags) => run(async (signal) => (await import("./drift.ts")).runDrift(flags, signal)));

  program
    .command("serve")
    .description("answer predictions over HTTP, watch for drift, follow the registry")
    .option("--port <number>", "where to listen; 0 takes any free port", portFlag, 8000)
    .option("--host <address>", "which address to listen on", "127.0.0.1")
    .addOption(modelFile())
    .addOption(modelName())
    .addOption(store())
    .option(
      "--allowed-hosts <a,b,…>",
      "names besides localhost under which the server may be asked; always checked on loopback, elsewhere when given",
      hostsFlag,
    )
    .option("--window <rows>", "rows that the drift window holds", countFlag, 1000)
    .option(
      "--drain-seconds <number>",
      "how long to go on answering after SIGTERM, not ready, before the end",
      secondsFlag,
      5,
    )
    .option(
      "--keep-alive-seconds <number>",
      "how long an idle connection is kept; longer than a load balancer's in front",
      secondsFlag,
      5,
    )
    .addHelpText(
      "after",
      `
Examples:
  raisin serve
  raisin serve --model-file model.npz --port 8080
  curl localhost:8000/docs                         every route, in a browser`,
    )
    .action((flags) =>
      run(async (signal) => (await import("../server/main.ts")).runServe(flags, signal)),
    );

  addRuns(program);
  addModels(program);

  addOptions(program.command("doctor"), [
    store(),
    new Option(
      "--anchor <sha256>",
      "a SHA-256 that this command printed earlier: the history must still hold it",
    ).argParser(digestFlag),
    json(),
    markdown(),
  ])
    .description("check every run and the registry's history; change nothing")
    .addHelpText(
      "after",
      `
Examples:
  raisin doctor
  raisin doctor --json | jq .head_sha256           note it elsewhere: it proves the history up to here`,
    )
    .action((flags) => run(async () => (await import("./doctor.ts")).runDoctor(flags)));

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

function addRuns(program: Command): void {
  const runs = program
    .command("runs")
    .description("list, search, show, compare and delete recorded runs");

  addOptions(runs.command("list"), listOptions())
    .description("the runs of the store, the newest first")
    .addHelpText(
      "after",
      `
Examples:
  raisin runs list
  raisin runs list --order-by "metrics.val_loss ASC" --columns metrics.val_loss,params.lr --md`,
    )
    .action((flags) => run(async () => (await import("./runs.ts")).runList("", flags)));

  addOptions(runs.command("search <filter>"), listOptions())
    .description("the runs that a filter in MLflow's grammar lets through")
    .addHelpText(
      "after",
      `
Comparisons joined by AND: metrics.<key>, params.<key>, tags.<key>, datasets.name, .digest or .context, and attributes
(status, run_name, start_time, end_time, duration, experiment, model, kind, user_id, parent_run_id, run_id).

Examples:
  raisin runs search "metrics.val_accuracy > 0.85 and params.lr = '0.1'"
  raisin runs search "status = 'INTERRUPTED'"
  raisin runs search "datasets.name LIKE 'raisins%'" --order-by "metrics.val_loss ASC" --json`,
    )
    .action((filter, flags) => run(async () => (await import("./runs.ts")).runList(filter, flags)));

  addOptions(runs.command("show <run>"), [store(), json(), markdown()])
    .description("all of one run, with its curves")
    .action((id, flags) => run(async () => (await import("./runs.ts")).runShow(id, flags)));

  addOptions(runs.command("compare <runs...>"), [
    new Option("--all", "also what is the same"),
    store(),
    json(),
    markdown(),
  ])
    .description("what differs between runs")
    .action((ids, flags) => run(async () => (await import("./runs.ts")).runCompare(ids, flags)));

  addOptions(runs.command("delete <runs...>"), [store(), json()])
    .description("take runs out of lists and searches; `restore` brings them back")
    .action((ids, flags) => run(async () => (await import("./runs.ts")).runDelete(ids, flags)));

  addOptions(runs.command("restore <runs...>"), [store(), json()])
    .description("take a deletion back")
    .action((ids, flags) => run(async () => (await import("./runs.ts")).runRestore(ids, flags)));

  addOptions(runs.command("gc"), [
    new Option("--older-than <age>", "only runs deleted so long ago, such as 30d").argParser(
      ageFlag,
    ),
    new Option("--dry-run", "say what would go, and remove nothing"),
    store(),
    json(),
  ])
    .description("remove deleted runs for good, and what crashes have left")
    .action((flags) => run(async () => (await import("./runs.ts")).runGc(flags)));
}

function addModels(program: Command): void {
  const models = program
    .command("models")
    .description("what is in production and why; promote, roll back");

  addOptions(models.command("list"), [store(), json(), markdown()])
    .description("the production run of each model")
    .action((flags) => run(async () => (await import("./models.ts")).runModelsList(flags)));

  addOptions(models.command("show <model>"), [store(), json(), markdown()])
    .description("all versions of a model")
    .action((name, flags) =>
      run(async () => (await import("./models.ts")).runModelsShow(name, flags)),
    );

  addOptions(models.command("history [model]"), [store(), json(), markdown()])
    .description("every change: who, when, why, and the figures it was decided by")
    .action((name, flags) =>
      run(async () => (await import("./models.ts")).runModelsHistory(name, flags)),
    );

  addOptions(models.command("promote <run>"), [
    new Option("--model <name>", "name in the registry; by default the run's own"),
    new Option("--alias <name>", "another alias than production; given without a comparison"),
    new Option(
      "--data <file>",
      "labelled rows to compare on; by default the run's own validation rows",
    ).argParser(pathFlag),
    ...gateOptions(),
    new Option("--force", "whatever the figures say"),
    why(),
    by(),
    store(),
    json(),
  ])
    .description("put a recorded run into production, if it is better on the same rows")
    .addHelpText(
      "after",
      `
Examples:
  raisin models promote 0123456789ab --significance 0.05
  raisin models promote 0123456789ab --force --why "the one before it leaked labels" --by "Ann Lee"
  raisin models promote 0123456789ab --alias staging`,
    )
    .action((id, flags) =>
      run(async (signal) => (await import("./models.ts")).runPromote(id, flags, signal)),
    );

  addOptions(models.command("rollback <model>"), [
    new Option("--to <run>", "a run, or the number of a version; by default what was there before"),
    why(),
    by(),
    store(),
    json(),
  ])
    .description("put an earlier run back into production")
    .action((name, flags) =>
      run(async () => (await import("./models.ts")).runRollback(name, flags)),
    );
}

function onInterrupt(signal: NodeJS.Signals): void {
  // A second one does not wait for the run to be closed.
  if (interruption.signal.aborted) process.exit(EXIT.interrupted);
  interruption.abort(new Error("interrupted", { cause: signal }));
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
