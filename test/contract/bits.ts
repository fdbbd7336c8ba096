// What is an f64: its 64 bits, its ulp, its exact value? And a seeded source of random ones.

const view = new DataView(new ArrayBuffer(8));

export function toBits(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

export function fromBits(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** The 16 hex digits of the bits, as the golden files store them. */
export function toHex(value: number): string {
  return toBits(value).toString(16).padStart(16, "0");
}

export function fromHex(digits: string): number {
  return fromBits(BigInt(`0x${digits}`));
}

export function hexOf(values: ArrayLike<number>): string[] {
  return Array.from(values, toHex);
}

/** The f64 that many steps away from value, away from zero; value and result have the same sign. */
export function step(value: number, steps: number): number {
  return fromBits(toBits(value) + BigInt(steps));
}

/** The distance from |value| to the next larger f64. */
export function ulpOf(value: number): number {
  return step(Math.abs(value), 1) - Math.abs(value);
}

/** A true value in two parts: the nearest f64 and what is left. */
export interface TrueValue {
  high: number;
  low: number;
}

export function parseTrueValue(text: string): TrueValue {
  const [high, low] = text.split(" ").map(fromHex);
  if (high === undefined || low === undefined) throw new SyntaxError(`Not "hi lo": ${text}`);
  return { high, low };
}

/** Error in ulps of the true value. The first difference is exact for near values. */
export function ulpError(computed: number, { high, low }: TrueValue): number {
  return Math.abs(computed - high - low) / ulpOf(high);
}

/** Every finite f64 is an integer multiple of 2^-1074: exact(v) is that integer. */
export function exact(value: number): bigint {
  const bits = toBits(value);
  const field = (bits >> 52n) & 0x7ffn;
  if (field === 0x7ffn) throw new RangeError(`Not finite: ${value}`);
  const fraction = bits & ((1n << 52n) - 1n);
  const size = field === 0n ? fraction : ((1n << 52n) | fraction) << (field - 1n);
  return bits >> 63n === 0n ? size : -size;
}

export function exactSum(values: ArrayLike<number>): bigint {
  let sum = 0n;
  for (let i = 0; i < values.length; i++) sum += exact(values[i]!);
  return sum;
}

/** A random source that a seed determines (Marsaglia's xorshift32). */
export interface Random {
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** An f64 in [low, high). */
  between(low: number, high: number): number;
  /** About standard normal: twelve uniforms less six. */
  normal(): number;
  shuffled<T>(values: readonly T[]): T[];
}

export function createRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  function word(): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  }
  for (let i = 0; i < 16; i++) word();
  function unit(): number {
    return ((word() >>> 5) * 0x4000000 + (word() >>> 6)) / 0x20000000000000;
  }
  return {
    below: (bound) => Math.floor(unit() * bound),
    between: (low, high) => low + unit() * (high - low),
    normal() {
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += unit();
      return sum;
    },
    shuffled(values) {
      const copy = [...values];
      for (let i = copy.length - 1; i > 0; i--) {
        const k = Math.floor(unit() * (i + 1));
        [copy[i], copy[k]] = [copy[k]!, copy[i]!];
      }
      return copy;
    },
  };
}
