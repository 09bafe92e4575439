import { currentBackend } from "./compose/current-backend.ts";
import type { Bindings } from "./compose/environment.ts";
import { schedulerClient } from "./compose/scheduler-client.ts";

export { FileSweeper } from "./compose/file-sweeper.ts";
export { Logs } from "./compose/logs.ts";
export { ScheduledActions, Scheduler } from "./compose/scheduler.ts";
export { Sync, SyncWork } from "./compose/sync.ts";
export { Search } from "./compose/search.ts";
export { Transactor } from "./compose/transactor.ts";
export { Transfers } from "./compose/transfers.ts";

export default {
  async fetch(request: Request, bindings: Bindings, context: ExecutionContext): Promise<Response> {
    const backend = await currentBackend(bindings);
    const app = `${request.url}/`.startsWith(`${backend.siteUrl}/`) ? backend.site : backend.api;
    return app.fetch(request, { keepAlive: (promise: Promise<unknown>) => context.waitUntil(promise) });
  },

  /** Once a minute: an alarm that was lost delays jobs no longer than that. */
  async scheduled(_event: ScheduledController, bindings: Bindings): Promise<void> {
    await schedulerClient(bindings).wake();
  },
};
