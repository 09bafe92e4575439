import type { Deployment as DeploymentIdentity } from "../protocol/deployment.ts";
import type { LimitNotes, Settings } from "../protocol/settings.ts";
import { ExecutionTokens } from "../runtime/node/execution-token.ts";
import { NodeActions } from "../runtime/node/node-actions.ts";
import { NodeService } from "../runtime/node/node-service.ts";
import { SealedText } from "../runtime/sealed-text.ts";
import { MasterSecret } from "../runtime/secret.ts";
import { clock, log, random } from "./system.ts";

/** Of all lines of one action together (`abi.md` §6.5), in characters. */
const LOG_CHARACTERS = 1_048_576;

export function composeNodeActions(
  settings: Settings,
  identity: DeploymentIdentity,
  secrets: readonly [string, ...string[]],
  notes: LimitNotes,
): NodeActions {
  const service = new NodeService({
    url: identity.nodeActionsUrl,
    callbackUrl: identity.nodeCallbackUrl,
    secrets,
    clock,
    random,
    log,
  });
  const seal = (secret: string): SealedText => new SealedText(new MasterSecret(secret), "node-execution");
  const [present, ...previous] = secrets;
  const limits = {
    timeoutMs: settings.nodeActionTimeoutMs,
    evaluationMs: settings.nodeAnalyzeTimeMs,
    memoryBytes: settings.nodeMemoryBytes,
    argumentBytes: settings.nodeArgsBytes,
    concurrentOperations: settings.concurrentOperations,
    logLines: settings.logLines,
    logBytes: LOG_CHARACTERS,
    logLineBytes: settings.logLineBytes,
    returnBytes: settings.returnBytes,
    notes: {
      timeoutMs: notes.nodeActionTimeoutMs ?? "",
      memoryBytes: notes.nodeMemoryBytes ?? "",
      argumentBytes: notes.nodeArgsBytes ?? "",
      concurrentOperations: notes.concurrentOperations ?? "",
      logLines: notes.logLines ?? "",
      returnBytes: notes.returnBytes ?? "",
    },
  };
  const tokens = new ExecutionTokens([seal(present), ...previous.map(seal)], clock);
  return new NodeActions(service, limits, tokens, log);
}
