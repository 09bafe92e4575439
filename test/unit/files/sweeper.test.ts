import { expect, test } from "vitest";
import type { IndexId, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { IndexKey } from "../../../src/engine/names.ts";
import { DELETED_FILES_TABLE } from "../../../src/engine/stored-files.ts";
import { STORAGE_TABLE } from "../../../src/engine/tables.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { Sweeper } from "../../../src/files/sweeper.ts";
import { MemoryFileStore } from "../../support/memory-file-store.ts";
import { SimplePersistence } from "../../support/simple-persistence.ts";

const HOUR = 3_600_000;
const ORPHAN_MS = 24 * HOUR;
const DELETED_MS = 7 * 24 * HOUR;
const STORAGE = 1 as TableId;
const DELETED = 2 as TableId;
const BY_CREATION_TIME = 3 as IndexId;

class World {
  now = 1_700_000_000_000;
  readonly database = new SimplePersistence();
  readonly store = new MemoryFileStore({ now: () => this.now });
  readonly order: string[] = [];
  readonly sweeper: Sweeper;
  #files = 0;

  constructor() {
    for (const [id, name] of [
      [STORAGE, STORAGE_TABLE],
      [DELETED, DELETED_FILES_TABLE],
    ] as const) {
      this.database.tables.set(id, { id, number: (10_000 + id) as TableNumber, component: "", name });
    }
    this.database.indexes.set(BY_CREATION_TIME, {
      id: BY_CREATION_TIME,
      tableId: DELETED,
      name: "by_creation_time",
      definition: { type: "database", fields: ["_creationTime"] },
      state: "enabled",
      staged: false,
    });
    this.sweeper = new Sweeper({
      store: this.store,
      persistence: this.database,
      forget: async (_component, ids) => {
        this.order.push(`forgets with ${this.store.entries.size} left`);
        for (const id of ids) this.#remove(DELETED, id);
      },
      clock: { now: () => this.now },
      log: { info: () => {}, warn: () => {}, error: () => {} },
      orphanMs: ORPHAN_MS,
      deletedMs: DELETED_MS,
    });
  }

  /** Bytes under an id of this day. */
  async upload(): Promise<InternalId> {
    const day = Math.floor(this.now / (24 * HOUR));
    this.#files += 1;
    const id = (this.#files.toString(16).padStart(28, "0") + day.toString(16).padStart(4, "0")).toUpperCase();
    await this.store.put(
      { component: "", id: id as InternalId },
      { bytes: [new Uint8Array(1)], size: 1, sha256: null },
    );
    return id as InternalId;
  }

  record(id: InternalId): void {
    this.#insert(STORAGE, id);
  }

  delete(id: InternalId): void {
    this.#remove(STORAGE, id);
    this.#insert(DELETED, id);
    const entries = this.database.entries.get(`${BY_CREATION_TIME}`) ?? new Map<IndexKey, true>();
    this.database.entries.set(`${BY_CREATION_TIME}`, entries.set(`${this.now.toString(16)}${id}` as IndexKey, true));
  }

  async sweep(): Promise<readonly InternalId[]> {
    await this.sweeper.sweep(0x4c00);
    return [...this.store.entries.values()].map(({ file }) => file.id);
  }

  #insert(table: TableId, id: InternalId): void {
    const json = JSON.stringify({ _creationTime: this.now });
    this.database.documents.set(`${table}:${id}`, { json, size: json.length, ts: 1 as Timestamp });
  }

  #remove(table: TableId, id: InternalId): void {
    this.database.documents.delete(`${table}:${id}`);
    for (const entries of this.database.entries.values()) {
      for (const key of entries.keys()) if (key.endsWith(id)) entries.delete(key);
    }
  }
}

test("FILE3 bytes without a document stay until they are old: an upload may still be recorded", async () => {
  const world = new World();
  const [orphan, file] = [await world.upload(), await world.upload()];
  expect(await world.sweep()).toEqual([orphan, file]);
  world.now += ORPHAN_MS - HOUR;
  world.record(file);
  expect(await world.sweep()).toEqual([orphan, file]);
  world.now += 2 * HOUR;
  expect(await world.sweep()).toEqual([file]);
});

test("FILE4 the bytes of a deleted file stay for their time, and go before what remembers them", async () => {
  const world = new World();
  const id = await world.upload();
  world.record(id);
  world.now += 2 * ORPHAN_MS;
  world.delete(id);
  expect(await world.sweep()).toEqual([id]);
  world.now += DELETED_MS - HOUR;
  expect(await world.sweep()).toEqual([id]);
  world.now += 2 * HOUR;
  expect(await world.sweep()).toEqual([]);
  // Ended in between, the next sweep finds the document and does the rest.
  expect(world.order).toEqual(["forgets with 0 left"]);
  expect([...world.database.documents.keys()]).toEqual([]);
});
