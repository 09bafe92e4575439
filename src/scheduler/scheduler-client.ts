import type { IndexKey } from "../engine/names.ts";
import type { Log } from "../shared/log.ts";

/** The RPC surface of `SchedulerObject`. */
export interface SchedulerStub {
  notify(noticeJson: string): Promise<void>;
  wake(): Promise<void>;
  deployed(): Promise<void>;
  resumed(): Promise<void>;
}

/** The Scheduler as the rest of the backend sees it. A message that is lost is made up for by the next one. */
export class SchedulerClient {
  readonly #stub: () => SchedulerStub;
  readonly #log: Log;

  /** `stub` makes a new one: one that threw is dead. */
  constructor(stub: () => SchedulerStub, log: Log) {
    this.#stub = stub;
    this.#log = log;
  }

  /** Never rejects. */
  async notify(keys: readonly IndexKey[]): Promise<void> {
    const notice = JSON.stringify({ v: 1, keys });
    await this.#try(async () => this.#stub().notify(notice));
  }

  /** Never rejects. */
  async wake(): Promise<void> {
    await this.#try(async () => this.#stub().wake());
  }

  /** A push took effect. Never rejects. */
  async deployed(): Promise<void> {
    await this.#try(async () => this.#stub().deployed());
  }

  /** A pause of the deployment is over. Never rejects. */
  async resumed(): Promise<void> {
    await this.#try(async () => this.#stub().resumed());
  }

  async #try(send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (first) {
      this.#log.warn("scheduler.unreachable", { reason: String(first) });
      await send().catch((error: unknown) => this.#log.error("scheduler.unreachable", error));
    }
  }
}
