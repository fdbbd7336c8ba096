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

/** A name that becomes a directory: letters, digits, dots inside, minus and underline. Checked before any join. */
const SAFE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)(?!$)){0,63}$/;

/** Whether a text can stand as a directory name without leaving its parent. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name);
}

/** Whether a text has the shape of a run id, 12 hex digits. */
export function isRunId(id: string): boolean {
  return /^[0-9a-f]{12}$/.test(id);
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
      if (!isEqual) throw new Error("the file read back differs from what was written");
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
    if (this.#temporary !== undefined) fs.rmSync(this.#temporary, { force: true });
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
    fs.closeSync(file);
  }
}

/** What stands at a path, links followed; undefined when nothing does. @throws StoreError */
export function kindOf(path: string): "file" | "directory" | "other" | undefined {
  const info = at("read", path, () => statIfAny(path));
  if (info === undefined) return undefined;
  if (info.isDirectory()) return "directory";
  return info.isFile() ? "file" : "other";
}

/** The bytes of a file of at most `limit` bytes; undefined when there is none. */
export function readFileIfAny(path: string, limit = 64 * 2 ** 20): Uint8Array | undefined {
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
  try {
    return fs.readdirSync(path).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new StoreError("list", path, error);
  }
}

/** Reads a JSON object; undefined when the file does not exist. */
export function readJsonIfAny(path: string): Record<string, unknown> | undefined {
  const bytes = readFileIfAny(path);
  if (bytes === undefined) return undefined;
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

/** A line that is no record. Nothing else that goes wrong in reading is one. */
export class BadLineError extends StoreError {
  override readonly name = "BadLineError";

  constructor(path: string, line: number, what: string) {
    super("read", path, new Error(`line ${line} ${what}`));
  }
}

/**
 * The lines of a log of any size, one by one; none when there is no file. What stands behind the last line end is left
 * out: the writer died within this record.
 *
 * @throws BadLineError for a line longer than any record, StoreError
 */
export function* readLines(path: string): Generator<string> {
  const info = at("read", path, () => statIfAny(path));
  if (info === undefined) return;
  // Looked at before it is opened: opening a FIFO would wait for somebody to write into it.
  if (!info.isFile()) throw new StoreError("read", path, new Error("not a regular file"));
  const file = at("read", path, () => fs.openSync(path, "r"));
  try {
    const block = Buffer.alloc(16 * RECORD_BYTES_MAX);
    let held = 0; // bytes at the start of the block that no line end has followed yet
    let isTooLong = false;
    for (let line = 1; ; ) {
      const read = at("read", path, () =>
        fs.readSync(file, block, held, block.length - held, null),
      );
      if (read === 0) return;
      const end = held + read;
      let from = 0;
      for (let to = block.indexOf(0x0a); to >= 0 && to < end; to = block.indexOf(0x0a, from)) {
        if (isTooLong || to - from >= RECORD_BYTES_MAX) {
          throw new BadLineError(path, line, `is longer than ${RECORD_BYTES_MAX} bytes`);
        }
        yield block.toString("utf8", from, to);
        line++;
        from = to + 1;
      }
      // Only its end can tell whether a line too long is a bad one or a torn one; its bytes are not needed for that.
      isTooLong ||= end - from >= RECORD_BYTES_MAX;
      if (isTooLong) held = 0;
      else held = block.copy(block, 0, from, end);
    }
  } finally {
    fs.closeSync(file);
  }
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
        throw new RangeError(
          `Cannot append a record of more than ${RECORD_BYTES_MAX} bytes to ${this.#path}`,
        );
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
