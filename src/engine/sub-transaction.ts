import { assert } from "../shared/assert.ts";
import type { TransactionLimits } from "./limits.ts";
import type { PendingWrites, Savepoint } from "./pending-writes.ts";
import type { UsageMeter } from "./usage.ts";

/** A nested call's part of a transaction. Ends exactly once, before any that was begun earlier. */
export class SubTransaction {
  readonly #pending: PendingWrites;
  readonly #usage: UsageMeter;
  readonly #savepoint: Savepoint;
  #open = true;

  constructor(pending: PendingWrites, usage: UsageMeter, budget: Partial<TransactionLimits>) {
    this.#pending = pending;
    this.#usage = usage;
    this.#savepoint = pending.savepoint();
    usage.enter(budget);
  }

  commit(): void {
    this.#close();
    this.#pending.release(this.#savepoint);
    this.#usage.leave("kept");
  }

  /** Takes back its writes, the tables it made, and whatever else was registered with `onRollback`. */
  rollback(): void {
    this.#close();
    this.#pending.rollback(this.#savepoint);
    this.#usage.leave("rolledBack");
  }

  #close(): void {
    assert(this.#open, "a sub-transaction ends once");
    this.#open = false;
  }
}
