import { activeVersion } from "../deploy/active-app.ts";
import { commitWithRetry } from "../deploy/catalog-retry.ts";
import { dropping } from "../deploy/dropped-indexes.ts";
import { canonicalJson } from "../deploy/digest.ts";
import { Catalog } from "../engine/catalog.ts";
import { BY_CREATION_TIME } from "../engine/index-definition.ts";
import type { TableId, TableNumber } from "../engine/names.ts";
import type { CatalogChange, CatalogRows, IndexRow, TableRow } from "../engine/persistence.ts";
import { parseStagingComponent, stagingComponent } from "../engine/staging.ts";
import { must } from "../shared/assert.ts";
import type { JsonValue } from "../shared/json.ts";
import { displayName } from "./change-summary.ts";
import { droppingTables } from "./dropped-tables.ts";
import { importError } from "./import-error.ts";
import type { PlannedTable } from "./import-plan.ts";
import type { TransferPorts } from "./ports.ts";

/** Catalog value: the last import that took effect. Whatever reads through the app's code depends on it. */
export const LAST_IMPORT = "appImport";

type Ports = Pick<TransferPorts, "persistence" | "committer" | "countDocuments" | "schema" | "clock">;

/**
 * Tables that an import fills out of sight, with the indexes of those that they will replace:
 *
 *   create ─ rows of the catalog in a component that no app has; every commit keeps their indexes
 *   flip   ─ one commit: they take the places of the old tables, whose documents are removed later
 */
export class StagedTables {
  readonly #ports: Ports;
  readonly #id: string;
  readonly #tables: readonly PlannedTable[];

  /** `id` is that of the import. */
  constructor(ports: Ports, id: string, tables: readonly PlannedTable[]) {
    this.#ports = ports;
    this.#id = id;
    this.#tables = tables.filter(({ staged }) => staged);
  }

  /** Of the tables that are there already nothing is made again. */
  async create(): Promise<void> {
    const { persistence, committer } = this.#ports;
    await commitWithRetry(committer, async () => {
      const rows = await persistence.loadCatalog();
      const catalog = new Catalog(rows);
      const missing = this.#tables.filter((planned) => this.#staged(catalog, planned) === undefined);
      if (missing.length === 0) return null;
      const change = await this.#creation(catalog, missing);
      return { expectedCatalogTs: rows.head.catalogTs, change };
    });
  }

