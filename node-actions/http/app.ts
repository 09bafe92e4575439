import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import type { NodeServiceError } from "../../src/protocol/node-actions.ts";
import type { Log } from "../../src/shared/log.ts";
import type { Metrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import type { Service } from "../service.ts";
import { answerWithEvents } from "./event-answer.ts";
import { guard, type GuardedEnv, type GuardOptions } from "./guard.ts";

export function serviceApp(service: Service, guardOptions: GuardOptions, metrics: Metrics, log: Log): Hono {
  const app = new Hono();
  app.get("/healthz", (context) =>
    service.draining ? context.json({ status: "draining" }, 503) : context.json({ status: "ok" }),
  );
  app.get("/metrics", async (context) =>
    context.text(await metrics.text(), 200, { "content-type": metrics.contentType }),
  );
  const signed = new Hono<GuardedEnv>();
  signed.use(guard(guardOptions));
  signed.post("/execute", async (context) => {
    answerWithEvents(await service.execute(context.get("body")), context.env.outgoing, log);
    return RESPONSE_ALREADY_SENT;
  });
  signed.post("/analyze", async (context) => context.json(await service.analyze(context.get("body"))));
  signed.post("/prepare", async (context) => {
    await service.prepare(context.get("body"));
    return context.body(null, 204);
  });
  app.route("/", signed);
  app.notFound((context) => context.json(body("NotFound", "There is nothing here."), 404));
  app.onError((error, context) => {
    if (error instanceof Refusal) {
      if (error.status !== 401) metrics.refused.inc({ code: error.code });
      return context.json(error.body, error.status);
    }
    log.error("request failed", error, { path: context.req.path });
    return context.json(body("InternalServerError", "The Node service failed to handle the request."), 500);
  });
  return app;
}

function body(code: string, message: string): NodeServiceError {
  return { code, message, retryable: false };
}
