import { assert } from "../shared/assert.ts";
import { CodedError, badRequest } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import type { Schema } from "../values/schema.ts";
import { BatchedReader } from "./batched-reader.ts";
import type { Catalog } from "./catalog.ts";
import type { CursorCodec } from "./cursor.ts";
import { CreationTimes } from "./creation-time.ts";
import { DocumentWrites, type Patch } from "./document-writes.ts";
import { idKey } from "./index-key.ts";
import { LargestDocuments } from "./largest-documents.ts";
import { type LimitWarning, scheduledWarning, usageWarnings } from "./limit-texts.ts";
import {
  DEFAULT_TRANSACTION_LIMITS,
  type Metric,
  type TransactionLimitNotes,
  type TransactionLimits,
} from "./limits.ts";
import type { ComponentPath, InternalId } from "./names.ts";
import { PendingWrites } from "./pending-writes.ts";
import type { TableRow } from "./persistence.ts";
import type { QueryOperator, QuerySource } from "./query/definition.ts";
import { QueryRun } from "./query/query-run.ts";
import { type ResolvedSource, type ScanSource, resolveSource } from "./query/source.ts";
import { type ReadSet, ReadSetRecorder, tableRef } from "./read-set.ts";
import type { SnapshotReader } from "./snapshot-reader.ts";
import { SubTransaction } from "./sub-transaction.ts";
import { SystemDocuments } from "./system-documents.ts";
import { Tables, isSystemTable } from "./tables.ts";
import { UsageMeter } from "./usage.ts";
import type { WriteSet } from "./write-set.ts";

export interface TransactionOptions {
  readonly kind: "query" | "mutation";
  readonly reader: SnapshotReader;
  /** Must be the catalog of the reader's snapshot; the reader throws `CatalogChangedError` when it is not. */
  readonly catalog: Catalog;
  /** Schema in force, `null` when the component has none. */
  readonly schemas: (component: ComponentPath) => Schema | null;
  /** Milliseconds since the Unix epoch: the clock of creation times and of the days in ids. */
  readonly now: number;
  /** Draws ids. Never the generator that user code sees. */
  readonly random: Random;
  readonly cursors: CursorCodec;
  readonly limits?: TransactionLimits;
  readonly limitNotes?: TransactionLimitNotes;
  /** Tables of developers that the deployment may have. */
  readonly maxTables?: number;
  /** Follows the text of that limit. */
  readonly maxTablesNote?: string;
  /** Mutations only: the row a table will have when the transaction brings it into existence. */
  readonly allocateTable?: (component: ComponentPath, name: string) => TableRow;
}

const DEFAULT_MAX_TABLES = 10_000;

/**
 * One query or mutation with everything it calls: reads of one snapshot, writes on top of them that nobody else sees,
 * and the account of both. Functions reach it through a `FunctionScope` each.
 *
 *   reads ──► snapshot (BatchedReader) + PendingWrites ──► read set
 *   writes ─► checks, limits ──► PendingWrites ──► write set
 */
export class Transaction {
  readonly kind: "query" | "mutation";
  readonly cursors: CursorCodec;
  readonly tables: Tables;
  /** Of the backend itself. Only for its own code: nothing here is checked against rights or limits. */
  readonly system: SystemDocuments;
  readonly #options: TransactionOptions;
  readonly #reader: BatchedReader;
  readonly #pending = new PendingWrites();
  readonly #usage: UsageMeter;
  readonly #reads = new ReadSetRecorder();
  readonly #largest = new LargestDocuments();
  readonly #writes: DocumentWrites;
  /** Bytes of arguments. */
  #largestScheduled = 0;
  /** Queries whose covered interval is not in `#reads` yet, because it may still move. */
  readonly #running = new Set<QueryRun>();

