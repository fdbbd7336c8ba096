// Does a filter in MLflow's grammar let through what it says, in the order that is asked for, and say where it is wrong?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ATTRIBUTES,
  parseFilter,
  parseOrderBy,
  type Searchable,
  SearchError,
} from "../../src/miniflow/search.ts";

interface Fields {
  readonly metrics?: Record<string, number>;
  readonly params?: Record<string, string>;
  readonly tags?: Record<string, string>;
  readonly attributes?: Record<string, string | number | null>;
  readonly datasets?: Searchable["datasets"];
}

function runOf({
  metrics = {},
  params = {},
  tags = {},
  attributes = {},
  datasets = [],
}: Fields): Searchable {
  const all = { metric: metrics, param: params, tag: tags, attribute: attributes };
  return {
    datasets,
    value: (entity, key) => (Object.hasOwn(all[entity], key) ? all[entity][key] : undefined),
  };
}

const RUN = runOf({
  metrics: { loss: 0.25, "odd key": -3, "a/b": 1e-7 },
  params: { lr: "0.1", "model.depth": "3", note: "50% o'clock" },
  tags: { "mlflow.parentRunId": "abc", stage: "Prod", city: "istanbul", icon: "\u{1F600}" },
  attributes: {
    status: "FINISHED",
    run_id: "0123456789ab",
    start_time: 1000,
    run_name: "first",
    end_time: null,
    duration: 5,
    experiment: "e",
    model: "m",
    kind: "k",
    parent_run_id: "p",
    user_id: "me",
  },
  datasets: [
    { name: "raisins", digest: "aaa", context: "training" },
    { name: "grapes", digest: "bbb", context: "test" },
  ],
});

