import type { FunctionScope } from "../../engine/function-scope.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";
import type { ResolvedFunction } from "../code/app.ts";
import type { DatabaseScope } from "./environment.ts";

/** One running query or mutation on the host's side of the isolate boundary, as its syscalls see it. */
export interface DatabaseExecution {
  readonly scope: DatabaseScope;
  readonly found: ResolvedFunction;
  readonly component: string;
  /** The component's tables and this function's open queries. */
  readonly database: FunctionScope;
  /** A line of the host itself: follows the function's own. */
  addHostLine(line: FunctionLogLine): void;
  /**
   * Runs `callee` in `transaction`, which is the caller's or a view of it. Its log lines stand where it was called.
   * `args` is ConvexJSON text.
   */
  runNested(callee: ResolvedFunction, args: string, transaction: Transaction): Promise<FunctionOutcome>;
}
