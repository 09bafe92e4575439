import type { HttpContext } from "./hono-env.ts";

/** Outside `/api`. Not `/version`, and never `/http/*`, where the app sets its own headers (`wire.md` §2.2.5). */
const OTHER_PATHS: ReadonlySet<string> = new Set(["/", "/instance_name", "/instance_version", "/echo"]);

const DAY_SECONDS = 86_400;

/**
 * Any origin may call the API from a browser: what protects a function is its caller's token, not the page. Called
 * before the routes run, so that every response carries the headers, errors included. The answer of a preflight.
 */
export function cors(c: HttpContext): Response | null {
  if (!isCovered(c.req.path)) return null;
  const origin = c.req.header("origin");
  if (origin !== undefined) c.header("Access-Control-Allow-Origin", origin);
  c.header("Access-Control-Allow-Credentials", "true");
  c.header("Vary", "origin, access-control-request-method, access-control-request-headers");
  if (c.req.method !== "OPTIONS") return null;

  c.header("Access-Control-Allow-Methods", "GET,POST,OPTIONS,PATCH,DELETE,PUT");
  const requested = c.req.header("access-control-request-headers");
  if (requested !== undefined) c.header("Access-Control-Allow-Headers", requested);
  c.header("Access-Control-Max-Age", String(DAY_SECONDS));
  return c.body(null, 200);
}

function isCovered(path: string): boolean {
  return path.startsWith("/api/") || OTHER_PATHS.has(path);
}
