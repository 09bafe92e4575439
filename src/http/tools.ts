import { Hono } from "hono";
import type { HttpEnv } from "./hono-env.ts";

/**
 * Under `/api`: what stands in for the account service of the hosted product, so that `npx convex mcp start` runs
 * against this backend alone (docs/tools.md). It knows nothing and grants nothing.
 */
export function toolRoutes(): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  // Asked by HEAD.
  app.get("/authorize", (c) => c.body(null, 200));
  app.post("/check_opt_ins", (c) => c.json({ optInsToAccept: [] }));
  return app;
}
