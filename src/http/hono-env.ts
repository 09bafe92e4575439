import type { Context } from "hono";
import type { ClientVersion } from "./client-version.ts";

export interface HttpEnv {
  Bindings: {
    /** Work that goes on when the client hangs up (`ExecutionContext.waitUntil`). */
    readonly keepAlive?: (work: Promise<unknown>) => void;
  };
  Variables: {
    readonly requestId: string;
    /** Null when the client did not say. */
    readonly client: ClientVersion | null;
  };
}

export type HttpContext = Context<HttpEnv>;
