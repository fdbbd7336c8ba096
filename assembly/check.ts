// Checks of what a host passes in: every pointer that an export takes goes through here once.
//
// Address 0 is ordinary memory to WebAssembly; refusing it is this module's rule, since a host that forgot to lay out
// its memory passes 0.

export const OK: i32 = 0;
export const OUT_OF_BOUNDS: i32 = 1;
export const MISALIGNED: i32 = 2;
export const TOO_LARGE: i32 = 3;
export const OUT_OF_RANGE: i32 = 4;

export const COUNT_MAX: u64 = 1 << 29; // f64 values that fit a 32-bit memory

/** Values that a matrix of rows × columns holds; beyond COUNT_MAX for one that cannot exist. */
export function product(rows: u64, columns: u64): u64 {
  return rows > COUNT_MAX || columns > COUNT_MAX ? COUNT_MAX + 1 : rows * columns;
}

/** n rounded up to whole tiles. */
export function padded(n: u64): u64 {
  return ((n + 7) / 8) * 8;
}

/** Status of an array of `count` f64 values (8 bytes each) at p. */
export function checkArray(p: usize, count: u64): i32 {
  if (count > COUNT_MAX) return TOO_LARGE;
  if ((p & 7) != 0) return MISALIGNED;
  if (p == 0 || <u64>p + (count << 3) > (<u64>memory.size()) << 16) return OUT_OF_BOUNDS;
  return OK;
}
