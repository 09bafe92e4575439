import type { ServerResponse } from "node:http";
import type { ExecuteEvent } from "../../src/protocol/node-actions.ts";
import type { Log } from "../../src/shared/log.ts";
import type { Started } from "../service.ts";

/**
 * How long the first events of an action wait for the others. Most actions are done by then, and their answer is one
 * packet of known length, which costs both ends a third of what a stream costs. Lines of a longer one are not late.
 */
const HOLD_MS = 10;

const HEADERS = { "content-type": "application/x-ndjson", "cache-control": "no-store" } as const;

/** Starts the action and answers with a line per event. When the reader goes away before the last one it is ended. */
export function answerWithEvents(started: Started, response: ServerResponse, log: Log): void {
  const abandoned = new AbortController();
  response.on("close", () => {
    if (!response.writableEnded) abandoned.abort(ABANDONED);
  });
  // Gone while the action waited for its turn.
  if (response.destroyed) abandoned.abort(ABANDONED);
  const answer = new EventAnswer(response);
  started
    .start((event) => answer.emit(event), abandoned.signal)
    .then(
      () => answer.end(),
      (error: unknown) => {
        log.error("execution failed", error);
        // Without a result: the Worker knows that the action may have run.
        answer.cut();
      },
    );
}

/** A reason of its own for every abort would be an exception with a stack. */
const ABANDONED = new Error("nobody waits for the answer");

class EventAnswer {
  readonly #response: ServerResponse;
  readonly #hold: NodeJS.Timeout;
  #lines = "";
  #holding = true;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#hold = setTimeout(() => this.#flow(), HOLD_MS);
  }

  emit(event: ExecuteEvent): void {
    this.#lines += `${JSON.stringify(event)}\n`;
    // The end follows at once and takes the result with it.
    if (!this.#holding && event.kind !== "result") this.#write();
  }

  end(): void {
    clearTimeout(this.#hold);
    if (this.#response.destroyed) return;
    if (this.#holding) {
      const body = Buffer.from(this.#lines);
      this.#response.writeHead(200, { ...HEADERS, "content-length": body.length });
      this.#response.end(body);
    } else {
      this.#response.end(this.#lines);
    }
  }

  cut(): void {
    clearTimeout(this.#hold);
    this.#response.destroy();
  }

  #flow(): void {
    this.#holding = false;
    if (this.#response.destroyed) return;
    this.#response.writeHead(200, HEADERS);
    this.#write();
  }

  #write(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (!this.#response.destroyed) this.#response.write(lines);
  }
}
