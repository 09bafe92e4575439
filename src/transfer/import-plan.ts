import { z } from "zod";

/** What an import will do, found by reading its file once. Stored beside the file before anybody is asked to confirm. */
export const plannedTable = z.object({
  component: z.string(),
  table: z.string(),
  rows: z.number(),
  /** Documents that go. */
  deleted: z.number(),
  /** Documents that are there before. */
  existing: z.number(),
  /** Number that the ids of the rows have, `null` when they bring none. */
  number: z.number().nullable(),
  /** False: rows are added to the table as it is, a transaction at a time. */
  staged: z.boolean(),
  /** True: the import may only go on while the table holds no document. */
  mustBeEmpty: z.boolean(),
  /** Name of the zip entry with the rows; `null` is the whole file, `""` nothing at all. */
  entry: z.string().nullable(),
});

export type PlannedTable = z.infer<typeof plannedTable>;

export const importPlan = z.object({
  tables: z.array(plannedTable),
  /** Stored files of the zip: entries by the id of their document, per component. */
  files: z.array(z.object({ component: z.string(), id: z.string(), entry: z.string() })),
});

export type ImportPlan = z.infer<typeof importPlan>;
