// How each runtime is had and how it runs the kit. Each function gives {version, run(core, kit), cpu, builds}, or throws Skip.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { here, prepare, program, run, Skip, start } from "./tools.mjs";

const APT = "bash runtimes/setup.sh";

/** A program of a package in node_modules. @throws Skip */
export function packaged(path, { install }) {
  const file = here(`node_modules/${path}`);
  if (!existsSync(file)) install();
  if (!existsSync(file)) throw new Skip(`${path} could not be installed here`);
  return file;
}

const node = (version) => (tools) => {
  const command = packaged(`node-${version}/bin/node`, tools);
  return {
    version: prepare(command, ["--version"]).slice(1),
    run: (core, kit) => run(command, [here("js/run.mjs"), core, kit]),
  };
};

function deno(tools) {
  const command = packaged("@deno/linux-x64-glibc/deno", tools);
  return {
    version: prepare(command, ["--version"]).split(/\s/)[1],
    run: (core, kit) => run(command, ["run", "--allow-read", here("js/run.mjs"), core, kit]),
  };
}

function bun(tools) {
  const command = packaged("@oven/bun-linux-x64/bin/bun", tools);
  return {
    version: prepare(command, ["--version"]),
    run: (core, kit) => run(command, [here("js/run.mjs"), core, kit]),
  };
}

function gjs() {
  const command = program("gjs", APT);
  return {
    version: prepare(command, ["--version"]).split(" ").at(-1),
    run: (core, kit) => run(command, ["-m", here("gjs/run.js"), core, kit]),
  };
}

function workerd(tools) {
  const command = packaged("@cloudflare/workerd-linux-64/bin/workerd", tools);
  return {
    version: prepare(command, ["--version"]).split(" ").at(-1),
    run: (core, kit) => serveWorker(command, tools.scratch, core, kit),
  };
}

