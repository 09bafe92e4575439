import { z } from "zod";

/** Hidden from apps: a document for each of the last imports, in the app's own component. */
export const IMPORTS_TABLE = "_imports";

export const importFormat = z.enum(["csv", "jsonLines", "jsonArray", "zip"]);
export const importMode = z.enum(["requireEmpty", "append", "replace", "replaceAll"]);

export type ImportFormat = z.infer<typeof importFormat>;
export type ImportMode = z.infer<typeof importMode>;

/**
 *     uploaded ─ parsed ─► waiting_for_confirmation ─ confirmed ─► in_progress ─► completed
 *        └──────────────────────────┴─────────────────────────────────┴────────► failed
 */
export const importState = z.discriminatedUnion("state", [
  z.object({ state: z.literal("uploaded") }),
  z.object({
    state: z.literal("waiting_for_confirmation"),
    message_to_confirm: z.string(),
    require_manual_confirmation: z.boolean(),
  }),
  z.object({
    state: z.literal("in_progress"),
    progress_message: z.string(),
    checkpoint_messages: z.array(z.string()),
  }),
  z.object({ state: z.literal("completed"), num_rows_written: z.object({ $integer: z.string() }) }),
  z.object({ state: z.literal("failed"), error_message: z.string() }),
]);

export type ImportState = z.infer<typeof importState>;

/**
 * How far it is: stored files first, then so many rows of this table of the plan, and so many in all. `final`:
 * it can't be canceled any more.
 */
export const importPosition = z.object({
  file: z.number(),
  table: z.number(),
  row: z.number(),
  written: z.number(),
  final: z.boolean(),
});

export type ImportPosition = z.infer<typeof importPosition>;

export const importDocument = z.object({
  _id: z.string(),
  _creationTime: z.number(),
  state: importState,
  format: importFormat,
  mode: importMode,
  /** Path of the component that is imported into. */
  component: z.string(),
  /** `null` for the tables that a zip file names. */
  table: z.string().nullable(),
  /** Folder of the bucket that holds the uploaded bytes. */
  upload: z.string(),
  position: importPosition,
  /** Version of the app when the import was confirmed: its schemas have checked the rows. */
  app: z.string().nullable(),
});

export type ImportDocument = z.infer<typeof importDocument>;

/** Nothing more will be done for it. */
export function isOver({ state }: Pick<ImportDocument, "state">): boolean {
  return state.state === "completed" || state.state === "failed";
}
