import harness from "../../dist/harness.json";
import { CodeStore } from "../deploy/code-store.ts";
import { EnvironmentCipher } from "../deploy/environment-cipher.ts";
import { openVariables } from "../deploy/environment.ts";
import { FunctionHandleCodec, handleKey } from "../deploy/function-handles.ts";
import { D1Persistence } from "../persistence/d1/d1-persistence.ts";
import { D1TableSizes } from "../persistence/d1/table-sizes.ts";
import { type Deployment as DeploymentIdentity, parseDeployment } from "../protocol/deployment.ts";
import { type LogStreamSettings, parseLogStreams } from "../protocol/log-streams.ts";
import { parseSettings } from "../protocol/parse-settings.ts";
import {
  invocationLimits,
  limitNotes,
  type Settings,
  transactionLimitNotes,
  transactionLimits,
} from "../protocol/settings.ts";
import { Admission } from "../runtime/admission.ts";
import type { CodeSource } from "../runtime/code/code-source.ts";
import { type Deployment, DeploymentLoader, type VariableReader } from "../runtime/code/deployments.ts";
import { Isolates } from "../runtime/code/isolates.ts";
import { realmBundle, realmEdits } from "../runtime/code/realm-bundle.ts";
import { SealedCursors } from "../runtime/cursors.ts";
import type { RuntimeEnvironment } from "../runtime/functions/environment.ts";
import { JwtSigner } from "../runtime/functions/jwt-signer.ts";
import type { FunctionHandles } from "../runtime/functions/reference.ts";
import type { NodeActions } from "../runtime/node/node-actions.ts";
import { SealedText } from "../runtime/sealed-text.ts";
import { MasterSecret } from "../runtime/secret.ts";
import { SearchClient } from "../search/search-client.ts";
import { LogClient } from "../logs/log-client.ts";
import { must } from "../shared/assert.ts";
import { SCHEMA_LIMITS, type SchemaLimits } from "../values/limits.ts";
import { type Bindings, LOGS_NAME } from "./environment.ts";
import { composeNodeActions } from "./node-actions.ts";
import { composeFiles, type Files } from "./files.ts";
import { clock, keepAlive, log, pause, random } from "./system.ts";

/** What the Worker and the Transactor have in common: both run functions of the same app on the same database. */
export interface Core {
  readonly settings: Settings;
  readonly identity: DeploymentIdentity;
  readonly persistence: D1Persistence;
  readonly tableSizes: D1TableSizes;
  readonly code: CodeStore;
  readonly cipher: EnvironmentCipher;
  readonly loader: DeploymentLoader;
  readonly runtime: RuntimeEnvironment;
  readonly nodeActions: NodeActions;
  readonly files: Files;
  readonly logs: LogClient;
  readonly logStreams: LogStreamSettings;
  readonly search: SearchClient;
  /** The deployment's secrets, the present one first. */
  readonly secrets: readonly [string, ...string[]];
  readonly builtinVariables: Readonly<Record<string, string>>;
}

