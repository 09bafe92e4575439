import { z } from "zod";
import { badRequest } from "../shared/coded-error.ts";

const environment = z.enum(["isolate", "node"]);

export const pushedModule = z.object({
  path: z.string(),
  source: z.string(),
  sourceMap: z.string().nullish(),
  environment,
});

const moduleHash = z.object({ path: z.string(), environment, sha256: z.string() });

const appDefinition = z.object({
  definition: pushedModule.nullable(),
  dependencies: z.array(z.string()),
  schema: pushedModule.nullable(),
  changedModules: z.array(pushedModule),
  unchangedModuleHashes: z.array(moduleHash),
  udfServerVersion: z.string(),
});

const componentDefinition = z.object({
  definitionPath: z.string().min(1),
  definition: pushedModule,
  dependencies: z.array(z.string()),
  schema: pushedModule.nullable(),
  functions: z.array(pushedModule),
  udfServerVersion: z.string(),
});

/** Body of `start_push`, `evaluate_push` and `evaluate_schema`. */
const startPush = z.object({
  dryRun: z.boolean(),
  functions: z.string(),
  appDefinition,
  componentDefinitions: z.array(componentDefinition),
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })),
  nodeVersion: z.string().nullish(),
  forCodegen: z.boolean().nullish(),
});

const schemaChange = z.object({ pushToken: z.string() });

const waitForSchema = z.object({
  schemaChange,
  timeoutMs: z.number().nonnegative().nullish(),
  dryRun: z.boolean(),
});

/** Of the echoed answer only the token is looked at: everything else is kept by the server. */
const finishPush = z.object({
  startPush: z.object({ schemaChange }),
  dryRun: z.boolean(),
  message: z.string().nullish(),
});

const environmentChanges = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
});

const configHashes = z.object({ version: z.string().nullish() });

const pushCompleted = z.object({ spans: z.array(z.unknown()).nullish() });

export type PushedModule = z.infer<typeof pushedModule>;
export type ModuleHash = z.infer<typeof moduleHash>;
export type StartPushBody = z.infer<typeof startPush>;
export type WaitForSchemaBody = z.infer<typeof waitForSchema>;
export type FinishPushBody = z.infer<typeof finishPush>;
export type EnvironmentChange = z.infer<typeof environmentChanges>["changes"][number];

export const parseStartPush = parser(startPush);
export const parseWaitForSchema = parser(waitForSchema);
export const parseFinishPush = parser(finishPush);
export const parseEnvironmentChanges = parser(environmentChanges);
export const parseConfigHashes = parser(configHashes);
export const parsePushCompleted = parser(pushCompleted);

/** The message names the place and never the value: bodies hold environment variables. */
export function parser<T>(schema: z.ZodType<T>): (body: unknown) => T {
  return (body) => {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const place = issue === undefined || issue.path.length === 0 ? "the body" : `\`${issue.path.join(".")}\``;
    throw badRequest(
      "BadJsonBody",
      `Failed to parse the request: ${place} is not valid (${issue?.code ?? "unknown"}).`,
    );
  };
}
