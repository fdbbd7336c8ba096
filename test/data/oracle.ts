// The digests and the split once more, from the words of DESIGN.md N9 and N10 alone: what the tests compare with.
import { createHash } from "node:crypto";

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Each cell one tag byte and its content, then the label as a text cell. */
export function rowDigestOf(values: readonly number[], label: string): Buffer {
  const numbers = values.map((value) => {
    const cell = Buffer.alloc(9);
    cell[0] = 1;
    cell.writeDoubleLE(value, 1);
    return cell;
  });
  const utf8 = Buffer.from(label, "utf8");
  const head = Buffer.alloc(5);
  head[0] = 2;
  head.writeUInt32LE(utf8.length, 1);
  return sha256(...numbers, head, utf8);
}

/** By value if all are numbers, else by code point, which is the order of the UTF-8 bytes. */
export function sortClasses(classes: readonly string[]): string[] {
  const isNumber = (text: string) =>
    /^[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*$/.test(text) && Number.isFinite(+text);
  const byBytes = [...classes].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return classes.every(isNumber) ? byBytes.sort((a, b) => +a - +b) : byBytes;
}

/** @param header its classes sorted */
export function contentDigestOf(
  header: { classes: string[]; columns: string[]; label: string },
  rows: readonly Buffer[],
): string {
  const { classes, columns, label } = header;
  const buckets = Array.from({ length: 256 }, (_, first) =>
    sha256(...rows.filter((digest) => digest[0] === first).sort(Buffer.compare)),
  );
  const json = Buffer.from(JSON.stringify({ classes, columns, label }), "utf8");
  return sha256(json, Buffer.of(0), ...buckets).toString("hex");
}

/** Indexes of the validation rows, ascending. */
export function validationOf(
  rows: readonly { digest: Buffer; label: string }[],
  fraction: number,
  seed: bigint,
): number[] {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(seed);
  const chosen: number[] = [];
  for (const label of new Set(rows.map((row) => row.label))) {
    const groups = new Map<string, number[]>();
    rows.forEach((row, i) => {
      if (row.label !== label) return;
      const key = sha256(prefix, row.digest).toString("hex");
      groups.set(key, [...(groups.get(key) ?? []), i]);
    });
    const count = rows.filter((row) => row.label === label).length;
    let room = Math.min(Math.floor(fraction * count + 0.5), count - 1);
    for (const key of [...groups.keys()].sort()) {
      const group = groups.get(key)!;
      if (group.length > room) continue;
      chosen.push(...group);
      room -= group.length;
    }
  }
  return chosen.sort((a, b) => a - b);
}
