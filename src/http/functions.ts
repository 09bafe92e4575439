import { Hono } from "hono";
import { authenticateRequest, requireAdmin, requireWriteAccess } from "../auth/authorization.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import {
  anyFunctionBody,
  functionCallBody,
  queryAtTsBody,
  queryBatchBody,
  runBody,
  type FunctionCallBody,
} from "../protocol/http-bodies.ts";
import { isPrivileged, type Identity } from "../protocol/identity.ts";
import { decodeWireTimestamp, encodeWireTimestamp } from "../protocol/wire-timestamp.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import type { ValueFormat } from "../values/clean-json.ts";
import { argumentsText } from "./arguments.ts";
import { parseJson, parseShape, readJson } from "./body.ts";
import { credentialsOf } from "./credentials.ts";
import { beforeTimeout, keepAlive } from "./deadline.ts";
import { defaultFormat, responseFormat } from "./formats.ts";
import { calledPath, runPath, type CalledPath } from "./function-address.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import { outcomeBody } from "./outcome.ts";
import { requestContext } from "./request-context.ts";
import type { HttpServices } from "./services.ts";

/** A call whose path, arguments and format have been checked, waiting for an identity. */
interface CheckedCall {
  readonly path: CalledPath;
  readonly args: string;
  readonly format: ValueFormat;
}

/**
 * Endpoints that run functions. Order of checks: credentials are well formed, body, path, format, credentials are
 * right, execution. `/api/function` and `/api/run` look at the credentials before the path (`wire.md` §2.4).
 */
