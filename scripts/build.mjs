// Builds everything under build/: the three cores from assembly/, the host from src/, and the command as one file.
// With --if-stale it does nothing when no source is newer than the last build, so that `npm run train` and `npm test`
// never run old code.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "build/stamp");

const sources = [
  "assembly",
  "src",
  "asconfig.json",
  "tsconfig.json",
  "package.json",
  "package-lock.json",
];

function newestChange(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestChange(join(path, name))),
    info.mtimeMs,
  );
}

function isFresh() {
  if (!existsSync(stamp)) return false;
  const builtAt = statSync(stamp).mtimeMs;
  return sources.every((source) => newestChange(join(root, source)) <= builtAt);
}

function run(script, args) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (process.argv.includes("--if-stale") && isFresh()) process.exit(0);
if (!existsSync(join(root, "node_modules/assemblyscript"))) {
  // `npm install --omit=dev` in a checkout: there is nothing to build with, and a packed package brings its build along.
  process.stderr.write("raisin: development dependencies are not installed, nothing was built\n");
  process.exit(0);
}

mkdirSync(join(root, "build"), { recursive: true });
rmSync(stamp, { force: true });
rmSync(join(root, "build/dist"), { recursive: true, force: true });
const asc = join(root, "node_modules/assemblyscript/bin/asc.js");
for (const target of ["release", "scalar", "debug"]) run(asc, ["--target", target]);
const tsc = join(root, "node_modules/typescript/bin/tsc");
run(tsc, ["-p", "tsconfig.json"]);
await bundleCommand();
await bundleProof();
writeFileSync(stamp, "");

/**
 * The command as one file, which starts in half the time of the forty that it is made of (bench/startup.mjs measures
 * it), the server as another, so that no other command has to load its packages, and what threads run as a third.
 */
async function bundleCommand() {
  const { rolldown } = await import("rolldown");
  const server = join(root, "build/dist/server/main.js");
  const bundles = [
    ["build/dist/cli/main.js", "build/cli.js", [/^node:/, server]],
    ["build/dist/server/main.js", "build/server.js", [/^node:/]],
    ["build/dist/recording/worker.js", "build/worker.js", [/^node:/]],
  ];
  for (const [input, file, external] of bundles) {
    const bundle = await rolldown({ input: join(root, input), platform: "node", external });
    await bundle.write({
      file: join(root, file),
      format: "esm",
      codeSplitting: false,
      // Less to read and to compile: 30 of 230 ms of a training's process time. `build/dist` has the same code as it was written.
      minify: file !== "build/server.js",
      paths: { [server]: "./server.js" },
    });
  }
  chmodSync(join(root, "build/cli.js"), 0o755);
  writeFileSync(join(root, "build/cli.LICENSES.txt"), bundledLicences());
}

/**
 * The program of a sealed run: one line that can stand in a page, in which the program itself is deflated to a third. Its
 * packages' licences travel with it, since a sealed run stands by itself.
 */
async function bundleProof() {
  const { rolldown } = await import("rolldown");
  const { deflateSync } = await import("fflate");
  const input = join(root, "build/dist/proof/viewer/main.js");
  const bundle = await rolldown({ input, platform: "browser", external: [/^node:/] });
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false, minify: true });
  const [{ code, moduleIds }] = output;
  const packages = moduleIds.flatMap(
    (id) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll("\\", "/"))?.[1] ?? [],
  );
  const licences = [...new Set(packages)].sort().map(licenceOf).join("\n----\n\n");
  const program = `/* ${licences.replaceAll("*/", "* /")} */\n${code}`;
  const packed = Buffer.from(deflateSync(Buffer.from(program), { level: 9 })).toString("base64");
  const loader = [
    `const text=await new Response(new Blob([Uint8Array.from(atob("${packed}"),c=>c.charCodeAt(0))])`,
    '.stream().pipeThrough(new DecompressionStream("deflate-raw"))).text()',
    ";globalThis.raisinProof={run:RUN,url:import.meta.url,program:text}",
    ';await import("document" in globalThis||"WorkerGlobalScope" in globalThis',
    '?URL.createObjectURL(new Blob([text],{type:"text/javascript"}))',
    ':"data:text/javascript;base64,"+Buffer.from(text).toString("base64"))',
  ];
  writeFileSync(join(root, "build/proof.js"), loader.join(""));
}

/** The licences of the packages that the bundle holds. */
function bundledLicences() {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const texts = Object.keys(dependencies).map(licenceOf);
  return `build/cli.js and build/server.js hold code of these packages:\n\n${texts.join("\n----\n\n")}`;
}

function licenceOf(name) {
  const folder = join(root, "node_modules", name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const { license, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${license}`;
  return `${name} ${version}\n\n${text}\n`;
}
