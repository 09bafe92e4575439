import { loadActiveApp } from "../deploy/active-app.ts";
import { commitWithRetry } from "../deploy/catalog-retry.ts";
import { dropping } from "../deploy/dropped-indexes.ts";
import type { DeploymentEvent } from "../deploy/history.ts";
import type { DeployPorts } from "../deploy/ports.ts";
import { Catalog } from "../engine/catalog.ts";
import type { TableRow } from "../engine/persistence.ts";
import { isSystemTable } from "../engine/tables.ts";
import { badRequest } from "../shared/coded-error.ts";
import { toHex } from "../shared/bytes.ts";
import { droppingTables } from "./dropped-tables.ts";

/** Catalog value: another one whenever tables were deleted. Whatever reads through the app's code depends on it. */
export const TABLES_DELETED = "appTablesDeleted";

type Ports = Pick<
  DeployPorts,
  "persistence" | "committer" | "code" | "clock" | "random" | "startBackground" | "history"
>;

/**
 * Deletes tables of a component with all that is in them, in one commit; their documents are removed in the background.
 * Refuses those that the schema in force declares. What does not exist is deleted already.
 */
export async function deleteTables(ports: Ports, component: string, names: readonly string[]): Promise<void> {
  const { persistence, committer, code, clock, random, startBackground } = ports;
  const history = await ports.history.begin();
  await commitWithRetry(committer, async () => {
    const rows = await persistence.loadCatalog();
    const active = await loadActiveApp(rows.values, code);
    const declared = active?.app.components[component]?.schema?.tables ?? [];
    for (const name of names) {
      if (isSystemTable(name)) throw badRequest("SystemTableError", `Table "${name}" is not yours to delete.`);
      if (declared.some(({ tableName }) => tableName === name)) {
        const text = `Table "${name}" is in the schema. Remove it from schema.ts, push, and delete it then.`;
        throw badRequest("TableInSchema", text);
      }
    }
    const catalog = new Catalog(rows);
    const tables = names.flatMap((name) => catalog.table(component, name) ?? []);
    if (tables.length === 0) return null;
    const indexes = tables.flatMap(({ id }) => catalog.indexes(id)).map(({ id }) => id);
    const drops = dropping(rows.values, indexes, clock);
    return {
      expectedCatalogTs: rows.head.catalogTs,
      change: {
        dropTables: tables.map(({ id }) => id),
        dropIndexes: drops.dropIndexes,
        values: [
          ...drops.values,
          ...droppingTables(rows.values, tables, clock),
          ...history.changes(rows.values, [eventOf(component, tables)]),
          { key: TABLES_DELETED, value: toHex(random.bytes(8)) },
        ],
      },
    };
  });
  await ports.history.record();
  startBackground();
}

function eventOf(component: string, tables: readonly TableRow[]): DeploymentEvent {
  const path = component === "" ? null : component;
  const metadata = { component_id: path, component: path, table_names: tables.map(({ name }) => name) };
  return { action: "delete_tables", metadata };
}
