import { Hono } from "hono";
import { badRequest } from "../shared/coded-error.ts";
import { compareSemver, parseSemver } from "../shared/semver.ts";
import { type ClientVersion, deprecation } from "./client-version.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import { requestContext } from "./request-context.ts";
import type { HttpServices } from "./services.ts";

/** npm clients put Transitions together from chunks since this version; no other client does. */
const CHUNKS_SINCE = "1.28.0";

/** Sockets of the sync protocol: npm clients name their version in the path, others in `Convex-Client`. */
export function syncRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/sync", (c) => upgrade(c, c.var.client));
  app.get("/:version/sync", (c) => {
    const version = c.req.param("version");
    const parsed = parseSemver(version);
    if (parsed === null) throw badRequest("InvalidClientVersion", `Expected a version of the client. Got ${version}`);
    const client: ClientVersion = { client: "npm", version, parsed };
    const deprecated = deprecation(client);
    if (deprecated?.state === "Unsupported") throw badRequest("ClientVersionUnsupported", deprecated.message);
    return upgrade(c, client);
  });

  function upgrade(c: HttpContext, client: ClientVersion | null): Promise<Response> {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw badRequest("WebSocketUpgradeRequired", "This endpoint takes WebSocket connections only");
    }
    const { ip, userAgent } = requestContext(c.req.raw.headers, c.var.requestId);
    return services.sync.connect({ ip, userAgent, chunks: takesChunks(client) });
  }

  return app;
}

function takesChunks(client: ClientVersion | null): boolean {
  const since = parseSemver(CHUNKS_SINCE);
  if (client === null || client.client !== "npm" || client.parsed === null || since === null) return false;
  return compareSemver(client.parsed, since) >= 0;
}
