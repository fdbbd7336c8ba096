// One request and its answer: what every route shares, once.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "hono";
import {
  ClientGone,
  type HeldBytes,
  type MediaType,
  mediaTypeOf,
  readIncoming,
  readRequest,
} from "./body.ts";
import { type AllowedHosts, checkHead, SECURITY_HEADERS } from "./guard.ts";
import { errorBody, HttpError, mlflowErrorBody } from "./http-error.ts";
import { type LogSink, lineOf, requestLine } from "./log.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { Models } from "./models.ts";
import type { ServedModel } from "./served-model.ts";

/** What a server has, whichever way its requests come. */
export interface Service {
  readonly models: Models;
  readonly metrics: ServerMetrics;
  readonly log: LogSink;
  readonly hosts: AllowedHosts;
  readonly held: HeldBytes;
  /** Begins every request id. */
  readonly idPrefix: string;
  /** Set when the server is about to end. */
  isDraining: boolean;
}

/** Given by the Node server; absent elsewhere. */
export interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse;
}

export type AppContext = Context<{ Bindings: NodeBindings }>;

/** An answer before its headers. */
export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Rows scored, for the log. */
  readonly rows?: number;
}

/** A request under way. */
export class Exchange {
  readonly context: AppContext;
  readonly service: Service;
  /** The model that serves this request, from its beginning to its end. */
  readonly served: ServedModel | null;
  /** Bytes of the body, once it was read. */
  bytesIn = 0;

  constructor(context: AppContext, service: Service) {
    this.context = context;
    this.service = service;
    this.served = service.models.current;
  }

  /** @throws HttpError while there is none */
  get model(): ServedModel {
    if (this.served !== null) return this.served;
    throw new HttpError(
      "no_model",
      `No model serves yet. ${adviceOf(this.service.models.problem)}`,
      {},
      {
        "retry-after": "5",
      },
    );
  }

  /** A header by its lower-case name. */
  header(name: string): string | undefined {
    const { incoming } = this.context.env ?? {};
    if (incoming !== undefined) return incoming.headers[name] as string | undefined;
    return this.context.req.raw.headers.get(name) ?? undefined;
  }

  mediaType(allowed: readonly MediaType[]): MediaType {
    return mediaTypeOf(this.header("content-type"), this.header("content-encoding"), allowed);
  }

  body(): Promise<Uint8Array> {
    const { incoming } = this.context.env ?? {};
    const { held } = this.service;
    const reading: Promise<Uint8Array> =
      incoming === undefined
        ? readRequest(this.context.req.raw, held)
        : readIncoming(incoming, held);
    return reading.then((bytes) => {
      this.bytesIn = bytes.length;
      return bytes;
    });
  }

  /**
   * The query's parameters.
   *
   * @param known names that are allowed, each once
   * @throws HttpError
   */
  query(known: readonly string[]): ReadonlyMap<string, string> {
    const { url } = this.context.req;
    const at = url.indexOf("?");
    if (at < 0 || at === url.length - 1) return NO_QUERY;
    const found = new Map<string, string>();
    for (const [name, value] of new URLSearchParams(url.slice(at + 1))) {
      if (!known.includes(name) || found.has(name)) {
        const what = known.includes(name) ? "is there twice" : "is not known";
        const which = known.length === 0 ? "none" : known.join(", ");
        throw new HttpError(
          "invalid_query",
          `A query parameter ${what}; this route takes ${which}`,
          {
            field: name,
          },
        );
      }
      found.set(name, value);
    }
    return found;
  }

  /** A parameter that is true or false. @throws HttpError */
  flag(name: string, fallback: boolean): boolean {
    const value = this.query([name]).get(name);
    if (value === undefined) return fallback;
    if (value === "true" || value === "false") return value === "true";
    throw new HttpError("invalid_query", `${name} must be true or false`, { field: name });
  }
}

const NO_QUERY: ReadonlyMap<string, string> = new Map();

/** What to do, without paths of this machine. */
function adviceOf(problem: string): string {
  return problem.startsWith("Several models")
    ? "The registry has several: name one with --model"
    : "Run `raisin train`, or name a model with --model-file; the server's log says more";
}

