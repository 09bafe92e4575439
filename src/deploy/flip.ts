import type { Catalog } from "../engine/catalog.ts";
import type { CatalogChange, CatalogRows, IndexRow } from "../engine/persistence.ts";
import type { AppVersion } from "../protocol/app.ts";
import { must } from "../shared/assert.ts";
import { badRequest } from "../shared/coded-error.ts";
import { toHex } from "../shared/bytes.ts";
import { ACTIVE_APP, activeGeneration, LAST_PUSH } from "./active-app.ts";
import { dropping } from "./dropped-indexes.ts";
import { HANDLE_KEY } from "./function-handles.ts";
import type { DeployPorts } from "./ports.ts";
import { PUSH_PROGRESS } from "./push-progress.ts";
import type { PushTicket } from "./push-token.ts";
import type { DeploySettings } from "./settings.ts";
import { SIGNING_KEY } from "../runtime/functions/jwt-signer.ts";
import { signingKeyChange } from "./signing-key.ts";
import { type SchemaDiff, type WantedIndex } from "./schema-diff.ts";

type Ports = Pick<DeployPorts, "committer" | "cipher" | "clock" | "random" | "settings">;

/**
 * The one change that makes a push take effect: app version, tables, states of indexes. `null` = nothing changes at
 * all: the same code is active already.
 */
export async function flipChange(
  ticket: PushTicket,
  next: AppVersion,
  previous: AppVersion | null,
  rows: CatalogRows,
  catalog: Catalog,
  diff: SchemaDiff,
  ports: Ports,
): Promise<CatalogChange | null> {
  const indexes = [
    ...diff.added.flatMap(({ row }) => (row === null ? [] : [{ ...row, state: "enabled" as const, staged: false }])),
    ...diff.enabled.map(({ row }) => ({
      ...row,
      state: "enabled" as const,
      staged: false,
    })),
    ...diff.disabled.map(({ row }) => ({
      ...row,
      state: "ready" as const,
      staged: true,
    })),
  ];
  const drops = dropping(
    rows.values,
    [...diff.removed.map(({ row }) => row.id), ...diff.abandoned.map(({ id }) => id)],
    ports.clock,
  );
  const missing = diff.added.flatMap(({ wanted, row }) => (row === null ? [wanted] : []));
  const signingKeys = await signingKeyChange(rows.values.get(SIGNING_KEY), ports.cipher);
  const same =
    signingKeys === null &&
    previous?.version === next.version &&
    !rows.values.has(PUSH_PROGRESS) &&
    [indexes, drops.dropIndexes, missing, diff.newTables].every((list) => list.length === 0);
  if (same) return null;

  checkTableLimit(catalog, diff, ports.settings);
  const created = await allocate(missing, diff, catalog, ports);
  return {
    upsertTables: created.tables,
    upsertIndexes: [...indexes, ...created.indexes],
    dropIndexes: drops.dropIndexes,
    values: [
      { key: ACTIVE_APP, value: { version: next.version, generation: activeGeneration(rows.values) + 1 } },
      { key: LAST_PUSH, value: { id: ticket.id, previousVersion: previous?.version ?? null } },
      { key: PUSH_PROGRESS, value: null },
      ...(rows.values.has(HANDLE_KEY) ? [] : [{ key: HANDLE_KEY, value: toHex(ports.random.bytes(32)) }]),
      ...(signingKeys === null ? [] : [{ key: SIGNING_KEY, value: signingKeys }]),
      ...drops.values,
    ],
  };
}

async function allocate(
  missing: readonly WantedIndex[],
  diff: SchemaDiff,
  catalog: Catalog,
  ports: Ports,
): Promise<{ readonly tables: NonNullable<CatalogChange["upsertTables"]>; readonly indexes: readonly IndexRow[] }> {
  if (missing.length === 0 && diff.newTables.length === 0) return { tables: [], indexes: [] };
  const { tables, indexIds } = await ports.committer.allocate({ tables: diff.newTables, indexes: missing.length });
  const indexes = missing.map((wanted, position): IndexRow => {
    const existing = catalog.table(wanted.component, wanted.table);
    const table =
      existing ?? tables.find(({ component, name }) => component === wanted.component && name === wanted.table);
    return {
      id: must(indexIds[position], "allocated index id"),
      tableId: must(table, `table ${wanted.table}`).id,
      name: wanted.name,
      definition: wanted.definition,
      state: stateOfNew(wanted, existing === undefined),
      staged: wanted.staged,
    };
  });
  return { tables, indexes };
}

/** A new table is empty, so its indexes are complete from the start. */
function stateOfNew(wanted: WantedIndex, tableIsNew: boolean): IndexRow["state"] {
  if (!tableIsNew) return "backfilling";
  return wanted.staged ? "ready" : "enabled";
}

function checkTableLimit(
  catalog: Catalog,
  diff: SchemaDiff,
  { maxTables, notes }: Pick<DeploySettings, "maxTables" | "notes">,
): void {
  const tables = [...catalog.tables()].filter((table) => !table.name.startsWith("_")).length;
  if (diff.newTables.length > 0 && tables + diff.newTables.length > maxTables) {
    throw badRequest("TooManyTables", `Number of tables cannot exceed ${maxTables}.${notes?.tables ?? ""}`);
  }
}
