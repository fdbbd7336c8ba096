// Writes kit.txt: calls of the core, and the bits that come of them, for hosts in any language to be held against.
//
//   node runtimes/kit/make-kit.mjs            writes it
//   node runtimes/kit/make-kit.mjs --check    says whether it is what this core makes
//
// It is what a host in plain JavaScript does (../js/host.mjs), written down. check.py holds it against 50 digits.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { descend, Host, padded, predict, standardise } from "../js/host.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ITERATIONS = 200;

/** The generator of Park and Miller: the same on every engine. */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const view = new DataView(new ArrayBuffer(8));
function bits(value) {
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

/** Which arguments of a call are f64, by place; all others are counts or addresses. */
const NUMBERS = {
  moments: [2, 3],
  momentsOfPresent: [3, 4],
  pack: [2, 3],
  packIndicator: [3, 4],
  sum: [2],
  score: [3],
  weightedScore: [4, 5],
  gradient: [7],
  weightedGradient: [5, 9],
  descend: [7, 8],
  weightedDescend: [5, 9, 10],
};

/** A host that writes down what it does. */
class RecordingHost extends Host {
  lines = [];

  put(name, values, count = values.length) {
    const address = super.put(name, values, count);
    this.#write("put", name, address, this.at(address, count));
    return address;
  }

  /** Bytes that are no f64, whole words of them. */
  raw(name, bytes, room = bytes.length) {
    const address = this.place(Math.ceil(room / 8));
    new Uint8Array(this.core.memory.buffer, address, bytes.length).set(bytes);
    this.#write("raw", name, address, this.at(address, Math.ceil(bytes.length / 8)));
    return address;
  }

  call(name, ...args) {
    super.call(name, ...args);
    const words = args.map((value, k) => {
      if (NUMBERS[name]?.includes(k)) return `=${bits(value)}`;
      return value >= this.base ? `@${value - this.base}` : String(value);
    });
    this.lines.push(["call", name, ...words].join(" "));
  }

  take(name, address, count) {
    this.#write("expect", name, address, this.at(address, count));
    return super.take(name, address, count);
  }

  #write(verb, name, address, values) {
    // Through bytes: a pattern that is no number must not pass through one.
    const words = new DataView(values.buffer, values.byteOffset, values.byteLength);
    const hex = Array.from(values, (_, k) =>
      words
        .getBigUint64(8 * k, true)
        .toString(16)
        .padStart(16, "0"),
    );
    this.lines.push([verb, name, address - this.base, ...hex].join(" "));
  }
}

const random = createRandom(20261125);
const between = (low, high) => low + (high - low) * random();
const columnsOf = (n, limits) =>
  limits.map(([low, high]) => Float64Array.from({ length: n }, () => between(low, high)));

function labelsOf(columns) {
  const n = columns[0].length;
  const middle = columns[0].reduce((sum, value) => sum + value, 0) / n;
  return Uint8Array.from({ length: n }, (_, i) =>
    Number(columns[0][i] > middle !== random() < 0.2),
  );
}

/** The smallest thing that a host does: one row, one prediction. */
function firstPrediction(host) {
  const X = host.place(padded(1) * 2);
  [0.5, -1.25].forEach((value, j) => {
    host.call("pack", host.put(`new.${j}`, [value]), 1, 0.25 + j, 1.5 + j, X, 2, j);
  });
  const { p } = predict(host, X, 1, 2, host.put("weights", [0.75, -0.5, 0.125]));
  host.take("predicted", p, 1);
}

