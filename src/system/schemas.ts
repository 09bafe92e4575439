import { dependOnApp } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** The schema in force as JSON text. A push that is under way is not stored, so there is never one in progress. */
export const getSchemas = adminQuery({}, (context) => {
  dependOnApp(context);
  const schema = context.deployment.app?.component(context.component)?.schema ?? null;
  return JSON.stringify(schema === null ? {} : { active: JSON.stringify(schema) });
});
