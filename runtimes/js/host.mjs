// A host of the core in plain JavaScript, for any engine: written from assembly/README.md.

/** The largest magnitude of a value, and the smallest range of a column that is not constant (N4). */
const LIMIT = 2.5822498780869086e120;
const LEAST_RANGE = 3.8725919148493183e-121;

export function padded(n) {
  return 8 * Math.ceil(n / 8);
}

/** A core and its memory: arrays of f64, one after the other. */
export class Host {
  constructor(module) {
    this.core = new WebAssembly.Instance(module, {}).exports;
    if (this.core.abi() !== 1) {
      throw new Error(`this host knows interface 1, and the core has ${this.core.abi()}`);
    }
    this.base = this.core.heapBase() >>> 0;
    this.next = this.base;
  }

  /** Reserves values, 16-byte aligned. */
  place(count) {
    const address = this.next;
    this.next += Math.ceil(count / 2) * 16;
    const missing = this.next - this.core.memory.buffer.byteLength;
    if (missing > 0) this.core.memory.grow(Math.ceil(missing / 65536)); // throws where there is no more
    return address;
  }

  /** A view of values, made anew at each use, since growing detaches it. */
  at(address, count) {
    return new Float64Array(this.core.memory.buffer, address, count);
  }

  /** @param name what they are, for whoever records the calls */
  put(name, values, count = values.length) {
    for (const value of values) {
      if (!Number.isFinite(value)) throw new Error(`${name}: a value is not finite`);
    }
    const address = this.place(count);
    this.at(address, count).fill(0).set(values);
    return address;
  }

  call(name, ...args) {
    const status = this.core[name](...args);
    if (status !== 0) throw new Error(`${name}: status ${status}`);
  }

  take(_name, address, count) {
    return this.at(address, count).slice();
  }
}

/** Means, deviations and bounds of columns, and the columns standardised by them. */
export function standardise(host, columns) {
  const n = columns[0].length;
  const d = columns.length;
  const pair = host.place(2);
  const [mean, std, bounds] = [[], [], []];
  const X = host.place(padded(n) * d);
  columns.forEach((column, j) => {
    const x = host.put(`column.${j}`, column);
    host.call("range", x, n, pair);
    const [min, max] = host.take(`range.${j}`, pair, 2);
    if (Math.max(-min, max) > LIMIT || (min < max && max - min < LEAST_RANGE)) {
      throw new Error(`column ${j} is beyond what the core can standardise`);
    }
    host.call("moments", x, n, min, max, pair);
    [mean[j], std[j]] = host.take(`moments.${j}`, pair, 2);
    host.call("pack", x, n, mean[j], std[j], X, d, j);
    bounds[j] = Math.max(Math.abs((min - mean[j]) / std[j]), Math.abs((max - mean[j]) / std[j]));
  });
  host.take("scaled", X, padded(n) * d);
  return { X, mean, std, bounds };
}

/** Logits and probabilities of packed rows. */
export function predict(host, X, n, d, w) {
  const z = host.place(padded(n));
  host.call("logits", X, n, d, w, z);
  const p = host.place(padded(n));
  host.call("sigmoid", z, n, p);
  return { z, p };
}

/** Gradient descent from zeros. @returns weights, the bias last */
export function descend(host, { X, bounds }, y, n, { lr, l2, iterations }) {
  const d = bounds.length;
  const w = host.put("zeros", new Float64Array(d + 1));
  const B = host.put("bounds", [...bounds, 1]);
  host.call("descend", X, n, d, y, w, B, host.place(6 * (d + 1)), lr, l2, iterations);
  return { w, weights: host.take("trained", w, d + 1) };
}
