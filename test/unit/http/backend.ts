import { AdminKeys } from "../../../src/auth/admin-key.ts";
import { noProviders } from "../../../src/auth/token-verifier.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { createApp, createSiteApp } from "../../../src/http/app.ts";
import {
  DEFAULT_HTTP_SETTINGS,
  type FunctionService,
  type HttpServices,
  type HttpSettings,
  type PushService,
  type SocketClient,
} from "../../../src/http/services.ts";
import type { FunctionCall, FunctionOutcome, MutationCall } from "../../../src/protocol/execution.ts";
import type { EnvironmentChange } from "../../../src/protocol/http-bodies.ts";
import { LogBuffer } from "../../../src/logs/log-buffer.ts";
import type { TestFunctionCall } from "../../../src/runtime/functions/test-function.ts";
import type { Log } from "../../../src/shared/log.ts";
import { NO_DASHBOARD } from "../../support/no-dashboard.ts";
import { noNodeCallbacks } from "../../support/no-node-callbacks.ts";
import { NO_STREAMING_EXPORT, NO_TRANSFERS } from "../../support/no-transfers.ts";
import { NO_FILES } from "../../support/no-files.ts";

export const INSTANCE = "happy-animal-123";
export const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

export const keys = await AdminKeys.create(INSTANCE, [SECRET]);
export const ADMIN_KEY = await keys.issue();
export const READ_ONLY_KEY = await keys.issue({ readOnly: true });
export const ADMIN = { authorization: `Convex ${ADMIN_KEY}` };

/** Remembers what it was asked to run and answers what the test has put in. */
export class FakeFunctions implements FunctionService {
  readonly calls: { method: string; call: FunctionCall; at?: Timestamp | undefined }[] = [];
  outcome: FunctionOutcome = { ok: true, value: "null", logLines: [] };
  failure: unknown = null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a fake makes its own timestamps
  ts = 1_795_169_862_379_123 as Timestamp;
  /** Held until the test lets go. */
  gate: Promise<void> = Promise.resolve();

  runQuery(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome> {
    return this.#run("query", call, at);
  }

  runMutation(call: MutationCall): Promise<FunctionOutcome> {
    return this.#run("mutation", call);
  }

  runAction(call: FunctionCall): Promise<FunctionOutcome> {
    return this.#run("action", call);
  }

  async runAny(call: FunctionCall) {
    return { udfType: "Query" as const, outcome: await this.#run("any", call) };
  }

  async queryBatch(calls: readonly FunctionCall[]): Promise<readonly FunctionOutcome[]> {
    return Promise.all(calls.map((call) => this.#run("batch", call)));
  }

  readonly tests: TestFunctionCall[] = [];

  async runTest(call: TestFunctionCall): Promise<FunctionOutcome> {
    this.tests.push(call);
    return this.outcome;
  }

  latestTs(): Promise<Timestamp> {
    return Promise.resolve(this.ts);
  }

  async #run(method: string, call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome> {
    this.calls.push({ method, call, at });
    await this.gate;
    if (this.failure !== null) throw this.failure;
    return this.outcome;
  }
}

class FakePush implements PushService {
  readonly calls: { method: string; body: unknown }[] = [];
  answer: unknown = { ok: true };
  getConfigHashes = (body: unknown) => this.#call("getConfigHashes", body);
  startPush = (body: unknown) => this.#call("startPush", body);
  evaluatePush = (body: unknown) => this.#call("evaluatePush", body);
  evaluateSchema = (body: unknown) => this.#call("evaluateSchema", body);
  waitForSchema = (body: unknown) => this.#call("waitForSchema", body);
  finishPush = (body: unknown) => this.#call("finishPush", body);
  reportPushCompleted = (body: unknown) => this.#call("reportPushCompleted", body);
  getConfig = (body: unknown) => this.#call("getConfig", body);
  prepareSchema = (body: unknown) => this.#call("prepareSchema", body);
  pushConfig = (body: unknown) => this.#call("pushConfig", body);
  schemaState = (schemaId: string) => this.#call("schemaState", schemaId);

  async #call(method: string, body: unknown): Promise<unknown> {
    this.calls.push({ method, body });
    return this.answer;
  }
}

class MemoryLog implements Log {
  readonly errors: { event: string; error: unknown }[] = [];
  info(): void {}
  warn(): void {}
  error(event: string, error: unknown): void {
    this.errors.push({ event, error });
  }
}

export function backend(settings: Partial<HttpSettings> = {}) {
  const functions = new FakeFunctions();
  const push = new FakePush();
  const log = new MemoryLog();
  const changes: EnvironmentChange[] = [];
  const clock = { time: 1_795_169_862_000, now: () => clock.time };
  let count = 0;
  const random = { bytes: (length: number) => new Uint8Array(length).fill(++count) };
  const logs = new LogBuffer(clock);
  const sockets: SocketClient[] = [];
  const services: HttpServices = {
    functions,
    httpActions: { serve: () => Promise.resolve({ kind: "disabled" }) },
    push,
    environment: { update: async (more) => void changes.push(...more), list: () => Promise.resolve([]) },
    jobs: { cancel: () => Promise.resolve(), cancelAll: () => Promise.resolve() },
    pausing: { pause: () => Promise.resolve(), resume: () => Promise.resolve() },
    logs,
    sync: {
      connect: async (client) => {
        sockets.push(client);
        return new Response(null, { status: 200 });
      },
    },
    testFunctions: { runQuery: (call) => functions.runTest(call) },
    dashboard: NO_DASHBOARD,
    nodeCallbacks: noNodeCallbacks,
    files: NO_FILES,
    transfers: NO_TRANSFERS,
    streamingExport: NO_STREAMING_EXPORT,
    adminKeys: keys,
    tokens: noProviders,
    signingKeys: () => Promise.resolve({ keys: [] }),
    clock,
    random,
    log,
    settings: {
      ...DEFAULT_HTTP_SETTINGS,
      instanceName: INSTANCE,
      version: "0.1.0",
      cloudUrl: "http://127.0.0.1:3210",
      siteUrl: "http://127.0.0.1:3211",
      redactErrors: false,
      ...settings,
    },
  };
  const app = createApp(services);
  const site = createSiteApp(services);

  async function request(path: string, init?: RequestInit): Promise<Response> {
    return app.request(`http://127.0.0.1:3210${path}`, init);
  }

  /** A JSON body, as the clients send it. */
  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  return { app, site, functions, push, log, logs, sockets, changes, clock, request, post };
}

export function success(value: string): FunctionOutcome {
  return { ok: true, value, logLines: [] };
}
