import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { environmentChangesBody } from "../protocol/http-bodies.ts";
import { adminOf } from "./credentials.ts";
import { readJson } from "./body.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

export function environmentRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.post("/update_environment_variables", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const { changes } = await readJson(c.req.raw, environmentChangesBody, services.settings.functionBodyBytes);
    await services.environment.update(changes);
    return c.body(null, 200);
  });
  return app;
}
