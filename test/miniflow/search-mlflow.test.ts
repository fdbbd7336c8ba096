// Do our filters and orders find the same runs in the same order as MLflow's own code, and refuse what it refuses?
//
// RAISIN_MLFLOW_PYTHON names a Python that has MLflow. Where ours differs on purpose (src/miniflow/search.ts says why) the
// cases are left out:
// - more is taken: attributes of ours, lists for other attributes than run_id, several orders in one text, other names of
//   run_name in an order, exponents with a plus, and keys without quotes that SQL does not take;
// - doubled quotes stand for one, a backslash for itself, % and _ for line ends as well;
// - one AND stands between two comparisons, where MLflow takes none, several, or one at either end;
// - blanks are an empty filter, where MLflow takes nothing but "".
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  parseFilter,
  parseOrderBy,
  type Searchable,
  SearchError,
} from "../../src/miniflow/search.ts";
import { createRandom, ROOT } from "../support/cli.ts";

const python = process.env.RAISIN_MLFLOW_PYTHON;
const random = createRandom(5);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const KEYS = ["loss", "auc", "val_loss", "order", "and", "odd key", "a.b", "x/y", "it's", "ä"];
const TEXTS = [
  "0.1",
  "Prod",
  "prod",
  "a_b",
  "50%",
  "",
  "x y",
  "ä",
  "ẞk\u{1F600}",
  "\uFFFD",
  "[a]*",
];
const PATTERNS = [
  ..."% P% %o% _rod a__ 5_% x %% %d %r%d Ä __k_ ßK% ßK_ _ [a]* .* %a% \u{1F600} %\u{1F600}".split(
    " ",
  ),
  "",
];
const STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"];
const NUMBERS = ["0", "-0.25", "0.5", "1e-1", "-5E-1", ".25", "1.", "1000", "1003.5", "2004"];

const record = <T>(value: () => T): Record<string, T> =>
  Object.fromEntries(KEYS.filter(() => random() < 0.5).map((key) => [key, value()]));

const RUNS = Array.from({ length: 60 }, (_, k) => ({
  id: (0x100000 + ((k * 48271) % 65537)).toString(16).padStart(12, "0"),
  name: pick(TEXTS),
  user: pick(TEXTS),
  status: pick(STATUSES),
  uri: random() < 0.2 ? null : `file:///${pick(TEXTS)}`,
  start: 1000 + below(8),
  end: random() < 0.2 ? null : 2000 + below(8),
  metrics: record(() => below(5) / 4 - 0.5),
  params: record(() => pick(TEXTS)),
  tags: record(() => pick(TEXTS)),
  datasets: Array.from({ length: below(3) }, () => ({
    name: pick(TEXTS),
    digest: pick(["aaa", "bbb"]),
    context: pick(["training", "test"]),
  })),
}));

function searchable(run: (typeof RUNS)[number]): Searchable {
  const attributes: Record<string, string | number | null> = {
    run_id: run.id,
    run_name: run.name,
    user_id: run.user,
    status: run.status,
    artifact_uri: run.uri,
    start_time: run.start,
    end_time: run.end,
  };
  const all = { metric: run.metrics, param: run.params, tag: run.tags, attribute: attributes };
  return { datasets: run.datasets, value: (entity, key) => all[entity][key] };
}

/** In lower, upper or mixed case, with one of the blanks that MLflow takes behind it. */
const word = (text: string) =>
  pick([text, text, text.toLowerCase(), text[0] + text.slice(1).toLowerCase()]);
const blank = () => pick([" ", " ", " ", "  ", "\n", "\t"]);
const around = (sign: string) => pick([` ${sign} `, ` ${sign} `, sign, `${sign} `, ` ${sign}`]);
const equals = () => pick([around("="), around("!="), ` ${word("LIKE")} `, ` ${word("ILIKE")} `]);
const compares = () => around(pick(["=", "!=", "<", "<=", ">", ">="]));

const keyText = (key: string) =>
  /^[a-zä_.]+$/.test(key) && random() < 0.7 ? key : pick([`"${key}"`, `\`${key}\``]);
const entityText = (...names: string[]) => {
  const name = pick(names);
  return random() < 0.1 ? `\`${name}\`` : name;
};
const metric = () => `${entityText("metrics", "metric")}.${keyText(pick(KEYS))}`;
const param = () =>
  `${entityText("params", "param", "parameters", "parameter")}.${keyText(pick(KEYS))}`;
