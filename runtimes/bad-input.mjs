// Cores and kits that every runner must refuse: it says so and stops, before it prints any verdict.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import binaryen from "binaryen";

/** @returns [{name, core, kit, says, isOtherCore}] */
export function badInputs(folder, core, kit) {
  const write = (name, content) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const module = binaryen.readBinary(readFileSync(core));
  module.setFeatures(binaryen.Features.All);
  module.removeExport("abi");
  module.addFunction("two", binaryen.none, binaryen.i32, [], module.i32.const(2));
  module.addFunctionExport("two", "abi");
  const text = readFileSync(kit, "utf8");
  // The first case by itself: what is wrong must be found before anything is compared.
  const first = text.slice(
    text.indexOf("case "),
    text.indexOf("\ncase ", text.indexOf("case ")) + 1,
  );
  return [
    {
      name: "another interface",
      core: write("interface.wasm", module.emitBinary()),
      kit,
      says: /interface/,
      isOtherCore: true,
    },
    {
      name: "a core that is none",
      core: write("none.wasm", "none of this is WebAssembly"),
      kit,
      says: /./,
      isOtherCore: true,
    },
    {
      name: "a value that is not finite",
      core,
      kit: write("nan.txt", first.replace(/^(put \S+ \d+) \S+/m, "$1 7ff8000000000000")),
      says: /not finite/,
    },
    {
      name: "a status",
      core,
      kit: write("status.txt", first.replace(/^call pack @\d+/m, "call pack @4294900000")),
      says: /status/,
    },
    {
      name: "too little memory",
      core,
      kit: write("memory.txt", first.replace(/^(case \S+) \d+/m, "$1 4294967290")),
      says: /./,
    },
  ];
}
