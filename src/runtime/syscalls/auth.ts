import { userAttributes } from "../../auth/identity.ts";
import type { Identity } from "../../protocol/identity.ts";

/** Attributes of the user, `null` for anonymous callers, plain admin keys and system work (`abi.md` §2.3.3). */
export function getUserIdentity(identity: Identity): Promise<string> {
  return Promise.resolve(JSON.stringify(userAttributes(identity)));
}
