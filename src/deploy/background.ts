import { z } from "zod";
import { Catalog } from "../engine/catalog.ts";
import type { IndexId } from "../engine/names.ts";
import type { CatalogRows, IndexRow } from "../engine/persistence.ts";
import type { JsonValue } from "../shared/json.ts";
import { commitWithRetry } from "./catalog-retry.ts";
import { type DroppedIndex, droppedValue, loadDropped } from "./dropped-indexes.ts";
import type { DeployPorts } from "./ports.ts";
import { buildDerived } from "./derived.ts";
import { backfill, TableScan } from "./table-scan.ts";

/** Catalog value: how far staged indexes are, by index id. */
const STAGED_PROGRESS = "stagedBackfill";

const ENTRIES_PER_CHUNK = 1000;

/**
 * A reader that began before an index was dropped may still use it. Entries go when snapshots that old can't be read
 * any more; the margin covers the time between computing the drop and its commit. Microseconds.
 */
const DROP_MARGIN = 60_000_000;

type Ports = Pick<
  DeployPorts,
  "persistence" | "committer" | "documentKeys" | "derivedIndexes" | "pause" | "clock" | "settings"
>;

/** What pushes leave to do: entries of dropped indexes go, staged indexes are filled. Whoever has an alarm calls it. */
export class BackgroundIndexWork {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** Works for about `budgetMs`, in small steps. True: there is more to do, now or later. */
  async run(budgetMs: number): Promise<boolean> {
    const deadline = this.#ports.clock.now() + budgetMs;
    const rows = await this.#ports.persistence.loadCatalog();
    await this.#removeEntries(rows, deadline);
    await this.#fillStaged(rows, deadline);
    const { values, indexes } = await this.#ports.persistence.loadCatalog();
    return loadDropped(values).length > 0 || indexes.some(isUnfinished);
  }

  async #removeEntries(rows: CatalogRows, deadline: number): Promise<void> {
    const { persistence, pause, clock } = this.#ports;
    const removed: DroppedIndex[] = [];
    for (const dropped of loadDropped(rows.values)) {
      if (rows.head.retainedFrom < dropped.at + DROP_MARGIN) continue;
      let count = ENTRIES_PER_CHUNK;
      while (count > 0 && clock.now() < deadline) {
        count = await persistence.removeIndexEntries(dropped.id, ENTRIES_PER_CHUNK);
        await pause();
      }
      if (count === 0) removed.push(dropped);
    }
    if (removed.length === 0) return;
    const gone = new Set(removed.map(({ id }) => id));
    await this.#commit(({ values }) => ({
      values: [droppedValue(loadDropped(values).filter(({ id }) => !gone.has(id)))],
    }));
  }

  async #fillStaged(rows: CatalogRows, deadline: number): Promise<void> {
    const { persistence, documentKeys, pause, clock, settings } = this.#ports;
    const catalog = new Catalog(rows);
    const cursors = new Map(Object.entries(loadCursors(rows.values)));
    const filled = new Set<IndexId>();
    let worked = false;
    for (const index of rows.indexes.filter(isUnfinished)) {
      if (catalog.tableById(index.tableId) === undefined || clock.now() >= deadline) continue;
      if (index.definition.type !== "database") {
        if (await buildDerived([index], this.#ports, deadline)) filled.add(index.id);
        worked = true;
        continue;
      }
      const scan = new TableScan(persistence, settings.backfill, index.tableId, cursors.get(`${index.id}`) ?? null);
      while (!scan.done && clock.now() < deadline) {
        const batch = await scan.batch();
        if (await backfill(batch, [index], persistence, documentKeys)) batch.advance();
        worked = true;
        await pause();
      }
      if (scan.done) filled.add(index.id);
      else if (scan.cursor !== null) cursors.set(`${index.id}`, scan.cursor);
    }
    if (!worked) return;
    await this.#commit(({ indexes }) => {
      const remaining = indexes.filter((index) => isUnfinished(index) && !filled.has(index.id));
      return {
        upsertIndexes: indexes
          .filter((index) => isUnfinished(index) && filled.has(index.id))
          .map((index) => ({ ...index, state: "ready" as const })),
        values: [{ key: STAGED_PROGRESS, value: cursorsValue(remaining, cursors) }],
      };
    });
  }

  async #commit(
    change: (rows: CatalogRows) => Parameters<Ports["committer"]["commitCatalog"]>[0]["change"],
  ): Promise<void> {
    await commitWithRetry(this.#ports.committer, async () => {
      const rows = await this.#ports.persistence.loadCatalog();
      return { expectedCatalogTs: rows.head.catalogTs, change: change(rows) };
    });
  }
}

/** Unstaged indexes are filled by the push that adds them. */
function isUnfinished(index: IndexRow): boolean {
  return index.staged && index.state === "backfilling";
}

function loadCursors(values: ReadonlyMap<string, JsonValue>): Readonly<Record<string, string>> {
  const value = values.get(STAGED_PROGRESS);
  return value === undefined ? {} : z.record(z.string(), z.string()).parse(value);
}

function cursorsValue(remaining: readonly IndexRow[], cursors: ReadonlyMap<string, string>): JsonValue | null {
  const kept = remaining.flatMap(({ id }) => {
    const cursor = cursors.get(`${id}`);
    return cursor === undefined ? [] : [[`${id}`, cursor] as const];
  });
  return kept.length === 0 ? null : Object.fromEntries(kept);
}
