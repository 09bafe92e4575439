import type { Transaction } from "../../engine/transaction.ts";
import type { TransactionLimits } from "../../engine/limits.ts";
import type { CursorCodec } from "../../engine/cursor.ts";
import type { FunctionLogLine, RequestContext, UdfType } from "../../protocol/execution.ts";
import type { Identity } from "../../protocol/identity.ts";
import type { InvocationLimits } from "../../protocol/invocation.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { Random } from "../../shared/random.ts";
import type { App } from "../code/app.ts";
import type { CodeSource } from "../code/code-source.ts";
import type { Deployment } from "../code/deployments.ts";
import type { Isolates } from "../code/isolates.ts";
import type { FunctionHandlesOf } from "./reference.ts";
import type { SizeLimits } from "./arguments.ts";

/** Limits of the runtime, from the settings of the deployment. Milliseconds and bytes. */
export interface RuntimeLimits extends SizeLimits {
  readonly invocation: InvocationLimits;
  readonly transaction: TransactionLimits;
  /** Tables of developers, created by mutations or by pushes. */
  readonly tables: number;
  readonly actionTimeoutMs: number;
  /** Sum of the time that one query or mutation may spend in syscalls (E-C-4). */
  readonly syscallTimeMs: number;
  readonly nestingDepth: number;
}

/** What every runner needs. Built once per isolate by the composition root. */
export interface RuntimeEnvironment {
  readonly isolates: Isolates;
  readonly code: CodeSource;
  readonly handles: FunctionHandlesOf;
  readonly cursors: CursorCodec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits: RuntimeLimits;
  readonly instanceName: string;
}

/** A finished execution, for the function log. Never holds arguments or results. */
export interface ExecutionRecord {
  readonly path: FunctionPath;
  readonly udfType: UdfType;
  readonly context: RequestContext;
  readonly executionId: string;
  readonly identity: Identity["kind"];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly error: string | null;
  readonly logLines: readonly FunctionLogLine[];
  readonly environment: "isolate" | "node";
}

/** Everything one database function runs in. Nested calls share transaction, time, identity and request. */
export interface DatabaseScope {
  readonly runtime: RuntimeEnvironment;
  readonly deployment: Deployment & { readonly app: App };
  readonly transaction: Transaction;
  readonly identity: Identity;
  readonly context: RequestContext;
  /** Frozen time of the execution, ms. */
  readonly now: number;
  /** 0 for the function the client called. */
  readonly depth: number;
  /** What the previous run of the same subscribed query left behind. */
  readonly journal: string | null;
}
