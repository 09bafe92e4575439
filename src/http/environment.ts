import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { environmentChangesBody } from "../protocol/http-bodies.ts";
import { adminOf } from "./credentials.ts";
import { readJson } from "./body.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

export function environmentRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  // The second is that of the deployment API, which the hosted product has too.
  for (const path of ["/update_environment_variables", "/v1/update_environment_variables"]) {
    app.post(path, async (c) => {
      requireWriteAccess(await adminOf(c, services));
      const { changes } = await readJson(c.req.raw, environmentChangesBody, services.settings.functionBodyBytes);
      await services.environment.update(changes);
      return c.body(null, 200);
    });
  }
  app.get("/v1/list_environment_variables", async (c) => {
    await adminOf(c, services);
    const variables = await services.environment.list();
    return c.json({ environmentVariables: Object.fromEntries(variables.map(({ name, value }) => [name, value])) });
  });
  return app;
}
