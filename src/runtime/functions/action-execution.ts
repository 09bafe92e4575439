import type { Transaction } from "../../engine/transaction.ts";
import type {
  Committer,
  FunctionCall,
  FunctionLogLine,
  FunctionOutcome,
  Idempotency,
} from "../../protocol/execution.ts";
import type { CodedError } from "../../shared/coded-error.ts";
import type { App, ResolvedFunction } from "../code/app.ts";
import type { Deployment } from "../code/deployments.ts";
import type { FileUploads } from "../files/runtime-files.ts";
import type { RuntimeEnvironment } from "./environment.ts";

/** Port: each query of an action reads the newest snapshot. */
export interface ActionQueries {
  run(call: FunctionCall, at: null, journal: null): Promise<{ readonly outcome: FunctionOutcome }>;
  /** Reads of the backend's own, consistent among each other. */
  look<T>(read: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** What one running action may reach. Its code, variables and rights are fixed when it starts. */
export interface ActionExecution {
  readonly runtime: RuntimeEnvironment;
  readonly deployment: Deployment & { readonly app: App };
  readonly found: ResolvedFunction;
  readonly call: FunctionCall;
  /** What `getUserIdentity` throws: the token of an HTTP action's request was refused. */
  readonly identityError: CodedError | null;
  /** Of an HTTP action: aborted when its client hangs up. */
  readonly client?: AbortSignal;
  /** Depth of `runAction` nesting. */
  readonly depth: number;
  /** Parent of what it calls, in the function log. */
  readonly executionId: string;
  /** Of a mutation that may be sent again: an operation of a Node action. */
  readonly idempotency?: Idempotency | null;
  readonly queries: ActionQueries;
  readonly committer: Committer;
  readonly uploads: FileUploads;
  readonly actions: { run(call: FunctionCall, depth?: number): Promise<FunctionOutcome> };
  /** Receives lines as they are printed. */
  readonly onLog: (lines: readonly FunctionLogLine[]) => void;
}
