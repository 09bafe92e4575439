import harness from "../../dist/harness.json";
import { keyIn } from "../engine/index-definition.ts";
import { Environment } from "../deploy/environment.ts";
import { History } from "../deploy/history.ts";
import { PausingAnalyzer } from "../deploy/pausing-analyzer.ts";
import type { DeployPorts, NodeAnalyzer, Rules } from "../deploy/ports.ts";
import { PushService } from "../deploy/push-service.ts";
import { PushTokens } from "../deploy/push-token.ts";
import { DEFAULT_DEPLOY_SETTINGS } from "../deploy/settings.ts";
import { limitNotes, type Settings } from "../protocol/settings.ts";
import { IsolateAnalyzer } from "../runtime/code/analyzer.ts";
import { ServiceNodeAnalyzer } from "../runtime/node/node-analyzer.ts";
import { isJsonObject } from "../shared/json.ts";
import { checkDocument } from "../values/enforce-schema.ts";
import { checkVariables } from "../values/environment-variable.ts";
import { parseSchema } from "../values/parse-schema.ts";
import type { TransactorClient } from "../transactor/transactor-client.ts";
import { type Core, schemaLimits } from "./runtime.ts";
import { clock, log, pause, random } from "./system.ts";

/** How long a lease that was taken just before a commit may outlive it, beyond its length: timers are not exact. */
const LEASE_MARGIN_MS = 20;

export interface Push {
  readonly push: PushService;
  readonly environment: Environment;
}

export function deployPorts(
  core: Core,
  loader: WorkerLoader,
  transactor: TransactorClient,
  hooks: { readonly onFlip: () => void; readonly startBackground: () => void },
): DeployPorts {
  const { settings, persistence } = core;
  return {
    code: core.code,
    analyzer: new PausingAnalyzer(new IsolateAnalyzer(loader, harness, clock, random), pause),
    nodeAnalyzer: nodeAnalyzer(core),
    persistence,
    committer: {
      allocate: async (request) => transactor.allocate(request),
      commitCatalog: (commit) => transactor.commitCatalog(commit),
    },
    rules: rules(settings),
    documentKeys: {
      indexKey: (definition, document, id) => (isJsonObject(document) ? keyIn(definition, document, id) : null),
    },
    tableSizes: core.tableSizes,
    cipher: core.cipher,
    tokens: new PushTokens(core.secrets),
    waitForLeases: async () => {
      hooks.onFlip();
      await new Promise((resolve) => setTimeout(resolve, settings.codeLeaseMs + LEASE_MARGIN_MS));
    },
    pause,
    derivedIndexes: core.search,
    startBackground: hooks.startBackground,
    history: new History({
      run: (op, args) => transactor.runSystem({ v: 1, op, args }),
      clock,
      random,
      log,
      ...(core.logStreams.webhook !== null && { tell: (events) => core.logs.audit(events) }),
    }),
    clock,
    random,
    log,
    settings: {
      ...DEFAULT_DEPLOY_SETTINGS,
      maxModules: settings.modules,
      maxCodeBytes: settings.codeBytes,
      maxTables: settings.tables,
      notes: limitNotes(settings),
      builtinVariables: core.builtinVariables,
    },
  };
}

function nodeAnalyzer({ nodeActions: { service }, settings }: Core): NodeAnalyzer | null {
  return service.configured ? new ServiceNodeAnalyzer(service, settings.nodeAnalyzeTimeMs) : null;
}

export function composePush(ports: DeployPorts): Push {
  return { push: new PushService(ports), environment: new Environment(ports) };
}

function rules(settings: Settings): Rules {
  const limits = schemaLimits(settings);
  return {
    checkSchema: (schema) => {
      parseSchema(schema, limits);
    },
    documentCheck: (json) => {
      const schema = parseSchema(json, limits);
      return (table, document, tables) => checkDocument(schema, table, document, tables);
    },
    checkVariables: (variables) =>
      checkVariables(variables, {
        variables: settings.envVars,
        nameLength: settings.envVarNameLength,
        valueBytes: settings.envVarValueBytes,
        totalBytes: settings.envVarTotalBytes,
        notes: limitNotes(settings),
      }),
  };
}
