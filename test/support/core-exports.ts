// How do tests call a built core? Instantiated with {}, with arrays laid out between guard bytes.
import { existsSync, readFileSync } from "node:fs";
import type { CoreExports } from "../../src/core/source.ts";
import type { Core, Problem, WeightedProblem } from "../contract/reference.ts";

export type { CoreExports };

export const BUILDS = ["core", "core.scalar", "core.debug"] as const;
export type BuildName = (typeof BUILDS)[number];

export function readBuild(name: BuildName): Uint8Array<ArrayBuffer> {
  const url = new URL(`../../build/${name}.wasm`, import.meta.url);
  if (!existsSync(url)) throw new Error(`build/${name}.wasm is missing: run \`npm run build\``);
  return new Uint8Array(readFileSync(url));
}

export function instantiate(bytes: Uint8Array<ArrayBuffer>): CoreExports {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
  return instance.exports as unknown as CoreExports; // module.test.ts checks the names
}

export const OK = 0;
export const OUT_OF_BOUNDS = 1;
export const MISALIGNED = 2;
export const TOO_LARGE = 3;
export const OUT_OF_RANGE = 4;

export const TILE_ROWS = 8;
/** f64 values of work that gradient and descend, weighted or not, want per feature, and once more for the bias. */
export const WORK_PER_FEATURE = 6;

export function padded(n: number): number {
  return Math.ceil(n / TILE_ROWS) * TILE_ROWS;
}

/** Messages that sha256 has to have room for: whole groups of four. */
export function hashedCount(n: number): number {
  return Math.ceil(n / 4) * 4;
}

const PAGE = 65536;
const GUARD_BYTES = 24; // so that arrays start at 0 and at 8 modulo 16
const GUARD = 0xff; // read as an f64 it is NaN, so that reading past an end shows too

interface Block {
  pointer: number;
  bytes: number;
  input: Float64Array | undefined;
}

/** A core's memory from heapBase on, given out upwards with guard bytes round every array. */
export class Arena {
  readonly core: CoreExports;
  private top: number;
  private blocks: Block[] = [];

  constructor(core: CoreExports) {
    this.core = core;
    this.top = core.heapBase();
  }

  private place(count: number, input: Float64Array | undefined): number {
    const bytes = count * 8;
    const pointer = this.top + GUARD_BYTES;
    this.top = pointer + bytes + GUARD_BYTES;
    const missing = this.top - this.core.memory.buffer.byteLength;
    if (missing > 0) this.core.memory.grow(Math.ceil(missing / PAGE));
    new Uint8Array(this.core.memory.buffer).fill(GUARD, pointer - GUARD_BYTES, this.top);
    this.blocks.push({ pointer, bytes, input });
    return pointer;
  }

  /** Room for results. It holds NaN. */
  output(count: number): number {
    return this.place(count, undefined);
  }

  /** A copy of values, which the kernel must leave as they are. */
  input(values: Float64Array): number {
    const pointer = this.place(values.length, values.slice());
    this.view(pointer, values.length).set(values);
    return pointer;
  }

  /** A copy of values that the kernel may change. */
  inOut(values: Float64Array): number {
    const pointer = this.output(values.length);
    this.view(pointer, values.length).set(values);
    return pointer;
  }

  /** Made anew at each use, since growing the memory detaches earlier ones. */
  view(pointer: number, count: number): Float64Array {
    return new Float64Array(this.core.memory.buffer, pointer, count);
  }

  read(pointer: number, count: number): Float64Array {
    return this.view(pointer, count).slice();
  }

  /** Throws if a guard byte or an input has changed. */
  verify(): void {
    const bytes = new Uint8Array(this.core.memory.buffer);
    for (const { pointer, bytes: size, input } of this.blocks) {
      for (let k = 1; k <= GUARD_BYTES; k++) {
        if (bytes[pointer - k] !== GUARD) throw new Error(`Written ${k} bytes before an array`);
        if (bytes[pointer + size + k - 1] !== GUARD) {
          throw new Error(`Written ${k} bytes beyond an array`);
        }
      }
      if (!input) continue;
      const now = new BigUint64Array(this.core.memory.buffer, pointer, input.length);
      const before = new BigUint64Array(input.buffer, input.byteOffset, input.length);
      for (let i = 0; i < before.length; i++) {
        if (now[i] !== before[i]) throw new Error(`Input changed at ${i}`);
      }
    }
  }
}

