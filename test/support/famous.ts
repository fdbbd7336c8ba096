// What do the binary tables that everybody knows look like? Generated rows in their shape, with their difficulties.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, createRandom, type Outcome, outcomeOf } from "./cli.ts";

export interface FamousTable {
  readonly name: string;
  readonly label: string;
  /** The header and the rows, as lines. */
  readonly header: string;
  readonly rows: readonly string[];
  /** Input columns of the model that the command makes. */
  readonly columns: readonly string[];
  /** What is said of columns without being asked. */
  readonly guesses: readonly RegExp[];
  /** Words of the command that works; none where the plain one does. */
  readonly flags: readonly string[];
}

const ROWS = 240;

interface Dice {
  /** A number in [0, 1). */
  random(): number;
  whole(from: number, to: number): number;
  of<T>(items: readonly T[]): T;
  /** The first with a probability that grows with the score, else the second. */
  toss<T>(score: number, yes: T, no: T): T;
}

function diceOf(seed: number): Dice {
  const random = createRandom(seed);
  return {
    random,
    whole: (from, to) => from + Math.floor(random() * (to - from + 1)),
    of: (items) => items[Math.floor(random() * items.length)]!,
    toss: (score, yes, no) => (random() < 1 / (1 + Math.exp(-score)) ? yes : no),
  };
}

/** @param seed each table has its own, so that one can be changed alone */
function rowsOf(
  seed: number,
  make: (dice: Dice, i: number) => readonly (string | number)[],
  between = ",",
): string[] {
  const dice = diceOf(seed);
  return Array.from({ length: ROWS }, (_, i) => make(dice, i).join(between));
}

/** UCI adult, as people give it a header: a blank behind each comma, ? for what is not known. */
const ADULT: FamousTable = {
  name: "adult",
  label: "income",
  header:
    "age, workclass, fnlwgt, education, education-num, marital-status, occupation, sex, capital-gain, hours-per-week, native-country, income",
  rows: rowsOf(
    21,
    ({ whole, of, toss, random }) => {
      const years = whole(1, 16);
      return [
        whole(17, 90),
        random() < 0.1 ? "?" : of(["Private", "Self-emp-inc", "State-gov"]),
        whole(20000, 400000),
        years > 12 ? "Bachelors" : "HS-grad",
        years,
        of(["Never-married", "Married-civ-spouse", "Divorced"]),
        random() < 0.1 ? "?" : of(["Sales", "Tech-support", "Craft-repair"]),
        of(["Male", "Female"]),
        random() < 0.8 ? 0 : whole(1000, 9000),
        whole(20, 60),
        random() < 0.05 ? "?" : of(["United-States", "Mexico", "Cuba"]),
        toss(years / 3 - 4, ">50K", "<=50K"),
      ];
    },
    ", ",
  ),
  columns: [
    "age",
    " workclass",
    " fnlwgt",
    " education",
    " education-num",
    " marital-status",
    " occupation",
    " sex",
    " capital-gain",
    " hours-per-week",
    " native-country",
  ],
  guesses: [/" workclass" is a category of 3 levels/, /" sex" is a category of 2 levels/],
  flags: ["--label ' income'", "--missing indicator"],
};

/** UCI bank marketing: semicolons, quotes round every text, "unknown" as a level of its own. */
const BANK: FamousTable = {
  name: "bank",
  label: "y",
  header:
    '"age";"job";"marital";"default";"balance";"housing";"contact";"day";"month";"duration";"pdays";"poutcome";"y"',
  rows: rowsOf(
    22,
    ({ whole, of, toss }) => {
      const duration = whole(5, 1500);
      const text = (items: readonly string[]) => `"${of(items)}"`;
      return [
        whole(18, 90),
        text(["admin.", "blue-collar", "unknown", "self-employed"]),
        text(["married", "single", "divorced"]),
        text(["no", "no", "no", "yes"]),
        whole(-2000, 9000),
        text(["yes", "no"]),
        text(["cellular", "telephone", "unknown"]),
        whole(1, 31),
        text(["jan", "may", "oct"]),
        duration,
        of([-1, -1, 90, 180]),
        text(["unknown", "failure", "success"]),
        toss(duration / 300 - 3, '"yes"', '"no"'),
      ];
    },
    ";",
  ),
  columns: [
    "age",
    "job",
    "marital",
    "default",
    "balance",
    "housing",
    "contact",
    "day",
    "month",
    "duration",
    "pdays",
    "poutcome",
  ],
  guesses: [/separated by semicolon/, /"month" is a category/],
  flags: [],
};

/** Titanic: an identifier that counts, names with commas, gaps, tickets that are numbers or not, cabins. */
const TITANIC: FamousTable = {
  name: "titanic",
  label: "Survived",
  header: "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked",
  rows: rowsOf(23, ({ whole, of, toss, random }, i) => {
    const sex = of(["male", "female"]);
    return [
      i + 1,
      toss(sex === "female" ? 1.5 : -1.5, 1, 0),
      whole(1, 3),
      `"Brown${i}, ${sex === "male" ? "Mr." : "Mrs."} Ann ""${i}"""`,
      sex,
      random() < 0.2 ? "" : whole(1, 160) / 2,
      whole(0, 3),
      whole(0, 2),
      random() < 0.75
        ? whole(10000, 400000)
        : `${of(["PC", "A/5", "STON/O2."])} ${whole(1000, 30000)}`,
      whole(0, 50000) / 10000,
      random() < 0.75 ? "" : `${of(["A", "B", "C"])}${whole(1, 99)}`,
      random() < 0.02 ? "" : of(["S", "C", "Q"]),
    ];
  }),
  columns: ["Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"],
  guesses: [
    /"PassengerId" is left out/,
    /"Name" is left out/,
    /"Cabin" is left out/,
    /"Sex" is a category/,
  ],
  flags: ["--drop Ticket", "--missing indicator"],
};

