// Do the three builds and the reference give equal bits? Runs the contract on each.
import { BUILDS, loadCore } from "../support/core-exports.ts";
import { describeCore } from "./core.contract.ts";
import { reference } from "./reference.ts";

for (const name of BUILDS) describeCore(`build/${name}.wasm`, () => loadCore(name));
describeCore("test/contract/reference.ts", () => reference);