function expectOk(name: string, status: number): void {
  if (status !== OK) throw new Error(`${name}() returned status ${status}`);
}

function padRows(values: Float64Array, behind = 0): Float64Array {
  const result = new Float64Array(padded(values.length)).fill(behind);
  result.set(values);
  return result;
}

/** Rows in tiles, laid out here and not by pack(), so that the layout is stated twice. */
export function toTiles(columns: Float64Array[], n: number): Float64Array {
  const d = columns.length;
  const X = new Float64Array(padded(n) * d);
  columns.forEach((x, j) => {
    for (let i = 0; i < n; i++) {
      X[Math.floor(i / TILE_ROWS) * d * TILE_ROWS + j * TILE_ROWS + (i % TILE_ROWS)] = x[i]!;
    }
  });
  return X;
}

/** A build behind the face of the reference. Every call checks its guards and its inputs. */
export function openCore(exports: CoreExports): Core {
  /** One call: lays out by `use`, which returns a status and where the result is. */
  function call(
    name: string,
    use: (arena: Arena) => { status: number; pointer: number; count: number },
  ): Float64Array {
    const arena = new Arena(exports);
    const { status, pointer, count } = use(arena);
    expectOk(name, status);
    arena.verify();
    return arena.read(pointer, count);
  }

  function eachOf(name: "exp" | "log", x: Float64Array): Float64Array {
    return call(name, (arena) => {
      const [from, pointer] = [arena.input(x), arena.output(x.length)];
      return { status: exports[name](from, x.length, pointer), pointer, count: x.length };
    });
  }

  function layOut(arena: Arena, { columns, y, bounds }: Problem) {
    return {
      n: y.length,
      d: columns.length,
      X: arena.input(toTiles(columns, y.length)),
      y: arena.input(padRows(y)),
      bounds: arena.input(bounds),
      work: arena.output(WORK_PER_FEATURE * (columns.length + 1)),
    };
  }

  /** What stands behind the last weight must not matter. */
  function layOutWeights(arena: Arena, { s }: WeightedProblem): number {
    return arena.input(padRows(s, Number.NaN));
  }

  return {
    exp: (x) => eachOf("exp", x),
    log: (x) => eachOf("log", x),
    sigmoid: (z) =>
      call("sigmoid", (arena) => {
        const [from, pointer] = [arena.input(padRows(z)), arena.output(padded(z.length))];
        return { status: exports.sigmoid(from, z.length, pointer), pointer, count: z.length };
      }),
    range: (x) =>
      call("range", (arena) => {
        const [from, pointer] = [arena.input(x), arena.output(2)];
        return { status: exports.range(from, x.length, pointer), pointer, count: 2 };
      }),
    moments: (x, least, most) =>
      call("moments", (arena) => {
        const [from, pointer] = [arena.input(x), arena.output(2)];
        return { status: exports.moments(from, x.length, least, most, pointer), pointer, count: 2 };
      }),
    momentsOfPresent: (x, rows, least, most) =>
      call("momentsOfPresent", (arena) => {
        const [from, pointer] = [arena.input(x), arena.output(2)];
        const status = exports.momentsOfPresent(from, x.length, rows, least, most, pointer);
        return { status, pointer, count: 2 };
      }),
    momentsOfIndicator: (ones, n) =>
      call("momentsOfIndicator", (arena) => {
        const pointer = arena.output(2);
        return { status: exports.momentsOfIndicator(ones, n, pointer), pointer, count: 2 };
      }),
    standardise: (x, mean, std) =>
      call("pack", (arena) => {
        const [from, pointer] = [arena.input(x), arena.output(padded(x.length))];
        const status = exports.pack(from, x.length, mean, std, pointer, 1, 0);
        return { status, pointer, count: x.length };
      }),
    standardiseIndicator: (codes, code, mean, std) =>
      call("packIndicator", (arena) => {
        const n = codes.length;
        const integers = new Int32Array(padded(n)).fill(code); // beyond n they must not matter
        integers.set(codes);
        const [from, pointer] = [
          arena.input(new Float64Array(integers.buffer)),
          arena.output(padded(n)),
        ];
        const status = exports.packIndicator(from, n, code, mean, std, pointer, 1, 0);
        return { status, pointer, count: n };
      }),
    logits: (columns, n, w) =>
      call("logits", (arena) => {
        const [X, weights] = [arena.input(toTiles(columns, n)), arena.input(w)];
        const pointer = arena.output(padded(n));
        const status = exports.logits(X, n, columns.length, weights, pointer);
        return { status, pointer, count: n };
      }),
    contributions: (columns, n, w) =>
      call("contributions", (arena) => {
        const [X, weights] = [arena.input(toTiles(columns, n)), arena.input(w)];
        const count = n * columns.length;
        const pointer = arena.output(count);
        const status = exports.contributions(X, n, columns.length, weights, pointer);
        return { status, pointer, count };
      }),
    sum(v, bound) {
      const [value] = call("sum", (arena) => {
        const [from, pointer] = [arena.input(v), arena.output(1)];
        return { status: exports.sum(from, v.length, bound, pointer), pointer, count: 1 };
      });
      return value!;
    },
    score: (p, y, threshold) =>
      call("score", (arena) => {
        const [from, labels, pointer] = [arena.input(p), arena.input(y), arena.output(3)];
        const status = exports.score(from, labels, p.length, threshold, pointer);
        return { status, pointer, count: 3 };
      }),
    weightedScore: (p, y, s, threshold, most) =>
      call("weightedScore", (arena) => {
        const [from, labels, weights] = [arena.input(p), arena.input(y), arena.input(s)];
        const pointer = arena.output(3);
        const n = p.length;
        const status = exports.weightedScore(from, labels, weights, n, threshold, most, pointer);
        return { status, pointer, count: 3 };
      }),
    gradient: (problem, w, l2) =>
      call("gradient", (arena) => {
        const { X, n, d, y, bounds, work } = layOut(arena, problem);
        const [weights, pointer] = [arena.input(w), arena.output(w.length)];
        const status = exports.gradient(X, n, d, y, weights, bounds, work, l2, pointer);
        return { status, pointer, count: w.length };
      }),
    weightedGradient: (problem, w, l2) =>
      call("weightedGradient", (arena) => {
        const { X, n, d, y, bounds, work } = layOut(arena, problem);
        const s = layOutWeights(arena, problem);
        const [at, pointer] = [arena.input(w), arena.output(w.length)];
        const { total } = problem;
        const status = exports.weightedGradient(
          X,
          n,
          d,
          y,
          s,
          total,
          at,
          bounds,
          work,
          l2,
          pointer,
        );
        return { status, pointer, count: w.length };
      }),
    descend: (problem, w, lr, l2, steps) =>
      call("descend", (arena) => {
        const { X, n, d, y, bounds, work } = layOut(arena, problem);
        const pointer = arena.inOut(w);
        const status = exports.descend(X, n, d, y, pointer, bounds, work, lr, l2, steps);
        return { status, pointer, count: w.length };
      }),
    weightedDescend: (problem, w, lr, l2, steps) =>
      call("weightedDescend", (arena) => {
        const { X, n, d, y, bounds, work } = layOut(arena, problem);
        const s = layOutWeights(arena, problem);
        const at = arena.inOut(w);
        const { total } = problem;
        const status = exports.weightedDescend(
          X,
          n,
          d,
          y,
          s,
          total,
          at,
          bounds,
          work,
          lr,
          l2,
          steps,
        );
        return { status, pointer: at, count: w.length };
      }),
    sha256(blocks, count) {
      const n = blocks.length / (64 * count);
      const room = new Uint8Array(hashedCount(n) * 64 * count).fill(GUARD);
      room.set(blocks);
      const digests = call("sha256", (arena) => {
        const [from, work] = [arena.input(new Float64Array(room.buffer)), arena.output(32)];
        const pointer = arena.output(hashedCount(n) * 4);
        return { status: exports.sha256(from, count, n, work, pointer), pointer, count: n * 4 };
      });
      return new Uint8Array(digests.buffer);
    },
  };
}

export function loadCore(name: BuildName): Core {
  return openCore(instantiate(readBuild(name)));
}
