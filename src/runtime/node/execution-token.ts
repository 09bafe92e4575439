import type { RequestContext } from "../../protocol/execution.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { Identity } from "../../protocol/identity.ts";
import type { Clock } from "../../shared/clock.ts";
import { badRequest, type CodedError } from "../../shared/coded-error.ts";
import { type SealedText, UnsealError } from "../sealed-text.ts";

/** What a running Node action may do, and until when. Identity is as of its start: a JWT that expires meanwhile holds. */
export interface NodeExecution {
  readonly executionId: string;
  readonly path: FunctionPath;
  readonly identity: Identity;
  readonly context: RequestContext;
  /** Depth of `runAction` nesting. */
  readonly depth: number;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

interface Sealed extends NodeExecution {
  readonly v: 1;
}

/** Tokens kept open: an action's operations all carry the same one, and opening it is a tenth of a small query. */
const MAX_OPEN = 1_000;

/** Tokens that a Node action's operations carry. Sealed, since they hold the caller's JWT. */
export class ExecutionTokens {
  /** The first seals; tokens of the others are accepted while a secret is being changed. */
  readonly #seals: readonly [SealedText, ...SealedText[]];
  readonly #clock: Clock;
  /** By the whole token: one that differs in any byte is opened, and refused, by itself. Oldest first. */
  readonly #open = new Map<string, Sealed>();

  constructor(seals: readonly [SealedText, ...SealedText[]], clock: Clock) {
    this.#seals = seals;
    this.#clock = clock;
  }

  seal(execution: NodeExecution): Promise<string> {
    const sealed: Sealed = { v: 1, ...execution };
    return this.#seals[0].seal(JSON.stringify(sealed));
  }

  /** Throws E-G-8 for what is not a token of a running execution. */
  async open(token: string): Promise<NodeExecution> {
    const execution = this.#open.get(token) ?? (await this.#unseal(token));
    if (execution !== null && execution.deadline > this.#clock.now()) return execution;
    this.#open.delete(token);
    throw invalidSyscall();
  }

  async #unseal(token: string): Promise<Sealed | null> {
    for (const seal of this.#seals) {
      const text = await seal.unseal(token).catch(refusedSeal);
      if (text === null) continue;
      // Only `seal` above makes such texts.
      const execution = JSON.parse(text) as Sealed;
      if (execution.v !== 1) continue;
      const [oldest] = this.#open.size >= MAX_OPEN ? this.#open.keys() : [];
      if (oldest !== undefined) this.#open.delete(oldest);
      this.#open.set(token, execution);
      return execution;
    }
    return null;
  }
}

function refusedSeal(error: unknown): null {
  if (error instanceof UnsealError) return null;
  throw error;
}

/** E-G-8. */
function invalidSyscall(): CodedError {
  return badRequest(
    "InvalidSyscall",
    "Invalid syscall. The Convex syscalls are for internal Convex use and should not be called directly.",
  );
}
