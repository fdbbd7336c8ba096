// Which version of this package is running.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export function packageVersion(): string {
  const path = createRequire(import.meta.url).resolve("#package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
