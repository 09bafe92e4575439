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
