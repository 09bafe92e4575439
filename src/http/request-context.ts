import type { RequestContext } from "../protocol/execution.ts";
import { toHex } from "../shared/bytes.ts";
import type { Random } from "../shared/random.ts";

/** A client's own request id goes into error texts and logs as it is, so it has to be short and printable. */
const OWN_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** `Convex-Request-Id` as sent, or 16 lower-case hex digits. */
export function requestIdOf(headers: Headers, random: Random): string {
  const own = headers.get("convex-request-id");
  if (own !== null && OWN_REQUEST_ID.test(own)) return own;
  return toHex(random.bytes(8)).toLowerCase();
}

export function requestContext(headers: Headers, requestId: string): RequestContext {
  return {
    requestId,
    ip: clientIp(headers),
    userAgent: headers.get("user-agent"),
    scheduledFunctionId: null,
    caller: "HttpApi",
  };
}

/** Cloudflare states the address itself; behind another proxy it is the first one in the list. */
function clientIp(headers: Headers): string | null {
  const stated = headers.get("cf-connecting-ip") ?? headers.get("x-forwarded-for")?.split(",")[0];
  const ip = stated?.trim() ?? "";
  return ip === "" ? null : ip;
}
