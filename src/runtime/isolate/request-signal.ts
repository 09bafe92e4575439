import type { Call } from "./call.ts";
import { drained } from "./originals.ts";

/** Whether the client of an HTTP action is still there, for user code that asks `request.signal`. */
export class ClientWatch {
  readonly #call: Call;
  #abort: AbortController | undefined;
  #left = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Gives the request its signal. The host is asked to watch only when somebody looks at it. */
  watch(request: Request): void {
    Object.defineProperty(request, "signal", { configurable: true, enumerable: true, get: () => this.#signal() });
  }

  /** Nobody takes the response any more. Resolves when the action has done what it still wanted to do. */
  async gone(): Promise<void> {
    const call = this.#call;
    this.#leave();
    await drained();
    while (call.stop === undefined && call.pendingOperations.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- one operation may lead to the next
      await call.woken();
      // oxlint-disable-next-line no-await-in-loop
      await drained();
    }
  }

  #signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#left) this.#abort.abort();
      // Without an answer the action has ended: nobody is left to be told.
      this.#call.host.disconnected().then(
        (disconnected) => (disconnected ? this.#leave() : undefined),
        () => undefined,
      );
    }
    return this.#abort.signal;
  }

  #leave(): void {
    this.#left = true;
    this.#abort?.abort();
  }
}
