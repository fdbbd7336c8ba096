// Is log as close to the true value as its text says, over the range that losses need?
import { describe, expect, it } from "vitest";
import { createRandom, hexOf, step } from "../contract/bits.ts";
import golden from "../golden/log.json" with { type: "json" };
import { largestError, readTable } from "../golden/read-golden.ts";
import { BUILDS, loadCore } from "../support/core-exports.ts";
import { SIZES } from "./sizes.ts";

describe.each(BUILDS)("log() of build/%s.wasm", (build) => {
  const core = loadCore(build);

  it("is within 0.87 ulp of 60 digits on [1e-12, 1]", () => {
    const table = readTable(golden);
    const { ulps, x } = largestError(table, core.log(table.x));
    console.info(`log(): largest error ${ulps.toFixed(4)} ulp, at ${x}`);
    expect(ulps).toBeLessThan(0.87); // FreeBSD states < 1 for this form
    expect(ulps).toBeGreaterThan(0.866); // the worst known point is in the file
  });

  it("is +0 at 1, and changes sign there", () => {
    const values = core.log(Float64Array.of(1, step(1, -1), step(1, 1)));
    expect(hexOf(values.subarray(0, 1))).toEqual(["0000000000000000"]);
    expect(values[1]!).toBe(-(2 ** -53));
    expect(values[2]!).toBe(step(2 ** -52, -1)); // 2^-52 - 2^-105
  });

  it("turns exp() back", () => {
    const random = createRandom(1);
    const x = new Float64Array(2000).map(() => random.between(-27, 27));
    const back = core.log(core.exp(x));
    // exp is off by less than an ulp: 2^-52 relative, 2^-52 in the logarithm; log adds an ulp of x.
    for (let i = 0; i < x.length; i++) {
      expect(Math.abs(back[i]! - x[i]!)).toBeLessThanOrEqual(2 ** -52 * (1 + Math.abs(x[i]!)));
    }
  });

  it("gives each element the same bits at every size", () => {
    const random = createRandom(2);
    const x = new Float64Array(Math.max(...SIZES)).map(() => random.between(1e-12, 1));
    const all = core.log(x);
    for (const n of SIZES) {
      expect(hexOf(core.log(x.subarray(0, n))), `n = ${n}`).toEqual(hexOf(all.subarray(0, n)));
    }
  });
});
