// Does raisin/edge predict what the library does, from a compiled module and a model's bytes alone?
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type EdgeModel, ModelFormatError, openModel } from "../../src/edge.ts";
import { LogisticRegression } from "../../src/index.ts";
import { ROOT } from "../support/cli.ts";
import { changedCore } from "../support/foreign-cores.ts";

const people = Array.from({ length: 80 }, (_, i) => ({
  age: i % 9 === 4 ? null : 20 + ((i * 37) % 50),
  job: ["cook", "driver", null, "nurse"][(i * 7) % 4]!,
  left: (i * 13) % 5 > 1 ? "yes" : "no",
}));
const module = (name: string) => new WebAssembly.Module(readFileSync(join(ROOT, "build", name)));

let trained: LogisticRegression;

beforeAll(async () => {
  trained = await new LogisticRegression({ iterations: 200 }).fit(people, {
    label: "left",
    missing: "indicator",
  });
});

describe.each(["core.wasm", "core.scalar.wasm"])("openModel() with %s", (name) => {
  let model: EdgeModel;
  beforeAll(() => {
    model = openModel(module(name), trained.save());
  });

  test("gives the library's bits", () => {
    for (const row of people.slice(0, 20)) expect(model.explain(row)).toEqual(trained.explain(row));
    expect(model.digest).toBe(trained.digest);
    expect(model.columns).toEqual(["age", "job"]);
    expect(model.classes).toEqual(["no", "yes"]);
  });

  test("refuses rows that it cannot read", () => {
    expect(() => model.explain({ age: 3 })).toThrow(/no feature "job"/);
    expect(() => model.explain({ age: "old", job: "cook" })).toThrow(/"age"/);
    expect(() => model.explain({ age: 3, job: "pilot" })).toThrow(/has not learned/);
  });
});

test("refuses what is no model, and no core of this version", () => {
  const own = module("core.wasm");
  expect(() => openModel(own, new Uint8Array(10))).toThrow(ModelFormatError);
  const older = changedCore((core) => core.removeExport("weightedScore"));
  expect(() =>
    openModel(new WebAssembly.Module(older as Uint8Array<ArrayBuffer>), trained.save()),
  ).toThrow("it has no weightedScore");
});
