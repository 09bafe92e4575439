import type { Credentials } from "../auth/authorization.ts";
import type { Timers } from "../engine/commit/ports.ts";
import type { FunctionCall, FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import type { Identity } from "../protocol/identity.ts";
import type { PushedTransaction } from "../protocol/sync-calls.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { Closing } from "./closing.ts";
import type { Reads } from "./subscribed-query.ts";

/** Result of a query and what it depends on. */
export interface ExecutedQuery {
  readonly outcome: FunctionOutcome;
  readonly reads: Reads;
  readonly readsIdentity: boolean;
}

/** Runs functions. Throws `CodedError` for what is not the function's own failure. */
export interface SyncFunctions {
  /** At a snapshot. `journal` of the run before keeps page borders in place. */
  runQuery(call: FunctionCall, at: number, journal: string | null): Promise<ExecutedQuery>;
  runMutation(call: MutationCall): Promise<FunctionOutcome>;
  /** At most once. */
  runAction(call: FunctionCall): Promise<FunctionOutcome>;
  authenticate(credentials: Credentials): Promise<Identity>;
}

/** What was committed, as storage has it. */
export interface CommitHistory {
  /** Of the newest durable transaction. */
  head(): Promise<number>;
  /** Oldest first, at most `limit`. Throws `OutOfRetentionError` when some after `after` may be gone. */
  log(after: number, limit: number): Promise<readonly PushedTransaction[]>;
}

/** One client's socket. */
export interface Connection {
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Whether the client can put chunks of a Transition together. */
  readonly chunks: boolean;
  send(text: string): void;
  close(closing: Closing): void;
  /** Bytes handed to `send` that are not on the network yet. */
  buffered(): number;
}

export interface ShardParts {
  readonly functions: SyncFunctions;
  readonly history: CommitHistory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly redactErrors: boolean;
  /** Bytes that a client may be behind before its socket is closed. */
  readonly bufferBytes: number;
  /** Short digest of a text, the same wherever it is made. */
  readonly digest: (text: string) => string;
  /** 16 random hex digits. */
  readonly newRequestId: () => string;
}
