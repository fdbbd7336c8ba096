// Where the raisins are: the simulated ones that ship, and the real ones that UCI keeps.
import { createRequire } from "node:module";

export const RAISIN_URL = "https://archive.ics.uci.edu/static/public/850/raisin.zip";

/** Content digest (N10) of the real 900 raisins with label Class. The archive's own bytes may change, these rows not. */
export const RAISIN_CONTENT_DIGEST =
  "aaaffd19b0c775ebe34e4d924cc658401fb79de03eeb64404bf95bb7719d93a7";

/** SHA-256 of the CSV that `raisin data` writes of them. */
export const RAISIN_FILE_SHA256 =
  "47d7b6ae8b3b89d2349f3794a446e0196b3f9f140917920280273ded3f44dc83";

/** Path of the simulated raisins that come with the package. */
export function bundledRaisins(): string {
  return createRequire(import.meta.url).resolve("#raisins.csv");
}
