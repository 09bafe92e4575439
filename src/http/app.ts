import { Hono } from "hono";
import { badRequest } from "../shared/coded-error.ts";
import { appMetricsRoutes } from "./app-metrics.ts";
import { adminRoutes, instanceRoutes } from "./admin.ts";
import { discardBody } from "./body.ts";
import { type ClientVersion, type Deprecation, deprecation, parseClientVersion } from "./client-version.ts";
import { cors } from "./cors.ts";
import { dashboardRoutes } from "./dashboard.ts";
import { deployRoutes } from "./deploy.ts";
import { environmentRoutes } from "./environment.ts";
import { errorResponse } from "./errors.ts";
import { fileRoutes } from "./files.ts";
import { functionRoutes } from "./functions.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import { answerByHttpAction } from "./http-actions.ts";
import { jobRoutes } from "./jobs.ts";
import { logRoutes } from "./logs.ts";
import { nodeCallbackRoutes } from "./node-callbacks.ts";
import { pausingRoutes } from "./pausing.ts";
import { streamingExportRoutes } from "./streaming-export.ts";
import { syncRoutes } from "./sync-upgrade.ts";
import { testFunctionRoutes } from "./test-function.ts";
import { toolRoutes } from "./tools.ts";
import { transferRoutes } from "./transfer.ts";
import { RememberedRoutes } from "./remembered-routes.ts";
import { requestIdOf } from "./request-context.ts";
import type { HttpServices } from "./services.ts";

/** The deployment's API origin. */
export function createApp(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>({ getPath, router: new RememberedRoutes() });

  app.onError((error, c) => failed(error, c, services));
  app.notFound((c) => c.body(null, 404));

  const identify = (c: HttpContext): void => c.set("requestId", requestIdOf(c.req.raw.headers, services.random));
  // In front of what is added to answers of the API: these are the developer's own, headers and all.
  app.use("/http/*", (c) => {
    identify(c);
    return answerByHttpAction(c, services, "/http");
  });
  // One for all that every call of the API passes: each middleware of Hono is a promise and two functions more.
  app.use(async (c, next) => {
    identify(c);
    try {
      const preflight = cors(c);
      if (preflight !== null) return preflight;
      admitClient(c);
      await next();
    } finally {
      await discardBody(c.req.raw);
    }
    return undefined;
  });

  const families = [
    ["/api", functionRoutes(services)],
    ["/api", deployRoutes(services)],
    ["/api", environmentRoutes(services)],
    ["/api", adminRoutes(services)],
    ["/api", jobRoutes(services)],
    ["/api", pausingRoutes(services)],
    ["/api", logRoutes(services)],
    ["/api", testFunctionRoutes(services)],
    ["/api", transferRoutes(services)],
    ["/api", streamingExportRoutes(services)],
    ["/api", toolRoutes()],
    ["/api", dashboardRoutes(services)],
    ["/api/app_metrics", appMetricsRoutes(services)],
    ["/api/node", nodeCallbackRoutes(services)],
    ["/api", syncRoutes(services)],
    ["/api", fileRoutes(services)],
    ["/", instanceRoutes(services)],
  ] as const;
  for (const [base, routes] of families) app.route(base, routes);
  // Only a path that some method knows has a wrong one.
  for (const path of new Set(app.routes.filter((route) => route.method !== "ALL").map((route) => route.path))) {
    app.all(path, (c) => c.body(null, 405));
  }

  return app;
}

/** The site origin, where HTTP actions answer. Nothing is added to their responses, and nothing answers for them. */
export function createSiteApp(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>({ getPath });
  const base = new URL(services.settings.siteUrl).pathname.replace(/\/$/, "");
  app.onError((error, c) => failed(error, c, services));
  app.use(async (c, next) => {
    c.set("requestId", requestIdOf(c.req.raw.headers, services.random));
    c.set("client", null);
    await next();
  });
  app.use((c) => answerByHttpAction(c, services, base));
  return app;
}

function failed(error: unknown, c: HttpContext, services: HttpServices): Response {
  const { status, body } = errorResponse(error, services.log, c.get("requestId"));
  return body === null ? c.body(null, status) : c.json(body, status);
}

/** The raw path: segments are decoded by whoever splits them. A base URL with a trailing slash doubles the first one. */
function getPath({ url }: Request): string {
  // Behind the scheme and at least one character of a host.
  let start = url.indexOf("/", "http://h".length);
  const end = url.slice(start).search(/[?#]/);
  const stop = end === -1 ? url.length : start + end;
  while (url[start + 1] === "/" && start + 1 < stop) start++;
  return url.slice(start, stop);
}

interface CheckedClient {
  readonly header: string;
  readonly client: ClientVersion;
  readonly deprecated: Deprecation | null;
}

/** Most requests come from the same client as the one before. */
let lastClient: CheckedClient | null = null;

/** Throws for clients that are no longer served. */
function admitClient(c: HttpContext): void {
  const header = c.req.header("convex-client");
  if (header === undefined) {
    c.set("client", null);
    return;
  }
  if (lastClient?.header !== header) {
    const parsed = parseClientVersion(header);
    lastClient = { header, client: parsed, deprecated: deprecation(parsed) };
  }
  const { client, deprecated } = lastClient;
  c.set("client", client);
  if (deprecated !== null) {
    c.header("x-convex-deprecation-state", deprecated.state);
    c.header("x-convex-deprecation-message", deprecated.message);
    if (deprecated.state === "Unsupported") throw badRequest("ClientVersionUnsupported", deprecated.message);
  }
}
