/** Tasks in order, at most `limit` at a time. */
export class RunQueue {
  readonly #limit: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `task` must not reject. */
  add(task: () => Promise<void>): void {
    this.#waiting.push(task);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < this.#limit) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      this.#running += 1;
      void task().finally(() => {
        this.#running -= 1;
        this.#pump();
      });
    }
  }
}
