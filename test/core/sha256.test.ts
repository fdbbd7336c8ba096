// Do a core and the portable SHA-256 give digestMessages() the same digests, and both those of node:crypto?
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { type BlockHasher, DIGEST_BYTES, digestMessages } from "../../src/data/sha256.ts";
import { createRandom } from "../contract/bits.ts";

const BUILDS = ["simd", "scalar"] as const;

/** All digests of messages that end in their row's number; those of rows 0 and last are node:crypto's. */
function digest(length: number, rows: Uint32Array, hasher?: BlockHasher): string {
  const random = createRandom(length);
  const template = new Uint8Array(length).map(() => random.below(256));
  const digests = new Uint8Array(rows.length * DIGEST_BYTES);
  const fill = (view: DataView, at: number, row: number) => {
    if (length >= 4) view.setUint32(at + length - 4, row);
  };
  digestMessages(template, rows, fill, digests, hasher);
  for (const row of rows.length === 0 ? [] : [0, rows.length - 1]) {
    const message = template.slice();
    fill(new DataView(message.buffer), 0, row);
    const expected = createHash("sha256").update(message).digest("hex");
    const made = digests.subarray(row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES);
    expect(Buffer.from(made).toString("hex"), `row ${row}`).toBe(expected);
  }
  return Buffer.from(digests).toString("hex");
}

function shuffledRows(n: number): Uint32Array {
  return Uint32Array.from(createRandom(n).shuffled([...Array(n).keys()]));
}

describe.each(BUILDS)("digestMessages() on the %s core", (build) => {
  const core = new Core(loadCore(build));

  it("gives the digests of the portable SHA-256 for every length to two blocks and more", () => {
    const rows = shuffledRows(6);
    for (let length = 0; length <= 130; length++) {
      expect(digest(length, rows, core), `length ${length}`).toBe(digest(length, rows));
    }
  });

  it("gives them for every number of rows round its groups and batches", () => {
    for (const n of [0, 1, 2, 3, 4, 5, 8, 9, 2047, 2048, 2049, 4097]) {
      const rows = shuffledRows(n);
      expect(digest(40, rows, core), `${n} rows`).toBe(digest(40, rows));
    }
  });

  it("leaves the digests of other rows alone", () => {
    const digests = new Uint8Array(5 * DIGEST_BYTES);
    digestMessages(Uint8Array.of(7), Uint32Array.of(3, 1), () => {}, digests, core);
    const isWritten = Array.from({ length: 5 }, (_, row) =>
      digests.subarray(row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES).some((byte) => byte !== 0),
    );
    expect(isWritten).toEqual([false, true, false, true, false]);
  });
});

describe("sha256Many()", () => {
  const core = new Core(loadCore("simd"));

  it("refuses blocks that are not whole messages", () => {
    for (const [bytes, blockCount] of [
      [0, 0],
      [64, 0],
      [64, -1],
      [64, 0.5],
      [64, 2],
      [65, 1],
      [63, 1],
      [64, Number.NaN],
    ] as const) {
      expect(
        () => core.sha256Many(new Uint8Array(bytes), blockCount),
        `${bytes} bytes, ${blockCount} blocks`,
      ).toThrow(RangeError);
    }
  });

  it("hashes no messages into no digests", () => {
    expect(core.sha256Many(new Uint8Array(0), 1)).toEqual(new Uint8Array(0));
  });
});

describe("digestMessages()", () => {
  it.each([
    [100, 2048],
    [9 * 16_384, 7],
    [2 ** 20, 4],
  ])("hands over messages of %i bytes in batches of %i", (length, most) => {
    const counts: number[] = [];
    const hasher: BlockHasher = {
      sha256Many(blocks, blockCount) {
        counts.push(blocks.length / (blockCount * 64));
        return new Uint8Array(counts.at(-1)! * DIGEST_BYTES);
      },
    };
    const rows = Uint32Array.from({ length: 2 * most + 1 }, (_, i) => i);
    const digests = new Uint8Array(rows.length * DIGEST_BYTES);
    digestMessages(new Uint8Array(length), rows, () => {}, digests, hasher);
    expect(counts).toEqual([most, most, 1]);
  });
});
