// Does the registry keep what others wrote, take any name, and stay as it is when it is damaged?
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isName, readRegistry, setProduction } from "../../src/miniflow/registry.ts";
import { StoreError } from "../../src/miniflow/store.ts";
import { readJson, temporaryDirectory } from "../support/cli.ts";

const RUN = "0123456789ab";
const OTHER = "ba9876543210";

function storeWith(text: string): string {
  const store = temporaryDirectory();
  writeFileSync(join(store, "registry.json"), text);
  return store;
}

describe("the registry", () => {
  test("is empty before the first promotion, and then in the seed's shape", () => {
    const store = join(temporaryDirectory(), "not/yet");
    expect(readRegistry(store).size).toBe(0);
    expect(existsSync(store)).toBe(false);
    const before = Date.now();
    setProduction(store, "raisin_logreg", RUN);
    const content = readJson(store, "registry.json");
    expect(content).toEqual({
      raisin_logreg: { production: RUN, updated_ts_ms: expect.any(Number) },
    });
    expect(content.raisin_logreg.updated_ts_ms).toBeGreaterThanOrEqual(before);
    expect(readdirSync(store)).toEqual(["registry.json"]);
  });

  test("keeps other models, their order, and fields that it does not know", () => {
    const store = storeWith(
      JSON.stringify({
        b: { production: OTHER, updated_ts_ms: 1, generation: 7 },
        a: { production: OTHER, updated_ts_ms: 2, nonce: "x" },
      }),
    );
    setProduction(store, "a", RUN);
    const content = readJson(store, "registry.json");
    expect(Object.keys(content)).toEqual(["b", "a"]);
    expect(content.b).toEqual({ production: OTHER, updated_ts_ms: 1, generation: 7 });
    expect(content.a).toMatchObject({ production: RUN, nonce: "x" });
    expect(content.a.updated_ts_ms).toBeGreaterThan(2);
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "名前", "a/b", "0"])(
    "takes %j as a model's name like any other",
    (name) => {
      const store = temporaryDirectory();
      expect(readRegistry(store).get(name)).toBeUndefined();
      setProduction(store, "plain", OTHER);
      expect(readRegistry(store).get(name)).toBeUndefined();
      setProduction(store, name, RUN);
      const registry = readRegistry(store);
      expect([...registry.keys()].sort()).toEqual([name, "plain"].sort());
      expect(registry.get(name)?.production).toBe(RUN);
      expect(registry.get("plain")?.production).toBe(OTHER);
      expect(({} as Record<string, unknown>).production).toBeUndefined();
    },
  );

  test.each([
    ["text", "hello"],
    ["half an object", `{"m":{"production":"${RUN}"`],
    ["nothing", ""],
    ["a list", "[]"],
    ["an entry that is no object", '{"m":"x"}'],
    ["an entry of null", '{"m":null}'],
    ["an entry without a run", '{"m":{}}'],
    ["a path for a run", '{"m":{"production":"../../x"}}'],
    ["an id too long", `{"m":{"production":"${RUN}0"}}`],
    ["a number for a run", '{"m":{"production":123456789012}}'],
    ["a bad entry among good ones", `{"m":{"production":"${RUN}"},"n":{"production":""}}`],
  ])("of %s is an error, and is never overwritten", (_, text) => {
    const store = storeWith(text);
    expect(() => readRegistry(store)).toThrow(StoreError);
    expect(() => readRegistry(store)).toThrow(join(store, "registry.json"));
    expect(() => setProduction(store, "m", RUN)).toThrow(StoreError);
    expect(readFileSync(join(store, "registry.json"), "utf8")).toBe(text);
    expect(readdirSync(store)).toEqual(["registry.json"]);
  });
});

test.each([
  ["a", true],
  ["../x", true],
  ["名前 with blanks", true],
  ["x".repeat(250), true],
  ["x".repeat(251), false],
  ["", false],
  [" a", false],
  ["a ", false],
  ["a\nb", false],
  ["a\u0007", false],
  ["a\u009bb", false],
])("isName(%j) is %s", (name, expected) => {
  expect(isName(name)).toBe(expected);
});
