import type { NodeCallbackService } from "../../src/http/services.ts";

/** For the HTTP room alone: nothing that the Node service may ask for. */
export const noNodeCallbacks: NodeCallbackService = {
  keys: () => Promise.reject(new Error("there is no Node service")),
  nonces: { use: () => "fresh" },
  clockSkewMs: 60_000,
  bodyBytes: 1024,
  package: () => Promise.resolve(null),
  syscall: () => Promise.reject(new Error("there is no Node service")),
};
