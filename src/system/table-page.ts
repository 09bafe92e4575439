import { checkPaginationOptions, type Page, type PaginationOptions, readPage } from "../engine/pagination.ts";
import { type Order, parseQuery, type QueryDefinition } from "../engine/query/definition.ts";
import type { QueryRun } from "../engine/query/query-run.ts";
import type { SystemContext } from "./system-query.ts";

/** What a page is read from. */
export type PageSource = Pick<SystemContext, "transaction" | "component" | "paging">;

/** One page of a table by creation time. Of a component's table too, which functions can't paginate. */
export function readTablePage(
  context: PageSource,
  table: string,
  order: Order,
  options: PaginationOptions,
): Promise<Page> {
  const query = parseQuery({ source: { type: "FullTableScan", tableName: table, order }, operators: [] });
  return readQueryPage(context, query, options);
}

/** One page of any query. When it is run again for a subscriber, the page ends where it ended before. */
export async function readQueryPage(
  { transaction, component, paging }: PageSource,
  query: QueryDefinition,
  options: PaginationOptions,
): Promise<Page> {
  checkPaginationOptions(options);
  const resolved = await transaction.resolve(component, query.source);
  const runs: QueryRun[] = [];
  try {
    const page = await readPage(query, resolved, options, {
      codec: transaction.cursors,
      journalEnd: paging.previous,
      limits: transaction.limits,
      start(source) {
        const run = transaction.start(source, query.operators);
        runs.push(run);
        return run;
      },
    });
    paging.next = page.continueCursor;
    return page;
  } finally {
    for (const run of runs) transaction.finish(run);
  }
}

/** ConvexJSON text of a page as clients get it. */
export function pageText({ page, ...rest }: Page): string {
  return `{"page":[${page.join(",")}],${JSON.stringify(rest).slice(1)}`;
}