/** All of a training, and predictions after it. */
function training(host, { n, m, limits, lr, l2 }) {
  const [columns, d] = [columnsOf(n, limits), limits.length];
  const last = columns.at(-1);
  // Zeros of both signs, and values that stand more than once.
  if (n > 8) last.set([0, -0, last[5], last[5]]);
  const standardised = standardise(host, columns);
  const { X, mean, std, bounds } = standardised;
  const y = host.put("labels", labelsOf(columns), padded(n));
  const weights = host.put(
    "weights",
    Array.from({ length: d + 1 }, () => between(-1, 1)),
  );
  const { z, p } = predict(host, X, n, d, weights);
  host.take("logits", z, n);
  host.take("probabilities", p, n);
  const score = host.place(3);
  host.call("score", p, y, n, 0.5, score);
  host.take("score", score, 3);
  const g = host.place(d + 1);
  const B = host.put("bounds", [...bounds, 1]);
  host.call("gradient", X, n, d, y, weights, B, host.place(6 * (d + 1)), l2, g);
  host.take("gradient", g, d + 1);
  const { w } = descend(host, standardised, y, n, { lr, l2, iterations: ITERATIONS });
  const F = host.place(padded(m) * d);
  columnsOf(m, limits).forEach((column, j) => {
    host.call("pack", host.put(`new.${j}`, column), m, mean[j], std[j], F, d, j);
  });
  const found = predict(host, F, m, d, w);
  host.take("predicted", found.p, m);
  const contributions = host.place(m * d);
  host.call("contributions", F, m, d, w, contributions);
  host.take("contributions", contributions, m * d);
}

/** What categories, gaps and row weights need besides. */
function mixedTraining(host) {
  const [n, d] = [45, 3];
  const present = Float64Array.from({ length: 38 }, () => between(-5, 20)); // the first 38 of 45 rows
  const codes = Int32Array.from({ length: padded(n) }, (_, i) => (i < n ? (i * 7) % 3 : 0));
  const pair = host.place(2);
  const x = host.put("present", present, n);
  host.call("range", x, present.length, pair);
  const [min, max] = host.take("range", pair, 2);
  host.call("momentsOfPresent", x, present.length, n, min, max, pair);
  const [mean, std] = host.take("moments.0", pair, 2);
  const X = host.place(padded(n) * d);
  const filled = host.put(
    "filled",
    Float64Array.from({ length: n }, (_, i) => present[i] ?? mean),
  );
  host.call("pack", filled, n, mean, std, X, d, 0);
  const at = host.raw("codes", new Uint8Array(codes.buffer));
  const bounds = [Math.max(Math.abs((min - mean) / std), Math.abs((max - mean) / std))];
  for (const code of [1, 2]) {
    const ones = codes.subarray(0, n).filter((one) => one === code).length;
    host.call("momentsOfIndicator", ones, n, pair);
    const [c, s] = host.take(`moments.${code}`, pair, 2);
    host.call("packIndicator", at, n, code, c, s, X, d, code);
    bounds.push(Math.max(c / s, (1 - c) / s));
  }
  host.take("scaled", X, padded(n) * d);
  const s = Float64Array.from({ length: n }, (_, i) => (i % 5 === 0 ? 0 : between(0, 3)));
  const most = s.reduce((a, b) => Math.max(a, b));
  const weights = host.put("row_weights", s, padded(n));
  const total = host.place(1);
  host.call("sum", weights, n, most, total);
  const [sum] = host.take("sum", total, 1);
  const y = host.put(
    "labels",
    Uint8Array.from({ length: n }, (_, i) => i % 2),
    padded(n),
  );
  const B = host.put("bounds", [...bounds.map((bound) => bound * most), most]);
  const [w, g, work] = [
    host.put("zeros", new Float64Array(d + 1)),
    host.place(d + 1),
    host.place(24),
  ];
  host.call("weightedGradient", X, n, d, y, weights, sum, w, B, work, 0.01, g);
  host.take("gradient", g, d + 1);
  host.call("weightedDescend", X, n, d, y, weights, sum, w, B, work, 0.3, 0.01, ITERATIONS);
  host.take("trained", w, d + 1);
  const { p } = predict(host, X, n, d, w);
  const score = host.place(3);
  host.call("weightedScore", p, y, weights, n, 0.5, most, score);
  host.take("score", score, 3);
}

