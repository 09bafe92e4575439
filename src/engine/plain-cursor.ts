import { isJsonObject, type JsonValue } from "../shared/json.ts";
import type { CursorCodec, DecodedCursor } from "./cursor.ts";
import type { IndexKey } from "./names.ts";

/**
 * Cursors in readable form, neither secret nor authentic: for tests, and wherever whoever holds a cursor may see the
 * keys of the index anyway.
 */
export class PlainCursorCodec implements CursorCodec {
  async encode(...[position, fingerprint]: Parameters<CursorCodec["encode"]>): Promise<string> {
    return JSON.stringify([position.kind === "end" ? null : position.key, fnv1a(fingerprint)]);
  }

  async decode(text: string, fingerprint: string): Promise<DecodedCursor> {
    const parsed = parse(text);
    if (!Array.isArray(parsed) || parsed.length !== 2) return { kind: "malformed" };
    const [key, hash]: (JsonValue | undefined)[] = parsed;
    if (typeof hash !== "string" || (key !== null && (typeof key !== "string" || !/^([0-9A-F]{2})*$/.test(key)))) {
      return { kind: "malformed" };
    }
    if (hash !== fnv1a(fingerprint)) return { kind: "otherQuery" };
    // Checked to be hex above; any hex bounds a range.
    return { kind: "valid", position: key === null ? { kind: "end" } : { kind: "after", key: key as IndexKey } };
  }
}

function parse(text: string): JsonValue {
  if (!text.startsWith("[")) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && !parsed.some(isJsonObject) ? parsed : null;
  } catch {
    // Not JSON: not one of ours.
    return null;
  }
}

/** 32-bit FNV-1a over UTF-16 units. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16);
}