describe("parseFilter()", () => {
  test.each([
    ["", true],
    ["   ", true],
    ["metrics.loss < 0.3", true],
    ["metrics.loss<0.3", true],
    ["metric.loss <= 0.25", true],
    ["metrics.loss = .25", true],
    ["metrics.loss = 2.5e-1", true],
    ["metrics.loss != 0.25", false],
    ["metrics.loss > 0.25", false],
    ["metrics.loss >= 0.25", true],
    ["metrics.absent < 1", false],
    ["metrics.absent != 1", false],
    ['metrics."odd key" = -3', true],
    ["metrics.`odd key` = -3", true],
    ["metrics.a/b < 1", true],
    ["params.lr = '0.1'", true],
    ['params.lr = "0.1"', true],
    ["param.lr != '0.10'", true],
    ["parameters.model.depth = '3'", true],
    ["params.absent != 'x'", false],
    ["params.absent IS NULL", true],
    ["params.lr is not null", true],
    ["params.lr IS NULL", false],
    ["params.note = '50% o''clock'", true],
    ["tags.mlflow.parentRunId = 'abc'", true],
    ["tags.\"mlflow.parentRunId\" LIKE 'a%'", true],
    ["tags.stage LIKE 'prod'", false],
    ["tags.stage ILIKE 'prod'", true],
    ["tags.stage LIKE 'P__d'", true],
    ["tags.stage LIKE 'P_d'", false],
    ["status = 'FINISHED'", true],
    ["attributes.status = 'FINISHED'", true],
    ["attr.status IN ('FAILED', 'FINISHED')", true],
    ["run.status NOT IN ('FAILED')", true],
    ["`run name` = 'first'", true],
    ["run_id in ('0123456789ab')", true],
    ["start_time >= 1000", true],
    ["created > 1000", false],
    ["end_time > 0", false],
    ["datasets.name = 'grapes'", true],
    ["dataset.context LIKE 'tr%' AND datasets.digest = 'bbb'", true],
    ["datasets.name IN ('x', 'y')", false],
    ["metrics.loss < 1 AND params.lr = '0.1' and status = 'FINISHED'", true],
    ["metrics.loss < 1 AND params.lr = '0.2'", false],
    ["metrics.loss < 1 AND\n\tparams.lr='0.1'", true],
    ["params.order = 'x'", false],
    ["metrics.and > 0", false],
    ["metrics.loss > -1 AND metrics.loss < +1", true],
    ["metrics.loss < 1e400", true],
    ["metrics.'odd key' = -3.", true],
    ["`metrics`.`loss` = 0.25", true],
    ["metrics.loss = 0.25 AND metrics.loss = 0.26", false],
    ["parameter.lr = '0.1' AND tag.stage = 'Prod'", true],
    ["params.lr = ''", false],
    ["params.'note' LIKE '50_ o%'", true],
    ["params.lr IS  NOT\nNULL", true],
    ["tags.absent IS NOT NULL", false],
    ["tags.absent LIKE '%'", false],
    ["tags.absent ILIKE '%'", false],
    ["tags.stage ilike 'P%D'", true],
    ["tags.city ILIKE 'strasse'", false],
    ["tags.city ILIKE 'İSTANBUL'", true],
    ["tags.city ILIKE '_stanbul'", true],
    ["tags.icon LIKE '_'", true],
    ["tags.icon LIKE '__'", false],
    ["tags.icon ILIKE '_'", true],
    ["attribute.status = 'FINISHED'", true],
    ["run_name LIKE 'f%'", true],
    ["\"Run name\" = 'first' AND attributes.`Run Name` = 'first'", true],
    ["run_id IN('a','0123456789ab',)", true],
    ["run_id NOT IN (\"a\", 'b' )", true],
    ["run_id NOT\tIN ('0123456789ab')", false],
    ["artifact_uri NOT IN ('x')", false],
    ["Created = 1000", true],
    ["start_time <= 1000.5", true],
    ["end_time != 5", false],
    ["model = 'm' AND kind != 'n' AND experiment ILIKE 'E' AND parent_run_id = 'p'", true],
    ["duration > 4.5 AND attributes.duration <= 5", true],
    ["user_id = 'me'", true],
    ["datasets.name NOT IN ('raisins')", true],
    ["datasets.name NOT IN ('raisins', 'grapes')", false],
    ["dataset.name != 'raisins'", true],
    ["dataset.digest ILIKE 'A%'", true],
  ])("%s: %s", (text, expected) => {
    expect(parseFilter(text)(RUN)).toBe(expected);
  });

  test.each([
    [
      "metrics.loss",
      /at character 13: expected an operator that metrics\.loss takes \(=, !=, >, >=, <, <=\), found its end/,
    ],
    [
      "metrics.loss <",
      /at character 15: expected a number without quotes, as in metrics\.loss < 1/,
    ],
    ["metrics.loss < '1'", /expected a number without quotes.*, found "'1'"/],
    ["metrics.loss < 1x", /at character 16: expected a number/],
    ["metrics.loss < 1.2.3", /expected a number/],
    ["metrics.loss < 0x10", /expected a number/],
    ["metrics.loss < nan", /expected a number/],
    ["metrics.loss < 1AND params.lr = 'x'", /expected a number/],
    ["metrics.loss LIKE 'x'", /at character 14: expected an operator that metrics\.loss takes/],
    ["metrics.loss == 1", /expected an operator.*found "== 1"/],
    ["metrics.loss <> 1", /expected an operator.*found "<> 1"/],
    ["metrics.loss IS NULL", /expected an operator/],
    ["metrics.loss BETWEEN 1 AND 2", /expected an operator/],
    ["params.lr > '1'", /takes \(=, !=, LIKE, ILIKE, IS NULL, IS NOT NULL\), found "> '1'"/],
    ["params.lr IN ('1')", /expected an operator/],
    ["params.lr NOT LIKE '1'", /expected an operator/],
    ["status IS NULL", /that status takes \(=, !=, LIKE, ILIKE, IN, NOT IN\)/],
    ["datasets.name IS NULL", /that datasets\.name takes \(=, !=, LIKE, ILIKE, IN, NOT IN\)/],
    ["start_time IN (1)", /expected an operator/],
    ["params.lr = 0.1", /expected a text in quotes, as in params\.lr = '0\.1', found "0\.1"/],
    ["status = FINISHED", /as in status = 'FINISHED', found "FINISHED"/],
    ["params.lr = `x`", /expected a text in quotes, as in params\.lr = 'x', found "`x`"/],
    ["params.lr = '0.1", /at character 13: expected a closing ', found "'0\.1"/],
    ["params.`lr = '0.1'", /at character 8: expected a closing `/],
    ["params. = 'x'", /at character 8: expected a key behind params\., as in params\.loss/],
    ["params.`` = 'x'", /at character 8: expected a key/],
    [
      "metrics.loss < 1 OR metrics.loss > 2",
      /^Cannot use OR at character 18 of the filter: there is no OR.*status IN/,
    ],
    ["or status = 'x'", /^Cannot use OR at character 1 /],
    ["NOT metrics.loss < 1", /^Cannot use NOT at character 1 .*use !=/],
    ["(metrics.loss < 1)", /^Cannot use \( at character 1 .*no brackets/],
    ["metrics.loss < 1 AND", /at character 21: expected another comparison/],
    ["AND metrics.loss < 1", /^Cannot use AND at character 1 .*between two comparisons/],
    ["metrics.loss < 1 AND AND metrics.loss > 0", /^Cannot use AND at character 22 /],
    ["metrics.loss < 1 params.lr = 'x'", /at character 18: expected AND and another comparison/],
    ["metrics.loss < 1;", /expected AND.*found ";"/],
    ["metrics.loss < 1 -- x", /expected AND/],
    ["1 < metrics.loss", /There is no attribute "1"/],
    ["'status' = 'x'", /at character 1: expected metrics\.<key>/],
    [
      "weights.x = 1",
      /^Cannot search by "weights" at character 1 of the filter: it must be metrics, params/,
    ],
    ["Metrics.x = 1", /perhaps metrics is meant/],
    ["parms.x = 1", /perhaps params is meant/],
    ["__proto__.x = 1", /Cannot search by "__proto__"/],
    ["constructor = 'x'", /There is no attribute "constructor"/],
    ["attributes.__proto__ = 'x'", /There is no attribute "__proto__"/],
    [
      "loss < 1",
      /^There is no attribute "loss" at character 1 of the filter: known are run_id.*as in metrics\.loss/,
    ],
    ["status = 'x' AND Status = 'x'", /"Status" at character 18 .*perhaps status is meant/],
    ["attributes.`Run ID` = 'x'", /perhaps run_id is meant/],
    ["user = 'x'", /perhaps user_id is meant/],
    ["statsu = 'x'", /perhaps status is meant/],
    ["datasets.size = 'x'", /"size" at character 1 .*: it must be name, digest, context, as in/],
    ["datasets.names = 'x'", /perhaps name is meant/],
    ["run_id IN ()", /at character 12: expected a text in quotes, as in run_id IN \('x'\)/],
    ["run_id IN (,)", /expected a text in quotes/],
    ["run_id IN ('a' 'b')", /at character 16: expected a comma or \)/],
    ["run_id IN ('a', 'b'", /expected a comma or \), found its end/],
    ["run_id IN (a)", /as in run_id IN \('a'\)/],
    ["run_id IN 'a'", /expected a list, as in run_id IN \('x', 'y'\)/],
    ["start_time = '1'", /expected a number without quotes/],
    ["params.lr = \u009b31m", /found "\\u\{9b\}31m"/],
    ["tags.\u202e = x", /as in tags\.\\u\{202e\} = 'x'/],
  ])("%s is an error that says why", (text, message) => {
    expect(() => parseFilter(text)).toThrow(SearchError);
    expect(() => parseFilter(text)).toThrow(message);
  });

  const seen = (text: string) => {
    const asked = new Set<string>();
    parseFilter(text)({
      datasets: [],
      value(entity, key) {
        asked.add(`${entity} ${key}`);
        return undefined;
      },
    });
    return [...asked];
  };

  test("asks for every attribute that is known, created by its other name", () => {
    for (const key of ATTRIBUTES.strings) expect(seen(`${key} = ''`)).toEqual([`attribute ${key}`]);
    for (const key of ATTRIBUTES.numbers) {
      const name = key === "created" ? "start_time" : key;
      expect(seen(`attr.${key} = 0`)).toEqual([`attribute ${name}`]);
    }
    expect(ATTRIBUTES.numbers).toContain("created");
  });

  test("takes what was typed as it is, up to the first dot and beyond", () => {
    expect(seen("tags.mlflow.source.name = ''")).toEqual(["tag mlflow.source.name"]);
    expect(seen("params.`a.b`= ''")).toEqual(["param a.b"]);
    expect(seen("params.params.x= ''")).toEqual(["param params.x"]);
  });

  const MILLION = 1e6;
  test.each([
    ["an identifier", "x".repeat(MILLION)],
    ["an entity", `${"x".repeat(MILLION)}.y = 1`],
    ["a key of a number", `metrics.${"x".repeat(MILLION)} < 'y'`],
    ["a key of a text", `params.${"x".repeat(MILLION)} = y`],
    ["a key without an operator", `params.\`${"x".repeat(MILLION)}\``],
    ["a key of an attribute", `attr.${"x".repeat(MILLION)} = ''`],
    ["a word for a text", `status = ${"x".repeat(MILLION)}`],
    ["a text that does not end", `params.x = '${"y".repeat(MILLION)}`],
    ["quotes", "'".repeat(MILLION)],
    ["doubled quotes that do not end", `params.x = ${"'".repeat(MILLION + 1)}`],
    ["digits and a letter", `metrics.x < ${"1".repeat(MILLION)}x`],
    ["digits of an exponent", `metrics.x < 1e${"1".repeat(MILLION)}x`],
    ["digits behind a point", `metrics.x < 1.${"1".repeat(MILLION)}x`],
    ["brackets", "(".repeat(MILLION)],
    ["brackets of a list", `run_id IN ${"(".repeat(MILLION)}`],
    ["a list that does not end", `run_id IN (${"'',".repeat(MILLION / 3)}`],
    ["commas with blanks", `run_id IN ('a'${" ".repeat(MILLION)},${" ".repeat(MILLION)}x`],
    ["dots", `params.${".".repeat(MILLION)}`],
    ["blanks before an operator", `params.x${" ".repeat(MILLION)}y`],
    ["blanks within NOT IN", `status NOT${" ".repeat(MILLION)}y`],
    ["blanks within IS NOT NULL", `params.x IS${" ".repeat(MILLION)}NOT${" ".repeat(MILLION)}y`],
    ["blanks behind AND", `status = '' AND${" ".repeat(MILLION)}`],
    ["ANDs", "AND ".repeat(MILLION / 4)],
    ["signs", "=<>!".repeat(MILLION / 4)],
    ["signs behind a key", `params.x ${"=<>!".repeat(MILLION / 4)}`],
    ["marks that a terminal obeys", `status = ${"\u009b".repeat(MILLION)}`],
  ])("a megabyte of %s is refused at once, and in few words", (_, text) => {
    let message = "";
    try {
      parseFilter(text);
    } catch (error) {
      expect(error).toBeInstanceOf(SearchError);
      ({ message } = error as Error);
    }
    expect(message).not.toBe("");
    expect(message.length).toBeLessThan(800);
  });

  const anyText = fc.string({ unit: "binary" });
  const anyKey = fc.string({ unit: "binary", minLength: 1 });
  const anyQuotes = fc.constantFrom("'", '"');
  const quote = (text: string, mark: string) =>
    `${mark}${text.replaceAll(mark, mark + mark)}${mark}`;

  test("finds what any key and any value of a run say, in any quotes", () => {
    const anyMark = fc.constantFrom("`", '"', "'");
    fc.assert(
      fc.property(anyKey, anyText, anyMark, anyQuotes, (key, value, mark, quotes) => {
        const run = runOf({ params: { [key]: value } });
        const [name, text] = [`params.${quote(key, mark)}`, quote(value, quotes)];
        expect(parseFilter(`${name} = ${text}`)(run)).toBe(true);
        expect(parseFilter(`${name}!=${text}`)(run)).toBe(false);
        expect(parseFilter(`${name} = ${text}`)(runOf({}))).toBe(false);
        expect(parseFilter(`${name} IS NOT NULL and ${name} = ${text}`)(run)).toBe(true);
      }),
    );
  });

  test("finds any number as JavaScript writes it", () => {
    const anyNumber = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(anyNumber, anyNumber, (value, other) => {
        const run = runOf({ metrics: { m: value } });
        expect(parseFilter(`metrics.m = ${value}`)(run)).toBe(true);
        expect(parseFilter(`metrics.m < ${other}`)(run)).toBe(value < other);
        expect(parseFilter(`metrics.m>=${other}`)(run)).toBe(value >= other);
      }),
    );
  });

  test("a list holds what one of its texts is", () => {
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 1 }), anyText, anyQuotes, (list, other, mark) => {
        const texts = `(${list.map((text) => quote(text, mark)).join(",")})`;
        for (const text of [...list, other]) {
          const run = runOf({ attributes: { model: text } });
          expect(parseFilter(`model IN ${texts}`)(run)).toBe(list.includes(text));
          expect(parseFilter(`model NOT IN ${texts}`)(run)).toBe(!list.includes(text));
        }
      }),
    );
  });

  test("AND is both", () => {
    const anyClause = fc.constantFrom("metrics.loss < 1", "status = ''", "params.lr LIKE '0%'");
    fc.assert(
      fc.property(fc.array(anyClause), fc.constantFrom(" AND ", "\nand\t"), (clauses, and) => {
        const all = clauses.every((clause) => parseFilter(clause)(RUN));
        expect(parseFilter(clauses.join(and))(RUN)).toBe(all);
      }),
    );
  });

  test("any text is a filter or a SearchError", () => {
    const pieces = fc.constantFrom(
      ..."metrics . params tags status start_time x ` \" ' = != < LIKE IN ( ) , 1 -2.5 AND OR NOT IS NULL".split(
        " ",
      ),
      " ",
    );
    const anyFilter = fc.oneof(
      anyText,
      fc.array(pieces, { maxLength: 20 }).map((list) => list.join("")),
    );
    fc.assert(
      fc.property(anyFilter, (text) => {
        try {
          expect(typeof parseFilter(text)(RUN)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(SearchError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  const matches = (value: string, operator: string, pattern: string) =>
    parseFilter(`tags.t ${operator} ${quote(pattern, "'")}`)(runOf({ tags: { t: value } }));

  test("LIKE and ILIKE are what a regular expression says", () => {
    const unit = ["a", "A", "b", "\n", ".", "ä", "Ä", "\u{1F600}"];
    const anyPattern = fc.string({ unit: fc.constantFrom(...unit, "%", "_") });
    fc.assert(
      fc.property(anyPattern, fc.string({ unit: fc.constantFrom(...unit) }), (pattern, value) => {
        const source = pattern
          .replaceAll(".", "\\.")
          .replaceAll("%", "[^]*")
          .replaceAll("_", "[^]");
        expect(matches(value, "LIKE", pattern)).toBe(new RegExp(`^${source}$`, "u").test(value));
        expect(matches(value, "ILIKE", pattern)).toBe(new RegExp(`^${source}$`, "iu").test(value));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["ſ", "S"],
    ["ς", "Σ"],
    ["µ", "Μ"],
    ["\u212a", "k"],
    ["İ", "i"],
    ["ẞ", "ß"],
    ["𐐀", "𐐨"],
  ])("ILIKE holds %s and %s for one letter", (a, b) => {
    expect(matches(a, "ILIKE", b)).toBe(true);
    expect(matches(b, "ILIKE", a)).toBe(true);
    expect(matches(a, "LIKE", b)).toBe(false);
    expect(matches(`x${a}`, "ILIKE", `__`)).toBe(true);
  });

  test.each([
    ["as many % as characters", "a".repeat(8000), `${"%a".repeat(4000)}b`],
    ["a megabyte of %", "a".repeat(8000), `${"%a".repeat(500_000)}b`],
    ["a megabyte of % alone", "a".repeat(8000), `${"%".repeat(MILLION)}b`],
    ["% and _", "a".repeat(8000), `${"%_a".repeat(300)}b%c`],
    ["more characters than the text has", "a".repeat(MILLION), `%${"a".repeat(MILLION)}b`],
    ["a long piece", "a".repeat(8000), `%${"a".repeat(4000)}b`],
    ["a long text", "a".repeat(MILLION), `${"%a".repeat(1000)}b`],
  ])("LIKE does not explode: %s", (_, value, pattern) => {
    // A backtracking matcher would take longer than the universe.
    expect(matches(value, "LIKE", pattern)).toBe(false);
    expect(matches(value, "ILIKE", pattern)).toBe(false);
    expect(matches(`${value}bc`, "LIKE", `%${pattern.slice(-3)}%`)).toBe(true);
  });

  test("a megabyte of comparisons is read without a deep stack", () => {
    const clauses = (clause: string) => Array.from({ length: 60_000 }, () => clause).join(" AND ");
    expect(parseFilter(clauses("metrics.loss<1"))(RUN)).toBe(true);
    expect(parseFilter(`${clauses("metrics.loss<1")} AND status = 'x'`)(RUN)).toBe(false);
    expect(parseFilter(`status IN (${"'x',".repeat(250_000)} 'FINISHED')`)(RUN)).toBe(true);
    expect(parseFilter(`params.x${" ".repeat(MILLION)}IS NULL`)(RUN)).toBe(true);
  });
});

describe("parseOrderBy()", () => {
  const run = (id: string, start: number, fields: Fields = {}) =>
    runOf({ ...fields, attributes: { run_id: id, start_time: start, ...fields.attributes } });
  const ids = (runs: readonly Searchable[], ...clauses: string[]) =>
    [...runs].sort(parseOrderBy(clauses)).map((one) => one.value("attribute", "run_id"));

  const a = run("a", 1, { metrics: { auc: 0.9 }, params: { lr: "0.2" } });
  const b = run("b", 2, { metrics: { auc: 0.5 } });
  const c = run("c", 3, { params: { lr: "0.1" } });
  const d = run("d", 3, { metrics: { auc: 0.9 }, params: { lr: "\u{1F600}" } });
  const e = run("e", 3, { params: { lr: "\uFFFD" } });

  test("by default the newest first, then by id", () => {
    expect(ids([a, b, d, c])).toEqual(["c", "d", "b", "a"]);
  });

  test("by a metric, either way, those without it last", () => {
    expect(ids([a, b, c, d], "metrics.auc")).toEqual(["b", "d", "a", "c"]);
    expect(ids([a, b, c, d], "metrics.auc DESC")).toEqual(["d", "a", "b", "c"]);
    expect(ids([a, b, c, d], "metrics.`auc` desc")).toEqual(["d", "a", "b", "c"]);
  });

  test("by several, in one clause or in more", () => {
    const expected = ["a", "d", "b", "c"];
    expect(ids([a, b, c, d], "metrics.auc DESC, attributes.start_time ASC")).toEqual(expected);
    expect(ids([a, b, c, d], "metrics.auc DESC", "start_time")).toEqual(expected);
  });

  test("texts by code point", () => {
    expect(ids([a, c, d, e], "params.lr")).toEqual(["c", "a", "e", "d"]);
  });

  test("by keys in quotes, which may hold commas, dots and directions", () => {
    const odd = [
      run("a", 1, { params: { "x, y DESC": "2", "a.b": "1" } }),
      run("b", 2, { params: { "x, y DESC": "1", "a.b": "1" } }),
    ];
    expect(ids(odd, "params.`x, y DESC`")).toEqual(["b", "a"]);
    expect(ids(odd, 'params."x, y DESC" DESC,\n`start_time` ASC')).toEqual(["a", "b"]);
    expect(ids(odd, "param.a.b, created asc")).toEqual(["a", "b"]);
  });

  test("by attributes, which may be missing, the last clause deciding last", () => {
    const ended = [
      run("a", 1, { attributes: { end_time: null, status: "RUNNING" } }),
      run("b", 2, { attributes: { end_time: 5, status: "FAILED" } }),
      run("c", 3, { attributes: { end_time: 4, status: "FAILED" } }),
    ];
    expect(ids(ended, "end_time")).toEqual(["c", "b", "a"]);
    expect(ids(ended, "attr.end_time DESC")).toEqual(["b", "c", "a"]);
    expect(ids(ended, "status DESC", "end_time DESC")).toEqual(["a", "b", "c"]);
    expect(ids(ended, "user_id DESC")).toEqual(["c", "b", "a"]);
    expect(ids(ended)).toEqual(["c", "b", "a"]);
  });

  test("runs that have not begun come last by default", () => {
    const idle = runOf({ attributes: { run_id: "z", start_time: null } });
    expect(ids([idle, a, b])).toEqual(["b", "a", "z"]);
  });

  test("infinite figures leave ties to what follows", () => {
    const infinite = ["a", "b"].map((id) => run(id, 1, { metrics: { auc: Infinity } }));
    expect(ids(infinite.toReversed(), "metrics.auc DESC")).toEqual(["a", "b"]);
  });

  test("is an order: it goes one way, and does not depend on where a run stood", () => {
    const anyRun = fc.record({
      id: fc.string({ maxLength: 2 }),
      start: fc.nat(2),
      m: fc.option(fc.double({ noNaN: true, min: -1, max: 1 }), { nil: undefined }),
      t: fc.option(fc.string({ unit: "binary", maxLength: 2 }), { nil: undefined }),
    });
    const anyOrder = fc.constantFrom("metrics.m", "tags.t", "start_time").chain((key) => {
      return fc.constantFrom(key, `${key} DESC`, `${key} asc`);
    });
    fc.assert(
      fc.property(fc.array(anyRun), fc.array(anyOrder, { maxLength: 3 }), (records, clauses) => {
        const runs = records.map(({ id, start, m, t }) =>
          run(id, start, {
            ...(m !== undefined && { metrics: { m } }),
            ...(t !== undefined && { tags: { t } }),
          }),
        );
        const compare = parseOrderBy(clauses);
        const sorted = runs.toSorted(compare);
        for (let i = 0; i < sorted.length; i++) {
          for (let k = i; k < sorted.length; k++) {
            expect(compare(sorted[i]!, sorted[k]!)).toBeLessThanOrEqual(0);
            expect(compare(sorted[k]!, sorted[i]!)).toBeGreaterThanOrEqual(0);
          }
        }
        if (clauses.length > 0) {
          expect(runs.toSorted(parseOrderBy([clauses.join(", ")]))).toEqual(sorted);
        }
        const isSame = (a: Searchable, b: Searchable) => compare(a, b) === 0;
        const again = runs.toReversed().sort(compare);
        expect(again.every((one, k) => isSame(one, sorted[k]!))).toBe(true);
      }),
    );
  });

  test.each([
    [
      "metrics.auc UP",
      /Cannot read the order at character 13: expected ASC, DESC, a comma or the end/,
    ],
    ["", /expected metrics\.<key>/],
    ["metrics.auc,", /expected metrics\.<key>/],
    ["datasets.name", /^Cannot order by datasets at character 1 of the order: a run may have/],
    ["auc", /^There is no attribute "auc" at character 1 of the order: .*as in metrics\.auc/],
    ["start_time, statsu DESC", /at character 13 of the order: perhaps status is meant/],
    ["metrics.auc DESC ASC", /at character 18: expected ASC, DESC, a comma or the end/],
    ["metrics.auc DESCENDING", /expected ASC, DESC/],
    ["metrics.auc;", /expected ASC, DESC/],
    ["metrics.`auc", /expected a closing `/],
    ["DESC", /There is no attribute "DESC"/],
    [", start_time", /expected metrics\.<key>/],
    ["x".repeat(1e6), /There is no attribute "x{63}…"/],
    [`metrics.x${",".repeat(1e6)}`, /at character 11: expected metrics/],
  ])("%j is an error that says why", (clause, message) => {
    expect(() => parseOrderBy([clause])).toThrow(SearchError);
    expect(() => parseOrderBy([clause])).toThrow(message);
  });
});
