import type { Committer, FunctionFailure, FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";
import type { FunctionCall, RequestContext } from "../../protocol/execution.ts";
import type { Identity } from "../../protocol/identity.ts";
import type { Invocation, InvocationResult, LogLine, ResponseHead } from "../../protocol/invocation.ts";
import { toHex } from "../../shared/bytes.ts";
import { unframe } from "../../shared/frame.ts";
import { headersInit } from "../../shared/headers.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { formatBytes } from "../../values/format-bytes.ts";
import type { App, ResolvedFunction } from "../code/app.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import { refuseWhilePaused } from "../code/deployment-state.ts";
import type { CurrentDeployment, Deployment } from "../code/deployments.ts";
import type { FileUploads } from "../files/runtime-files.ts";
import type { ActionExecution, ActionQueries } from "./action-execution.ts";
import { ActionCapability } from "./action-capability.ts";
import type { ActionRunner } from "./action-runner.ts";
import { boundedBody } from "./bounded-body.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution } from "./execution.ts";
import { describeThrown, failureOf, FunctionError } from "./failure.ts";
import { HTTP_MODULE, type HttpRoute, routeHttp } from "./http-routing.ts";
import { timeLimit } from "./time-limit.ts";

export interface HttpActionCall {
  readonly identity: Identity;
  /** The request carried a token that was refused: `ctx.auth.getUserIdentity()` throws it, nothing else does. */
  readonly identityError: CodedError | null;
  readonly context: RequestContext;
  /** Aborted when the client hangs up. The action goes on, and may ask. */
  readonly client: AbortSignal;
}

export type HttpActionAnswer =
  | { readonly kind: "response"; readonly response: Response }
  /** Before the head of a response was sent. */
  | { readonly kind: "failed"; readonly failure: FunctionFailure }
  /** The app has no HTTP actions, or none that could answer this path. */
  | { readonly kind: "disabled" | "unrouted" };

/** A request as user code sees it. */
export interface IncomingRequest {
  readonly method: string;
  /** Of its URL. */
  readonly path: string;
  /** See `Harness.serve`. */
  readonly sent: Uint8Array<ArrayBuffer> | Request;
}

export interface HttpActionSettings {
  readonly responseBytes: number;
  readonly keepAlive: (work: Promise<unknown>) => void;
}

/**
 * Runs HTTP actions. One lasts from its request until the last byte of its response, and at most once, like every
 * action. What has a head already can only be cut off: its failure is in the log alone.
 */
export class HttpActionRunner {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: CurrentDeployment;
  readonly #queries: ActionQueries;
  readonly #actions: ActionRunner;
  readonly #committer: Committer;
  readonly #uploads: FileUploads;
  readonly #settings: HttpActionSettings;

  constructor(
    runtime: RuntimeEnvironment,
    deployments: CurrentDeployment,
    callees: Pick<ActionExecution, "queries" | "committer" | "uploads"> & { readonly actions: ActionRunner },
    settings: HttpActionSettings,
  ) {
    this.#runtime = runtime;
    this.#deployments = deployments;
    this.#queries = callees.queries;
    this.#actions = callees.actions;
    this.#committer = callees.committer;
    this.#uploads = callees.uploads;
    this.#settings = settings;
  }

  async serve(request: IncomingRequest, call: HttpActionCall): Promise<HttpActionAnswer> {
    const deployment = await this.#deployments.current();
    const { app } = deployment;
    const route = routeHttp(app, request.path, request.method);
    if (app === null || route === "disabled") return { kind: "disabled" };
    if (route === "unrouted") return { kind: "unrouted" };
    const answer = Promise.withResolvers<HttpActionAnswer>();
    const execution = this.#execution(route, request.method, call);
    // A place is held until the last byte, long after the answer's head.
    const whole = this.#runtime.admission.actions.admit(() =>
      this.#serve({ ...deployment, app }, route, request, call, execution, answer.resolve),
    );
    this.#settings.keepAlive(
      whole.catch((error: unknown) => {
        execution.failed(error);
        answer.reject(error);
      }),
    );
    return answer.promise;
  }

  #execution(route: HttpRoute, method: string, call: HttpActionCall): Execution {
    return new Execution(this.#runtime, functionCall(route, call), "HttpAction", `${method} ${route.route}`);
  }

  async #serve(
    deployment: Deployment & { readonly app: App },
    route: HttpRoute,
    request: IncomingRequest,
    call: HttpActionCall,
    logged: Execution,
    answer: (answer: HttpActionAnswer) => void,
  ): Promise<void> {
    const runtime = this.#runtime;
    const { limits } = runtime;
    const found = resolved(deployment.app, route);
    const logLines: FunctionLogLine[] = [];
    const onLog = (lines: readonly FunctionLogLine[]): void => {
      logLines.push(...lines);
      logged.progress(lines);
    };
    const capability = new ActionCapability({
      runtime,
      deployment,
      found,
      call: functionCall(route, call),
      identityError: call.identityError,
      client: call.client,
      depth: 0,
      executionId: logged.id,
      queries: this.#queries,
      committer: this.#committer,
      uploads: this.#uploads,
      actions: this.#actions,
      onLog,
    });
    const invocation: Invocation = {
      kind: "httpAction",
      target: found.target,
      args: JSON.stringify([route.path]),
      requestId: call.context.requestId,
      now: runtime.clock.now(),
      seed: toHex(runtime.random.bytes(16)).toLowerCase(),
      tablesVersion: String(deployment.catalog.ts),
      limits: limits.invocation,
    };
    const deadline = timeLimit(limits.actionTimeoutMs, limits.notes.actionTimeoutMs ?? "");
    const fail = (failure: FunctionFailure): void => {
      answer({ kind: "failed", failure });
      logged.completed({ ok: false, error: failure, logLines }, { success: { status: "500" } });
    };
    try {
      refuseWhilePaused(deployment.catalog.values);
      const harness = await runtime.isolates.harness(deployment.app, deployment.variables, "action");
      const served = harness.serve(JSON.stringify(invocation), request.sent, capability);
      const answered = await Promise.race([served, deadline.expired]);
      if (typeof answered === "string") {
        fail(await this.#failure(answered, deployment.app, capability));
        return;
      }
      const { responseBytes } = this.#settings;
      const response = answered instanceof Response ? answered : await receive(answered, capability);
      const success = { status: String(response.status) };
      if (!(answered instanceof Response) && answered.length <= responseBytes) {
        answer({ kind: "response", response });
        logged.completed({ ok: true, value: "null", logLines }, { success });
        return;
      }
      const body = boundedBody(response, responseBytes);
      answer({ kind: "response", response: body.response });
      const end = await Promise.race([body.ended, deadline.expired]).catch((error: unknown) => {
        body.cut();
        throw error;
      });
      // Its last lines may still be on their way.
      await Promise.race([capability.served, deadline.expired]);
      if (end.tooLarge) onLog([responseTooLarge(responseBytes, runtime.clock.now(), limits.notes)]);
      const outcome: FunctionOutcome = { ok: true, value: "null", logLines };
      logged.completed(outcome, { success });
    } catch (error) {
      if (error instanceof FunctionError) fail(error.failure);
      else if (error instanceof CodedError && error.catchable) fail(failureOf(error));
      else throw error;
    } finally {
      deadline.cancel();
      capability.end();
    }
  }

  async #failure(text: string, app: App, capability: ActionCapability): Promise<FunctionFailure> {
    const result: InvocationResult = JSON.parse(text);
    if (result.ok !== false) throw new Error("an HTTP action without a response has failed");
    await tell(capability, result.logs);
    return describeThrown(result.error, sourceMapsOf(this.#runtime.code, app.version));
  }
}

/** A response that came whole, with all that was printed. */
async function receive(framed: Uint8Array<ArrayBuffer>, capability: ActionCapability): Promise<Response> {
  const { head, bytes } = unframe(framed);
  const { status, statusText, headers, body, logs }: ResponseHead = JSON.parse(head);
  await tell(capability, logs);
  void capability.finished();
  return new Response(body ? bytes : null, { status, statusText, headers: headersInit(headers) });
}

async function tell(capability: ActionCapability, logs: readonly LogLine[]): Promise<void> {
  if (logs.length > 0) await capability.log(JSON.stringify(logs));
}

function functionCall({ component }: HttpRoute, { identity, context }: HttpActionCall): FunctionCall {
  const path = { component, module: HTTP_MODULE, function: "default" };
  return { path, args: "[]", identity, context: { ...context, caller: "HttpEndpoint" }, visibility: "internal" };
}

function resolved(app: App, { component }: HttpRoute): ResolvedFunction {
  return {
    path: { component, module: HTTP_MODULE, function: "default" },
    target: {
      component,
      module: `${app.component(component)?.modulePrefix ?? ""}${HTTP_MODULE}`,
      path: HTTP_MODULE,
      export: "default",
    },
    udfType: "HttpAction",
    visibility: "public",
    environment: "isolate",
    args: null,
    returns: null,
  };
}

/** E-F-8. */
function responseTooLarge(
  bytes: number,
  now: number,
  notes: { readonly httpActionResponseBytes?: string },
): FunctionLogLine {
  const text = `HTTP actions support responses up to ${formatBytes(bytes)}${notes.httpActionResponseBytes ?? ""}`;
  return { level: "ERROR", messages: [`HttpResponseTooLarge: ${text}`], isTruncated: false, timestamp: now };
}
