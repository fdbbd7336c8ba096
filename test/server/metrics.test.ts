// Does /metrics count what happened, in series that do not grow, and does the drift score add up from them?
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Buckets, ServerMetrics } from "../../src/server/metrics.ts";
import { runDirectories } from "../support/cli.ts";
import {
  ask,
  FEATURES,
  type Opened,
  open,
  post,
  ROW,
  raisinRows,
  trained,
  trainedMixed,
} from "./support.ts";

let directory: string;
const rows = raisinRows();

beforeAll(() => {
  directory = trained();
});

/** Samples of a text in Prometheus' format. */
function samplesOf(text: string): Map<string, number> {
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}

const metricsOf = async ({ port }: Opened) => samplesOf((await ask(port, "/metrics")).text);

/** The sum of all series of a name whose labels hold all of these. */
function total(samples: Map<string, number>, name: string, ...labels: string[]): number {
  let sum = 0;
  for (const [key, value] of samples) {
    if (key.split("{")[0] === name && labels.every((label) => key.includes(label))) sum += value;
  }
  return sum;
}

describe("metrics", () => {
  it("count requests, rows, classes and reasons", async () => {
    const server = await open(directory);
    for (let k = 0; k < 3; k++) await post(server.port, "/predict", ROW);
    const { json } = await post(server.port, "/predict", rows);
    await post(server.port, "/predict", {});
    await ask(server.port, "/nope");
    await ask(server.port, "/healthz");
    const samples = await metricsOf(server);
    expect(
      total(
        samples,
        "raisin_requests_total",
        'route="/predict"',
        'code="200"',
        'model="raisin_logreg"',
      ),
    ).toBe(4);
    expect(total(samples, "raisin_requests_total", 'code="400"')).toBe(1);
    expect(total(samples, "raisin_requests_total", 'route="other"', 'code="404"')).toBe(1);
    expect(total(samples, "raisin_requests_total")).toBe(6);
    expect(total(samples, "raisin_rows_total")).toBe(903);
    const one = (await post(server.port, "/predict", ROW)).json.pred as number;
    const positive = json.filter(({ pred }: { pred: number }) => pred === 1).length + 3 * one;
    expect(total(samples, "raisin_predictions_total", 'class="1"')).toBe(positive);
    expect(total(samples, "raisin_logit_count")).toBe(903);
    expect(total(samples, "raisin_input_invalid_total", 'reason="missing_feature"')).toBe(1);
    expect(total(samples, "raisin_request_duration_seconds_count", 'route="/predict"')).toBe(5);
    expect(total(samples, "raisin_requests_in_flight")).toBe(1);
    expect(total(samples, "raisin_ready")).toBe(1);
    expect(total(samples, "raisin_train_rows")).toBe(720);
    expect(samples.get("process_cpu_seconds_total")).toBeGreaterThan(0);
  });

  it("add up to the seed's score, over several servers", async () => {
    const servers = [await open(directory), await open(directory)];
    const parts = [rows.slice(0, 120), rows.slice(300, 340)];
    for (const [k, server] of servers.entries()) await post(server.port, "/predict", parts[k]);
    const scraped = await Promise.all(servers.map(metricsOf));
    const sum = (name: string, ...labels: string[]) =>
      scraped.reduce((all, samples) => all + total(samples, name, ...labels), 0);
    const name = "raisin_feature_standardised_sum_total";
    const z = FEATURES.map((feature) => {
      const of = (sign: string) => sum(name, `feature="${feature}"`, `sign="${sign}"`);
      return (of("positive") - of("negative")) / sum("raisin_feature_rows_total");
    });
    const score = z.reduce((all, one) => all + Math.abs(one), 0) / FEATURES.length;
    const { json } = await post(servers[0]!.port, "/drift", parts.flat());
    expect(sum("raisin_feature_rows_total")).toBe(160);
    expect(score).toBeCloseTo(json.score, 12);
    // What one server's window says is the same for its own rows.
    const own = (await post(servers[0]!.port, "/drift", parts[0])).json;
    expect(total(scraped[0]!, "raisin_drift_score")).toBeCloseTo(own.score, 12);
    expect(total(scraped[0]!, "raisin_drift_noise_floor")).toBeCloseTo(own.noise_floor, 12);
    expect(total(scraped[0]!, "raisin_drift_window_rows")).toBe(120);
  });

  it("are not swallowed by one value that is far out", async () => {
    const server = await open(directory);
    await post(server.port, "/predict", { ...ROW, Area: 1e300 });
    for (let k = 0; k < 5; k++) await post(server.port, "/predict", ROW);
    const before = total(
      await metricsOf(server),
      "raisin_feature_standardised_sum_total",
      'feature="Area"',
    );
    await post(server.port, "/predict", { ...ROW, Area: 1e9 });
    const after = total(
      await metricsOf(server),
      "raisin_feature_standardised_sum_total",
      'feature="Area"',
    );
    expect(after - before).toBeGreaterThan(1000);
    // The control: without a limit the sum would stay as it is.
    expect(1e296 + 25_000).toBe(1e296);
    const logits = [...(await metricsOf(server))].filter(([key]) =>
      key.startsWith("raisin_logit_sum"),
    );
    expect(logits.every(([, value]) => Number.isFinite(value))).toBe(true);
  });

  it("have as many series after hostile requests as before", async () => {
    const server = await open(directory);
    const shape = async () =>
      [...(await metricsOf(server)).keys()].map((key) => key.replace(/reason="\w+"/, "")).length;
    for (const path of ["/nope", "/x", "/predict?a=b"]) await ask(server.port, path);
    await post(server.port, "/predict", {});
    const before = await shape();
    for (let k = 0; k < 50; k++) {
      await ask(server.port, `/${k}"\\n${k}`.replaceAll('"', "%22"));
      await post(server.port, "/predict", { [`x${k}`]: k });
    }
    expect(await shape()).toBeLessThanOrEqual(before + 2);
  });

  it("name no series twice, also when the same model comes from another run", async () => {
    const copy = trained();
    const server = await open(copy);
    await post(server.port, "/predict", ROW);
    trained(["--no-promote"], copy);
    const path = join(copy, "miniflow/registry.json");
    const registry = JSON.parse(readFileSync(path, "utf8"));
    const runs = runDirectories(join(copy, "miniflow")).map((run) => run.split("/").at(-1)!);
    const { production } = registry.raisin_logreg;
    registry.raisin_logreg.production = runs.find((run) => run !== production);
    writeFileSync(path, JSON.stringify(registry));
    server.service.models.poll();
    expect(server.service.models.current!.runId).not.toBe(production);
    await post(server.port, "/predict", ROW);
    const lines = (await ask(server.port, "/metrics")).text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(lines.filter((line, i) => lines.indexOf(line) !== i)).toEqual([]);
    expect(total(await metricsOf(server), "raisin_requests_total", 'route="/predict"')).toBe(2);
  });

  it("label categories by their features", async () => {
    const server = await open(trainedMixed());
    await post(server.port, "/predict", [
      { age: 31, job: "cook", hours: 40 },
      { age: 31, job: "nurse", hours: null },
    ]);
    const samples = await metricsOf(server);
    expect(
      total(samples, "raisin_feature_standardised_sum_total", 'feature="hours"', 'sign="negative"'),
    ).toBeGreaterThanOrEqual(0);
    const nurse = total(samples, "raisin_feature_drift_z", 'feature="job=nurse"');
    const { model } = server.service.models.current!;
    const j = model.featureNames.indexOf("job=nurse");
    expect(nurse).toBeCloseTo((0.5 - model.mean[j]!) / model.std[j]!, 12);
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  it.skipIf(!promtool)("are sound to promtool (skipped where it is not installed)", async () => {
    const server = await open(directory);
    await post(server.port, "/predict", rows);
    const { text } = await ask(server.port, "/metrics");
    const { stderr, status } = spawnSync("promtool", ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    expect(stderr.split("\n").filter((line) => line.includes("raisin_"))).toEqual([]);
    expect(status === 0 || !stderr.includes("error")).toBe(true);
    // The control: it does find what is wrong.
    expect(
      spawnSync("promtool", ["check", "metrics"], { input: 'a_total{b="c} 1\n' }).status,
    ).not.toBe(0);
  });
});

describe("a histogram", () => {
  it("counts a value in the first bucket that is not below it", () => {
    const buckets = new Buckets([1, 2, 4]);
    for (const value of [0, 1, 1.5, 2, 4, 5, -3]) buckets.observe(value);
    const samples = buckets.samples("x", {});
    expect(samples.map(({ value }) => value)).toEqual([3, 5, 6, 7, 10.5, 7]);
    expect(samples.map(({ labels }) => labels.le)).toEqual([1, 2, 4, "+Inf", undefined, undefined]);
  });

  it("has nothing before there is a model", async () => {
    expect(await new ServerMetrics().text()).not.toContain("raisin_rows_total{");
  });
});

describe("drift over HTTP", () => {
  it("of a body puts the score first, and leaves the window alone", async () => {
    const server = await open(directory);
    const { json, text } = await post(server.port, "/drift", rows);
    expect(text.startsWith('{"score":')).toBe(true);
    expect(json).toMatchObject({ verdict: "no_drift", rows: 900, train_rows: 720 });
    expect((await ask(server.port, "/drift")).json).toMatchObject({
      score: null,
      window: { rows: 0, capacity: 1000, seen: 0 },
    });
    const shifted = rows.map((row) => ({ ...row, Area: row.Area! + 40_000 }));
    const after = await post(server.port, "/drift", shifted);
    expect(after.json.verdict).toBe("drift");
    expect(after.json.reasons.join()).toContain("Area");
    const table = { columns: FEATURES, data: rows.map((row) => FEATURES.map((name) => row[name])) };
    expect((await post(server.port, "/drift", table)).json).toEqual(json);
    expect((await post(server.port, "/drift", {})).json.error).toBe("missing_feature");
  });

  it("of the window is that of the last rows", async () => {
    const server = await open(directory, { window: 50 });
    await post(server.port, "/predict", rows.slice(0, 33));
    for (const row of rows.slice(33, 70)) await post(server.port, "/predict", row);
    const { json } = await ask(server.port, "/drift");
    const { window, ...report } = json;
    expect(window).toEqual({ rows: 50, capacity: 50, seen: 70 });
    expect(report).toEqual((await post(server.port, "/drift", rows.slice(20, 70))).json);
  });

  it("stays a report when values are as far out as they can be", async () => {
    const server = await open(directory);
    await post(server.port, "/predict", { ...ROW, Area: 1e300, Extent: -1e300 });
    const { status, text } = await ask(server.port, "/drift");
    expect(status).toBe(200);
    expect(text).not.toMatch(/NaN|Infinity/);
    expect(JSON.parse(text).verdict).toBe("drift");
  });
});
