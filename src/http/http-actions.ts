import { authenticateRequest } from "../auth/authorization.ts";
import { isPrivileged, NO_IDENTITY, type Identity } from "../protocol/identity.ts";
import { CodedError } from "../shared/coded-error.ts";
import { discardBody } from "./body.ts";
import { credentialsOf } from "./credentials.ts";
import type { HttpContext } from "./hono-env.ts";
import { requestContext } from "./request-context.ts";
import type { HttpServices } from "./services.ts";

const NO_HTTP_ACTIONS = "This Convex deployment does not have HTTP actions enabled.";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Answers a request by the app's `http.js`. `base` is the part of the path that user code does not see. */
export async function answerByHttpAction(c: HttpContext, services: HttpServices, base: string): Promise<Response> {
  const request = c.req.raw;
  if (!METHODS.has(request.method)) return c.body(null, 405);
  const limit = services.settings.httpActionRequestBytes;
  if (Number(request.headers.get("content-length") ?? 0) > limit) {
    await discardBody(request);
    return c.json(requestTooLarge(limit), 413);
  }
  const { identity, identityError } = await caller(c, services);
  const answer = await services.httpActions.serve(seenRequest(request, base, limit), {
    identity,
    identityError,
    context: requestContext(request.headers, c.get("requestId")),
    client: request.signal,
  });
  switch (answer.kind) {
    case "disabled":
      return c.text(NO_HTTP_ACTIONS, 404);
    case "unrouted":
      return c.text("No matching routes found", 404);
    case "failed": {
      const redact = services.settings.redactErrors && !isPrivileged(identity);
      return c.json(failureBody(answer.failure, c.get("requestId"), redact), 500);
    }
    case "response":
      return request.method === "HEAD" ? new Response(null, answer.response) : answer.response;
    default:
      return answer satisfies never;
  }
}

/** A token or key that is refused refuses only the identity (`wire.md` §4.3). */
async function caller(
  c: HttpContext,
  services: HttpServices,
): Promise<{ readonly identity: Identity; readonly identityError: CodedError | null }> {
  try {
    return { identity: await authenticateRequest(credentialsOf(c), services), identityError: null };
  } catch (error) {
    if (error instanceof CodedError) return { identity: NO_IDENTITY, identityError: error };
    throw error;
  }
}

function requestTooLarge(limit: number) {
  const message = `HTTP actions support requests up to ${limit / 2 ** 20} MiB`;
  return { code: "HttpRequestTooLarge", message };
}

/** A body without a length is measured as it comes: whoever reads on beyond the limit is told. */
function seenRequest(request: Request, base: string, limit: number): Request {
  const seen = new Request(seenUrl(request, base), request);
  if (seen.body === null || request.headers.has("content-length")) return seen;
  let length = 0;
  const bounded = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      length += chunk.byteLength;
      if (length > limit) controller.error(new RangeError(requestTooLarge(limit).message));
      else controller.enqueue(chunk);
    },
  });
  return new Request(seen, { method: seen.method, body: seen.body.pipeThrough(bounded) });
}

/** The URL the client asked for, as far as proxies tell, without `base`. */
function seenUrl(request: Request, base: string): string {
  const url = new URL(request.url);
  const forwarded = /\bproto=(https?)\b/i.exec(request.headers.get("forwarded") ?? "")?.[1];
  const scheme = request.headers.get("x-forwarded-proto")?.split(",")[0]?.trim() ?? forwarded;
  if (scheme === "http" || scheme === "https") url.protocol = `${scheme}:`;
  const path = url.pathname.replace(/^\/+/, "/").slice(base.length);
  url.pathname = path === "" ? "/" : path;
  return url.href;
}

function failureBody(
  { message, data }: { readonly message: string; readonly data?: string },
  requestId: string,
  redact: boolean,
): object {
  const code = `[Request ID: ${requestId}] Server Error`;
  const shown = data === undefined ? {} : { data: JSON.parse(data) as unknown };
  if (redact) return { code, ...shown };
  const [head = ""] = message.split("\n    at ");
  return { code: `${code}: ${head.trimEnd()}`, trace: message, ...shown };
}
