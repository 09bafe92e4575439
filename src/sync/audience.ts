import { userAttributes } from "../auth/identity.ts";
import { type Identity, isPrivileged } from "../protocol/identity.ts";
import type { QueryAudience } from "./subscribed-query.ts";

/** Equal for callers who see the same: tokens and their expiry don't count. */
export function audienceOf(identity: Identity): QueryAudience {
  const attributes = userAttributes(identity);
  const readOnly = identity.kind === "admin" && identity.readOnly ? "-readOnly" : "";
  const key = `${identity.kind}${readOnly}${attributes === null ? "" : JSON.stringify(sorted(attributes))}`;
  return { identity, key, visibility: isPrivileged(identity) ? "internal" : "public" };
}

function sorted(attributes: object): [string, unknown][] {
  return Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
