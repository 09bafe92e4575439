import { AdminKeys } from "../../../src/auth/admin-key.ts";
import { noProviders } from "../../../src/auth/token-verifier.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { createApp } from "../../../src/http/app.ts";
import { DEFAULT_HTTP_SETTINGS, type PushService } from "../../../src/http/services.ts";
import { LogBuffer } from "../../../src/logs/log-buffer.ts";
import type { FunctionCall, FunctionOutcome } from "../../../src/protocol/execution.ts";
import { NO_DASHBOARD } from "../../support/no-dashboard.ts";
import { noNodeCallbacks } from "../../support/no-node-callbacks.ts";
import { NO_STREAMING_EXPORT, NO_TRANSFERS } from "../../support/no-transfers.ts";
import { NO_FILES } from "../../support/no-files.ts";

/** The HTTP room alone in workerd: functions answer their own arguments, a push its own length. */

const echo = (call: FunctionCall): Promise<FunctionOutcome> =>
  Promise.resolve({ ok: true, value: call.args, logLines: [] });
const measure = (body: unknown): Promise<unknown> => Promise.resolve({ length: JSON.stringify(body).length });

const push: PushService = {
  getConfigHashes: measure,
  startPush: measure,
  evaluatePush: measure,
  evaluateSchema: measure,
  waitForSchema: measure,
  finishPush: measure,
  reportPushCompleted: measure,
  getConfig: measure,
  prepareSchema: measure,
  pushConfig: measure,
  schemaState: measure,
};

const clock = { now: () => Date.now() };
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
const logs = new LogBuffer(clock);
const functions = {
  runQuery: echo,
  runMutation: echo,
  runAction: echo,
  runAny: async (call: FunctionCall) => ({ udfType: "Query" as const, outcome: await echo(call) }),
  queryBatch: (calls: readonly FunctionCall[]) => Promise.all(calls.map(echo)),
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a fake makes its own timestamps
  latestTs: () => Promise.resolve(0 as Timestamp),
};

let app: Promise<ReturnType<typeof createApp>> | undefined;

async function makeApp(secret: string) {
  return createApp({
    functions,
    httpActions: { serve: () => Promise.resolve({ kind: "disabled" }) },
    push,
    environment: { update: () => Promise.resolve(), list: () => Promise.resolve([]) },
    jobs: { cancel: () => Promise.resolve(), cancelAll: () => Promise.resolve() },
    pausing: { pause: () => Promise.resolve(), resume: () => Promise.resolve() },
    logs,
    sync: { connect: () => Promise.resolve(new Response(null, { status: 200 })) },
    testFunctions: { runQuery: ({ args }) => Promise.resolve({ ok: true, value: args, logLines: [] }) },
    dashboard: NO_DASHBOARD,
    nodeCallbacks: noNodeCallbacks,
    files: NO_FILES,
    transfers: NO_TRANSFERS,
    streamingExport: NO_STREAMING_EXPORT,
    adminKeys: await AdminKeys.create("convection", [secret]),
    tokens: noProviders,
    signingKeys: () => Promise.resolve({ keys: [] }),
    clock,
    random,
    log: {
      info: (event) => console.info(event),
      warn: (event) => console.warn(event),
      error: (event, error) => console.error(event, error),
    },
    settings: {
      ...DEFAULT_HTTP_SETTINGS,
      instanceName: "convection",
      version: "0.1.0",
      cloudUrl: "http://cloud",
      siteUrl: "http://site",
      pushBodyBytes: 8 * 1024 * 1024,
    },
  });
}

export default {
  async fetch(request: Request, env: { SECRET: string }, context: ExecutionContext): Promise<Response> {
    app ??= makeApp(env.SECRET);
    return (await app).fetch(request, { keepAlive: (work: Promise<unknown>) => context.waitUntil(work) });
  },
};
