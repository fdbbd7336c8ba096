// Who may ask: the Host and Origin lists, on the head of a request, before anything else is looked at.
import { HttpError } from "./http-error.ts";

/** Names without port, lower case; null when any Host may ask. */
export type AllowedHosts = ReadonlySet<string> | null;

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The Host list: on loopback always, since a page of the web could otherwise ask through a name that it points there
 * (DNS rebinding); elsewhere when it is configured.
 *
 * @param bound the address that the server listens on
 */
export function allowedHosts(bound: string, configured: readonly string[]): AllowedHosts {
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(bound);
  if (!isLoopback && configured.length === 0) return null;
  return new Set([...LOOPBACK, ...configured.map((name) => name.toLowerCase())]);
}

const HOST = /^([A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/;

/** The last Host and its name: nearly all requests of a server come under one. */
let lastHost = "";
let lastName: string | undefined;

/** The name in a Host or authority, without port; undefined when it is none. */
export function nameOfHost(host: string): string | undefined {
  if (host !== lastHost) {
    const match = HOST.exec(host);
    const isName = match !== null && Number(match[2] ?? 0) <= 65_535;
    lastHost = host;
    lastName = isName ? match[1]!.toLowerCase() : undefined;
  }
  return lastName;
}

/** What of a request's head is checked. */
export interface Head {
  /** Every Host header, as sent. */
  readonly hosts: readonly string[];
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  /** The request target as sent. */
  readonly target: string;
}

/**
 * @param isProbe probes and metrics come by any name, HTTP/1.0 probes without one
 * @throws HttpError
 */
export function checkHead(head: Head, allowed: AllowedHosts, isProbe: boolean): void {
  const { hosts, origin, fetchSite, target } = head;
  if (!target.startsWith("/")) {
    throw new HttpError("invalid_request", "The request target must be a path");
  }
  if (hosts.length > 1 || (hosts.length === 0 && !isProbe)) {
    throw new HttpError("invalid_host", `There must be one Host header: there are ${hosts.length}`);
  }
  const name = hosts.length === 1 ? nameOfHost(hosts[0]!) : undefined;
  if (hosts.length === 1 && name === undefined) {
    throw new HttpError("invalid_host", "The Host header is not a host name");
  }
  if (isProbe) return;
  if (allowed !== null && !allowed.has(name!)) {
    throw new HttpError(
      "forbidden_host",
      "This Host is not served here: name it with --allowed-hosts if it should be",
    );
  }
  if (fetchSite === "cross-site") {
    throw new HttpError("forbidden_origin", "Pages of other sites may not ask");
  }
  if (origin !== undefined && allowed !== null) {
    const from = nameOfHost(origin.replace(/^https?:\/\//i, ""));
    if (from === undefined || !allowed.has(from)) {
      throw new HttpError("forbidden_origin", "Pages of other origins may not ask");
    }
  }
}

/** Sent with every answer. Nothing is to be cached, framed, sniffed or run. */
export const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** The policy of the one page, which brings its own style. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";
