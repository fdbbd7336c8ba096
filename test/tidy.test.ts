// Does the repository keep its own rules? Each rule is held against the repository, and against a sample that breaks it.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  BANS,
  checkBan,
  checkCommands,
  checkCoreImports,
  checkDocumentedTable,
  checkFirstLines,
  checkImports,
  checkLockSources,
  checkMachinePaths,
  checkManifest,
  checkPackages,
  checkPlatforms,
  checkProduction,
  checkReach,
  checkSizes,
  type Files,
  importsOf,
  type Lock,
  MAY_IMPORT,
  type Manifest,
} from "./tidy/rules.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Files that are tracked, or will be: all that git does not ignore. Undefined outside a work tree. */
function listFiles(): string[] | undefined {
  try {
    const list = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const paths = list.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
    return paths.includes("package.json") ? paths : undefined;
  } catch {
    return undefined;
  }
}

function walk(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll("\\", "/"))
    .filter((path) => !path.includes("node_modules/"));
}

const tracked = listFiles();
const paths = tracked ?? ["src", "assembly", "test", "bench", "scripts", "data"].flatMap(walk);
const texts: Files = new Map(
  paths
    .map((path) => [path, readFileSync(join(root, path))] as const)
    .filter(([, bytes]) => !bytes.subarray(0, 8192).includes(0))
    .map(([path, bytes]) => [path, bytes.toString("utf8")]),
);
const manifest = JSON.parse(
  texts.get("package.json") ?? readFileSync(join(root, "package.json"), "utf8"),
) as Manifest;
const lockPath = join(root, "package-lock.json");
const lock = existsSync(lockPath)
  ? (JSON.parse(readFileSync(lockPath, "utf8")) as { packages: Lock }).packages
  : undefined;

const oneFile = (path: string, text: string): Files => new Map([[path, text]]);

describe("imports", () => {
  it("follow the table", () => {
    expect(checkImports(texts)).toEqual([]);
    expect([...texts.keys()].filter((path) => path.startsWith("src/")).length).toBeGreaterThan(20);
  });

  it.each([
    ["a static import", "src/data/csv.ts", 'import { Metrics } from "../model/metrics.ts";'],
    ["a type import", "src/miniflow/store.ts", 'import type { Model } from "../model/model.ts";'],
    ["a dynamic import", "src/model/model.ts", 'const x = await import("../training/train.ts");'],
    [
      "an import of a type in place",
      "src/core/core.ts",
      'type M = import("../model/model.ts").Model;',
    ],
    [
      "an export from elsewhere",
      "src/training/train.ts",
      'export * from "../recording/record.ts";',
    ],
    ["an import for its effect", "src/data/csv.ts", 'import "../cli/main.ts";'],
    ["another file of miniflow", "src/index.ts", 'import { x } from "./miniflow/tracker.ts";'],
    [
      "the server from recording",
      "src/recording/record.ts",
      'import { x } from "../server/app.ts";',
    ],
    [
      "training from the server",
      "src/server/app.ts",
      'import { train } from "../training/train.ts";',
    ],
    ["a test", "src/cli/train.ts", 'import { x } from "../../test/support/x.ts";'],
    ["a path without .ts", "src/training/train.ts", 'import { x } from "../data/csv";'],
    ["a computed path", "src/cli/train.ts", "await import(name);"],
    ["a part that the table does not know", "src/other/x.ts", ""],
  ])("report %s", (_, path, text) => {
    expect(checkImports(oneFile(path, `// A file.\n${text}\n`))).toHaveLength(1);
  });

  it.each([
    ["src/recording/promote.ts", 'import { Core } from "../core/core.ts";'],
    ["src/index.ts", 'import { writeWholeFile } from "./miniflow/store.ts";'],
    ["src/server/main.ts", 'import { x } from "../cli/exit.ts";'],
    ["src/cli/train.ts", 'import { train } from "../training/train.ts";\nawait import("./x.ts");'],
    ["src/miniflow/a.ts", '// import { x } from "../core/core.ts";\n/* import "../cli/main.ts" */'],
  ])("allow %s: %s", (path, text) => {
    expect(checkImports(oneFile(path, text))).toEqual([]);
  });

  it("are all found", () => {
    const text = [
      'import a, { b } from "./a.ts";',
      "import {\n  c,\n} from './c.ts';",
      'import type { D } from "./d.ts";',
      'export { e } from "./e.ts";',
      'import "./f.ts";',
      'const g = await import("./g.ts"), h = import(where);',
      'type I = typeof import("./i.ts");',
      'const url = "https://example.org"; import "./j.ts";',
    ].join("\n");
    expect(importsOf(text).sort()).toEqual(
      [..."acdefgij"]
        .map((name) => `./${name}.ts`)
        .concat([null as never])
        .sort(),
    );
  });

  const architecture = texts.get("ARCHITECTURE.md");
  it.skipIf(architecture === undefined)(
    "stand in ARCHITECTURE.md as they are checked (skipped while there is none)",
    () => {
      const parts = [...texts.keys()].flatMap(
        (path) => /^src\/(\w+|index\.ts)(?:\/|$)/.exec(path)?.[1] ?? [],
      );
      expect(checkDocumentedTable(architecture!, parts)).toEqual([]);
    },
  );

  it.each([
    ["| `data` | `core`, `model`: a reason with `code` |", 1],
    ["| `data` | nothing in `src` |", 1],
    ["| `cli` | `core` |", 1],
    ["| `core`, `other` | nothing in `src` |", 1],
    ["| `core` | nothing in `src` |\n| `model`, `monitoring` | `core`, `data` |", 0],
    ["| `data` | `core`: since it is faster |\n| `cli` | anything |", 0],
  ])("are reported when ARCHITECTURE.md says otherwise: %s", (row, count) => {
    const document = `| \`x/\` | another table |\n\n| from | may import |\n|---|---|\n${row}\n`;
    expect(checkDocumentedTable(document, [])).toHaveLength(count);
    expect(checkDocumentedTable(document, ["training"])).toHaveLength(count + 1);
  });

  it("of the table name parts that exist or are planned", () => {
    const parts = new Set(Object.keys(MAY_IMPORT).map((part) => part.split("/")[0]));
    for (const allowed of Object.values(MAY_IMPORT)) {
      if (allowed === "anything") continue;
      for (const part of allowed) expect(parts).toContain(part.split("/")[0]);
    }
  });
});

