import { logBackgroundFailure } from "../shared/background-failure.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { sweep, type SweepPorts } from "./sweep.ts";

/** Where the time of the next sweep outlives the object. */
export interface SweepStorage {
  load(): Promise<number | null>;
  /** `null`: nothing is left to be swept. */
  store(at: number | null): Promise<void>;
}

interface Ports extends SweepPorts {
  readonly storage: SweepStorage;
  readonly clock: Clock;
  readonly log: Log;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const LEAST_MS = 1_000;

/** Sweeps seven times per retention, once a day at least, as long as there are jobs. */
export class Sweeper {
  readonly #ports: Ports;
  readonly #retentionMs: number;
  readonly #intervalMs: number;
  /** `undefined`: not looked up yet. */
  #next: number | null | undefined;
  #running = false;

  constructor(ports: Ports, retentionMs: number) {
    this.#ports = ports;
    this.#retentionMs = retentionMs;
    this.#intervalMs = Math.max(LEAST_MS, Math.min(DAY_MS, retentionMs / 7));
  }

  /** `jobs`: there are some that will have to be removed. Never rejects. Answers when the next sweep is due. */
  async run(jobs: boolean): Promise<number | null> {
    if (this.#running) return null;
    this.#running = true;
    try {
      return await this.#run(jobs);
    } catch (error) {
      logBackgroundFailure(this.#ports.log, "scheduler.sweep", error);
      return this.#ports.clock.now() + this.#intervalMs;
    } finally {
      this.#running = false;
    }
  }

  async #run(jobs: boolean): Promise<number | null> {
    const { clock, storage } = this.#ports;
    this.#next ??= await storage.load();
    const now = clock.now();
    if (this.#next === null && jobs) await this.#store(now + this.#intervalMs);
    if (this.#next === null || this.#next > now) return this.#next;
    // First, so that a sweep that fails comes again in its time.
    await this.#store(now + this.#intervalMs);
    const left = await sweep(now - this.#retentionMs, this.#ports);
    if (!left) await this.#store(null);
    return this.#next;
  }

  async #store(at: number | null): Promise<void> {
    await this.#ports.storage.store(at);
    this.#next = at;
  }
}
