import type { LogLine, ResponseHead } from "../../protocol/invocation.ts";
import { frame } from "../../shared/frame.ts";
import { headerList } from "../../shared/headers.ts";
import { realBody, RealResponse } from "./originals.ts";

/** Longer bodies are streamed to the host. Bytes. */
const WHOLE_BODY_BYTES = 64 * 1024;

/** Of UTF-8 for a unit of a string. */
const BYTES_PER_UNIT = 3;

const ENCODER = new TextEncoder();

/** Responses made of a text, of bytes or of a blob: nothing of their body is still to come. The text, if it is one and known. */
const whole = new WeakMap<Response, string | null>();

export function noteWhole(response: Response): void {
  whole.set(response, null);
}

/** `body`: what `response` was made of. */
export function noteBody(response: Response, body: unknown): void {
  if (typeof body === "string") {
    if (body.length * BYTES_PER_UNIT <= WHOLE_BODY_BYTES) whole.set(response, body);
  } else if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    if (body.byteLength <= WHOLE_BODY_BYTES) whole.set(response, null);
  } else if (body instanceof Blob && body.size <= WHOLE_BODY_BYTES) {
    whole.set(response, null);
  }
}

/**
 * The body when it is short and complete, `null` when there is none; otherwise the response to stream. Bodies that the
 * platform may have to encode stream too.
 */
export async function wholeBody(response: Response): Promise<Uint8Array | null | Response> {
  if (response.body === null) return null;
  const text = whole.get(response);
  if (text === undefined || response.bodyUsed || response.body.locked) return response;
  if (response.headers.has("content-encoding")) return response;
  if (text !== null) return ENCODER.encode(text);
  const bytes = new Uint8Array(await realBody(response));
  return bytes.length <= WHOLE_BODY_BYTES ? bytes : new RealResponse(bytes, response);
}

export function framedResponse(
  { status, statusText, headers }: Response,
  body: Uint8Array | null,
  logs: readonly LogLine[],
): Uint8Array<ArrayBuffer> {
  const head: ResponseHead = { status, statusText, headers: headerList(headers), body: body !== null, logs };
  return frame(JSON.stringify(head), body);
}
