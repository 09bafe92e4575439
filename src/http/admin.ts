import { Hono } from "hono";
import { adminOf } from "./credentials.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** Whoever verifies tokens asks again every few minutes. */
const KEYS_CACHE = { "Cache-Control": "public, max-age=300" };

/** Under `/api`. */
export function adminRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/check_admin_key", async (c) => {
    const { readOnly } = await adminOf(c, services);
    // No list of operations stands for all of them.
    return c.json({ success: true, allowedOps: [], isReadOnly: readOnly });
  });
  app.get("/v1/deployment_info", async (c) => {
    await adminOf(c, services);
    return c.json({ kind: "selfHosted" });
  });
  return app;
}

/** At the root of the deployment's origin, open to everybody. */
export function instanceRoutes({ settings, signingKeys }: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/", (c) => c.text("This Convex deployment is running."));
  app.get("/version", (c) => c.text(settings.version));
  app.get("/instance_version", (c) => c.text(settings.version));
  app.get("/instance_name", (c) => c.text(settings.instanceName));
  app.get("/.well-known/jwks.json", async (c) => c.json(await signingKeys(), 200, KEYS_CACHE));
  app.get("/.well-known/openid-configuration", (c) =>
    c.json(
      {
        issuer: settings.cloudUrl,
        jwks_uri: `${settings.cloudUrl}/.well-known/jwks.json`,
        id_token_signing_alg_values_supported: ["ES256"],
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
      },
      200,
      KEYS_CACHE,
    ),
  );
  app.post("/echo", (c) => {
    if (Number(c.req.header("content-length") ?? 0) > settings.echoBodyBytes) return c.body(null, 413);
    const { body } = c.req.raw;
    if (body === null) return c.body(null, 200);
    return c.body(body.pipeThrough(atMost(settings.echoBodyBytes)), 200, {
      "Content-Type": "application/octet-stream",
    });
  });
  return app;
}

/** Streams what comes, and breaks off a body that had no length and turned out too long. */
function atMost(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let length = 0;
  return new TransformStream({
    transform(chunk, controller) {
      length += chunk.byteLength;
      if (length > limit) controller.error(new RangeError(`The request body is larger than ${limit} bytes`));
      else controller.enqueue(chunk);
    },
  });
}
