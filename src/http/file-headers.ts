import { badRequest, type CodedError } from "../shared/coded-error.ts";

export function uploadToken(token: string | undefined): string {
  if (token === undefined) {
    throw badRequest("BadQueryArgs", "Failed to deserialize query string: missing field `token`");
  }
  return token;
}

/** RFC 9110 §8.3.1: a type, a subtype and parameters. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"';
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:\\s*;\\s*(?:${TOKEN}=(?:${TOKEN}|${QUOTED}))?)*$`);

/** As it was sent; `null` when it was not. */
export function contentType(headers: Headers): string | null {
  const value = headers.get("content-type");
  if (value === null || MEDIA_TYPE.test(value)) return value;
  throw badHeader("content-type");
}

/** `null`: the sender does not know yet. */
export function contentLength(headers: Headers): number | null {
  const value = headers.get("content-length");
  if (value === null) return null;
  if (!/^\d{1,15}$/.test(value)) throw badHeader("content-length");
  return Number(value);
}

/** `Digest: sha-256=<base64>` (RFC 3230). Hashes of other kinds beside it are not looked at. */
export function expectedHash(headers: Headers): string | null {
  const value = headers.get("digest");
  if (value === null) return null;
  for (const part of value.split(",")) {
    const [, hash] = /^\s*sha-256\s*=\s*([A-Za-z0-9+/]{43}=)\s*$/i.exec(part) ?? [];
    if (hash !== undefined) return hash;
  }
  throw badHeader("digest");
}

function badHeader(name: string): CodedError {
  return badRequest("BadHeader", `Invalid HTTP header (${name})`);
}
