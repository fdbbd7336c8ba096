// Is every bad pointer and count refused with its status, and nothing written then?
import { describe, expect, it } from "vitest";
import {
  Arena,
  BUILDS,
  type CoreExports,
  hashedCount,
  instantiate,
  MISALIGNED,
  OK,
  OUT_OF_BOUNDS,
  OUT_OF_RANGE,
  padded,
  readBuild,
  TOO_LARGE,
  WORK_PER_FEATURE,
} from "../support/core-exports.ts";

type Name = Exclude<keyof CoreExports, "memory" | "abi" | "heapBase">;
type Argument =
  | { kind: "array"; count: number; value?: number }
  | { kind: "rows" | "features"; value: number }
  | { kind: "number"; value: number };

const N = 9;
const D = 3;
const ROWS = padded(N);
const HASHED = hashedCount(N);

function array(count: number, value = 1): Argument {
  return { kind: "array", count, value };
}
const rows: Argument = { kind: "rows", value: N };
const features: Argument = { kind: "features", value: D };
function number(value: number): Argument {
  return { kind: "number", value };
}

const problem: Argument[] = [
  array(ROWS * D),
  rows,
  features,
  array(ROWS),
  array(D + 1),
  array(D + 1),
  array(WORK_PER_FEATURE * (D + 1)),
];

const weightedProblem: Argument[] = [
  ...problem.slice(0, 4),
  array(ROWS),
  number(N),
  ...problem.slice(4),
];
const TOTAL = 5; // its place among the arguments of a weighted problem

/** Every export that takes pointers, with arguments that are right. */
const CALLS: Record<Name, Argument[]> = {
  exp: [array(N), rows, array(N)],
  log: [array(N), rows, array(N)],
  sigmoid: [array(ROWS), rows, array(ROWS)],
  range: [array(N), rows, array(2)],
  moments: [array(N), rows, number(0), number(1), array(2)],
  momentsOfIndicator: [number(3), rows, array(2)],
  momentsOfPresent: [array(N), rows, number(N), number(0), number(1), array(2)],
  pack: [array(N), rows, number(0), number(1), array(ROWS * D), features, number(1)],
  packIndicator: [
    array(ROWS / 2),
    rows,
    number(1),
    number(0),
    number(1),
    array(ROWS * D),
    features,
    number(1),
  ],
  logits: [array(ROWS * D), rows, features, array(D + 1), array(ROWS)],
  contributions: [array(ROWS * D), rows, features, array(D + 1), array(N * D)],
  sum: [array(N), rows, number(1), array(1)],
  score: [array(N), array(N), rows, number(0.5), array(3)],
  weightedScore: [array(N), array(N), array(N), rows, number(0.5), number(1), array(3)],
  gradient: [...problem, number(0.1), array(D + 1)],
  weightedGradient: [...weightedProblem, number(0.1), array(D + 1)],
  descend: [...problem, number(0.1), number(0.1), number(2)],
  weightedDescend: [...weightedProblem, number(0.1), number(0.1), number(2)],
  sha256: [array(HASHED * D * 8), features, rows, array(32), array(HASHED * 4)],
};
const NAMES = Object.keys(CALLS) as Name[];

const WANT_ROWS: Name[] = [
  "range",
  "moments",
  "momentsOfPresent",
  "momentsOfIndicator",
  "gradient",
  "weightedGradient",
  "descend",
  "weightedDescend",
];

const UINT_MAX = 2 ** 32 - 1;

