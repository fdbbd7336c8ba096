// Cores that are none of a release: ours with a mark, with another kernel, with a wish.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import binaryen from "binaryen";
import { ROOT } from "./cli.ts";

const own = () => readFileSync(join(ROOT, "build/core.wasm"));

/** A custom section changes the digest and nothing else. */
export function markedCore(): Uint8Array {
  return Buffer.concat([own(), Uint8Array.of(0, 5, 4, 0x6d, 0x61, 0x72, 0x6b)]);
}

export function changedCore(change: (module: binaryen.Module) => void): Uint8Array {
  const module = binaryen.readBinary(own());
  module.setFeatures(binaryen.Features.All);
  change(module);
  return module.emitBinary();
}

/** The core with another body for its `descend`. */
export function coreWithDescend(body: (module: binaryen.Module) => number): Uint8Array {
  return changedCore((module) => {
    const { value } = binaryen.getExportInfo(module.getExport("descend"));
    const { params, results } = binaryen.getFunctionInfo(module.getFunction(value));
    module.removeExport("descend");
    module.addFunction("other", params, results, [], body(module));
    module.addFunctionExport("other", "descend");
  });
}

/** A core that never returns from a training. */
export function endlessCore(): Uint8Array {
  return coreWithDescend((module) => module.loop("for-ever", module.br("for-ever")));
}

/** Gives a run another core, on its record too. */
export function exchangeCore(run: string, core: Uint8Array): void {
  writeFileSync(join(run, "artifacts/core/core.wasm"), core);
  const path = join(run, "meta.json");
  const meta = readFileSync(path, "utf8");
  const { core_digest: digest } = JSON.parse(meta) as { core_digest: string };
  const other = createHash("sha256").update(core).digest("hex");
  writeFileSync(path, meta.replaceAll(digest, other));
}
