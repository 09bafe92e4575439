import type { Call } from "./call.ts";
import { drained } from "./originals.ts";

/** Whether the client of an HTTP action is still there, for user code that asks `request.signal`. */
export class ClientWatch {
  readonly #abort = new AbortController();
  readonly #call: Call;
  #asked = false;

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
    this.#abort.abort();
    await drained();
    while (call.stop === undefined && call.pendingOperations.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- one operation may lead to the next
      await call.woken();
      // oxlint-disable-next-line no-await-in-loop
      await drained();
    }
  }

  #signal(): AbortSignal {
    if (!this.#asked) {
      this.#asked = true;
      // Without an answer the action has ended: nobody is left to be told.
      this.#call.host.disconnected().then(
        (disconnected) => (disconnected ? this.#abort.abort() : undefined),
        () => undefined,
      );
    }
    return this.#abort.signal;
  }
}
