import { SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import { BY_CREATION_TIME } from "../engine/index-definition.ts";
import { afterKey, idOfKey } from "../engine/index-key.ts";
import type { InternalId, TableId } from "../engine/names.ts";
import type { CatalogRows, Persistence } from "../engine/persistence.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import { REMOVE_OP } from "../runtime/scheduling/operations.ts";
import { isUnfinished } from "../runtime/scheduling/scheduled-function.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";

/** Documents per page: few enough for one transaction and for the memory of the object. */
const PAGE = 200;

export interface SweepPorts {
  readonly persistence: Pick<Persistence, "read" | "loadCatalog">;
  runSystem(call: SystemCall): Promise<JsonValue>;
  /** Between two pages, so that everything else gets its turn. */
  pause(): Promise<void>;
}

/** Whether a job was over before this time. */
export function isOverSince(job: JsonObject, before: number): boolean {
  const { completedTime } = job;
  return !isUnfinished(job) && typeof completedTime === "number" && completedTime < before;
}

/**
 * Removes the jobs that were over before `before`, by walking the tables in the order of creation: an index for it
 * would cost two rows written for every job, and reading a row costs a thousandth of writing one. Answers whether
 * there are jobs left at all.
 */
export async function sweep(before: number, ports: SweepPorts): Promise<boolean> {
  const rows = await ports.persistence.loadCatalog();
  let left = false;
  for (const { tableId, indexId } of sweptTables(rows)) {
    let start = "";
    for (;;) {
      const { results } = await ports.persistence.read(
        [{ kind: "range", tableId, index: indexId, interval: { start, end: null }, order: "asc", limit: PAGE }],
        "latest",
      );
      const [page] = results;
      const gone: InternalId[] = [];
      let isYoung = false;
      for (const { key, document } of page.rows) {
        const job: JsonValue = JSON.parse(document.json);
        if (!isJsonObject(job)) throw new Error("a document is an object");
        // Nothing that was created later can have been over before.
        isYoung ||= Number(job["_creationTime"]) >= before;
        if (isOverSince(job, before)) gone.push(idOfKey(key));
        else left = true;
        start = afterKey(key);
      }
      if (gone.length > 0) {
        await ports.runSystem({ v: 1, op: REMOVE_OP, args: { tableId, ids: gone, before } });
      }
      if (isYoung || !page.more) break;
      await ports.pause();
    }
  }
  return left;
}

function sweptTables({ tables, indexes }: Pick<CatalogRows, "tables" | "indexes">) {
  return tables
    .filter(({ name }) => name === SCHEDULED_FUNCTIONS)
    .flatMap(({ id: tableId }: { readonly id: TableId }) =>
      indexes
        .filter((index) => index.tableId === tableId && index.name === BY_CREATION_TIME)
        .map(({ id: indexId }) => ({ tableId, indexId })),
    );
}
