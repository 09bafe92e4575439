import { Base64 } from "convex/values";
import { toHex } from "../shared/bytes.ts";

/** Longer ids of the old kind are base62 and need a hash to be read. */
const MAX_BASE64_ID = 22;

/**
 * Internal id (32 upper-case hex digits) of an id from before `abi.md` §3.6, for `normalizeId` only: URL-safe base64
 * of the 16 internal bytes. The older base62 form is hashed with SHA-256, which has no synchronous implementation
 * here; such ids, which no deployment of ours has ever handed out, give `null` like any other foreign string.
 */
export function legacyInternalId(text: string): string | null {
  if (text.length !== MAX_BASE64_ID || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Base64.toByteArray(`${text}==`);
  if (Base64.fromByteArrayUrlSafeNoPadding(bytes) !== text) return null;
  return toHex(bytes);
}
