// The repository's rules as functions: files in, findings out. A finding says where, what, and how to mend it.
import { posix } from "node:path";

/** Texts by path from the root, with forward slashes. */
export type Files = ReadonlyMap<string, string>;

// Imports (the table of ARCHITECTURE.md)

/** What each part of src may import from the other parts: a folder, or one file of it. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[] | "anything">> = {
  core: [],
  // Every run records the versions of host and core, and the core's digest.
  miniflow: ["core"],
  // Row digests are a kernel.
  data: ["core"],
  model: ["core", "data"],
  monitoring: ["core", "data"],
  training: ["core", "data", "model", "monitoring"],
  // It trains again, in any runtime: what a run's directory holds, or a sealed file.
  proof: ["core", "data", "model", "training"],
  // It scores the production model on this run's validation rows, which takes a core.
  // A paired test of two models needs the tails that drift is judged by.
  recording: ["proof", "training", "model", "data", "miniflow", "core", "monitoring/statistics.ts"],
  // The store's durable file writer: `model.save(path)` must not have one of its own.
  "index.ts": ["data", "core", "model", "training", "miniflow/store.ts"],
  // Predictions where no file is read and nothing is compiled.
  "edge.ts": ["core", "data", "model"],
  // It serves the production model, which recording knows how to find and check.
  server: ["core", "data", "model", "monitoring", "miniflow", "recording/stored-model.ts"],
  "server/main.ts": "anything",
  cli: "anything",
};

/** Packages that only a server needs. The library must not reach them. */
export const SERVER_PACKAGES = ["hono", "@hono/", "zod", "prom-client"];

/** Lines without comments, as far as that needs no parser: whole-line ones, and those behind code and two blanks. */
function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|[\s;{}(),])\/\/.*$/gm, "$1");
}

/** The same with empty string literals. */
function codeOf(text: string): string {
  return withoutComments(text).replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g,
    '""',
  );
}

