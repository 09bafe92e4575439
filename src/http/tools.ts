import { Hono } from "hono";
import { badRequest, notAvailableYet } from "../shared/coded-error.ts";
import { adminOf } from "./credentials.ts";
import type { HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

const MISSING = [["/export/*", "Exporting data"]] as const;

/**
 * Under `/api`: what tools ask besides the CLI. The last two stand in for the account service of the hosted product,
 * so that `npx convex mcp start` runs against this backend alone (docs/tools.md); they know nothing and grant nothing.
 */
export function toolRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/shapes2", async (c) => {
    const outcome = await services.shapes.shapes(await adminOf(c, services));
    if (!outcome.ok) throw badRequest("ShapesUnavailable", outcome.error.message);
    return c.body(outcome.value, 200, { "Content-Type": "application/json" });
  });
  // Asked by HEAD.
  app.get("/authorize", (c) => c.body(null, 200));
  // Refused at once: the CLI takes a 404 for a deployment that is just starting, and asks for minutes.
  for (const [paths, feature] of MISSING) {
    app.all(paths, async (c) => {
      await adminOf(c, services);
      throw notAvailableYet(feature);
    });
  }
  app.post("/check_opt_ins", (c) => c.json({ optInsToAccept: [] }));
  return app;
}
