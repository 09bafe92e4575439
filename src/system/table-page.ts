import { checkPaginationOptions, type Page, type PaginationOptions, readPage } from "../engine/pagination.ts";
import { type Order, parseQuery } from "../engine/query/definition.ts";
import type { QueryRun } from "../engine/query/query-run.ts";
import type { JsonValue } from "../shared/json.ts";
import type { SystemMutationContext } from "../runtime/functions/system-mutation.ts";

/** One page of a table by creation time. Of a component's table too, which functions can't paginate. */
export async function readTablePage(
  { transaction, component }: Pick<SystemMutationContext, "transaction" | "component">,
  table: string,
  order: Order,
  options: PaginationOptions,
  operators: readonly JsonValue[] = [],
): Promise<Page> {
  const query = parseQuery({ source: { type: "FullTableScan", tableName: table, order }, operators: [...operators] });
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

/** As queries answer it. */
export function pageText({ page, ...rest }: Page): string {
  return `{"page":[${page.join(",")}],${JSON.stringify(rest).slice(1)}`;
}
