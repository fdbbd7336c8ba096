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

/** A compiled core. A host makes one instance per training, so that trainings never share memory. */
export interface CoreSource {
  /** SHA-256 of the release core.wasm, 64 hex digits, whichever build runs. */
  readonly digest: string;
  /** The bytes of the release core.wasm. */
  readonly bytes: Uint8Array;
  instantiate(): CoreExports;
}

/** The interface number that this host speaks. */
export const HOST_ABI = 1;

const STATUS_NAMES = ["ok", "out of bounds", "misaligned", "too large", "out of range"];

/** @throws Error when a kernel did not do its work */
export function checkStatus(status: number, kernel: string): void {
  if (status !== 0) {
    throw new Error(
      `Cannot run kernel ${kernel}: status ${status}, ${STATUS_NAMES[status] ?? "?"}`,
    );
  }
}

/** A fresh instance. @throws Error when the core speaks another interface than this host */
export function instantiateChecked(source: CoreSource): CoreExports {
  const exports = source.instantiate();
  const abi = exports.abi();
  if (abi !== HOST_ABI) {
    throw new Error(
      `Cannot use this core as this host speaks interface ${HOST_ABI}: the core speaks ${abi}`,
    );
  }
  return exports;
}
