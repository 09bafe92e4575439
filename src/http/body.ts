import type { z } from "zod";
import { concatenate } from "../shared/bytes.ts";
import { CodedError } from "../shared/coded-error.ts";

/** Nesting of a JSON body beyond which nobody means well. Convex values end at 64. */
const MAX_JSON_DEPTH = 128;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

export function badJsonBody(message: string, cause?: unknown): CodedError {
  return new CodedError("BadRequest", "BadJsonBody", message, { cause });
}

/** The JSON body of a request in the shape of `schema`. Reads at most `limit` bytes. Everything else is a 400. */
export async function readJson<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  limit: number,
): Promise<z.infer<Schema>> {
  checkContentType(request);
  return parseShape(schema, parseJson(await readBytes(request, limit)));
}

export function checkContentType(request: Request): void {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[^/]+\+json$/.test(type)) {
    throw badJsonBody("Expected request with `Content-Type: application/json`");
  }
}

export function parseShape<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the body" : `\`${issue.path.join(".")}\``;
  throw badJsonBody(`The request body does not have the expected shape: ${where}: ${issue?.message ?? "invalid"}`);
}

/**
 * Counts while it reads: a body without a length cannot fill the memory. One that declares its length is held to it by
 * HTTP itself, and read in one go: taking it in pieces costs a fifth of a small call.
 */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = request.headers.get("content-length");
  // The caller of `discardBody` takes care of what is still on its way.
  if (declared !== null && Number(declared) > limit) throw tooLarge(limit);
  if (declared !== null) return new Uint8Array(await request.arrayBuffer().catch(hungUp));
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(hungUp);
    if (done) break;
    length += value.byteLength;
    if (length > limit) {
      await discard(reader);
      throw tooLarge(limit);
    }
    chunks.push(value);
  }
  return concatenate(chunks, length);
}

export function parseJson(bytes: Uint8Array): unknown {
  checkDepth(bytes);
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch (cause) {
    throw badJsonBody("The request body is not valid UTF-8", cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badJsonBody(`The request body is not valid JSON: ${cause instanceof Error ? cause.message : ""}`, cause);
  }
}

/** Bytes of a refused body that are read and dropped before the answer. */
const DISCARD_BYTES = 32 * 1024 * 1024;

/**
 * For answers given before the body was read: while a client is still sending, it may see a broken connection (EPIPE,
 * ECONNRESET) instead of the answer. Ends early on a body that is far too large, whose sender learns less.
 */
export async function discardBody(request: Request): Promise<void> {
  if (request.bodyUsed || request.body === null || request.body.locked) return;
  await discard(request.body.getReader());
}

async function discard(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  let length = 0;
  while (length <= DISCARD_BYTES) {
    const { done, value } = await reader.read().catch(hungUp);
    if (done) return;
    length += value.byteLength;
  }
  await reader.cancel();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Before parsing: millions of nested arrays cost a hundred times the memory of their text. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++;
      if (depth > MAX_JSON_DEPTH) throw badJsonBody(`The request body is nested deeper than ${MAX_JSON_DEPTH} levels`);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    }
  }
}

function hungUp(cause: unknown): never {
  throw new CodedError("ClientDisconnect", "RequestBodyIncomplete", "The request body ended early", { cause });
}

function tooLarge(limit: number): CodedError {
  return badJsonBody(`The request body is larger than ${limit} bytes`);
}
