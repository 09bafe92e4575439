import { isJsonObject } from "../shared/json.ts";
import { dependOnApp, dependOnVariables } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** The origin of HTTP actions. */
export const siteUrl = adminQuery({}, (context) => JSON.stringify(context.siteUrl));

/** Version of the npm package that the app was pushed with, `null` before the first push. */
export const packageVersion = adminQuery({}, (context) => {
  dependOnApp(context);
  return JSON.stringify(context.deployment.app?.version.npmVersion ?? null);
});

/** Major version of Node that actions run on, `null` without any. */
export const nodeVersion = adminQuery({}, (context) => {
  dependOnApp(context);
  const version = context.deployment.app?.version;
  const hasNode = version?.node !== undefined;
  return JSON.stringify(hasNode ? (version.nodeVersion ?? null) : null);
});

/** Who may sign in, as `auth.config.ts` says. */
export const authProviders = adminQuery({}, (context) => {
  dependOnApp(context);
  const providers = context.deployment.app?.version.authProviders ?? [];
  return JSON.stringify(
    providers.filter(isJsonObject).map((provider, at) => ({ _id: String(at), _creationTime: 0, ...provider })),
  );
});

/** The user's environment variables by name. They have no documents: their names are their ids. */
export const listVariableDocuments = adminQuery({}, async (context) => {
  dependOnVariables(context);
  const variables = await context.variables(context.deployment.catalog.values);
  return JSON.stringify([...variables].map(([name, value]) => ({ _id: name, _creationTime: 0, name, value })));
});

/** Those that are set up here: none. Log streams are set by variables of the Worker (docs/log-streams.md). */
export const logSinks = adminQuery({}, () => "[]");

/** Files can be part of every export. */
export const canExportFiles = adminQuery({}, () => "true");
