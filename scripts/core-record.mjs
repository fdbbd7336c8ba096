// Records the digests of the cores just built as those of this version, in assembly/released.json. Run it when a
// change of the kernels is meant; a test fails while the record and the build disagree.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const at = (path) => new URL(`../${path}`, import.meta.url);
const sha256 = (path) =>
  createHash("sha256")
    .update(readFileSync(at(path)))
    .digest("hex");
const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
const list = at("assembly/released.json");

let released = [];
try {
  released = JSON.parse(readFileSync(list, "utf8"));
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}
const core = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(at("build/core.wasm"))));
const record = {
  version,
  abi: core.exports.abi(),
  core: sha256("build/core.wasm"),
  scalar: sha256("build/core.scalar.wasm"),
};
const others = released.filter((entry) => entry.version !== version);
writeFileSync(list, `${JSON.stringify([...others, record], null, 2)}\n`);
process.stdout.write(`${version}: core ${record.core}\n`);
