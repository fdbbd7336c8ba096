// Where a core comes from: its bytes, its digest, and a way to make a fresh instance.

/** The raw exports of a core. Every kernel returns a status; addresses and counts are as in assembly/README.md. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  abi(): number;
  heapBase(): number;
  exp(x: number, n: number, out: number): number;
  log(x: number, n: number, out: number): number;
  sigmoid(z: number, n: number, p: number): number;
  range(x: number, n: number, out: number): number;
  moments(x: number, n: number, min: number, max: number, out: number): number;
  momentsOfPresent(
    x: number,
    n: number,
    rows: number,
    min: number,
    max: number,
    out: number,
  ): number;
  momentsOfIndicator(ones: number, n: number, out: number): number;
  pack(x: number, n: number, mean: number, std: number, X: number, d: number, j: number): number;
  packIndicator(
    codes: number,
    n: number,
    code: number,
    mean: number,
    std: number,
    X: number,
    d: number,
    j: number,
  ): number;
  logits(X: number, n: number, d: number, w: number, z: number): number;
  contributions(X: number, n: number, d: number, w: number, c: number): number;
  sum(v: number, n: number, bound: number, out: number): number;
  score(p: number, y: number, n: number, threshold: number, out: number): number;
  weightedScore(
    p: number,
    y: number,
    s: number,
    n: number,
    threshold: number,
    most: number,
    out: number,
  ): number;
  sha256(blocks: number, count: number, n: number, work: number, digests: number): number;
  gradient(
    X: number,
    n: number,
    d: number,
    y: number,
    w: number,
    bounds: number,
    work: number,
    l2: number,
    g: number,
  ): number;
  weightedGradient(
    X: number,
    n: number,
    d: number,
    y: number,
    s: number,
    total: number,
    w: number,
    bounds: number,
    work: number,
    l2: number,
    g: number,
  ): number;
  descend(
    X: number,
    n: number,
    d: number,
    y: number,
    w: number,
    bounds: number,
    work: number,
    lr: number,
    l2: number,
    steps: number,
  ): number;
  weightedDescend(
    X: number,
    n: number,
    d: number,
    y: number,
    s: number,
    total: number,
    w: number,
    bounds: number,
    work: number,
    lr: number,
    l2: number,
    steps: number,
  ): number;
}

/** What instances are made of. */
export interface Instantiable {
  instantiate(): CoreExports;
}

/** A compiled core. A host makes one instance per training, so that trainings never share memory. */
export interface CoreSource extends Instantiable {
  /** SHA-256 of the release core.wasm, 64 hex digits, whichever build runs. */
  readonly digest: string;
  /** The bytes of the release core.wasm. */
  readonly bytes: Uint8Array;
}

/** The interface number that this host speaks. */
export const HOST_ABI = 1;

/** A module that is no core that this host could run: it says why. */
export class ForeignCoreError extends Error {
  override readonly name: string = "ForeignCoreError";
}

/** A core of an earlier version, which lacks kernels that this host calls: another core can do its work. */
export class OlderCoreError extends ForeignCoreError {
  override readonly name: string = "OlderCoreError";
}

const KERNELS: readonly Exclude<keyof CoreExports, "memory">[] = [
  ...([
    "abi",
    "heapBase",
    "exp",
    "log",
    "sigmoid",
    "range",
    "moments",
    "momentsOfPresent",
  ] as const),
  ...(["momentsOfIndicator", "pack", "packIndicator", "logits", "contributions", "sum"] as const),
  ...(["score", "weightedScore", "sha256", "gradient", "weightedGradient", "descend"] as const),
  "weightedDescend",
];

/** Most bytes of memory that a core may begin with; ours begins with one page. */
const FIRST_MEMORY_MAX = 1 << 26;

function made<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new ForeignCoreError(`Cannot run this core: ${(error as Error).message}`);
  }
}

/**
 * A core from a module that a host was given compiled. It can compute, and nothing else: one that imports anything is refused.
 *
 * @throws ForeignCoreError for what is no core, OlderCoreError for one that lacks kernels of this host
 */
export function coreOfModule(module: WebAssembly.Module): Instantiable {
  const [wanted] = WebAssembly.Module.imports(module);
  if (wanted !== undefined) {
    throw new ForeignCoreError(
      `Cannot run this core: it asks for ${wanted.module}.${wanted.name}, and a core imports nothing`,
    );
  }
  const kinds = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  const required = ["abi", "heapBase"].every((name) => kinds.get(name) === "function");
  if (kinds.get("memory") !== "memory" || !required) {
    throw new ForeignCoreError("Cannot run this core: it lacks memory, abi or heapBase");
  }
  const lacking = KERNELS.find((name) => kinds.get(name) !== "function");
  if (lacking !== undefined) {
    throw new OlderCoreError(`Cannot run this core: it has no ${lacking}`);
  }
  const instantiate = () => {
    const exports = made(() => new WebAssembly.Instance(module).exports as unknown as CoreExports);
    if (exports.memory.buffer.byteLength > FIRST_MEMORY_MAX) {
      throw new ForeignCoreError("Cannot run this core: it begins with more than 64 MiB of memory");
    }
    return exports;
  };
  return { instantiate };
}

/**
 * A core from bytes that may come from anybody.
 *
 * @param digest of the bytes @throws as coreOfModule; ForeignCoreError also for one that runs code before it is called
 */
export function coreOfBytes(bytes: Uint8Array, digest: string): CoreSource {
  const module = made(() => new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>));
  if (hasStart(bytes)) {
    throw new ForeignCoreError("Cannot run this core: it runs code before it is called");
  }
  return { digest, bytes, ...coreOfModule(module) };
}

const STATUS_NAMES = ["ok", "out of bounds", "misaligned", "too large", "out of range"];

/** @throws Error when a kernel did not do its work */
export function checkStatus(status: number, kernel: string): void {
  if (status !== 0) {
    throw new Error(
      `Cannot run kernel ${kernel}: status ${status}, ${STATUS_NAMES[status] ?? "?"}`,
    );
  }
}

const SECTION_START = 8;

/** Whether a module has a start function, which would run when it is instantiated. @param bytes of a sound module */
function hasStart(bytes: Uint8Array): boolean {
  let at = 8; // behind the magic number and the version
  while (at < bytes.length) {
    if (bytes[at++] === SECTION_START) return true;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += size;
  }
  return false;
}

/** A fresh instance. @throws ForeignCoreError when the core speaks another interface than this host */
export function instantiateChecked(source: Instantiable): CoreExports {
  const exports = source.instantiate();
  const abi = exports.abi();
  if (abi !== HOST_ABI) {
    throw new ForeignCoreError(
      `Cannot use this core as this host speaks interface ${HOST_ABI}: the core speaks ${abi}`,
    );
  }
  return exports;
}
