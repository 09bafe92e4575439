import { must } from "../../shared/assert.ts";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import type { IndexAddress, SearchDefinition } from "../derived-index.ts";
import { enabledIndex } from "../enabled-index.ts";
import { BY_CREATION_TIME, BY_ID, orderedFields } from "../index-definition.ts";
import { EVERYTHING, type Interval } from "../interval.ts";
import type { ComponentPath, IndexId } from "../names.ts";
import type { IndexRef, TableRow } from "../persistence.ts";
import type { IndexTarget } from "../pending-writes.ts";
import { indexRef, tableRef } from "../read-set.ts";
import { BY_CREATION_TIME_TARGET, BY_ID_TARGET, type Tables, VIRTUAL_SYSTEM_TABLES, isSystemTable } from "../tables.ts";
import type { TextQuery } from "../text/score.ts";
import type { Order, QuerySource } from "./definition.ts";
import { compileRange } from "./index-range.ts";
import { compileSearch } from "./search-filters.ts";

export type ScanSource = RangeSource | SearchSource;

/** A range of one index, ready to be scanned. */
export interface RangeSource {
  readonly kind: "range";
  readonly table: TableRow;
  readonly target: IndexTarget;
  /** `null`: the index exists only in this transaction, with its table. */
  readonly storage: { readonly index: IndexId | "by_id"; readonly ref: IndexRef } | null;
  readonly interval: Interval;
  readonly order: Order;
  /** Tells rows outside the range apart; `null` when the interval holds none. */
  readonly recheck: ((document: JsonValue) => boolean) | null;
}

/** A search in a text index. Its keys are ranks. */
export interface SearchSource {
  readonly kind: "search";
  readonly table: TableRow;
  readonly definition: SearchDefinition;
  readonly address: IndexAddress<SearchDefinition>;
  readonly ref: IndexRef;
  /** `null`: nothing matches. */
  readonly query: TextQuery | null;
  readonly interval: Interval;
  readonly order: "asc";
  readonly recheck: null;
}

export interface ResolvedSource {
  /** `null`: the table does not exist, and nothing is in it. */
  readonly scan: ScanSource | null;
  /** Fields of the index: part of the fingerprint that ties a cursor to its query. */
  readonly fields: readonly string[];
}

/** Finds the index of a query and the interval of keys to scan. Throws the texts of `abi.md` §2.5.3 and §2.5.5. */
export function resolveSource(tables: Tables, component: ComponentPath, source: QuerySource): ResolvedSource {
  if (source.type === "Search") return resolveSearch(tables, component, source);
  const indexName = source.type === "FullTableScan" ? BY_CREATION_TIME : source.index;
  const name = `${source.table}.${indexName}`;
  const hidden = isSystemTable(source.table) && !VIRTUAL_SYSTEM_TABLES.has(source.table);
  const table = hidden ? null : tables.named(component, source.table);
  const index = resolveIndex(tables, table, indexName, name);
  if (table === null) return { scan: null, fields: index.fields };

  const place = { kind: "range", table, target: index.target, storage: index.storage, order: source.order } as const;
  if (source.type === "FullTableScan") {
    return { scan: { ...place, interval: EVERYTHING, recheck: null }, fields: index.fields };
  }
  const rangeIndex = { name, fields: index.fields, tableNumber: table.number };
  const { interval, exact, holds } = compileRange(rangeIndex, source.range);
  return { scan: { ...place, interval, recheck: exact ? null : holds }, fields: index.fields };
}

function resolveSearch(
  tables: Tables,
  component: ComponentPath,
  source: Extract<QuerySource, { type: "Search" }>,
): ResolvedSource {
  const name = `${source.table}.${source.index}`;
  const hidden = isSystemTable(source.table) && !VIRTUAL_SYSTEM_TABLES.has(source.table);
  const table = hidden ? null : tables.named(component, source.table);
  const row = table === null ? undefined : tables.index(table.id, source.index);
  const { id, tableId, definition } = enabledIndex(row, name, "search");
  const query = compileSearch(name, definition, source.filters);
  const scan: SearchSource = {
    kind: "search",
    table: must(table, "table of an index"),
    definition,
    address: { indexId: id, tableId, definition },
    ref: indexRef(id),
    query,
    interval: EVERYTHING,
    order: "asc",
    recheck: null,
  };
  return { scan, fields: [definition.searchField, ...definition.filterFields] };
}

interface ResolvedIndex extends Pick<RangeSource, "target" | "storage"> {
  readonly fields: readonly string[];
}

function resolveIndex(tables: Tables, table: TableRow | null, indexName: string, name: string): ResolvedIndex {
  if (indexName === BY_ID) {
    const storage =
      table === null || tables.isNew(table.id) ? null : ({ index: "by_id", ref: tableRef(table.id) } as const);
    return { target: BY_ID_TARGET, storage, fields: [] };
  }
  const row = table === null ? undefined : tables.index(table.id, indexName);
  if (row === undefined) {
    const builtIn = indexName === BY_CREATION_TIME && (table === null || tables.isNew(table.id));
    if (!builtIn) throw badRequest("IndexNotFoundError", `Index ${name} not found.`);
    return { target: BY_CREATION_TIME_TARGET, storage: null, fields: ["_creationTime"] };
  }
  const index = enabledIndex(row, name, "database");
  return {
    target: { name: index.name, definition: index.definition },
    storage: { index: index.id, ref: indexRef(index.id) },
    fields: orderedFields(index.definition),
  };
}
