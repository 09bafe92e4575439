import { v } from "convex/values";
import { dependOnVariables } from "./dependencies.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";

export const listVariables = adminQuery({}, async (context) => {
  const variables = await read(context);
  return JSON.stringify([...variables].map(([name, value]) => ({ name, value })));
});

export const getVariable = adminQuery({ name: v.string() }, async (context, { name }) => {
  const value = (await read(context)).get(name);
  return JSON.stringify(value === undefined ? null : { name, value });
});

function read(context: SystemContext): Promise<ReadonlyMap<string, string>> {
  dependOnVariables(context);
  return context.variables(context.deployment.catalog.values);
}
