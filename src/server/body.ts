// Reading a body: the media type, the encoding, and no more bytes than allowed.
import { Buffer, isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { HttpError } from "./http-error.ts";

/** Most bytes of a body. */
export const BODY_BYTES_MAX = 1 << 20;

/** Most bytes of bodies and answers that are held for all requests together. */
export const HELD_BYTES_MAX = 8 << 20;

/** Bodies up to this are read whatever is held: a few slow readers of large answers must not keep single rows out. */
const SMALL_BYTES = 1 << 12;

export type MediaType = "json" | "csv";

const TYPES: Readonly<Record<string, MediaType>> = {
  "application/json": "json",
  "text/csv": "csv",
};

/** Bytes held in memory for requests under way. */
export class HeldBytes {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @throws HttpError when all requests together would hold too much */
  take(bytes: number): void {
    if (this.#count + bytes > HELD_BYTES_MAX) {
      throw new HttpError(
        "overloaded",
        "Too much is under way: try again",
        {},
        {
          "retry-after": "1",
        },
      );
    }
    this.#count += bytes;
  }

  /** What is held whether it fits or not: an answer that was made has to be sent. */
  add(bytes: number): void {
    this.#count += bytes;
  }

  give(bytes: number): void {
    this.#count -= bytes;
  }
}

/**
 * @param text the Content-Type   @param encoding the Content-Encoding
 * @param allowed in the order in which an error names them
 * @throws HttpError for any other type or encoding
 */
export function mediaTypeOf(
  text: string | undefined,
  encoding: string | undefined,
  allowed: readonly MediaType[],
): MediaType {
  if (encoding !== undefined && encoding.trim().toLowerCase() !== "identity") {
    throw new HttpError("unsupported_encoding", "Send the body without a Content-Encoding");
  }
  if (text === "application/json" && allowed.includes("json")) return "json";
  const [name, ...parameters] = (text ?? "").split(";").map((part) => part.trim().toLowerCase());
  const type = Object.hasOwn(TYPES, name!) ? TYPES[name!] : undefined;
  const takes = (parameter: string) =>
    /^charset="?utf-8"?$/.test(parameter) || (type === "csv" && parameter === "header=present");
  if (type === undefined || !allowed.includes(type) || !parameters.every(takes)) {
    const names = Object.keys(TYPES).filter((key) => allowed.includes(TYPES[key]!));
    throw new HttpError(
      "unsupported_media_type",
      `The Content-Type must be ${names.join(" or ")}, in UTF-8`,
    );
  }
  return type;
}

/**
 * The bytes of a body, straight from Node's stream: the web stream of a Request costs more than a prediction.
 *
 * @throws HttpError when it is larger than allowed; the connection is then closed behind the answer
 */
export function readIncoming(incoming: IncomingMessage, held: HeldBytes): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let taken = 0;
    let isSettled = false;
    const settle = () => {
      isSettled = true;
      held.give(taken);
    };
    const fail = (error: Error) => {
      if (isSettled) return;
      settle();
      incoming.off("data", onData);
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      if (size + chunk.length > BODY_BYTES_MAX) return fail(tooLarge());
      size += chunk.length;
      if (size > SMALL_BYTES) {
        try {
          held.take(size - taken);
        } catch (error) {
          return fail(error as Error);
        }
        taken = size;
      }
      chunks.push(chunk);
    };
    if (Number(incoming.headers["content-length"] ?? 0) > BODY_BYTES_MAX) return fail(tooLarge());
    incoming.on("data", onData);
    incoming.on("end", () => {
      if (isSettled) return;
      settle();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    // Whatever ends the stream before its end was the client's doing: its reset, its silence.
    const leave = () => {
      if (!isSettled) fail(new ClientGone());
    };
    incoming.on("error", leave);
    incoming.on("close", leave);
  });
}

/** The same for a Request of any runtime. */
export async function readRequest(request: Request, held: HeldBytes): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  let taken = 0;
  try {
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      if (size + chunk.length > BODY_BYTES_MAX) throw tooLarge();
      size += chunk.length;
      if (size > SMALL_BYTES) {
        held.take(size - taken);
        taken = size;
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    held.give(taken);
  }
}

/** The client went away before its body was there. Nobody is left to answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

function tooLarge(): HttpError {
  return new HttpError(
    "body_too_large",
    `A body must have at most ${BODY_BYTES_MAX} bytes: send the rows in several requests`,
    {},
    { connection: "close" },
  );
}

/** @throws HttpError when the bytes are no UTF-8, begin with a byte order mark, or are no JSON */
export function parseJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new HttpError("invalid_encoding", "The body must be UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  if (text.charCodeAt(0) === 0xfeff) {
    throw new HttpError("invalid_encoding", "The body must not begin with a byte order mark");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(
      "invalid_json",
      text.trim() === "" ? "The body is empty" : "The body is not valid JSON",
    );
  }
}
