/** Longer than most actions take; one that waits for the world outside says nothing and gives its turn back by time. */
const HOLD_MS = 3;

/**
 * Lets a few actions start at a time. Those that are over at once follow each other through few processes, whose code
 * is compiled and whose memory is warm, instead of each waking up one of its own: that took three times the CPU.
 */
export class StartTurns {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #starting = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves with what ends the turn: called when the action is over or has asked for something, or by time. */
  async enter(): Promise<() => void> {
    if (this.#starting < this.#limit) this.#starting++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      const next = this.#waiting.shift();
      if (next === undefined) this.#starting--;
      else next();
    };
    const timer = setTimeout(end, HOLD_MS);
    return end;
  }
}