/** Serves a worker made of these files. @returns its address and a way to end it; null for one that does not start */
export async function serveWorkerd(command, folder) {
  const { child, end } = start(command, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const port = await new Promise((resolve) => {
    let told = "";
    child.stdio[3].on("data", (text) => {
      told += text;
      const found = /"port":\s*(\d+)/.exec(told)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.on("exit", () => resolve(null));
  });
  return { address: port === null ? null : `http://127.0.0.1:${port}`, end, stderr: () => stderr };
}

/** Serves the kit's worker with these files, and asks it. */
async function serveWorker(command, scratch, core, kit) {
  const folder = mkdtempSync(join(scratch, "workerd-"));
  for (const [from, to] of [
    [here("workerd/config.capnp"), "config.capnp"],
    [here("workerd/kit.mjs"), "worker.mjs"],
    [here("js/kit.mjs"), "runner.mjs"],
    [core, "core.wasm"],
    [kit, "kit.txt"],
  ]) {
    copyFileSync(from, join(folder, to));
  }
  const { address, end, stderr } = await serveWorkerd(command, folder);
  try {
    if (address === null) return { code: 2, stdout: "", stderr: stderr() };
    const ask = async (path) => {
      const answer = await fetch(`${address}${path}`);
      return { code: Number(answer.headers.get("x-code")), text: await answer.text() };
    };
    const begin = performance.now();
    await ask("/first");
    const first = `first ${(performance.now() - begin).toFixed(1)}\n`;
    const { code, text } = await ask("/");
    if (code === 2) return { code, stdout: "", stderr: text };
    return { code, stdout: first + text, stderr: stderr() };
  } finally {
    end();
  }
}

const browser = (name, argumentsOf) => (tools) => {
  const command = program(name, APT);
  return {
    version: /[\d.]+\S*/.exec(prepare(command, ["--version"]))[0],
    run: (core, kit) => servePage(command, argumentsOf, tools.scratch, core, kit),
  };
};

/** Serves the kit's page with these files, and lets a browser open it. */
async function servePage(command, argumentsOf, scratch, core, kit) {
  const profile = mkdtempSync(join(scratch, "browser-"));
  const files = {
    "/": [here("browser/page.html"), "text/html"],
    "/kit.mjs": [here("js/kit.mjs"), "text/javascript"],
    "/core.wasm": [core, "application/wasm"],
    "/kit.txt": [kit, "text/plain"],
  };
  let answered;
  const answer = new Promise((resolve) => {
    answered = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      response.end();
      answered(JSON.parse(body));
      return;
    }
    const [path, type] = files[request.url] ?? [];
    response.writeHead(path ? 200 : 404, { "content-type": type ?? "text/plain" });
    response.end(path && readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}/`;
  const { end } = start(command, argumentsOf(profile, address), {
    env: { ...process.env, HOME: profile },
  });
  const timer = setTimeout(() => answered({ code: -1, error: "the page did not answer" }), 120_000);
  try {
    const { code, lines = [], error = "" } = await answer;
    return { code, stdout: lines.join("\n"), stderr: error };
  } finally {
    clearTimeout(timer);
    end();
    server.closeAllConnections();
    server.close();
  }
}

const chromium = browser("chromium", (profile, address) => [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  ...[`--user-data-dir=${profile}`, address],
]);
const firefox = browser("firefox-esr", (profile, address) => [
  ...["--headless", "--no-remote", "--profile", profile, address],
]);

function wazero({ cache }) {
  const go = program("go");
  const file = join(cache, "wazero-kit");
  prepare(go, ["build", "-o", file, "."], { cwd: here("go") });
  return {
    version: /wazero v(\S+)/.exec(readFileSync(here("go/go.mod"), "utf8"))[1],
    run: (core, kit) => run(file, [core, kit]),
  };
}

function wasmi({ cache }) {
  const cargo = program("cargo");
  const folder = join(cache, "cargo");
  const env = { ...process.env, CARGO_TARGET_DIR: folder };
  prepare(cargo, ["build", "--release", "--locked", "--quiet"], { cwd: here("rust"), env });
  return {
    version: /name = "wasmi"\nversion = "([^"]+)"/.exec(
      readFileSync(here("rust/Cargo.lock"), "utf8"),
    )[1],
    run: (core, kit) => run(join(folder, "release/raisin-kit"), [core, kit]),
  };
}

function endive({ cache }) {
  const [mvn, java] = [program("mvn"), program("java")];
  const folder = join(cache, "endive");
  const build = [`-DbuildDirectory=${folder}`, `-DoutputDirectory=${folder}/lib`];
  prepare(mvn, ["-q", "-B", "compile", "dependency:copy-dependencies", ...build], {
    cwd: here("jvm"),
  });
  const path = `${folder}/classes:${folder}/lib/*`;
  return {
    version: /<version>([\d.]+)<\/version>\s*<\/dependency>/.exec(
      readFileSync(here("jvm/pom.xml"), "utf8"),
    )[1],
    // Its interpreter has vectors on Java 21 and later only.
    builds: ["scalar"],
    run: (core, kit) => run(java, ["-cp", path, "Kit", core, kit]),
  };
}

/** Python in an environment with what the runner and the kit's check need. @throws Skip */
export function pythonIn(cache) {
  const folder = join(cache, "python");
  const python = join(folder, "bin/python");
  if (!existsSync(python)) prepare(program("python3"), ["-m", "venv", folder]);
  const packages = ["wasmtime==50.0.1", "mpmath==1.4.1"];
  prepare(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", ...packages]);
  return python;
}

function wasmtime({ cache }) {
  const python = pythonIn(cache);
  return {
    version: "50.0.1",
    run: (core, kit) => run(python, [here("wasmtime/kit.py"), core, kit]),
  };
}

/** The scalar core as C, on one CPU. @param contract what -ffp-contract says: the control fuses */
const wasm2c = (arch, cpu, contract) => {
  const prepared = ({ cache, cores }) => {
    const tool = program("wasm2c", APT);
    const compiler = program(`${arch}-linux-gnu-gcc`, APT);
    const emulator = arch === "x86_64" ? null : program(`qemu-${arch}`, APT);
    const folder = join(cache, `wasm2c-${arch}-${contract}`);
    mkdirSync(folder, { recursive: true });
    const fused = contract === "fast" && arch === "x86_64" ? ["-mfma"] : [];
    const args = [cores.scalar, folder, compiler, `-ffp-contract=${contract}`, ...fused];
    prepare("bash", [here("c/build.sh"), ...args]);
    const file = join(folder, "kit");
    return {
      version: `${prepare(tool, ["--version"])}, gcc ${prepare(compiler, ["-dumpversion"])}${emulator ? `, qemu ${/version ([\d.]+)/.exec(prepare(emulator, ["--version"]))[1]}` : ""}`,
      cpu,
      builds: ["scalar"],
      isControl: contract === "fast",
      run: (_, kit) => (emulator ? run(emulator, [file, kit]) : run(file, [kit])),
    };
  };
  prepared.isCompiledIn = true;
  return prepared;
};

export const RUNTIMES = {
  "Node 20": node(20),
  "Node 22": node(22),
  "Node 24": node(24),
  Deno: deno,
  Bun: bun,
  workerd,
  Chromium: chromium,
  Firefox: firefox,
  gjs,
  "wazero (Go)": wazero,
  "wasmi (Rust)": wasmi,
  "Endive (JVM)": endive,
  "wasmtime (Python)": wasmtime,
  "wasm2c x86-64": wasm2c("x86_64", "x86-64", "off"),
  "wasm2c aarch64": wasm2c("aarch64", "aarch64", "off"),
  "wasm2c riscv64": wasm2c("riscv64", "riscv64", "off"),
  "wasm2c s390x": wasm2c("s390x", "s390x (big-endian)", "off"),
  "control: fused x86-64": wasm2c("x86_64", "x86-64", "fast"),
  "control: fused aarch64": wasm2c("aarch64", "aarch64", "fast"),
  "control: fused riscv64": wasm2c("riscv64", "riscv64", "fast"),
  "control: fused s390x": wasm2c("s390x", "s390x (big-endian)", "fast"),
};
