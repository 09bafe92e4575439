import { authenticateRequest } from "../auth/authorization.ts";
import { isPrivileged, NO_IDENTITY, type Identity } from "../protocol/identity.ts";
import { CodedError } from "../shared/coded-error.ts";
import { discardBody } from "./body.ts";
import { credentialsOf } from "./credentials.ts";
import type { HttpContext } from "./hono-env.ts";
import { incomingRequest, tooLargeText } from "./incoming-request.ts";
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
  const answer = await services.httpActions.serve(await incomingRequest(request, base, limit), {
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
  return { code: "HttpRequestTooLarge", message: tooLargeText(limit) };
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
