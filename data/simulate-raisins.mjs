// Draws data/raisins-simulated.csv: 900 raisins from the real ones' statistics, none of them real.
//
// Design:
// - A raisin is six numbers: two axes and four small gaps to an ideal shape. Their logarithms are
//   drawn jointly, nearly normal within a class, with the means, standard deviations and
//   correlations below. Geometry makes the seven columns from them, so that the columns agree
//   with each other as measured ones do.
// - The same bytes from every engine: only + - * /, square roots and integer steps, each of which
//   the standards fix to the last bit. Engines differ in logarithms, exponentials and powers.
import { realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The seed of the committed file. It was chosen, not met by chance: data/README.md says how. */
export const SEED = 278;

const ROWS_PER_CLASS = 450;
const HEADER =
  "Area,MajorAxisLength,MinorAxisLength,Eccentricity,ConvexArea,Extent,Perimeter,Class";

// Of the natural logarithms of six quantities over the 450 real rows of each class: means,
// population standard deviations and correlations (lower triangle). The quantities, in order:
//   1  MajorAxisLength
//   2  MinorAxisLength
//   3  1 - Area / (area of the ellipse with these axes)
//   4  1 - Area / ConvexArea
//   5  Perimeter / (perimeter of that ellipse) - 1
//   6  1 - Extent
// Computed from: Çinar, İ., Koklu, M., Tasdemir, S. (2020), Raisin, UCI Machine Learning
// Repository, id 850, doi 10.24432/C5660T, licence CC BY 4.0.
const CLASSES = [
  {
    name: "Kecimen",
    mean: [5.8529, 5.4242, -4.3967, -3.4499, -2.8377, -1.2411],
    std: [0.1604, 0.1495, 0.679, 0.3831, 0.3596, 0.1476],
    correlation: [
      [1],
      [0.602, 1],
      [-0.093, -0.267, 1],
      [-0.118, -0.395, 0.736, 1],
      [-0.112, -0.148, 0.566, 0.757, 1],
      [0.139, -0.212, 0.393, 0.444, 0.394, 1],
    ],
  },
  {
    name: "Besni",
    mean: [6.2116, 5.6175, -4.3127, -3.3554, -2.8131, -1.1931],
    std: [0.2038, 0.178, 0.7637, 0.4434, 0.4119, 0.1868],
    correlation: [
      [1],
      [0.645, 1],
      [-0.111, -0.295, 1],
      [-0.19, -0.431, 0.751, 1],
      [-0.329, -0.236, 0.515, 0.744, 1],
      [0.038, -0.305, 0.469, 0.474, 0.342, 1],
    ],
  },
];

// The real raisins have heavier tails than a normal distribution: Mardia's kurtosis of the six
// logarithms is 1.28 times a normal's in both classes. One raisin in twenty drawn twice as wide,
// and all shrunk so that the standard deviations stay, gives 1.32 with normal draws.
const WIDE_SHARE = 0.05;
const WIDE_FACTOR = 2;
const SHRINK = Math.sqrt(1 + WIDE_SHARE * (WIDE_FACTOR * WIDE_FACTOR - 1));

// A raisin outside these limits, a little wider than the range of the real ones, is drawn again.
const LIMITS = {
  major: [180, 1100],
  minor: [100, 550],
  axisRatio: [0.25, 0.95],
  filling: [0.7, 1],
  solidity: [0.7, 1],
  roughness: [1, 1.3],
  extent: [0.35, 0.85],
};

/**
 * Simulated raisins as CSV text with LF line ends, 450 of each class in mixed order.
 *
 * @param {number} [seed] whole number from 0 to 2^32 - 1; the committed file's seed by default
 * @returns {string} the header and 900 rows; the same text for the same seed in every engine
 * @throws {RangeError} if the seed is not such a number
 */
export function simulateRaisins(seed = SEED) {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new RangeError(
      "Cannot simulate raisins as the seed must be a whole number from 0 to 4294967295: " +
        `current value is ${seed}`,
    );
  }
  const nextInteger = createGenerator(seed);
  const rows = [];
  for (const statistics of CLASSES) {
    const factor = choleskyFactor(statistics.correlation);
    for (let i = 0; i < ROWS_PER_CLASS; i += 1) {
      rows.push(drawRow(statistics, factor, nextInteger));
    }
  }
  shuffle(rows, nextInteger);
  return `${HEADER}\n${rows.join("\n")}\n`;
}

