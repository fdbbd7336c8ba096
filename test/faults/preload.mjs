// Goes into a process before its program (`node --import`), and says through file descriptor 3 in which phase of recording
// a run it is, so that a test can kill it there. In the phase that FAULT_PHASE names, each step waits a little first.
// FAULT_KILL names a step instead, as `number` or `number half`: the process kills itself there.
// FAULT_LINK=overwrite takes the registry's guard out: the name of a generation need not be free any more. FAULT_RENAME="in
// place" takes that of whole files out.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const real = { ...fs };
const store = process.env.FAULT_STORE;
const slow = process.env.FAULT_PHASE;
const [killAt, isHalf] = (process.env.FAULT_KILL ?? "").split(" ");
const paths = new Map();
let phase = "start";
let step = 0;

function tell(text) {
  if (process.env.FAULT_TELL) real.writeSync(3, `${text}\n`);
}

function phaseOf(name, path) {
  if (name === "linkSync") return "commit";
  if (path.includes("/registry.d") || path.endsWith("/registry.json")) {
    return phase === "commit" || phase === "publish" || name === "renameSync"
      ? phaseAfterLink(name)
      : "candidate";
  }
  if (path.endsWith("/params.json")) return "params";
  if (path.endsWith("/metrics.jsonl")) return phase === "end" ? "end" : "metrics";
  if (path.includes("/artifacts")) return "artifacts";
  if (path.endsWith("/meta.json")) {
    // The first says that the run has begun, the second which data it has; after artifacts it is the end.
    return phase === "artifacts" || phase === "end" ? "end" : "begin";
  }
  return phase;
}

function phaseAfterLink(name) {
  return name === "renameSync" || phase === "publish" ? "publish" : phase;
}

/** One step below the store: tells a new phase, waits, or ends the process. */
function enter(name, path) {
  if (store === undefined || typeof path !== "string" || !path.startsWith(store)) return;
  const next = phaseOf(name, path);
  if (next !== phase) {
    phase = next;
    tell(`phase ${phase}`);
  }
  step++;
  tell(`step ${name} ${path.slice(store.length)}`);
  if (phase === slow) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
  if (killAt !== "" && Number(killAt) === step && isHalf === undefined) end();
}

function end() {
  process.kill(process.pid, "SIGKILL");
  // The signal comes when it comes; nothing may happen until then.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

/** What a store without renames would do: the old file is gone before the new one is whole. */
function rewrite(from, to) {
  const bytes = real.readFileSync(from);
  if (isHalf !== undefined && Number(killAt) === step) {
    real.writeFileSync(to, bytes.subarray(0, bytes.length / 2));
    end();
  }
  real.writeFileSync(to, bytes);
  real.rmSync(from);
}

for (const name of ["mkdirSync", "rmSync"]) {
  fs[name] = (path, ...rest) => {
    enter(name, path);
    return real[name](path, ...rest);
  };
}
for (const name of ["renameSync", "linkSync"]) {
  fs[name] = (from, to) => {
    enter(name, to);
    if (name === "renameSync" && process.env.FAULT_RENAME === "in place") return rewrite(from, to);
    if (name === "linkSync" && process.env.FAULT_LINK === "overwrite")
      return real.copyFileSync(from, to);
    return real[name](from, to);
  };
}
fs.openSync = (path, flags, mode) => {
  if (flags !== undefined && flags !== "r" && !(typeof flags === "number" && (flags & 3) === 0))
    enter("openSync", path);
  const file = real.openSync(path, flags, mode);
  paths.set(file, String(path));
  return file;
};
for (const name of ["fsyncSync", "fdatasyncSync"]) {
  fs[name] = (file) => {
    enter(name, paths.get(file));
    return real[name](file);
  };
}
fs.writeSync = (file, bytes, ...rest) => {
  enter("writeSync", paths.get(file));
  if (isHalf !== undefined && Number(killAt) === step && Buffer.isBuffer(bytes)) {
    real.writeSync(file, bytes, 0, Math.floor(bytes.length / 2));
    end();
  }
  return real.writeSync(file, bytes, ...rest);
};
syncBuiltinESMExports();