/** The functions by themselves, at the ends of their ranges. */
function functions(host) {
  const x = [0, -0, 1, -1, 700, -700, 35, -35, 1e-300, 88.25, Math.LN2];
  for (let k = 0; k < 30; k++) x.push(between(-40, 40));
  const out = host.place(x.length);
  host.call("exp", host.put("x", x), x.length, out);
  host.take("exp", out, x.length);
  const v = [1, 2, 0.5, 1e-12, 1 - 1e-12, 2.2250738585072014e-308, 1.7976931348623157e308];
  for (let k = 0; k < 30; k++) v.push(between(0, 2) + 1e-9);
  host.call("log", host.put("v", v), v.length, out);
  host.take("log", out, v.length);
  const terms = Array.from({ length: 1000 }, (_, k) => between(-1, 1) * 2 ** -(k % 60));
  host.call("sum", host.put("terms", terms), terms.length, 1, out);
  host.take("sum", out, 1);
  const blocks = new Uint8Array(4 * 128);
  const words = new DataView(blocks.buffer);
  const messages = [0, 1, 2].map((k) =>
    Uint8Array.from({ length: 77 }, (_, i) => (31 * i + k) % 256),
  );
  messages.forEach((message, k) => {
    blocks.set(message, 128 * k);
    blocks[128 * k + 77] = 0x80;
    words.setUint32(128 * k + 124, 8 * 77);
  });
  const digests = host.place(16);
  host.call("sha256", host.raw("blocks", blocks), 2, 3, host.place(32), digests);
  host.take("digests", digests, 12);
  const wanted = createHash("sha256").update(messages[1]).digest("hex");
  const got = Buffer.from(new Uint8Array(host.core.memory.buffer, digests + 32, 32)).toString(
    "hex",
  );
  if (got !== wanted) throw new Error("the core's SHA-256 is wrong");
}

const ordinary = Array.from({ length: 17 }, (_, j) => [-(j + 1), 2 * j + 1]);
const hard = [
  [1.7e12 - 1, 1.7e12 + 1], // whose digits a naive variance loses
  [-1e100, 1e100],
  [3, 3],
  [0, 5e-120],
];

/** What a host is most likely to get wrong: sizes round a tile, constant columns, the ends of the range, one row. */
const CASES = {
  first: firstPrediction,
  ordinary: (host) => training(host, { n: 203, m: 21, limits: ordinary, lr: 0.1, l2: 0.01 }),
  tiles: (host) =>
    training(host, {
      n: 16,
      m: 8,
      limits: [
        [-1, 1],
        [0, 9],
      ],
      lr: 0.5,
      l2: 0,
    }),
  hard: (host) => training(host, { n: 31, m: 9, limits: hard, lr: 0.25, l2: 0.001 }),
  one: (host) => training(host, { n: 1, m: 1, limits: [[2, 2]], lr: 1, l2: 1 }),
  mixed: mixedTraining,
  functions,
};

function textOf(wasm) {
  const module = new WebAssembly.Module(wasm);
  const lines = [
    "# Calls of the core and the bits that come of them: README.md beside this file says how to read it.",
    "# Written by make-kit.mjs.",
  ];
  for (const [name, record] of Object.entries(CASES)) {
    const host = new RecordingHost(module);
    record(host);
    lines.push(`case ${name} ${host.next - host.base}`, ...host.lines);
  }
  return `${lines.join("\n")}\n`;
}

const text = textOf(readFileSync(here("../../build/core.wasm")));
if (process.argv.includes("--check")) {
  const isSame = readFileSync(here("kit.txt"), "utf8") === text;
  process.stdout.write(isSame ? "kit.txt is what this core makes\n" : "kit.txt differs\n");
  process.exitCode = isSame ? 0 : 1;
} else {
  writeFileSync(here("kit.txt"), text);
}
