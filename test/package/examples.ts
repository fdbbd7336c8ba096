// Which examples do documents and doc comments hold, and how does one become a module that can be run?
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Example {
  /** File and line of its first line. */
  readonly name: string;
  readonly code: string;
}

/** ```ts blocks of a Markdown file. */
export function markdownExamples(root: string, path: string): Example[] {
  const text = readFileSync(join(root, path), "utf8");
  return Array.from(text.matchAll(/^```ts\n(.*?)^```$/gms), (match) => ({
    name: `${path}:${lineOf(text, match.index) + 1}`,
    code: match[1]!,
  }));
}

/** `@example` blocks of doc comments: the lines up to the next tag or the comment's end. */
export function commentExamples(root: string, path: string): Example[] {
  const text = readFileSync(join(root, path), "utf8");
  const blocks = text.matchAll(/^ *\* @example\n((?: *\*(?! @|\/).*\n)+)/gm);
  return Array.from(blocks, (match) => ({
    name: `${path}:${lineOf(text, match.index) + 1}`,
    code: match[1]!.replaceAll(/^ *\* ?/gm, ""),
  }));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** A line `const x = …; // 5` or `…; // ["0", "1"]`: the comment says in JSON what the value is. */
const CLAIM = /^(?:(?:const|let) (\w+) = )?([^\s/].*); \/\/ ([[{"\d-].*|true|false|null)$/;

export interface RunnableExample {
  /** The code with its imports; each claimed value is exported. */
  readonly code: string;
  /** What the comments claim, by the name of the export. */
  readonly claims: ReadonlyMap<string, unknown>;
}

/**
 * @param names what the library exports: an example in a doc comment need not import
 * @param from what stands for "raisin" in its imports; "raisin/miniflow" goes by the same folder
 */
export function toRunnable(
  code: string,
  names: readonly string[],
  from = "raisin",
): RunnableExample {
  const claims = new Map<string, unknown>();
  const lines = code.split("\n").map((line) => {
    const [, variable, expression, claim] = CLAIM.exec(line) ?? [];
    const value = claim === undefined ? undefined : parsed(claim);
    if (expression === undefined || value === undefined) return line;
    const name = `claim${claims.size}`;
    claims.set(name, value);
    return variable === undefined
      ? `export const ${name} = ${expression};`
      : `const ${variable} = ${expression};\nexport const ${name} = ${variable};`;
  });
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(code));
  const isImported = /from "raisin(?:\/miniflow)?";/.test(code);
  const text = [
    ...(isImported ? [] : [`import { ${used.join(", ")} } from "raisin";`]),
    ...lines,
    "export {};",
  ].join("\n");
  const miniflow =
    from === "raisin" ? "raisin/miniflow" : from.replace("index.ts", "miniflow/index.ts");
  return {
    code: text
      .replaceAll('from "raisin";', `from ${JSON.stringify(from)};`)
      .replaceAll('from "raisin/miniflow";', `from ${JSON.stringify(miniflow)};`),
    claims,
  };
}

/** A remark in words is no claim. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
