import type { Catalog } from "../../engine/catalog.ts";
import type { TableNumber } from "../../engine/names.ts";
import type { TableNames } from "../../values/check-validator.ts";

/** Resolves table numbers inside ids for `v.id(...)`, within one component. */
export function tableNames(catalog: Catalog, component: string): TableNames {
  return { tableName: (number) => catalog.tableByNumber(component, number as TableNumber)?.name ?? null };
}
