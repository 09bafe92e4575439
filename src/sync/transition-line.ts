import type { Modification, ServerMessage, StateVersion } from "../protocol/sync.ts";

/** Where a client stands by the last Transition, and what it must not be told before the next one, or never again. */
export interface LinePosition {
  readonly sent: StateVersion;
  readonly minTs: number;
}

/**
 * The Transitions of one socket: each starts where the last one ended. Knows whether another one is due, and holds
 * answers back that must not overtake the first.
 */
export class TransitionLine {
  #sent: StateVersion;
  #minTs: number;
  #wanted = false;
  #needsHead = false;
  #held: ServerMessage[] = [];

  constructor({ sent, minTs }: LinePosition) {
    this.#sent = sent;
    this.#minTs = minTs;
  }

  get position(): LinePosition {
    return { sent: this.#sent, minTs: this.#minTs };
  }

  /** Whether something happened that a Transition has to tell. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Whether the next one has to show everything committed by now. */
  get needsHead(): boolean {
    return this.#needsHead;
  }

  /** Everything there is to tell has been told. */
  get idle(): boolean {
    return !this.#wanted && this.#held.length === 0;
  }

  want(): void {
    this.#wanted = true;
  }

  wantHead(): void {
    this.#wanted = true;
    this.#needsHead = true;
  }

  /** The client knows of this timestamp: no later Transition may be older. */
  observed(ts: number): void {
    this.#minTs = Math.max(this.#minTs, ts);
  }

  /** One is being made, with everything that was wanted so far. */
  begun(): void {
    this.#wanted = false;
    this.#needsHead = false;
  }

  /**
   * A failure that overtakes the first Transition after a reconnect makes npm clients show every query as loading,
   * so until then it waits, and everything behind it, as responses stay in order. `awaited`: the client has a query
   * set, which the first Transition answers.
   */
  respond(message: ServerMessage, awaited: boolean): readonly ServerMessage[] {
    const failed = "result" in message && !message.result.ok;
    const early = this.#sent.querySet === 0 && awaited;
    if (this.#held.length === 0 && !(early && failed)) return [message];
    this.#held.push(message);
    return [];
  }

  /** The next Transition, and what waited for it. */
  advance(
    endVersion: StateVersion,
    modifications: readonly Modification[],
    { clientClockSkew, serverTime }: { readonly clientClockSkew: number | null; readonly serverTime: number },
  ): readonly ServerMessage[] {
    const startVersion = this.#sent;
    this.#sent = endVersion;
    const held = this.#held;
    this.#held = [];
    // What was held back is told after the Transition, so another one has to follow.
    if (held.length > 0) this.#wanted = true;
    return [{ type: "Transition", startVersion, endVersion, modifications, clientClockSkew, serverTime }, ...held];
  }
}
