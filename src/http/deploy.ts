import { brotliDecompress } from "node:zlib";
import { Hono } from "hono";
import {
  authenticate,
  parseAdminKey,
  requireAdmin,
  requireWriteAccess,
  type AdminIdentity,
} from "../auth/authorization.ts";
import { adminKeyBody } from "../protocol/http-bodies.ts";
import { badJsonBody, checkContentType, parseJson, parseShape, readBytes } from "./body.ts";
import { adminOf, credentialsOf } from "./credentials.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices, PushService } from "./services.ts";

/** Endpoint under `/api` → method, and whether a read-only key will do. */
const PUSH_ENDPOINTS: readonly (readonly [
  path: string,
  method: Exclude<keyof PushService, "schemaState">,
  access: "read" | "write",
])[] = [
  ["/get_config_hashes", "getConfigHashes", "read"],
  ["/deploy2/start_push", "startPush", "write"],
  ["/deploy2/evaluate_push", "evaluatePush", "write"],
  ["/deploy2/evaluate_schema", "evaluateSchema", "write"],
  ["/deploy2/wait_for_schema", "waitForSchema", "write"],
  ["/deploy2/finish_push", "finishPush", "write"],
  ["/deploy2/report_push_completed", "reportPushCompleted", "read"],
  ["/get_config", "getConfig", "read"],
  ["/prepare_schema", "prepareSchema", "write"],
  ["/push_config", "pushConfig", "write"],
];

export function deployRoutes(services: HttpServices): Hono<HttpEnv> {
  const { push, settings } = services;
  const app = new Hono<HttpEnv>();

  app.get("/v1/get_canonical_urls", async (c) => {
    await adminOf(c, services);
    return c.json({ convexCloudUrl: settings.cloudUrl, convexSiteUrl: settings.siteUrl });
  });

  app.get("/schema_state/:schemaId", async (c) => {
    requireWriteAccess(await adminOf(c, services));
    const state = await push.schemaState(c.req.param("schemaId"));
    return c.body(JSON.stringify(state), 200, { "Content-Type": "application/json" });
  });

  for (const [path, method, access] of PUSH_ENDPOINTS) {
    app.post(path, async (c) => {
      const body = await readPush(c, services, access);
      return c.body(JSON.stringify(await push[method](body)), 200, { "Content-Type": "application/json" });
    });
  }
  return app;
}

/**
 * The key is in the header and again in the body (`cli.md` §1.3). With a good header the body may be as large as a
 * push; a caller who has only the body to show must keep it short, since it is read before it is believed.
 */
async function readPush(c: HttpContext, services: HttpServices, access: "read" | "write"): Promise<unknown> {
  const { settings } = services;
  checkContentType(c.req.raw);
  const credentials = credentialsOf(c);
  const known = credentials.kind !== "none";
  if (known) authorize(requireAdmin(await authenticate(credentials, services)));

  const limit = known ? settings.pushBodyBytes : settings.functionBodyBytes;
  const bytes = await readBytes(c.req.raw, limit);
  const body = parseJson(await decompress(bytes, c.req.header("content-encoding"), limit));
  const { adminKey } = parseShape(adminKeyBody, body);
  authorize(requireAdmin(await authenticate(parseAdminKey(adminKey), services)));
  return body;

  function authorize(identity: AdminIdentity): void {
    if (access === "write") requireWriteAccess(identity);
  }
}

/** workerd leaves `Content-Encoding: br` of requests alone and its `DecompressionStream` has no brotli. */
async function decompress(bytes: Uint8Array, encoding: string | undefined, limit: number): Promise<Uint8Array> {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case "identity":
      return bytes;
    case "br":
      return brotli(bytes, limit);
    default:
      throw badJsonBody(`Unknown Content-Encoding ${encoding}: expected \`br\``);
  }
}

/** The largest bound that zlib of workerd takes: 128 MiB, which is also all the memory of an isolate. */
const MAX_OUTPUT = 2 ** 27;

function brotli(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    brotliDecompress(bytes, { maxOutputLength: Math.min(limit, MAX_OUTPUT) }, (error, result) => {
      if (error === null) resolve(result);
      else reject(badJsonBody(`The request body could not be decompressed: ${error.message}`, error));
    });
  });
}