export interface RouteOptions {
  /** Probes and metrics: not counted, not logged, and free of the Host list. */
  readonly isProbe?: boolean;
  /** Errors have MLflow's fields. */
  readonly isMlflow?: boolean;
}

const JSON_TYPE = "application/json";

let requestCount = 0;

/** A handler for hono: checks the head, answers, and notes what happened. */
export function route(
  service: Service,
  pattern: string,
  handle: (exchange: Exchange) => Answer | Promise<Answer>,
  options: RouteOptions = {},
): (context: AppContext) => Promise<Response> {
  const { isProbe = false, isMlflow = false } = options;
  const { metrics } = service;
  return async function answer(context) {
    const started = performance.now();
    const exchange = new Exchange(context, service);
    const id = `${service.idPrefix}${(requestCount++).toString(36)}`;
    const { incoming, outgoing } = context.env ?? {};
    let answered: Answer;
    let code: HttpError["code"] | undefined;
    metrics.inFlight++;
    try {
      checkHead(headOf(context, incoming), service.hosts, isProbe);
      answered = await handle(exchange);
    } catch (error) {
      const told = toHttpError(error, service, id);
      code = told.code;
      if (told.status < 500 && !isProbe) metrics.invalid(told.code);
      answered = {
        status: told.status,
        body: isMlflow ? mlflowErrorBody(told) : errorBody(told),
        headers: told.headers,
      };
    }
    metrics.inFlight--;
    const { status = 200, type = JSON_TYPE, body } = answered;
    const { served } = exchange;
    if (!isProbe) {
      const seconds = (performance.now() - started) / 1000;
      metrics.request(served, pattern, status, seconds);
      service.log.write(
        requestLine({
          id,
          method: incoming?.method ?? context.req.method,
          route: pattern,
          status,
          seconds,
          bytesIn: exchange.bytesIn,
          bytesOut: body.length,
          rows: answered.rows,
          error: code,
          version: served?.version,
        }),
      );
    }
    if (body.length > LARGE && outgoing !== undefined) {
      service.held.add(body.length);
      outgoing.once("close", () => service.held.give(body.length));
    }
    return new Response(body, { status, headers: headersOf(type, id, served, service, answered) });
  };
}

/** Written out, since an object that is put together costs as much as a prediction. */
function headersOf(
  type: string,
  id: string,
  served: ServedModel | null,
  { isDraining }: Service,
  { headers: more }: Answer,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": type,
    "cache-control": SECURITY_HEADERS["cache-control"],
    "content-security-policy": SECURITY_HEADERS["content-security-policy"],
    "cross-origin-resource-policy": SECURITY_HEADERS["cross-origin-resource-policy"],
    "referrer-policy": SECURITY_HEADERS["referrer-policy"],
    "x-content-type-options": SECURITY_HEADERS["x-content-type-options"],
    "x-frame-options": SECURITY_HEADERS["x-frame-options"],
    "x-request-id": id,
  };
  if (served !== null) headers["x-raisin-model"] = served.header;
  if (isDraining) headers.connection = "close";
  return more === undefined ? headers : Object.assign(headers, more);
}

/** Answers that count as held until they are sent. */
const LARGE = 1 << 16;

function headOf(context: AppContext, incoming: IncomingMessage | undefined) {
  if (incoming === undefined) {
    const { headers, url } = context.req.raw;
    const host = headers.get("host") ?? new URL(url).host;
    return {
      hosts: [host],
      origin: headers.get("origin") ?? undefined,
      fetchSite: headers.get("sec-fetch-site") ?? undefined,
      target: "/",
    };
  }
  const { headers, url = "" } = incoming;
  return {
    // The wire has refused a second one.
    hosts: headers.host === undefined ? [] : [headers.host],
    origin: headers.origin,
    fetchSite: headers["sec-fetch-site"] as string | undefined,
    target: url,
  };
}

function toHttpError(error: unknown, service: Service, id: string): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ClientGone) {
    return new HttpError("request_timeout", "The body did not come");
  }
  // Never caused by input: told in the log, where only the operator sees it.
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  service.log.write(lineOf("error", "internal error", { id, reason: message, stack }));
  return new HttpError("internal", "The server failed; its log has the request's id");
}
