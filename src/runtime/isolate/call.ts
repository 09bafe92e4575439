import type { HostCapability, Invocation, TableMap } from "../../protocol/invocation.ts";
import { CallLog } from "./call-log.ts";
import { ConcurrentSyscalls } from "./concurrent-syscalls.ts";
import { MemoryAccount } from "./memory-account.ts";
import { OrderedSyscalls } from "./ordered-syscalls.ts";
import { monotonicClock } from "./originals.ts";
import { SeededRandom } from "./seeded-random.ts";
import { MESSAGE_BYTES, messageBytes, tooLarge } from "./message-size.ts";

/** Why a call ended that user code had no say in. The first one counts. */
export type Stop =
  | {
      readonly kind: "timeout" | "memory" | "forbidden" | "neverResolves" | "unhandledRejection";
      readonly error: unknown;
    }
  | { readonly kind: "needsSnapshot" }
  /** The host did not answer: no outcome of the function at all. */
  | { readonly kind: "hostFailed"; readonly error: unknown };

/** The host keeps one group of log lines for each, in the order of the calls. */
const NESTED_CALL = "1.0/runUdf";

const TOO_MANY_OPERATIONS =
  "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.";

/** One function execution and everything that must not leak into another one in the same isolate. */
export class Call {
  readonly invocation: Invocation;
  /** Of the RPC that runs the call; of its own when the call outlives that. */
  host: HostCapability;
  /** Query or mutation: frozen clock, seeded randomness, no network. */
  readonly deterministic: boolean;
  readonly logs: CallLog;
  readonly memory: MemoryAccount;
  readonly observed = { time: false, randomness: false };
  readonly consoleTimers = new Map<string, number>();
  /** Globals that its code assigned to (`own-globals.ts`). */
  readonly globals = new Map<string, unknown>();
  /** Timer id → how to cancel it. */
  readonly timers = new Map<number, () => void>();
  /** Bodies that crossed `convexJsonFromResponse`, by stream id. */
  readonly streams = new Map<string, ReadableStream>();
  readonly ordered: OrderedSyscalls | undefined;
  readonly #concurrent: ConcurrentSyscalls | undefined;
  readonly startedAt = monotonicClock();
  tables: TableMap | undefined;
  /** The outcome is decided: what user code still does has no effect. */
  finished = false;
  /** Data of unknown duration may be on its way: the call can't be called stuck. */
  usedNetwork = false;
  stop: Stop | undefined;
  /** Names of the operations that were pending when the handler settled, however soon they ended after it. */
  leftBehind: readonly string[] = [];
  readonly #operations = new Map<number, string>();
  #nextOperation = 0;
  #random: SeededRandom | undefined;
  #woken: (() => void) | undefined;
  #userTime = 0;
  #runningSince: number | undefined;

  constructor(invocation: Invocation, host: HostCapability) {
    this.invocation = invocation;
    this.host = host;
    this.deterministic = invocation.kind === "query" || invocation.kind === "mutation";
    this.memory = new MemoryAccount(invocation.limits.memoryBytes);
    this.logs = new CallLog(invocation.limits, this.deterministic ? undefined : (lines) => this.host.log(lines));
    const send = (batch: string): Promise<string> => this.host.syscalls(batch);
    if (this.deterministic) this.ordered = new OrderedSyscalls(send, () => this.wake());
    else this.#concurrent = new ConcurrentSyscalls(send, (op) => this.beginOperation(op));
  }

  get random(): SeededRandom {
    this.#random ??= new SeededRandom(this.invocation.seed);
    return this.#random;
  }

  /** Never settles once the call is over. */
  asyncSyscall(op: string, args: string): Promise<string> {
    if (this.finished || this.stop !== undefined) return new Promise(() => undefined);
    const channel = this.ordered ?? this.#concurrent;
    const size = messageBytes(args);
    if (size > MESSAGE_BYTES) return Promise.reject(tooLarge(op, args, size, this.invocation.limits.argumentBytes));
    if (op === NESTED_CALL) this.logs.markCall();
    if (channel === undefined) throw new Error("A call has one channel for syscalls");
    return channel.call(op, args);
  }

  /** Counts a pending operation of an action until the returned function is called. Throws E-C-6 at the limit. */
  beginOperation(name: string): () => void {
    const { concurrentOperations, notes } = this.invocation.limits;
    if (this.#operations.size >= concurrentOperations) {
      throw new Error(`${TOO_MANY_OPERATIONS}${notes.concurrentOperations}`);
    }
    if (name === "fetch") this.usedNetwork = true;
    const id = this.#nextOperation++;
    this.#operations.set(id, name);
    return () => {
      this.#operations.delete(id);
      if (this.#operations.size === 0) this.wake();
    };
  }

  get pendingOperations(): readonly string[] {
    return [...this.#operations.values()];
  }

  fail(stop: Stop): void {
    if (this.finished) return;
    this.stop ??= stop;
    this.wake();
  }

  /** Tells whoever drives the call that there is something to look at. */
  wake(): void {
    this.#woken?.();
    this.#woken = undefined;
  }

  woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#woken = resolve;
    });
  }

  finish(): void {
    this.finished = true;
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
  }

  get userTimeMs(): number {
    return this.#userTime;
  }

  /** JavaScript time of a query or mutation runs from here: nobody asks how long an action has used the processor. */
  startUserTime(): void {
    if (this.deterministic) this.#runningSince = monotonicClock();
  }

  /** To here; the time of syscalls in between does not count. Too long a stretch is noticed only at its end. */
  stopUserTime(): void {
    if (this.#runningSince === undefined) return;
    this.#userTime += monotonicClock() - this.#runningSince;
    this.#runningSince = undefined;
    const limit = this.invocation.limits.userTimeMs;
    if (this.#userTime > limit) {
      const { notes } = this.invocation.limits;
      const error = new Error(`Function execution timed out (maximum duration: ${limit / 1000}s)${notes.userTimeMs}`);
      this.fail({ kind: "timeout", error });
    }
  }
}
