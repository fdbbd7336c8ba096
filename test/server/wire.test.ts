// Does the server hold against what a socket can send it, and does it answer only whom it may?

import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { serve } from "@hono/node-server";
import { beforeAll, describe, expect, it } from "vitest";
import { limitConnections } from "../../src/server/connections.ts";
import { allowedHosts, checkHead, nameOfHost } from "../../src/server/guard.ts";
import { HttpError } from "../../src/server/http-error.ts";
import { DescriptorSink, lineOf } from "../../src/server/log.ts";
import { ask, JSON_TYPE, type Opened, open, post, ROW, raw, trained } from "./support.ts";

let server: Opened;
let directory: string;

beforeAll(async () => {
  directory = trained();
  server = await open(directory);
});

const BODY = JSON.stringify(ROW);
const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const predictHead = (...more: string[]) =>
  head("POST /predict HTTP/1.1", "host: localhost", "content-type: application/json", ...more);

/** Status and JSON body of the first answer in what a socket received. */
function firstOf(text: string): { status: number; error: string | undefined; headers: string } {
  const [headers = "", ...rest] = text.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? 0);
  let error: string | undefined;
  try {
    error = JSON.parse(body.slice(0, length)).error;
  } catch {
    error = undefined;
  }
  return { status: Number(headers.split(" ")[1]), error, headers };
}

