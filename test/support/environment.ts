// Where recorded test runs say that they happened.
import type { Environment } from "../../src/miniflow/environment.ts";

export const ENVIRONMENT: Environment = {
  versions: { raisin: "0.0.0", node: "0.0.0", abi: 1, core: "0" },
  platform: "test",
  host: "here",
  user: "ann",
  git: { commit: "0".repeat(40), dirty: true },
};
