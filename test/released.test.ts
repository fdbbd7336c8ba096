// Whether the cores just built are those on record: a changed digest is a changed core, and has to be meant.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));
const sha256 = (path: string) => createHash("sha256").update(read(path)).digest("hex");

interface Released {
  version: string;
  abi: number;
  core: string;
  scalar: string;
}

const released = JSON.parse(read("assembly/released.json").toString()) as Released[];
const { version } = JSON.parse(read("package.json").toString()) as { version: string };

it("build/ holds the cores recorded for this version (npm run core:record, if the change is meant)", () => {
  const record = released.find((entry) => entry.version === version);
  expect(record).toMatchObject({
    core: sha256("build/core.wasm"),
    scalar: sha256("build/core.scalar.wasm"),
  });
});

it("released.json names each version once, with digests of 64 hex digits", () => {
  expect(new Set(released.map((entry) => entry.version)).size).toBe(released.length);
  for (const { core, scalar, abi } of released) {
    expect(core).toMatch(/^[0-9a-f]{64}$/);
    expect(scalar).toMatch(/^[0-9a-f]{64}$/);
    expect(Number.isInteger(abi)).toBe(true);
  }
});