  constructor(
    options: TransactionOptions,
    usage = new UsageMeter(options.limits ?? DEFAULT_TRANSACTION_LIMITS, options.limitNotes),
  ) {
    const { kind, reader, catalog, schemas, now, random, cursors } = options;
    this.kind = kind;
    this.cursors = cursors;
    this.#options = options;
    this.#usage = usage;
    this.#reader = new BatchedReader(reader, kind === "mutation");
    this.tables = new Tables(catalog, this.#pending, this.#reads);
    const context = {
      reader: this.#reader,
      pending: this.#pending,
      usage,
      reads: this.#reads,
      tables: this.tables,
      largest: this.#largest,
      random,
      now,
      creationTimes: new CreationTimes(now),
      schemas,
    };
    this.#writes = new DocumentWrites(context);
    this.system = new SystemDocuments(context);
  }

  /** Timestamp of the snapshot; `null` while nothing has been read. */
  get snapshotTs(): SnapshotReader["snapshotTs"] {
    return this.#reader.snapshotTs;
  }

  get limits(): TransactionLimits {
    return this.#usage.limits;
  }

  /** ConvexJSON text of the document, `null` when there is none. One index range and, if found, one document. */
  async get(table: TableRow, id: InternalId): Promise<string | null> {
    this.#usage.chargeQuery();
    this.#reads.addKey(tableRef(table.id), idKey(id));
    const write = this.#pending.get(table.id, id);
    if (write === undefined && this.tables.isNew(table.id)) return null;
    const document = write === undefined ? await this.#reader.document(table.id, id) : write.after;
    if (document === null) return null;
    this.#usage.chargeRead(document.size);
    return document.json;
  }

  /** Creates the table if need be. Returns the text of the new id. */
  insert(component: ComponentPath, tableName: string, value: JsonObject): string {
    this.#refuseInQuery();
    return this.#writes.insert(this.#tableForInsert(component, tableName), value);
  }

  async patch(table: TableRow, id: InternalId, patch: Patch): Promise<string> {
    this.#refuseInQuery();
    return (await this.#writes.patch(table, id, patch)).json;
  }

  async replace(table: TableRow, id: InternalId, value: JsonObject): Promise<string> {
    this.#refuseInQuery();
    return (await this.#writes.replace(table, id, value)).json;
  }

  async remove(table: TableRow, id: InternalId): Promise<string> {
    this.#refuseInQuery();
    return (await this.#writes.remove(table, id)).json;
  }

  /** Counts a scheduled function. Its row is written like any other, so a roll-back takes it along. */
  chargeScheduled(argsBytes: number): void {
    this.#refuseInQuery();
    this.#usage.chargeScheduled(argsBytes);
    this.#largestScheduled = Math.max(this.#largestScheduled, argsBytes);
  }

  /** Counts a file that is about to be stored. Its document is written like any other, so a roll-back takes it along. */
  chargeFileWrite(bytes: number): void {
    this.#refuseInQuery();
    this.#usage.chargeFileWrite(bytes);
  }

  chargeFileRead(bytes: number): void {
    this.#usage.chargeFileRead(bytes);
  }

  /** Of a system table, which is made if need be. */
  systemTable(component: ComponentPath, name: string): TableRow {
    this.#refuseInQuery();
    return this.#tableForInsert(component, name);
  }

  /** Finds a query's index. Finding none is only reported once the catalog is known to be the snapshot's. */
  async resolve(component: ComponentPath, source: QuerySource): Promise<ResolvedSource> {
    try {
      const resolved = resolveSource(this.tables, component, source);
      if (resolved.scan === null) await this.#reader.pin();
      return resolved;
    } catch (error) {
      if (error instanceof CodedError) await this.#reader.pin();
      throw error;
    }
  }

  /** A table id that finds no table is only reported once the catalog is known to be the snapshot's. */
  async pin(): Promise<void> {
    await this.#reader.pin();
  }

  /** The run is in the read set from now on; `finish` fixes what it covers. */
  start(source: ScanSource, operators: readonly QueryOperator[]): QueryRun {
    const run = new QueryRun({ reader: this.#reader, pending: this.#pending, usage: this.#usage }, source, operators);
    this.#running.add(run);
    return run;
  }

  finish(run: QueryRun): void {
    if (this.#running.delete(run)) run.addTo(this.#reads);
  }

  /**
   * Begins a nested call. It must be committed or rolled back before its parent goes on, innermost first.
   * Reads stay in the read set either way.
   */
  begin(budget: Partial<TransactionLimits> = {}): SubTransaction {
    return new SubTransaction(this.#pending, this.#usage, budget);
  }

  /**
   * The same snapshot without this transaction's writes, for queries that must not conflict: what it reads counts
   * towards the limits, and is in no read set but its own.
   */
  staleView(): Transaction {
    return new Transaction({ ...this.#options, kind: "query" }, this.#usage);
  }

  /** For other parts of a mutation's state that a nested call's failure must take back. */
  onRollback(undo: () => void): void {
    this.#pending.onRollback(undo);
  }

  metrics(): Record<Metric, { readonly used: number; readonly remaining: number }> {
    return this.#usage.metrics();
  }

  /** System log lines about limits that were nearly reached. */
  warnings(): LimitWarning[] {
    return [
      ...usageWarnings(this.#usage.used, this.#usage.limits),
      ...this.#largest.warnings(),
      ...scheduledWarning(this.#largestScheduled),
    ];
  }

  readSet(): ReadSet {
    const reads = this.#reads.clone();
    for (const run of this.#running) run.addTo(reads);
    return reads.snapshot();
  }

  writeSet(): WriteSet {
    return this.#pending.writeSet();
  }

  #tableForInsert(component: ComponentPath, name: string): TableRow {
    const existing = this.tables.named(component, name);
    if (existing !== null) return existing;
    const { allocateTable, maxTables = DEFAULT_MAX_TABLES, maxTablesNote = "" } = this.#options;
    if (!isSystemTable(name) && this.tables.userTableCount() >= maxTables) {
      throw badRequest("TooManyTables", `Number of tables cannot exceed ${maxTables}.${maxTablesNote}`);
    }
    assert(allocateTable !== undefined, "a mutation can allocate tables");
    const table = allocateTable(component, name);
    this.#pending.addTable(table);
    return table;
  }

  #refuseInQuery(): void {
    if (this.kind === "query") {
      throw badRequest("WriteInQuery", "Queries can't write to the database. Use a mutation instead.");
    }
  }
}
