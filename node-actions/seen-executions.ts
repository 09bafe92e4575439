/** How long an execution is remembered: its signature can't be accepted any more long before. */
const REMEMBERED_MS = 60 * 60 * 1000;

/** Ids of executions, so that none is started twice. Those that never started may come again. */
export class SeenExecutions {
  readonly #now: () => number;
  readonly #since = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** False when this id was begun before. */
  begin(executionId: string): boolean {
    this.#sweep();
    if (this.#since.has(executionId)) return false;
    this.#since.set(executionId, this.#now());
    return true;
  }

  /** User code was not reached: another attempt may be made. */
  forget(executionId: string): void {
    this.#since.delete(executionId);
  }

  /** Entries are in the order of their time. */
  #sweep(): void {
    const oldest = this.#now() - REMEMBERED_MS;
    for (const [id, since] of this.#since) {
      if (since >= oldest) return;
      this.#since.delete(id);
    }
  }
}