const tag = () => `${entityText("tags", "tag")}.${keyText(pick(KEYS))}`;
const attribute = (name: string) =>
  `${pick(["attributes.", "attribute.", "attr.", "run.", ""])}${name.includes(" ") ? pick([`"${name}"`, `\`${name}\``]) : name}`;
const textValue = (text: string) => pick([`'${text}'`, `"${text}"`]);
const textOrPattern = () => textValue(pick(random() < 0.5 ? TEXTS : PATTERNS));
const list = (texts: readonly string[]) =>
  `(${texts.map(textValue).join(pick([",", ", ", " , "]))}${pick(["", "", ","])})`;
const inList = () => `${blank()}${pick([word("IN"), `${word("NOT")} ${word("IN")}`])}${blank()}`;

const MALFORMED = [
  "metrics.loss",
  "metrics.loss =",
  "metrics.loss = 'x'",
  "metrics.loss = x",
  "metrics.loss = nan",
  "metrics.loss = 0x1F",
  "metrics.loss = 1 2",
  "metrics.loss = +1 OR",
  "metrics.loss == 1",
  "metrics.loss <> 1",
  "metrics.loss LIKE 'x'",
  "metrics.loss IS NULL",
  "metrics.loss IN (1, 2)",
  "metrics.loss BETWEEN 1 AND 2",
  "metrics.loss < 1 OR metrics.auc < 1",
  "NOT metrics.loss < 1",
  "(metrics.loss < 1)",
  "metrics.loss < 1; metrics.auc < 1",
  "metrics.loss < 1;",
  "metrics.loss < 1 -- x",
  "metrics.loss < 1 AND x",
  "1 < metrics.loss",
  "params.auc = 0.5",
  "params.auc = x",
  "params.auc = `x`",
  "params.auc = 'x",
  "params.`auc = 'x'",
  "params.loss > '0'",
  "params.loss IN ('0')",
  "params.loss NOT LIKE '0'",
  "params.loss NOT NULL",
  "tags.loss <= '0'",
  "weights.loss = 1",
  "Metrics.loss = 1",
  "metrics .loss = 1",
  "loss < 1",
  "Status = 'x'",
  "'status' = 'x'",
  "status = FINISHED",
  "status > 'x'",
  "status IS NULL",
  "status IS NOT NULL",
  "start_time = 'x'",
  "start_time LIKE '1%'",
  "end_time IN (1)",
  "end_time IS NULL",
  "run_id IN ()",
  "run_id IN (,)",
  "run_id IN ('a',,)",
  "run_id IN (1)",
  "run_id IN (a)",
  "run_id IN 'a'",
  "run_id IN ('a'",
  "datasets.size = 'x'",
  "datasets.name = x",
  "datasets.name > 'x'",
  "datasets.name IS NULL",
  "datasets.name IN ()",
];

const MALFORMED_ORDERS = [
  "",
  "metrics.auc SIDEWAYS",
  "metrics.auc ASC DESC",
  "metrics.auc;",
  "metrics.`auc",
  "auc",
  "weights.auc",
  "Start_time",
  "DESC",
  "datasets.name",
  "1",
  "'status'",
];

function clause(): string {
  switch (below(11)) {
    case 0:
    case 1:
      return `${metric()}${compares()}${pick(NUMBERS)}`;
    case 2:
      return `${param()}${equals()}${textOrPattern()}`;
    case 3:
      return `${tag()}${equals()}${textOrPattern()}`;
    case 4:
      return `${pick([param, tag])()} ${word("IS")} ${word(pick(["NULL", "NOT NULL"]))}`;
    case 5:
      return `${attribute(pick(["run_name", "user_id", "run name", "Run name", "Run Name"]))}${equals()}${textOrPattern()}`;
    case 6:
      return `${attribute("status")}${equals()}${textValue(pick([...STATUSES, "F%", "f%"]))}`;
    case 7:
      return `${attribute(pick(["start_time", "end_time", "created", "Created"]))}${compares()}${pick(["1000", "1003", "1003.5", "2004", "-1"])}`;
    case 8:
      return `${attribute("run_id")}${inList()}${list(Array.from({ length: 1 + below(9) }, () => pick(RUNS).id))}`;
    case 9:
      return `${attribute("artifact_uri")}${equals()}${textValue(`file://${pick(["/", "/%", "/x y", "_%d"])}`)}`;
    default: {
      const [key, values] = pick([
        ["name", TEXTS],
        ["digest", ["aaa", "bbb", "ccc"]],
        ["context", ["training", "test", "T%"]],
      ] as const);
      const name = `${entityText("datasets", "dataset")}.${key}`;
      return random() < 0.4
        ? `${name}${inList()}${list(Array.from({ length: 1 + below(3) }, () => pick(values)))}`
        : `${name}${equals()}${textValue(pick(values))}`;
    }
  }
}

