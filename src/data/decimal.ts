// Reads decimal text into the nearest f64 (CONTRACT.md, N8), straight from bytes where that is exact.
//
//   grammar: blanks [+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? blanks
//
// Design:
// - A number of at most 2^53 without its point, and a power of ten up to 10^22, are both exact f64 values, so one
//   division or product is the nearest f64 (Clinger 1990).
// - With up to 19 digits the quotient is formed in two f64 (Dekker's exact products); where the rest decides the
//   rounding beyond doubt that is the nearest f64 too.
// - Everything else goes to JavaScript's own `Number`, which is right for every literal of the grammar.

// The same, with one way only to match each text: written as above, a long run of digits takes quadratic time to refuse.
const GRAMMAR = /^[ \t]*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[ \t]*$/;

const POWERS = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));
// Literals: ECMAScript leaves the last bits of ** to the engine.
const SPLITTER = 134_217_729; // 2^27 + 1
const DOUBT = 1 / 281_474_976_710_656; // 2^-48

/**
 * The nearest f64 of a decimal text, -0 as 0.
 *
 * @returns NaN when the text is not of the grammar; ±Infinity when it is, but too large
 */
export function parseDecimal(text: string): number {
  return GRAMMAR.test(text) ? Number(text) + 0 : Number.NaN;
}

/** Exact product as sum of two f64: a·b = high + low. Dekker 1971; no overflow for the sizes used here. */
function lowProduct(a: number, b: number, high: number): number {
  const as = SPLITTER * a;
  const ah = as - (as - a);
  const al = a - ah;
  const bs = SPLITTER * b;
  const bh = bs - (bs - b);
  const bl = b - bh;
  return al * bl - (high - ah * bh - al * bh - ah * bl);
}

/**
 * (head · 10^shift + rest) / 10^places, where head < 10^15, rest < 10^shift, shift ≤ 4, places ≤ 22.
 *
 * @returns the nearest f64, or NaN when two f64 do not decide it
 */
function quotient(head: number, shift: number, rest: number, places: number): number {
  const scale = POWERS[shift]!;
  const product = head * scale;
  const sum = product + rest;
  const lost = rest - (sum - product) + lowProduct(head, scale, product);
  const divisor = POWERS[places]!;
  const first = sum / divisor;
  const back = first * divisor;
  const remainder = sum - back - lowProduct(first, divisor, back) + lost;
  const second = remainder / divisor;
  // `second` is right to a few parts in 2^52: if both ends of that doubt round alike, so does the truth.
  const low = first + second * (1 - DOUBT);
  const high = first + second * (1 + DOUBT);
  return low === high ? low : Number.NaN;
}

/** Where `scanDecimal` stopped. */
export interface Cursor {
  end: number;
}

/**
 * The nearest f64 of the decimal that begins at `start`, as far as its bytes are a sign, digits and a point, -0 as 0.
 *
 * @param limit no byte from there on is looked at
 * @param cursor its `end` becomes the place of the first byte that is none of those
 * @returns NaN when there is no digit, or too many for exact arithmetic: `parseDecimal` knows what it is
 */
export function scanDecimal(
  bytes: Uint8Array,
  start: number,
  limit: number,
  cursor: Cursor,
): number {
  let i = start;
  const negative = i < limit && bytes[i] === 0x2d;
  if (negative) i++;
  const digitsFrom = i;
  let places = -1; // digits after the point; -1 before it was met
  let digits = 0; // from the first that is not 0
  // Nine digits fit 31 bits, and integers of an engine are faster than its f64.
  let small = 0;
  for (; i < limit && digits < 9; i++) {
    const digit = bytes[i]! ^ 0x30;
    if (digit <= 9) {
      small = (small * 10 + digit) | 0;
      if (small !== 0) digits++;
      if (places >= 0) places++;
    } else if (digit === 0x1e && places < 0) {
      places = 0;
    } else {
      break;
    }
  }
  let head = small;
  let rest = 0;
  let shift = 0;
  for (; i < limit && digits >= 9; i++) {
    const digit = bytes[i]! ^ 0x30;
    if (digit <= 9) {
      if (digits < 15) {
        head = head * 10 + digit;
        digits++;
      } else {
        rest = rest * 10 + digit;
        shift++;
      }
      if (places >= 0) places++;
    } else if (digit === 0x1e && places < 0) {
      places = 0;
    } else {
      break;
    }
  }
  cursor.end = i;
  // At least one digit must stand there: more bytes than the point alone.
  if (i - digitsFrom - (places < 0 ? 0 : 1) < 1) return Number.NaN;
  let value: number;
  if (places <= 0 && shift === 0) value = head;
  else if (places > 22) return Number.NaN;
  else if (shift === 0) value = head / POWERS[places]!;
  else if (shift <= 4) value = quotient(head, shift, rest, Math.max(places, 0));
  else return Number.NaN;
  return negative ? 0 - value : value;
}

const ownCursor: Cursor = { end: 0 };

/**
 * The nearest f64 of the decimal in bytes[start, end), -0 as 0.
 *
 * @returns NaN when the bytes are not of the grammar; ±Infinity when they are, but too large
 */
export function parseDecimalBytes(bytes: Uint8Array, start: number, end: number): number {
  const value = scanDecimal(bytes, start, end, ownCursor);
  return ownCursor.end === end && !Number.isNaN(value) ? value : slowDecimal(bytes, start, end);
}

function slowDecimal(bytes: Uint8Array, start: number, end: number): number {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return parseDecimal(text);
}
