// Does decimal text become the nearest f64, whichever way it is read, and nothing else become a number?
import { describe, expect, test } from "vitest";
import { parseDecimal, parseDecimalBytes } from "../../src/data/decimal.ts";
import { createRandom, SEED, toBytes } from "./support.ts";

/** From the middle of other digits, which must not be looked at. */
function parseWithin(text: string): number {
  const before = toBytes("98.7e6");
  const cell = toBytes(text);
  const bytes = new Uint8Array(2 * before.length + cell.length);
  bytes.set(before);
  bytes.set(cell, before.length);
  bytes.set(before, before.length + cell.length);
  return parseDecimalBytes(bytes, before.length, before.length + cell.length);
}

// biome-ignore format: one line a case
const VALID: [text: string, value: number][] = [
  ["0", 0],
  ["-0", 0],
  ["+0", 0],
  ["-0.0", 0],
  ["-.0e5", 0],
  ["-0e-999", 0],
  ["-1e-400", 0],
  ["000", 0],
  ["007", 7],
  ["1", 1],
  ["+1", 1],
  ["-1", -1],
  ["5.", 5],
  ["-5.", -5],
  [".5", 0.5],
  ["-.5", -0.5],
  ["+.5", 0.5],
  ["5.e1", 50],
  [".5e1", 5],
  ["1e5", 100000],
  ["1E5", 100000],
  ["1e+5", 100000],
  ["1e-5", 0.00001],
  ["1e0005", 100000],
  [" 1", 1],
  ["1 ", 1],
  ["\t 1.5 \t", 1.5],
  ["0.1", 0.1],
  ["123456789012345678901234567890", 123456789012345680000000000000],
  ["9007199254740993", 9007199254740992],
  ["9007199254740995", 9007199254740996],
  ["0.1000000000000000055511151231257827", 0.1],
  ["2.2250738585072011e-308", 2.225073858507201e-308],
  ["5e-324", 5e-324],
  ["2.4703282292062327e-324", 0],
  ["2.4703282292062328e-324", 5e-324],
  ["1.7976931348623157e308", Number.MAX_VALUE],
  ["1.7976931348623158e308", Number.MAX_VALUE],
  ["1.7976931348623159e308", Number.POSITIVE_INFINITY],
  ["1e400", Number.POSITIVE_INFINITY],
  ["-1e400", Number.NEGATIVE_INFINITY],
  ["1e99999999999999999999", Number.POSITIVE_INFINITY],
  [`1${"0".repeat(309)}`, Number.POSITIVE_INFINITY],
  [`0.${"0".repeat(70_000)}1`, 0],
];

// biome-ignore format: one line a case
const INVALID: string[] = [
  "", " ", "\t", ".", "+", "-", "+.", "-.", "e", "e5", ".e5", "+e5", "1e", "1e+", "1e-", "1e1.5", "1e5e5",
  "--1", "++1", "+-1", "-+1", "1-", "1+", "1 2", "1\t2", "- 1", "1 e5", "1e 5", "1..2", "1.2.3", "..5",
  "1,234.5", "1.234,5", "1,5", "1'000", "1_000", "_1", "5%", "$5", "€5", "1f", "1n", "1d", "0x1F", "0b1", "0o7",
  "NaN", "nan", "NA", "N/A", "null", "None", "Infinity", "-Infinity", "inf", "Inf", "true", "TRUE",
  "=1+1", "@1", "'1", "\"1\"", "1\r", "\r1", "1\n", "\n1", "1\0", "\u00a01", "1\u00a0", "\u20091", "\ufeff1",
  "\u0661", "\uff11", "\u2212 1", "\u22121", "1/2", "1:2", "1;2", "/", ":", "1/", "1:",
];

