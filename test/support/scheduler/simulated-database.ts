import { EmptyBTree, type default as BTree } from "sorted-btree";
import { dueKeyOf, parseDueKey } from "../../../src/engine/due-queue.ts";
import type { IndexKey, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import type { App } from "../../../src/runtime/code/app.ts";
import type { JobResult, JobStep, JobTable } from "../../../src/runtime/scheduling/job-table.ts";
import type { JsonObject } from "../../../src/shared/json.ts";

interface Stored {
  readonly table: TableRow;
  readonly rules: JobTable;
  document: JsonObject;
}

/**
 * Jobs and their queue, with the real rules and keys; every method is one transaction. What the Transactor does in the
 * backend, without functions, storage and time.
 */
export class SimulatedDatabase {
  readonly #documents = new Map<string, Stored>();
  readonly #queue: BTree<string, IndexKey> = EmptyBTree.clone();
  readonly #tables = new Map<string, TableRow>();
  #ids = 0;
  /** Active app: the cron jobs ask for it. */
  app: App | null = null;
  /** Told of every key that a transaction added. */
  onDue: (keys: readonly IndexKey[]) => void = () => {};

  get pending(): number {
    return this.#queue.size;
  }

  due(limit: number): IndexKey[] {
    const keys: IndexKey[] = [];
    this.#queue.forRange("", "~", false, (_, key) => {
      keys.push(key);
      return keys.length < limit ? undefined : { break: true };
    });
    return keys;
  }

  insert(tableName: string, rules: JobTable, fields: JsonObject, now: number): string {
    const table = this.#table(tableName);
    this.#ids += 1;
    const id = this.#ids.toString(16).toUpperCase().padStart(32, "0") as InternalId;
    const stored = { table, rules, document: { ...fields, _id: id, _creationTime: now } };
    this.#documents.set(id, stored);
    this.#moved(null, dueKeyOf(table, stored.document, id));
    return id;
  }

  document(id: string): JsonObject | undefined {
    return this.#documents.get(id)?.document;
  }

  documents(): readonly JsonObject[] {
    return [...this.#documents.values()].map(({ document }) => document);
  }

  /** `null`: it is not due under this key any more. */
  step(key: IndexKey, now: number): JobStep | null {
    const { id } = parseDueKey(key);
    const stored = this.#documents.get(id);
    if (stored === undefined || dueKeyOf(stored.table, stored.document, id) !== key) return null;
    return stored.rules.step(stored.document, stored.table, this.app, now);
  }

  start(key: IndexKey, now: number): boolean {
    if (this.step(key, now)?.kind !== "run") return false;
    const stored = this.#stored(key);
    this.#replace(key, stored.rules.started(stored.document, now));
    return true;
  }

  /** The effect and the end of a job are one transaction. False: nothing happened. */
  finish(key: IndexKey, from: "run" | "started", result: JobResult, now: number, effect = (): void => {}): boolean {
    if (this.step(key, now)?.kind !== from) return false;
    const stored = this.#stored(key);
    effect();
    this.#replace(key, stored.rules.finished(stored.document, result, now).document);
    return true;
  }

  settle(key: IndexKey, now: number): void {
    const step = this.step(key, now);
    if (step?.kind === "change") this.#replace(key, step.document);
  }

  replace(id: string, document: JsonObject | null): void {
    const stored = this.#documents.get(id);
    if (stored === undefined) return;
    const before = dueKeyOf(stored.table, stored.document, id as InternalId);
    if (document === null) this.#documents.delete(id);
    else stored.document = document;
    this.#moved(before, document === null ? null : dueKeyOf(stored.table, document, id as InternalId));
  }

  #replace(key: IndexKey, document: JsonObject | null): void {
    this.replace(parseDueKey(key).id, document);
  }

  #stored(key: IndexKey): Stored {
    const stored = this.#documents.get(parseDueKey(key).id);
    if (stored === undefined) throw new Error(`no document for ${key}`);
    return stored;
  }

  #moved(before: IndexKey | null, after: IndexKey | null): void {
    if (before === after) return;
    if (before !== null) this.#queue.delete(before);
    if (after === null) return;
    this.#queue.set(after, after);
    this.onDue([after]);
  }

  #table(name: string): TableRow {
    let table = this.#tables.get(name);
    if (table === undefined) {
      const number = this.#tables.size + 1;
      table = { id: number as TableId, number: number as TableNumber, component: "", name };
      this.#tables.set(name, table);
    }
    return table;
  }
}
