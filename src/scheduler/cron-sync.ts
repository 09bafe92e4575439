import { logBackgroundFailure } from "../shared/background-failure.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import { SYNC_CRONS_OP } from "../runtime/scheduling/operations.ts";
import type { JsonValue } from "../shared/json.ts";
import type { Log } from "../shared/log.ts";

interface Ports {
  runSystem(call: SystemCall): Promise<JsonValue>;
  readonly log: Log;
}

/** Asks for `_cron_jobs` to be what is deployed: once when the Scheduler begins, and after every push. */
export class CronSync {
  readonly #ports: Ports;
  /** What was asked for and what was done, counted. */
  #asked = 1;
  #done = 0;
  #running = false;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  ask(): void {
    this.#asked += 1;
  }

  /** Never rejects. False: it failed and is to be tried again. */
  async run(): Promise<boolean> {
    if (this.#running) return true;
    this.#running = true;
    try {
      while (this.#done < this.#asked) {
        const asked = this.#asked;
        await this.#ports.runSystem({ v: 1, op: SYNC_CRONS_OP, args: {} });
        this.#done = asked;
      }
      return true;
    } catch (error) {
      logBackgroundFailure(this.#ports.log, "scheduler.crons", error);
      return false;
    } finally {
      this.#running = false;
    }
  }
}
