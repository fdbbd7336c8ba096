// MLflow's search grammar for runs: comparisons joined by AND, and orders.
//
// As `mlflow.search_runs` of MLflow 3.17 reads it; facts: mlflow/utils/search_utils.py. On purpose
// - it takes more: attributes of ours, lists for every attribute that is a text, and keys without quotes unless they hold
//   blanks, quotes or operators;
// - a doubled quote within quotes stands for one, or no filter could name a text with both kinds. A backslash is itself;
// - it wants one AND between two comparisons, where MLflow takes none, several, or one at either end;
// - % and _ stand for line ends too, as in SQL; blanks are an empty filter.
// Every expression below is linear in what it reads, since a filter may come from anyone.

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

/** Attributes that a filter can name. `created` is another name of `start_time`; values are asked for by the latter. */
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
  numbers: ["start_time", "end_time", "created", "duration"],
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
  /** As it was written, for messages. */
  readonly shown: string;
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

  /** Where it stands, in UTF-16 units from 0. */
  get at(): number {
    return this.#at;
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

  /** A text in quotes of one kind; a doubled quote stands for one. */
  takeQuoted(marks: string): string | undefined {
    const start = this.#at;
    const mark = this.#text[start];
    if (mark === undefined || !marks.includes(mark)) return undefined;
    const parts: string[] = [];
    for (let from = start + 1; ; ) {
      const to = this.#text.indexOf(mark, from);
      if (to < 0) this.fail(`a closing ${mark}`, start);
      parts.push(this.#text.slice(from, to));
      this.#at = to + 1;
      if (this.#text[to + 1] !== mark) return parts.join(mark);
      from = to + 2;
    }
  }

  /** What was read since a place, for a message. */
  since(at: number): string {
    return printable(this.#text.slice(at, this.#at));
  }

  /** @param expected what should stand there */
  fail(expected: string, at = this.#at): never {
    const rest = this.#text.slice(at, at + QUOTED_MAX + 1);
    const found = rest === "" ? "its end" : quoted(rest);
    throw new SearchError(
      `Cannot read the ${this.#what} at character ${at + 1}: expected ${expected}, found ${found}`,
    );
  }

  /** For what can be read and means nothing. */
  refuse(problem: string, at: number, advice: string): never {
    throw new SearchError(`${problem} at character ${at + 1} of the ${this.#what}: ${advice}`);
  }
}

const QUOTED_MAX = 64;

/** A text for a message: never long, and nothing that a terminal would obey. */
function printable(text: string): string {
  const short = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX - 1)}…` : text;
  return short.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (mark) => `\\u{${mark.codePointAt(0)!.toString(16)}}`,
  );
}

const quoted = (text: string) => `"${printable(text)}"`;

const WORD_MAX = 32;

/** `perhaps run_id is meant; `, where a known word is near. */
function suggestion(word: string, known: readonly string[]): string {
  if (word.length > WORD_MAX) return "";
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z]+/g, "_");
  const distances = known.map((name) =>
    name.split("_").includes(plain(word)) ? 0 : editDistance(plain(word), name),
  );
  const least = Math.min(...distances);
  return least * 3 <= word.length ? `perhaps ${known[distances.indexOf(least)]} is meant; ` : "";
}

/** Levenshtein's: how many characters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let k = 1; k <= b.length; k++) {
      const replaced = row[k - 1]! + Number(a[i - 1] !== b[k - 1]);
      next.push(Math.min(replaced, row[k]! + 1, next[k - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** `metrics.loss`, `params."odd key"`, `status`. */
function takeIdentifier(reader: Reader): Identifier {
  const start = reader.at;
  const first = reader.takeQuoted('`"') ?? reader.take(/[^\s.'"`=<>!~(),;]+/y);
  if (first === undefined) {
    reader.fail("metrics.<key>, params.<key>, tags.<key>, datasets.<key> or an attribute");
  }
  if (reader.take(/\./y) === undefined) return attributeOf(reader, first, start);
  const entity = Object.hasOwn(ENTITIES, first) ? ENTITIES[first]! : undefined;
  if (entity === undefined) {
    const near = suggestion(first, Object.keys(ENTITIES));
    reader.refuse(
      `Cannot search by ${quoted(first)}`,
      start,
      `${near}it must be metrics, params, tags, datasets or attributes, with a dot and a key behind it, as in metrics.loss`,
    );
  }
  const keyStart = reader.at;
  const key = reader.takeQuoted("`\"'") ?? reader.take(/[^\s'"`=<>!~(),;]+/y);
  if (key === undefined || key === "") {
    reader.fail(`a key behind ${first}., as in ${first}.loss or ${first}."odd key"`, keyStart);
  }
  if (entity === "attribute") return attributeOf(reader, key, start);
  if (entity === "dataset" && !(DATASET_KEYS as readonly string[]).includes(key)) {
    const near = suggestion(key, DATASET_KEYS);
    reader.refuse(
      `Cannot search datasets by ${quoted(key)}`,
      start,
      `${near}it must be ${DATASET_KEYS.join(", ")}, as in datasets.name = 'raisins'`,
    );
  }
  return { entity, key, isNumber: entity === "metric", shown: reader.since(start) };
}

function attributeOf(reader: Reader, name: string, start: number): Identifier {
  const key = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
  const isNumber = ATTRIBUTES.numbers.includes(key);
  if (isNumber || ATTRIBUTES.strings.includes(key)) {
    return { entity: "attribute", key, isNumber, shown: reader.since(start) };
  }
  const known = [...ATTRIBUTES.strings, ...ATTRIBUTES.numbers];
  const example = /^\w{1,32}$/.test(name) ? name : "val_loss";
  reader.refuse(
    `There is no attribute ${quoted(name)}`,
    start,
    `${suggestion(name, known)}known are ${known.join(", ")}; metrics, params and tags are named with a dot, as in metrics.${example}`,
  );
}

function operatorsFor({ entity, isNumber }: Identifier): readonly string[] {
  if (isNumber) return NUMBER_OPERATORS;
  if (entity === "param" || entity === "tag") return [...TEXT_OPERATORS, ...NULL_OPERATORS];
  // MLflow takes lists for run_id and datasets alone; here every attribute that is a text may be one of a list.
  return [...TEXT_OPERATORS, ...LIST_OPERATORS];
}

/** An operator that the identifier takes, in upper case and with one blank within. */
function takeOperator(reader: Reader, identifier: Identifier): string {
  const start = reader.at;
  const found =
    reader.take(/[=<>!~]+/y) ??
    reader.take(/(?:not\s+in|in|like|ilike|is\s+not\s+null|is\s+null)(?![\w.])/iy);
  const operator = found?.toUpperCase().replace(/\s+/g, " ") ?? "";
  const allowed = operatorsFor(identifier);
  if (!allowed.includes(operator)) {
    reader.fail(`an operator that ${identifier.shown} takes (${allowed.join(", ")})`, start);
  }
  return operator;
}

function takeNumber(reader: Reader, before: string): number {
  const text = reader.take(/[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.'"])/y);
  if (text === undefined) reader.fail(`a number without quotes, as in ${before} 1`);
  return Number(text);
}

/** @param example shows where a text would stand */
function takeText(reader: Reader, example: (text: string) => string): string {
  const start = reader.at;
  const text = reader.takeQuoted("'\"");
  if (text !== undefined) return text;
  const word = reader.take(/[\w.-]+/y) === undefined ? "x" : reader.since(start);
  reader.fail(`a text in quotes, as in ${example(`'${word}'`)}`, start);
}

/** `('x', 'y')`; a comma may stand behind the last one. */
function takeList(reader: Reader, before: string): string[] {
  if (reader.take(/\(/y) === undefined) reader.fail(`a list, as in ${before} ('x', 'y')`);
  const texts: string[] = [];
  do texts.push(takeText(reader.skipBlanks(), (text) => `${before} (${text})`));
  while (reader.skipBlanks().take(/,(?!\s*\))/y) !== undefined);
  if (reader.take(/,?\s*\)/y) === undefined) reader.fail("a comma or )");
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

/** Whether a value fits; a value that is not there fits nothing, != and NOT IN included. */
function takeTest(
  reader: Reader,
  operator: string,
  { isNumber, shown }: Identifier,
): (value: unknown) => boolean {
  const before = `${shown} ${operator}`;
  if (isNumber) {
    const test = NUMBER_TESTS[operator]!;
    const number = takeNumber(reader, before);
    return (value) => typeof value === "number" && test(value, number);
  }
  if (LIST_OPERATORS.includes(operator)) {
    const texts = new Set(takeList(reader, before));
    return (value) => typeof value === "string" && texts.has(value) === (operator === "IN");
  }
  const text = takeText(reader, (example) => `${before} ${example}`);
  switch (operator) {
    case "=":
      return (value) => value === text;
    case "!=":
      return (value) => typeof value === "string" && value !== text;
    case "LIKE":
      return likeTest(text, charactersOf);
    default:
      return likeTest(text, (value) => charactersOf(foldCase(value)));
  }
}

/** Code points, of which a text without surrogates is a list already. */
function charactersOf(text: string): ArrayLike<string> {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text;
}

/** One code point for each, equal for those that Unicode and Python's re.IGNORECASE hold for the same letter. */
function foldCase(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  return Array.from(text, (character) => {
    const upper = character.toUpperCase();
    const isOne = upper.length === String.fromCodePoint(upper.codePointAt(0)!).length;
    const lower = (isOne ? upper : character).toLowerCase();
    // İ becomes i and a dot above.
    return String.fromCodePoint(lower.codePointAt(0)!);
  }).join("");
}

function likeTest(
  pattern: string,
  split: (text: string) => ArrayLike<string>,
): (value: unknown) => boolean {
  const marks = split(pattern);
  return (value) => typeof value === "string" && isLike(split(value), marks);
}

/**
 * SQL's LIKE: % stands for any text, _ for one character. Goes back to the last % only, so that it takes at most the
 * product of the text's length and that of the longest piece between two %, whatever the pattern.
 */
function isLike(characters: ArrayLike<string>, marks: ArrayLike<string>): boolean {
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

function takeComparison(reader: Reader): Clause {
  refuseWords(reader);
  const identifier = takeIdentifier(reader);
  const { entity, key } = identifier;
  const operator = takeOperator(reader.skipBlanks(), identifier);
  if (NULL_OPERATORS.includes(operator)) {
    const isWanted = operator === "IS NOT NULL";
    return (run) => ((run.value(entity as Entity, key) ?? null) !== null) === isWanted;
  }
  const test = takeTest(reader.skipBlanks(), operator, identifier);
  if (entity !== "dataset") return (run) => test(run.value(entity, key));
  return (run) => run.datasets.some((dataset) => test(dataset[key as keyof SearchableDataset]));
}

/** What SQL has and this grammar has not. */
function refuseWords(reader: Reader): void {
  const start = reader.at;
  const word = reader.take(/(?:and|or|not)(?![\w.])|\(/iy)?.toUpperCase();
  if (word === undefined) return;
  const advice: Readonly<Record<string, string>> = {
    AND: "one AND must stand between two comparisons",
    OR: "there is no OR, all comparisons are joined by AND; search twice, or use a list, as in status IN ('FAILED', 'KILLED')",
    NOT: "there is no NOT before a comparison; use !=, NOT IN or IS NOT NULL",
    "(": "there are no brackets around comparisons, all are joined by AND",
  };
  reader.refuse(`Cannot use ${word}`, start, advice[word]!);
}

/** Whether a run fits. "" or blanks let every run through. @throws SearchError */
export function parseFilter(text: string): Clause {
  const reader = new Reader(text, "filter").skipBlanks();
  const clauses: Clause[] = [];
  while (!reader.isAtEnd) {
    clauses.push(takeComparison(reader));
    if (reader.skipBlanks().isAtEnd) break;
    if (reader.take(/and(?![\w.])\s*/iy) === undefined) {
      refuseWords(reader);
      reader.fail("AND and another comparison, or the end");
    }
    if (reader.isAtEnd) reader.fail("another comparison behind AND, as in AND metrics.loss < 1");
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
    const start = reader.skipBlanks().at;
    const { entity, key } = takeIdentifier(reader);
    if (entity === "dataset") {
      reader.refuse("Cannot order by datasets", start, "a run may have several");
    }
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
    typeof a === "number" && typeof b === "number"
      ? Number(a > b) - Number(a < b)
      : compareTexts(String(a), String(b));
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
