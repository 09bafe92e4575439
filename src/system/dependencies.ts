import { catalogValuePrefix } from "../engine/commit/catalog-changes.ts";
import { prefixInterval } from "../engine/index-key.ts";
import { EVERYTHING } from "../engine/interval.ts";
import { TABLE_NAMES } from "../engine/read-set.ts";
import { toHex } from "../shared/bytes.ts";
import { LAST_IMPORT } from "../transfer/staged-tables.ts";
import { TABLES_DELETED } from "../transfer/delete-tables.ts";
import type { SystemContext } from "./system-query.ts";

/** The refs under which the commit log tells of changes to the catalog (`IndexRef`). */
const CATALOG = "catalog";

/** The pushed code, schemas included. */
export function dependOnApp(context: SystemContext): void {
  context.dependOn(CATALOG, catalogValuePrefix("app"));
}

/** Which table has a name: an import puts another one in its place, a deletion leaves none. */
export function dependOnTables(context: SystemContext): void {
  context.dependOn(CATALOG, catalogValuePrefix(LAST_IMPORT));
  context.dependOn(CATALOG, catalogValuePrefix(TABLES_DELETED));
}

/** Every index, in whatever state. */
export function dependOnIndexes(context: SystemContext): void {
  context.dependOn(CATALOG, prefixInterval(toHex(new TextEncoder().encode("index:"))));
}

export function dependOnVariables(context: SystemContext): void {
  context.dependOn(CATALOG, catalogValuePrefix("env:"));
}

export function dependOnValue(context: SystemContext, name: string): void {
  context.dependOn(CATALOG, catalogValuePrefix(name));
}

export function dependOnTableNames(context: SystemContext): void {
  context.dependOn(TABLE_NAMES, EVERYTHING);
  dependOnTables(context);
}
