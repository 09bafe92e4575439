import { unreachable } from "../shared/assert.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { IndexKey } from "./names.ts";

/** A place between rows of an index range, in the order of its query. */
export type CursorPosition =
  | { readonly kind: "after"; readonly key: IndexKey }
  /** Behind the last row, and behind every row to come. */
  | { readonly kind: "end" };

/**
 * Cursors as opaque text. `fingerprint` names the query in full; a codec may keep only a hash of it. The same
 * position and fingerprint always give the same text, because reactive clients compare pages.
 */
export interface CursorCodec {
  encode(position: CursorPosition, fingerprint: string): Promise<string>;
  decode(text: string, fingerprint: string): Promise<DecodedCursor>;
}

export type DecodedCursor =
  | { readonly kind: "valid"; readonly position: CursorPosition }
  /** A cursor of ours, but of another query. */
  | { readonly kind: "otherQuery" }
  | { readonly kind: "malformed" };

/** Position of a cursor from outside. Throws E-F-15 and the error by which clients know to start over. */
export async function openCursor(codec: CursorCodec, text: string, fingerprint: string): Promise<CursorPosition> {
  const decoded = await codec.decode(text, fingerprint);
  switch (decoded.kind) {
    case "valid":
      return decoded.position;
    case "malformed":
      throw new CodedError("BadRequest", "InvalidCursor", "Failed to parse cursor");
    case "otherQuery":
      throw new CodedError(
        "BadRequest",
        "InvalidCursor",
        "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
        { data: JSON.stringify({ isConvexSystemError: true, paginationError: "InvalidCursor" }) },
      );
    default:
      return unreachable(decoded);
  }
}
