import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionOutcome, MutationCall, UdfType } from "../protocol/execution.ts";
import type { ExecutionLog, IdentityType } from "../protocol/function-log.ts";
import type { Identity } from "../protocol/identity.ts";
import { toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Random } from "../shared/random.ts";
import { displayPath } from "../values/function-path.ts";
import type { AnyOutcome, FunctionService } from "./services.ts";

export interface Recorder {
  readonly executions: ExecutionLog;
  readonly clock: Clock;
  readonly random: Random;
}

interface Execution {
  readonly udfType: UdfType | null;
  readonly outcome: FunctionOutcome;
}

/**
 * Writes every execution that a client asked for into the function log. What such an execution calls in turn is not
 * seen from here.
 */
export class RecordedFunctions implements FunctionService {
  readonly #inner: FunctionService;
  readonly #recorder: Recorder;

  constructor(inner: FunctionService, recorder: Recorder) {
    this.#inner = inner;
    this.#recorder = recorder;
  }

  async runQuery(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome> {
    return (await this.#record(call, "Query", typed("Query", this.#inner.runQuery(call, at)))).outcome;
  }

  async runMutation(call: MutationCall): Promise<FunctionOutcome> {
    return (await this.#record(call, "Mutation", typed("Mutation", this.#inner.runMutation(call)))).outcome;
  }

  async runAction(call: FunctionCall): Promise<FunctionOutcome> {
    return (await this.#record(call, "Action", typed("Action", this.#inner.runAction(call)))).outcome;
  }

  runAny(call: FunctionCall): Promise<AnyOutcome> {
    return this.#record(call, null, this.#inner.runAny(call));
  }

  async queryBatch(calls: readonly FunctionCall[]): Promise<readonly FunctionOutcome[]> {
    const outcomes = this.#inner.queryBatch(calls);
    await Promise.all(
      calls.map((call, i) =>
        this.#record(
          call,
          "Query",
          outcomes.then((all) => nth(all, i)),
        ),
      ),
    );
    return outcomes;
  }

  latestTs(): Promise<Timestamp> {
    return this.#inner.latestTs();
  }

  async #record<E extends Execution>(call: FunctionCall, expected: UdfType | null, running: Promise<E>): Promise<E> {
    const { clock } = this.#recorder;
    const startedAt = clock.now();
    try {
      const execution = await running;
      this.#write(call, execution.udfType, execution.outcome, startedAt);
      return execution;
    } catch (error) {
      const message = error instanceof CodedError ? error.message : "InternalServerError";
      this.#write(call, expected, { ok: false, error: { message }, logLines: [] }, startedAt);
      throw error;
    }
  }

  /** A function that was never found has no type, and nothing ran. */
  #write(call: FunctionCall, udfType: UdfType | null, outcome: FunctionOutcome, startedAt: number): void {
    if (udfType === null) return;
    const { executions, clock, random } = this.#recorder;
    const description = {
      udfType,
      componentPath: call.path.component === "" ? null : call.path.component,
      identifier: displayPath(call.path),
      requestId: call.context.requestId,
      executionId: uuid(random),
    };
    if (udfType === "Action") executions.progress({ ...description, logLines: outcome.logLines });
    executions.completed({
      ...description,
      logLines: outcome.logLines,
      startedAt,
      duration: clock.now() - startedAt,
      error: outcome.ok ? null : outcome.error.message,
      caller: call.context.caller,
      parentExecutionId: null,
      identityType: identityType(call.identity),
      environment: "isolate",
    });
  }
}

async function typed(udfType: UdfType, outcome: Promise<FunctionOutcome>): Promise<Execution> {
  return { udfType, outcome: await outcome };
}

function nth(outcomes: readonly FunctionOutcome[], i: number): Execution {
  const outcome = outcomes[i];
  if (outcome === undefined) throw new Error(`A batch of queries has no outcome ${i}`);
  return { udfType: "Query", outcome };
}

function identityType(identity: Identity): IdentityType {
  switch (identity.kind) {
    case "none":
      return "unknown";
    case "user":
      return "user";
    case "admin":
      return identity.actingAs === null ? "instance_admin" : "member_acting_user";
    case "system":
      return "system";
    default:
      return identity satisfies never;
  }
}

/** Version 4. */
function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = toHex(bytes).toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
