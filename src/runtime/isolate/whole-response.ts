import type { LogLine, ResponseHead } from "../../protocol/invocation.ts";
import { frame } from "../../shared/frame.ts";
import { realBody, RealResponse } from "./originals.ts";

/** Longer bodies are streamed to the host. */
const WHOLE_BODY_BYTES = 64 * 1024;

/** Responses made of a text or of bytes: nothing of their body is still to come. */
const whole = new WeakSet<Response>();

export function noteWhole(response: Response): void {
  whole.add(response);
}

/** `body`: what `response` was made of. */
export function noteBody(response: Response, body: unknown): void {
  if (typeof body === "string" ? body.length <= WHOLE_BODY_BYTES : byteLength(body) <= WHOLE_BODY_BYTES) {
    whole.add(response);
  }
}

function byteLength(body: unknown): number {
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : Number.POSITIVE_INFINITY;
}

/**
 * The body when it is short and complete, `null` when there is none; otherwise the response to stream. Bodies that the
 * platform may have to encode stream too.
 */
export async function wholeBody(response: Response): Promise<Uint8Array<ArrayBuffer> | null | Response> {
  if (response.body === null) return null;
  if (!whole.has(response) || response.bodyUsed || response.body.locked) return response;
  if (response.headers.has("content-encoding")) return response;
  const bytes = new Uint8Array(await realBody(response));
  return bytes.length <= WHOLE_BODY_BYTES ? bytes : new RealResponse(bytes, response);
}

export function framedResponse(
  { status, statusText, headers }: Response,
  body: Uint8Array | null,
  logs: readonly LogLine[],
): Uint8Array<ArrayBuffer> {
  const head: ResponseHead = { status, statusText, headers: [...headers], body: body !== null, logs };
  return frame(JSON.stringify(head), body);
}
