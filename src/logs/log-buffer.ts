import type { LogBatch, LogEntry, LogFilter, LogRecord, LogRequest } from "../protocol/function-log.ts";
import type { Clock } from "../shared/clock.ts";

export interface LogBufferLimits {
  readonly completions: number;
  /** Characters of log lines and errors held. */
  readonly characters: number;
}

const DEFAULT_LIMITS: LogBufferLimits = { completions: 1000, characters: 16 * 1024 * 1024 };

/** What an entry counts besides its text, so that empty ones are bounded too. */
const ENTRY_CHARACTERS = 500;

/** The last executions. Bounded and in memory only. */
export class LogBuffer {
  readonly #clock: Clock;
  readonly #limits: LogBufferLimits;
  readonly #entries: LogEntry[] = [];
  #completions = 0;
  #characters = 0;
  /** Position of the newest entry, or a cursor given out since: positions of later entries are greater. */
  #lastPosition = 0;
  /** One resolver per waiting poll. */
  readonly #waiters = new Set<() => void>();

  constructor(clock: Clock, limits: LogBufferLimits = DEFAULT_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  append(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.kind === "Progress" && record.progress.logLines.length === 0) continue;
      const entry: LogEntry = { ...record, position: this.#nextPosition() };
      this.#entries.push(entry);
      this.#count(entry, 1);
    }
    this.#forgetOldest();
    for (const wake of this.#waiters) wake();
  }

  /**
   * Entries behind `cursor`. Answers at once when there are any or when the cursor is 0; else waits until there are,
   * at most `holdMs`, and then answers with none and the same cursor.
   */
  async read({ cursor, holdMs, only = {} }: LogRequest): Promise<LogBatch> {
    let expired = false;
    let wake: (() => void) | undefined;
    const timer = setTimeout(() => {
      expired = true;
      wake?.();
    }, holdMs);
    try {
      for (;;) {
        const entries = this.#after(cursor).filter((entry) => passes(entry, only));
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

  #forgetOldest(): void {
    const { completions, characters } = this.#limits;
    let forgotten = 0;
    while (this.#completions > completions || this.#characters > characters) {
      const oldest = this.#entries[forgotten];
      if (oldest === undefined) break;
      this.#count(oldest, -1);
      forgotten++;
    }
    if (forgotten > 0) this.#entries.splice(0, forgotten);
  }

  #count(entry: LogEntry, sign: 1 | -1): void {
    this.#characters += sign * characters(entry);
    if (entry.kind === "Completion") this.#completions += sign;
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

function passes(entry: LogEntry, { completions = false, requestId }: LogFilter): boolean {
  if (completions && entry.kind !== "Completion") return false;
  if (requestId === undefined) return true;
  const description = entry.kind === "Progress" ? entry.progress : entry.completion;
  return description.requestId === requestId && description.parentExecutionId === null;
}

function characters(entry: LogEntry): number {
  const { logLines } = entry.kind === "Progress" ? entry.progress : entry.completion;
  const error = entry.kind === "Completion" ? (entry.completion.error?.length ?? 0) : 0;
  const lines = logLines.reduce((sum, line) => sum + line.messages.reduce((all, text) => all + text.length, 0), error);
  return ENTRY_CHARACTERS + lines;
}

/** The next greater double: cursors are floating milliseconds and strictly increase even within one clock tick. */
function nextDouble(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + 1n);
  return view.getFloat64(0);
}
