import { WorkerEntrypoint } from "cloudflare:workers";
import type { RunActionRequest } from "../protocol/scheduling.ts";
import { Execution } from "../runtime/functions/execution.ts";
import { runScheduledAction } from "../scheduler/scheduled-action.ts";
import { type SchedulerComposition, SchedulerObject } from "../scheduler/scheduler-object.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { type Bindings, TRANSACTOR_NAME } from "./environment.ts";
import { composeCore } from "./runtime.ts";
import { currentBackend } from "./current-backend.ts";
import { clock, jitter, log } from "./system.ts";

const RETRY_INITIAL_MS = 200;
const RETRY_MAX_MS = 60_000;

/** Long enough for whatever else waits for its turn. */
const PAUSE_MS = 10;

/** Loopback bindings of this Worker, as far as they are used here. */
interface Exports {
  readonly ScheduledActions: { run(requestJson: string): Promise<void> };
}

/** The Durable Object class that wrangler.toml names. */
export class Scheduler extends SchedulerObject<Bindings> {
  protected override compose(ctx: DurableObjectState, bindings: Bindings): SchedulerComposition {
    const { settings, persistence, logs } = composeCore(bindings);
    const transactor = new TransactorClient(() => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME), logs);
    // Every class that worker.ts exports is bound there; the types of the platform don't know ours.
    const exports = ctx.exports as unknown as Exports;
    return {
      ports: {
        due: (limit) => persistence.due(limit),
        runJob: (key, phase) => transactor.runJob({ v: 1, key, phase }),
        runAction: (key, call) => exports.ScheduledActions.run(JSON.stringify({ v: 1, key, call })),
        runSystem: (call) => transactor.runSystem(call),
        persistence,
        pause: () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS)),
        clock,
        log,
        jitter,
      },
      settings: {
        parallelism: settings.scheduledParallelism,
        retryInitialMs: RETRY_INITIAL_MS,
        retryMaxMs: RETRY_MAX_MS,
        retentionMs: settings.scheduledRetentionMs,
      },
    };
  }
}

/** Runs scheduled actions in Workers, where each has its own request and none can starve the Scheduler of memory. */
export class ScheduledActions extends WorkerEntrypoint<Bindings> {
  /** A `RunActionRequest`. Resolves when the end of the action is recorded. */
  async run(requestJson: string): Promise<void> {
    const { actions, transactor, runtime } = await currentBackend(this.env);
    // Made by our own Scheduler.
    const request: RunActionRequest = JSON.parse(requestJson);
    await runScheduledAction(request, {
      runAction: (call) => actions.run(call),
      runSystem: (call) => transactor.runSystem(call),
      log: (call, lines) => new Execution(runtime, call, "Action").progress(lines),
      clock,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
  }
}
