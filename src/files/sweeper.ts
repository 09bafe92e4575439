import { Catalog } from "../engine/catalog.ts";
import type { FileRef, FileStore, StoredObject } from "../engine/file-store.ts";
import { BY_CREATION_TIME } from "../engine/index-definition.ts";
import { EVERYTHING } from "../engine/interval.ts";
import type { ComponentPath, InternalId } from "../engine/names.ts";
import type { IndexRow, Persistence, PointRead, TableRow } from "../engine/persistence.ts";
import { DELETED_FILES_TABLE } from "../engine/stored-files.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import type { Clock } from "../shared/clock.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import type { Log } from "../shared/log.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Reads of one round trip. */
const READS = 100;
/** Deleted files that one step removes. */
const DELETIONS = 200;

export interface SweeperParts {
  readonly store: FileStore;
  readonly persistence: Pick<Persistence, "loadCatalog" | "read">;
  /** Removes documents of deleted files: `ids` are internal ids of files whose bytes are gone. */
  readonly forget: (component: ComponentPath, ids: readonly InternalId[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Age from which on bytes without a document are removed. Twice as long as an upload may take, so that none is made
   * a file after it was found not to be one. Milliseconds.
   */
  readonly orphanMs: number;
  /** How long the bytes of deleted files are kept. Milliseconds. */
  readonly deletedMs: number;
}

/**
 * Removes bytes that no file has: uploads that were not committed, and files deleted long ago. Never those of a file
 * that a committed transaction knows: it looks at the newest commits, when nothing can refer to the bytes any more
 * that does not already.
 *
 *     day of the id ──────────────► + orphanMs ─────────────────► + 2 × orphanMs
 *     uploaded, recorded or not     looked at, again and again    looked at for the last time
 */
export class Sweeper {
  readonly #parts: SweeperParts;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  /** Looks at the ids of `fromDay` and later days. Returns the first day that has to be looked at again. */
  async sweep(fromDay: number): Promise<number> {
    const catalog = new Catalog(await this.#parts.persistence.loadCatalog());
    await this.#sweepDeleted(catalog);
    return this.#sweepOrphans(catalog, fromDay);
  }

  async #sweepOrphans(catalog: Catalog, fromDay: number): Promise<number> {
    const { store, clock, orphanMs, log } = this.#parts;
    const now = clock.now();
    for (let day = fromDay; day <= Math.floor(now / DAY_MS); day++) {
      let cursor: string | null = null;
      do {
        const page = await store.list(day, cursor);
        const old = page.objects.filter(({ storedAt }) => storedAt < now - orphanMs);
        const orphans = await this.#withoutDocument(catalog, old);
        await store.delete(orphans);
        if (orphans.length > 0) log.info("files.orphans_removed", { count: orphans.length });
        ({ cursor } = page);
      } while (cursor !== null);
    }
    return Math.max(fromDay, Math.floor((now - 2 * orphanMs) / DAY_MS));
  }

  /** Deleted files are none: their bytes have a time of their own. */
  async #withoutDocument(catalog: Catalog, objects: readonly StoredObject[]): Promise<readonly FileRef[]> {
    const orphans: FileRef[] = [];
    for (let start = 0; start < objects.length; start += READS) {
      const files = objects.slice(start, start + READS).map(({ file }) => file);
      const reads = files.map((file) => documentReads(catalog, file));
      const { results } = await this.#parts.persistence.read(reads.flat(), "latest");
      let next = 0;
      for (const [index, file] of files.entries()) {
        const found = results.slice(next, (next += reads[index]?.length ?? 0));
        if (found.every((document) => document === null)) orphans.push(file);
      }
    }
    return orphans;
  }

  async #sweepDeleted(catalog: Catalog): Promise<void> {
    for (const table of catalog.tables()) {
      const index = catalog.index(table.id, BY_CREATION_TIME);
      if (table.name !== DELETED_FILES_TABLE || index === undefined) continue;
      let removed: number;
      do removed = await this.#removeDeleted(table, index);
      while (removed === DELETIONS);
    }
  }

  /** First the bytes, then what remembers them: done again, it changes nothing. */
  async #removeDeleted(table: TableRow, index: IndexRow): Promise<number> {
    const { store, persistence, forget, clock, deletedMs, log } = this.#parts;
    const { results } = await persistence.read(
      [
        {
          kind: "range",
          tableId: table.id,
          index: index.id,
          interval: EVERYTHING,
          order: "asc",
          limit: DELETIONS,
        },
      ],
      "latest",
    );
    const before = clock.now() - deletedMs;
    const due = results[0].rows.filter(({ document }) => deletedAt(JSON.parse(document.json)) < before);
    // Keys end in the internal id.
    const ids = due.map(({ key }) => key.slice(-32) as InternalId);
    if (ids.length === 0) return 0;
    const files = ids.map((id) => ({ component: table.component, id }));
    await store.delete(await this.#notBroughtBack(files));
    await forget(table.component, ids);
    log.info("files.deleted_removed", { count: ids.length });
    return ids.length;
  }

  /** An import may bring back a file that was deleted. */
  async #notBroughtBack(files: readonly FileRef[]): Promise<readonly FileRef[]> {
    const { persistence } = this.#parts;
    const catalog = new Catalog(await persistence.loadCatalog());
    const gone: FileRef[] = [];
    for (let start = 0; start < files.length; start += READS) {
      const some = files.slice(start, start + READS);
      const reads = some.flatMap(({ component, id }): PointRead[] => {
        const table = catalog.table(component, STORAGE_TABLE);
        return table === undefined ? [] : [{ kind: "get", tableId: table.id, id }];
      });
      const { results } = await persistence.read(reads, "latest");
      gone.push(...some.filter((_, at) => (results[at] ?? null) === null));
    }
    return gone;
  }
}

function documentReads(catalog: Catalog, { component, id }: FileRef): readonly PointRead[] {
  return [STORAGE_TABLE, DELETED_FILES_TABLE].flatMap((name) => {
    const table = catalog.table(component, name);
    return table === undefined ? [] : [{ kind: "get", tableId: table.id, id } as const];
  });
}

function deletedAt(document: JsonValue): number {
  const time = isJsonObject(document) ? document["_creationTime"] : undefined;
  return typeof time === "number" ? time : Number.POSITIVE_INFINITY;
}