describe("bytes", () => {
  it.each([
    ["no Host", head("GET /model HTTP/1.1", "connection: close"), 400, "invalid_host"],
    ["no version and no headers", "GET /model\r\n\r\n", 400, "invalid_host"],
    [
      "two Hosts",
      head("GET /model HTTP/1.1", "host: localhost", "host: evil.example"),
      400,
      "invalid_host",
    ],
    ["an empty Host", head("GET /model HTTP/1.1", "host:"), 400, "invalid_host"],
    ["a Host with a slash", head("GET /model HTTP/1.1", "host: a/b"), 400, "invalid_host"],
    ["a Host with a user", head("GET /model HTTP/1.1", "host: me@localhost"), 400, "invalid_host"],
    [
      "a Host with a bad port",
      head("GET /model HTTP/1.1", "host: localhost:x"),
      400,
      "invalid_host",
    ],
    [
      "a whole address as target",
      head("GET http://evil.example/model HTTP/1.1", "host: localhost"),
      400,
      "invalid_request",
    ],
    [
      "two slashes",
      head("GET //evil.example/model HTTP/1.1", "host: localhost"),
      400,
      "invalid_request",
    ],
    ["a backslash", head("GET /\\evil HTTP/1.1", "host: localhost"), 400, "invalid_request"],
    ["an unknown method", head("HACK /model HTTP/1.1", "host: localhost"), 400, "invalid_request"],
    [
      "both lengths",
      `${predictHead("content-length: 3", "transfer-encoding: chunked")}0\r\n\r\n`,
      400,
      "invalid_request",
    ],
    ["two lengths", predictHead("content-length: 3", "content-length: 4"), 400, "invalid_request"],
    ["a negative length", predictHead("content-length: -1"), 400, "invalid_request"],
    [
      "a length of 400 digits",
      predictHead(`content-length: ${"9".repeat(400)}`),
      400,
      "invalid_request",
    ],
    [
      "a bad chunk size",
      `${predictHead("transfer-encoding: chunked")}xyz\r\n`,
      400,
      "invalid_request",
    ],
    [
      "a head of 20 KB",
      head("GET /model HTTP/1.1", "host: localhost", `x: ${"a".repeat(20_000)}`),
      431,
      "headers_too_large",
    ],
    [
      "a target of 20 KB",
      head(`GET /${"a".repeat(20_000)} HTTP/1.1`, "host: localhost"),
      431,
      "headers_too_large",
    ],
    [
      "thousands of small headers",
      head(
        "GET /model HTTP/1.1",
        "host: localhost",
        ...Array.from({ length: 5000 }, (_, i) => `x${i}: 1`),
      ),
      431,
      "headers_too_large",
    ],
    ["a length over the limit", predictHead("content-length: 2000000"), 413, "body_too_large"],
    ["not HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_request"],
  ])("of %s get an error as JSON, and the connection is closed", async (_, bytes, status, code) => {
    const text = await raw(server.port, bytes);
    const first = firstOf(text);
    expect([first.status, first.error]).toEqual([status, code]);
    expect(first.headers).toMatch(/connection: close/i);
    expect(first.headers).toMatch(/x-content-type-options: nosniff/i);
  });

  it("of a body that is too large in chunks are cut off, however small the chunks are", async () => {
    const chunk = `400\r\n${"a".repeat(0x400)}\r\n`;
    const text = await raw(
      server.port,
      predictHead("transfer-encoding: chunked") + chunk.repeat(1100),
    );
    expect(firstOf(text)).toMatchObject({ status: 413, error: "body_too_large" });
    const small = "1\r\na\r\n".repeat(60_000);
    const tiny = await raw(
      server.port,
      `${predictHead("transfer-encoding: chunked")}${small}0\r\n\r\n`,
    );
    expect(firstOf(tiny)).toMatchObject({ status: 400, error: "invalid_json" });
  });

  it("of fifty requests at once get fifty answers, in order", async () => {
    const one = `${predictHead(`content-length: ${BODY.length}`)}${BODY}`;
    const last = head("GET /healthz HTTP/1.1", "host: localhost", "connection: close");
    const text = await raw(server.port, one.repeat(50) + last);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(51);
    expect(text.match(/"pred":/g)).toHaveLength(50);
  });

  it("of a probe in HTTP/1.0 need no Host", async () => {
    expect(firstOf(await raw(server.port, "GET /readyz HTTP/1.0\r\n\r\n")).status).toBe(200);
    expect(firstOf(await raw(server.port, "GET /model HTTP/1.0\r\n\r\n"))).toMatchObject({
      status: 400,
      error: "invalid_host",
    });
  });

  it("of a tunnel get nothing", async () => {
    expect(
      await raw(server.port, head("CONNECT evil.example:443 HTTP/1.1", "host: evil.example")),
    ).toBe("");
  });

  it("that end in the middle leave one line in the log, and the server well", async () => {
    const before = server.log.text.length;
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () => {
        socket.write(`${predictHead("content-length: 100")}{`, () => {
          socket.resetAndDestroy();
          setTimeout(resolve, 100);
        });
      });
    });
    expect(server.log.text.slice(before)).not.toMatch(/internal error|"level":"error"/);
    expect((await post(server.port, "/predict", ROW)).status).toBe(200);
    expect(server.service.metrics.inFlight).toBe(0);
  });

  it("would be answered by a server without these settings: the control", async () => {
    const bare = createServer((_, response) => response.end("ok"));
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    const { port } = bare.address() as { port: number };
    for (const bytes of [
      head("GET /model HTTP/1.1", "host: localhost", "host: evil.example", "connection: close"),
      head("GET http://evil.example/model HTTP/1.1", "host: localhost", "connection: close"),
      head(
        "GET /model HTTP/1.1",
        "host: localhost",
        "connection: close",
        `x: ${"a".repeat(10_000)}`,
      ),
    ]) {
      expect(firstOf(await raw(port, bytes)).status).toBe(200);
    }
    bare.close();
  });
});