export function functionRoutes(services: HttpServices): Hono<HttpEnv> {
  const { functions, settings } = services;
  const app = new Hono<HttpEnv>();

  app.post("/query", async (c) => {
    const credentials = credentialsOf(c);
    const checked = checkCall(c, await readJson(c.req.raw, functionCallBody, settings.functionBodyBytes));
    return runQuery(c, checked, await authenticateRequest(credentials, services));
  });

  app.get("/query", async (c) => {
    const credentials = credentialsOf(c);
    const checked = checkCall(c, queryParameters(c));
    return runQuery(c, checked, await authenticateRequest(credentials, services));
  });

  app.post("/query_at_ts", async (c) => {
    const credentials = credentialsOf(c);
    const body = await readJson(c.req.raw, queryAtTsBody, settings.functionBodyBytes);
    const checked = checkCall(c, body);
    const at = decodeWireTimestamp(body.ts);
    if (at === null) throw badRequest("InvalidTimestamp", `Invalid timestamp ${body.ts}`);
    const identity = await authenticateRequest(credentials, services);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a plain count on the wire, the engine's from here on
    const ts = at as Timestamp;
    if (ts > (await functions.latestTs())) {
      throw badRequest("InvalidTimestamp", `Timestamp ${body.ts} is newer than the database`);
    }
    return runQuery(c, checked, identity, ts);
  });

  app.post("/query_batch", async (c) => {
    const credentials = credentialsOf(c);
    const { queries } = await readJson(c.req.raw, queryBatchBody, settings.functionBodyBytes);
    if (queries.length > settings.queriesPerBatch) {
      throw badRequest("TooManyQueries", `A batch has ${settings.queriesPerBatch} queries at most`);
    }
    const checked = queries.map((query) => checkCall(c, query));
    const identity = await authenticateRequest(credentials, services);
    const calls = checked.map((call) => functionCall(c, call, identity));
    const outcomes = await beforeTimeout(functions.queryBatch(calls), settings.requestTimeoutMs);
    const results = outcomes.map((outcome, i) => bodyOf(c, outcome, checked[i]?.format ?? "json", identity));
    return json(c, `{"results":[${results.join(",")}]}`);
  });

  app.post("/query_ts", async (c) => json(c, JSON.stringify({ ts: encodeWireTimestamp(await functions.latestTs()) })));

  app.post("/mutation", async (c) => {
    const credentials = credentialsOf(c);
    const checked = checkCall(c, await readJson(c.req.raw, functionCallBody, settings.functionBodyBytes));
    const identity = await authenticateRequest(credentials, services);
    requireWriteAccess(identity);
    const call: MutationCall = { ...functionCall(c, checked, identity), v: 1, idempotency: null };
    const outcome = keepAlive(c, functions.runMutation(call));
    return json(c, bodyOf(c, await beforeTimeout(outcome, settings.requestTimeoutMs), checked.format, identity));
  });

  app.post("/action", async (c) => {
    const credentials = credentialsOf(c);
    const checked = checkCall(c, await readJson(c.req.raw, functionCallBody, settings.functionBodyBytes));
    const identity = await authenticateRequest(credentials, services);
    if (checked.path.system && !isPrivileged(identity)) throw systemIdentityRequired();
    requireWriteAccess(identity);
    const outcome = await keepAlive(c, functions.runAction(functionCall(c, checked, identity)));
    return json(c, bodyOf(c, outcome, checked.format, identity));
  });

  app.post("/function", async (c) => {
    const credentials = credentialsOf(c);
    const body = await readJson(c.req.raw, anyFunctionBody, settings.functionBodyBytes);
    const identity = requireAdmin(await authenticateRequest(credentials, services));
    const format = responseFormat(body.format, defaultFormat(c.var.client));
    const path = calledPath(body.path, body.componentPath ?? "");
    return runAny(c, { path, args: argumentsText(body.args), format }, identity);
  });

  app.post("/run/*", async (c) => {
    const credentials = credentialsOf(c);
    const body = await readJson(c.req.raw, runBody, settings.functionBodyBytes);
    const identity = await authenticateRequest(credentials, services);
    const format = responseFormat(body.format, "json");
    const path = runPath(c.req.path.slice("/api/run/".length));
    return runAny(c, { path, args: argumentsText(body.args), format }, identity);
  });

  async function runQuery(c: HttpContext, call: CheckedCall, identity: Identity, at?: Timestamp): Promise<Response> {
    const outcome = functions.runQuery(functionCall(c, call, identity), at);
    return json(c, bodyOf(c, await beforeTimeout(outcome, settings.requestTimeoutMs), call.format, identity));
  }

  /** May turn out to be an action, so there is no time-out here: an action is never cut before its own limit. */
  async function runAny(c: HttpContext, call: CheckedCall, identity: Identity): Promise<Response> {
    const { outcome } = await keepAlive(c, functions.runAny(functionCall(c, call, identity)));
    return json(c, bodyOf(c, outcome, call.format, identity));
  }

  function bodyOf(c: HttpContext, outcome: FunctionOutcome, format: ValueFormat, identity: Identity): string {
    const redact = settings.redactErrors && !isPrivileged(identity);
    return outcomeBody(outcome, { format, requestId: c.var.requestId, redact });
  }

  return app;
}

function checkCall(c: HttpContext, body: FunctionCallBody): CheckedCall {
  const path = calledPath(body.path, "");
  const format = responseFormat(body.format, defaultFormat(c.var.client));
  return { path, args: argumentsText(body.args), format };
}

/** Server-side rights come from an admin key alone; everybody else reaches public functions only. */
function functionCall(c: HttpContext, call: CheckedCall, identity: Identity): FunctionCall {
  return {
    path: call.path.path,
    args: call.args,
    identity,
    context: requestContext(c.req.raw.headers, c.var.requestId),
    visibility: isPrivileged(identity) ? "internal" : "public",
  };
}

/** Actions say so with a status; to queries and mutations a system function is one they can't find (`wire.md` §2.5.1). */
function systemIdentityRequired(): CodedError {
  return new CodedError("Forbidden", "SystemIdentityRequired", "System functions can only be called with an admin key");
}

function queryParameters(c: HttpContext): FunctionCallBody {
  const { path, args, format } = c.req.query();
  if (args === undefined) throw badRequest("BadQueryArgs", "Missing query parameter `args`");
  try {
    return parseShape(functionCallBody, { path, args: parseJson(new TextEncoder().encode(args)), format });
  } catch (cause) {
    const message = cause instanceof CodedError ? cause.message : "invalid";
    throw new CodedError("BadRequest", "BadQueryArgs", message, { cause });
  }
}

function json(c: HttpContext, text: string): Response {
  return c.body(text, 200, { "Content-Type": "application/json" });
}
