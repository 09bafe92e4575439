import { Hono } from "hono";
import { nodeSyscallRequest } from "../protocol/node-actions.ts";
import type { SyscallResponse } from "../protocol/invocation.ts";
import { CodedError } from "../shared/coded-error.ts";
import { sha256 } from "../signing/content-digest.ts";
import { SignatureRefusedError, verifyBody, verifyHeaders } from "../signing/verify.ts";
import { parseJson, parseShape, readBytes } from "./body.ts";
import { errorResponse } from "./errors.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** An action may run for minutes, and nothing on the way may take the silence for a dead connection. */
const SPACE_INTERVAL_MS = 15_000;

export function nodeCallbackRoutes(services: HttpServices): Hono<HttpEnv> {
  const { nodeCallbacks: node } = services;
  const app = new Hono<HttpEnv>();

  app.get("/packages/:hash", async (c) => {
    await signedBody(c, services, 0);
    const hash = c.req.param("hash");
    const zip = /^[0-9a-f]{64}$/.test(hash) ? await node.package(hash) : null;
    if (zip === null) return c.json({ code: "PackageNotFound", message: "No such package", retryable: false }, 404);
    return c.body(zip, 200, { "Content-Type": "application/zip" });
  });

  app.post("/syscall", async (c) => {
    const body = await signedBody(c, services, node.bodyBytes);
    const request = parseShape(nodeSyscallRequest, parseJson(body));
    const answer = node.syscall(request);
    // Goes on when the service hangs up: what was begun is finished.
    c.env.keepAlive?.(answer.catch(() => undefined));
    return request.op === "1.0/actions/action"
      ? slowJson(c, answer, services)
      : c.body(JSON.stringify(await answer), 200, { "Content-Type": "application/json" });
  });
  return app;
}

/** The body of a request that the service signed for exactly this; else 401, and a line in the log. */
async function signedBody(c: HttpContext, services: HttpServices, limit: number): Promise<Uint8Array> {
  const { nodeCallbacks: node, clock, log } = services;
  const { raw } = c.req;
  const { pathname, search } = new URL(raw.url);
  try {
    const verified = await verifyHeaders(
      {
        direction: "to-worker",
        method: raw.method,
        target: pathname + search,
        header: (name) => raw.headers.get(name),
      },
      await node.keys(),
      clock,
      { clockSkewMs: node.clockSkewMs },
    );
    const body = await readBytes(raw, limit);
    verifyBody(verified, await sha256(body), node.nonces, clock);
    return body;
  } catch (error) {
    if (!(error instanceof SignatureRefusedError)) throw error;
    log.warn("node_callback.refused", { code: error.code, reason: error.message, path: pathname });
    throw new CodedError("Unauthenticated", error.code, "The request is not signed as it should be", { cause: error });
  }
}

/** The answer as JSON behind a space now and then. Its status is 200 whatever comes, so a failure is in the body. */
function slowJson(c: HttpContext, answer: Promise<SyscallResponse>, services: HttpServices): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const write = (text: string): Promise<void> => writer.write(encoder.encode(text)).catch(() => undefined);
  const spaces = setInterval(() => void write(" "), SPACE_INTERVAL_MS);
  const written = answer
    .catch((error: unknown): SyscallResponse => {
      const { body } = errorResponse(error, services.log, c.var.requestId);
      return { ok: false, message: body?.message ?? "" };
    })
    .then(async (response) => {
      clearInterval(spaces);
      await write(JSON.stringify(response));
      // Nobody is there to read it when this fails.
      await writer.close().catch(() => undefined);
    });
  c.env.keepAlive?.(written);
  return c.body(readable, 200, { "Content-Type": "application/json" });
}
