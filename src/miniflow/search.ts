// MLflow's search grammar for runs: comparisons joined by AND, and orders.
//
// As `mlflow.search_runs` of MLflow 3.17 reads it, and a little more: keys need no quotes unless they hold blanks, quotes or
// operators, and a doubled quote within quotes stands for one. Facts: mlflow/utils/search_utils.py.

export type Entity = "metric" | "param" | "tag" | "attribute";

export interface SearchableDataset {
  readonly name: string;
  readonly digest: string;
  readonly context: string;
}

/** What a filter looks at. */
export interface Searchable {
  /** Undefined or null: the run has no such thing. Metrics and the numeric attributes are numbers, the others texts. */
  value(entity: Entity, key: string): string | number | null | undefined;
  readonly datasets: readonly SearchableDataset[];
}

/** A filter or an order that cannot be read. The message says where, and what was expected. */
export class SearchError extends Error {
  override readonly name: string = "SearchError";
}

/** Attributes that a filter can name. */
export const ATTRIBUTES: {
  readonly strings: readonly string[];
  readonly numbers: readonly string[];
} = {
  strings: [
    "run_id",
    "run_name",
    "status",
    "experiment",
    "model",
    "kind",
    "user_id",
    "parent_run_id",
    "artifact_uri",
  ],
  numbers: ["start_time", "end_time", "duration"],
};

const ALIASES: Readonly<Record<string, string>> = {
  created: "start_time",
  Created: "start_time",
  "run name": "run_name",
  "Run name": "run_name",
  "Run Name": "run_name",
};

const ENTITIES: Readonly<Record<string, Entity | "dataset">> = {
  metric: "metric",
  metrics: "metric",
  parameter: "param",
  parameters: "param",
  param: "param",
  params: "param",
  tag: "tag",
  tags: "tag",
  attribute: "attribute",
  attributes: "attribute",
  attr: "attribute",
  run: "attribute",
  dataset: "dataset",
  datasets: "dataset",
};

const DATASET_KEYS = ["name", "digest", "context"] as const;

const NUMBER_OPERATORS = ["=", "!=", ">", ">=", "<", "<="];
const TEXT_OPERATORS = ["=", "!=", "LIKE", "ILIKE"];
const LIST_OPERATORS = ["IN", "NOT IN"];
const NULL_OPERATORS = ["IS NULL", "IS NOT NULL"];

type Clause = (run: Searchable) => boolean;

interface Identifier {
  readonly entity: Entity | "dataset";
  readonly key: string;
  readonly isNumber: boolean;
}

/** Reads one text from left to right. */
class Reader {
  readonly #text: string;
  readonly #what: "filter" | "order";
  #at = 0;

  constructor(text: string, what: "filter" | "order") {
    this.#text = text;
    this.#what = what;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  skipBlanks(): this {
    this.take(/\s*/y);
    return this;
  }

  /** What a sticky expression matches here; undefined when it does not. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  /** @param expected what should stand here */
  fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 65);
    const found = rest === "" ? "its end" : quoted(rest);
    throw new SearchError(
      `Cannot read the ${this.#what} at character ${this.#at + 1}: expected ${expected}, found ${found}`,
    );
  }

  /** A text in quotes of one kind; a doubled quote stands for one. */
  takeQuoted(marks: string): string | undefined {
    const mark = this.#text[this.#at];
    if (mark === undefined || !marks.includes(mark)) return undefined;
    let text = "";
    for (let from = this.#at + 1; ; ) {
      const to = this.#text.indexOf(mark, from);
      if (to < 0) this.fail(`a closing ${mark}`);
      text += this.#text.slice(from, to);
      this.#at = to + 1;
      if (this.#text[to + 1] !== mark) return text;
      text += mark;
      from = to + 2;
    }
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text);
}

