import { VirtualTime } from "../virtual-time.ts";

/** Virtual time beside real storage: while an operation of storage is under way, no timer fires. */
export class IoTime extends VirtualTime {
  #running = 0;

  /** `database` whose batches and statements hold time back. */
  watching(database: D1Database): D1Database {
    return new Proxy(database, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property);
        if (property !== "batch") return typeof value === "function" ? value.bind(target) : value;
        return (statements: D1PreparedStatement[]) => this.#during(() => target.batch(statements));
      },
    });
  }

  override async settle(): Promise<void> {
    do await super.settle();
    while (this.#running > 0);
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
    }
  }
}
