/** What arrives one after the other, taken one by one: values of a subscription, frames of a socket. */
export class Updates<T> {
  readonly #arrived: T[] = [];
  #waiting: ((value: T) => void) | null = null;

  add(value: T): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived.push(value);
    else waiting(value);
  }

  /** How many have arrived and were not taken. */
  get left(): number {
    return this.#arrived.length;
  }

  next(): Promise<T> {
    const value = this.#arrived.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Takes until one is good, and returns it. */
  async until(good: (value: T) => boolean): Promise<T> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      const value = await this.next();
      if (good(value)) return value;
    }
  }
}
