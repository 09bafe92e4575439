import { Hono } from "hono";
import { authenticate, parseAdminKey, requireAdmin } from "../auth/authorization.ts";
import { testFunctionBody } from "../protocol/http-bodies.ts";
import { argumentsText } from "./arguments.ts";
import { readJson } from "./body.ts";
import { credentialsOf } from "./credentials.ts";
import { beforeTimeout } from "./deadline.ts";
import { defaultFormat, responseFormat } from "./formats.ts";
import type { HttpEnv } from "./hono-env.ts";
import { outcomeBody } from "./outcome.ts";
import { requestContext } from "./request-context.ts";
import type { HttpServices } from "./services.ts";

/** Under `/api`: a query given as source, for `npx convex run --inline-query` and tools. Reads only. */
export function testFunctionRoutes(services: HttpServices): Hono<HttpEnv> {
  const { testFunctions, settings } = services;
  const app = new Hono<HttpEnv>();
  app.post("/run_test_function", async (c) => {
    const credentials = credentialsOf(c);
    if (credentials.kind !== "none") requireAdmin(await authenticate(credentials, services));
    const body = await readJson(c.req.raw, testFunctionBody, settings.functionBodyBytes);
    const identity = requireAdmin(await authenticate(parseAdminKey(body.adminKey), services));
    const format = responseFormat(body.format, defaultFormat(c.get("client")));
    const outcome = testFunctions.runQuery({
      component: body.componentId ?? "",
      path: body.bundle.path,
      source: body.bundle.source,
      args: argumentsText(body.args),
      identity,
      context: requestContext(c.req.raw.headers, c.get("requestId")),
    });
    const text = outcomeBody(await beforeTimeout(outcome, settings.requestTimeoutMs), {
      format,
      requestId: c.get("requestId"),
      redact: false,
    });
    return c.body(text, 200, { "Content-Type": "application/json" });
  });
  return app;
}
