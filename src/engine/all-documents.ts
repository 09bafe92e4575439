import { isJsonObject, type JsonObject } from "../shared/json.ts";
import { idOfKey } from "./index-key.ts";
import { EVERYTHING } from "./interval.ts";
import type { InternalId } from "./names.ts";
import type { TableRow } from "./persistence.ts";
import { tableRef } from "./read-set.ts";
import { BY_ID_TARGET } from "./tables.ts";
import type { Transaction } from "./transaction.ts";

/** Every document of a table, system tables included. For small ones: the transaction depends on all of it. */
export async function allDocuments(
  transaction: Transaction,
  table: TableRow,
): Promise<readonly { readonly id: InternalId; readonly document: JsonObject }[]> {
  const storage = transaction.tables.isNew(table.id) ? null : ({ index: "by_id", ref: tableRef(table.id) } as const);
  const run = transaction.start(
    { kind: "range", table, target: BY_ID_TARGET, storage, interval: EVERYTHING, order: "asc", recheck: null },
    [],
  );
  const found: { id: InternalId; document: JsonObject }[] = [];
  try {
    for (;;) {
      const step = run.step(true);
      if (step.kind === "fetch") await run.fetch(Number.POSITIVE_INFINITY);
      else if (step.kind !== "row") return found;
      else if (isJsonObject(step.row.value)) found.push({ id: idOfKey(step.row.key), document: step.row.value });
    }
  } finally {
    transaction.finish(run);
  }
}
