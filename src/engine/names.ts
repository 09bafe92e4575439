import type { Brand } from "../shared/brand.ts";

/** Path of a component instance, `""` for the app, `"a/b"` for a nested one. The namespace of tables and functions. */
export type ComponentPath = string;

/** Number inside a document id, unique per component (`abi.md` §3.6.3). */
export type TableNumber = Brand<number, "TableNumber">;

/** Identifies a table across components; allocated by the Transactor, never reused. */
export type TableId = Brand<number, "TableId">;

/** Identifies one index of one table; allocated by the Transactor, never reused. */
export type IndexId = Brand<number, "IndexId">;

/**
 * Order-preserving encoding of an index key as upper-case hex (`abi.md` §3.5), ending in the 16 bytes of the
 * document's internal id, so keys are unique within an index and the last 32 digits name the document.
 * String order equals byte order equals Convex value order. The key of `by_id` is the internal id alone.
 */
export type IndexKey = Brand<string, "IndexKey">;

/** The 16 internal bytes of a document id as 32 upper-case hex digits. */
export type InternalId = Brand<string, "InternalId">;
