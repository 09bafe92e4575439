import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { deploymentStateBody } from "../protocol/http-bodies.ts";
import { readJson } from "./body.ts";
import { adminOf } from "./credentials.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** Pausing and resuming, as the deployment API and the dashboard ask for it. */
export function pausingRoutes(services: HttpServices): Hono<HttpEnv> {
  const { pausing, settings } = services;
  const app = new Hono<HttpEnv>();
  app.post("/v1/pause_deployment", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    await pausing.pause();
    return c.body(null, 200);
  });
  app.post("/v1/unpause_deployment", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    await pausing.resume();
    return c.body(null, 200);
  });
  app.post("/change_deployment_state", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const { newState } = await readJson(c.req.raw, deploymentStateBody, settings.functionBodyBytes);
    await (newState === "paused" ? pausing.pause() : pausing.resume());
    return c.body(null, 200);
  });
  return app;
}
