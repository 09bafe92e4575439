import { checkPaginationOptions, type Page, type PaginationOptions, readPage } from "../engine/pagination.ts";
import { type Order, parseQuery } from "../engine/query/definition.ts";
import type { QueryRun } from "../engine/query/query-run.ts";
import type { SystemContext } from "./system-query.ts";

/** One page of a table by creation time. Of a component's table too, which functions can't paginate. */
export async function readTablePage(
  { transaction, component }: SystemContext,
  table: string,
  order: Order,
  options: PaginationOptions,
): Promise<Page> {
  const query = parseQuery({ source: { type: "FullTableScan", tableName: table, order }, operators: [] });
  checkPaginationOptions(options);
  const resolved = await transaction.resolve(component, query.source);
  const runs: QueryRun[] = [];
  try {
    return await readPage(query, resolved, options, {
      codec: transaction.cursors,
      journalEnd: null,
      limits: transaction.limits,
      start(source) {
        const run = transaction.start(source, query.operators);
        runs.push(run);
        return run;
      },
    });
  } finally {
    for (const run of runs) transaction.finish(run);
  }
}