describe("the library", () => {
  it("reaches neither the server nor a server package", () => {
    expect(texts.has("src/index.ts")).toBe(true);
    expect(checkReach(texts, "src/index.ts")).toEqual([]);
    expect(checkReach(texts, "src/miniflow/index.ts")).toEqual([]);
  });

  it.each([
    ["the server, two files on", 'import "../server/app.ts";'],
    ["the command line", 'export { x } from "../cli/exit.ts";'],
    ["hono", 'import { Hono } from "hono";'],
    ["a package of hono", 'import { serve } from "@hono/node-server";'],
  ])("is reported to reach %s", (_, text) => {
    const files = new Map([
      ["src/index.ts", 'import { a } from "./model/a.ts";'],
      ["src/model/a.ts", text],
      ["src/server/app.ts", 'import "../model/a.ts";'],
    ]);
    const findings = checkReach(files, "src/index.ts");
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/^src\/index\.ts → src\/model\/a\.ts/);
  });

  it("imports packages that are installed with it", () => {
    expect(checkPackages(texts, manifest)).toEqual([]);
  });

  it("is reported to import a development dependency, and part of a scoped package", () => {
    const files = oneFile(
      "src/x.ts",
      'import "vitest"; import "@a/b/c.js"; import "node:fs"; import "#x";',
    );
    const findings = checkPackages(files, {
      dependencies: { "@a/c": "1.0.0" },
      devDependencies: { vitest: "1.0.0" },
    });
    expect(findings.map((finding) => /imports (\S+),/.exec(finding)![1])).toEqual([
      "vitest",
      "@a/b",
    ]);
  });
});

describe("first lines", () => {
  it("say what a file is for", () => {
    expect(checkFirstLines(texts)).toEqual([]);
  });

  it.each([
    ["src/x.ts", 'import a from "a";\n'],
    ["src/x.ts", "// x\nconst a = 1;\n"],
    ["src/x.ts", "\n// A sentence that begins too late.\n"],
    ["test/x.test.ts", "/** A block comment is no first line. */\n"],
    ["scripts/x.mjs", "#!/usr/bin/env node\nconst a = 1;\n"],
    ["test/python/x.py", "import numpy\n"],
    ["assembly/x.ts", "// a heading without end\n\nconst a = 1;\n"],
  ])("are reported when they do not: %s, %j", (path, text) => {
    expect(checkFirstLines(oneFile(path, text))).toHaveLength(1);
  });

  it.each([
    ["src/x.ts", "// Reads decimals, straight from bytes.\nconst a = 1;\n"],
    ["scripts/x.mjs", "#!/usr/bin/env node\n// Does it all build, and if\n// not, why?\n"],
    ["test/python/x.py", "# Reads what we wrote.\nimport numpy\n"],
    ["test/python/y.py", '"""Reads what we wrote."""\nimport numpy\n'],
    ["test/golden/x.json", "{}\n"],
    ["vitest.config.ts", "export default 1;\n"],
  ])("are right: %s, %j", (path, text) => {
    expect(checkFirstLines(oneFile(path, text))).toEqual([]);
  });
});

