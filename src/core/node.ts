// Loads the packaged core from disk into Node.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { instantiateSync } from "@assemblyscript/loader";
import type { CoreExports, CoreSource } from "./source.ts";

/** `simd` needs an engine with 128-bit vectors; `scalar` runs on any WebAssembly engine. Both give the same bits. */
export type CoreBuild = "simd" | "scalar";

// package.json maps these names, so that sources and compiled output find the same files.
const names: Record<CoreBuild, string> = { simd: "#core.wasm", scalar: "#core.scalar.wasm" };

/** A released core: anybody can build it again from the tag v<version>. */
export interface ReleasedCore {
  readonly version: string;
  readonly abi: number;
  /** SHA-256 of core.wasm and core.scalar.wasm, 64 hex digits. */
  readonly core: string;
  readonly scalar: string;
}

/** Read once per process. */
let released: readonly ReleasedCore[] | undefined;

/** The release that a core belongs to; undefined for a core that was never released, or is newer than this package. */
export function releaseOf(digest: string): ReleasedCore | undefined {
  released ??= readReleased();
  return released.find(({ core }) => core === digest);
}

function readReleased(): ReleasedCore[] {
  try {
    const path = createRequire(import.meta.url).resolve("#released.json");
    return JSON.parse(readFileSync(path, "utf8")) as ReleasedCore[];
  } catch (error) {
    // Where the list is not installed, as in an image, no core is known.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

const loaded = new Map<CoreBuild, CoreSource>();

/** The core of this package, compiled once per process. */
export function loadCore(build: CoreBuild = "simd"): CoreSource {
  const known = loaded.get(build);
  if (known) return known;
  const read = (name: string) => readFileSync(createRequire(import.meta.url).resolve(name));
  const bytes = read(names.simd);
  const module = new WebAssembly.Module(build === "simd" ? bytes : read(names[build]));
  const source: CoreSource = {
    digest: createHash("sha256").update(bytes).digest("hex"),
    bytes,
    instantiate: () => instantiateSync(module, {}).exports as unknown as CoreExports,
  };
  loaded.set(build, source);
  return source;
}
