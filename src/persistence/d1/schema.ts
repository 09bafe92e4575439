import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { IndexDefinition, IndexState } from "../../engine/persistence.ts";
import type { ComponentPath, IndexId, TableId, TableNumber } from "../../engine/names.ts";
import type { Timestamp } from "../../engine/timestamp.ts";

/**
 * The D1 schema. `drizzle-kit generate` writes `migrations/` from it; `WITHOUT ROWID`, which drizzle can't say, is
 * added there by hand to every table with a composite key: such a table is its own primary-key index, so that a row
 * costs one row written instead of two.
 */

const timestamp = (name: string) => integer(name).$type<Timestamp>();

/** One row, `id = 1`. Every commit compares and sets it: `ts` NULL aborts the whole batch. */
export const head = sqliteTable("head", {
  id: integer("id").primaryKey(),
  ts: timestamp("ts").notNull(),
  writer: text("writer").notNull(),
  catalogTs: timestamp("catalog_ts").notNull(),
  retainedFrom: timestamp("retained_from").notNull(),
});

/** One row per group commit, more only when the texts are long. `ts` is that of the last transaction in the group. */
export const commits = sqliteTable(
  "commits",
  {
    ts: timestamp("ts").notNull(),
    part: integer("part").notNull(),
    /** How many rows the removal of `garbage` is expected to delete. Before the texts, so that it is read without them. */
    weight: integer("weight").notNull(),
    /** Piece of the JSON text of `[[ts, [[index, key], …]], …]`; the pieces of all parts, in order, are the text. */
    transactions: text("transactions").notNull(),
    /** JSON `{d: [[table, id, ts, deleted]…], e: [[index, key, ts]…]}`: versions that make older ones superfluous. */
    garbage: text("garbage").notNull(),
  },
  (table) => [primaryKey({ columns: [table.ts, table.part] })],
);

/**
 * What mutations answered, for clients that ask again. Not versioned. `part` > 0 continues a long outcome. The day
 * (UTC, of `ts`) leads the key, so that old ones are removed as a range, with no index on `ts` to pay for.
 */
export const outcomes = sqliteTable(
  "outcomes",
  {
    day: integer("day").notNull(),
    sessionId: text("session_id").notNull(),
    requestId: text("request_id").notNull(),
    part: integer("part").notNull(),
    ts: timestamp("ts").notNull(),
    outcome: text("outcome").notNull(),
  },
  (table) => [primaryKey({ columns: [table.day, table.sessionId, table.requestId, table.part] })],
);

/**
 * Document versions, clustered by document. NULL `size` and `value` mark a deletion. Against a rowid table with a
 * unique index this saves one of four rows written per update; reading costs (miniflare, point / range of 20):
 * 0.5 KB the same, 4 KB +8 % / +25 %, 40 KB +14 % / +90 %, because SQLite reads whole rows while it descends.
 */
export const documents = sqliteTable(
  "documents",
  {
    tableId: integer("table_id").$type<TableId>().notNull(),
    id: blob("id", { mode: "buffer" }).notNull(),
    ts: timestamp("ts").notNull(),
    size: integer("size"),
    /** ConvexJSON text, or `""` (two quotes) when the text is in `document_overflow`. */
    value: text("value"),
  },
  (table) => [primaryKey({ columns: [table.tableId, table.id, table.ts] })],
);

/** JSON text of documents that a row of D1 can't hold, in pieces. */
export const documentOverflow = sqliteTable(
  "document_overflow",
  {
    tableId: integer("table_id").$type<TableId>().notNull(),
    id: blob("id", { mode: "buffer" }).notNull(),
    ts: timestamp("ts").notNull(),
    part: integer("part").notNull(),
    value: text("value").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tableId, table.id, table.ts, table.part] })],
);

/** Key → document (the last 16 bytes of the key). A row per appearance or disappearance of a key, none per version. */
export const indexEntries = sqliteTable(
  "index_entries",
  {
    indexId: integer("index_id").$type<IndexId>().notNull(),
    key: blob("key", { mode: "buffer" }).notNull(),
    ts: timestamp("ts").notNull(),
    deleted: integer("deleted").notNull(),
  },
  (table) => [primaryKey({ columns: [table.indexId, table.key, table.ts] })],
);

export const tables = sqliteTable("tables", {
  id: integer("id").$type<TableId>().primaryKey(),
  component: text("component").$type<ComponentPath>().notNull(),
  name: text("name").notNull(),
  number: integer("number").$type<TableNumber>().notNull(),
});

export const indexes = sqliteTable("indexes", {
  id: integer("id").$type<IndexId>().primaryKey(),
  tableId: integer("table_id").$type<TableId>().notNull(),
  name: text("name").notNull(),
  definition: text("definition", { mode: "json" }).$type<IndexDefinition>().notNull(),
  state: text("state").$type<IndexState>().notNull(),
  staged: integer("staged", { mode: "boolean" }).notNull(),
});

/** Named values of the catalog as JSON text, in pieces when long. */
export const catalogValues = sqliteTable(
  "catalog_values",
  {
    key: text("key").notNull(),
    part: integer("part").notNull(),
    value: text("value").notNull(),
  },
  (table) => [primaryKey({ columns: [table.key, table.part] })],
);

/** Largest id ever stored, per kind (`table`, `index`). Outlives the rows, so that ids are never used twice. */
export const idCounters = sqliteTable("id_counters", {
  name: text("name").$type<"table" | "index">().primaryKey(),
  value: integer("value").notNull(),
});
