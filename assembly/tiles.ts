// Rows in tiles, and what is read off them row by row.
//
//   X [ceil(n/8), d, 8] f64: tile, feature, row within the tile. Rows that only fill up the last tile hold zeros.
//   w [d + 1] f64, bias last     z [ceil(n/8)·8] f64
import { add, laneCount, mul, splat, splatAt } from "./lane";

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
export function pack(x: usize, n: usize, mean: f64, std: f64, X: usize, d: usize, j: usize): void {
  const rows = tileCount(n) * TILE_ROWS;
  const stride = d * TILE_ROWS;
  for (let i: usize = 0; i < rows; i++) {
    const place = (i / TILE_ROWS) * stride + j * TILE_ROWS + (i % TILE_ROWS);
    store<f64>(X + (place << 3), i < n ? (load<f64>(x + (i << 3)) - mean) / std : 0);
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
  const vectorsPerTile = 8 / laneCount<V>();
  const b = load<f64>(w + (d << 3));
  let tile = X;
  for (let t = tileCount(n); t > 0; t--) {
    for (let v = 0; v < vectorsPerTile; v++) {
      let x = tile + v * sizeof<V>();
      let sum = splat<V>(b);
      for (let j: usize = 0; j < d; j++) {
        sum = add<V>(sum, mul<V>(splatAt<V>(w + (j << 3)), load<V>(x)));
        x += TILE_ROWS << 3;
      }
      store<V>(z, sum);
      z += sizeof<V>();
    }
    tile += (d * TILE_ROWS) << 3;
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
