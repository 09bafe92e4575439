import { Hono } from "hono";
import { badRequest } from "../shared/coded-error.ts";
import { adminOf } from "./credentials.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/**
 * Under `/api`: what tools ask besides the CLI. The last two stand in for the account service of the hosted product,
 * so that `npx convex mcp start` runs against this backend alone (docs/tools.md); they know nothing and grant nothing.
 */
export function toolRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/shapes2", async (c) => {
    const outcome = await services.shapes.shapes(await adminOf(c, services), c.req.query("component") ?? "");
    if (!outcome.ok) throw badRequest("ShapesUnavailable", outcome.error.message);
    return c.body(outcome.value, 200, { "Content-Type": "application/json" });
  });
  // Asked by HEAD.
  app.get("/authorize", (c) => c.body(null, 200));
  app.post("/check_opt_ins", (c) => c.json({ optInsToAccept: [] }));
  return app;
}
