import { DurableObject } from "cloudflare:workers";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";

export interface TransfersComposition {
  /** Works for about so many milliseconds. `now`: there is more to do at once. `later`: look again some time. */
  readonly work: (budgetMs: number) => Promise<"now" | "later" | "done">;
  readonly clock: Clock;
  readonly log: Log;
}

const BUDGET_MS = 20_000;
const RETRY_MS = 2_000;
const LATER_MS = 60 * 60 * 1000;
/** Work that has not come to an end after this ended with its machine. Longer than any step takes. */
const LOST_MS = 60_000;

/** Imports and exports of a deployment, one step after the other; there is one of it. Between steps all is stored. */
export abstract class TransfersObject<Env> extends DurableObject<Env> {
  readonly #parts: TransfersComposition;
  /** Grows with everything that leaves work to an alarm. */
  #asked = 0;
  #awake = false;
  #working = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#parts = this.compose(ctx, env);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): TransfersComposition;

  /** There is work. */
  async start(): Promise<void> {
    this.#asked += 1;
    await this.ctx.storage.setAlarm(this.#parts.clock.now());
  }

  /** Safe to call at any time. In a new life of the object it goes on at once with what the last one left. */
  async wake(): Promise<void> {
    if (this.#awake) return;
    this.#awake = true;
    if ((await this.ctx.storage.getAlarm()) !== null) await this.start();
  }

  override async alarm(): Promise<void> {
    const { work, clock, log } = this.#parts;
    const { storage } = this.ctx;
    if (this.#working) return await storage.setAlarm(clock.now() + LOST_MS);
    const asked = this.#asked;
    [this.#awake, this.#working] = [true, true];
    // Set first: an alarm that fails more than six times is dropped for good.
    await storage.setAlarm(clock.now() + LOST_MS);
    try {
      const left = await work(BUDGET_MS);
      if (left === "now" || asked !== this.#asked) await storage.setAlarm(clock.now());
      else if (left === "later") await storage.setAlarm(clock.now() + LATER_MS);
      else await storage.deleteAlarm();
    } catch (error) {
      log.error("transfer.failed", error);
      await storage.setAlarm(clock.now() + RETRY_MS);
    } finally {
      this.#working = false;
    }
  }
}
