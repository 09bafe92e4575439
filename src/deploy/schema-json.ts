import { z } from "zod";
import type { SchemaJson } from "../protocol/app.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";

const filterFields = z.array(z.string()).default([]);
const databaseIndex = z.object({ indexDescriptor: z.string(), fields: z.array(z.string()) });
const searchIndex = z.object({ indexDescriptor: z.string(), searchField: z.string(), filterFields });
const vectorIndex = z
  .object({
    indexDescriptor: z.string(),
    vectorField: z.string(),
    dimensions: z.number().optional(),
    /** How old packages spelled it. */
    dimension: z.number().optional(),
    filterFields,
  })
  .transform(({ dimension, dimensions, ...index }) => ({ ...index, dimensions: dimensions ?? dimension ?? 0 }));

const schema = z.object({
  tables: z.array(
    z.object({
      tableName: z.string(),
      indexes: z.array(databaseIndex),
      stagedDbIndexes: z.array(databaseIndex).nullish().transform(orEmpty),
      searchIndexes: z.array(searchIndex).nullish().transform(orEmpty),
      stagedSearchIndexes: z.array(searchIndex).nullish().transform(orEmpty),
      vectorIndexes: z.array(vectorIndex).nullish().transform(orEmpty),
      stagedVectorIndexes: z.array(vectorIndex).nullish().transform(orEmpty),
      documentType: z.json().nullish(),
    }),
  ),
  schemaValidation: z.boolean().default(false),
});

/** A checked schema in its full form: what old packages leave out is filled in. */
export function parseSchemaJson(exported: JsonValue): SchemaJson {
  const parsed = schema.safeParse(exported);
  if (!parsed.success) {
    throw badRequest(
      "InvalidSchema",
      "Default export from schema file isn't a Convex schema. To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.",
    );
  }
  return {
    schemaValidation: parsed.data.schemaValidation,
    tables: parsed.data.tables.map((table) => ({ ...table, documentType: table.documentType ?? null })),
  };
}

function orEmpty<T>(items: T[] | null | undefined): T[] {
  return items ?? [];
}
