// What a disk may hold after the power went off: simulated from what was done to it and what of that was synced.
//
// Model: of a file, what was written up to its last sync is there. What came later is there, or not, or as zeros, or
// half of it, or all but its last byte. Of a directory, the names as of its last sync are there. Each later change of a name, by itself, came through
// or did not. A name that came through may name a file of which nothing did. This is weaker than what ext4 promises.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Op } from "./disk.ts";

/** What became of bytes that were not synced. */
export type DataFate = "kept" | "dropped" | "zeroed" | "halved" | "cut";
export const DATA_FATES: readonly DataFate[] = ["kept", "dropped", "zeroed", "halved", "cut"];

/** A store as it was before the operations. */
export interface Before {
  readonly directories: readonly string[];
  readonly files: ReadonlyMap<string, Buffer>;
}

interface Content {
  live: Buffer;
  synced: Buffer;
}

/** A change of a name. */
interface NameChange {
  /** The directory whose sync makes it last. */
  readonly parent: string;
  apply(names: Names): void;
}

/** Which file, or directory, each path names. */
type Names = Map<string, number | "directory">;

const parentOf = (path: string) => {
  const parent = dirname(path);
  return parent === "." ? "" : parent;
};

/** The disk after some operations. */
export class Platter {
  readonly #contents = new Map<number, Content>();
  readonly #lasting: Names = new Map();
  /** As the running system sees it. */
  readonly #live: Names = new Map();
  readonly #pending: NameChange[] = [];
  readonly promises: string[] = [];

  constructor(before: Before) {
    for (const path of before.directories) this.#both(path, "directory");
    let number = -1;
    for (const [path, bytes] of before.files) {
      this.#contents.set(number, { live: bytes, synced: bytes });
      this.#both(path, number--);
    }
  }

  #both(path: string, what: number | "directory"): void {
    this.#lasting.set(path, what);
    this.#live.set(path, what);
  }

  #change(change: NameChange): void {
    change.apply(this.#live);
    this.#pending.push(change);
  }

  /** A file that was there before the operations has another number then: the one of its path counts. */
  #contentOf(file: number, path?: string): Content {
    const known = path === undefined ? undefined : this.#live.get(path);
    let content = this.#contents.get(file);
    if (content === undefined) {
      content =
        typeof known === "number"
          ? this.#contents.get(known)!
          : { live: Buffer.alloc(0), synced: Buffer.alloc(0) };
      this.#contents.set(file, content);
    }
    return content;
  }

  do(op: Op): void {
    switch (op.kind) {
      case "mkdir":
        this.#change({
          parent: parentOf(op.path),
          apply: (names) => names.set(op.path, "directory"),
        });
        break;
      case "create":
        this.#contentOf(op.file);
        this.#change({ parent: parentOf(op.path), apply: (names) => names.set(op.path, op.file) });
        break;
      case "write": {
        const content = this.#contentOf(op.file);
        content.live = Buffer.concat([content.live.subarray(0, op.at), op.bytes]);
        break;
      }
      case "truncate": {
        const content = this.#contentOf(op.file);
        content.live = content.live.subarray(0, op.size);
        break;
      }
      case "sync": {
        const content = this.#contentOf(op.file);
        content.synced = content.live;
        break;
      }
      case "syncDirectory":
        for (let k = 0; k < this.#pending.length; ) {
          const change = this.#pending[k]!;
          if (change.parent !== op.path) {
            k++;
            continue;
          }
          change.apply(this.#lasting);
          this.#pending.splice(k, 1);
        }
        break;
      case "rename":
        this.#change({
          parent: parentOf(op.to),
          apply: (names) => {
            const what = names.get(op.from) ?? this.#named.get(op.from);
            if (what === undefined) return;
            names.delete(op.from);
            names.set(op.to, what);
          },
        });
        break;
      case "link":
        this.#change({
          parent: parentOf(op.to),
          apply: (names) => {
            const what = names.get(op.from) ?? this.#named.get(op.from);
            if (what !== undefined) names.set(op.to, what);
          },
        });
        break;
      case "remove":
        this.#change({ parent: parentOf(op.path), apply: (names) => names.delete(op.path) });
        break;
      case "ack":
        this.promises.push(op.what);
        break;
    }
    if (op.kind === "create") this.#named.set(op.path, op.file);
  }

  /** A renamed or linked file lasts with its new name even where its first name never came through. */
  readonly #named = new Map<string, number>();

  get pending(): number {
    return this.#pending.length;
  }

  /** @param applied whether the k-th change of a name that no sync has made last came through */
  state(fate: DataFate, applied: (k: number) => boolean): Map<string, Buffer | "directory"> {
    const names: Names = new Map(this.#lasting);
    this.#pending.forEach((change, k) => {
      if (applied(k)) change.apply(names);
    });
    const state = new Map<string, Buffer | "directory">();
    for (const [path, what] of names) {
      // What is below a directory that did not come through is not there either.
      if (!isReachable(path, names)) continue;
      state.set(path, what === "directory" ? what : after(this.#contents.get(what)!, fate));
    }
    return state;
  }
}

function isReachable(path: string, names: Names): boolean {
  for (let parent = parentOf(path); parent !== ""; parent = parentOf(parent)) {
    if (names.get(parent) !== "directory") return false;
  }
  return true;
}

function after({ live, synced }: Content, fate: DataFate): Buffer {
  const isUnchanged = Buffer.compare(live, synced) === 0;
  if (fate === "kept" || isUnchanged) return live;
  if (fate === "dropped") return synced;
  const added = live.subarray(Math.min(synced.length, live.length));
  const head = live.length < synced.length ? live : synced;
  if (fate === "zeroed") return Buffer.concat([head, Buffer.alloc(added.length)]);
  const length = fate === "halved" ? Math.floor(added.length / 2) : Math.max(0, added.length - 1);
  return Buffer.concat([head, added.subarray(0, length)]);
}

/** What tells one state from another. */
export function fingerprint(state: ReadonlyMap<string, Buffer | "directory">): string {
  const hash = createHash("sha256");
  for (const [path, what] of [...state].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${typeof what === "string" ? what : what.length}\0`).update(what);
  }
  return hash.digest("hex");
}

/** Makes a state real. */
export function materialise(state: ReadonlyMap<string, Buffer | "directory">, root: string): void {
  mkdirSync(root, { recursive: true });
  for (const [path, what] of [...state].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (what === "directory") mkdirSync(join(root, path), { recursive: true });
    else writeFileSync(join(root, path), what);
  }
}
