// On which inputs must every core give the bits of the reference, and where does it not?
import { createHash } from "node:crypto";
import { createRandom, type Random, step, toHex } from "./bits.ts";
import { type Core, type Problem, reference, type WeightedProblem } from "./reference.ts";

/** Round every unrolled loop, tile, vector and flush. */
export const ROW_COUNTS = [
  1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256, 257, 511, 512, 513, 1025,
];
export const FEATURE_COUNTS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17];

/** Messages round the four that are hashed at a time, and blocks of each. */
const MESSAGE_COUNTS = [0, 1, 2, 3, 4, 5, 7, 8, 9];
const BLOCK_COUNTS = [1, 2, 3, 8];

export type Kernel = keyof Core;

export interface Case {
  kernel: Kernel;
  name: string;
  run(core: Core): Float64Array;
}

// biome-ignore format: a list of numbers
/** Floats round the places where exp, log, the clips and IEEE arithmetic change their ways. */
export const EXTREME_LOGITS = [
  0, -0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-17, 1, -1, 35, -35, step(35, 1),
  step(35, -1), step(-35, 1), step(-35, -1), 36.7, -36.7, 40, -40, 700, -700, 745, -745, 1e308,
  -1e308, 1.7976931348623157e308, -1.7976931348623157e308,
];

/** Terms within ±bound over many binades, with ties: half way between two quanta. */
export function randomTerms(random: Random, n: number, bound: number): Float64Array {
  return new Float64Array(n).map(() => {
    const sign = random.below(2) === 0 ? 1 : -1;
    const kind = random.below(8);
    if (kind === 0) return sign * bound;
    if (kind === 1) return sign * bound * ((2 * random.below(2 ** 30) + 1) * 2 ** -43);
    if (kind === 3) return sign * bound * ((2 * random.below(2 ** 30) + 1) * 2 ** -85);
    if (kind === 2) return random.below(2) * sign * 0;
    return sign * bound * random.between(0.5, 1) * 2 ** -random.below(50);
  });
}

