import { logBackgroundFailure } from "../shared/background-failure.ts";
import { DurableObject } from "cloudflare:workers";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { Sweeper } from "./sweeper.ts";

export interface SweeperComposition {
  readonly sweeper: Sweeper;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds from one sweep to the next. */
  readonly intervalMs: number;
}

const FROM_DAY = "fromDay";
const DAY_MS = 24 * 60 * 60 * 1000;
/** Where the first sweep begins: days before it. */
const FIRST_SWEEP_DAYS = 30;
/** An alarm that is so late was lost. */
const LOST_MS = 60_000;

/** Sweeps now and then; there is one of a deployment. Between two sweeps it is not in memory. */
export abstract class SweeperObject<Env> extends DurableObject<Env> {
  readonly #parts: SweeperComposition;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#parts = this.compose(ctx, env);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SweeperComposition;

  /** Safe to call at any time: sees to it that the next sweep is no later than it should be. */
  async wake(): Promise<void> {
    const { clock, intervalMs } = this.#parts;
    const { storage } = this.ctx;
    const [at, now] = [await storage.getAlarm(), clock.now()];
    const isSet = at !== null && at > now - LOST_MS && at <= now + intervalMs;
    if (!isSet) await storage.setAlarm(now + intervalMs);
  }

  override async alarm(): Promise<void> {
    const { sweeper, clock, log, intervalMs } = this.#parts;
    const { storage } = this.ctx;
    // Set first: an alarm that fails more than six times is dropped for good.
    await storage.setAlarm(clock.now() + intervalMs);
    try {
      const today = Math.floor(clock.now() / DAY_MS);
      const fromDay = (await storage.get<number>(FROM_DAY)) ?? today - FIRST_SWEEP_DAYS;
      const next = await sweeper.sweep(fromDay);
      if (next !== fromDay) await storage.put(FROM_DAY, next);
    } catch (error) {
      logBackgroundFailure(log, "files.sweep_failed", error);
    }
  }
}
