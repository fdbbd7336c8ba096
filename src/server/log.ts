// The log: one JSON line for each request and each event, on stdout. Never a body, never a header.
//
// Design:
// - Lines are gathered for up to 50 ms and written at once: a system call for each would cost as much as a prediction.
// - A reader that does not read must not stop the server: beyond 1 MiB lines are dropped, and their number is told.
import { write, writeSync } from "node:fs";

const FLUSH_MS = 50;
const FLUSH_BYTES = 1 << 16;
const HELD_MAX = 1 << 20;
const FIELD_MAX = 256;

/** Milliseconds since 1970. The only clock of the server. */
export function now(): number {
  return Date.now();
}

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Takes whole lines. */
export interface LogSink {
  write(line: string): void;
  /** Writes what is held before it returns. */
  close(): void;
}

/** Lines to a file descriptor, which is not closed. */
export class DescriptorSink implements LogSink {
  readonly #descriptor: number;
  #bytes = Buffer.allocUnsafe(HELD_MAX);
  /** Bytes that are held, and from where on they are not being written. */
  #end = 0;
  #isWriting = false;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Lines that could not be held since the last was told. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    // Lines are ASCII, so that this is their length in bytes.
    if (this.#end + line.length > HELD_MAX) {
      this.#dropped++;
      return;
    }
    this.#end += this.#bytes.write(line, this.#end, "latin1");
    if (this.#end >= FLUSH_BYTES && !this.#isWriting) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting || this.#end === 0) return;
    if (this.#dropped > 0) {
      const { length } = this.#bytes;
      const line = lineOf("warn", "log lines dropped", { dropped: this.#dropped });
      if (this.#end + line.length <= length) {
        this.#end += this.#bytes.write(line, this.#end, "latin1");
        this.#dropped = 0;
      }
    }
    this.#isWriting = true;
    write(this.#descriptor, this.#bytes, 0, this.#end, null, (error, written) => {
      this.#isWriting = false;
      if (error?.code === "EAGAIN") {
        this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
        return;
      }
      // Whoever read the log is gone: there is nothing left to tell, and requests are still to be answered.
      const gone = error ? this.#end : written;
      this.#bytes.copyWithin(0, gone, this.#end);
      this.#end -= gone;
      if (this.#end > 0) this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    try {
      writeSync(this.#descriptor, this.#bytes, 0, this.#end);
    } catch {
      // As above.
    }
    this.#end = 0;
  }
}

let stampedMs = -1;
let stamp = "";

/** Now, in ISO 8601. */
function timestamp(): string {
  const ms = now();
  if (ms !== stampedMs) {
    stampedMs = ms;
    stamp = new Date(ms).toISOString();
  }
  return stamp;
}

/** One line: JSON whose texts are cut at 256 characters. */
export function lineOf(level: "info" | "warn" | "error", message: string, fields: Fields): string {
  let line = `{"ts":"${timestamp()}","level":"${level}","msg":"${message}"`;
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    line += `,"${key}":${typeof value === "string" ? textOf(value) : value}`;
  }
  return `${line}}\n`;
}

/** A text in ASCII: a line must stay one, and a terminal that shows it must not be moved by it. */
function textOf(value: string): string {
  return JSON.stringify(value.slice(0, FIELD_MAX)).replace(/[^\x20-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** What is told of a request. Nothing of it is the client's own words. */
export interface RequestFacts {
  readonly id: string;
  readonly method: string;
  /** The matched pattern. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly rows: number | undefined;
  readonly error: string | undefined;
  /** Of the model. */
  readonly version: string | undefined;
}

/** The line of a request, put together without asking what needs escaping, since nothing does. */
export function requestLine(facts: RequestFacts): string {
  const { status, rows, error, version } = facts;
  const method = /^[A-Z-]{1,32}$/.test(facts.method) ? facts.method : "OTHER";
  return `{"ts":"${timestamp()}","level":"${status >= 500 ? "error" : "info"}","msg":"request","id":"${facts.id}","method":"${method}","route":"${facts.route}","status":${status},"ms":${Math.round(facts.seconds * 1e5) / 100},"bytes_in":${facts.bytesIn},"bytes_out":${facts.bytesOut}${
    rows === undefined ? "" : `,"rows":${rows}`
  }${error === undefined ? "" : `,"error":"${error}"`}${
    version === undefined ? "" : `,"version":"${version}"`
  }}\n`;
}
