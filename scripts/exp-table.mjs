// Writes assembly/exp-table.ts: 2^(i/128) for i = 0 … 127 in integer arithmetic of 240 bits, so that the table needs
// no library and no trust. Run it with `node scripts/exp-table.mjs`; a test compares its output with the file.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BITS = 240n;
const ONE = 1n << BITS;

function squareRoot(value) {
  let x = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (x + value / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** Rounds the rational num/den to the nearest f64, ties to even. */
function toF64(num, den) {
  if (num === 0n) return 0;
  const sign = num < 0n ? -1 : 1;
  let a = num < 0n ? -num : num;
  let exponent = a.toString(2).length - den.toString(2).length - 53;
  let scaledDen = den;
  if (exponent >= 0) scaledDen <<= BigInt(exponent);
  else a <<= BigInt(-exponent);
  while (a / scaledDen >= 1n << 53n) {
    scaledDen <<= 1n;
    exponent += 1;
  }
  let q = a / scaledDen;
  const rest2 = 2n * (a - q * scaledDen);
  if (rest2 > scaledDen || (rest2 === scaledDen && q & 1n)) q += 1n;
  return sign * Number(q) * 2 ** exponent;
}

const f64 = new Float64Array(1);
const u64 = new BigUint64Array(f64.buffer);
function bits(value) {
  f64[0] = value;
  return u64[0];
}

/** The exact value of a positive f64 as a fixed-point integer of BITS fraction bits. */
function fixed(value) {
  const b = bits(value);
  const significand = (b & ((1n << 52n) - 1n)) | (1n << 52n);
  return (significand << BITS) >> (1075n - (b >> 52n));
}

export function expTable() {
  let root = ONE << 1n; // 2, then its seventh square root 2^(1/128)
  for (let k = 0; k < 7; k++) root = squareRoot(root << BITS);
  const lines = [];
  let power = ONE;
  for (let i = 0n; i < 128n; i++) {
    const head = toF64(power, ONE);
    const tail = toF64(power - fixed(head), fixed(head));
    const words = [bits(tail), BigInt.asUintN(64, bits(head) - (i << 45n))];
    lines.push(`  ${words.map((word) => `0x${word.toString(16).padStart(16, "0")}`).join(", ")},`);
    power = (power * root) >> BITS;
  }
  return `// The table of exp: for i = 0 … 127 the words {tail, head} of 2^(i/128). Written by scripts/exp-table.mjs.
//
//   H = 2^(i/128) rounded to f64      head = bits(H) - (i << 45)      tail = (2^(i/128) - H) / H, rounded
//
// Read-only: another instance that shares the memory writes the same bytes again.
export const EXP_TABLE: usize = memory.data<u64>([
${lines.join("\n")}
]);
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("../assembly/exp-table.ts", import.meta.url), expTable());
}
