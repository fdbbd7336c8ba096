// Which tests `npm run test:proof` runs: those that need a browser, or another Node than the one that runs them.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/proof/*.proof.ts"],
    testTimeout: 180_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
