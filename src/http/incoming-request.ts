import type { RequestHead } from "../protocol/invocation.ts";
import type { IncomingRequest } from "../runtime/functions/http-action-run.ts";
import { CodedError } from "../shared/coded-error.ts";
import { frame } from "../shared/frame.ts";
import { headerList } from "../shared/headers.ts";
import { formatBytes } from "../values/format-bytes.ts";

/** Longer bodies are streamed to the isolate. */
const WHOLE_BODY_BYTES = 64 * 1024;

/** Without a body by definition of Convex, whatever the client sent (`abi.md` §4.4). */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Scheme and host, path, query. */
const URL_PARTS = /^(https?:\/\/[^/?#]+)([^?#]*)([^#]*)/;

/**
 * The request as user code sees it: without `base`, and with the URL the client asked for, as far as proxies tell. A
 * body that is short by what its sender declares is read first, since a stream into the isolate costs more than all the
 * rest of a small call.
 */
export async function incomingRequest(request: Request, base: string, limit: number): Promise<IncomingRequest> {
  const { origin, path, query } = seenUrl(request, base);
  const url = `${origin}${path}${query}`;
  const { method } = request;
  const declared = request.headers.get("content-length");
  const bodiless = BODILESS.has(method) || request.body === null;
  if (!bodiless && (declared === null || Number(declared) > WHOLE_BODY_BYTES)) {
    return { method, path, sent: streamed(new Request(url, request), limit) };
  }
  const body = bodiless ? null : new Uint8Array(await request.arrayBuffer().catch(hungUp));
  const head: RequestHead = { url, method, headers: headerList(request.headers), body: body !== null };
  return { method, path, sent: frame(JSON.stringify(head), body) };
}

export function tooLargeText(limit: number): string {
  return `HTTP actions support requests up to ${formatBytes(limit)}`;
}

/** A body without a length is measured as it comes: whoever reads on beyond the limit is told. */
function streamed(request: Request, limit: number): Request {
  if (request.body === null || request.headers.has("content-length")) return request;
  let length = 0;
  const bounded = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      length += chunk.byteLength;
      if (length > limit) controller.error(new RangeError(tooLargeText(limit)));
      else controller.enqueue(chunk);
    },
  });
  return new Request(request, { method: request.method, body: request.body.pipeThrough(bounded) });
}

function seenUrl(
  request: Request,
  base: string,
): { readonly origin: string; readonly path: string; readonly query: string } {
  const [, origin = "", fullPath = "", query = ""] = URL_PARTS.exec(request.url) ?? [];
  const path = fullPath.replace(/^\/+/, "/").slice(base.length);
  return { origin: withScheme(origin, forwardedScheme(request.headers)), path: path === "" ? "/" : path, query };
}

function forwardedScheme(headers: Headers): string | undefined {
  const forwarded = headers.get("x-forwarded-proto")?.split(",")[0]?.trim();
  return forwarded ?? /\bproto=(https?)\b/i.exec(headers.get("forwarded") ?? "")?.[1];
}

function withScheme(origin: string, scheme: string | undefined): string {
  if ((scheme !== "http" && scheme !== "https") || origin.startsWith(`${scheme}://`)) return origin;
  const url = new URL(origin);
  url.protocol = `${scheme}:`;
  return url.origin;
}

function hungUp(cause: unknown): never {
  throw new CodedError("ClientDisconnect", "RequestBodyIncomplete", "The request body ended early", { cause });
}
