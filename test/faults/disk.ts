// A disk that fails when it is told to, and that remembers everything that was done to it.
//
// It stands between src/miniflow/store.ts and node:fs (see the `vi.mock` of the tests that use it). Only what happens
// below `watch(root)` counts; everything else goes straight through.
import type * as Fs from "node:fs";

/** One thing that was done below the root. Paths are relative to it; a file is known by a number of its own. */
export type Op =
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "create"; readonly path: string; readonly file: number }
  | { readonly kind: "write"; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly file: number; readonly size: number }
  | { readonly kind: "sync"; readonly file: number }
  | { readonly kind: "syncDirectory"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "link"; readonly from: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  | { readonly kind: "ack"; readonly what: string };

/** What happens to a call. `short`: half of a write comes through, and no error says so. */
export type Fault = { readonly code: string } | "short";

/** Calls that can be counted and failed, in the order in which they come. */
export interface Call {
  readonly name: string;
  /** Relative to the root. */
  readonly path: string;
}

class Disk {
  #root: string | undefined;
  /** Everything that was done, since `watch`. */
  ops: Op[] = [];
  /** Every call below the root, since `watch`. */
  calls: Call[] = [];
  /** Fails calls: given the call and its number from 0, says what happens to it. */
  fault: (call: Call, number: number) => Fault | undefined = () => undefined;
  /** Controls: guards that are taken out. */
  isSyncIgnored = false;
  isFailureHidden = false;
  readonly #files = new Map<string, number>();
  readonly #open = new Map<number, { path: string; file: number; isDirectory: boolean }>();
  #count = 0;

  watch(root: string): void {
    this.#root = root;
    this.ops = [];
    this.calls = [];
    this.#files.clear();
    this.#open.clear();
    this.fault = () => undefined;
    this.isSyncIgnored = false;
    this.isFailureHidden = false;
  }

  rest(): void {
    this.#root = undefined;
  }

  /** Notes that something was promised to the caller. */
  ack(what: string): void {
    this.ops.push({ kind: "ack", what });
  }

  #relative(path: unknown): string | undefined {
    if (this.#root === undefined || typeof path !== "string") return undefined;
    if (path === this.#root) return "";
    return path.startsWith(`${this.#root}/`) ? path.slice(this.#root.length + 1) : undefined;
  }

  #fileAt(path: string): number {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = this.#count++;
      this.#files.set(path, file);
    }
    return file;
  }

  /** Counts a call, and fails it. @returns whether it is to fall short, or to be left out without a word */
  #enter(name: string, path: string): "short" | "hidden" | undefined {
    const call = { name, path };
    const fault = this.fault(call, this.calls.length);
    this.calls.push(call);
    if (fault === undefined) return undefined;
    if (this.isFailureHidden) return "hidden";
    if (fault === "short") return "short";
    throw Object.assign(new Error(`${fault.code}: injected, ${name} '${path}'`), {
      code: fault.code,
      syscall: name,
    });
  }

  wrap(fs: typeof Fs): typeof Fs {
    const byPath = <K extends "statSync" | "lstatSync" | "readdirSync" | "realpathSync">(
      name: K,
    ) => {
      const original = fs[name] as (...args: unknown[]) => unknown;
      return (path: string, ...rest: unknown[]) => {
        const below = this.#relative(path);
        if (below !== undefined) this.#enter(name, below);
        return original(path, ...rest);
      };
    };
    const byFile = <K extends "fstatSync" | "readSync">(name: K) => {
      const original = fs[name] as (...args: unknown[]) => unknown;
      return (file: number, ...rest: unknown[]) => {
        const opened = this.#open.get(file);
        if (opened) this.#enter(name, opened.path);
        return original(file, ...rest);
      };
    };
    const openSync = (path: string, flags: string | number = "r", mode?: number) => {
      const below = this.#relative(path);
      if (below === undefined) return fs.openSync(path, flags, mode);
      this.#enter("openSync", below);
      const isThere = fs.existsSync(path);
      const file = fs.openSync(path, flags, mode);
      const isDirectory = fs.fstatSync(file).isDirectory();
      const number = isDirectory ? -1 : this.#fileAt(below);
      if (!isThere) this.ops.push({ kind: "create", path: below, file: number });
      this.#open.set(file, { path: below, file: number, isDirectory });
      return file;
    };
    const closeSync = (file: number) => {
      const opened = this.#open.get(file);
      if (!opened) return fs.closeSync(file);
      this.#open.delete(file);
      fs.closeSync(file); // as Linux does, which lets go of the descriptor whatever it reports
      this.#enter("closeSync", opened.path);
    };
    const readFileSync = ((path: string | number, ...rest: [never]) => {
      const below = typeof path === "number" ? this.#open.get(path)?.path : this.#relative(path);
      if (below !== undefined) this.#enter("readFileSync", below);
      return fs.readFileSync(path, ...rest);
    }) as typeof Fs.readFileSync;
    const writeSync = (file: number, bytes: Buffer, from = 0, count = bytes.length - from) => {
      const opened = this.#open.get(file);
      if (!opened) return fs.writeSync(file, bytes, from, count);
      const fate = this.#enter("writeSync", opened.path);
      if (fate === "hidden") return count;
      const length = fate === "short" ? Math.floor(count / 2) : count;
      const at = fs.fstatSync(file).size;
      const part = Buffer.from(bytes.subarray(from, from + length));
      fs.writeSync(file, part, 0, length);
      this.ops.push({ kind: "write", file: opened.file, at, bytes: part });
      // A short write says how short it was; what a disk loses behind its back is what `short` at a sync stands for.
      return length;
    };
    const sync = (name: "fsyncSync" | "fdatasyncSync") => (file: number) => {
      const opened = this.#open.get(file);
      if (!opened) return fs[name](file);
      if (this.#enter(name, opened.path) === "hidden" || this.isSyncIgnored) return;
      this.ops.push(
        opened.isDirectory
          ? { kind: "syncDirectory", path: opened.path }
          : { kind: "sync", file: opened.file },
      );
    };
    const ftruncateSync = (file: number, size = 0) => {
      const opened = this.#open.get(file);
      if (!opened) return fs.ftruncateSync(file, size);
      if (this.#enter("ftruncateSync", opened.path) === "hidden") return;
      fs.ftruncateSync(file, size);
      this.ops.push({ kind: "truncate", file: opened.file, size });
    };
    const mkdirSync = ((path: string, ...rest: [never]) => {
      const below = this.#relative(path);
      if (below === undefined) return fs.mkdirSync(path, ...rest);
      this.#enter("mkdirSync", below);
      const made = fs.mkdirSync(path, ...rest);
      this.ops.push({ kind: "mkdir", path: below });
      return made;
    }) as typeof Fs.mkdirSync;
    const renameSync = (from: string, to: string) => {
      const [source, target] = [this.#relative(from), this.#relative(to)];
      if (source === undefined || target === undefined) return fs.renameSync(from, to);
      if (this.#enter("renameSync", target) === "hidden") return;
      fs.renameSync(from, to);
      for (const [path, file] of [...this.#files]) {
        if (path !== source && !path.startsWith(`${source}/`)) continue;
        this.#files.delete(path);
        this.#files.set(target + path.slice(source.length), file);
      }
      this.ops.push({ kind: "rename", from: source, to: target });
    };
    const linkSync = (from: string, to: string) => {
      const [source, target] = [this.#relative(from), this.#relative(to)];
      if (source === undefined || target === undefined) return fs.linkSync(from, to);
      if (this.#enter("linkSync", target) === "hidden") return;
      fs.linkSync(from, to);
      this.#files.set(target, this.#fileAt(source));
      this.ops.push({ kind: "link", from: source, to: target });
    };
    const rmSync = ((path: string, ...rest: [never]) => {
      const below = this.#relative(path);
      if (below === undefined) return fs.rmSync(path, ...rest);
      if (this.#enter("rmSync", below) === "hidden") return;
      const isThere = fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
      fs.rmSync(path, ...rest);
      for (const file of [...this.#files.keys()]) {
        if (file === below || file.startsWith(`${below}/`)) this.#files.delete(file);
      }
      if (isThere) this.ops.push({ kind: "remove", path: below });
    }) as typeof Fs.rmSync;
    return {
      ...fs,
      statSync: byPath("statSync") as typeof Fs.statSync,
      lstatSync: byPath("lstatSync") as typeof Fs.lstatSync,
      readdirSync: byPath("readdirSync") as typeof Fs.readdirSync,
      realpathSync: byPath("realpathSync") as unknown as typeof Fs.realpathSync,
      fstatSync: byFile("fstatSync") as typeof Fs.fstatSync,
      readSync: byFile("readSync") as typeof Fs.readSync,
      openSync: openSync as typeof Fs.openSync,
      closeSync,
      readFileSync,
      writeSync: writeSync as typeof Fs.writeSync,
      fsyncSync: sync("fsyncSync"),
      fdatasyncSync: sync("fdatasyncSync"),
      ftruncateSync,
      mkdirSync,
      renameSync: renameSync as typeof Fs.renameSync,
      linkSync: linkSync as typeof Fs.linkSync,
      rmSync,
    };
  }
}

export const disk = new Disk();