const and = () => `${blank()}${word("AND")}${blank()}`;

function filter(): string {
  const clauses = Array.from({ length: 1 + below(3) }, clause);
  if (random() < 0.2) clauses[below(clauses.length)] = pick(MALFORMED);
  return clauses.reduce((text, next) => text + and() + next);
}

function order(): string {
  if (random() < 0.08) return pick(MALFORMED_ORDERS);
  const attributes = "start_time end_time created Created status run_id run_name user_id".split(
    " ",
  );
  const what = pick([metric, metric, param, tag, () => attribute(pick(attributes))])();
  return what + pick(["", " ASC", " DESC", " desc", "  Asc", "\nDESC"]);
}

interface Case {
  readonly filter: string;
  readonly order: readonly string[];
}

type Answer = readonly [found: string[] | null, sorted: string[] | null];

const SEEN = RUNS.map((run) => ({ id: run.id, seen: searchable(run) }));

function unlessRefused(search: () => typeof SEEN): string[] | null {
  try {
    return search().map(({ id }) => id);
  } catch (error) {
    if (error instanceof SearchError) return null;
    throw error;
  }
}

function ours({ filter, order }: Case): Answer {
  const found = unlessRefused(() => {
    const matches = parseFilter(filter);
    return SEEN.filter(({ seen }) => matches(seen));
  });
  const sorted = unlessRefused(() => {
    const compare = parseOrderBy(order);
    return SEEN.toSorted((a, b) => compare(a.seen, b.seen));
  });
  return [found, sorted];
}

function mlflow(cases: readonly Case[]): Answer[] {
  const answer = execFileSync(python!, [join(ROOT, "test/python/search_mlflow.py")], {
    input: JSON.stringify({ runs: RUNS, cases }),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(answer) as Answer[];
}

/** Cases that were answered differently, with the beginning of both answers. */
function differences(theirs: readonly Answer[], which: 0 | 1) {
  return CASES.flatMap((one, k) => {
    const [mine, other] = [ours(one)[which], theirs[k]![which]];
    if (String(mine) === String(other) && (mine === null) === (other === null)) return [];
    return [{ ...one, ours: mine?.slice(0, 4), mlflow: other?.slice(0, 4) }];
  });
}

const CASES: readonly Case[] = [
  { filter: "", order: [] },
  ...MALFORMED.map((text) => ({ filter: text, order: [] })),
  ...MALFORMED_ORDERS.map((text) => ({ filter: "", order: [text] })),
  ...Array.from({ length: 1500 }, () => ({
    filter: filter(),
    order: Array.from({ length: below(4) }, order),
  })),
];

describe.skipIf(!python)(
  "MLflow (skipped unless RAISIN_MLFLOW_PYTHON names a Python that has it)",
  () => {
    let theirs: Answer[] = [];
    beforeAll(() => {
      theirs = mlflow(CASES);
    }, 120_000);

    test("finds the same runs in 1,500 searches, and refuses the same filters", () => {
      expect(differences(theirs, 0).slice(0, 3)).toEqual([]);
    });

    test("sorts them the same way in 1,500 orders, and refuses the same ones", () => {
      expect(differences(theirs, 1).slice(0, 3)).toEqual([]);
    });

    test("was asked for enough that can go wrong", () => {
      const found = theirs.map(([ids]) => ids?.length ?? -1);
      expect(found.filter((n) => n < 0).length).toBeGreaterThan(200);
      expect(found.filter((n) => n > 0 && n < RUNS.length).length).toBeGreaterThan(500);
      expect(theirs.filter(([, sorted]) => sorted === null).length).toBeGreaterThan(100);
      expect(new Set(theirs.map(([, sorted]) => String(sorted))).size).toBeGreaterThan(500);
      expect(MALFORMED.every((_, k) => theirs[k + 1]![0] === null)).toBe(true);
    });
  },
);
