import type { FunctionFailure, FunctionLogLine } from "../../protocol/execution.ts";
import type { InvocationResult, LogLine, ResponseHead } from "../../protocol/invocation.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { unframe } from "../../shared/frame.ts";
import { headersInit } from "../../shared/headers.ts";
import { formatBytes } from "../../values/format-bytes.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import { refuseWhilePaused } from "../code/deployment-state.ts";
import { ActionCapability } from "./action-capability.ts";
import type { ActionExecution } from "./action-execution.ts";
import { boundedBody } from "./bounded-body.ts";
import type { Execution } from "./execution.ts";
import { describeThrown, failureOf, FunctionError } from "./failure.ts";
import { newInvocation } from "./new-invocation.ts";
import { type TimeLimit, timeLimit } from "./time-limit.ts";

/** A request as user code sees it. */
export interface IncomingRequest {
  readonly method: string;
  /** Of its URL. */
  readonly path: string;
  /** See `Harness.serve`. */
  readonly sent: Uint8Array<ArrayBuffer> | Request;
}

export type HttpActionAnswer =
  | { readonly kind: "response"; readonly response: Response }
  /** Before the head of a response was sent. */
  | { readonly kind: "failed"; readonly failure: FunctionFailure }
  /** The app has no HTTP actions, or none that could answer this path. */
  | { readonly kind: "disabled" | "unrouted" };

/**
 * One HTTP action, from its request until the last byte of its response. What has a head already can only be cut off:
 * its failure is in the log alone.
 */
export class HttpActionRun {
  readonly #execution: ActionExecution;
  readonly #record: Execution;
  readonly #responseBytes: number;
  readonly #logLines: FunctionLogLine[] = [];
  readonly #answer = Promise.withResolvers<HttpActionAnswer>();

  /** `responseBytes`: of the longest body. */
  constructor(parts: Omit<ActionExecution, "executionId" | "onLog">, record: Execution, responseBytes: number) {
    this.#execution = { ...parts, executionId: record.id, onLog: (lines) => this.#print(lines) };
    this.#record = record;
    this.#responseBytes = responseBytes;
  }

  /** As soon as there is a head, long before the run has ended. */
  get answer(): Promise<HttpActionAnswer> {
    return this.#answer.promise;
  }

  /** `path`: what the component's own router looks up. What it throws is no outcome of the function: see `broken`. */
  async run(request: IncomingRequest, path: string): Promise<void> {
    const { runtime, deployment } = this.#execution;
    const { actionTimeoutMs, notes } = runtime.limits;
    const capability = new ActionCapability(this.#execution);
    const deadline = timeLimit(actionTimeoutMs, notes.actionTimeoutMs ?? "");
    try {
      refuseWhilePaused(deployment.catalog.values);
      const served = await Promise.race([this.#serve(request, path, capability), deadline.expired]);
      if (typeof served === "string") this.#fail(await this.#failure(served, capability));
      else if (served instanceof Response) await this.#stream(served, capability, deadline);
      else await this.#receive(served, capability, deadline);
    } catch (error) {
      if (error instanceof FunctionError) this.#fail(error.failure);
      else if (error instanceof CodedError && error.catchable) this.#fail(failureOf(error));
      else throw error;
    } finally {
      deadline.cancel();
      capability.end();
    }
  }

  /** There is no outcome: it was refused, or the backend failed. */
  broken(error: unknown): void {
    this.#record.failed(error);
    this.#answer.reject(error);
  }

  async #serve(
    request: IncomingRequest,
    path: string,
    capability: ActionCapability,
  ): Promise<string | Uint8Array<ArrayBuffer> | Response> {
    const { runtime, deployment, call } = this.#execution;
    const invoked = { ...this.#execution, requestId: call.context.requestId, now: runtime.clock.now() };
    const invocation = JSON.stringify(newInvocation("httpAction", invoked, JSON.stringify([path])));
    const harness = await runtime.isolates.harness(deployment.app, deployment.variables, "action");
    return harness.serve(invocation, request.sent, capability);
  }

  /** A response that came whole, with all that was printed. */
  async #receive(framed: Uint8Array<ArrayBuffer>, capability: ActionCapability, deadline: TimeLimit): Promise<void> {
    const { head, bytes } = unframe(framed);
    const { status, statusText, headers, body, logs }: ResponseHead = JSON.parse(head);
    await tell(capability, logs);
    void capability.finished();
    const response = new Response(body ? bytes : null, { status, statusText, headers: headersInit(headers) });
    if (bytes.length > this.#responseBytes) {
      await this.#stream(response, capability, deadline);
      return;
    }
    this.#answer.resolve({ kind: "response", response });
    this.#completed(response);
  }

  async #stream(response: Response, capability: ActionCapability, deadline: TimeLimit): Promise<void> {
    const body = boundedBody(response, this.#responseBytes);
    this.#answer.resolve({ kind: "response", response: body.response });
    const end = await Promise.race([body.ended, deadline.expired]).catch((error: unknown) => {
      body.cut();
      throw error;
    });
    // Its last lines may still be on their way.
    await Promise.race([capability.served, deadline.expired]);
    if (end.tooLarge) this.#print([this.#tooLarge()]);
    this.#completed(response);
  }

  #completed({ status }: Response): void {
    const outcome = { ok: true, value: "null", logLines: this.#logLines } as const;
    this.#record.completed(outcome, { success: { status: String(status) } });
  }

  #fail(failure: FunctionFailure): void {
    this.#answer.resolve({ kind: "failed", failure });
    this.#record.completed({ ok: false, error: failure, logLines: this.#logLines }, { success: { status: "500" } });
  }

  async #failure(text: string, capability: ActionCapability): Promise<FunctionFailure> {
    const result: InvocationResult = JSON.parse(text);
    if (result.ok !== false) throw new Error("an HTTP action without a response has failed");
    await tell(capability, result.logs);
    const { runtime, deployment } = this.#execution;
    return describeThrown(result.error, sourceMapsOf(runtime.code, deployment.app.version));
  }

  #print(lines: readonly FunctionLogLine[]): void {
    this.#logLines.push(...lines);
    this.#record.progress(lines);
  }

  /** E-F-8. */
  #tooLarge(): FunctionLogLine {
    const { clock, limits } = this.#execution.runtime;
    const size = formatBytes(this.#responseBytes);
    const text = `HTTP actions support responses up to ${size}${limits.notes.httpActionResponseBytes ?? ""}`;
    return { level: "ERROR", messages: [`HttpResponseTooLarge: ${text}`], isTruncated: false, timestamp: clock.now() };
  }
}

async function tell(capability: ActionCapability, logs: readonly LogLine[]): Promise<void> {
  if (logs.length > 0) await capability.log(JSON.stringify(logs));
}
