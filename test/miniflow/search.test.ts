// Does a filter in MLflow's grammar let through what it says, in the order that is asked for, and say where it is wrong?
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
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
  tags: { "mlflow.parentRunId": "abc", stage: "Prod" },
  attributes: {
    status: "FINISHED",
    run_id: "0123456789ab",
    start_time: 1000,
    run_name: "first",
    end_time: null,
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
  ])("%s: %s", (text, expected) => {
    expect(parseFilter(text)(RUN)).toBe(expected);
  });

  test.each([
    ["metrics.loss", /at character 13: expected an operator.*found its end/],
    ["metrics.loss <", /expected a number without quotes/],
    [
      "metrics.loss < '1'",
      /expected a number without quotes, since metrics\.loss is one, found "'1'"/,
    ],
    ["metrics.loss < 1x", /expected a number/],
    [
      "metrics.loss LIKE 'x'",
      /Cannot compare "metrics\.loss" by LIKE: it must be =, !=, >, >=, <, <=/,
    ],
    ["params.lr > '1'", /Cannot compare "params\.lr" by >: it must be =, !=, LIKE, ILIKE/],
    ["params.lr = 0.1", /expected a text in quotes, as in params\.lr = 'x', found "0\.1"/],
    ["params.lr = '0.1", /expected a closing '/],
    ["params. = 'x'", /expected a key behind params\./],
    ["metrics.loss < 1 OR metrics.loss > 2", /there is no OR/],
    ["(metrics.loss < 1)", /expected metrics\.<key>/],
    ["metrics.loss < 1 AND", /expected another comparison/],
    ["AND metrics.loss < 1", /There is no attribute "AND"/],
    ["metrics.loss < 1 params.lr = 'x'", /expected AND and another comparison/],
    ["weights.x = 1", /Cannot search by "weights": it must be metrics, params/],
    ["__proto__.x = 1", /Cannot search by "__proto__"/],
    ["constructor = 'x'", /There is no attribute "constructor"/],
    ["loss < 1", /There is no attribute "loss": known are run_id.*as in metrics\.val_loss/],
    ["datasets.size = 'x'", /Cannot search datasets by "size": it must be name, digest, context/],
    ["run_id IN ()", /expected a text in quotes/],
    ["run_id IN ('a' 'b')", /expected a comma or \)/],
    ["run_id IN 'a'", /expected a list/],
    ["start_time = '1'", /expected a number without quotes/],
    ["metrics.loss IS NULL", /Cannot compare "metrics\.loss" by IS NULL/],
  ])("%s is an error that says why", (text, message) => {
    expect(() => parseFilter(text)).toThrow(SearchError);
    expect(() => parseFilter(text)).toThrow(message);
  });

  test("errors are short, whatever the filter", () => {
    for (const text of ["x".repeat(1e6), `params.x = '${"y".repeat(1e6)}`, "(".repeat(1e6)]) {
      let message = "";
      try {
        parseFilter(text);
      } catch (error) {
        ({ message } = error as Error);
      }
      expect(message).not.toBe("");
      expect(message.length).toBeLessThan(500);
    }
  });

  test("finds what any key and any value of a run say, in any quotes", () => {
    const key = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/[`\0]/.test(text));
    fc.assert(
      fc.property(key, fc.string({ unit: "binary" }), (name, value) => {
        const run = runOf({ params: { [name]: value } });
        const text = `params.\`${name}\` = '${value.replaceAll("'", "''")}'`;
        expect(parseFilter(text)(run)).toBe(true);
        expect(parseFilter(text.replace(" = ", " != "))(run)).toBe(false);
        expect(parseFilter(text)(runOf({}))).toBe(false);
      }),
    );
  });

  test("LIKE is what a regular expression says, and does not explode", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "%", "_", "\n", ".") });
    const value = fc.string({ unit: fc.constantFrom("a", "b", "\n", ".") });
    fc.assert(
      fc.property(pattern, value, (like, text) => {
        const expression = new RegExp(
          `^${like.replaceAll(".", "\\.").replaceAll("%", "[^]*").replaceAll("_", "[^]")}$`,
        );
        const run = runOf({ tags: { t: text } });
        expect(parseFilter(`tags.t LIKE '${like}'`)(run)).toBe(expression.test(text));
      }),
    );
    // A backtracking matcher would take longer than the universe.
    const run = runOf({ tags: { t: "a".repeat(5000) } });
    expect(parseFilter(`tags.t LIKE '${"%a".repeat(100)}b'`)(run)).toBe(false);
  });

  test("a million comparisons are read without a deep stack", () => {
    const text = Array.from({ length: 100_000 }, () => "metrics.loss < 1").join(" AND ");
    expect(parseFilter(text)(RUN)).toBe(true);
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

  test.each([
    [
      "metrics.auc UP",
      /Cannot read the order at character 13: expected ASC, DESC, a comma or the end/,
    ],
    ["", /expected metrics\.<key>/],
    ["metrics.auc,", /expected metrics\.<key>/],
    ["datasets.name", /Cannot order by datasets/],
    ["auc", /There is no attribute "auc"/],
  ])("%j is an error that says why", (clause, message) => {
    expect(() => parseOrderBy([clause])).toThrow(SearchError);
    expect(() => parseOrderBy([clause])).toThrow(message);
  });
});