describe("parseDecimal() and parseDecimalBytes()", () => {
  test.each(VALID)("read %j", (text, value) => {
    for (const read of [parseDecimal(text), parseWithin(text)]) {
      expect(Object.is(read, value), `${read}`).toBe(true);
    }
  });

  test.each(INVALID.map((text) => [text]))("refuse %j", (text) => {
    expect(parseDecimal(text)).toBeNaN();
    expect(parseWithin(text)).toBeNaN();
  });

  test("look at every byte there is", () => {
    for (let byte = 0; byte < 256; byte++) {
      const isDigit = byte >= 0x30 && byte <= 0x39;
      const isBlank = byte === 0x20 || byte === 0x09;
      // A blank round the other bytes, a point behind digits: else a byte that is no digit spoils the number.
      const cells = [[byte], [byte, 0x31], [0x31, byte, 0x31], [0x31, byte]] as const;
      const read = cells.map((cell) => parseDecimalBytes(Uint8Array.from(cell), 0, cell.length));
      const character = String.fromCharCode(byte);
      const expected = [character, `${character}1`, `1${character}1`, `1${character}`].map(
        (text) =>
          isDigit || isBlank || /[+\-.eE]/.test(character) ? parseDecimal(text) : Number.NaN,
      );
      expect(read, `byte ${byte}`).toEqual(expected);
    }
  });

  test("refuse long digits with something behind them in time that grows with their length", () => {
    // Ways to match them that grow with the square would take minutes here, not milliseconds.
    const long = "1".repeat(2 ** 20);
    for (const text of [`${long}x`, `${long}.${long}x`, `${" ".repeat(2 ** 20)}x`, `1e${long}x`]) {
      expect(parseDecimal(text)).toBeNaN();
      expect(parseWithin(text)).toBeNaN();
    }
  });
});

const random = createRandom();
const below = (limit: number) => Math.floor(random() * limit);
const digits = (count: number) => Array.from({ length: count }, () => below(10)).join("");
const sign = () => ["", "", "", "-", "+"][below(5)]!;

/** A random text of the grammar with 1 to 20 digits, plain or with an exponent. */
function plainText(): string {
  const count = 1 + below(20);
  const text = digits(count);
  const point = below(count + 1);
  const mantissa = random() < 0.2 ? text : `${text.slice(0, point)}.${text.slice(point)}`;
  const exponent =
    random() < 0.3 ? `${"eE"[below(2)]}${["", "+", "-"][below(3)]}${below(330)}` : "";
  return sign() + mantissa + exponent;
}

/** Zeros before and behind, which count as places but not as digits. */
function zerosText(): string {
  return `${sign()}${"0".repeat(below(25))}${digits(below(4))}.${"0".repeat(below(25))}${digits(1 + below(19))}${"0".repeat(below(4))}`;
}

/** A number halfway between two f64, to 16 to 21 digits, cut or one more in the last place; or all its digits. */
function midpointText(): string {
  const significand = 2n ** 52n + BigInt(below(2 ** 26)) * 2n ** 26n + BigInt(below(2 ** 26));
  const power = -75 + below(80); // of two, of half the last bit
  const odd = 2n * significand + 1n;
  // odd · 2^power as digits and a number of decimal places: 2^-k is 5^k / 10^k.
  const whole = power >= 0 ? odd << BigInt(power) : odd * 5n ** BigInt(-power);
  const places = Math.max(-power, 0);
  const all = whole.toString().padStart(places + 1, "0");
  const from = all.search(/[1-9]/);
  const kept = 16 + below(6);
  const isCut = from + kept < all.length && random() < 0.9;
  const shownDigits = isCut
    ? (BigInt(all.slice(0, from + kept)) + BigInt(below(2))).toString().padStart(from + kept, "0") +
      "0".repeat(Math.max(all.length - places - from - kept, 0))
    : all;
  const head = all.length - places;
  return `${sign()}${shownDigits.slice(0, head)}.${shownDigits.slice(head)}`;
}

describe(`parseDecimalBytes(), seed ${SEED}`, () => {
  test.each([
    ["1 to 20 digits", plainText, 40_000],
    ["zeros round the digits", zerosText, 20_000],
    ["nearly halfway between two f64", midpointText, 40_000],
    ["what JavaScript writes", () => String((random() - 0.5) * 10 ** (below(40) - 20)), 20_000],
    ["few decimals", () => (random() * 10 ** below(7)).toFixed(below(13)), 20_000],
  ])("equals Number() bit for bit: %s", (_, createText, count) => {
    const bits = new Float64Array(3);
    const words = new BigUint64Array(bits.buffer);
    const wrong: string[] = [];
    for (let k = 0; k < count; k++) {
      const text = createText();
      bits[0] = Number(text) + 0;
      bits[1] = parseWithin(text);
      bits[2] = parseDecimal(text);
      if (words[0] !== words[1] || words[0] !== words[2]) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  test("meets halfway cases on both sides and exactly, or the test above would show little", () => {
    const texts = Array.from({ length: 2000 }, midpointText);
    const fast = texts.filter((text) => /^[+-]?[\d.]{17,20}$/.test(text));
    expect(fast.length).toBeGreaterThan(300);
    expect(texts.filter((text) => text.length > 40).length).toBeGreaterThan(50);
  });
});
