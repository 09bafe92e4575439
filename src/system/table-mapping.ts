import { isSystemTable } from "../engine/tables.ts";
import { dependOnTableNames } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** Names of the component's tables by their numbers, which the ids of their documents begin with. */
export const tableMapping = adminQuery({}, (context) => {
  dependOnTableNames(context);
  const tables = [...context.deployment.catalog.tables()].filter(
    ({ component, name }) => component === context.component && !isSystemTable(name),
  );
  return JSON.stringify(Object.fromEntries(tables.map(({ number, name }) => [String(number), name])));
});
