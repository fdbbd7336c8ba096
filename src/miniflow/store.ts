// The only place in MiniFlow that touches the disk: whole files that are whole, and lines that are never torn.
//
// Design:
// - A whole file is written to a temporary name, synced, read back, renamed, and its directory synced; a reader sees
//   the old file or the new one.
// - A failed sync is never retried: the kernel may have dropped the data and call the next sync a success.
// - An appended record is one write of one buffer; a torn tail is cut off before the next record is glued to it.
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";

/** Something on disk that could not be read or written. The message names the path and the system's error. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
  readonly path: string;
  /** The system's error code, such as ENOSPC, when it came from there. */
  readonly code: string | undefined;

  constructor(action: string, path: string, cause: unknown) {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code;
    const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
    super(`Cannot ${action} ${path}: ${reason}`, { cause });
    this.path = path;
    this.code = code;
  }
}

/** Runs a disk operation; any failure becomes a StoreError. */
function at<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(action, path, error);
  }
}

/** Makes a directory and those above it, durably; existing ones are fine. */
export function ensureDirectory(path: string): void {
  // One at a time: mkdir's own recursion does not end where a parent takes no directories, as under /proc.
  const missing: string[] = [];
  for (let folder = resolve(path); !isThere(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    at("make directory", path, () => {
      try {
        fs.mkdirSync(folder, { mode: 0o755 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    });
    // A directory is an entry of the one above it: without this a power loss takes all that was written below.
    syncDirectory(dirname(folder));
  }
}

/** Makes a directory that must not exist yet; false when it does. */
export function claimDirectory(path: string): boolean {
  try {
    fs.mkdirSync(path, { mode: 0o755 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new StoreError("make directory", path, error);
  }
}

/** Where a path that a user named leads: a file that will be whole, or a device or pipe that is simply written to. */
export interface Target {
  /** Absolute; a link has been followed, so that replacing the file leaves the link alone. */
  readonly path: string;
  /** Whether it may be replaced by renaming. Never a device: as root that would do away with /dev/null. */
  readonly isReplaceable: boolean;
}

/** What writing to a path would replace or write into. */
export function targetOf(path: string): Target {
  return at("write", path, () => {
    const info = statIfAny(path);
    if (info === undefined) return { path: resolve(path), isReplaceable: true };
    return info.isFile()
      ? { path: fs.realpathSync(path), isReplaceable: true }
      : { path: resolve(path), isReplaceable: false };
  });
}

/** Whether something stands at a path that could be a directory above others. The root always does. */
function isThere(path: string): boolean {
  if (path === dirname(path)) return true;
  return at("make directory", path, () => {
    const info = statIfAny(path);
    if (info !== undefined && !info.isDirectory())
      throw new Error("a part of the path is no directory");
    return info !== undefined;
  });
}

/** What stands at a path; undefined when nothing does, also where a part of the path is a file. */
function statIfAny(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

const DIFFERS = "the file read back differs from what was written";

/** For cleaning up behind an error, which is the one to report. */
export function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // What is left has a temporary name, and is swept later.
  }
}

/** For what was only read, or is synced already: closing it cannot lose anything any more. */
function closeQuietly(file: number): void {
  try {
    fs.closeSync(file);
  } catch {
    // The descriptor is gone all the same.
  }
}

/** A file in the making: it takes its place when it is whole, durably, or not at all. A device gets what there is. */
export class FileWriter {
  readonly #path: string;
  /** Undefined for what is not replaced. */
  readonly #temporary: string | undefined;
  readonly #file: number;
  #size = 0;
  #isOpen = true;

  constructor({ path, isReplaceable }: Target) {
    this.#path = path;
    // Not made of the file's name: a long one with more behind it would be too long.
    const name = `.${randomBytes(6).toString("hex")}.tmp`;
    const temporary = isReplaceable ? join(dirname(path), name) : undefined;
    this.#temporary = temporary;
    this.#file = at("write", path, () =>
      temporary === undefined ? fs.openSync(path, "w") : fs.openSync(temporary, "wx", 0o644),
    );
  }

  write(content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    at("write", this.#path, () => writeAll(this.#file, bytes));
    this.#size += bytes.length;
  }

  /** @param whole what the file must hold, where the caller still has it; else only its size is compared */
  commit(whole?: Uint8Array): void {
    const temporary = this.#temporary;
    if (temporary === undefined) {
      at("write", this.#path, () => this.#close());
      return;
    }
    at("write", this.#path, () => {
      fs.fsyncSync(this.#file);
      // What stands on disk is compared with what was meant: a short write reports no error by itself.
      const isEqual = whole
        ? Buffer.compare(fs.readFileSync(temporary), whole) === 0
        : fs.fstatSync(this.#file).size === this.#size;
      if (!isEqual) throw new Error(DIFFERS);
      this.#close();
      fs.renameSync(temporary, this.#path);
    });
    syncDirectory(dirname(this.#path));
  }

  /** Leaves nothing behind; for use after any failure, also one of `commit`. */
  abandon(): void {
    try {
      this.#close();
    } catch {
      // The failure before this one is the one to report.
    }
    if (this.#temporary !== undefined) removeQuietly(this.#temporary);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#file);
  }
}

/** Writes all of a target, and a file durably. Nothing is left behind when it fails. */
export function writeTarget(target: Target, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const file = new FileWriter(target);
  try {
    file.write(bytes);
    file.commit(bytes);
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Replaces or makes a file as a whole, durably. Nothing is left behind when it fails. */
export function writeWholeFile(path: string, content: Uint8Array | string): void {
  writeTarget({ path, isReplaceable: true }, content);
}

/** Makes a file under a name that must be free, durable but for its name. Nothing is left behind when it fails. */
export function writeNewFile(path: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  at("write", path, () => {
    const file = fs.openSync(path, "wx", 0o644);
    try {
      try {
        writeAll(file, bytes);
        fs.fsyncSync(file);
      } finally {
        closeQuietly(file);
      }
      if (Buffer.compare(fs.readFileSync(path), bytes) !== 0) throw new Error(DIFFERS);
    } catch (error) {
      removeQuietly(path);
      throw error;
    }
  });
}

/** Gives a file a second name, which must be free; false when it is not. Of several at once, exactly one succeeds. */
export function linkFile(path: string, name: string): boolean {
  try {
    fs.linkSync(path, name);
    return true;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    const isUnable = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code);
    throw new StoreError(
      "link",
      name,
      isUnable
        ? new Error(
            `${code}: this file system has no hard links, without which a promotion could be lost; keep the store on one that has`,
          )
        : error,
    );
  }
}

/** Renames a file, over another where there is one; false when there is none of the first name. */
export function renameFile(path: string, name: string): boolean {
  try {
    fs.renameSync(path, name);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw new StoreError("rename", path, error);
  }
}

/** Removes a file or a directory with all that it holds; links are removed, not followed. */
export function remove(path: string): void {
  at("remove", path, () => fs.rmSync(path, { recursive: true, force: true }));
}

/** Copies a regular file, durably, with what is read checked against what is written. Links are not followed. */
export function copyFile(from: string, to: string): void {
  const source = openOwn(from);
  if (source === undefined) throw new StoreError("read", from, new Error("there is no such file"));
  try {
    const target = new FileWriter({ path: to, isReplaceable: true });
    try {
      const block = Buffer.allocUnsafe(2 ** 20);
      for (;;) {
        const read = at("read", from, () => fs.readSync(source.file, block, 0, block.length, null));
        if (read === 0) break;
        target.write(block.subarray(0, read));
      }
      target.commit();
    } catch (error) {
      target.abandon();
      throw error;
    }
  } finally {
    closeQuietly(source.file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) {
    const written = fs.writeSync(file, bytes, from, bytes.length - from);
    if (written === 0) throw new Error("the disk took no more bytes");
    from += written;
  }
}

/** Makes the names in a directory durable, where the system can. */
export function syncDirectory(path: string): void {
  const file = at("open directory", path, () => fs.openSync(path, "r"));
  try {
    fs.fsyncSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!["EINVAL", "ENOTSUP", "EPERM", "EISDIR", "EBADF"].includes(code)) {
      throw new StoreError("sync directory", path, error);
    }
  } finally {
    closeQuietly(file);
  }
}

/** What stands at a path, links followed; undefined when nothing does. @throws StoreError */
export function kindOf(path: string): "file" | "directory" | "other" | undefined {
  const info = at("read", path, () => statIfAny(path));
  if (info === undefined) return undefined;
  if (info.isDirectory()) return "directory";
  return info.isFile() ? "file" : "other";
}

/** What stands at a path, links not followed; undefined when nothing does. @throws StoreError */
export function ownKindOf(path: string): "file" | "directory" | "link" | "other" | undefined {
  try {
    const info = fs.lstatSync(path, { throwIfNoEntry: false });
    if (info === undefined) return undefined;
    if (info.isDirectory()) return "directory";
    if (info.isSymbolicLink()) return "link";
    return info.isFile() ? "file" : "other";
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw new StoreError("read", path, error);
  }
}

/** Whether a path leads where it says: no part below `root` is a link. Both exist. @throws StoreError */
export function isWithin(root: string, ...parts: readonly string[]): boolean {
  return at("read", join(root, ...parts), () => {
    return fs.realpathSync(join(root, ...parts)) === join(fs.realpathSync(root), ...parts);
  });
}

/** Opens a file of the store's own: no link, no device, and no wait for the writer of a FIFO. */
function openOwn(path: string): { file: number; size: number } | undefined {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
  let file: number;
  try {
    file = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    const isLink = (error as NodeJS.ErrnoException).code === "ELOOP";
    throw new StoreError("read", path, isLink ? new Error("it is a symbolic link") : error);
  }
  try {
    const info = fs.fstatSync(file);
    if (!info.isFile()) throw new Error("not a regular file");
    return { file, size: info.size };
  } catch (error) {
    closeQuietly(file);
    throw new StoreError("read", path, error);
  }
}

const FILE_BYTES_MAX = 64 * 2 ** 20;

/** The bytes of a file of the store's own, not through a link; undefined when there is none. @throws StoreError */
export function readOwnFile(path: string, limit = FILE_BYTES_MAX): Uint8Array | undefined {
  const opened = openOwn(path);
  if (opened === undefined) return undefined;
  const { file, size } = opened;
  try {
    return at("read", path, () => {
      if (size > limit) throw new Error(`larger than ${limit} bytes`);
      return fs.readFileSync(file);
    });
  } finally {
    closeQuietly(file);
  }
}

/** When and how large files are, in one text that changes when they do, and the latest time in it. */
export interface Stamp {
  readonly text: string;
  /** Milliseconds since 1970 by the file system's clock; 0 where there is no file. */
  readonly latestMs: number;
  /** The same of what was written alone: a copy keeps it, where it was made to. */
  readonly writtenMs: number;
}

/** The stamp of some paths, links not followed; absent ones have a place in it, too. */
export function stampOf(paths: readonly string[]): Stamp {
  let text = "";
  let latestMs = 0;
  let writtenMs = 0;
  for (const path of paths) {
    const info = at("read", path, () => fs.lstatSync(path, { throwIfNoEntry: false }));
    if (info === undefined) {
      text += "-;";
      continue;
    }
    const { ino, size, mtimeMs, ctimeMs } = info;
    text += `${ino},${size},${mtimeMs},${ctimeMs};`;
    latestMs = Math.max(latestMs, mtimeMs, ctimeMs);
    writtenMs = Math.max(writtenMs, mtimeMs);
  }
  return { text, latestMs, writtenMs };
}

/** A cache, and when it was written by the file system's clock; undefined where there is none that can be read. */
export function readCache(path: string): { bytes: Uint8Array; writtenMs: number } | undefined {
  try {
    const opened = openOwn(path);
    if (opened === undefined) return undefined;
    try {
      const { mtimeMs } = fs.fstatSync(opened.file);
      return { bytes: fs.readFileSync(opened.file), writtenMs: mtimeMs };
    } finally {
      closeQuietly(opened.file);
    }
  } catch {
    return undefined;
  }
}

/** Writes what can be made again, as a whole but not durably. @throws StoreError */
export function writeCache(path: string, parts: readonly Uint8Array[]): void {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.tmp`);
  at("write", path, () => {
    try {
      const file = fs.openSync(temporary, "wx", 0o644);
      try {
        for (const part of parts) writeAll(file, part);
      } finally {
        fs.closeSync(file);
      }
      fs.renameSync(temporary, path);
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
  });
}

/** The bytes of a file of at most `limit` bytes; undefined when there is none. Links are followed. */
export function readFileIfAny(path: string, limit = FILE_BYTES_MAX): Uint8Array | undefined {
  try {
    const info = fs.statSync(path);
    if (!info.isFile()) throw new Error("not a regular file");
    if (info.size > limit) throw new Error(`larger than ${limit} bytes`);
    return fs.readFileSync(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw new StoreError("read", path, error);
  }
}

/** Names in a directory, sorted; none when it does not exist. */
export function listDirectory(path: string): string[] {
  return entriesOf(path).map(({ name }) => name);
}

/** A name in a directory, and what stands there; a link is neither. */
export interface Entry {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
}

/** What a directory holds, sorted by name; nothing when it does not exist. */
export function entriesOf(path: string): Entry[] {
  try {
    return fs
      .readdirSync(path, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new StoreError("list", path, error);
  }
}

/** Names of the directories in a directory, sorted; links to directories are none. */
export function listDirectories(path: string): string[] {
  return entriesOf(path).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** Reads a JSON object, through links; undefined when the file does not exist. */
export function readJsonIfAny(path: string): Record<string, unknown> | undefined {
  const bytes = readFileIfAny(path);
  return bytes && parseObject(bytes, path);
}

/** Reads a JSON object of the store's own, not through a link; undefined when the file does not exist. */
export function readOwnJson(path: string): Record<string, unknown> | undefined {
  const bytes = readOwnFile(path);
  return bytes && parseObject(bytes, path);
}

/** @throws StoreError for bytes that are no JSON object, naming the file */
export function parseObject(bytes: Uint8Array, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error("not a JSON object");
    }
    return value as Record<string, unknown>;
  } catch (error) {
    throw new StoreError(
      "read",
      path,
      error instanceof SyntaxError ? new Error("not valid JSON") : error,
    );
  }
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

const RECORD_BYTES_MAX = 64 * 1024;

/**
 * Reads the lines of a log of any size, one by one; none when there is no file. A line longer than any record comes as
 * undefined. What stands behind the last line end is no line: its writer died within it, or is still writing.
 *
 * @returns whether there was something behind the last line end
 * @throws StoreError
 */
export function readLines(path: string, each: (line: string | undefined) => void): boolean {
  const opened = openOwn(path);
  if (opened === undefined) return false;
  const { file, size } = opened;
  try {
    const block = Buffer.allocUnsafe(Math.min(size + 1, 16 * RECORD_BYTES_MAX));
    let held = 0; // bytes at the start of the block that no line end has followed yet
    let isTooLong = false;
    for (;;) {
      const read = at("read", path, () =>
        fs.readSync(file, block, held, block.length - held, null),
      );
      if (read === 0) return held > 0 || isTooLong;
      const end = held + read;
      let from = 0;
      for (let to = block.indexOf(0x0a); to >= 0 && to < end; to = block.indexOf(0x0a, from)) {
        each(
          isTooLong || to - from >= RECORD_BYTES_MAX ? undefined : block.toString("utf8", from, to),
        );
        isTooLong = false;
        from = to + 1;
      }
      // Only its end can tell whether a line too long is a bad one or a torn one; its bytes are not needed for that.
      isTooLong ||= end - from >= RECORD_BYTES_MAX;
      held = isTooLong ? 0 : block.copy(block, 0, from, end);
      // A file that has grown since it was opened may end in a line that fills the block; it is read by the next who asks.
      if (held === block.length) return true;
    }
  } finally {
    closeQuietly(file);
  }
}

/**
 * Adds one line to a log that several may write to, durably. Nothing is cut off, since somebody else may be appending;
 * a torn tail becomes a line of its own, which readers skip.
 */
export function appendLine(path: string, line: string): void {
  if (Buffer.byteLength(line) + 2 > RECORD_BYTES_MAX) throw new RangeError(tooLong(path));
  const isNew = at("append to", path, () => {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW = 0 } = fs.constants;
    const file = fs.openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o644);
    try {
      const { size } = fs.fstatSync(file);
      const last = Buffer.alloc(1);
      if (size > 0) fs.readSync(file, last, 0, 1, size - 1);
      const isTorn = size > 0 && last[0] !== 0x0a;
      writeAll(file, Buffer.from(`${isTorn ? "\n" : ""}${line}\n`));
      fs.fsyncSync(file);
      return size === 0;
    } finally {
      closeQuietly(file);
    }
  });
  if (isNew) syncDirectory(dirname(path));
  // A log that grows in place changes no directory, and who keeps what it read of a run looks at its directory alone. A
  // name that comes and goes changes it, also for those who may write there without owning it.
  const mark = join(dirname(path), `.${randomBytes(6).toString("hex")}.tmp`);
  at("mark", path, () => closeQuietly(fs.openSync(mark, "wx", 0o644)));
  removeQuietly(mark);
}

function tooLong(path: string): string {
  return `Cannot append a record of more than ${RECORD_BYTES_MAX} bytes to ${path}`;
}

/** An append-only file of lines, open for one writer. */
export class LineLog {
  readonly #path: string;
  readonly #file: number;
  #size: number;

  constructor(path: string) {
    this.#path = path;
    this.#file = at("open", path, () => fs.openSync(path, "a+", 0o644));
    this.#size = at("repair", path, () => this.#cutTornTail());
  }

  /** Adds lines as one write: all of them are there afterwards, or none. */
  append(lines: readonly string[]): void {
    let batch = "";
    for (const line of lines) {
      if (Buffer.byteLength(line) + 1 > RECORD_BYTES_MAX) {
        throw new RangeError(tooLong(this.#path));
      }
      batch += `${line}\n`;
    }
    const bytes = Buffer.from(batch);
    at("append to", this.#path, () => {
      try {
        writeAll(this.#file, bytes);
      } catch (error) {
        this.#cutTo(this.#size);
        throw error;
      }
    });
    this.#size += bytes.length;
  }

  /** Makes everything appended so far durable. */
  flush(): void {
    at("sync", this.#path, () => fs.fdatasyncSync(this.#file));
  }

  close(): void {
    at("close", this.#path, () => fs.closeSync(this.#file));
  }

  /** Takes back what part of an append came through. When that fails too, the next opening repairs it. */
  #cutTo(size: number): void {
    try {
      fs.ftruncateSync(this.#file, size);
    } catch {
      // The error of the append is the one to report.
    }
  }

  #cutTornTail(): number {
    const { size } = fs.fstatSync(this.#file);
    const block = Buffer.alloc(RECORD_BYTES_MAX);
    let kept = size;
    while (kept > 0) {
      const from = Math.max(0, kept - block.length);
      fs.readSync(this.#file, block, 0, kept - from, from);
      const newline = block.subarray(0, kept - from).lastIndexOf(0x0a);
      kept = from + newline + 1;
      if (newline >= 0) break;
    }
    if (kept < size) {
      fs.ftruncateSync(this.#file, kept);
      fs.fsyncSync(this.#file);
    }
    return kept;
  }
}