describe("limits", () => {
  it("are set when the server is made", () => {
    const { server: made } = server;
    expect(made).toMatchObject({
      headersTimeout: 5000,
      requestTimeout: 10_000,
      keepAliveTimeout: 5000,
      maxConnections: 512,
      maxRequestsPerSocket: 1000,
      timeout: 15_000,
    });
    // Whatever the versions are, these have the fixes of the known holes.
    const version = (name: string) =>
      JSON.parse(
        readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), "utf8"),
      ).version;
    const isAtLeast = (found: string, floor: string) =>
      found.localeCompare(floor, "en", { numeric: true }) >= 0;
    expect(isAtLeast(version("hono"), "4.12.21")).toBe(true);
    expect(isAtLeast(version("@hono/node-server"), "1.19.13")).toBe(true);
    expect(serve).toBeTypeOf("function");
  });

  it("end half a head, and half a body", async () => {
    const [half, body] = await Promise.all([
      raw(server.port, "GET /model HTTP/1.1\r\nhost: local", 8000),
      raw(server.port, `${predictHead("content-length: 100")}{`, 14_000),
    ]);
    expect(firstOf(half)).toMatchObject({ status: 408, error: "request_timeout" });
    expect(firstOf(body)).toMatchObject({ status: 408, error: "request_timeout" });
  }, 20_000);

  /** Opens so many connections whose request never comes whole. */
  async function hang(port: number, count: number): Promise<Socket[]> {
    const sockets = Array.from({ length: count }, () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(`${predictHead("content-length: 100")}{`);
      return socket;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    return sockets;
  }

  it("leave probes and predictions answered while hundreds of requests hang", async () => {
    const sockets = await hang(server.port, 500);
    for (let k = 0; k < 5; k++) {
      expect((await ask(server.port, "/readyz")).status).toBe(200);
      expect((await post(server.port, "/predict", ROW)).status).toBe(200);
    }
    expect(sockets.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(256);
    expect((await ask(server.port, "/metrics")).text).toMatch(
      /raisin_connections_dropped_total [1-9]/,
    );
    for (const socket of sockets) socket.destroy();
  });

  it("would not with a fixed number of connections: the control", async () => {
    const bare = createServer((_, response) => response.end("ok"));
    bare.maxConnections = 256;
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    const { port } = bare.address() as { port: number };
    const sockets = Array.from({ length: 300 }, () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      return socket;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(ask(port, "/readyz")).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    bare.close();
  });

  it("never cut off a request that has come whole", async () => {
    const waiting: ServerResponse[] = [];
    const bare = createServer((_, response) => waiting.push(response));
    let evicted = 0;
    limitConnections(bare, () => evicted++);
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    const { port } = bare.address() as { port: number };
    const answers = Promise.allSettled(Array.from({ length: 300 }, () => ask(port, "/")));
    while (waiting.length + evicted < 300) await new Promise((resolve) => setTimeout(resolve, 20));
    // Those that came after the 256th and had not sent their head yet may have gone; whole ones have not.
    const whole = waiting.length;
    for (const response of waiting) response.end("ok");
    const settled = await answers;
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(whole);
    expect(whole).toBeGreaterThanOrEqual(256);
    bare.close();
  });
});

describe("hosts", () => {
  it.each([
    ["localhost", 200],
    ["LOCALHOST:8000", 200],
    ["127.0.0.1:1", 200],
    ["[::1]:8000", 200],
    ["evil.example", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1.evil.example:8000", 403],
    ["localhost.", 403],
  ])("on loopback: %s gets %i", async (host, status) => {
    const answer = await ask(server.port, "/model", { headers: { host } });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.json.error).toBe("forbidden_host");
    // Probes and metrics come by any name.
    for (const path of [
      "/healthz",
      "/livez",
      "/readyz",
      "/metrics",
      "/ping",
      "/v2/health/live",
      "/v2/health/ready",
    ]) {
      expect((await ask(server.port, path, { headers: { host } })).status).toBe(200);
    }
  });

  it.each([
    [{ origin: "http://localhost:3000" }, 200],
    [{ origin: "https://evil.example" }, 403],
    [{ origin: "null" }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-origin" }, 200],
  ])("a page with %j gets %i", async (headers, status) => {
    const answer = await ask(server.port, "/predict", {
      headers: { ...JSON_TYPE, ...(headers as unknown as Record<string, string>) },
      body: BODY,
    });
    expect(answer.status).toBe(status);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual(
      [],
    );
  });

  it("are a list on loopback, and elsewhere when there is one", () => {
    expect(allowedHosts("0.0.0.0", [])).toBeNull();
    expect(allowedHosts("0.0.0.0", ["Raisin.example"])?.has("raisin.example")).toBe(true);
    for (const bound of ["127.0.0.1", "localhost", "::1", "127.1.2.3"]) {
      expect(allowedHosts(bound, [])?.has("evil.example")).toBe(false);
    }
    const one = { hosts: ["evil.example"], origin: undefined, fetchSite: undefined, target: "/" };
    expect(() => checkHead(one, allowedHosts("127.0.0.1", []), false)).toThrow(HttpError);
    // The control: without a list anybody may ask.
    expect(() => checkHead(one, null, false)).not.toThrow();
  });

  it.each(["a b", "a/b", "a@b", "a:99999", "", "[::1", "a:b:c"])(
    "are no such text as %j",
    (host) => {
      expect(nameOfHost(host)).toBeUndefined();
    },
  );
});

describe("methods", () => {
  const paths = [
    "/predict",
    "/model",
    "/drift",
    "/healthz",
    "/readyz",
    "/metrics",
    "/invocations",
    "/v2",
    "/openapi.json",
    "/docs",
    "/v2/models/raisin_logreg",
    "/v2/models/raisin_logreg/infer",
  ];
  it.each(paths)("other than its own are refused at %s, and nothing changes", async (path) => {
    const before = (await ask(server.port, "/model")).json.model_digest;
    for (const method of [
      "GET",
      "POST",
      "PUT",
      "PATCH",
      "DELETE",
      "OPTIONS",
      "TRACE",
      "PROPFIND",
    ]) {
      const { status, headers, json } = await ask(server.port, path, {
        method,
        headers: { "x-http-method-override": "DELETE" },
      });
      if (status === 405) {
        expect(json.error).toBe("method_not_allowed");
        expect(headers.allow).toMatch(/^(GET, HEAD|POST|GET, HEAD, POST|POST, GET, HEAD)$/);
      } else {
        expect(["GET", "POST"]).toContain(method);
      }
    }
    expect((await ask(server.port, "/model")).json.model_digest).toBe(before);
  });

  it("of HEAD are answered without a body", async () => {
    const { status, text } = await ask(server.port, "/healthz", { method: "HEAD" });
    expect([status, text]).toEqual([200, ""]);
  });
});

describe("paths that lead nowhere", () => {
  it.each([
    "/",
    "/nope",
    "/predict/",
    "/../../etc/passwd",
    "/..%2f..%2fetc/passwd",
    "/%2e%2e/registry.json",
    "/%252e%252e%252f",
    "/miniflow/registry.json",
    "/model/..;/x",
    "/a%00b",
    "/%",
    "/v2/models/%ff/infer",
  ])("get a fixed answer: %s", async (path) => {
    const { status, json, text } = await ask(server.port, path);
    expect([400, 404, 405]).toContain(status);
    expect(json.error).toMatch(/^(not_found|unknown_model|invalid_request|method_not_allowed)$/);
    expect(text).not.toMatch(/passwd|registry|%/);
  });
});

describe("the log", () => {
  it("has one line a request, with neither body nor anything of the client's own words", async () => {
    const fresh = await open(directory);
    const before = fresh.log.lines.length;
    await post(fresh.port, "/predict", ROW);
    await post(fresh.port, '/predict?x="\r\nfake'.replace("\r\n", "%0d%0a"), { ...ROW, Secret: 1 });
    await ask(fresh.port, `/${"a".repeat(300)}\u001b`.replace("\u001b", "%1b"));
    await ask(fresh.port, "/healthz");
    const lines = fresh.log.lines.slice(before);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatchObject({
      level: "info",
      msg: "request",
      method: "POST",
      route: "/predict",
      status: 200,
      rows: 1,
    });
    expect(lines[1]).toMatchObject({ route: "/predict", status: 400, error: "invalid_query" });
    expect(lines[2]).toMatchObject({ route: "other", status: 404 });
    expect(fresh.log.text).not.toMatch(/Secret|442|fake|aaaa/);
    const ids = lines.map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
  });

  it("cuts and escapes what it has to quote", () => {
    const line = lineOf("warn", "x", { text: `a\n\u001b[31m\u2028"${"x".repeat(1000)}` });
    expect(line.match(/\n/g)).toHaveLength(1);
    expect(line).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(line).text.length).toBe(256);
  });

  it("drops lines, and knows how many, when nobody takes them", () => {
    const descriptor = openSync("/dev/null", "w");
    const sink = new DescriptorSink(descriptor);
    for (let i = 0; i < 20_000; i++) sink.write(`${"x".repeat(99)}\n`);
    // Two million bytes before the first could be written: one is held.
    expect(sink.dropped).toBeGreaterThan(5000);
    sink.close();
    closeSync(descriptor);
  });
});
