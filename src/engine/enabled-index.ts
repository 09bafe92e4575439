import { badRequest } from "../shared/coded-error.ts";
import type { IndexDefinition, IndexRow } from "./persistence.ts";

const KINDS = { database: "a database", search: "a search", vector: "a vector" } as const;

const CODES = { database: "NotADatabaseIndex", search: "NotASearchIndex", vector: "NotAVectorIndex" } as const;

/** The index as one of that type which may be queried. Throws the texts of `abi.md` §2.5.5. `name`: `table.index`. */
export function enabledIndex<Type extends IndexDefinition["type"]>(
  row: IndexRow | undefined,
  name: string,
  type: Type,
): IndexRow & { readonly definition: Extract<IndexDefinition, { type: Type }> } {
  if (row === undefined) throw badRequest("IndexNotFoundError", `Index ${name} not found.`);
  if (!isOfType(row, type)) throw badRequest(CODES[type], `Index ${name} is not ${KINDS[type]} index`);
  if (row.staged) {
    throw badRequest(
      "IndexStagedError",
      `Index ${name} is currently staged and not available to query until it is enabled.`,
    );
  }
  if (row.state !== "enabled") {
    throw badRequest("IndexBackfillingError", `Index ${name} is currently backfilling and not available to query yet.`);
  }
  return row;
}

function isOfType<Type extends IndexDefinition["type"]>(
  row: IndexRow,
  type: Type,
): row is IndexRow & { readonly definition: Extract<IndexDefinition, { type: Type }> } {
  return row.definition.type === type;
}