describe.each(Object.keys(BANS))("%s", (name) => {
  it("is nowhere", () => {
    expect(checkBan(texts, name)).toEqual([]);
  });
});

describe("what is banned", () => {
  // Put together here, so that this file keeps the rules.
  const random = `Math.${"random"}()`;
  it.each([
    ["Math.random", "src/a.ts", `const x = ${random};`],
    ["Math.random", "test/a.test.ts", `x(${random});`],
    ["the clock", "src/training/a.ts", "const t = Date.now();"],
    ["the clock", "src/cli/a.ts", "const t = new Date();"],
    ["console.", "src/cli/a.ts", "console.log(1);"],
    ["any", "src/a.ts", `function f(x: ${"any"}) {}`],
    ["any", "src/a.ts", `const x = y as ${"any"};`],
    ["any", "test/a.ts", `const x: Array<${"any"}> = [];`],
    ["any", "src/a.ts", `let x: string | ${"any"}[];`],
    ["Math. in the core", "assembly/a.ts", "return Math.exp(x);"],
    ["Math. in the core", "assembly/a.ts", "return NativeMath.log(x);"],
    ["relaxed SIMD", "assembly/a.ts", "return f64x2.relaxed_madd(a, b, c);"],
  ])("%s is reported in %s: %s", (name, path, text) => {
    const findings = checkBan(oneFile(path, `// A file.\n${text}\n`), name);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(`${path}:2: ${name} in`);
  });

  it.each([
    ["the clock", "src/miniflow/a.ts", "const t = Date.now();"],
    ["the clock", "src/model/a.ts", "const t = new Date(1980, 0, 1);"],
    ["console.", "test/a.test.ts", "console.info(1);"],
    ["console.", "src/a.ts", '// console.log(1)\nconst a = "console.log";'],
    ["any", "src/a.ts", 'const many = "any", anything = { any: 1 }; // : any, in any case'],
    ["Math. in the core", "assembly/a.ts", "// Math.exp would change its bits.\nmax(a, b);"],
  ])("%s may stand in %s: %s", (name, path, text) => {
    expect(checkBan(oneFile(path, text), name)).toEqual([]);
  });
});

describe("documents", () => {
  const documents = new Map(
    ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].flatMap((path) => {
      const text = texts.get(path);
      return text === undefined ? [] : [[path, text] as const];
    }),
  );

  it.skipIf(!documents.has("README.md"))(
    "name commands that exist (skipped while there is no README.md)",
    () => {
      expect(checkCommands(documents, manifest)).toEqual([]);
      expect(documents.get("README.md")).toMatch(/npm (ci|run|test)/);
    },
  );

  it("are reported to name a command that does not", () => {
    const sample = oneFile(
      "README.md",
      "Type `npm run train`, then npm run fly, or npm test and npm run core:record.",
    );
    const findings = checkCommands(sample, { scripts: { train: "x", "core:record": "y" } });
    expect(findings.map((finding) => /script "(.*?)"/.exec(finding)![1])).toEqual(["fly", "test"]);
  });
});

describe("tracked files", () => {
  const reason = "skipped outside a git work tree";

  it.skipIf(!tracked)(`are at most 1 MiB (${reason})`, () => {
    expect(
      checkSizes(new Map(paths.map((path) => [path, statSync(join(root, path)).size]))),
    ).toEqual([]);
  });

  it("are reported when they are larger", () => {
    const sizes = new Map([
      ["data/all.csv", 2 ** 20 + 1],
      ["data/some.csv", 2 ** 20],
    ]);
    expect(checkSizes(sizes)).toEqual([
      expect.stringMatching(/^data\/all\.csv: has 1048577 bytes/),
    ]);
  });

  it.skipIf(!tracked)(`name no path of one machine (${reason})`, () => {
    expect(checkMachinePaths(texts)).toEqual([]);
  });

  it.each(["home", "work", "root", "Users"])("are reported to name a path under %s", (folder) => {
    expect(checkMachinePaths(oneFile("a.json", `{\n"path": "/${folder}/me/data.csv"}`))).toEqual([
      expect.stringMatching(/^a\.json:2: names/),
    ]);
  });

  it("are reported to name a scratch folder, but not an address or a part of a path", () => {
    expect(checkMachinePaths(oneFile("a.md", `see /${"tmp"}/w3/x`))).toHaveLength(1);
    expect(
      checkMachinePaths(oneFile("a.md", "https://example.org/home/x, src/home/x, $HOME/home/x")),
    ).toEqual([]);
  });
});

