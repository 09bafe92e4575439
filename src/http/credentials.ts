import {
  authenticate,
  parseAuthorization,
  requireAdmin,
  type AdminIdentity,
  type Credentials,
} from "../auth/authorization.ts";
import type { HttpContext } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** What the request claims, well formed and not yet believed. */
export function credentialsOf(c: HttpContext): Credentials {
  const queryKey = c.req.url.includes("?") ? c.req.query("adminKey") : undefined;
  return parseAuthorization(c.req.header("authorization") ?? null, queryKey ?? null);
}

/** Identity of a request to an endpoint that only admins may use. */
export async function adminOf(c: HttpContext, services: HttpServices): Promise<AdminIdentity> {
  return requireAdmin(await authenticate(credentialsOf(c), services));
}
