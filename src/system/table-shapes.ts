import { isSystemTable } from "../engine/tables.ts";
import type { JsonValue } from "../shared/json.ts";
import { merge, NEVER, type Shape, shapeOf } from "./shape.ts";
import { adminQuery } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

/** The newest documents of each table stand for all of them. */
const SAMPLE = { documents: 256, bytes: 1024 * 1024 };

/** Table name → shape of its documents. */
export const tableShapes = adminQuery(
  {},
  async (context) => {
    const { catalog } = context.deployment;
    const shapes: Record<string, Shape> = {};
    for (const table of catalog.tables()) {
      if (table.component !== context.component || isSystemTable(table.name)) continue;
      const { page } = await readTablePage(context, table.name, "desc", {
        cursor: null,
        endCursor: null,
        pageSize: SAMPLE.documents,
        maximumRowsRead: SAMPLE.documents,
        maximumBytesRead: SAMPLE.bytes,
      });
      const tableOf = (number: number): string | null => context.transaction.tables.nameOf(context.component, number);
      shapes[table.name] = page.map((json) => shapeOf(JSON.parse(json) as JsonValue, tableOf)).reduce(merge, NEVER);
    }
    return JSON.stringify(shapes);
  },
  { unbounded: true },
);
