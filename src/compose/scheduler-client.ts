import { SchedulerClient } from "../scheduler/scheduler-client.ts";
import { type Bindings, SCHEDULER_NAME } from "./environment.ts";
import { log } from "./system.ts";

export function schedulerClient(bindings: Bindings): SchedulerClient {
  return new SchedulerClient(() => bindings.SCHEDULER.getByName(SCHEDULER_NAME), log);
}