  /** The table that holds the rows until the flip. */
  async tableId(planned: PlannedTable): Promise<TableId> {
    const catalog = new Catalog(await this.#ports.persistence.loadCatalog());
    return must(this.#staged(catalog, planned), `staged table ${planned.table}`).id;
  }

  /** All of them at once. Done again, it changes nothing. `app`: the version whose schemas have checked the rows. */
  async flip(app: string | null): Promise<void> {
    const { persistence, committer } = this.#ports;
    for (;;) {
      const { head } = await persistence.read([], "latest");
      const rows = await persistence.loadCatalog();
      if (rows.values.get(LAST_IMPORT) === this.#id || this.#tables.length === 0) return;
      await this.#checkSchemas(app, activeVersion(rows.values));
      const catalog = new Catalog(rows);
      const change = await this.#flipping(catalog, rows);
      const empty = this.#tables.flatMap((planned) => {
        const table = catalog.table(planned.component, planned.table);
        return planned.mustBeEmpty && table !== undefined ? [table.id] : [];
      });
      const result = await committer.commitCatalog({
        expectedCatalogTs: rows.head.catalogTs,
        change,
        ...(empty.length === 0 ? {} : { unwrittenSince: { ts: head.ts, tables: empty } }),
      });
      if (result.ok) return;
    }
  }

  async #checkSchemas(checked: string | null, active: string | null): Promise<void> {
    if (checked === active) return;
    const { schema } = this.#ports;
    for (const component of new Set(this.#tables.map((planned) => planned.component))) {
      const [before, now] = await Promise.all([schema(checked, component), schema(active, component)]);
      if (canonicalJson(before) === canonicalJson(now)) continue;
      throw importError("The schema changed while the data was imported. Nothing was imported. Try again.");
    }
  }

  #staged(catalog: Catalog, { component, table }: PlannedTable): TableRow | undefined {
    return catalog.table(stagingComponent(this.#id, component), table);
  }

  async #creation(catalog: Catalog, tables: readonly PlannedTable[]): Promise<CatalogChange> {
    const indexes = tables.map((planned) => {
      const table = catalog.table(planned.component, planned.table);
      return table === undefined ? [] : queriedIndexes(catalog, table.id);
    });
    const allocated = await this.#ports.committer.allocate({
      tables: [
        ...tables.map(({ component, table }) => ({ component: stagingComponent(this.#id, component), name: table })),
        // Rows that exist, or those that the tables would be given.
        ...tables.map(({ component, table }) => ({ component, name: table })),
      ],
      indexes: indexes.flat().length,
    });
    const ids = [...allocated.indexIds];
    const upsertTables = tables.map((planned, at): TableRow => {
      const own = must(allocated.tables[at], "allocated table");
      const real = must(allocated.tables[tables.length + at], "allocated table");
      return { ...own, number: (planned.number as TableNumber | null) ?? real.number };
    });
    const upsertIndexes = indexes.flatMap((copied, at) =>
      copied.map((index): IndexRow => ({
        ...index,
        id: must(ids.shift(), "allocated index id"),
        tableId: must(upsertTables[at], "table").id,
        // The table is empty, so its indexes are complete.
        state: index.staged ? "ready" : "enabled",
      })),
    );
    return { upsertTables, upsertIndexes };
  }

  async #flipping(catalog: Catalog, rows: CatalogRows): Promise<CatalogChange> {
    const upsertTables: TableRow[] = [];
    const replaced: TableRow[] = [];
    for (const planned of this.#tables) {
      const { component, table } = planned;
      const staged = this.#staged(catalog, planned);
      if (staged === undefined) throw importError("The import was given up.");
      const old = catalog.table(component, table);
      if (old !== undefined) {
        if (planned.mustBeEmpty && (await this.#ports.countDocuments(old.id, 1)) > 0) throw notEmpty(planned);
        if (!sameIndexes(catalog, old.id, staged.id)) throw indexesChanged(planned);
        replaced.push(old);
      }
      upsertTables.push({ ...staged, component, name: table });
    }
    const gone = new Set(replaced.map(({ id }) => id));
    for (const { component, number, id } of upsertTables) {
      const other = catalog.tableByNumber(component, number);
      if (other !== undefined && other.id !== id && !gone.has(other.id)) throw numberTaken(number, other);
    }
    const dropped = replaced.flatMap((table) => catalog.indexes(table.id)).map(({ id }) => id);
    const drops = dropping(rows.values, dropped, this.#ports.clock);
    return {
      upsertTables,
      dropTables: [...gone],
      dropIndexes: drops.dropIndexes,
      values: [
        ...drops.values,
        ...droppingTables(rows.values, replaced, this.#ports.clock),
        { key: LAST_IMPORT, value: this.#id },
      ],
    };
  }
}

/** Drops what imports that are over have left behind. */
export async function dropStagedTables(
  ports: Pick<TransferPorts, "persistence" | "committer" | "clock">,
  isOver: (importId: string) => boolean,
): Promise<void> {
  await commitWithRetry(ports.committer, async () => {
    const rows = await ports.persistence.loadCatalog();
    const left = rows.tables.filter(({ component }) => {
      const staging = parseStagingComponent(component);
      return staging !== null && isOver(staging.id);
    });
    if (left.length === 0) return null;
    const catalog = new Catalog(rows);
    const ids = left.map(({ id }) => id);
    const drops = dropping(
      rows.values,
      ids.flatMap((id) => catalog.indexes(id)).map(({ id }) => id),
      ports.clock,
    );
    return {
      expectedCatalogTs: rows.head.catalogTs,
      change: {
        dropTables: ids,
        dropIndexes: drops.dropIndexes,
        values: [...drops.values, ...droppingTables(rows.values, left, ports.clock)],
      },
    };
  });
}

/** Those of the schema in force: a push under way has others, and makes them again for the new table. */
function queriedIndexes(catalog: Catalog, table: TableId): readonly IndexRow[] {
  return catalog
    .indexes(table)
    .filter(({ name, state, staged }) => name !== BY_CREATION_TIME && (state === "enabled" || staged));
}

function sameIndexes(catalog: Catalog, a: TableId, b: TableId): boolean {
  const described = (table: TableId): JsonValue =>
    queriedIndexes(catalog, table)
      .map(({ name, definition, staged }) => canonicalJson({ name, definition, staged }))
      .toSorted();
  return canonicalJson(described(a)) === canonicalJson(described(b));
}

export function notEmpty(planned: Pick<PlannedTable, "component" | "table">): Error {
  return importError(
    `Table "${displayName(planned)}" already exists and holds documents. Choose another name, or say what becomes of ` +
      "them: `--append` keeps them, `--replace` removes them.",
  );
}

function indexesChanged(planned: PlannedTable): Error {
  return importError(
    `The indexes of table "${displayName(planned)}" changed while the data was imported. Nothing was imported. Try again.`,
  );
}

export function numberTaken(number: number, other: TableRow): Error {
  return importError(
    `The imported IDs are of table number ${number}, which is that of table "${other.name}" here. ` +
      "Import both tables together, or leave out `_id`.",
  );
}
