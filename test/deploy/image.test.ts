// Does the Dockerfile keep the rules of a small and safe image, and does the bill of materials name what is in it?
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Json, ROOT, readJson } from "../support/cli.ts";

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** Instructions of a Dockerfile, continued lines joined, comments left out. */
function instructionsOf(text: string): Instruction[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name, value] = /^(\w+)\s+(.*)$/.exec(line.trim())!;
      return { name: name!.toUpperCase(), value: value!.trim() };
    });
}

const text = readFileSync(join(ROOT, "Dockerfile"), "utf8");

/** hadolint's rules (by their numbers) and our own, as far as they concern this file. Each gives what is wrong. */
const RULES: Readonly<Record<string, (all: readonly Instruction[]) => boolean>> = {
  "the base is an argument pinned by digest (DL3006)": (all) => {
    const base = all.find(({ name }) => name === "ARG")?.value ?? "";
    return (
      /^BASE=[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/.test(base) &&
      all.filter(({ name }) => name === "FROM").every(({ value }) => /^\$\{BASE\}/.test(value))
    );
  },
  "there is more than one stage": (all) => all.filter(({ name }) => name === "FROM").length > 1,
  "every WORKDIR is absolute (DL3000)": (all) =>
    all.filter(({ name }) => name === "WORKDIR").every(({ value }) => value.startsWith("/")),
  "the last USER is numeric and not root (DL3002)": (all) =>
    /^[1-9]\d{4,}:[1-9]\d{4,}$/.test(all.findLast(({ name }) => name === "USER")?.value ?? ""),
  "nothing is added from elsewhere (DL3020)": (all) => all.every(({ name }) => name !== "ADD"),
  "the entry is in exec form (DL3025)": (all) =>
    Array.isArray(JSON.parse(all.findLast(({ name }) => name === "ENTRYPOINT")?.value ?? "0")),
  "the entry limits the memory": (all) =>
    ["--max-old-space-size=48", "--max-semi-space-size=1"].every((flag) =>
      all.findLast(({ name }) => name === "ENTRYPOINT")!.value.includes(flag),
    ),
  "the entry binds every address": (all) =>
    all.findLast(({ name }) => name === "ENTRYPOINT")!.value.includes('"--host", "0.0.0.0"'),
  "there is a health check": (all) =>
    all.some(({ name, value }) => name === "HEALTHCHECK" && value.includes("/readyz")),
  "no install scripts run": (all) =>
    all
      .filter(({ value }) => /npm (ci|install)/.test(value))
      .every(({ value }) => value.includes("--ignore-scripts")),
  "no secret is in it": (all) =>
    all.every(({ value }) => !/token|password|_auth|npmrc.*=/i.test(value)),
  "what runs is owned by root": (all) =>
    all.every(({ name, value }) => name !== "COPY" || !value.includes("--chown")),
};

describe("the Dockerfile", () => {
  it.each(Object.keys(RULES))("%s", (rule) => {
    expect(RULES[rule]!(instructionsOf(text))).toBe(true);
  });

  it.each([
    [
      "the base is an argument pinned by digest (DL3006)",
      (from: string) => from.replace(/@sha256:\w+/, ""),
    ],
    [
      "the last USER is numeric and not root (DL3002)",
      (from: string) => from.replace("USER 65532:65532", "USER root"),
    ],
    [
      "the entry is in exec form (DL3025)",
      (from: string) => from.replace(/ENTRYPOINT .*/, "ENTRYPOINT 0"),
    ],
    [
      "every WORKDIR is absolute (DL3000)",
      (from: string) => from.replace("WORKDIR /app", "WORKDIR app"),
    ],
    ["no install scripts run", (from: string) => from.replace(" --ignore-scripts", "")],
    [
      "there is a health check",
      (from: string) => from.replace(/HEALTHCHECK[^\n]*\\\n[^\n]*\n/, ""),
    ],
  ])("fails the rule when it does not: %s", (rule, edit) => {
    const broken = edit(text);
    expect(broken).not.toBe(text);
    expect(RULES[rule]!(instructionsOf(broken))).toBe(false);
  });

  it("takes the bundle, which holds the packages of production and no other", () => {
    const server = readFileSync(join(ROOT, "build/server.js"), "utf8");
    const bundled = new Set(
      [...server.matchAll(/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//g)].map(([, name]) => name),
    );
    const lock = readJson(ROOT, "package-lock.json").packages as Record<string, Json>;
    for (const name of bundled)
      expect([name, lock[`node_modules/${name}`]?.dev]).toEqual([name, undefined]);
    expect(bundled.has("hono")).toBe(true);
    // All that it imports by itself is Node's.
    const imports = [...server.matchAll(/^import .* from "([^"]+)";$/gm)].map(
      ([, specifier]) => specifier!,
    );
    expect(imports.filter((specifier) => !specifier.startsWith("node:"))).toEqual([]);
  });

  it("leaves out of its context what is private or made, but not the store", () => {
    const ignored = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
    for (const entry of [
      ".*",
      "**/node_modules",
      "build",
      "test",
      "model.npz",
      "data/raisins.csv",
    ]) {
      expect(ignored).toContain(entry);
    }
    expect(ignored.some((entry) => entry.includes("miniflow"))).toBe(false);
  });
});

describe.skipIf(!existsSync(join(ROOT, "package-lock.json")))("the bill of materials", () => {
  it("is CycloneDX 1.5, of the packages that the lock installs in production", () => {
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const run = (args: readonly string[]) =>
      JSON.parse(spawnSync(npm, args, { cwd: ROOT, encoding: "utf8" }).stdout);
    const bom = run(["run", "--silent", "sbom"]);
    expect([bom.bomFormat, bom.specVersion]).toEqual(["CycloneDX", "1.5"]);
    // What npm says is installed, asked in another way.
    const wanted = new Set<string>();
    const walk = ({ dependencies = {} }: Json) => {
      for (const [name, one] of Object.entries<Json>(dependencies)) {
        wanted.add(`${name}@${one.version}`);
        walk(one);
      }
    };
    walk(run(["ls", "--omit=dev", "--all", "--json"]));
    const found = bom.components.map(
      ({ group, name, version }: Json) => `${group ? `${group}/` : ""}${name}@${version}`,
    );
    expect(found.sort()).toEqual([...wanted].sort());
  });
});
