// Rows in tiles, and what is read off them row by row.
//
//   X [ceil(n/8), d, 8] f64: tile, feature, row within the tile. Rows that only fill up the last tile hold zeros.
//   w [d + 1] f64, bias last     z [ceil(n/8)·8] f64
import { add, div, mul, splat, splatAt, sub } from "./lane";

/** Rows of a tile. */
export const TILE_ROWS: usize = 8;

/** Tiles that n rows need. */
export function tileCount(n: usize): usize {
  return (n + TILE_ROWS - 1) / TILE_ROWS;
}

/**
 * Standardises one column and puts it into its place in the tiles: (x - mean)/std, a division, not a reciprocal.
 *
 * @param x [n] f64     @param j the column's place among the d features
 */
export function pack<V>(
  x: usize,
  n: usize,
  mean: f64,
  std: f64,
  X: usize,
  d: usize,
  j: usize,
): void {
  const means = splat<V>(mean);
  const stds = splat<V>(std);
  const rowBytes: usize = TILE_ROWS << 3;
  let place = X + j * rowBytes;
  for (let t = n / TILE_ROWS; t > 0; t--) {
    for (let at: usize = 0; at < rowBytes; at += sizeof<V>()) {
      store<V>(place + at, div<V>(sub<V>(load<V>(x + at), means), stds));
    }
    x += rowBytes;
    place += d * rowBytes;
  }
  const rest = n % TILE_ROWS;
  if (rest == 0) return;
  for (let i: usize = 0; i < TILE_ROWS; i++) {
    store<f64>(place + (i << 3), i < rest ? (load<f64>(x + (i << 3)) - mean) / std : 0);
  }
}

/**
 * The same for a column of ones where a code is `code` and zeros elsewhere, from the codes.
 *
 * @param codes [n] i32
 */
export function packIndicator(
  codes: usize,
  n: usize,
  code: i32,
  mean: f64,
  std: f64,
  X: usize,
  d: usize,
  j: usize,
): void {
  const one = (1 - mean) / std;
  const zero = (0 - mean) / std;
  const stride = (d * TILE_ROWS) << 3;
  let place = X + ((j * TILE_ROWS) << 3);
  const end = codes + (n << 2);
  while (codes < end) {
    for (let i: usize = 0; i < TILE_ROWS; i++) {
      const value = load<i32>(codes + (i << 2)) == code ? one : zero;
      store<f64>(place + (i << 3), codes + (i << 2) < end ? value : 0);
    }
    codes += TILE_ROWS << 2;
    place += stride;
  }
}

/**
 * Logits of all rows (N3).
 *
 *   z_i = b, then z_i = z_i + w_j·x_ij for j = 0 … d-1
 *
 * @param z [tiles · 8] f64, overwritten, also beyond row n
 */
export function logits<V>(X: usize, n: usize, d: usize, w: usize, z: usize): void {
  const b = splatAt<V>(w + (d << 3));
  const end = w + (d << 3);
  const tileBytes = (d * TILE_ROWS) << 3;
  let tile = X;
  for (let t = tileCount(n); t > 0; t--) {
    // Four vectors at a time: their additions do not wait for each other.
    for (let first: usize = 0; first < TILE_ROWS << 3; first += 4 * sizeof<V>()) {
      let x = tile + first;
      let z0 = b;
      let z1 = b;
      let z2 = b;
      let z3 = b;
      for (let weight = w; weight < end; weight += 8) {
        const wj = splatAt<V>(weight);
        z0 = add<V>(z0, mul<V>(wj, load<V>(x)));
        z1 = add<V>(z1, mul<V>(wj, load<V>(x, sizeof<V>())));
        z2 = add<V>(z2, mul<V>(wj, load<V>(x, 2 * sizeof<V>())));
        z3 = add<V>(z3, mul<V>(wj, load<V>(x, 3 * sizeof<V>())));
        x += TILE_ROWS << 3;
      }
      store<V>(z, z0);
      store<V>(z, z1, sizeof<V>());
      store<V>(z, z2, 2 * sizeof<V>());
      store<V>(z, z3, 3 * sizeof<V>());
      z += 4 * sizeof<V>();
    }
    tile += tileBytes;
  }
}

/**
 * What each feature adds to each row's logit: c_ij = w_j·x_ij. Starting from the bias and adding them in feature order
 * gives the logit to the last bit.
 *
 * @param c [n, d] f64, row by row, overwritten
 */
export function contributions(X: usize, n: usize, d: usize, w: usize, c: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const row = X + (((i / TILE_ROWS) * d * TILE_ROWS + (i % TILE_ROWS)) << 3);
    for (let j: usize = 0; j < d; j++) {
      const x = load<f64>(row + ((j * TILE_ROWS) << 3));
      store<f64>(c + ((i * d + j) << 3), load<f64>(w + (j << 3)) * x);
    }
  }
}
