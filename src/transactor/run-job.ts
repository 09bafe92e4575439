import type { IndexKey } from "../engine/names.ts";
import type { MutationCall, UdfType } from "../protocol/execution.ts";
import type { LostPhase, RunJobAnswer, RunJobRequest, SystemCall } from "../protocol/scheduling.ts";
import type { FunctionPath } from "../protocol/function-path.ts";
import { LOSE_OP, REFUSE_OP, SETTLE_OP, START_OP } from "../runtime/scheduling/operations.ts";
import type { JobView } from "../runtime/scheduling/run-job.ts";
import { describePath } from "../runtime/functions/resolve.ts";
import type { JsonObject } from "../shared/json.ts";
import { stripExtension } from "../values/function-path.ts";

interface JobPorts {
  lookAt(key: IndexKey): Promise<JobView>;
  /** Resolves when it is durable. */
  runMutation(call: MutationCall): Promise<string>;
  /** JSON text of the answer. */
  runSystem(call: SystemCall): Promise<string>;
}

/**
 * Does what is to be done about a job, as the newest code has it: a mutation runs here, an action is marked as started
 * and handed to the caller. May be asked twice, late, or for what is long over: the transaction that follows decides.
 */
export async function runJob({ key: text, phase }: RunJobRequest, ports: JobPorts): Promise<RunJobAnswer> {
  const key = text as IndexKey; // From the queue.
  const system = (op: string, args: JsonObject = {}) => ports.runSystem({ v: 1, op, args: { key, ...args } });
  const view = await ports.lookAt(key);
  switch (view.kind) {
    case "over":
      return DONE;
    case "change":
      await system(SETTLE_OP);
      return DONE;
    case "started":
      await system(LOSE_OP, { phase: phase satisfies LostPhase });
      return DONE;
    case "run":
      break;
  }
  const { udfType, call } = view;
  if (call === undefined) throw new Error("a job that is to be run has a call");
  if (udfType === "Mutation") {
    await ports.runMutation({ ...call, v: 1, idempotency: null, job: key });
    return DONE;
  }
  if (udfType !== "Action") {
    await system(REFUSE_OP, { error: refusal(udfType, call.path) });
    return DONE;
  }
  return (await system(START_OP)) === "true" ? { kind: "action", call } : DONE;
}

const DONE: RunJobAnswer = { kind: "done" };

/** E-B-10. */
function refusal(udfType: UdfType | null, path: FunctionPath): string {
  if (udfType === null) return `Could not find function for ${describePath(path)}.`;
  return (
    `Unsupported function type. "${path.function}" in module "${stripExtension(path.module)}" is defined as a ${udfType}. ` +
    "Only Mutation and Action can be scheduled."
  );
}
