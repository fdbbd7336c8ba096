// The lengths round every unrolled loop, tile and flush: each tail, and two trips of each loop.
export const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 255, 256, 257, 511, 512, 513];
