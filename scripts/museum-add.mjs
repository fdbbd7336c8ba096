// Adds the exhibits of this version to test/museum: a sealed run of each model format, with its data. Run it once, when a
// version is released; what stands there is never written again.
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "raisin-museum-"));

function raisin(...args) {
  const command = [join(root, "build/cli.js"), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** The generator of Park and Miller: the same on every engine. */
let state = 20261125;
function random() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}

function writeRows(name, header, row) {
  const rows = Array.from({ length: 80 }, (_, i) => row(i).join(","));
  writeFileSync(join(folder, name), `${[header, ...rows].join("\n")}\n`);
}

const round = (value) => Math.round(value * 1000) / 1000;
writeRows("plums.csv", "length,width,kind", () => {
  const [length, width] = [round(20 + 10 * random()), round(15 + 8 * random())];
  return [length, width, length - width + 6 * random() > 11 ? "damson" : "mirabelle"];
});
writeRows("visits.csv", "age,town,note,n,returned", (i) => {
  const age = i % 9 === 4 ? "" : Math.floor(20 + 60 * random());
  const town = ["Ulm", "Bonn", "Köln"][Math.floor(3 * random())];
  const note = i % 7 === 0 ? "NA" : ["short", "long"][i % 2];
  return [age, town, note, 1 + (i % 3), Number(age || 40) + 40 * random() > 65 ? "yes" : "no"];
});

const { privateKey } = generateKeyPairSync("ed25519"); // for this one signature, and then gone
writeFileSync(join(folder, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));

const visits = ["--label", "returned", "--missing", "indicator", "--weight", "n"];
for (const [format, data, flags, sealing] of [
  [1, "plums.csv", ["--label", "kind"], ["--sign", "key.pem"]],
  [2, "visits.csv", [...visits, "--class-weight", "balanced", "--l2", "0.01"], []],
]) {
  const out = join(root, `test/museum/${version}-model-${format}.html`);
  if (existsSync(out)) {
    process.stdout.write(`${out} is there already\n`);
    continue;
  }
  const train = ["train", "--data", data, ...flags, "--iterations", "300", "--json"];
  const { run_id: run } = JSON.parse(raisin(...train));
  process.stdout.write(raisin("seal", run, "--with-data", "--out", out, ...sealing));
}
rmSync(folder, { recursive: true });
