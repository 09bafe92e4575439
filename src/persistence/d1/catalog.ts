import { asc } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { JsonValue } from "../../shared/json.ts";
import { must } from "../../shared/assert.ts";
import type { CatalogChange, CatalogRows } from "../../engine/persistence.ts";
import { catalogValues, head, idCounters, indexes, tables } from "./schema.ts";
import { boundText, jsonArrays, PIECE_BYTES, splitText } from "./text-limits.ts";

const TABLES_SQL = `INSERT INTO tables (id, component, name, number)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET component = excluded.component, name = excluded.name, number = excluded.number`;

const INDEXES_SQL = `INSERT INTO indexes (id, table_id, name, definition, state, staged)
SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3, value ->> 4, value ->> 5 FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET table_id = excluded.table_id, name = excluded.name,
  definition = excluded.definition, state = excluded.state, staged = excluded.staged`;

const DROP_TABLES_SQL = "DELETE FROM tables WHERE id IN (SELECT value FROM json_each(?1))";

const DROP_INDEXES_SQL = "DELETE FROM indexes WHERE id IN (SELECT value FROM json_each(?1))";

const FORGET_VALUES_SQL = "DELETE FROM catalog_values WHERE key IN (SELECT value FROM json_each(?1))";

const VALUES_SQL = `INSERT INTO catalog_values (key, part, value)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)`;

const COUNTERS_SQL = `INSERT INTO id_counters (name, value)
SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`;

/** Statements for the commit batch. A value is replaced by deleting and inserting, since it may change its length. */
export function catalogStatements(db: D1Database, change: CatalogChange): D1PreparedStatement[] {
  const { upsertTables = [], dropTables = [], upsertIndexes = [], dropIndexes = [], values = [] } = change;
  const counters: [name: "table" | "index", value: number][] = [];
  if (upsertTables.length > 0) counters.push(["table", Math.max(...upsertTables.map((table) => table.id))]);
  if (upsertIndexes.length > 0) counters.push(["index", Math.max(...upsertIndexes.map((index) => index.id))]);
  const work: [sql: string, rows: readonly unknown[]][] = [
    [DROP_TABLES_SQL, dropTables],
    [TABLES_SQL, upsertTables.map((table) => [table.id, table.component, table.name, table.number])],
    [DROP_INDEXES_SQL, dropIndexes],
    [
      INDEXES_SQL,
      upsertIndexes.map(({ id, tableId, name, definition, state, staged }) => [
        id,
        tableId,
        name,
        definition,
        state,
        staged ? 1 : 0,
      ]),
    ],
    [COUNTERS_SQL, counters],
    [FORGET_VALUES_SQL, values.map(({ key }) => key)],
    [
      VALUES_SQL,
      values.flatMap(({ key, value }) =>
        value === null ? [] : splitText(JSON.stringify(value), PIECE_BYTES).map((piece, part) => [key, part, piece]),
      ),
    ],
  ];
  return work.flatMap(([sql, rows]) =>
    jsonArrays(rows.map((row) => JSON.stringify(row))).map((array) => db.prepare(sql).bind(boundText(array))),
  );
}

export async function loadCatalogRows(db: D1Database): Promise<CatalogRows> {
  const orm = drizzle(db);
  const [heads, tableRows, indexRows, pieces, counters] = await orm.batch([
    orm
      .select({ ts: head.ts, writer: head.writer, catalogTs: head.catalogTs, retainedFrom: head.retainedFrom })
      .from(head),
    orm.select().from(tables).orderBy(asc(tables.id)),
    orm.select().from(indexes).orderBy(asc(indexes.id)),
    orm.select().from(catalogValues).orderBy(asc(catalogValues.key), asc(catalogValues.part)),
    orm.select().from(idCounters),
  ]);
  const texts = new Map<string, string>();
  for (const { key, value } of pieces) texts.set(key, (texts.get(key) ?? "") + value);
  const values = new Map<string, JsonValue>();
  for (const [key, text] of texts) values.set(key, JSON.parse(text));
  const counter = (name: string): number => counters.find((row) => row.name === name)?.value ?? 0;
  return {
    head: must(heads[0], "row of head"),
    tables: tableRows,
    indexes: indexRows,
    values,
    maxTableId: counter("table"),
    maxIndexId: counter("index"),
  };
}