/** Draws until a raisin is within the limits, and writes it with the digits of the real file. */
function drawRow(statistics, factor, nextInteger) {
  for (;;) {
    const [major, minor, fillingGap, convexGap, roughnessGap, extentGap] = drawShape(
      statistics,
      factor,
      nextInteger,
    );
    const axisRatio = minor / major;
    const filling = 1 - fillingGap;
    const solidity = 1 - convexGap;
    const roughness = 1 + roughnessGap;
    const extent = 1 - extentGap;
    const shape = { major, minor, axisRatio, filling, solidity, roughness, extent };
    if (!isWithinLimits(shape)) continue;

    const eccentricity = Math.sqrt(1 - axisRatio * axisRatio);
    const area = Math.round((Math.PI / 4) * major * minor * filling);
    const convexArea = Math.round(area / solidity);
    const perimeter = ellipsePerimeter(major / 2, minor / 2) * roughness;
    return [
      area,
      toDecimal(major, 7),
      toDecimal(minor, 7),
      toDecimal(eccentricity, 9),
      convexArea,
      toDecimal(extent, 9),
      toDecimal(perimeter, 3),
      statistics.name,
    ].join(",");
  }
}

/** Six quantities of a raisin: e^(mean + std · (L·z)), L the Cholesky factor, z normal draws. */
function drawShape({ mean, std }, factor, nextInteger) {
  const isWide = nextInteger() < WIDE_SHARE * 4294967296;
  const spread = (isWide ? WIDE_FACTOR : 1) / SHRINK;
  const z = mean.map(() => drawNormal(nextInteger));
  return mean.map((center, i) => {
    let sum = 0;
    for (let j = 0; j <= i; j += 1) sum += factor[i][j] * z[j];
    return exponential(center + std[i] * spread * sum);
  });
}

function isWithinLimits(shape) {
  return Object.entries(LIMITS).every(([name, [low, high]]) => {
    return shape[name] > low && shape[name] < high;
  });
}

/** Perimeter of the ellipse with semi-axes a and b: Ramanujan's second approximation (1914). */
function ellipsePerimeter(a, b) {
  const h = ((a - b) / (a + b)) * ((a - b) / (a + b));
  return Math.PI * (a + b) * (1 + (3 * h) / (10 + Math.sqrt(4 - 3 * h)));
}

/** e^x as (e^(x/1024))^1024, a cubic squared ten times; relative error below 1e-6 for |x| ≤ 10. */
function exponential(x) {
  const t = x / 1024;
  let power = 1 + t * (1 + (t / 2) * (1 + t / 3));
  for (let i = 0; i < 10; i += 1) power *= power;
  return power;
}

/** A nearly normal draw: the sum of twelve uniform ones, whose variances of 1/12 make 1. */
function drawNormal(nextInteger) {
  let sum = 0;
  for (let i = 0; i < 12; i += 1) sum += nextInteger();
  return sum / 4294967296 - 6;
}

/** The lower triangular L with L·Lᵀ = the correlation matrix, row by row. */
function choleskyFactor(correlation) {
  const factor = [];
  for (let i = 0; i < correlation.length; i += 1) {
    const row = [];
    for (let j = 0; j <= i; j += 1) {
      let rest = correlation[i][j];
      for (let k = 0; k < j; k += 1) rest -= row[k] * (factor[j] ?? row)[k];
      row.push(i === j ? Math.sqrt(rest) : rest / factor[j][j]);
    }
    factor.push(row);
  }
  return factor;
}

/** Fisher and Yates' shuffle in Durstenfeld's form (CACM 7(7), 1964, algorithm 235). */
function shuffle(items, nextInteger) {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor((nextInteger() / 4294967296) * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}

/** The number rounded to so many decimals, without zeros at the end, as in the real file. */
function toDecimal(value, decimals) {
  return value.toFixed(decimals).replace(/\.?0+$/, "");
}

/**
 * Whole numbers from 0 to 2^32 - 1: xoshiro128** of Blackman and Vigna (Scrambled linear
 * pseudorandom number generators, ACM TOMS 47(4), 2021). The state comes from the seed by
 * MurmurHash3's 32-bit finaliser (Appleby, public domain), which is one-to-one, so that four
 * different inputs never make the state all zeros.
 */
function createGenerator(seed) {
  let [s0, s1, s2, s3] = [1, 2, 3, 4].map((i) => mix(seed + Math.imul(i, 0x9e3779b9)));
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = rotateLeft(s3, 11);
    return result;
  };
}

function mix(value) {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function rotateLeft(value, bits) {
  return (value << bits) | (value >>> (32 - bits));
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL("raisins-simulated.csv", import.meta.url));
  writeFileSync(path, simulateRaisins());
}
