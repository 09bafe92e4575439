import type { ExecutionLog, FunctionCompletion, FunctionProgress } from "../protocol/function-log.ts";
import type { Clock } from "../shared/clock.ts";
import type { LogBatch, LogBuffer, LogEntry, LogRequest } from "./services.ts";

export interface LogBufferLimits {
  readonly entries: number;
  /** Characters of log lines and errors held. */
  readonly characters: number;
}

const DEFAULT_LIMITS: LogBufferLimits = { entries: 1000, characters: 16 * 1024 * 1024 };

/** The last executions of this isolate. Bounded, lost on restart, and blind to other isolates of the same Worker. */
export class InMemoryLogBuffer implements LogBuffer, ExecutionLog {
  readonly #clock: Clock;
  readonly #limits: LogBufferLimits;
  readonly #entries: LogEntry[] = [];
  #characters = 0;
  /** Position of the newest entry, or a cursor given out since: positions of later entries are greater. */
  #lastPosition = 0;
  /**
   * One resolver per waiting poll. They cannot share a promise: workerd cancels the continuations of a promise whose
   * maker's request has ended, here whichever request logged last (compatibility date 2026-11-01).
   */
  readonly #waiters = new Set<() => void>();

  constructor(clock: Clock, limits: LogBufferLimits = DEFAULT_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  progress(progress: FunctionProgress): void {
    if (progress.logLines.length > 0) this.#append({ kind: "Progress", position: this.#nextPosition(), progress });
  }

  completed(completion: FunctionCompletion): void {
    this.#append({ kind: "Completion", position: this.#nextPosition(), completion });
  }

  async read({ cursor, holdMs, only = () => true }: LogRequest): Promise<LogBatch> {
    let expired = false;
    let wake: (() => void) | undefined;
    const timer = setTimeout(() => {
      expired = true;
      wake?.();
    }, holdMs);
    try {
      for (;;) {
        const entries = this.#after(cursor).filter(only);
        if (entries.length > 0) return { entries, newCursor: entries.at(-1)?.position ?? cursor };
        // The first poll only asks where the log ends; later ones with nothing to tell must not spin.
        if (cursor === 0) return { entries, newCursor: this.#head() };
        if (expired) return { entries, newCursor: cursor };
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        this.#waiters.add(resolve);
        await promise;
        this.#waiters.delete(resolve);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #append(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#characters += characters(entry);
    while (this.#entries.length > this.#limits.entries || this.#characters > this.#limits.characters) {
      const oldest = this.#entries.shift();
      if (oldest === undefined) break;
      this.#characters -= characters(oldest);
    }
    for (const wake of this.#waiters) wake();
  }

  #after(cursor: number): LogEntry[] {
    // Polls ask for the newest few, so look from the end.
    let start = this.#entries.length;
    while (start > 0 && (this.#entries[start - 1]?.position ?? 0) > cursor) start--;
    return this.#entries.slice(start);
  }

  #head(): number {
    this.#lastPosition = Math.max(this.#lastPosition, this.#clock.now());
    return this.#lastPosition;
  }

  #nextPosition(): number {
    this.#lastPosition = Math.max(nextDouble(this.#lastPosition), this.#clock.now());
    return this.#lastPosition;
  }
}

function characters(entry: LogEntry): number {
  const { logLines } = entry.kind === "Progress" ? entry.progress : entry.completion;
  const error = entry.kind === "Completion" ? (entry.completion.error?.length ?? 0) : 0;
  return logLines.reduce((sum, line) => sum + line.messages.reduce((length, text) => length + text.length, 0), error);
}

/** The next greater double: cursors are floating milliseconds and strictly increase even within one clock tick. */
function nextDouble(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + 1n);
  return view.getFloat64(0);
}