/** Telco churn: an identifier of texts, yes and no, a number that is blank for those who just came. */
const TELCO: FamousTable = {
  name: "telco",
  label: "Churn",
  header:
    "customerID,gender,SeniorCitizen,Partner,tenure,PhoneService,InternetService,Contract,PaymentMethod,MonthlyCharges,TotalCharges,Churn",
  rows: rowsOf(24, ({ whole, of, toss, random }, i) => {
    const tenure = random() < 0.05 ? 0 : whole(1, 72);
    const monthly = whole(1800, 12000) / 100;
    return [
      `${1000 + ((i * 7919) % 9000)}-${of(["A", "B", "C"])}XYZ${i}`,
      of(["Male", "Female"]),
      of([0, 0, 0, 1]),
      of(["Yes", "No"]),
      tenure,
      of(["Yes", "No"]),
      of(["DSL", "Fiber optic", "No"]),
      of(["Month-to-month", "One year", "Two year"]),
      of(["Electronic check", "Mailed check", "Credit card (automatic)"]),
      monthly,
      tenure === 0 ? " " : (tenure * monthly).toFixed(2),
      toss(1 - tenure / 20, "Yes", "No"),
    ];
  }),
  columns: [
    "gender",
    "SeniorCitizen",
    "Partner",
    "tenure",
    "PhoneService",
    "InternetService",
    "Contract",
    "PaymentMethod",
    "MonthlyCharges",
    "TotalCharges",
  ],
  guesses: [/"customerID" is left out/, /"Partner" is a category of 2 levels/],
  flags: ["--missing indicator"],
};

/** German credit: codes for everything, labels 1 and 2. */
const GERMAN: FamousTable = {
  name: "german",
  label: "risk",
  header: "status,duration,history,purpose,amount,savings,rate,age,foreign,risk",
  rows: rowsOf(25, ({ whole, of, toss }) => {
    const duration = whole(4, 72);
    return [
      of(["A11", "A12", "A13", "A14"]),
      duration,
      of(["A30", "A32", "A34"]),
      of(["A40", "A41", "A410", "A42"]),
      whole(250, 18000),
      of(["A61", "A65"]),
      whole(1, 4),
      whole(19, 75),
      of(["A201", "A202"]),
      toss(duration / 15 - 3, 2, 1),
    ];
  }),
  columns: [
    "status",
    "duration",
    "history",
    "purpose",
    "amount",
    "savings",
    "rate",
    "age",
    "foreign",
  ],
  guesses: [/"status" is a category of 4 levels, base "A11", 3 features/],
  flags: [],
};

/** Mushroom: letters only, one column that is always the same, ? for what is not known. */
const MUSHROOM: FamousTable = {
  name: "mushroom",
  label: "class",
  header: "class,cap-shape,cap-color,bruises,odor,gill-size,veil-type,stalk-root,ring-number",
  rows: rowsOf(26, ({ of, toss, random }) => {
    const odor = of(["a", "n", "f", "l"]);
    return [
      toss(odor === "f" ? 3 : -2, "p", "e"),
      of(["x", "b", "s", "f"]),
      of(["n", "y", "w"]),
      of(["t", "f"]),
      odor,
      of(["n", "b"]),
      "p",
      random() < 0.3 ? "?" : of(["e", "c", "b"]),
      of(["o", "t", "n"]),
    ];
  }),
  columns: ["cap-shape", "cap-color", "bruises", "odor", "gill-size", "stalk-root", "ring-number"],
  guesses: [/"veil-type" is left out/, /"bruises" is a category of 2 levels, base "f", 1 feature/],
  flags: ["--missing indicator"],
};

/** Iris: three classes. */
const IRIS: FamousTable = {
  name: "iris",
  label: "species",
  header: "sepal_length,sepal_width,petal_length,petal_width,species",
  rows: rowsOf(27, ({ whole, of }) => {
    const k = of([0, 1, 2]);
    return [
      (whole(43, 60) + 8 * k) / 10,
      whole(20, 44) / 10,
      (whole(10, 25) + 18 * k) / 10,
      (whole(1, 8) + 8 * k) / 10,
      ["setosa", "versicolor", "virginica"][k]!,
    ];
  }),
  columns: ["sepal_length", "sepal_width", "petal_length", "petal_width"],
  guesses: [],
  flags: ["--positive virginica", "--rest"],
};

export const FAMOUS: readonly FamousTable[] = [ADULT, BANK, TITANIC, TELCO, GERMAN, MUSHROOM, IRIS];

export function writeFamous(
  directory: string,
  { name, header, rows }: FamousTable,
  file = `${name}.csv`,
): string {
  writeFileSync(join(directory, file), `${[header, ...rows].join("\n")}\n`);
  return file;
}

/**
 * Runs a command line as a user would who copies it into a shell: its quotes are the shell's business.
 *
 * @param line begins with "raisin"
 */
export function shell(line: string, cwd: string): Promise<Outcome> {
  const bin = join(cwd, ".bin");
  // Once: a script that is being written cannot be run.
  if (!existsSync(bin)) {
    mkdirSync(bin);
    writeFileSync(join(bin, "raisin"), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
    chmodSync(join(bin, "raisin"), 0o755);
  }
  const child = spawn("/bin/sh", ["-c", line], {
    cwd,
    env: { PATH: `${bin}:${process.env.PATH ?? ""}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return outcomeOf(child);
}

/** The command that an error prints as one that would work; undefined when it prints none. */
export function commandIn(stderr: string): string | undefined {
  return /^This would work:\n {2}(raisin train .*(?:\n(?!\s*$).*)*)$/m.exec(stderr)?.[1];
}
