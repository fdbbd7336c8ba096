// Do rules and dashboard ask for series that the server has, and do the rules fire when they should?
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ask, open, post, ROW, trained } from "../server/support.ts";
import { type Json, ROOT, temporaryDirectory } from "../support/cli.ts";

const FOLDER = join(ROOT, "deploy/monitoring");
const rules = parse(readFileSync(join(FOLDER, "rules.yaml"), "utf8"));
const tests = parse(readFileSync(join(FOLDER, "rules.test.yaml"), "utf8"));
const dashboard: Json = JSON.parse(readFileSync(join(FOLDER, "dashboard.json"), "utf8"));

const all = rules.groups.flatMap((group: Json) => group.rules) as Json[];
const recorded = new Set(
  all.flatMap(({ record }) => (record === undefined ? [] : [record as string])),
);
const expressions = [
  ...all.map(({ expr }) => expr as string),
  ...dashboard.panels.flatMap(({ targets }: Json) =>
    targets.map(({ expr }: Json) => expr as string),
  ),
];

/** Series and their labels, as a server gives them. */
const series = new Map<string, Set<string>>();
let metrics = "";

beforeAll(async () => {
  const { port } = await open(trained());
  await post(port, "/predict", ROW);
  await post(port, "/predict", {});
  metrics = (await ask(port, "/metrics")).text;
  for (const line of metrics.split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? /.exec(line);
    if (match === null) continue;
    const labels = series.get(match[1]!) ?? new Set();
    for (const [, label] of (match[2] ?? "").matchAll(/(\w+)="/g)) labels.add(label!);
    series.set(match[1]!, labels);
  }
});

/** What Prometheus or the cluster adds to every series. */
const ADDED = ["instance", "job", "namespace", "pod", "le", "container", "resource"];

describe("rules and dashboard", () => {
  it("ask for series that there are", () => {
    const names = new Set(
      expressions.flatMap(
        (expr) => expr.match(/\b(raisin[:_][\w:]+|process_\w+|nodejs_\w+)/g) ?? [],
      ),
    );
    for (const name of names) {
      expect([name, recorded.has(name) || series.has(name)]).toEqual([name, true]);
    }
    expect(names.size).toBeGreaterThan(20);
  });

  it("ask for labels that these have", () => {
    for (const expr of expressions) {
      for (const [, name, selectors] of expr.matchAll(/\b(raisin_\w+)\{([^}]*)\}/g)) {
        for (const [, label] of selectors!.matchAll(/(\w+)\s*(?:=|!=|=~|!~)"/g)) {
          expect([name, label, ADDED.includes(label!) || series.get(name!)!.has(label!)]).toEqual([
            name,
            label,
            true,
          ]);
        }
      }
    }
  });

  it("have an alert that fires and one that does not, in a test for each", () => {
    const told = (tests.tests as Json[]).flatMap(({ alert_rule_test = [] }) => alert_rule_test);
    for (const { alert } of all.filter((rule) => rule.alert !== undefined)) {
      const counts = told
        .filter(({ alertname }: Json) => alertname === alert)
        .map(({ exp_alerts }: Json) => Math.min(exp_alerts.length, 1));
      expect([alert, new Set(counts).size]).toEqual([alert, 2]);
    }
  });

  it("say what to do in every alert", () => {
    const alerts = all.filter(({ alert }) => alert !== undefined);
    expect(alerts.length).toBeGreaterThan(8);
    for (const { annotations, labels } of alerts) {
      expect(Object.keys(annotations)).toEqual(["summary", "description", "runbook"]);
      expect(["critical", "warning", "info"]).toContain(labels.severity);
    }
  });
});

describe("the dashboard", () => {
  it("has panels that do not lie on each other, each with an id of its own", () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }: Json) => id)).size).toBe(panels.length);
    panels.forEach((one: Json, i: number) => {
      const a = one.gridPos;
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const other of panels.slice(i + 1)) {
        const b = other.gridPos;
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect([one.title, other.title, apart]).toEqual([one.title, other.title, true]);
      }
    });
  });

  it("takes its data source from its own variable", () => {
    const text = JSON.stringify(dashboard);
    expect(text.match(/"uid":"\$\{datasource\}"/g)!.length).toBeGreaterThan(20);
    expect(dashboard.templating.list.map(({ name }: Json) => name)).toEqual([
      "datasource",
      "namespace",
      "model",
      "version",
      "pod",
    ]);
  });
});

it("no series is given twice, of which Prometheus would take one", () => {
  const samples = metrics.split("\n").filter((line) => /^\w/.test(line));
  const names = samples.map((line) => line.slice(0, line.lastIndexOf(" ")));
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

const promtool = spawnSync("promtool", ["--version"]).status === 0;

describe.skipIf(!promtool)("promtool (skipped where it is not installed)", () => {
  const run = (args: readonly string[], cwd = FOLDER, input = "") =>
    spawnSync("promtool", args, { cwd, encoding: "utf8", input });

  it("finds names, types and help of the metrics sound; not those of a counter by another name", () => {
    const checked = run(["check", "metrics"], FOLDER, metrics);
    expect([checked.status, checked.stderr]).toEqual([0, ""]);
    const wrong = metrics.replaceAll("raisin_rows_total", "raisin_rows");
    expect(run(["check", "metrics"], FOLDER, wrong).status).not.toBe(0);
  });

  it("finds the rules sound, and their tests pass", () => {
    expect(run(["check", "rules", "rules.yaml"]).status).toBe(0);
    const tested = run(["test", "rules", "rules.test.yaml"]);
    expect(tested.status, tested.stdout + tested.stderr).toBe(0);
  });

  it.each([
    ["another threshold", "raisin:drift_score:1d > 0.1", "raisin:drift_score:1d > 10"],
    ["versions mixed", "avg by (version) (abs(", "avg (abs("],
    ["no look at chance", "and raisin:drift_score:1d > 3.29 * raisin:drift_standard_error:1d", ""],
    ["the first error unseen", "offset 10m", "offset 1s"],
    ["a broken expression", "avg by (version) (abs(", "avg by (version) ((abs("],
  ])("finds the tests failing with %s: the control", (_, from, to) => {
    const copy = temporaryDirectory();
    const text = readFileSync(join(FOLDER, "rules.yaml"), "utf8");
    expect(text).toContain(from);
    writeFileSync(join(copy, "rules.yaml"), text.replaceAll(from, to));
    writeFileSync(join(copy, "rules.test.yaml"), readFileSync(join(FOLDER, "rules.test.yaml")));
    expect(run(["test", "rules", "rules.test.yaml"], copy).status).not.toBe(0);
  });
});
