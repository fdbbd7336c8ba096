// Is the conformance kit what this core makes, and does it tell one bit?
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT, runNode, temporaryDirectory } from "../support/cli.ts";

const cwd = temporaryDirectory();
const KIT = join(ROOT, "runtimes/kit/kit.txt");
const RUNNER = join(ROOT, "runtimes/js/run.mjs");
const core = (name: string) => join(ROOT, "build", name);
const text = readFileSync(KIT, "utf8");

/** The kit with something changed. */
function changed(name: string, change: (text: string) => string): string {
  const after = change(text);
  expect(after).not.toBe(text);
  writeFileSync(join(cwd, name), after);
  return join(cwd, name);
}

test("kit.txt is what this core makes (node runtimes/kit/make-kit.mjs, if the change is meant)", async () => {
  const { code, stdout } = await runNode([join(ROOT, "runtimes/kit/make-kit.mjs"), "--check"], {
    cwd,
  });
  expect([code, stdout]).toEqual([0, "kit.txt is what this core makes\n"]);
});

describe.each(["core.wasm", "core.scalar.wasm"])("%s in this Node", (name) => {
  const run = (kit: string) => runNode([RUNNER, core(name), kit], { cwd });

  test("gives all bits of the kit", async () => {
    const { code, stdout, stderr } = await run(KIT);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^first \d+\.\d$/);
    expect(lines.slice(1).every((line) => line.startsWith("equal "))).toBe(true);
    expect(lines).toHaveLength(1 + text.match(/^expect /gm)!.length);
  });

  test("does not give another last bit: the control", async () => {
    const kit = changed("bit.txt", (kitText) =>
      kitText.replace(/^(expect trained .*)([0-9a-f])$/m, (_, head: string, digit: string) => {
        return head + (Number.parseInt(digit, 16) ^ 1).toString(16);
      }),
    );
    const { code, stdout } = await run(kit);
    expect(code).toBe(1);
    expect(
      stdout.match(/^different ordinary trained 17 [0-9a-f]{16} [0-9a-f]{16}$/gm),
    ).toHaveLength(1);
  });

  test.each<[string, (kitText: string) => string, RegExp]>([
    [
      "a value that is not finite",
      (kit) => kit.replace(/^(put \S+ \d+) \S+/m, "$1 7ff0000000000000"),
      /not finite/,
    ],
    [
      "an address beyond the memory",
      (kit) => kit.replace("call pack @", "call pack @99999"),
      /status [12]/,
    ],
    [
      "more memory than there can be",
      (kit) => kit.replace(/^(case \S+) \d+/m, "$1 4294967290"),
      /./,
    ],
  ])("stops at %s", async (_, change, said) => {
    const { code, stdout, stderr } = await run(changed("bad.txt", change));
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(said);
  });
});

test("the kit covers every kernel", () => {
  const called = new Set([...text.matchAll(/^call (\w+)/gm)].map(([, name]) => name));
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(readFileSync(core("core.wasm"))),
  );
  const kernels = Object.keys(exports).filter(
    (name) => !["abi", "heapBase", "memory"].includes(name),
  );
  expect([...called].sort()).toEqual(kernels.sort());
});