/** `metrics.loss`, `params."odd key"`, `status`. */
function takeIdentifier(reader: Reader): Identifier {
  const first = reader.takeQuoted('`"') ?? reader.take(/[^\s.'"`=<>!(),]+/y);
  if (first === undefined) {
    reader.fail("metrics.<key>, params.<key>, tags.<key>, datasets.<key> or an attribute");
  }
  if (reader.take(/\./y) === undefined) return identifierOf("attribute", first);
  const entity = Object.hasOwn(ENTITIES, first) ? ENTITIES[first] : undefined;
  if (entity === undefined) {
    throw new SearchError(
      `Cannot search by ${quoted(first)}: it must be metrics, params, tags, datasets or attributes, with a dot and a key behind it`,
    );
  }
  const key = reader.takeQuoted('`"') ?? reader.take(/[^\s'"`=<>!(),]+/y);
  if (key === undefined || key === "") reader.fail(`a key behind ${first}.`);
  return identifierOf(entity, key);
}

function identifierOf(entity: Entity | "dataset", name: string): Identifier {
  if (entity === "dataset") {
    if (!(DATASET_KEYS as readonly string[]).includes(name)) {
      throw new SearchError(
        `Cannot search datasets by ${quoted(name)}: it must be ${DATASET_KEYS.join(", ")}`,
      );
    }
    return { entity, key: name, isNumber: false };
  }
  if (entity !== "attribute") return { entity, key: name, isNumber: entity === "metric" };
  const key = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
  const isNumber = ATTRIBUTES.numbers.includes(key);
  if (!isNumber && !ATTRIBUTES.strings.includes(key)) {
    throw new SearchError(
      `There is no attribute ${quoted(name)}: known are ${[...ATTRIBUTES.strings, ...ATTRIBUTES.numbers].join(", ")}; metrics, params and tags are named with a dot, as in metrics.val_loss`,
    );
  }
  return { entity, key, isNumber };
}

/** Operators in upper case, with one blank within. */
function takeOperator(reader: Reader): string {
  const operator =
    reader.take(/>=|<=|!=|=|>|</y) ??
    reader.take(/(?:not\s+in|in|like|ilike|is\s+not\s+null|is\s+null)(?![\w.])/iy);
  if (operator === undefined) {
    reader.fail("an operator: =, !=, >, >=, <, <=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL");
  }
  return operator.toUpperCase().replace(/\s+/g, " ");
}

function operatorsFor({ entity, isNumber }: Identifier): readonly string[] {
  if (isNumber) return NUMBER_OPERATORS;
  if (entity === "param" || entity === "tag") return [...TEXT_OPERATORS, ...NULL_OPERATORS];
  // MLflow takes lists for run_id and datasets alone; here every attribute that is a text may be one of a list.
  return [...TEXT_OPERATORS, ...LIST_OPERATORS];
}

function takeNumber(reader: Reader, name: string): number {
  const text = reader.take(/[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.'"])/y);
  if (text === undefined) reader.fail(`a number without quotes, since ${name} is one`);
  return Number(text);
}

function takeText(reader: Reader, name: string): string {
  const text = reader.takeQuoted("'\"");
  if (text === undefined) reader.fail(`a text in quotes, as in ${name} = 'x'`);
  return text;
}

function takeList(reader: Reader, name: string): string[] {
  if (reader.take(/\(/y) === undefined) reader.fail(`a list, as in ${name} IN ('x', 'y')`);
  const texts: string[] = [];
  do texts.push(takeText(reader.skipBlanks(), name));
  while (reader.skipBlanks().take(/,/y) !== undefined);
  if (reader.take(/\)/y) === undefined) reader.fail("a comma or )");
  return texts;
}

const NUMBER_TESTS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
};

/** Whether a value fits; a value that is not there fits nothing. */
function takeTest(
  reader: Reader,
  operator: string,
  { isNumber }: Identifier,
  name: string,
): (value: unknown) => boolean {
  if (isNumber) {
    const test = NUMBER_TESTS[operator]!;
    const number = takeNumber(reader, name);
    return (value) => typeof value === "number" && test(value, number);
  }
  if (LIST_OPERATORS.includes(operator)) {
    const texts = new Set(takeList(reader, name));
    return (value) => typeof value === "string" && texts.has(value) === (operator === "IN");
  }
  const text = takeText(reader, name);
  switch (operator) {
    case "=":
      return (value) => value === text;
    case "!=":
      return (value) => typeof value === "string" && value !== text;
    case "LIKE":
      return (value) => typeof value === "string" && isLike(value, text);
    default: {
      const folded = text.toLowerCase();
      return (value) => typeof value === "string" && isLike(value.toLowerCase(), folded);
    }
  }
}

/**
 * SQL's LIKE: % stands for any text, _ for one character. Goes back to the last % only, so that it takes at most the
 * product of both lengths, whatever the pattern.
 */
function isLike(text: string, pattern: string): boolean {
  const characters = Array.from(text);
  const marks = Array.from(pattern);
  let at = 0;
  let mark = 0;
  let lastAny = -1;
  let resumeAt = 0;
  while (at < characters.length) {
    if (mark < marks.length && marks[mark] === "%") {
      lastAny = mark++;
      resumeAt = at;
    } else if (mark < marks.length && (marks[mark] === "_" || marks[mark] === characters[at])) {
      mark++;
      at++;
    } else if (lastAny >= 0) {
      mark = lastAny + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (marks[mark] === "%") mark++;
  return mark === marks.length;
}

function takeClause(reader: Reader): Clause {
  const identifier = takeIdentifier(reader);
  const { entity, key } = identifier;
  const name = entity === "attribute" ? key : `${entity}s.${key}`;
  const operator = takeOperator(reader.skipBlanks());
  const allowed = operatorsFor(identifier);
  if (!allowed.includes(operator)) {
    throw new SearchError(
      `Cannot compare ${quoted(name)} by ${operator}: it must be ${allowed.join(", ")}`,
    );
  }
  if (NULL_OPERATORS.includes(operator)) {
    const isWanted = operator === "IS NOT NULL";
    return (run) => ((run.value(entity as Entity, key) ?? null) !== null) === isWanted;
  }
  const test = takeTest(reader.skipBlanks(), operator, identifier, name);
  if (entity !== "dataset") return (run) => test(run.value(entity, key));
  return (run) => run.datasets.some((dataset) => test(dataset[key as keyof SearchableDataset]));
}

/** Whether a run fits. "" or blanks let every run through. @throws SearchError */
export function parseFilter(text: string): Clause {
  const reader = new Reader(text, "filter").skipBlanks();
  const clauses: Clause[] = [];
  while (!reader.isAtEnd) {
    clauses.push(takeClause(reader));
    if (reader.skipBlanks().isAtEnd) break;
    if (reader.take(/and(?![\w.])\s*/iy) === undefined) {
      reader.fail(
        "AND and another comparison, or the end (there is no OR, and there are no brackets)",
      );
    }
    if (reader.isAtEnd) reader.fail("another comparison");
  }
  return (run) => clauses.every((clause) => clause(run));
}

interface Order {
  readonly entity: Entity;
  readonly key: string;
  readonly isDescending: boolean;
}

function takeOrders(reader: Reader): Order[] {
  const orders: Order[] = [];
  do {
    const { entity, key } = takeIdentifier(reader.skipBlanks());
    if (entity === "dataset")
      throw new SearchError("Cannot order by datasets: a run may have several");
    const direction = reader.skipBlanks().take(/(?:asc|desc)(?![\w.])/iy) ?? "asc";
    orders.push({ entity, key, isDescending: direction.toLowerCase() === "desc" });
  } while (reader.skipBlanks().take(/,/y) !== undefined);
  if (!reader.isAtEnd) reader.fail("ASC, DESC, a comma or the end");
  return orders;
}

type Value = string | number | null | undefined;

/** Missing ones last, whichever way. Texts go by code point. */
function compareValues(a: Value, b: Value, isDescending: boolean): number {
  const [isMissing, isOtherMissing] = [
    a === undefined || a === null,
    b === undefined || b === null,
  ];
  if (isMissing || isOtherMissing) return Number(isMissing) - Number(isOtherMissing);
  const order =
    typeof a === "number" && typeof b === "number" ? a - b : compareTexts(String(a), String(b));
  return isDescending ? -order : order;
}

function compareTexts(a: string, b: string): number {
  // UTF-16 puts surrogates, which stand for higher code points, before U+E000 to U+FFFF.
  for (let k = 0; k < a.length && k < b.length; k++) {
    const [x, y] = [a.charCodeAt(k), b.charCodeAt(k)];
    if (x === y) continue;
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdfff;

/**
 * How two runs stand to each other: by each clause in turn, then the newest first, then by id.
 *
 * @param clauses such as `metrics.val_loss ASC`; one may hold several with commas between them
 * @throws SearchError
 */
export function parseOrderBy(clauses: readonly string[]): (a: Searchable, b: Searchable) => number {
  const orders = clauses.flatMap((clause) => takeOrders(new Reader(clause, "order")));
  const all: Order[] = [
    ...orders,
    { entity: "attribute", key: "start_time", isDescending: true },
    { entity: "attribute", key: "run_id", isDescending: false },
  ];
  return (a, b) => {
    for (const { entity, key, isDescending } of all) {
      const order = compareValues(a.value(entity, key), b.value(entity, key), isDescending);
      if (order !== 0) return order;
    }
    return 0;
  };
}
