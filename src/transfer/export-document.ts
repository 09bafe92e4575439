import { z } from "zod";

/** Hidden from apps: a document for each of the last exports, in the app's own component. */
export const EXPORTS_TABLE = "_exports";

const int64 = z.object({ $integer: z.string() });

/**
 *     requested ─ snapshot taken ─► in_progress ─► completed
 *         └──────────────────────────────┴───────► failed
 *
 * A snapshot that is lost takes it back to `requested`.
 */
export const exportState = z.discriminatedUnion("state", [
  z.object({ state: z.literal("requested") }),
  z.object({ state: z.literal("in_progress"), start_ts: int64 }),
  z.object({ state: z.literal("completed"), start_ts: int64, complete_ts: int64, zip_object_key: z.string() }),
  z.object({ state: z.literal("failed"), error_message: z.string() }),
]);

export const exportDocument = z
  .object({ _id: z.string(), _creationTime: z.number(), includeStorage: z.boolean() })
  .and(exportState);

export type ExportDocument = z.infer<typeof exportDocument>;

export function isExportOver({ state }: Pick<ExportDocument, "state">): boolean {
  return state === "completed" || state === "failed";
}

export const EXPORTS_FOLDER = "transfer/export";

/** Where the pieces of the zip file are. */
export function exportFolder(exportId: string): string {
  return `${EXPORTS_FOLDER}/${exportId}/parts`;
}

export function progressKey(exportId: string): string {
  return `${EXPORTS_FOLDER}/${exportId}/progress.json`;
}
