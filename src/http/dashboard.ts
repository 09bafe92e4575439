import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { cancelAllJobsBody, componentBody, deleteTablesBody } from "../protocol/http-bodies.ts";
import type { FunctionOutcome } from "../protocol/execution.ts";
import { badRequest, notAvailableYet } from "../shared/coded-error.ts";
import { readJson } from "./body.ts";
import { adminOf } from "./credentials.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** Nanoseconds, as the dashboard counts. */
const NS_PER_MS = 1e6;

/** Under `/api`: what the dashboard does besides calling system functions. */
export function dashboardRoutes(services: HttpServices): Hono<HttpEnv> {
  const { dashboard, settings } = services;
  const app = new Hono<HttpEnv>();

  app.get("/shapes2", async (c) => {
    const identity = await adminOf(c, services);
    return json(c, await dashboard.shapes(identity, c.req.query("component") ?? ""));
  });

  app.get("/get_source_code", async (c) => {
    const identity = await adminOf(c, services);
    const { path, component = "" } = c.req.query();
    if (path === undefined) throw badRequest("MissingPath", "Missing query parameter `path`");
    return json(c, await dashboard.sourceCode(identity, component, path));
  });

  app.get("/get_indexes", async (c) => {
    const identity = await adminOf(c, services);
    return json(c, await dashboard.indexes(identity, c.req.query("componentId") ?? ""));
  });

  app.post("/delete_tables", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const { tableNames, componentId } = await readJson(c.req.raw, deleteTablesBody, settings.functionBodyBytes);
    await dashboard.deleteTables(componentId ?? "", tableNames);
    return c.body(null, 200);
  });

  app.post("/cancel_all_jobs", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const body = await readJson(c.req.raw, cancelAllJobsBody, settings.functionBodyBytes);
    await services.jobs.cancelAll({
      component: body.componentId ?? body.componentPath ?? "",
      ...(typeof body.udfPath === "string" ? { udfPath: body.udfPath } : {}),
      ...(typeof body.startNextTs === "number" ? { from: body.startNextTs / NS_PER_MS } : {}),
      ...(typeof body.endNextTs === "number" ? { to: body.endNextTs / NS_PER_MS } : {}),
    });
    return c.body(null, 200);
  });

  for (const [path, what] of [
    ["/delete_component", "Deleting a component with its data"],
    ["/delete_scheduled_functions_table", "Deleting the table of scheduled functions"],
  ] as const) {
    app.post(path, async (c) => {
      requireWriteAccess(await adminOf(c, services));
      await readJson(c.req.raw, componentBody, settings.functionBodyBytes);
      throw notAvailableYet(what);
    });
  }
  return app;
}

function json(c: HttpContext, outcome: FunctionOutcome): Response {
  if (!outcome.ok) throw badRequest("DashboardQueryFailed", outcome.error.message);
  return c.body(outcome.value, 200, { "Content-Type": "application/json" });
}