/** What a file imports, statically, dynamically, for types or to pass on; null for what is no string literal. */
export function importsOf(text: string): (string | null)[] {
  const code = withoutComments(text);
  const found: (string | null)[] = [];
  for (const match of code.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g))
    found.push(match[1]!);
  for (const match of code.matchAll(/\bimport\s*\(\s*([^"'\s])/g)) if (match[1]) found.push(null);
  return found;
}

/** The row of the table that a file falls under: its own, or its folder's. */
function partOf(path: string): string {
  const [, first, ...rest] = path.split("/");
  const whole = [first, ...rest].join("/");
  return whole in MAY_IMPORT ? whole : first!;
}

const isSource = (path: string) => path.startsWith("src/") && path.endsWith(".ts");

export function checkImports(files: Files): string[] {
  const findings: string[] = [];
  for (const [path, text] of files) {
    if (!isSource(path)) continue;
    const part = partOf(path);
    const allowed = MAY_IMPORT[part];
    if (allowed === undefined) {
      findings.push(
        `${path}: src/${part} is not in the import table; add it to MAY_IMPORT and say why in ARCHITECTURE.md`,
      );
      continue;
    }
    for (const specifier of importsOf(text)) {
      if (specifier === null) {
        findings.push(
          `${path}: imports something computed; write the path as a string, so that it can be checked`,
        );
      } else if (specifier.startsWith(".")) {
        const target = posix.join(posix.dirname(path), specifier);
        findings.push(...checkImport(path, part, allowed, target));
      }
    }
  }
  return findings;
}

function checkImport(
  path: string,
  part: string,
  allowed: readonly string[] | "anything",
  target: string,
): string[] {
  if (!target.startsWith("src/"))
    return [`${path}: imports ${target}; src imports nothing outside src`];
  if (!target.endsWith(".ts")) return [`${path}: imports ${target}; end the path in .ts`];
  const [from, to] = [part.split("/")[0], target.split("/")[1]!];
  const isWithin = to === from;
  const isAllowed =
    allowed === "anything" ||
    isWithin ||
    allowed.includes(to) ||
    allowed.includes(target.slice("src/".length));
  if (isAllowed) return [];
  return [
    `${path}: imports ${target}, but ${part} may import ${allowed.join(", ") || "nothing"}; move the code, or change MAY_IMPORT and ARCHITECTURE.md together`,
  ];
}

/** The same table as it stands in ARCHITECTURE.md: a row's names in backquotes, up to the colon that begins a reason. */
export function checkDocumentedTable(document: string, parts: Iterable<string>): string[] {
  const findings: string[] = [];
  const documented = new Set<string>();
  const table = /^\| from \| may import \|\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(document)?.[1] ?? "";
  for (const [, from, may] of table.matchAll(/^\| (`[\w./`, -]+`) \| (.*) \|$/gm)) {
    const said = may!.split(":")[0]!;
    const names = [...said.matchAll(/`([\w./-]+)`/g)].map((match) => match[1]!);
    const allowed = said.startsWith("anything")
      ? "anything"
      : names.filter((name) => name !== "src");
    for (const [, part] of from!.matchAll(/`([\w./-]+)`/g)) {
      documented.add(part!);
      const actual = MAY_IMPORT[part!];
      const isEqual = [actual ?? "?"].flat().sort().join() === [allowed].flat().sort().join();
      if (!isEqual) {
        findings.push(
          `ARCHITECTURE.md: says that ${part} may import ${[allowed].flat().join(", ") || "nothing"}, MAY_IMPORT ${actual ?? "does not know it"}; make them agree`,
        );
      }
    }
  }
  for (const part of new Set(parts)) {
    if (!documented.has(part))
      findings.push(`ARCHITECTURE.md: the table lacks ${part}; add what it may import`);
  }
  return findings;
}

/** Everything that `entry` reaches through imports of src. */
export function checkReach(files: Files, entry: string): string[] {
  const findings: string[] = [];
  const seen = new Set<string>();
  const queue = [[entry]];
  for (let way = queue.pop(); way !== undefined; way = queue.pop()) {
    const path = way.at(-1)!;
    if (seen.has(path)) continue;
    seen.add(path);
    const said = way.join(" → ");
    if (path.startsWith("src/server/") || path.startsWith("src/cli/")) {
      findings.push(
        `${said}: the library reaches the server or the command line; move what it needs below`,
      );
    }
    for (const specifier of importsOf(files.get(path) ?? "")) {
      if (specifier?.startsWith(".")) {
        queue.push([...way, posix.join(posix.dirname(path), specifier)]);
      } else if (
        SERVER_PACKAGES.some(
          (name) => specifier === name || (name.endsWith("/") && specifier?.startsWith(name)),
        )
      ) {
        findings.push(
          `${said}: the library reaches the package ${specifier}; keep it in src/server`,
        );
      }
    }
  }
  return findings;
}

/** Packages that src imports are installed with it. */
export function checkPackages(files: Files, manifest: Manifest): string[] {
  const findings: string[] = [];
  for (const [path, text] of files) {
    if (!isSource(path)) continue;
    for (const specifier of importsOf(text)) {
      if (specifier === null || /^(\.|#|node:)/.test(specifier)) continue;
      const name = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      if (!Object.hasOwn(manifest.dependencies ?? {}, name)) {
        findings.push(
          `${path}: imports ${name}, which is no dependency; add it to dependencies in package.json`,
        );
      }
    }
  }
  return findings;
}

// Texts

const CODE_FOLDERS = /^(src|assembly|test|bench|scripts)\//;
const CODE_FILE = /\.(ts|mts|cts|js|mjs|cjs|py|sh|rs|go|java|cs|c|h|cpp|rb|swift|php)$/;

/** Folders of code begin each file with a sentence on what it is for. */
export function checkFirstLines(files: Files): string[] {
  const findings: string[] = [];
  for (const [path, text] of files) {
    if (!CODE_FOLDERS.test(path) || !CODE_FILE.test(path)) continue;
    const lines = text.replace(/^<\?php\n/, "").split("\n");
    if (lines[0]?.startsWith("#!")) lines.shift();
    const comment: string[] = [];
    for (const line of lines) {
      // A docstring is Python's comment.
      const words = /^(?:\/\/|#) (\S.*)$/.exec(line) ?? /^"""(\S.*?)(?:""")?$/.exec(line);
      if (words === null) break;
      comment.push(words[1]!);
    }
    const sentence = /^\S+(?: \S+){2,}?.*?[.?!:](?: |$)/.test(comment.join(" "));
    if (!sentence) {
      findings.push(
        `${path}: begin it with a comment of one sentence that says what the file answers`,
      );
    }
  }
  return findings;
}

interface Ban {
  readonly pattern: RegExp;
  readonly where: RegExp;
  readonly except?: RegExp;
  readonly fix: string;
}

/** What must not stand in code; comments and strings may name it. */
export const BANS: Readonly<Record<string, Ban>> = {
  "Math.random": {
    pattern: /\bMath\s*\.\s*random\b/,
    where: /^(src|assembly|test|bench|scripts|data)\/.*\.(ts|mjs|js)$/,
    fix: "take a seed and a generator, so that it can be repeated",
  },
  "the clock": {
    pattern: /\bDate\s*\.\s*now\b|\bnew Date\(\s*\)/,
    where: /^src\/.*\.ts$/,
    except: /^src\/(miniflow\/|server\/log\.ts)/,
    fix: "let src/miniflow or src/server/log.ts note the time; nothing else depends on it",
  },
  "console.": {
    pattern: /\bconsole\s*\./,
    where: /^src\/.*\.ts$/,
    fix: "return it, or write to process.stdout or stderr in src/cli",
  },
  any: {
    pattern: /(?:[:<|&,([]|\bas|=>)\s*any\b(?!\s*[:(])/,
    where: /^(src|test|bench)\/.*\.ts$/,
    fix: "name the type, or use unknown and check",
  },
  "Math. in the core": {
    pattern: /\b\w*Math\w*\s*\.\s*\w+/,
    where: /^assembly\/.*\.ts$/,
    fix: "use the core's own kernels or instructions (N2 of CONTRACT.md)",
  },
  "relaxed SIMD": {
    pattern: /relaxed/i,
    where: /^assembly\/.*\.ts$/,
    fix: "use the plain instruction: relaxed ones differ between CPUs (N1 of CONTRACT.md)",
  },
};

export function checkBan(files: Files, name: string): string[] {
  const { pattern, where, except, fix } = BANS[name]!;
  const findings: string[] = [];
  for (const [path, text] of files) {
    if (!where.test(path) || except?.test(path)) continue;
    codeOf(text)
      .split("\n")
      .forEach((line, i) => {
        if (pattern.test(line))
          findings.push(`${path}:${i + 1}: ${name} in "${line.trim()}"; ${fix}`);
      });
  }
  return findings;
}

const MACHINE_PATH = /(?<![\w.~$}-])\/(?:(?:home|work|root|Users)\/|tmp\/w)/;

/** Paths that exist on one machine only. */
export function checkMachinePaths(files: Files): string[] {
  const findings: string[] = [];
  for (const [path, text] of files) {
    text.split("\n").forEach((line, i) => {
      const match = MACHINE_PATH.exec(line);
      if (match)
        findings.push(
          `${path}:${i + 1}: names ${match[0]}…, a path of one machine; make it relative or an argument`,
        );
    });
  }
  return findings;
}

const BYTES_MAX = 2 ** 20;

export function checkSizes(sizes: ReadonlyMap<string, number>): string[] {
  return [...sizes]
    .filter(([, bytes]) => bytes > BYTES_MAX)
    .map(
      ([path, bytes]) =>
        `${path}: has ${bytes} bytes, and ${BYTES_MAX} are allowed; generate or download it`,
    );
}

/** Commands that documents tell a reader to type are scripts of package.json. */
export function checkCommands(documents: Files, manifest: Manifest): string[] {
  const findings: string[] = [];
  for (const [path, text] of documents) {
    for (const match of text.matchAll(/\bnpm (?:run ([\w:.-]+)|(test|start)\b)/g)) {
      const name = (match[1] ?? match[2])!.replace(/[.:]+$/, "");
      if (!Object.hasOwn(manifest.scripts ?? {}, name)) {
        findings.push(
          `${path}: says "${match[0]}", but package.json has no script "${name}"; add it or correct the text`,
        );
      }
    }
  }
  return findings;
}

// Packages

export interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly engines?: { readonly node?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export type Lock = Readonly<Record<string, LockedPackage>>;

/** Where Node would find a package that is asked for from `from`; undefined when the lock has none. */
function resolveLocked(lock: Lock, from: string, name: string): string | undefined {
  for (let base = from; ; ) {
    const path = `${base === "" ? "" : `${base}/`}node_modules/${name}`;
    if (path in lock) return path;
    if (base === "") return undefined;
    const parent = base.lastIndexOf("/node_modules/");
    base = parent < 0 ? "" : base.slice(0, parent);
  }
}

/** `npm ci` fails on another platform when that platform's package is not in the lock. */
export function checkPlatforms(lock: Lock): string[] {
  return Object.entries(lock).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => resolveLocked(lock, path, name) === undefined)
      .map(
        (name) =>
          `package-lock.json: ${path || "the root"} may need ${name}, which is not locked; lock it again, or pin a version all of whose platforms can be had`,
      ),
  );
}

const PRODUCTION_MAX = 16;

export function checkProduction(lock: Lock): string[] {
  const production = Object.entries(lock).filter(
    ([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional,
  );
  const findings = production
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(
      ([path]) =>
        `package-lock.json: ${path} runs a script when it is installed; take another package`,
    );
  if (production.length > PRODUCTION_MAX) {
    findings.push(
      `package-lock.json: ${production.length} packages are installed in production, and ${PRODUCTION_MAX} are allowed; drop some`,
    );
  }
  return findings;
}

/** A lock that names a registry's host makes everybody install from there. */
export function checkLockSources(lock: Lock): string[] {
  return Object.entries(lock).flatMap(([path, { resolved, integrity }]) => {
    if (path === "") return [];
    const findings: string[] = [];
    if (resolved !== undefined) {
      findings.push(
        `package-lock.json: ${path} is resolved to ${resolved}; lock with omit-lockfile-registry-resolved`,
      );
    }
    if (integrity === undefined)
      findings.push(`package-lock.json: ${path} has no integrity; lock it again`);
    return findings;
  });
}

export function checkManifest(manifest: Manifest): string[] {
  const findings: string[] = [];
  for (const key of ["dependencies", "devDependencies", "optionalDependencies"] as const) {
    for (const [name, version] of Object.entries(manifest[key] ?? {})) {
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
        findings.push(`package.json: ${key} has ${name} at ${version}; write one exact version`);
      }
    }
  }
  if (!/^>=\d+\.\d+/.test(manifest.engines?.node ?? "")) {
    findings.push(
      "package.json: engines.node does not say which Node it takes; write >=major.minor",
    );
  }
  return findings;
}

/** A core that imports something cannot be instantiated with {}. */
export function checkCoreImports(cores: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): string[] {
  return [...cores].flatMap(([path, bytes]) =>
    WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(
      ({ module, name }) =>
        `${path}: imports ${module}.${name}; a core imports nothing (asconfig.json, "use")`,
    ),
  );
}
