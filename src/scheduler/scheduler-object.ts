import { DurableObject } from "cloudflare:workers";
import type { IndexKey } from "../engine/names.ts";
import type { DueNotice } from "../protocol/scheduling.ts";
import { CronSync } from "./cron-sync.ts";
import { Dispatcher, type DispatcherPorts, type DispatcherSettings } from "./dispatcher.ts";
import type { SweepPorts } from "./sweep.ts";
import { Sweeper, type SweepStorage } from "./sweeper.ts";

const CRONS_AGAIN_MS = 5_000;

export interface SchedulerComposition {
  readonly ports: Omit<DispatcherPorts, "alarm"> & SweepPorts;
  readonly settings: DispatcherSettings & { readonly retentionMs: number };
}

const NEXT_SWEEP = "nextSweep";

/**
 * Starts what is due; there is one of a deployment, named `"scheduler"`. It keeps nothing of its jobs: the queue is in
 * the database, the alarm in its storage. Jobs outlive the requests and the alarms that they were started by.
 */
export abstract class SchedulerObject<Env> extends DurableObject<Env> {
  readonly #dispatcher: Dispatcher;
  readonly #crons: CronSync;
  readonly #sweeper: Sweeper;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { ports, settings } = this.compose(ctx, env);
    const { storage } = ctx;
    const alarm = {
      set: (at: number): void => {
        storage.setAlarm(at).catch((error: unknown) => ports.log.error("scheduler.alarm", error));
      },
    };
    this.#dispatcher = new Dispatcher({ ...ports, alarm }, settings);
    this.#crons = new CronSync(ports);
    this.#sweeper = new Sweeper({ ...ports, storage: sweepStorage(storage) }, settings.retentionMs);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SchedulerComposition;

  /** A `DueNotice`. */
  async notify(noticeJson: string): Promise<void> {
    // Made by our own Transactor.
    const { keys }: DueNotice = JSON.parse(noticeJson);
    this.#dispatcher.notify(keys as readonly IndexKey[]);
    this.#maintain(keys.length > 0);
  }

  /** A push took effect. */
  async deployed(): Promise<void> {
    this.#crons.ask();
    this.#maintain(false);
  }

  /** Safe to call at any time: looks what is due. */
  async wake(): Promise<void> {
    this.#dispatcher.wake(false);
    this.#maintain(false);
  }

  /** A pause of the deployment is over. */
  async resumed(): Promise<void> {
    this.#dispatcher.resume();
    this.#maintain(false);
  }

  override async alarm(): Promise<void> {
    this.#dispatcher.wake(true);
    this.#maintain(false);
  }

  /** Beside everything else: jobs do not wait for it. What it changes comes back as a notice. */
  #maintain(jobs: boolean): void {
    void this.#crons.run().then((done) => {
      if (!done) this.#dispatcher.alarmBy(Date.now() + CRONS_AGAIN_MS);
    });
    void this.#sweeper.run(jobs).then((next) => {
      if (next !== null) this.#dispatcher.alarmBy(next);
    });
  }
}

function sweepStorage(storage: DurableObjectStorage): SweepStorage {
  return {
    load: async () => (await storage.get<number>(NEXT_SWEEP)) ?? null,
    store: async (at) => {
      if (at === null) await storage.delete(NEXT_SWEEP);
      else await storage.put(NEXT_SWEEP, at);
    },
  };
}
