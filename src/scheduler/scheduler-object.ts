import { DurableObject } from "cloudflare:workers";
import type { IndexKey } from "../engine/names.ts";
import type { DueNotice, SystemCall } from "../protocol/scheduling.ts";
import type { JsonValue } from "../shared/json.ts";
import { CronSync } from "./cron-sync.ts";
import { Dispatcher, type DispatcherPorts, type DispatcherSettings } from "./dispatcher.ts";

const CRONS_AGAIN_MS = 5_000;

export interface SchedulerComposition {
  readonly ports: Omit<DispatcherPorts, "alarm"> & { runSystem(call: SystemCall): Promise<JsonValue> };
  readonly settings: DispatcherSettings;
}

/**
 * Starts what is due; there is one of a deployment, named `"scheduler"`. It keeps nothing: the queue is in the
 * database, the alarm in its storage. Jobs outlive the requests and the alarms that they were started by.
 */
export abstract class SchedulerObject<Env> extends DurableObject<Env> {
  readonly #dispatcher: Dispatcher;
  readonly #crons: CronSync;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { ports, settings } = this.compose(ctx, env);
    const alarm = {
      set: (at: number): void => {
        ctx.storage.setAlarm(at).catch((error: unknown) => ports.log.error("scheduler.alarm", error));
      },
    };
    this.#crons = new CronSync(ports);
    this.#dispatcher = new Dispatcher({ ...ports, alarm }, settings);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SchedulerComposition;

  /** A `DueNotice`. */
  async notify(noticeJson: string): Promise<void> {
    // Made by our own Transactor.
    const { keys }: DueNotice = JSON.parse(noticeJson);
    this.#dispatcher.notify(keys as readonly IndexKey[]);
    this.#syncCrons();
  }

  /** A push took effect. */
  async deployed(): Promise<void> {
    this.#crons.ask();
    this.#syncCrons();
  }

  /** Safe to call at any time: looks what is due. */
  async wake(): Promise<void> {
    this.#dispatcher.wake(false);
    this.#syncCrons();
  }

  override async alarm(): Promise<void> {
    this.#dispatcher.wake(true);
    this.#syncCrons();
  }

  /** Beside everything else: jobs do not wait for it. What it changes comes back as a notice. */
  #syncCrons(): void {
    void this.#crons.run().then((done) => {
      if (!done) this.#dispatcher.wakeIn(CRONS_AGAIN_MS);
    });
  }
}
