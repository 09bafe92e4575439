import type { NodeCallbackService } from "../http/services.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import { NodeCallbacks } from "../runtime/node/node-callbacks.ts";
import { MemoryNonceStore } from "../signing/nonces.ts";
import type { Core } from "./runtime.ts";

/** Kept for two minutes each; a Worker isolate answers fewer requests in that time. */
const NONCES = 400_000;

/** Arguments of a call within a JSON text within a JSON text: quotes and backslashes may double twice. */
const ESCAPED = 4;

export function composeNodeCallbacks(
  { runtime, nodeActions, code, settings }: Core,
  deployments: CurrentDeployment,
  callees: ConstructorParameters<typeof NodeCallbacks>[2],
): NodeCallbackService {
  const callbacks = new NodeCallbacks(runtime, deployments, callees, nodeActions.tokens);
  return {
    keys: () => nodeActions.service.keys(),
    nonces: new MemoryNonceStore(NONCES),
    clockSkewMs: settings.nodeClockSkewMs,
    bodyBytes: settings.argsBytes * ESCAPED,
    package: (hash) => code.package(hash),
    syscall: (request) => callbacks.syscall(request),
  };
}
