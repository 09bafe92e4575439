import { Catalog } from "../../../src/engine/catalog.ts";
import type { IndexId, IndexKey, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import {
  type CatalogRows,
  type Head,
  type IndexEntry,
  type IndexRow,
  type LoggedTransaction,
  OutOfRetentionError,
  type Persistence,
  type Read,
  type StoredDocument,
  type TableRow,
} from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import type { CatalogCommit, CatalogCommitResult, CatalogCommitter, DocumentKeys } from "../../../src/deploy/ports.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";

interface Version {
  readonly ts: number;
  readonly json: string | null;
}

/** Storage and Transactor in one, in memory: as little as pushes need, with hooks to write in between. */
export class FakeDatabase implements CatalogCommitter {
  readonly #keys: DocumentKeys;
  ts = 1_000_000;
  catalogTs = this.ts;
  retainedFrom = 0;
  readonly tables = new Map<number, TableRow>();
  readonly indexes = new Map<number, IndexRow>();
  readonly values = new Map<string, JsonValue>();
  readonly #documents = new Map<number, Map<string, Version[]>>();
  readonly #entries = new Map<string, IndexEntry>();
  readonly #log: LoggedTransaction[] = [];
  #ids = 0;
  /** What was written before is forgotten by the Transactor, which then refuses `unwrittenSince` to be safe. */
  writeLogFloor = 0;
  catalogCommits = 0;
  largestBatch = 0;
  rowsRead = 0;
  /** Called before each read of documents or of the catalog, and before each catalog commit. */
  beforeRead: () => void = () => {};
  beforeLoad: () => void = () => {};
  beforeBackfill: () => void = () => {};
  beforeCommit: (commit: CatalogCommit) => void = () => {};

  constructor(keys: DocumentKeys) {
    this.#keys = keys;
  }

  /** What a mutation does: creates the table if need be, keeps every index up to date, is logged. */
  write(component: string, table: string, id: string, fields: JsonObject | null): void {
    this.ts += 10;
    const catalog = this.catalog();
    let row = catalog.table(component, table);
    if (row === undefined) {
      row = this.#newTable(component, table);
      this.tables.set(row.id, row);
      this.catalogTs = this.ts;
    }
    const documents = this.#documents.get(row.id) ?? new Map<string, Version[]>();
    this.#documents.set(row.id, documents);
    const internal = internalId(id);
    const before = documents.get(internal)?.at(-1)?.json ?? null;
    const after = fields === null ? null : JSON.stringify({ _id: id, _creationTime: 1, ...fields });
    for (const index of catalog.indexes(row.id)) {
      const old = before === null ? null : this.#keys.indexKey(index.definition, JSON.parse(before), internal);
      const now = after === null ? null : this.#keys.indexKey(index.definition, JSON.parse(after), internal);
      if (old === now) continue;
      if (old !== null) this.#put({ indexId: index.id, key: old, ts: stamp(this.ts), deleted: true });
      if (now !== null) this.#put({ indexId: index.id, key: now, ts: stamp(this.ts), deleted: false });
    }
    documents.set(internal, [...(documents.get(internal) ?? []), { ts: this.ts, json: after }]);
    this.#log.push({ ts: stamp(this.ts), keys: [[`t${row.id}`, internal as string as IndexKey]] });
  }

  catalog(): Catalog {
    return new Catalog(this.rows());
  }

  rows(): CatalogRows {
    return {
      head: this.#head(),
      tables: [...this.tables.values()],
      indexes: [...this.indexes.values()],
      values: new Map(this.values),
      maxTableId: 0,
      maxIndexId: 0,
    };
  }

  index(table: string, name: string, component = ""): IndexRow | undefined {
    const row = this.catalog().table(component, table);
    return row === undefined ? undefined : this.catalog().index(row.id, name);
  }

  /** Keys that a read of the index would find now. */
  liveKeys(index: IndexId): string[] {
    const newest = new Map<string, IndexEntry>();
    for (const entry of this.#entries.values()) {
      if (entry.indexId !== index) continue;
      const known = newest.get(entry.key);
      if (known === undefined || known.ts < entry.ts) newest.set(entry.key, entry);
    }
    return [...newest.values()]
      .filter((entry) => !entry.deleted)
      .map((entry) => entry.key)
      .toSorted();
  }

  /** Keys that the index should have, from the documents themselves. */
  expectedKeys(index: IndexRow): string[] {
    const keys: string[] = [];
    for (const [id, versions] of this.#documents.get(index.tableId) ?? []) {
      const json = versions.at(-1)?.json ?? null;
      const key = json === null ? null : this.#keys.indexKey(index.definition, JSON.parse(json), id as InternalId);
      if (key !== null) keys.push(key);
    }
    return keys.toSorted();
  }

  entryCount(index: IndexId): number {
    return [...this.#entries.values()].filter((entry) => entry.indexId === index).length;
  }

  // Generic results follow the shape of the reads, which a fake can't prove to the compiler.
  readonly read = (async (reads: readonly Read[]) => {
    this.beforeRead();
    const results = reads.map((read) => {
      const documents = this.#documents.get(read.tableId) ?? new Map<string, Version[]>();
      if (read.kind === "get") return stored(documents.get(read.id));
      const { start, end } = read.interval;
      const live = [...documents]
        .filter(([id]) => id >= start && (end === null || id < end))
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([id, versions]) => {
          const document = stored(versions);
          return document === null ? [] : [{ key: id as IndexKey, document }];
        });
      const rows = live.slice(0, read.limit);
      this.rowsRead += rows.length;
      this.largestBatch = Math.max(this.largestBatch, rows.length);
      return { rows, more: live.length > rows.length };
    });
    return { head: this.#head(), results };
  }) as Persistence["read"];

  async loadCatalog(): Promise<CatalogRows> {
    this.beforeLoad();
    return this.rows();
  }

  async log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    return this.#log.filter(({ ts }) => ts > after).slice(0, limit);
  }

  async backfill(entries: readonly IndexEntry[], readAt: Timestamp): Promise<void> {
    this.beforeBackfill();
    if (readAt < this.retainedFrom) throw new OutOfRetentionError("The documents were read too long ago.");
    for (const entry of entries) if (!this.#entries.has(entryKey(entry))) this.#put(entry);
  }

  async removeIndexEntries(indexId: IndexId, limit: number): Promise<number> {
    const keys = [...this.#entries].filter(([, entry]) => entry.indexId === indexId).slice(0, limit);
    for (const [key] of keys) this.#entries.delete(key);
    return keys.length;
  }

  async allocate(request: Parameters<CatalogCommitter["allocate"]>[0]) {
    return {
      tables: request.tables.map(
        ({ component, name }) => this.catalog().table(component, name) ?? this.#newTable(component, name),
      ),
      indexIds: Array.from({ length: request.indexes }, () => ++this.#ids as IndexId),
    };
  }

  async commitCatalog(commit: CatalogCommit): Promise<CatalogCommitResult> {
    this.beforeCommit(commit);
    if (commit.expectedCatalogTs !== this.catalogTs) return { ok: false, reason: "catalogChanged" };
    const { unwrittenSince, change } = commit;
    if (unwrittenSince !== undefined) {
      const refs = new Set(unwrittenSince.tables.map((table) => `t${table}`));
      const written = this.#log.some(
        ({ ts, keys }) => ts > unwrittenSince.ts && keys.some(([index]) => refs.has(index)),
      );
      if (written || unwrittenSince.ts < this.writeLogFloor) return { ok: false, reason: "documentsChanged" };
    }
    this.catalogCommits++;
    this.ts += 10;
    this.catalogTs = this.ts;
    for (const table of change.upsertTables ?? []) this.tables.set(table.id, table);
    for (const index of change.upsertIndexes ?? []) this.indexes.set(index.id, index);
    for (const id of change.dropIndexes ?? []) this.indexes.delete(id);
    for (const { key, value } of change.values ?? []) {
      if (value === null) this.values.delete(key);
      else this.values.set(key, value);
    }
    return { ok: true, ts: stamp(this.ts) };
  }

  #newTable(component: string, name: string): TableRow {
    const number = 10_001 + [...this.tables.values()].filter((table) => table.component === component).length;
    return { id: ++this.#ids as TableId, component, name, number: number as TableNumber };
  }

  #head(): Head {
    return {
      ts: stamp(this.ts),
      writer: "w",
      catalogTs: stamp(this.catalogTs),
      retainedFrom: stamp(this.retainedFrom),
    };
  }

  #put(entry: IndexEntry): void {
    this.#entries.set(entryKey(entry), entry);
  }
}

/** Ids of the fake are short names; their internal form has the length of real ones. */
export function internalId(id: string): InternalId {
  return Buffer.from(id.padEnd(16, "\0")).toString("hex").toUpperCase() as InternalId;
}

function stored(versions: readonly Version[] | undefined): StoredDocument | null {
  const last = versions?.at(-1);
  return last === undefined || last.json === null
    ? null
    : { json: last.json, size: last.json.length, ts: stamp(last.ts) };
}

function entryKey({ indexId, key, ts }: IndexEntry): string {
  return `${indexId}/${key}/${ts}`;
}

function stamp(ts: number): Timestamp {
  return ts as Timestamp;
}
