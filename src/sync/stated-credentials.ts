import { type Credentials, parseAdminKey } from "../auth/authorization.ts";
import { parseIdentityAttributes } from "../auth/identity.ts";
import type { Authenticate } from "../protocol/sync.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";

/** What an `Authenticate` claims, well formed and not yet believed. `null`: the key or the identity acted as is not. */
export function statedCredentials(message: Authenticate): Credentials | null {
  switch (message.tokenType) {
    case "None":
      return { kind: "none" };
    case "User":
      return { kind: "token", token: message.value };
    case "Admin": {
      const parsed = adminKeyOf(message.value);
      if (parsed === null) return null;
      const stated = message.impersonating ?? message.acting_as;
      if (stated === undefined || stated === null) return parsed;
      const identity = parseIdentityAttributes(stated);
      return identity.ok ? { ...parsed, actingAs: identity.attributes satisfies JsonObject } : null;
    }
    default:
      return message satisfies never;
  }
}

function adminKeyOf(text: string): Extract<Credentials, { kind: "adminKey" }> | null {
  try {
    const parsed = parseAdminKey(text);
    return parsed.kind === "adminKey" ? parsed : null;
  } catch (error) {
    // With an identity behind it that is none, as headers have it.
    if (error instanceof CodedError) return null;
    throw error;
  }
}
