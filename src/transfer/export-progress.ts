import { z } from "zod";
import type { TableId } from "../engine/names.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { zipState } from "./zip-writer.ts";

const exportTable = z.object({
  id: z.number().transform((id) => id as TableId),
  component: z.string(),
  name: z.string(),
  number: z.number(),
});

export type ExportTable = z.infer<typeof exportTable>;

/** Everything that whoever goes on with an export needs. Stored after each piece of the file. */
export const exportProgress = z.object({
  ts: z.number().transform((ts) => ts as Timestamp),
  /** Milliseconds: the time that entries of the file have. */
  startedAt: z.number(),
  tables: z.array(exportTable),
  /** Tables whose documents are in the file; then tables whose stored files are. */
  step: z.number(),
  /** The last document that is in the file whole. */
  cursor: z.string().nullable(),
  /** Bytes of the stored file after `cursor` that are in it. */
  fileOffset: z.number(),
  pieces: z.number(),
  zip: zipState,
});

export type ExportProgress = z.infer<typeof exportProgress>;
