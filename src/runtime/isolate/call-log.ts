import type { InvocationLimits, LogLevel, LogLine, NestedCalls } from "../../protocol/invocation.ts";
import { logLine } from "./log-line.ts";

/**
 * The console lines of one call. Those of a query or mutation stay here and travel with the result; those of an
 * action are sent as they are printed, the ones of one turn together. Each line is delivered exactly once.
 */
export class CallLog {
  readonly #limits: InvocationLimits;
  readonly #send: ((lines: string) => Promise<void>) | undefined;
  readonly #sending = new Set<Promise<void>>();
  #unsent: LogLine[] = [];
  readonly #calls: number[] = [];
  #count = 0;
  #scheduled = false;

  constructor(limits: InvocationLimits, send: ((lines: string) => Promise<void>) | undefined) {
    this.#limits = limits;
    this.#send = send;
  }

  /** Where the function called another one: the callee's lines belong between those before and after it. */
  get calls(): NestedCalls {
    return this.#calls;
  }

  markCall(): void {
    this.#calls.push(this.#count);
  }

  /** `stack`: frames that follow the messages. */
  print(level: LogLevel, messages: readonly string[], stack?: string): void {
    const { logLines, logLineBytes, notes } = this.#limits;
    if (this.#count >= logLines) return;
    this.#count++;
    if (this.#count === logLines) {
      const text = `Log overflow (maximum ${logLines}). Remaining log lines omitted.${notes.logLines}`;
      this.#unsent.push(logLine("ERROR", [text], Infinity));
    } else {
      const line = logLine(level, messages, logLineBytes);
      this.#unsent.push(stack === undefined ? line : { ...line, stack });
    }
    if (this.#send !== undefined && !this.#scheduled) {
      this.#scheduled = true;
      void Promise.resolve().then(() => this.#flush());
    }
  }

  /** Lines that were not sent. Waits until those sent have arrived, so that the result never overtakes them. */
  async finish(): Promise<readonly LogLine[]> {
    const rest = this.#unsent;
    this.#unsent = [];
    await Promise.all(this.#sending);
    return rest;
  }

  /** Sends what is left: a streaming HTTP action has no result that could carry it. */
  async drain(): Promise<void> {
    this.#flush();
    await Promise.all(this.#sending);
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#send === undefined || this.#unsent.length === 0) return;
    const lines = this.#unsent;
    this.#unsent = [];
    // A lost log line must not fail the action: the host that would not take it knows why.
    const sent: Promise<void> = this.#send(JSON.stringify(lines)).then(
      () => void this.#sending.delete(sent),
      () => void this.#sending.delete(sent),
    );
    this.#sending.add(sent);
  }
}
