const scratch = new DataView(new ArrayBuffer(8));

/** Creation times of one transaction: from its clock on, each the next representable double after the last. */
export class CreationTimes {
  #next: number;

  /** Milliseconds since the Unix epoch, positive. */
  constructor(now: number) {
    this.#next = now;
  }

  next(): number {
    const time = this.#next;
    scratch.setFloat64(0, time);
    scratch.setBigUint64(0, scratch.getBigUint64(0) + 1n);
    this.#next = scratch.getFloat64(0);
    return time;
  }
}

/** Milliseconds: a transaction that makes no more than 32 documents keeps clear of the next one. */
const STEP = 2 ** -7;

/**
 * Where the creation times of each transaction begin. A clock that counts whole milliseconds gives many transactions
 * the same time, and documents inserted one after the other would be ordered by their random ids.
 */
export class StartTimes {
  #last = 0;

  next(now: number): number {
    this.#last = Math.max(now, this.#last + STEP);
    return this.#last;
  }
}
