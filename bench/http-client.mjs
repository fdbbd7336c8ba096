// A client that costs little: raw sockets, one request under way on each, so that the server is what is measured.
import { connect } from "node:net";

/** The bytes of a request. */
export function requestBytes(method, path, body, type = "application/json") {
  const payload = Buffer.from(body ?? "");
  const head = [
    `${method} ${path} HTTP/1.1`,
    "host: localhost",
    ...(body === undefined ? [] : [`content-type: ${type}`, `content-length: ${payload.length}`]),
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), payload]);
}

/** One connection that is opened again when the server closes it between answers. */
export class Connection {
  #port;
  #socket;
  #held = [];
  #heldBytes = 0;
  #wanted = 0; // bytes of the answer under way, 0 while its head is not there
  #head = "";
  #resolve;
  #reject;

  constructor(port) {
    this.#port = port;
  }

  /** Resolves to the status; `body` of the last answer is kept when `keep` is set. */
  send(bytes, keep = false) {
    return new Promise((resolve, reject) => {
      this.#resolve = (status, body) => resolve(keep ? { status, body, head: this.#head } : status);
      this.#reject = reject;
      if (this.#socket === undefined || this.#socket.destroyed || this.#socket.ended) this.#open();
      this.#socket.write(bytes);
    });
  }

  #open() {
    const socket = connect(this.#port, "127.0.0.1");
    this.#socket = socket;
    this.#held = [];
    this.#heldBytes = 0;
    this.#wanted = 0;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(socket, chunk));
    socket.on("error", (error) => this.#fail(socket, error));
    socket.on("close", () => this.#fail(socket, new Error("closed before the answer")));
  }

  #fail(socket, error) {
    if (socket !== this.#socket) return;
    const reject = this.#reject;
    this.#reject = undefined;
    reject?.(error);
  }

  #take(socket, chunk) {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#wanted === 0) {
      const bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held);
      this.#held = [bytes];
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#head = bytes.latin1Slice(0, end);
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head);
      this.#wanted = end + 4 + Number(length?.[1] ?? 0);
    }
    if (this.#heldBytes < this.#wanted) return;
    const status = Number(this.#head.slice(9, 12));
    const all = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held);
    const body = all.subarray(all.indexOf("\r\n\r\n") + 4, this.#wanted);
    this.#held = [];
    this.#heldBytes = 0;
    this.#wanted = 0;
    if (/\r\nconnection: *close/i.test(this.#head)) {
      socket.ended = true;
      this.#socket = undefined;
      socket.end();
    }
    this.#reject = undefined;
    this.#resolve(status, body);
  }

  close() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

/** Sends `count` requests over some connections, one at a time on each. @returns seconds and how many were not 200 */
export async function hammer(port, bytes, { count, connections }) {
  const started = performance.now();
  let left = count;
  let bad = 0;
  const work = Array.from({ length: connections }, async () => {
    const connection = new Connection(port);
    while (left-- > 0) {
      try {
        if ((await connection.send(bytes)) !== 200) bad++;
      } catch {
        bad++;
      }
    }
    connection.close();
  });
  await Promise.all(work);
  return { seconds: (performance.now() - started) / 1000, bad };
}
