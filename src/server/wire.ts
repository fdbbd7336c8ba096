// The Node server: the limits of hardening, set when it is made, and JSON for what Node would refuse without a word.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { CONNECTIONS_MAX, limitConnections } from "./connections.ts";
import type { NodeBindings, Service } from "./exchange.ts";
import { nameOfHost, SECURITY_HEADERS } from "./guard.ts";
import { type ErrorCode, errorBody, HttpError } from "./http-error.ts";
import { lineOf } from "./log.ts";

export interface WireOptions {
  /** How long an idle connection is kept, in ms; longer than that of a load balancer in front. */
  readonly keepAliveMs: number;
}

const LIMITS = {
  headersTimeout: 5000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 8192,
  insecureHTTPParser: false,
  // Node answers without a body; the guard says what is wrong. HTTP/1.0 probes have no Host.
  requireHostHeader: false,
} as const;

/** Beyond all that `limitConnections` makes room for: every one of them has a whole request under way. */
const CONNECTIONS_HARD_MAX = 2 * CONNECTIONS_MAX;
const REQUESTS_A_SOCKET = 1000;
const SILENCE_MS = 15_000;

/** @param app what answers */
export function createWire(
  app: Hono<{ Bindings: NodeBindings }>,
  service: Service,
  { keepAliveMs }: WireOptions,
): Server {
  const listener = getRequestListener(app.fetch as never, {
    overrideGlobalObjects: true,
    // For HTTP/1.0 probes, which name no host; the guard refuses others.
    hostname: "localhost",
    // What the adapter itself refuses, such as a Host that is no name.
    errorHandler: () => {
      const body = errorBody(new HttpError("invalid_request", "The request is malformed"));
      return new Response(body, { status: 400, headers: headersOf(service, body) });
    },
  });
  const server = createServer(
    { ...LIMITS, keepAliveTimeout: keepAliveMs },
    (incoming, outgoing) => {
      const refused = refusalOf(incoming);
      if (refused === undefined) void listener(incoming, outgoing);
      else refuse(service, incoming, outgoing, refused);
    },
  );
  server.maxConnections = CONNECTIONS_HARD_MAX;
  server.maxRequestsPerSocket = REQUESTS_A_SOCKET;
  server.timeout = SILENCE_MS;
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    onClientError(service, error, socket);
  });
  // No tunnels and no other protocols.
  server.on("connect", (_, socket) => socket.destroy());
  const onDrop = () => {
    service.metrics.dropped++;
  };
  server.on("drop", onDrop);
  limitConnections(server, onDrop);
  return server;
}

/** What would not get as far as a route: a head from which no URL can be made. */
function refusalOf({ url = "", headers, rawHeaders }: IncomingMessage): HttpError | undefined {
  if (!url.startsWith("/") || url.startsWith("//") || url.includes("\\")) {
    return new HttpError("invalid_request", "The request target must be a path");
  }
  const hosts = hostCount(rawHeaders);
  if (hosts > 1) {
    return new HttpError("invalid_host", `There must be one Host header: there are ${hosts}`);
  }
  if (hosts === 1 && nameOfHost(headers.host ?? "") === undefined) {
    return new HttpError("invalid_host", "The Host header is not a host name");
  }
  return undefined;
}

/** How many Host headers were sent: Node keeps the first and drops the others. */
function hostCount(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === "host") count++;
  }
  return count;
}

function refuse(
  service: Service,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  error: HttpError,
): void {
  note(service, error.code, error.status);
  const body = errorBody(error);
  outgoing.writeHead(error.status, headersOf(service, body));
  outgoing.end(body);
  incoming.resume();
}

/** Of an answer that ends the connection. */
function headersOf({ models }: Service, body: string): Record<string, string> {
  return {
    ...SECURITY_HEADERS,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    ...(models.current !== null && { "x-raisin-model": models.current.header }),
    connection: "close",
  };
}

/** What the parser could not read, in the words of the interface. */
function onClientError(service: Service, error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, message]: [ErrorCode, string] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["headers_too_large", "The head of the request must have at most 8 KiB"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["request_timeout", "The request did not come in time"]
        : error.code === "HPE_CHUNK_EXTENSIONS_OVERFLOW"
          ? ["body_too_large", "The chunk extensions are too large"]
          : ["invalid_request", "The request is not HTTP/1.1"];
  const refused = new HttpError(code, message);
  note(service, code, refused.status);
  const body = errorBody(refused);
  const lines = Object.entries(headersOf(service, body)).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(
    `HTTP/1.1 ${refused.status} ${PHRASES[refused.status]}\r\n${lines.join("")}\r\n${body}`,
  );
}

const PHRASES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
};

function note(service: Service, code: ErrorCode, status: number): void {
  service.metrics.invalid(code);
  service.log.write(lineOf("info", "request", { route: "other", status, error: code }));
}
