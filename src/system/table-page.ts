import { checkPaginationOptions, type Page, type PaginationOptions, readPage } from "../engine/pagination.ts";
import { BY_CREATION_TIME } from "../engine/index-definition.ts";
import { type Order, parseQuery, type QueryDefinition, type RangeExpression } from "../engine/query/definition.ts";
import type { Expression } from "../engine/query/expression.ts";
import { compileRange } from "../engine/query/index-range.ts";
import type { QueryRun } from "../engine/query/query-run.ts";
import type { ResolvedSource, ScanSource } from "../engine/query/source.ts";
import { indexRef } from "../engine/read-set.ts";
import { BY_CREATION_TIME_TARGET } from "../engine/tables.ts";
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
  source: PageSource,
  query: QueryDefinition,
  options: PaginationOptions,
): Promise<Page> {
  checkPaginationOptions(options);
  return readResolvedPage(source, query, await source.transaction.resolve(source.component, query.source), options);
}

export interface SystemScan {
  /** Milliseconds, first and last included. */
  readonly times: { readonly from: number; readonly to: number | null };
  readonly order: Order;
  /** `name` tells it from other filters. */
  readonly filter: { readonly test: Expression; readonly name: string };
}

/** One page by creation time of a table that only the backend itself reads. */
export async function readSystemPage(
  source: PageSource,
  name: string,
  { times, order, filter }: SystemScan,
  options: PaginationOptions,
): Promise<Page> {
  checkPaginationOptions(options);
  const { tables } = source.transaction;
  const table = tables.named(source.component, name);
  const index = table === null ? undefined : tables.index(table.id, BY_CREATION_TIME);
  const query: QueryDefinition = {
    source: { type: "FullTableScan", table: name, order },
    operators: [{ type: "filter", expression: filter.test }],
    text: JSON.stringify([name, times, order, filter.name]),
  };
  const fields = ["_creationTime"];
  if (table === null || index === undefined) {
    await source.transaction.pin();
    return readResolvedPage(source, query, { scan: null, fields }, options);
  }
  const range: RangeExpression[] = [{ type: "Gte", field: "_creationTime", value: times.from }];
  if (times.to !== null) range.push({ type: "Lte", field: "_creationTime", value: times.to });
  const { interval } = compileRange({ name: `${name}.${BY_CREATION_TIME}`, fields, tableNumber: table.number }, range);
  const scan: ScanSource = {
    kind: "range",
    table,
    target: BY_CREATION_TIME_TARGET,
    storage: { index: index.id, ref: indexRef(index.id) },
    interval,
    order,
    recheck: null,
  };
  return readResolvedPage(source, query, { scan, fields }, options);
}

async function readResolvedPage(
  { transaction, paging }: PageSource,
  query: QueryDefinition,
  resolved: ResolvedSource,
  options: PaginationOptions,
): Promise<Page> {
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
