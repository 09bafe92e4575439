import { type Value, convexToJson } from "convex/values";
import { Catalog } from "../../../src/engine/catalog.ts";
import { FunctionScope } from "../../../src/engine/function-scope.ts";
import { CREATION_TIME_DEFINITION, keyIn } from "../../../src/engine/index-definition.ts";
import { idKey } from "../../../src/engine/index-key.ts";
import type { ComponentPath, IndexId, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type {
  IndexDefinition,
  IndexRow,
  RangePage,
  Read,
  ReadResult,
  StoredDocument,
  TableRow,
} from "../../../src/engine/persistence.ts";
import { PlainCursorCodec } from "../../../src/engine/plain-cursor.ts";
import type { IndexAddress, SearchDefinition } from "../../../src/engine/derived-index.ts";
import type { TextQuery } from "../../../src/engine/text/score.ts";
import type { SnapshotMatches } from "../../../src/engine/text/text-index.ts";
import { searchAll } from "../../support/text-model.ts";
import type { SnapshotReader } from "../../../src/engine/snapshot-reader.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { Transaction, type TransactionOptions } from "../../../src/engine/transaction.ts";
import { fromHex } from "../../../src/shared/bytes.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import type { Random } from "../../../src/shared/random.ts";
import { encodeDocumentId, tryDecodeDocumentId } from "../../../src/values/document-id.ts";
import { checkStoredDocument } from "../../../src/values/stored-document.ts";

/** ConvexJSON of a value, with the readonly type of ours. */
export function toJson(value: Value): JsonValue {
  return convexToJson(value) as JsonValue;
}

/** Small, fast and good enough: mulberry32. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** In [0, 1). */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("Nothing to pick from");
    return item;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** A database at rest, all in maps: what transactions of a test read. */
export class TestDatabase {
  readonly tables: TableRow[] = [];
  readonly indexes: IndexRow[] = [];
  readonly documents = new Map<TableId, Map<InternalId, StoredDocument>>();
  readonly #reserved = new Map<string, TableRow>();
  #lastIndexId = 0;
  #lastId = 0;

  table(name: string, indexes: Record<string, readonly string[]> = {}, component: ComponentPath = ""): TableRow {
    const id = (this.tables.length + 1) as TableId;
    const number = ((name.startsWith("_") ? 513 : 10_001) + this.tables.length) as TableNumber;
    const table = { id, component, name, number };
    this.tables.push(table);
    this.documents.set(id, new Map());
    this.index(table, "by_creation_time", CREATION_TIME_DEFINITION);
    for (const [index, fields] of Object.entries(indexes)) this.index(table, index, { type: "database", fields });
    return table;
  }

  index(table: TableRow, name: string, definition: IndexDefinition, changes: Partial<IndexRow> = {}): IndexRow {
    const id = ++this.#lastIndexId as IndexId;
    const index: IndexRow = { id, tableId: table.id, name, definition, state: "enabled", staged: false, ...changes };
    this.indexes.push(index);
    return index;
  }

  /** Stores a document, its creation time counting up. Returns its id. */
  add(table: TableRow, fields: Record<string, Value> = {}): string {
    const n = ++this.#lastId;
    // The middle digits are scattered, so that the order of ids is not the order of creation.
    const internal = (((n * 7919) % 9973).toString(16) + n.toString(16)).padStart(32, "0").toUpperCase() as InternalId;
    const id = encodeDocumentId(table.number, fromHex(internal));
    const document = { ...(toJson(fields) as JsonObject), _id: id, _creationTime: 1000 + n };
    const { value, size } = checkStoredDocument(document);
    this.documents.get(table.id)?.set(internal, { json: JSON.stringify(value), size, ts: 1 as Timestamp });
    return id;
  }

  catalog(): Catalog {
    return new Catalog({
      tables: this.tables,
      indexes: this.indexes,
      values: new Map(),
      head: { catalogTs: 1 as Timestamp },
    });
  }

  /** A transaction on the state of now. */
  begin(kind: "query" | "mutation" = "mutation", options: Partial<TransactionOptions> = {}): TestTransaction {
    return new TestTransaction(this, kind, options);
  }

  /** One row per name, as the Transactor's allocator gives. */
  nextTable(component: ComponentPath, name: string): TableRow {
    const key = `${component}/${name}`;
    const n = 100 + this.#reserved.size;
    const row = this.#reserved.get(key) ?? { id: n as TableId, component, name, number: (10_000 + n) as TableNumber };
    this.#reserved.set(key, row);
    return row;
  }
}

export class TestTransaction extends Transaction {
  readonly reader: TestReader;

  constructor(database: TestDatabase, kind: "query" | "mutation", options: Partial<TransactionOptions>) {
    const reader = new TestReader(database);
    super({
      kind,
      reader,
      catalog: database.catalog(),
      schemas: () => null,
      now: 1_700_000_000_000,
      random: new SeededRandom(1),
      cursors: new PlainCursorCodec(),
      allocateTable: (component, name) => database.nextTable(component, name),
      ...options,
    });
    this.reader = reader;
  }

  scope(component: ComponentPath = "", journal: string | null = null): FunctionScope {
    return new FunctionScope(this, component, journal);
  }
}

/** Sorts everything at each read; nothing clever. Counts round trips. */
export class TestReader implements SnapshotReader {
  readonly #documents: Map<TableId, Map<InternalId, StoredDocument>>;
  readonly #indexes: readonly IndexRow[];
  snapshotTs: Timestamp | null = null;
  roundTrips = 0;
  readonly reads: Read[] = [];

  constructor(database: TestDatabase) {
    this.#documents = new Map([...database.documents].map(([id, documents]) => [id, new Map(documents)]));
    this.#indexes = [...database.indexes];
  }

  async read<const R extends readonly Read[]>(reads: R): Promise<{ readonly [I in keyof R]: ReadResult<R[I]> }> {
    this.snapshotTs = 7 as Timestamp;
    this.roundTrips++;
    this.reads.push(...reads);
    const results = reads.map((read) => this.#one(read));
    return results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> };
  }

  async search(index: IndexAddress<SearchDefinition>, query: TextQuery, limit: number): Promise<SnapshotMatches> {
    this.snapshotTs = 7 as Timestamp;
    this.roundTrips++;
    const documents = this.#documents.get(index.tableId) ?? new Map<InternalId, StoredDocument>();
    return { ...searchAll(documents, index.definition, query, limit), changed: new Map(), documents: new Map() };
  }

  #one(read: Read): StoredDocument | RangePage | null {
    const documents = this.#documents.get(read.tableId) ?? new Map<InternalId, StoredDocument>();
    if (read.kind === "get") return documents.get(read.id) ?? null;
    const index = this.#indexes.find(({ id }) => id === read.index);
    const rows = [...documents]
      .flatMap(([id, document]) => {
        const key = index === undefined ? idKey(id) : keyIn(index.definition, JSON.parse(document.json), id);
        return key === null ? [] : [{ key, document }];
      })
      .filter(({ key }) => key >= read.interval.start && (read.interval.end === null || key < read.interval.end))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    if (read.order === "desc") rows.reverse();
    return { rows: rows.slice(0, read.limit), more: rows.length > read.limit };
  }
}

export function internalId(id: string): InternalId {
  const decoded = tryDecodeDocumentId(id);
  if (decoded === null) throw new Error(`${id} is no id`);
  return decoded.internalId as InternalId;
}

/** The message of what `body` throws. */
export async function failure(body: () => unknown): Promise<string> {
  try {
    await body();
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
  throw new Error("Nothing was thrown");
}
