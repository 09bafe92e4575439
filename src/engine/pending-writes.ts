// By name only: the default export of this CommonJS package is the class in vitest and the module in the bundle.
import { EmptyBTree, type default as BTree } from "sorted-btree";
import { keyIn } from "./index-definition.ts";
import { idKey } from "./index-key.ts";
import type { IndexKey, InternalId, TableId } from "./names.ts";
import type { IndexDefinition, TableRow } from "./persistence.ts";
import type { DocumentWrite, WrittenDocument, WriteSet } from "./write-set.ts";

export interface PendingRow {
  readonly key: IndexKey;
  readonly document: WrittenDocument;
}

/** Pending documents of one index, by key. Bounds need not be complete keys. */
export type IndexOverlay = BTree<string, PendingRow>;

/** An index of a table as its pending documents see it. `definition: null` stands for `by_id`. */
export interface IndexTarget {
  readonly name: string;
  readonly definition: IndexDefinition | null;
}

interface PendingTable {
  readonly writes: Map<InternalId, DocumentWrite>;
  /** By name. Built when a query first needs one, kept up to date from then on. */
  readonly overlays: Map<string, { readonly target: IndexTarget; readonly tree: IndexOverlay }>;
}

/** Number of undo steps that were known when it was taken. */
export type Savepoint = number;

/**
 * Uncommitted writes of a transaction, as seen by its own reads, with nested savepoints. Everything a roll-back must
 * take back goes through the one undo log, which is kept only while a savepoint is held.
 */
export class PendingWrites {
  readonly #tables = new Map<TableId, PendingTable>();
  readonly #newTables = new Map<TableId, TableRow>();
  readonly #undo: (() => void)[] = [];
  #held = 0;

  get(table: TableId, id: InternalId): DocumentWrite | undefined {
    return this.#tables.get(table)?.writes.get(id);
  }

  /** Everything pending of a table. */
  writes(table: TableId): readonly DocumentWrite[] {
    return [...(this.#tables.get(table)?.writes.values() ?? [])];
  }

  isEmpty(table: TableId): boolean {
    return this.#tables.get(table) === undefined;
  }

  /** Replaces what is pending for the document. `before` stays what the transaction began with. */
  put(write: DocumentWrite): void {
    const table = this.#table(write.tableId);
    const previous = table.writes.get(write.id);
    set(table, write.id, previous, write);
    this.onRollback(() => set(table, write.id, write, previous));
  }

  addTable(table: TableRow): void {
    this.#newTables.set(table.id, table);
    this.onRollback(() => this.#newTables.delete(table.id));
  }

  /** Tables that exist only in this transaction so far. */
  get newTables(): ReadonlyMap<TableId, TableRow> {
    return this.#newTables;
  }

  /** Pending documents of an index in key order; `null` when there are none. Documents deleted are not in it. */
  overlay(tableId: TableId, target: IndexTarget): IndexOverlay | null {
    const table = this.#tables.get(tableId);
    if (table === undefined) return null;
    let overlay = table.overlays.get(target.name);
    if (overlay === undefined) {
      overlay = { target, tree: EmptyBTree.clone() };
      for (const write of table.writes.values()) insert(overlay.tree, target, write);
      table.overlays.set(target.name, overlay);
    }
    return overlay.tree;
  }

  /** `undo` runs when the innermost savepoint is rolled back, newest first. Outside of any, it never does. */
  onRollback(undo: () => void): void {
    if (this.#held > 0) this.#undo.push(undo);
  }

  savepoint(): Savepoint {
    this.#held++;
    return this.#undo.length;
  }

  /** Savepoints end in the reverse order of their beginning. */
  release(_savepoint: Savepoint): void {
    this.#held--;
    if (this.#held === 0) this.#undo.length = 0;
  }

  rollback(savepoint: Savepoint): void {
    for (const undo of this.#undo.splice(savepoint).toReversed()) undo();
    this.release(savepoint);
  }

  writeSet(): WriteSet {
    const documents: DocumentWrite[] = [];
    for (const table of this.#tables.values()) {
      for (const write of table.writes.values()) {
        if (write.before !== null || write.after !== null) documents.push(write);
      }
    }
    return { documents, newTables: [...this.#newTables.values()].map((table) => ({ table })) };
  }

  #table(id: TableId): PendingTable {
    let table = this.#tables.get(id);
    if (table === undefined) {
      table = { writes: new Map(), overlays: new Map() };
      this.#tables.set(id, table);
    }
    return table;
  }
}

function set(
  table: PendingTable,
  id: InternalId,
  from: DocumentWrite | undefined,
  to: DocumentWrite | undefined,
): void {
  for (const { target, tree } of table.overlays.values()) {
    const key = from === undefined ? null : keyOf(target, from);
    if (key !== null) tree.delete(key);
    if (to !== undefined) insert(tree, target, to);
  }
  if (to === undefined) table.writes.delete(id);
  else table.writes.set(id, to);
}

function insert(tree: IndexOverlay, target: IndexTarget, write: DocumentWrite): void {
  const key = keyOf(target, write);
  if (key !== null && write.after !== null) tree.set(key, { key, document: write.after });
}

function keyOf(target: IndexTarget, { id, after }: DocumentWrite): IndexKey | null {
  if (after === null) return null;
  return target.definition === null ? idKey(id) : keyIn(target.definition, after.value, id);
}
