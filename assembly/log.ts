// log: the natural logarithm of a normal positive number. Only losses need it, one row at a time.

// ln2 in two parts: k · HIGH is exact for every exponent k.
const LN2_HIGH: f64 = 0.6931471803691238; // 3fe62e42fee00000
const LN2_LOW: f64 = 1.9082149292705877e-10; // 3dea39ef35793c76

// Minimax coefficients of log(1+f) by s = f/(2+f): FreeBSD msun, e_log.c (see NOTICE).
const L1: f64 = 0.6666666666666735; // 3fe5555555555593
const L2: f64 = 0.3999999999940942; // 3fd999999997fa04
const L3: f64 = 0.2857142874366239; // 3fd2492494229359
const L4: f64 = 0.22222198432149784; // 3fcc71c51d8e78af
const L5: f64 = 0.1818357216161805; // 3fc7466496cb03de
const L6: f64 = 0.15313837699209373; // 3fc39a09d078c69f
const L7: f64 = 0.14798198605116586; // 3fc2f112df3e5244

const SQRT_HALF_HIGH_WORD: u64 = 0x3fe6a09e; // upper 32 bits of sqrt(1/2)
const ONE_HIGH_WORD: u64 = 0x3ff00000;

/**
 * log x = k·ln2 + log(1+f) with x = 2^k · (1+f) and sqrt(1/2) ≤ 1+f < sqrt(2).
 *
 * @param x normal and positive; nothing is checked here
 *
 * Source: FreeBSD msun, e_log.c, written anew without its special cases. Accuracy: 0.87 ulp
 * (test/assembly/log.test.ts prints the largest error).
 */
export function log(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  const high = (bits >> 32) + (ONE_HIGH_WORD - SQRT_HALF_HIGH_WORD);
  const k = <f64>(<i64>(high >> 20) - 1023);
  const mantissaHigh = (high & 0xfffff) + SQRT_HALF_HIGH_WORD;
  const f = reinterpret<f64>((mantissaHigh << 32) | (bits & 0xffffffff)) - 1;
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (L2 + w * (L4 + w * L6));
  const uneven = z * (L1 + w * (L3 + w * (L5 + w * L7)));
  const rest = uneven + even;
  return s * (half + rest) + k * LN2_LOW - half + f + k * LN2_HIGH;
}
