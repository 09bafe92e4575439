import { AdminKeys } from "../auth/admin-key.ts";
import { authenticate } from "../auth/authorization.ts";
import { createApp, createSiteApp } from "../http/app.ts";
import { SystemRouting } from "../http/system-routing.ts";
import { DEFAULT_HTTP_SETTINGS, type HttpServices } from "../http/services.ts";
import { Deployments } from "../runtime/code/deployments.ts";
import { ActionRunner } from "../runtime/functions/action-runner.ts";
import { Functions } from "../runtime/functions/functions.ts";
import type { RuntimeEnvironment } from "../runtime/functions/environment.ts";
import { HttpActionRunner } from "../runtime/functions/http-action-runner.ts";
import { QueryRunner } from "../runtime/functions/query-runner.ts";
import { FunctionServer } from "../sync/function-server.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { composeTokens } from "./auth.ts";
import { type Bindings, TRANSACTOR_NAME } from "./environment.ts";
import { composeNodeCallbacks } from "./node-callbacks.ts";
import { wakeFileSweeper } from "./file-sweeper.ts";
import { composeFileService, composeUploads } from "./files.ts";
import { cancelJobs } from "../system/cancel-jobs.ts";
import { composeDashboard, composeSystem } from "./system-functions.ts";
import { composeSockets } from "./sockets.ts";
import { composeStreamingExport, composeTransferService, wakeTransfers } from "./transfers.ts";
import { composeTestFunctions } from "./test-functions.ts";
import { Pausing } from "../deploy/pausing.ts";
import { composePush, deployPorts } from "./push.ts";
import { composeReadMemory } from "./read-memory.ts";
import { composeCore } from "./runtime.ts";
import { cancelJob } from "../scheduler/cancel-job.ts";
import { schedulerClient } from "./scheduler-client.ts";
import { clock, keepAlive, log, random } from "./system.ts";

const VERSION = "0.1.0";

export interface Backend {
  readonly api: ReturnType<typeof createApp>;
  readonly site: ReturnType<typeof createSiteApp>;
  /** What Sync objects have run by a Worker. */
  readonly syncWork: FunctionServer;
  /** `CONVEX_SITE_URL`: requests under it are HTTP actions. */
  readonly siteUrl: string;
  readonly actions: ActionRunner;
  readonly transactor: TransactorClient;
  readonly runtime: RuntimeEnvironment;
}

/** Everything a Worker isolate needs to answer requests, made from its bindings once. */
export async function composeBackend(bindings: Bindings): Promise<Backend> {
  const core = composeCore(bindings);
  // Whatever ended the Worker before this one may have taken the Scheduler's alarm along.
  const scheduler = schedulerClient(bindings);
  keepAlive(scheduler.wake());
  keepAlive(wakeFileSweeper(bindings));
  keepAlive(wakeTransfers(bindings));
  const { settings, identity, persistence, runtime, nodeActions, loader, logs } = core;
  const deployments = new Deployments({ persistence, loader, clock, leaseMs: settings.codeLeaseMs });
  const transactor = new TransactorClient(() => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME), logs);
  const queries = new QueryRunner(runtime, deployments, persistence, composeReadMemory(core));
  const uploads = composeUploads(core.files, settings, transactor);
  const actions = new ActionRunner(runtime, nodeActions, deployments, queries, transactor, uploads);
  const system = composeSystem(core, deployments);
  const functions = new SystemRouting(new Functions(deployments, queries, actions, transactor), system);
  const ports = deployPorts(core, bindings.LOADER, transactor, {
    onFlip: () => {
      deployments.expire();
      const ready = deployments.current().then((deployment) => nodeActions.getReady(deployment));
      keepAlive(ready.catch((error: unknown) => log.warn("node_service.not_ready", { reason: String(error) })));
    },
    startBackground: () => {
      keepAlive(scheduler.deployed());
      bindings.TRANSACTOR.getByName(TRANSACTOR_NAME)
        .startBackground()
        .catch((error: unknown) => log.error("background work was not started", error));
    },
  });
  let self: (request: Request) => Response | Promise<Response> | null = () => null;
  const services: HttpServices = {
    functions,
    httpActions: new HttpActionRunner(
      runtime,
      deployments,
      { queries, actions, committer: transactor, uploads },
      { responseBytes: settings.httpActionResponseBytes, keepAlive },
    ),
    testFunctions: composeTestFunctions(core, bindings.LOADER, deployments),
    dashboard: composeDashboard(system, ports),
    nodeCallbacks: composeNodeCallbacks(core, deployments, { queries, actions, committer: transactor, uploads }),
    files: composeFileService(core.files, uploads, deployments, queries),
    transfers: composeTransferService(bindings, transactor, queries),
    streamingExport: composeStreamingExport(core.persistence, queries),
    ...composePush(ports),
    pausing: new Pausing({ ...ports, resumed: () => scheduler.resumed() }),
    jobs: {
      cancel: (component, id) => cancelJob(transactor, component, id),
      cancelAll: (which) => cancelJobs(transactor, which),
    },
    logs,
    sync: composeSockets(bindings, settings.syncShards),
    adminKeys: await AdminKeys.create(identity.instanceName, core.secrets),
    tokens: composeTokens(core, deployments, (request) => self(request)),
    signingKeys: async () => runtime.jwtSigner.publicKeys((await deployments.current()).catalog.values),
    clock,
    random,
    log,
    settings: {
      ...DEFAULT_HTTP_SETTINGS,
      instanceName: identity.instanceName,
      version: VERSION,
      cloudUrl: identity.cloudUrl,
      siteUrl: identity.siteUrl,
      redactErrors: settings.redactErrors,
      functionBodyBytes: settings.httpBodyBytes,
      pushBodyBytes: settings.pushBytes,
      echoBodyBytes: settings.echoBodyBytes,
      httpActionRequestBytes: settings.httpActionRequestBytes,
      queriesPerBatch: settings.queriesPerBatch,
      requestTimeoutMs: settings.requestTimeoutMs,
      logHoldMs: settings.logHoldMs,
    },
  };
  const syncWork = new FunctionServer({
    queries,
    actions,
    system,
    authenticate: (credentials) => authenticate(credentials, services),
    log,
  });
  const api = createApp(services);
  const site = createSiteApp(services);
  self = (request) => {
    if (request.url.startsWith(`${identity.siteUrl}/`)) return site.fetch(request, { keepAlive });
    return request.url.startsWith(`${identity.cloudUrl}/`) ? api.fetch(request, { keepAlive }) : null;
  };
  return { api, site, syncWork, siteUrl: identity.siteUrl, actions, transactor, runtime };
}