describe.each(BUILDS)("build/%s.wasm", (build) => {
  const exports = instantiate(readBuild(build));
  const end = exports.memory.buffer.byteLength;

  function layOut(name: Name): number[] {
    const arena = new Arena(exports);
    return CALLS[name].map((argument) =>
      argument.kind === "array"
        ? arena.input(new Float64Array(argument.count).fill(argument.value ?? 0))
        : argument.value,
    );
  }

  function call(name: Name, values: number[]): number {
    const kernel: (...values: number[]) => number = exports[name];
    return kernel(...values);
  }

  /** Calls with some arguments changed; expects the status, and the memory as it was. */
  function refuses(name: Name, changes: Record<number, number>, status: number): void {
    const values = layOut(name).map((value, place) => changes[place] ?? value);
    const before = Buffer.from(exports.memory.buffer.slice(0));
    expect(call(name, values), `${name}(${values})`).toBe(status);
    expect(before.equals(Buffer.from(exports.memory.buffer)), `${name} wrote something`).toBe(true);
  }

  it.each(NAMES)("%s() takes what is right, up to the last byte of the memory", (name) => {
    expect(call(name, layOut(name))).toBe(OK);
    CALLS[name].forEach((argument, place) => {
      if (argument.kind !== "array") return;
      const values = layOut(name);
      values[place] = end - argument.count * 8;
      new Float64Array(exports.memory.buffer, values[place], argument.count).fill(1);
      expect(call(name, values), `${name}, argument ${place}`).toBe(OK);
      refuses(name, { [place]: end - argument.count * 8 + 8 }, OUT_OF_BOUNDS);
    });
  });

  it.each(NAMES)("%s() refuses every bad pointer", (name) => {
    CALLS[name].forEach((argument, place) => {
      if (argument.kind !== "array") return;
      refuses(name, { [place]: 0 }, OUT_OF_BOUNDS);
      refuses(name, { [place]: -8 }, OUT_OF_BOUNDS);
      for (const pages of [1, 2, 65535]) {
        refuses(name, { [place]: end + 65536 * (pages - 1) }, OUT_OF_BOUNDS);
      }
      for (const pointer of [1, 4, 12, -4, end + 4])
        refuses(name, { [place]: pointer }, MISALIGNED);
    });
  });

  it.each(NAMES)("%s() refuses counts that no memory holds", (name) => {
    const places = CALLS[name].flatMap(({ kind }, place) =>
      kind === "rows" || kind === "features" ? [place] : [],
    );
    for (const place of places) {
      for (const count of [UINT_MAX, 2 ** 31, 2 ** 29 + 1]) {
        refuses(name, { [place]: count }, TOO_LARGE);
      }
    }
    const all = Object.fromEntries(places.map((place) => [place, UINT_MAX]));
    refuses(name, all, TOO_LARGE);
    // 2^16 · 2^16 is 0 in 32 bits.
    if (places.length === 2) {
      refuses(
        name,
        Object.fromEntries(places.map((place) => [place, 2 ** 16])),
        name === "pack" ? OUT_OF_BOUNDS : TOO_LARGE,
      );
    }
  });

  // `momentsOfIndicator` counts rows and reads none.
  const readers = NAMES.filter((name) => name !== "momentsOfIndicator");
  it.each(readers)("%s() refuses counts that only this memory does not hold", (name) => {
    CALLS[name].forEach(({ kind }, place) => {
      if (kind === "rows") refuses(name, { [place]: end / 8 }, OUT_OF_BOUNDS);
    });
  });

  it("no rows are refused where a mean is asked for, and are nothing elsewhere", () => {
    for (const name of NAMES) {
      const place = CALLS[name].findIndex(({ kind }) => kind === "rows");
      if (WANT_ROWS.includes(name)) {
        refuses(name, { [place]: 0 }, OUT_OF_RANGE);
      } else {
        const values = layOut(name);
        values[place] = 0;
        expect(call(name, values), name).toBe(OK);
      }
    }
  });

  it("pack() refuses a column that is none of the features", () => {
    for (const j of [D, D + 1, UINT_MAX]) refuses("pack", { 6: j }, OUT_OF_RANGE);
    refuses("pack", { 5: 0, 6: 0 }, OUT_OF_RANGE);
  });

  it("sha256() refuses messages without a block, even no messages", () => {
    refuses("sha256", { 1: 0 }, OUT_OF_RANGE);
    refuses("sha256", { 1: 0, 2: 0 }, OUT_OF_RANGE);
  });

  it("sha256() wants room for whole groups of four messages", () => {
    for (const n of [1, 2, 3, 4, 5, 8, 9]) {
      // Blocks of 64 bytes and digests of 32: exactly their room, then a word less.
      for (const [place, bytes] of [
        [0, hashedCount(n) * D * 64],
        [4, hashedCount(n) * 32],
      ] as const) {
        const values = layOut("sha256");
        values[2] = n;
        values[place] = end - bytes;
        expect(call("sha256", values), `n = ${n}, argument ${place}`).toBe(OK);
        refuses("sha256", { 2: n, [place]: end - bytes + 8 }, OUT_OF_BOUNDS);
      }
    }
  });

  const BAD_BOUNDS = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    -(2 ** -50),
    5e-324,
    2 ** -901,
    2 ** 1001,
    Number.MAX_VALUE,
  ];

  it("sum() refuses bounds that leave normal numbers", () => {
    for (const bound of BAD_BOUNDS) refuses("sum", { 2: bound }, OUT_OF_RANGE);
  });

  it("weightedScore() refuses a largest weight with which a sum leaves normal numbers", () => {
    for (const most of BAD_BOUNDS) refuses("weightedScore", { 5: most }, OUT_OF_RANGE);
    // The loss has the larger bound: 27.7 takes five more binades.
    refuses("weightedScore", { 5: 2 ** 996 }, OUT_OF_RANGE);
    for (const most of [0, 2 ** -900, 2 ** 995]) {
      const values = layOut("weightedScore");
      values[5] = most;
      expect(call("weightedScore", values), `most = ${most}`).toBe(OK);
    }
  });

  it("momentsOfPresent() refuses fewer rows than there are values", () => {
    for (const count of [0, 1, N - 1]) refuses("momentsOfPresent", { 2: count }, OUT_OF_RANGE);
    for (const count of [N, N + 1, UINT_MAX]) {
      const values = layOut("momentsOfPresent");
      values[2] = count;
      expect(call("momentsOfPresent", values), `rows = ${count}`).toBe(OK);
    }
  });

  it.each(["weightedGradient", "weightedDescend"] as const)(
    "%s() refuses a sum of weights that is not normal and positive",
    (name) => {
      for (const total of [
        Number.NaN,
        0,
        -0,
        -1,
        5e-324,
        2 ** -1022 - 5e-324,
        Number.POSITIVE_INFINITY,
      ]) {
        refuses(name, { [TOTAL]: total }, OUT_OF_RANGE);
      }
      for (const total of [2 ** -1022, 1, Number.MAX_VALUE]) {
        const values = layOut(name);
        values[TOTAL] = total;
        expect(call(name, values), `total = ${total}`).toBe(OK);
      }
    },
  );

  it.each([
    ["gradient", 5],
    ["descend", 5],
    ["weightedGradient", 7],
    ["weightedDescend", 7],
  ] as const)("%s() refuses such a bound of any feature", (name, place) => {
    for (const bound of BAD_BOUNDS) {
      for (let j = 0; j <= D; j++) {
        const values = layOut(name);
        new Float64Array(exports.memory.buffer, values[place])[j] = bound;
        const before = Buffer.from(exports.memory.buffer.slice(0));
        expect(call(name, values), `bound ${bound} at ${j}`).toBe(OUT_OF_RANGE);
        expect(before.equals(Buffer.from(exports.memory.buffer))).toBe(true);
      }
    }
  });

  it("grown memory is memory", () => {
    const grown = instantiate(readBuild(build));
    const beyond = grown.memory.buffer.byteLength;
    expect(grown.exp(grown.heapBase(), 1, beyond)).toBe(OUT_OF_BOUNDS);
    grown.memory.grow(1);
    expect(grown.exp(grown.heapBase(), 1, beyond)).toBe(OK);
    expect(new Float64Array(grown.memory.buffer, beyond, 1)[0]).toBe(1);
  });
});
