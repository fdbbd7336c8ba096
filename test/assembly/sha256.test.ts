// Is sha256 the SHA-256 of FIPS 180-4, for every length and whatever is hashed beside a message?
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createRandom } from "../contract/bits.ts";
import {
  Arena,
  BUILDS,
  hashedCount,
  instantiate,
  OK,
  openCore,
  readBuild,
} from "../support/core-exports.ts";

/** FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits as a big-endian u64. */
function pad(message: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  blocks.set(message);
  blocks[message.length] = 0x80;
  new DataView(blocks.buffer).setBigUint64(blocks.length - 8, BigInt(8 * message.length));
  return blocks;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function hashOf(message: Uint8Array): string {
  return createHash("sha256").update(message).digest("hex");
}

// The examples that NIST gives for FIPS 180-4, and the empty message.
const VECTORS: [message: string, digest: string][] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
  ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
];

describe.each(BUILDS)("sha256() of build/%s.wasm", (build) => {
  const exports = instantiate(readBuild(build));
  const core = openCore(exports); // it checks guard bytes and inputs at each call

  it.each(VECTORS)("gives the digest that NIST gives: %.20s", (text, digest) => {
    const blocks = pad(Buffer.from(text));
    expect(hex(core.sha256(blocks, blocks.length / 64))).toBe(digest);
  });

  it("is that of node:crypto for every length from 0 to 200", () => {
    const random = createRandom(1);
    for (let length = 0; length <= 200; length++) {
      const messages = Array.from({ length: 5 }, () =>
        new Uint8Array(length).map(() => random.below(256)),
      );
      const padded = messages.map(pad);
      const digests = core.sha256(Buffer.concat(padded), padded[0]!.length / 64);
      expect(hex(digests), `length ${length}`).toBe(messages.map(hashOf).join(""));
    }
  });

  it("does not depend on the place of a message or on what stands beyond the last", () => {
    const random = createRandom(2);
    const [count, most] = [2, 9];
    const blocks = new Uint8Array(most * count * 64).map(() => random.below(256));
    const one = (i: number) => blocks.subarray(i * count * 64, (i + 1) * count * 64);
    const each = Array.from({ length: most }, (_, i) => hex(core.sha256(one(i), count)));
    expect(new Set(each).size).toBe(most);
    for (let n = 0; n <= most; n++) {
      for (const behind of [0x00, 0x5a, 0xff]) {
        const room = new Uint8Array(hashedCount(n) * count * 64).fill(behind);
        room.set(blocks.subarray(0, n * count * 64));
        const arena = new Arena(exports);
        const [from, work] = [arena.input(new Float64Array(room.buffer)), arena.output(32)];
        const to = arena.output(hashedCount(n) * 4);
        expect(exports.sha256(from, count, n, work, to)).toBe(OK);
        arena.verify();
        const digests = new Uint8Array(arena.read(to, n * 4).buffer);
        expect(hex(digests), `n = ${n}`).toBe(each.slice(0, n).join(""));
      }
    }
  });
});
