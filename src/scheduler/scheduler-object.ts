import { DurableObject } from "cloudflare:workers";
import type { IndexKey } from "../engine/names.ts";
import type { DueNotice } from "../protocol/scheduling.ts";
import { Dispatcher, type DispatcherPorts, type DispatcherSettings } from "./dispatcher.ts";

export interface SchedulerComposition {
  readonly ports: Omit<DispatcherPorts, "alarm">;
  readonly settings: DispatcherSettings;
}

/**
 * Starts what is due; there is one of a deployment, named `"scheduler"`. It keeps nothing: the queue is in the
 * database, the alarm in its storage. Jobs outlive the requests and the alarms that they were started by.
 */
export abstract class SchedulerObject<Env> extends DurableObject<Env> {
  readonly #dispatcher: Dispatcher;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { ports, settings } = this.compose(ctx, env);
    const alarm = {
      set: (at: number): void => {
        ctx.storage.setAlarm(at).catch((error: unknown) => ports.log.error("scheduler.alarm", error));
      },
    };
    this.#dispatcher = new Dispatcher({ ...ports, alarm }, settings);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SchedulerComposition;

  /** A `DueNotice`. */
  async notify(noticeJson: string): Promise<void> {
    // Made by our own Transactor.
    const { keys }: DueNotice = JSON.parse(noticeJson);
    this.#dispatcher.notify(keys as readonly IndexKey[]);
  }

  /** Safe to call at any time: looks what is due. */
  async wake(): Promise<void> {
    this.#dispatcher.wake(false);
  }

  override async alarm(): Promise<void> {
    this.#dispatcher.wake(true);
  }
}
