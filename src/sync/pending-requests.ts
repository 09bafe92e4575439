import { type Closing, retryable } from "./closing.ts";
import type { SessionRequest } from "./session-work.ts";

/** Mutations waiting or running, and actions running, of one socket (E-C-7b). */
const PENDING_MUTATIONS = 1000;
const INFLIGHT_ACTIONS = 1000;

/** Requests of one socket that are not answered: mutations one after the other, in order, actions all at once. */
export class PendingRequests {
  readonly #mutations: SessionRequest[] = [];
  #mutating = false;
  #actions = 0;

  get none(): boolean {
    return !this.#mutating && this.#mutations.length === 0 && this.#actions === 0;
  }

  /** Not null: there are too many, and the socket is closed. */
  addMutation(request: SessionRequest): Closing | null {
    if (this.#mutations.length + (this.#mutating ? 1 : 0) >= PENDING_MUTATIONS) return TOO_MANY_MUTATIONS;
    this.#mutations.push(request);
    return null;
  }

  /** It runs from now on. Not null: there are too many, and the socket is closed. */
  addAction(): Closing | null {
    if (this.#actions >= INFLIGHT_ACTIONS) return TOO_MANY_ACTIONS;
    this.#actions += 1;
    return null;
  }

  /** The mutation that runs from now on. Null: one is running, or none waits. */
  nextMutation(): SessionRequest | null {
    if (this.#mutating) return null;
    const request = this.#mutations.shift();
    this.#mutating = request !== undefined;
    return request ?? null;
  }

  mutated(): void {
    this.#mutating = false;
  }

  acted(): void {
    this.#actions -= 1;
  }
}

const TOO_MANY_MUTATIONS = retryable(
  "TooManyConcurrentMutations: Too many concurrent mutations. Only up to 1000 pending mutations allowed on a single websocket.",
);
const TOO_MANY_ACTIONS = retryable(
  "TooManyInflightActionsForSingleClient: Inflight actions overloaded for a single client, max concurrency: 1000",
);