export function randomProblem(random: Random, n: number, d: number): Problem {
  const columns = Array.from({ length: d }, (_, j) => {
    if (j === 3) return new Float64Array(n); // a constant column: standardised, it is all zero
    const scale = j % 4 === 2 ? 2 ** -random.below(30) : 1;
    return new Float64Array(n).map(() => random.normal() * scale);
  });
  const y = new Float64Array(n).map((_, i) =>
    random.normal() + (columns[0]?.[i] ?? 0) > 0 ? 1 : 0,
  );
  const bounds = columns.map((x) => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  return { columns, y, bounds: Float64Array.of(...bounds, 1) };
}

export function randomWeights(random: Random, d: number): Float64Array {
  return new Float64Array(d + 1).map(() => random.normal());
}

/** Weights of rows up to `most`, which one row has: some 0, some equal, some over many binades. */
export function randomRowWeights(random: Random, n: number, most: number): Float64Array {
  const s = new Float64Array(n).map(() => {
    const kind = random.below(4);
    if (kind === 0) return 0;
    return kind === 1 ? most / 2 : most * random.between(0, 1) * 2 ** -random.below(24);
  });
  s[random.below(n)] = most;
  return s;
}

/** The problem with these weights: their sum and the bounds, as a host has them. */
export function weigh(problem: Problem, s: Float64Array): WeightedProblem {
  const most = s.reduce((one, other) => Math.max(one, other), 0);
  const bounds = problem.bounds.map((bound) => most * bound);
  return { ...problem, s, total: reference.sum(s, most), bounds };
}

/** So many that the order of the factors of a term shows: one fold rounds most of its last bits away. */
export function manyWeightedRows(random: Random): WeightedProblem {
  const draw = () => new Float64Array(50_000).map(() => random.between(-1, 1));
  const y = draw().map((value) => (value > 0 ? 1 : 0));
  const problem = {
    columns: [draw(), draw(), draw(), draw()],
    y,
    bounds: new Float64Array(5).fill(1),
  };
  return weigh(
    problem,
    draw().map((value) => 0.3 * Math.abs(value)),
  );
}

/** Largest weights: whole, a fraction, tiny, huge. */
const MOST = [1, 3, 0.3, 2 ** -40, 3e100] as const;

/** Centre and spread of columns to standardise. */
const COLUMNS = [
  [0, 1],
  [0, 1e80],
  [0, 1e-90],
  [1e-3, 1e-9],
  [1.7e12, 1],
  [-4e5, 1],
] as const;

/** All cases of a seed. Equal seeds give equal cases. */
export function createCases(seed: number): Case[] {
  const random = createRandom(seed);
  const cases: Case[] = [];
  function add(kernel: Kernel, name: string, run: (core: Core) => Float64Array): void {
    cases.push({ kernel, name, run });
  }

  const forExp = Float64Array.of(
    ...EXTREME_LOGITS.filter((x) => Math.abs(x) <= 700),
    ...Array.from({ length: 3000 }, () => random.between(-40, 40)),
    ...Array.from({ length: 1000 }, () => random.between(-700, 700)),
    ...Array.from({ length: 1000 }, () => random.normal() * 2 ** -random.below(60)),
  );
  add("exp", "on [-700, 700]", (core) => core.exp(forExp));
  const forLog = Float64Array.of(
    ...[1, 1e-12, 1 - 1e-12, 0.5, 0.7071065902709961, step(0.7071065902709961, -1), 2, 1e300],
    ...Array.from({ length: 3000 }, () => random.between(0, 1) + 1e-12),
    ...Array.from({ length: 2000 }, () => 2 ** -random.between(0, 40)),
  );
  add("log", "on [1e-12, 1]", (core) => core.log(forLog));
  const forSigmoid = Float64Array.of(
    ...EXTREME_LOGITS,
    ...Array.from({ length: 3000 }, () => random.between(-37, 37)),
  );
  add("sigmoid", "on [-37, 37] and extremes", (core) => core.sigmoid(forSigmoid));

  for (const n of ROW_COUNTS) {
    const z = new Float64Array(n).map(() => 4 * random.normal());
    add("sigmoid", `n = ${n}`, (core) => core.sigmoid(z));

    const [center, spread] = COLUMNS[random.below(COLUMNS.length)]!;
    const x = new Float64Array(n).map(() => center + spread * random.normal());
    add("range", `n = ${n}`, (core) => core.range(x));
    add("moments", `n = ${n}, ${center} ± ${spread}`, (core) => {
      const [least, most] = core.range(x);
      return core.moments(x, least!, most!);
    });
    const mean = center + random.normal() * spread;
    const std = random.between(0.1, 2) * spread;
    add("standardise", `n = ${n}`, (core) => core.standardise(x, mean, std));

    for (const bound of [1, 0.3, 27.7, 2 ** -40, 3e200]) {
      const terms = randomTerms(random, n, bound);
      add("sum", `n = ${n}, bound ${bound}`, (core) => Float64Array.of(core.sum(terms, bound)));
      // Far below the bound there are few digits, and what rounds them is the second fold.
      const small = terms.map((v) => v * 2 ** -45);
      add("sum", `n = ${n}, far below ${bound}`, (core) => Float64Array.of(core.sum(small, bound)));
    }
    const p = new Float64Array(n).map(() => random.between(0, 1));
    p[random.below(n)] = random.below(2);
    const y = new Float64Array(n).map(() => random.below(2));
    const threshold = random.between(0.3, 0.7);
    add("score", `n = ${n}`, (core) => core.score(p, y, threshold));
  }
  for (const bound of [0, 1, 1e-200]) {
    add("sum", `no terms, bound ${bound}`, (core) =>
      Float64Array.of(core.sum(new Float64Array(0), bound)),
    );
  }
  add("sum", "zeros with bound 0", (core) =>
    Float64Array.of(core.sum(Float64Array.of(0, -0, 0), 0)),
  );
  const ones = new Float64Array(1025).fill(1);
  add("sum", "terms at the bound", (core) => Float64Array.of(core.sum(ones, 1)));
  add("score", "no rows", (core) => core.score(new Float64Array(0), new Float64Array(0), 0.5));

  for (const n of ROW_COUNTS) {
    for (const d of FEATURE_COUNTS) {
      const problem = randomProblem(random, n, d);
      const w = randomWeights(random, d);
      const size = `n = ${n}, d = ${d}`;
      add("logits", size, (core) => core.logits(problem.columns, n, w));
      add("contributions", size, (core) => core.contributions(problem.columns, n, w));
      add("gradient", size, (core) => core.gradient(problem, w, 0.01));
      add("descend", `3 steps, ${size}`, (core) =>
        core.descend(problem, new Float64Array(d + 1), 0.5, 0.01, 3),
      );
    }
  }
  for (const steps of [0, 1, 200]) {
    const problem = randomProblem(random, 57, 7);
    add("descend", `${steps} steps`, (core) =>
      core.descend(problem, new Float64Array(8), 0.3, 0.001, steps),
    );
  }
  const wild = randomProblem(random, 40, 3);
  add("gradient", "logits far beyond the clip", (core) =>
    core.gradient(wild, Float64Array.of(1e9, -1e9, 500, 3), 0),
  );
  const oneClass = { ...randomProblem(random, 40, 3), y: new Float64Array(40).fill(1) };
  add("descend", "all labels equal", (core) =>
    core.descend(oneClass, new Float64Array(4), 0.3, 0.001, 50),
  );

  for (const n of MESSAGE_COUNTS) {
    for (const count of BLOCK_COUNTS) {
      const blocks = new Uint8Array(n * count * 64).map(() => random.below(256));
      add("sha256", `n = ${n}, count = ${count}`, (core) =>
        Float64Array.from(core.sha256(blocks, count)),
      );
    }
  }

  // Added last, so that the cases above stay what they were.
  for (const n of ROW_COUNTS) {
    const [center, spread] = COLUMNS[random.below(COLUMNS.length)]!;
    const x = new Float64Array(n).map(() => center + spread * random.normal());
    const rows = n + random.below(2 * n + 1);
    const codes = Int32Array.from({ length: n }, () => random.below(4) - 1);
    const [share, spreadOf] = [random.between(0, 1), random.between(0.1, 0.5)];
    add("standardiseIndicator", `n = ${n}`, (core) =>
      core.standardiseIndicator(codes, 1, share, spreadOf),
    );
    add("momentsOfIndicator", `${n} of ${rows} ones`, (core) => core.momentsOfIndicator(n, rows));
    add("momentsOfPresent", `${n} of ${rows}, ${center} ± ${spread}`, (core) => {
      const [least, most] = core.range(x);
      return core.momentsOfPresent(x, rows, least!, most!);
    });
    for (const most of MOST) {
      const p = new Float64Array(n).map(() => random.between(0, 1));
      p[random.below(n)] = random.below(2);
      const y = new Float64Array(n).map(() => random.below(2));
      const s = randomRowWeights(random, n, most);
      add("weightedScore", `n = ${n}, weights up to ${most}`, (core) =>
        core.weightedScore(p, y, s, 0.5, most),
      );
    }
    for (const d of [0, 1, 3, 8]) {
      const most = MOST[random.below(MOST.length)]!;
      const problem = weigh(randomProblem(random, n, d), randomRowWeights(random, n, most));
      const w = randomWeights(random, d);
      const size = `n = ${n}, d = ${d}, weights up to ${most}`;
      add("weightedGradient", size, (core) => core.weightedGradient(problem, w, 0.01));
      add("weightedDescend", `3 steps, ${size}`, (core) =>
        core.weightedDescend(problem, new Float64Array(d + 1), 0.5, 0.01, 3),
      );
    }
  }
  const many = manyWeightedRows(random);
  add("weightedGradient", "many rows", (core) =>
    core.weightedGradient(many, Float64Array.of(1, -0.7, 0.5, 0.2, 0.3), 0.01),
  );
  add("weightedScore", "no rows, largest weight 0", (core) => {
    const none = new Float64Array(0);
    return core.weightedScore(none, none, none, 0.5, 0);
  });
  return cases;
}

/** Results of one core, made once. A kernel that throws has the message for a result. */
export function resultsOf(core: Core, cases: Case[]): (Float64Array | string)[] {
  return cases.map(({ run }) => {
    try {
      return run(core);
    } catch (error) {
      return String(error);
    }
  });
}

/** What differs in the bits, one line a case. Empty if nothing does. */
export function differences(
  cases: Case[],
  actual: (Float64Array | string)[],
  expected: (Float64Array | string)[],
): string[] {
  const lines: string[] = [];
  cases.forEach(({ kernel, name }, index) => {
    const [a, b] = [actual[index]!, expected[index]!];
    const place = `${kernel}(), ${name}`;
    if (typeof a === "string" || typeof b === "string") {
      if (a !== b) lines.push(`${place}: ${typeof a === "string" ? a : "gives a result"}`);
      return;
    }
    if (a.length !== b.length) lines.push(`${place}: ${a.length} values, not ${b.length}`);
    const at = a.findIndex((value, i) => toHex(value) !== toHex(b[i] ?? Number.NaN));
    if (at >= 0) lines.push(`${place}: [${at}] is ${toHex(a[at]!)}, not ${toHex(b[at]!)}`);
  });
  return lines;
}

/** One digest for each kernel, over the bits of all its results. */
export function digests(cases: Case[], results: (Float64Array | string)[]) {
  const hashes = new Map<Kernel, ReturnType<typeof createHash>>();
  cases.forEach(({ kernel, name }, index) => {
    const hash = hashes.get(kernel) ?? createHash("sha256");
    hashes.set(kernel, hash);
    const result = results[index]!;
    if (typeof result === "string") throw new Error(`${kernel}(), ${name}: ${result}`);
    for (const value of result) hash.update(toHex(value));
  });
  return Object.fromEntries([...hashes].map(([kernel, hash]) => [kernel, hash.digest("hex")]));
}
