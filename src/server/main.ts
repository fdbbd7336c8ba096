// raisin serve: finds the model, listens, and ends without losing a request.
import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { loadCore } from "../core/node.ts";
import { packageVersion } from "../miniflow/version.ts";
import { createApp } from "./app.ts";
import { HeldBytes } from "./body.ts";
import type { Service } from "./exchange.ts";
import { allowedHosts } from "./guard.ts";
import { DescriptorSink, type LogSink, lineOf } from "./log.ts";
import { ServerMetrics } from "./metrics.ts";
import { type ModelSource, Models, type Tell } from "./models.ts";
import { createWire } from "./wire.ts";

export interface ServeFlags extends ModelSource {
  readonly port: number;
  readonly host: string;
  /** Names besides those of loopback under which the server may be asked. */
  readonly allowedHosts?: readonly string[];
  /** Rows of the drift window. */
  readonly window: number;
  /** Seconds between SIGTERM and the end of listening, for load balancers to look elsewhere. */
  readonly drainSeconds: number;
  readonly keepAliveSeconds: number;
}

const POLL_MS = 1000;
/** How long requests under way may take once nobody listens any more. */
const DEADLINE_MS = 20_000;

/** A server that listens. */
export interface OpenServer {
  readonly server: Server;
  readonly service: Service;
  readonly address: AddressInfo;
}

/** Finds the model, if there is one, and listens. @throws Error when the address cannot be listened on */
export async function openServer(flags: ServeFlags, log: LogSink): Promise<OpenServer> {
  const tell: Tell = (level, message, fields) => log.write(lineOf(level, message, fields));
  const metrics = new ServerMetrics();
  const models = new Models(loadCore(), flags, flags.window, tell);
  models.onUse = (model) => metrics.use(model);
  models.onRefuse = () => {
    metrics.reloadFailures++;
  };
  const service: Service = {
    models,
    metrics,
    log,
    hosts: allowedHosts(flags.host, flags.allowedHosts ?? []),
    held: new HeldBytes(),
    // With the count behind it an id has at most 12 characters for a long time, which the engine joins without a rope.
    idPrefix: `${randomBytes(3).toString("hex").slice(1)}-`,
    isDraining: false,
  };
  models.poll();
  const version = packageVersion();
  const server = createWire(createApp(service, version), service, {
    keepAliveMs: flags.keepAliveSeconds * 1000,
  });
  await listen(server, flags);
  const address = server.address() as AddressInfo;
  tell("info", "listening", {
    address: address.address,
    port: address.port,
    node: process.versions.node,
    raisin: version,
  });
  return { server, service, address };
}

/** Serves until the signal is aborted. @throws Error when the address cannot be listened on */
export async function runServe(flags: ServeFlags, signal: AbortSignal): Promise<number> {
  const log = new DescriptorSink(process.stdout.fd);
  try {
    const { server, service } = await openServer(flags, log);
    const { models } = service;
    if (models.current === null) {
      process.stderr.write(
        `${models.problem}\nUntil then /readyz answers 503; the model is looked for every second\n`,
      );
    }
    const timer = setInterval(() => models.poll(), POLL_MS);
    await aborted(signal);
    clearInterval(timer);
    // Who types Ctrl-C has no load balancer to wait for.
    const isTyped = (signal.reason as Error).cause === "SIGINT";
    await drain(server, service, isTyped ? 0 : flags.drainSeconds * 1000);
    return 0;
  } finally {
    log.close();
  }
}

function listen(server: Server, { port, host }: ServeFlags): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const reasons: Readonly<Record<string, string>> = {
        EADDRINUSE: "something else listens there; name another --port",
        EACCES: "permission denied; ports below 1024 need rights",
        EADDRNOTAVAIL: "this machine has no such address; name another --host",
        ENOTFOUND: "there is no such host; name another --host",
      };
      reject(
        new Error(
          `Cannot listen on ${host}:${port}: ${reasons[error.code ?? ""] ?? error.message}`,
        ),
      );
    };
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}

/**
 * Ends without a failed request: not ready at once, still accepting while load balancers learn of it and with each
 * answer closing its connection, then nothing new, then the end of what is under way.
 */
async function drain(server: Server, service: Service, waitMs: number): Promise<void> {
  const tell: Tell = (level, message, fields) => service.log.write(lineOf(level, message, fields));
  service.isDraining = true;
  tell("info", "draining", { wait_ms: waitMs });
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const deadline = setTimeout(() => {
    tell("warn", "requests cut off", { in_flight: service.metrics.inFlight });
    server.closeAllConnections();
  }, DEADLINE_MS);
  await closed;
  clearTimeout(deadline);
  tell("info", "ended", {});
}
