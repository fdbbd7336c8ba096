// Every route in one table, on hono: requests in, answers out, whichever runtime brings them.
//
// Design:
// - No route changes anything, and none writes a file.
// - A known path with another method is 405, an unknown path 404; both are JSON.
import { Hono } from "hono";
import { DOCS_STYLE, docsPage } from "./docs.ts";
import { driftOfBody, driftOfWindow } from "./drift-routes.ts";
import {
  type Answer,
  type AppContext,
  type Exchange,
  type NodeBindings,
  type RouteOptions,
  route,
  type Service,
} from "./exchange.ts";
import { PAGE_POLICY } from "./guard.ts";
import { HttpError } from "./http-error.ts";
import { invocations } from "./mlflow.ts";
import { modelRoute } from "./model-route.ts";
import { openapiOf } from "./openapi.ts";
import { predict } from "./predict.ts";
import type { ServedModel } from "./served-model.ts";
import { infer, modelMetadata, modelReady, serverMetadata } from "./v2.ts";

interface Entry {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly handle: (exchange: Exchange) => Answer | Promise<Answer>;
  readonly options?: RouteOptions;
}

const PROBE: RouteOptions = { isProbe: true };

/** @param version of the package */
function routes(service: Service, version: string): Entry[] {
  const ok = () => ({ body: '{"status":"ok"}' });
  const readyOr = (answer: Answer) => (exchange: Exchange) => {
    if (service.isDraining) throw new HttpError("draining", "The server is about to end");
    // Its self-test has passed, or it would not be there.
    exchange.model;
    return answer;
  };
  // Made once a model: those of a wide one are megabytes.
  const made = new WeakMap<object, { openapi: string; page: string }>();
  const documentsOf = (served: ServedModel | null) => {
    const key = served ?? service;
    let documents = made.get(key);
    if (documents === undefined) {
      const document = openapiOf(served, version);
      documents = { openapi: JSON.stringify(document), page: docsPage(document) };
      made.set(key, documents);
    }
    return documents;
  };
  // MLflow's server has no such route without a model.
  const ping = (exchange: Exchange): Answer => {
    if (exchange.served === null) throw new HttpError("unknown_model", "No model serves yet");
    return readyOr({ type: "text/plain; charset=utf-8", body: "\n" })(exchange);
  };
  return [
    { method: "POST", path: "/predict", handle: predict },
    { method: "GET", path: "/healthz", handle: ok, options: PROBE },
    { method: "GET", path: "/livez", handle: ok, options: PROBE },
    { method: "GET", path: "/readyz", handle: readyOr({ body: '{"ready":true}' }), options: PROBE },
    { method: "GET", path: "/model", handle: modelRoute },
    { method: "GET", path: "/drift", handle: driftOfWindow },
    { method: "POST", path: "/drift", handle: driftOfBody },
    {
      method: "GET",
      path: "/metrics",
      options: PROBE,
      handle: async () => {
        service.metrics.isReady = !service.isDraining && service.models.current !== null;
        return { type: service.metrics.contentType, body: await service.metrics.text() };
      },
    },
    { method: "POST", path: "/invocations", handle: invocations, options: { isMlflow: true } },
    { method: "GET", path: "/ping", handle: ping, options: { ...PROBE, isMlflow: true } },
    { method: "GET", path: "/health", handle: ping, options: { ...PROBE, isMlflow: true } },
    { method: "GET", path: "/v2", handle: () => serverMetadata(version) },
    {
      method: "GET",
      path: "/v2/health/live",
      handle: () => ({ body: '{"live":true}' }),
      options: PROBE,
    },
    {
      method: "GET",
      path: "/v2/health/ready",
      handle: readyOr({ body: '{"live":true,"ready":true}' }),
      options: PROBE,
    },
    ...["/v2/models/:model", "/v2/models/:model/versions/:version"].flatMap((path): Entry[] => [
      { method: "GET", path, handle: modelMetadata },
      { method: "GET", path: `${path}/ready`, handle: modelReady },
      { method: "POST", path: `${path}/infer`, handle: infer },
    ]),
    {
      method: "GET",
      path: "/openapi.json",
      handle: ({ served }) => ({ body: documentsOf(served).openapi }),
    },
    {
      method: "GET",
      path: "/docs",
      handle: ({ served }) => ({
        type: "text/html; charset=utf-8",
        body: documentsOf(served).page,
        headers: { "content-security-policy": PAGE_POLICY },
      }),
    },
    {
      method: "GET",
      path: "/docs/style.css",
      handle: () => ({ type: "text/css; charset=utf-8", body: DOCS_STYLE }),
    },
  ];
}

/** The routes as a hono app: `app.fetch` takes a Request and gives a Response. */
export function createApp(service: Service, version: string): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  const methods = new Map<string, string[]>();
  const entries = routes(service, version);
  for (const { method, path, handle, options } of entries) {
    app.on(method, path, route(service, path, handle, options) as never);
    methods.set(path, [
      ...(methods.get(path) ?? []),
      ...(method === "GET" ? ["GET", "HEAD"] : [method]),
    ]);
  }
  for (const [path, allowed] of methods) {
    const refuse = () => {
      const allow = allowed.join(", ");
      throw new HttpError("method_not_allowed", `This route takes ${allow}`, {}, { allow });
    };
    const { options } = entries.find((entry) => entry.path === path)!;
    app.all(path, route(service, path, refuse, options) as never);
  }
  const absent = route(service, "other", () => {
    throw new HttpError("not_found", "There is no such route; /docs lists them");
  });
  app.notFound((context) => absent(context as unknown as AppContext));
  // Nothing gets here: `route` answers for whatever a handler throws.
  app.onError((error) => {
    throw error;
  });
  return app;
}
