// Is assembly/README.md true: does it name every export with its operands, and does its page of a host train?
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadCore } from "../../src/core/node.ts";
import { HOST_ABI } from "../../src/core/source.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { hexOf } from "../contract/bits.ts";
import { readBuild } from "../support/core-exports.ts";
import { generate } from "../training/generated.ts";

const root = new URL("../../", import.meta.url);
const text = readFileSync(new URL("assembly/README.md", root), "utf8");

type ReadmeTrain = (
  wasm: Uint8Array,
  columns: readonly Float64Array[],
  y: Uint8Array,
  options: { lr: number; l2: number; iterations: number },
) => { mean: number[]; std: number[]; weights: Float64Array };

describe("assembly/README.md", () => {
  it("has every export with its operands, and no other", () => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readBuild("core")), {});
    const actual = Object.entries(exports)
      .filter(([, value]) => typeof value === "function")
      .map(([name, value]) => `${name} ${(value as () => void).length}`);
    const told = Array.from(text.matchAll(/^### `(\w+)\((.*?)\)`$/gm), ([, name, operands]) => {
      return `${name} ${operands === "" ? 0 : operands!.split(",").length}`;
    });
    expect(told.sort()).toEqual(actual.sort());
  });

  it("has the interface number, the statuses and the work size of the sources", () => {
    expect(text).toMatch(`The number of this interface: ${HOST_ABI}.`);
    const read = (name: string) => readFileSync(new URL(`assembly/${name}`, root), "utf8");
    const statuses = read("check.ts").matchAll(/^export const (\w+): i32 = (\d);$/gm);
    const words: Record<string, string> = { OK: "done" };
    for (const [, name, status] of statuses) {
      const said = words[name!] ?? name!.toLowerCase().replaceAll("_", " ");
      const pattern = new RegExp(
        `^\\| ${status} \\| ${said.replace("out of bounds", "out of bounds:")}`,
        "m",
      );
      expect(text, name).toMatch(pattern);
    }
    const recordBytes = /RECORD_BYTES: usize = (\d+);/.exec(read("descent.ts"))![1];
    expect(text).toMatch(`${recordBytes} bytes (${Number(recordBytes) / 8} f64 values)`);
    expect(text).toMatch(`work [${Number(recordBytes) / 8}*(d + 1)]`);
  });

  it.each(["core", "core.scalar"] as const)(
    "its host trains %s to the bits of train()",
    async (build) => {
      const code = /^```js\n(.*?)^```$/ms.exec(text)![1]!;
      const readmeTrain = new Function(`${code}; return train;`)() as ReadmeTrain;
      // More rows than the memory's first page holds, so that it grows; not a multiple of 8; a constant column.
      const dataset = generate({ n: 3001, d: 4, seed: 1 });
      const columns = dataset.columns as Float64Array[];
      columns[2]!.fill(7);
      const options = { lr: 0.3, l2: 0.01, iterations: 25 };
      const told = readmeTrain(readBuild(build), columns, dataset.y, options);
      const { model } = await train(loadCore(), dataset, {
        ...DEFAULT_PARAMS,
        ...options,
        valFraction: 0,
      });
      expect(hexOf(told.weights)).toEqual(hexOf([...model.w, model.b]));
      expect(hexOf(told.mean)).toEqual(hexOf(model.mean));
      expect(hexOf(told.std)).toEqual(hexOf(model.std));
    },
  );
});
