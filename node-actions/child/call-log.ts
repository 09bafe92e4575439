import type { ExecuteRequest } from "../../src/protocol/node-actions.ts";
import { cutMessages } from "../../src/values/cut-messages.ts";
import type { FromChild } from "../process/messages.ts";

type Limits = Pick<ExecuteRequest["limits"], "logLines" | "logBytes" | "logLineBytes" | "notes">;
type Line = Extract<FromChild, { type: "log" }>["lines"][number];

const MEBI = 1_048_576;

/** The console lines of one call, each sent as it is printed: a loop that never ends must not swallow them. */
export class CallLog {
  readonly #limits: Limits;
  readonly #send: (lines: Line[]) => void;
  #lines = 0;
  #characters = 0;
  #overflown = false;

  constructor(limits: Limits, send: (lines: Line[]) => void) {
    this.#limits = limits;
    this.#send = send;
  }

  print(level: Line["level"], messages: string[]): void {
    if (this.#overflown) return;
    const { logLines, logBytes, logLineBytes, notes } = this.#limits;
    this.#lines++;
    if (this.#lines >= logLines) {
      this.#overflow(`Log overflow (maximum ${logLines}). Remaining log lines omitted.${notes["logLines"] ?? ""}`);
      return;
    }
    for (const message of messages) this.#characters += message.length;
    if (this.#characters > logBytes) {
      const maximum = logBytes === MEBI ? "1M" : String(logBytes);
      const text = `Log overflow (maximum ${maximum} characters). Remaining log lines omitted.`;
      this.#overflow(text + (notes["logBytes"] ?? ""));
      return;
    }
    this.#send([{ level, ...cutMessages(messages, logLineBytes), timestamp: Date.now() }]);
  }

  #overflow(text: string): void {
    this.#overflown = true;
    this.#send([{ level: "ERROR", messages: [text], isTruncated: false, timestamp: Date.now() }]);
  }
}
