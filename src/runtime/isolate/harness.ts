import { WorkerEntrypoint } from "cloudflare:workers";
import type {
  FunctionKind,
  HostCapability,
  Invocation,
  InvocationResult,
  IsolateEnv,
  TableMap,
  ThrownError,
} from "../../protocol/invocation.ts";
import { analyze } from "./analyze.ts";
import { Call } from "./call.ts";
import { drive, type Settled } from "./drive.ts";
import { receivedRequest, routeRequest } from "./http-action.ts";
import { findFunction } from "./lookup.ts";
import { RealRequest, RealResponse } from "./originals.ts";
import { ownStacks } from "./own-stacks.ts";
import { newRealm } from "./realm.ts";
import { ClientWatch } from "./request-signal.ts";
import { thrownError, wholeText } from "./thrown-error.ts";
import { framedResponse, wholeBody } from "./whole-response.ts";

/** The newest table map seen, one per isolate: it changes only when a table is created or removed. */
let knownTables: TableMap | undefined;

/** The RPC surface of a user isolate: see `Harness` in `protocol/invocation.ts`. */
export class Harness extends WorkerEntrypoint<IsolateEnv> {
  async run(text: string, host: HostCapability): Promise<string> {
    const call = new Call(JSON.parse(text) as Invocation, host);
    const restoreStacks = ownStacks();
    try {
      const result = await execute(call);
      return JSON.stringify(result);
    } finally {
      restoreStacks();
    }
  }

  async serve(
    text: string,
    sent: Uint8Array<ArrayBuffer> | Request,
    host: HostCapability,
  ): Promise<string | Uint8Array<ArrayBuffer> | Response> {
    const call = new Call(JSON.parse(text) as Invocation, host);
    ownStacks();
    const routed = routeRequest(newRealm(), call.invocation);
    if (!routed.ok) return await failedBeforeHead(call, routed.error);
    call.usedNetwork = true;
    const client = new ClientWatch(call);
    const outcome = await drive(call, () => {
      const request = sent instanceof RealRequest ? sent : receivedRequest(sent);
      client.watch(request);
      return routed.run(request);
    });
    const error = failureOf(call, outcome);
    if (error !== undefined || outcome?.ok !== true) {
      return await failedBeforeHead(call, error ?? thrownError(undefined));
    }
    const response = outcome.value;
    const body = await wholeBody(response);
    if (body instanceof RealResponse) return this.#stream(call, body, client);
    call.finish();
    return framedResponse(response, body, await call.logs.finish());
  }

  async analyze(text: string): Promise<string> {
    return JSON.stringify(await analyze(text));
  }

  /** The call lasts until the last byte of the body: what streams it may still call functions and print. */
  #stream(call: Call, response: Response, client: ClientWatch): Response {
    // The stub of an argument ends with the RPC, and this call goes on.
    call.host = duplicate(call.host);
    const end = async (): Promise<void> => {
      call.finish();
      await call.logs.drain();
      await call.host.finished();
      dispose(call.host);
    };
    let whole = false;
    const { readable, writable } = new TransformStream({ flush: () => void (whole = true) });
    const piped = response.body?.pipeTo(writable) ?? Promise.resolve();
    const ended = piped.then(
      async () => {
        // A reader that cancels ends the pipe without an error.
        if (!whole) await client.gone();
        await end();
      },
      // A body that fails is the client's to notice: its stream breaks off.
      end,
    );
    this.ctx.waitUntil(ended);
    return new RealResponse(readable, response);
  }
}

async function failedBeforeHead(call: Call, error: ThrownError): Promise<string> {
  call.finish();
  return JSON.stringify(await failure(call, error));
}

async function execute(call: Call): Promise<InvocationResult> {
  const { invocation } = call;
  const kind = invocation.kind;
  if (kind === "httpAction") return await failure(call, wholeText("HTTP actions are served, not run."));
  call.startUserTime();
  const found = findFunction(newRealm(), invocation.target, kind);
  call.stopUserTime();
  if (!found.ok) return await failure(call, found.error);
  if (call.deterministic) call.tables = await tableMap(call);
  const outcome = await drive(call, () => found.value(invocation.args));
  return await conclude(call, kind, outcome);
}

async function conclude(
  call: Call,
  kind: FunctionKind,
  outcome: Settled<unknown> | undefined,
): Promise<InvocationResult> {
  const unawaited = call.leftBehind;
  call.finish();
  if (call.stop?.kind === "needsSnapshot") return { ok: "needsSnapshot" };
  const error = failureOf(call, outcome);
  if (error !== undefined || outcome?.ok !== true) return await failure(call, error ?? thrownError(undefined));
  if (typeof outcome.value !== "string") {
    const { path, export: name } = call.invocation.target;
    return await failure(call, wholeText(`Function ${path}:${name} return value invalid: expected JSON text`));
  }
  return {
    ok: true,
    value: outcome.value,
    logs: await call.logs.finish(),
    calls: call.logs.calls,
    observed: call.observed,
    userTimeMs: call.userTimeMs,
    ...(kind === "action" && unawaited.length > 0 ? { unawaited } : {}),
  };
}

async function failure(call: Call, error: ThrownError): Promise<InvocationResult> {
  const { logs, observed } = call;
  return { ok: false, error, logs: await logs.finish(), calls: logs.calls, observed };
}

/** Undefined when the function succeeded. Throws when there is no outcome of the function at all. */
function failureOf(call: Call, outcome: Settled<unknown> | undefined): ThrownError | undefined {
  const { stop } = call;
  switch (stop?.kind) {
    case undefined:
      return outcome?.ok === false ? thrownError(outcome.error) : undefined;
    case "timeout":
    case "memory":
    case "neverResolves":
      return wholeText(thrownError(stop.error).message, stop.kind);
    case "forbidden":
      return { ...thrownError(stop.error), fatal: "forbidden" };
    case "unhandledRejection":
      return thrownError(stop.error);
    case "needsSnapshot":
      return undefined;
    case "hostFailed":
      throw stop.error;
    default:
      return stop satisfies never;
  }
}

/** `1.0/db/normalizeId` answers synchronously, so the map is here before the handler runs. */
async function tableMap(call: Call): Promise<TableMap> {
  const wanted = call.invocation.tablesVersion;
  if (knownTables?.version === wanted) return knownTables;
  const map = JSON.parse(await call.host.tables()) as TableMap;
  if (map.version === wanted) knownTables = map;
  return map;
}

interface Stub {
  dup?: () => HostCapability;
  [Symbol.dispose]?: () => void;
}

function duplicate(host: HostCapability): HostCapability {
  const stub = host as Stub;
  return stub.dup?.() ?? host;
}

function dispose(host: HostCapability): void {
  const stub = host as Stub;
  stub[Symbol.dispose]?.();
}
