import { z } from "zod";
import type { SchemaJson } from "../protocol/app.ts";
import { must } from "../shared/assert.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { configHashes } from "./config-hashes.ts";
import { finishPush } from "./finish-push.ts";
import { AUTH_CONFIG } from "./module-path.ts";
import type { DeployPorts } from "./ports.ts";
import type { PushedModule, StartPushBody } from "./push-body.ts";
import type { LegacyConfigBody, LegacySchemaBody } from "./legacy-push-body.ts";
import { asPushError } from "./push-error.ts";
import { startPush } from "./start-push.ts";
import { waitForSchema } from "./wait-for-schema.ts";

/**
 * The push protocol of the npm package 1.0 to 1.25, in which the schema goes ahead of the functions: `prepare_schema`,
 * `schema_state` until it is done, `push_config`. The first is a push of the schema alone that nobody finishes; its
 * token is the `schemaId`, and what it built is taken over by the push of the functions.
 */

/** `schemaId` of a dry run, after which nothing is pushed. */
const DRY_RUN = "dryRun";

/** Of one answer, which the client asks for again every half second. */
const SCHEMA_STATE_MS = 2_000;

/** A push that another write overtakes is started again, as newer clients do by themselves. */
const ATTEMPTS = 5;

const started = z.object({
  schemaChange: z.object({
    pushToken: z.string(),
    indexDiffs: z.record(
      z.string(),
      z.object({ added_indexes: z.array(z.looseObject({})), removed_indexes: z.array(z.looseObject({})) }),
    ),
  }),
});

export async function prepareSchema({ bundle, dryRun }: LegacySchemaBody, ports: DeployPorts): Promise<object> {
  const body = pushBody({ dryRun, schema: bundle, modules: [], udfServerVersion: NO_FUNCTIONS });
  const { schemaChange } = started.parse(await asPushError(() => startPush(body, ports)));
  const diff = schemaChange.indexDiffs[""];
  return {
    added: diff?.added_indexes.map(indexMetadata) ?? [],
    dropped: diff?.removed_indexes.map(indexMetadata) ?? [],
    schemaId: dryRun ? DRY_RUN : schemaChange.pushToken,
  };
}

export async function schemaState(schemaId: string, ports: DeployPorts): Promise<object> {
  // Indexes are counted with the documents that are checked: both are done at once.
  return { indexes: [], schemaState: await stateOf(schemaId, ports) };
}

async function stateOf(schemaId: string, ports: DeployPorts): Promise<object> {
  if (schemaId === DRY_RUN) return { state: "validated" };
  const status = await waitForSchema(waiting(schemaId, SCHEMA_STATE_MS), ports);
  switch (status.type) {
    case "complete":
      return { state: "validated" };
    case "inProgress":
      return { state: "pending" };
    case "raceDetected":
      return { state: "overwritten" };
    default:
      return { state: "failed", error: status.error, tableName: status.tableName };
  }
}

/** What `get_config` answers: the hashes, and no sources, which only a printed diff is made of. */
export async function legacyConfig(ports: Pick<DeployPorts, "persistence" | "code">): Promise<object> {
  return { ...(await configHashes(ports)), modules: [] };
}

export async function pushConfig(config: LegacyConfigBody, ports: DeployPorts): Promise<object> {
  const schema = config.schemaId == null ? null : schemaModule(await schemaOf(config.schemaId, ports));
  const body = pushBody({
    dryRun: false,
    functions: config.config.functions,
    schema,
    modules: withAuthInfo(config.modules, config.config.authInfo ?? []),
    nodeDependencies: config.nodeDependencies ?? [],
    udfServerVersion: config.udfServerVersion,
  });
  for (let attempt = 1; ; attempt++) {
    try {
      return await asPushError(() => pushAtOnce(body, ports));
    } catch (error) {
      const overtaken = error instanceof CodedError && error.code === "RaceDetected";
      if (!overtaken || attempt === ATTEMPTS) throw error;
    }
  }
}

async function pushAtOnce(body: StartPushBody, ports: DeployPorts): Promise<object> {
  const { schemaChange } = started.parse(await startPush(body, ports));
  const { pushToken } = schemaChange;
  for (;;) {
    const status = await waitForSchema(waiting(pushToken, null), ports);
    if (status.type === "failed") throw badRequest("SchemaValidationFailed", status.error);
    if (status.type !== "inProgress") break;
  }
  await finishPush({ startPush: { schemaChange: { pushToken } }, dryRun: false }, ports);
  return {};
}

function waiting(pushToken: string, timeoutMs: number | null) {
  return { schemaChange: { pushToken }, timeoutMs, dryRun: false };
}

async function schemaOf(schemaId: string, ports: DeployPorts): Promise<SchemaJson | null> {
  const { version } = await ports.tokens.verify(schemaId);
  return must(await ports.code.app(version), `app version ${version}`).components[""]?.schema ?? null;
}

/** The schema as it was evaluated, as a module that says it again. */
function schemaModule(schema: SchemaJson | null): PushedModule | null {
  if (schema === null) return null;
  const source = `export default { export: () => ${JSON.stringify(JSON.stringify(schema))} };`;
  return { path: "schema.js", source, environment: "isolate" };
}

/** Before there was `auth.config.js`, providers stood in `convex.json`. */
function withAuthInfo(modules: readonly PushedModule[], providers: readonly object[]): PushedModule[] {
  if (providers.length === 0 || modules.some(({ path }) => path === AUTH_CONFIG)) return [...modules];
  const source = `export default ${JSON.stringify({ providers })};`;
  return [...modules, { path: AUTH_CONFIG, source, environment: "isolate" }];
}

/** Stands for the version of the package when no functions are pushed. */
const NO_FUNCTIONS = "1.0.0";

interface LegacyPush {
  readonly dryRun: boolean;
  readonly functions?: string;
  readonly schema: PushedModule | null;
  readonly modules: PushedModule[];
  readonly nodeDependencies?: StartPushBody["nodeDependencies"];
  readonly udfServerVersion: string;
}

function pushBody(push: LegacyPush): StartPushBody {
  const { dryRun, functions = "convex/", schema, modules, nodeDependencies = [], udfServerVersion } = push;
  return {
    dryRun,
    functions,
    appDefinition: {
      definition: null,
      dependencies: [],
      schema,
      changedModules: modules,
      unchangedModuleHashes: [],
      udfServerVersion,
    },
    componentDefinitions: [],
    nodeDependencies,
  };
}

/** `fields` is a list, or for the indexes of searches an object. */
function indexMetadata({ name, type: _type, fields, staged: _staged, ...rest }: Record<string, unknown>): object {
  const [table, index] = String(name).split(".");
  return { table, name: index, fields: fields ?? rest, backfill: { state: "in_progress" } };
}
