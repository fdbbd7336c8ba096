// SHA-256 (FIPS 180-4) of many messages of one length: the row digests and split keys of CONTRACT.md, N9 and N10.
//
//   V is v128 (four messages side by side) in the SIMD build and u32 in the scalar one
//   blocks [n, count, 64] bytes: padded messages, one after the other      digests [n, 32] bytes
//
// Design: a row has one or two blocks, and a call a row costs more than its hash; hence many at once.

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

const BLOCK_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

/** Bytes of work: the sixteen words of the message schedule. */
export const SCHEDULE_BYTES: usize = 256;

/** Messages that one V holds: 4 or 1. */
export function messageLanes<V>(): usize {
  return sizeof<V>() / 4;
}

function splat<V>(value: u32): V {
  if (isVector<V>()) {
    return i32x4.splat(value);
  } else {
    return value;
  }
}

function add<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return i32x4.add(a, b);
  } else {
    return a + b;
  }
}

function xor<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return v128.xor(a, b);
  } else {
    return a ^ b;
  }
}

function and<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return v128.and(a, b);
  } else {
    return a & b;
  }
}

function shiftRight<V>(a: V, count: i32): V {
  if (isVector<V>()) {
    return i32x4.shr_u(a, count);
  } else {
    return a >> count;
  }
}

function rotate<V>(a: V, count: i32): V {
  if (isVector<V>()) {
    return v128.or(i32x4.shr_u(a, count), i32x4.shl(a, 32 - count));
  } else {
    return rotr<u32>(a, count);
  }
}

/** The bytes of each u32 in the opposite order. */
function reversed<V>(words: V): V {
  if (isVector<V>()) {
    return v128.shuffle<u8>(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  } else {
    return bswap<u32>(words);
  }
}

/** The big-endian word at `at` of one or four messages that are `stride` bytes apart. */
function word<V>(at: usize, stride: usize): V {
  if (isVector<V>()) {
    let words = v128.load32_zero(at);
    words = v128.load_lane<u32>(at + stride, words, 1);
    words = v128.load_lane<u32>(at + 2 * stride, words, 2);
    words = v128.load_lane<u32>(at + 3 * stride, words, 3);
    return reversed<V>(words);
  } else {
    return reversed<V>(load<u32>(at));
  }
}

/** Writes a word of one or four digests, big-endian. */
function storeWord<V>(at: usize, value: V): void {
  const words = reversed<V>(value);
  if (isVector<V>()) {
    v128.store_lane<u32>(at, words, 0);
    v128.store_lane<u32>(at + DIGEST_BYTES, words, 1);
    v128.store_lane<u32>(at + 2 * DIGEST_BYTES, words, 2);
    v128.store_lane<u32>(at + 3 * DIGEST_BYTES, words, 3);
  } else {
    store<u32>(at, words);
  }
}

/**
 * Digests of messageLanes messages that stand one after the other.
 *
 * @param blocks the first message     @param count blocks of each message, at least 1
 * @param work SCHEDULE_BYTES bytes     @param digests where the first digest goes
 */
export function sha256<V>(blocks: usize, count: usize, work: usize, digests: usize): void {
  const stride = count * BLOCK_BYTES;
  // The first 32 bits of the fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
  let h0 = splat<V>(0x6a09e667);
  let h1 = splat<V>(0xbb67ae85);
  let h2 = splat<V>(0x3c6ef372);
  let h3 = splat<V>(0xa54ff53a);
  let h4 = splat<V>(0x510e527f);
  let h5 = splat<V>(0x9b05688c);
  let h6 = splat<V>(0x1f83d9ab);
  let h7 = splat<V>(0x5be0cd19);
  for (let block: usize = 0; block < count; block++) {
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    let f = h5;
    let g = h6;
    let h = h7;
    for (let t: usize = 0; t < 64; t++) {
      const slot = work + (t & 15) * sizeof<V>();
      let w: V;
      if (t < 16) {
        w = word<V>(blocks + block * BLOCK_BYTES + (t << 2), stride);
      } else {
        const w15 = load<V>(work + ((t + 1) & 15) * sizeof<V>());
        const w2 = load<V>(work + ((t + 14) & 15) * sizeof<V>());
        const s0 = xor<V>(xor<V>(rotate<V>(w15, 7), rotate<V>(w15, 18)), shiftRight<V>(w15, 3));
        const s1 = xor<V>(xor<V>(rotate<V>(w2, 17), rotate<V>(w2, 19)), shiftRight<V>(w2, 10));
        const w7 = load<V>(work + ((t + 9) & 15) * sizeof<V>());
        w = add<V>(add<V>(load<V>(slot), s0), add<V>(w7, s1));
      }
      store<V>(slot, w);
      const s1 = xor<V>(xor<V>(rotate<V>(e, 6), rotate<V>(e, 11)), rotate<V>(e, 25));
      const choice = xor<V>(g, and<V>(e, xor<V>(f, g)));
      const t1 = add<V>(
        add<V>(add<V>(h, s1), choice),
        add<V>(splat<V>(load<u32>(K + (t << 2))), w),
      );
      const s0 = xor<V>(xor<V>(rotate<V>(a, 2), rotate<V>(a, 13)), rotate<V>(a, 22));
      const majority = xor<V>(and<V>(a, b), and<V>(c, xor<V>(a, b)));
      h = g;
      g = f;
      f = e;
      e = add<V>(d, t1);
      d = c;
      c = b;
      b = a;
      a = add<V>(t1, add<V>(s0, majority));
    }
    h0 = add<V>(h0, a);
    h1 = add<V>(h1, b);
    h2 = add<V>(h2, c);
    h3 = add<V>(h3, d);
    h4 = add<V>(h4, e);
    h5 = add<V>(h5, f);
    h6 = add<V>(h6, g);
    h7 = add<V>(h7, h);
  }
  storeWord<V>(digests, h0);
  storeWord<V>(digests + 4, h1);
  storeWord<V>(digests + 8, h2);
  storeWord<V>(digests + 12, h3);
  storeWord<V>(digests + 16, h4);
  storeWord<V>(digests + 20, h5);
  storeWord<V>(digests + 24, h6);
  storeWord<V>(digests + 28, h7);
}
