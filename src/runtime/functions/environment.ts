import type { Transaction } from "../../engine/transaction.ts";
import type { TransactionLimitNotes, TransactionLimits } from "../../engine/limits.ts";
import type { CursorCodec } from "../../engine/cursor.ts";
import type { TextIndexes } from "../../engine/text/text-index.ts";
import type { VectorIndexes } from "../../engine/vector-index.ts";
import type { RequestContext } from "../../protocol/execution.ts";
import type { ExecutionLog } from "../../protocol/function-log.ts";
import type { Identity } from "../../protocol/identity.ts";
import type { InvocationLimits, Observed } from "../../protocol/invocation.ts";
import type { LimitNotes } from "../../protocol/settings.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { Random } from "../../shared/random.ts";
import type { Admission } from "../admission.ts";
import type { App } from "../code/app.ts";
import type { CodeSource } from "../code/code-source.ts";
import type { Deployment } from "../code/deployments.ts";
import type { IsolateSource } from "../code/isolates.ts";
import type { RuntimeFiles } from "../files/runtime-files.ts";
import type { JwtSigner } from "./jwt-signer.ts";
import type { FunctionHandlesOf } from "./reference.ts";
import type { SizeLimits } from "./size-limits.ts";

/** Limits of the runtime, from the settings of the deployment. Milliseconds and bytes. */
export interface RuntimeLimits extends SizeLimits {
  readonly invocation: InvocationLimits;
  readonly transaction: TransactionLimits;
  readonly transactionNotes: TransactionLimitNotes;
  /** Tables of developers, created by mutations or by pushes. */
  readonly tables: number;
  readonly actionTimeoutMs: number;
  /** Sum of the time that one query or mutation may spend in syscalls (E-C-4). */
  readonly syscallTimeMs: number;
  readonly nestingDepth: number;
  /** Results of one vector search. */
  readonly vectorResults: number;
  /** What follows the texts of the limits above. */
  readonly notes: LimitNotes;
}

/** What every runner needs. Built once per isolate by the composition root. */
export interface RuntimeEnvironment {
  readonly isolates: IsolateSource;
  readonly code: CodeSource;
  readonly handles: FunctionHandlesOf;
  readonly cursors: CursorCodec;
  readonly files: RuntimeFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of queries and actions; mutations are logged by whoever asked the committer for them. */
  readonly executions: ExecutionLog;
  readonly limits: RuntimeLimits;
  /** Turns of this isolate's queries and actions; mutations take theirs in the Transactor. */
  readonly admission: {
    readonly queries: Admission;
    readonly actions: Admission;
    readonly nodeActions: Admission;
  };
  readonly instanceName: string;
  /** Production: an action learns of a function that failed below it no more than a client would. */
  readonly redactErrors: boolean;
  readonly jwtSigner: JwtSigner;
  /** `CONVEX_CLOUD_URL`: the issuer of what `jwtSigner` signs. */
  readonly cloudUrl: string;
  readonly vectorIndexes: VectorIndexes;
  readonly textIndexes: TextIndexes;
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
  /** Id of the scheduled function that this transaction is. */
  readonly ownJob?: string;
  /** What the previous run of the same subscribed query left behind. */
  readonly journal: string | null;
  /** Told when user code asks who is calling: without it, the result is the same for everybody. */
  readonly onIdentityRead?: () => void;
  /** Told by each function that ran, nested ones included. */
  readonly onObserved?: (observed: Observed) => void;
}