export function composeCore(bindings: Bindings): Core {
  const settings = parseSettings(bindings);
  const identity = parseDeployment(bindings);
  const logStreams = parseLogStreams(bindings);
  const secrets: readonly [string, ...string[]] =
    identity.previousSecret === null ? [identity.secret] : [identity.secret, identity.previousSecret];
  const persistence = new D1Persistence(bindings.DB, {
    timeoutMs: settings.d1ReadTimeoutMs,
    commitTimeoutMs: settings.d1CommitTimeoutMs,
    keepAlive,
  });
  const tableSizes = new D1TableSizes(bindings.DB, { timeoutMs: settings.d1ReadTimeoutMs });
  const code = new CodeStore(bindings.CODE);
  const cipher = new EnvironmentCipher(secrets, random);
  const builtinVariables = { CONVEX_CLOUD_URL: identity.cloudUrl, CONVEX_SITE_URL: identity.siteUrl };
  const source = codeSource(code);
  const logs = new LogClient({ stub: () => bindings.LOGS.getByName(LOGS_NAME), keepAlive, clock, log });
  const master = new MasterSecret(identity.secret);
  const notes = limitNotes(settings);
  const search = new SearchClient((name) => bindings.SEARCH.getByName(name));
  const files = composeFiles(bindings, settings, identity, secrets);
  const runtime: RuntimeEnvironment = {
    isolates: new Isolates(bindings.LOADER, source, harness),
    code: source,
    handles: functionHandles,
    cursors: new SealedCursors(new SealedText(master, "cursor")),
    files,
    clock,
    random,
    log,
    executions: logs,
    limits: {
      invocation: invocationLimits(settings, notes),
      transaction: transactionLimits(settings),
      transactionNotes: transactionLimitNotes(notes),
      tables: settings.tables,
      actionTimeoutMs: settings.actionTimeoutMs,
      syscallTimeMs: settings.syscallTimeMs,
      nestingDepth: settings.nestingDepth,
      vectorResults: settings.vectorResults,
      argumentBytes: settings.argsBytes,
      returnBytes: settings.returnBytes,
      notes,
    },
    admission: {
      queries: new Admission(
        {
          limit: settings.concurrentQueries,
          waitMs: settings.functionQueueMs,
          maxRunMs: settings.requestTimeoutMs,
          kind: "queries",
          note: notes.concurrentQueries ?? "",
        },
        clock,
      ),
      actions: new Admission(
        {
          limit: settings.concurrentActions,
          waitMs: settings.actionQueueMs,
          maxRunMs: settings.actionTimeoutMs,
          kind: "actions",
          note: notes.concurrentActions ?? "",
        },
        clock,
      ),
      nodeActions: new Admission(
        {
          limit: settings.concurrentNodeActions,
          waitMs: settings.actionQueueMs,
          maxRunMs: settings.nodeActionTimeoutMs,
          kind: "Node actions",
          note: notes.concurrentNodeActions ?? "",
        },
        clock,
      ),
    },
    instanceName: identity.instanceName,
    redactErrors: settings.redactErrors,
    jwtSigner: new JwtSigner((name, value) => cipher.open(name, value)),
    cloudUrl: identity.cloudUrl,
    vectorIndexes: search.vectors,
    textIndexes: search.texts,
  };
  const variables = variableReader(cipher, builtinVariables);
  const loader = new DeploymentLoader(source, variables, schemaLimits(settings));
  return {
    settings,
    identity,
    persistence,
    tableSizes,
    code,
    cipher,
    loader,
    runtime,
    nodeActions: composeNodeActions(settings, identity, secrets, notes),
    files,
    logs,
    logStreams,
    search,
    secrets,
    builtinVariables,
  };
}

export function schemaLimits(settings: Settings): SchemaLimits {
  return {
    ...SCHEMA_LIMITS,
    indexesPerTable: settings.indexesPerTable,
    fieldsPerIndex: settings.fieldsPerIndex,
    searchIndexesPerTable: settings.searchIndexesPerTable,
    vectorIndexesPerTable: settings.vectorIndexesPerTable,
    filterFieldsPerIndex: settings.filterFieldsPerIndex,
    notes: limitNotes(settings),
  };
}

/** The catalog never names code that was not stored before, so what is missing is a bug or a lost bucket. */
function codeSource(store: CodeStore): CodeSource {
  return {
    app: async (version) => must(await store.app(version), `app version ${version} in the code bucket`),
    realms: async (key) => must(await realmBundle(store, key, pause), `${key} in the code bucket`),
    realmEdits: (key) => realmEdits(store, key, pause),
    sourceMap: (key) => store.sourceMap(key),
  };
}

/** The user's variables and the built-in ones, which nobody may override. */
function variableReader(cipher: EnvironmentCipher, builtin: Readonly<Record<string, string>>): VariableReader {
  return {
    variables: async (values) => ({ ...Object.fromEntries(await openVariables(values, cipher)), ...builtin }),
  };
}

function functionHandles({ app, catalog }: Deployment): FunctionHandles {
  const codec = new FunctionHandleCodec(handleKey(catalog.values));
  return {
    create: (path) => codec.encode(path),
    resolve: (handle) => codec.resolve(handle, must(app, "the app").version),
  };
}
