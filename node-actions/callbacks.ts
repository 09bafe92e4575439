import { setTimeout as sleep } from "node:timers/promises";
import {
  NODE_PROTOCOL_VERSION,
  nodeServiceError,
  nodeSyscallResponse,
  type ExecuteRequest,
  type NodeSyscallRequest,
  type NodeSyscallResponse,
} from "../src/protocol/node-actions.ts";
import type { Log } from "../src/shared/log.ts";
import { Turns } from "./turns.ts";
import { BrokenConnectionError, NotConnectedError, type WorkerClient, type WorkerResponse } from "./worker-client.ts";

export interface CallbackSettings {
  readonly callbackRetryMs: number;
  readonly callbacks: number;
}

/** Told about every answer, for the metrics. */
export type OnCallback = (op: string, outcome: "ok" | "failed" | "unreachable") => void;

/** Attempts of what may be run again, the first one included (`features.md` §4.8). */
const ATTEMPTS = 5;
const MAX_PAUSE_MS = 20_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Harmless when run twice, or recognised by the Worker as the same. Everything else is tried once. */
const REPEATABLE = new Set(["1.0/actions/query", "1.0/actions/mutation", "1.0/createServiceToken"]);
/** Last as long as another action: they wait on connections of their own and take no turn. */
const LONG = new Set(["1.0/actions/action"]);

/** What actions ask of their deployment, one signed request each. The token of the execution never leaves this process. */
export class Callbacks {
  readonly #client: WorkerClient;
  readonly #settings: CallbackSettings;
  readonly #log: Log;
  readonly #onCallback: OnCallback;
  readonly #turns: Turns;

  constructor(client: WorkerClient, settings: CallbackSettings, log: Log, onCallback: OnCallback) {
    this.#client = client;
    this.#settings = settings;
    this.#log = log;
    this.#onCallback = onCallback;
    this.#turns = new Turns(settings.callbacks);
  }

  /** `sequence`: number of the operation within its execution. Never rejects. */
  async call(
    request: Pick<ExecuteRequest, "callback" | "executionId">,
    operation: { readonly op: string; readonly args: string; readonly sequence: number },
    signal: AbortSignal,
  ): Promise<NodeSyscallResponse> {
    const { op, args, sequence } = operation;
    const body: NodeSyscallRequest = {
      v: NODE_PROTOCOL_VERSION,
      token: request.callback.token,
      op,
      args,
      ...(op === "1.0/actions/mutation"
        ? { idempotency: { sessionId: request.executionId, requestId: String(sequence) } }
        : {}),
    };
    const attempt = (): Promise<NodeSyscallResponse> =>
      this.#attempts(op, request.callback.url, Buffer.from(JSON.stringify(body)), signal);
    return LONG.has(op) ? attempt() : this.#turns.run(attempt);
  }

  async #attempts(op: string, url: string, body: Uint8Array, signal: AbortSignal): Promise<NodeSyscallResponse> {
    const repeatable = REPEATABLE.has(op);
    for (let attempt = 1; ; attempt++) {
      // The action has ended while the operation waited for its turn: nobody would learn what became of it.
      if (signal.aborted) return { ok: false, message: "The action has ended." };
      const outcome = await this.#attempt(url, body, !repeatable, signal);
      if (outcome.kind === "answer") {
        this.#onCallback(op, outcome.response.ok ? "ok" : "failed");
        return outcome.response;
      }
      const again = !signal.aborted && attempt < ATTEMPTS && (outcome.unseen || (repeatable && outcome.transient));
      if (!again) {
        this.#onCallback(op, "unreachable");
        this.#log.error("callback failed", outcome.error, { op, attempts: attempt });
        return { ok: false, message: failureText(op, outcome, attempt) };
      }
      // Full jitter, so that the actions of one outage don't come back together.
      const ceiling = Math.min(MAX_PAUSE_MS, this.#settings.callbackRetryMs * 2 ** (attempt - 1));
      await sleep(Math.random() * ceiling, undefined, { signal }).catch(() => undefined);
    }
  }

  async #attempt(url: string, body: Uint8Array, fresh: boolean, signal: AbortSignal): Promise<Outcome> {
    try {
      const response = await this.#client.send({
        method: "POST",
        url,
        body,
        maxBytes: MAX_ANSWER_BYTES,
        fresh,
        signal,
      });
      return outcomeOf(response);
    } catch (error) {
      if (error instanceof NotConnectedError) {
        return { kind: "network", code: error.code, unseen: NEVER_MADE.has(error.code), transient: true, error };
      }
      if (error instanceof BrokenConnectionError) {
        return { kind: "network", code: error.code, unseen: false, transient: true, error };
      }
      throw error;
    }
  }
}

/** The Worker can't have seen the request. */
const NEVER_MADE: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"]);

type Outcome =
  | { readonly kind: "answer"; readonly response: NodeSyscallResponse }
  | {
      readonly kind: "network" | "status";
      /** Code of the system, or what the Worker said. */
      readonly code: string;
      /** The Worker never saw the request. */
      readonly unseen: boolean;
      /** Worth another attempt if the operation is repeatable. */
      readonly transient: boolean;
      readonly error: unknown;
    };

function outcomeOf({ status, body }: WorkerResponse): Outcome {
  const text = body.toString("utf8");
  const json = parsed(text);
  if (status === 200) {
    const response = nodeSyscallResponse.safeParse(json);
    if (response.success) return { kind: "answer", response: response.data };
  }
  const refusal = nodeServiceError.partial().safeParse(json);
  const said = (refusal.success ? refusal.data.message : undefined) ?? `HTTP status ${status}`;
  const error = new Error(`the Worker answered with HTTP status ${status}: ${text.slice(0, 500)}`);
  return { kind: "status", code: said, unseen: false, transient: status >= 500 && status !== 560, error };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Something between us and the Worker answered.
    return undefined;
  }
}

/** E-C-15. */
function failureText(op: string, outcome: Exclude<Outcome, { kind: "answer" }>, attempts: number): string {
  const name = op.replace(/^1\.0\//, "").replace(/^actions\//, "");
  if (outcome.kind === "network") {
    return `Transient network error running ${name} (${outcome.code}, ${attempts} attempts)`;
  }
  if (outcome.transient) return `Transient error while running ${name}: ${outcome.code}`;
  return `Invalid ${name} request: ${outcome.code}`;
}