describe("package.json", () => {
  it("has exact versions and says which Node it takes", () => {
    expect(checkManifest(manifest)).toEqual([]);
  });

  it.each([
    "^1.0.0",
    "~1.0.0",
    "1",
    "latest",
    ">=1.0.0",
    "1.x",
    "git+https://example.org/a.git",
    "file:../a",
  ])("is reported to have the version %s", (version) => {
    const engines = { node: ">=20.19.0" };
    expect(checkManifest({ engines, dependencies: { a: version } })).toHaveLength(1);
    expect(checkManifest({ engines, devDependencies: { a: version } })).toHaveLength(1);
  });

  it("is reported not to say which Node it takes", () => {
    expect(checkManifest({})).toHaveLength(1);
    expect(checkManifest({ engines: { node: "*" } })).toHaveLength(1);
  });
});

describe.skipIf(lock === undefined)(
  "package-lock.json (skipped in a package, which has none)",
  () => {
    it("holds every platform's package, so that `npm ci` works elsewhere", () => {
      expect(checkPlatforms(lock!)).toEqual([]);
      const platforms = Object.values(lock!).flatMap((entry) =>
        Object.keys(entry.optionalDependencies ?? {}),
      );
      expect(platforms.length).toBeGreaterThan(5);
    });

    it("installs few packages in production, none with an install script", () => {
      expect(checkProduction(lock!)).toEqual([]);
    });

    it("names no registry, and has integrity for all", () => {
      expect(checkLockSources(lock!)).toEqual([]);
    });
  },
);

describe("a lock", () => {
  it("is reported to lack a platform", () => {
    const sample: Lock = {
      "": {},
      "node_modules/tool": {
        optionalDependencies: { "@tool/linux": "1.0.0", "@tool/win": "1.0.0" },
      },
      "node_modules/@tool/linux": {},
      "node_modules/a/node_modules/b": { optionalDependencies: { c: "1", d: "1", e: "1" } },
      "node_modules/a/node_modules/c": {},
      "node_modules/a/node_modules/b/node_modules/d": {},
    };
    const findings = checkPlatforms(sample);
    expect(findings.map((finding) => /may need (\S+),/.exec(finding)![1])).toEqual([
      "@tool/win",
      "e",
    ]);
  });

  it("is reported to have too many packages, or one with an install script", () => {
    const many = Object.fromEntries(
      Array.from({ length: 17 }, (_, k) => [`node_modules/p${k}`, {}]),
    );
    expect(checkProduction({ "": {}, ...many })).toHaveLength(1);
    expect(checkProduction({ "node_modules/a": { hasInstallScript: true } })).toHaveLength(1);
    const development = { dev: true, hasInstallScript: true };
    const most = Object.fromEntries(Object.entries(many).slice(1));
    expect(
      checkProduction({ "": { hasInstallScript: true }, ...most, "node_modules/d": development }),
    ).toEqual([]);
  });

  it("is reported to name a registry, or to lack integrity", () => {
    const resolved = "https://registry.example.org/a/-/a-1.0.0.tgz";
    expect(
      checkLockSources({ "": {}, "node_modules/a": { resolved, integrity: "x" } }),
    ).toHaveLength(1);
    expect(checkLockSources({ "node_modules/a": {} })).toHaveLength(1);
  });
});

describe("cores", () => {
  const cores = new Map(
    ["core", "core.scalar", "core.debug"].flatMap((name) => {
      const path = `build/${name}.wasm`;
      return existsSync(join(root, path))
        ? [[path, new Uint8Array(readFileSync(join(root, path)))] as const]
        : [];
    }),
  );

  it("import nothing", () => {
    expect(cores.has("build/core.wasm"), "build it with `npm run build`").toBe(true);
    expect(checkCoreImports(cores)).toEqual([]);
  });

  it("are reported when they do", () => {
    // (module (import "env" "abort" (func)))
    const bytes = Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 4, 1, 0x60, 0, 0],
      ...[2, 13, 1, 3, 0x65, 0x6e, 0x76, 5, 0x61, 0x62, 0x6f, 0x72, 0x74, 0, 0],
    ]);
    expect(checkCoreImports(new Map([["build/x.wasm", bytes]]))).toEqual([
      expect.stringMatching(/^build\/x\.wasm: imports env\.abort/),
    ]);
  });
});
