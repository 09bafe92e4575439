import type { JsonObject } from "../shared/json.ts";

/** Who is calling. `user` attributes are what `ctx.auth.getUserIdentity()` returns (`wire.md` §5.4). */
export type Identity =
  | { readonly kind: "none" }
  | {
      readonly kind: "user";
      readonly attributes: JsonObject;
      /** The raw JWT, for `getRequestMetadata().authToken`. Never logged. */
      readonly token: string;
      /** Milliseconds since the epoch. */
      readonly expiresAt: number;
    }
  | { readonly kind: "admin"; readonly readOnly: boolean; readonly actingAs: JsonObject | null }
  /** The backend itself: scheduler, crons, system work. */
  | { readonly kind: "system" };

export const NO_IDENTITY: Identity = { kind: "none" };

/** Admins and the system see internal functions and may pass `componentPath` (`wire.md` §5.6). */
export function isPrivileged(identity: Identity): boolean {
  return identity.kind === "admin" || identity.kind === "system";
}
