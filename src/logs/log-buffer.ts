import type { LogBatch, LogEntry, LogFilter, LogRecord, LogRequest } from "../protocol/function-log.ts";
import { type AppendedText, parseRecords } from "./messages.ts";
import type { Clock } from "../shared/clock.ts";

export interface LogBufferLimits {
  readonly completions: number;
  /** Characters of log lines and errors held. */
  readonly characters: number;
}

const DEFAULT_LIMITS: LogBufferLimits = { completions: 1000, characters: 16 * 1024 * 1024 };

/** What an entry counts besides its text, so that empty ones are bounded too. */
const ENTRY_CHARACTERS = 500;

/** Records as they came, parsed when somebody reads. */
interface Unread extends AppendedText {
  /** Of the first record; the others follow it as closely as numbers can. */
  readonly position: number;
}

/** The last executions. Bounded and in memory only. */
export class LogBuffer {
  readonly #clock: Clock;
  readonly #limits: LogBufferLimits;
  readonly #entries: LogEntry[] = [];
  /** Newer than all entries. */
  #unread: Unread[] = [];
  #unreadCompletions = 0;
  #unreadCharacters = 0;
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

  /** Costs next to nothing while nobody reads. */
  appendText(appended: AppendedText): void {
    const { records, completions, text } = appended;
    if (records === 0) return;
    const position = this.#nextPosition();
    this.#lastPosition = doubleAfter(position, records - 1);
    this.#unread.push({ ...appended, position });
    this.#unreadCompletions += completions;
    this.#unreadCharacters += text.length;
    if (this.#waiters.size > 0) {
      this.#readUnread();
      for (const wake of this.#waiters) wake();
      return;
    }
    if (this.#unreadCompletions >= this.#limits.completions) this.#forget(this.#entries.length);
    while (this.#unread.length > 1) {
      const [oldest] = this.#unread;
      if (oldest === undefined) break;
      const rest = this.#unreadCompletions - oldest.completions;
      if (rest < this.#limits.completions && this.#unreadCharacters <= this.#limits.characters) break;
      this.#unread.shift();
      this.#unreadCompletions = rest;
      this.#unreadCharacters -= oldest.text.length;
    }
  }

  #readUnread(): void {
    const unread = this.#unread;
    this.#unread = [];
    this.#unreadCompletions = 0;
    this.#unreadCharacters = 0;
    for (const { text, position } of unread) {
      for (const [i, record] of parseRecords(text).entries()) {
        const entry: LogEntry = { ...record, position: doubleAfter(position, i) };
        this.#entries.push(entry);
        this.#count(entry, 1);
      }
    }
    this.#forgetOldest();
  }

  append(records: readonly LogRecord[]): void {
    this.#readUnread();
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
        const passed = this.#after(cursor).filter((entry) => passes(entry, only));
        const entries = only.bare === true ? passed.map(bare) : passed;
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
    let count = 0;
    let tooMany = this.#completions - completions;
    let tooLong = this.#characters - characters;
    while (tooMany > 0 || tooLong > 0) {
      const oldest = this.#entries[count++];
      if (oldest === undefined) break;
      if (oldest.kind === "Completion") tooMany--;
      tooLong -= charactersOf(oldest);
    }
    this.#forget(count);
  }

  #forget(count: number): void {
    for (const entry of this.#entries.splice(0, count)) this.#count(entry, -1);
  }

  #count(entry: LogEntry, sign: 1 | -1): void {
    this.#characters += sign * charactersOf(entry);
    if (entry.kind === "Completion") this.#completions += sign;
  }

  #after(cursor: number): LogEntry[] {
    this.#readUnread();
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
    this.#lastPosition = Math.max(doubleAfter(this.#lastPosition, 1), this.#clock.now());
    return this.#lastPosition;
  }
}

function passes(entry: LogEntry, { completions = false, requestId }: LogFilter): boolean {
  if (completions && entry.kind !== "Completion") return false;
  if (requestId === undefined) return true;
  const description = entry.kind === "Progress" ? entry.progress : entry.completion;
  return description.requestId === requestId && description.parentExecutionId === null;
}

function bare(entry: LogEntry): LogEntry {
  if (entry.kind === "Progress") return { ...entry, progress: { ...entry.progress, logLines: [] } };
  const { completion } = entry;
  return { ...entry, completion: { ...completion, logLines: [], error: completion.error === null ? null : "" } };
}

function charactersOf(entry: LogEntry): number {
  const { logLines } = entry.kind === "Progress" ? entry.progress : entry.completion;
  const error = entry.kind === "Completion" ? (entry.completion.error?.length ?? 0) : 0;
  const lines = logLines.reduce((sum, line) => sum + line.messages.reduce((all, text) => all + text.length, 0), error);
  return ENTRY_CHARACTERS + lines;
}

/**
 * The double so many steps greater: cursors are floating milliseconds and strictly increase even within one clock
 * tick.
 */
function doubleAfter(value: number, steps: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(steps));
  return view.getFloat64(0);
}
