import { isSystemTable } from "../engine/tables.ts";
import { dependOnTableNames } from "./dependencies.ts";
import { paginationOpts } from "./pagination-options.ts";
import { adminQuery } from "./system-query.ts";

/** Names of the component's tables, all on one page: there are 10,000 at most. */
export const tables = adminQuery({ paginationOpts }, (context) => {
  dependOnTableNames(context);
  const names = [...context.deployment.catalog.tables()]
    .filter(({ component, name }) => component === context.component && !isSystemTable(name))
    .map(({ name }) => name)
    .toSorted();
  return JSON.stringify({ page: names.map((name) => ({ name })), isDone: true, continueCursor: "end" });
});
