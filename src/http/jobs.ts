import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { cancelJobBody } from "../protocol/http-bodies.ts";
import { readJson } from "./body.ts";
import { adminOf } from "./credentials.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** What the dashboard does to scheduled functions. */
export function jobRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.post("/cancel_job", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const { id, componentId } = await readJson(c.req.raw, cancelJobBody, services.settings.functionBodyBytes);
    await services.jobs.cancel(componentId ?? "", id);
    return c.body(null, 200);
  });
  return app;
}
