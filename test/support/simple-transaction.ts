import type { IndexUpdates, TransactionEffects, WriteRules } from "../../src/engine/commit/effects.ts";
import type { MutationRun, TransactionBegin } from "../../src/engine/commit/mutation-runner.ts";
import type { Interval } from "../../src/engine/interval.ts";
import type { IndexKey, InternalId } from "../../src/engine/names.ts";
import type { IndexRef, IndexRow, StoredDocument, TableRow } from "../../src/engine/persistence.ts";
import type { DocumentWrite, NewTable } from "../../src/engine/write-set.ts";
import { tableNameKey } from "../../src/engine/commit/catalog-changes.ts";

/** Documents of these tests are flat objects of non-negative integers. */
export type Fields = Readonly<Record<string, number>>;

/** Eight hex digits per field, then the id: order-preserving for the integers of these tests. */
export function indexKey(index: IndexRow, fields: Fields, id: InternalId): IndexKey {
  if (index.definition.type !== "database") throw new Error("Only database indexes");
  return (index.definition.fields.map((field) => encode(fields[field] ?? 0)).join("") + id) as IndexKey;
}

export function encode(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, "0");
}

export const simpleRules: WriteRules = {
  indexUpdates(catalog, write): IndexUpdates {
    const keys: (readonly [IndexRef, IndexKey])[] = [[`t${write.tableId}`, write.id as string as IndexKey]];
    const entries: { indexId: IndexRow["id"]; key: IndexKey; deleted: boolean }[] = [];
    for (const index of catalog.indexes(write.tableId)) {
      const before = write.before === null ? null : indexKey(index, JSON.parse(write.before.json), write.id);
      const after = write.after === null ? null : indexKey(index, JSON.parse(write.after.json), write.id);
      if (before !== null) keys.push([`i${index.id}`, before]);
      if (before === after) continue;
      if (after !== null) keys.push([`i${index.id}`, after]);
      if (before !== null) entries.push({ indexId: index.id, key: before, deleted: true });
      if (after !== null) entries.push({ indexId: index.id, key: after, deleted: false });
    }
    return { entries, keys };
  },
  resolveCommitTs: (writes) => writes,
  documentId: (table, id) => `${table}/${id}`,
};

/** The least of a transaction: reads through the reader, keeps its own writes, records what it depends on. */
export class SimpleTransaction {
  readonly #begin: TransactionBegin;
  readonly #reads = new Map<IndexRef, Interval[]>();
  readonly #writes = new Map<string, DocumentWrite>();
  readonly #newTables: NewTable[] = [];

  constructor(begin: TransactionBegin) {
    this.#begin = begin;
  }

  get ts(): number {
    return this.#begin.ts;
  }

  table(name: string): TableRow {
    const known =
      this.#begin.catalog.table("", name) ?? this.#newTables.find(({ table }) => table.name === name)?.table;
    if (known !== undefined) return known;
    const key = tableNameKey("", name);
    this.#depend("tables", { start: key, end: `${key}0` });
    const table = this.#begin.allocateTable("", name);
    this.#newTables.push({ table });
    return table;
  }

  async get(tableName: string, id: InternalId): Promise<Fields | null> {
    const table = this.table(tableName);
    this.#depend(`t${table.id}`, { start: id, end: `${id}0` });
    const own = this.#writes.get(`${table.id}:${id}`);
    if (own !== undefined) return own.after === null ? null : JSON.parse(own.after.json);
    const [document] = await this.#begin.reader.read([{ kind: "get", tableId: table.id, id }]);
    return document === null ? null : JSON.parse(document.json);
  }

  /** Documents in the order of an index, this transaction's own writes left out. */
  async range(
    tableName: string,
    indexName: string,
    interval: Interval,
    order: "asc" | "desc",
    limit: number,
  ): Promise<Fields[]> {
    const table = this.table(tableName);
    const index = indexName === "by_id" ? null : this.#begin.catalog.index(table.id, indexName);
    if (index === undefined) return [];
    const [page] = await this.#begin.reader.read([
      { kind: "range", tableId: table.id, index: index === null ? "by_id" : index.id, interval, order, limit },
    ]);
    const last = page.rows.at(-1);
    const cut = page.more && last !== undefined;
    const { start, end } = interval;
    this.#depend(
      index === null ? `t${table.id}` : `i${index.id}`,
      cut ? (order === "asc" ? { start, end: `${last.key}0` } : { start: last.key, end }) : interval,
    );
    if (page.rows.length < limit && page.more) throw new Error("A page ended early");
    return page.rows.map(({ document }) => JSON.parse(document.json));
  }

  insert(tableName: string, id: InternalId, fields: Fields): void {
    const table = this.table(tableName);
    this.#write(table, id, null, fields);
  }

  /** Replaces or, with `null`, removes. */
  async put(tableName: string, id: InternalId, fields: Fields | null): Promise<void> {
    const table = this.table(tableName);
    this.#depend(`t${table.id}`, { start: id, end: `${id}0` });
    const own = this.#writes.get(`${table.id}:${id}`);
    const before =
      own === undefined ? (await this.#begin.reader.read([{ kind: "get", tableId: table.id, id }]))[0] : own.before;
    this.#write(table, id, before, fields);
  }

  #write(table: TableRow, id: InternalId, before: StoredDocument | null, fields: Fields | null): void {
    const key = `${table.id}:${id}`;
    if (before === null && fields === null) {
      this.#writes.delete(key);
      return;
    }
    const json = JSON.stringify(fields);
    const after = fields === null ? null : { value: fields, json, size: json.length, hasCommitTs: false };
    this.#writes.set(key, { tableId: table.id, id, before, after });
  }

  #depend(ref: IndexRef, interval: Interval): void {
    const intervals = this.#reads.get(ref);
    if (intervals === undefined) this.#reads.set(ref, [interval]);
    else intervals.push(interval);
  }

  effects(): TransactionEffects {
    return { readSet: this.#reads, writeSet: { documents: [...this.#writes.values()], newTables: this.#newTables } };
  }
}

/** Runs `body` in a transaction; what it returns is answered as JSON beside the timestamp. */
export function simpleRun(
  body: (tx: SimpleTransaction) => Promise<unknown>,
): (begin: TransactionBegin) => Promise<MutationRun> {
  return async (begin) => {
    const tx = new SimpleTransaction(begin);
    const value = await body(tx);
    return { ok: true, effects: tx.effects(), answer: (ts) => JSON.stringify({ ts, value }) };
  };
}
