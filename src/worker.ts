import { type Backend, composeBackend } from "./compose/backend.ts";
import type { Bindings } from "./compose/environment.ts";

export { Logs } from "./compose/logs.ts";
export { Transactor } from "./compose/transactor.ts";

/** Bindings never change while an isolate lives, so what is made from them is made once. */
let backend: Backend | undefined;

export default {
  async fetch(request: Request, bindings: Bindings, context: ExecutionContext): Promise<Response> {
    backend ??= await composeBackend(bindings);
    const app = `${request.url}/`.startsWith(`${backend.siteUrl}/`) ? backend.site : backend.api;
    return app.fetch(request, { keepAlive: (promise: Promise<unknown>) => context.waitUntil(promise) });
  },
};
