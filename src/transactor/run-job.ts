import { z } from "zod";
import type { IndexKey } from "../engine/names.ts";
import type { FunctionCall, FunctionOutcome, MutationCall, UdfType } from "../protocol/execution.ts";
import type { FunctionPath } from "../protocol/function-path.ts";
import type { ExecutionLog } from "../protocol/function-log.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { RunJobAnswer, RunJobRequest } from "../protocol/scheduling.ts";
import { Execution } from "../runtime/functions/execution.ts";
import { describePath } from "../runtime/functions/resolve.ts";
import { LOSE_OP, REFUSE_OP, SETTLE_OP, START_OP } from "../runtime/scheduling/operations.ts";
import { type RunnableView, warningLine } from "../runtime/scheduling/run-job.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonObject } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import { stripExtension } from "../values/function-path.ts";

interface JobPorts {
  lookAt(key: IndexKey): Promise<RunnableView>;
  /** Resolves when it is durable. */
  runMutation(call: MutationCall): Promise<string>;
  /** JSON text of the answer. */
  runSystem(call: SystemCall): Promise<string>;
  readonly executions: ExecutionLog;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Does what is to be done about a job, as the newest code has it: a mutation runs here, an action is marked as started
 * and handed to the caller. May be asked twice, late, or for what is long over: the transaction that follows decides.
 */
export async function runJob({ key: text, phase }: RunJobRequest, ports: JobPorts): Promise<RunJobAnswer> {
  const key = text as IndexKey; // From the queue.
  const system = (op: string, args: JsonObject = {}) => ports.runSystem({ v: 1, op, args: { key, ...args } });
  const view = await ports.lookAt(key);
  if (view.kind === "over") return DONE;
  if (view.kind === "held") return { kind: "held" };
  if (view.kind === "change") {
    await system(SETTLE_OP);
    return DONE;
  }
  const { udfType, call } = view;
  if (view.kind === "started") {
    logEnd(ports, call, "Action", await system(LOSE_OP, { phase }));
    return DONE;
  }
  switch (udfType) {
    case "Mutation":
      await ports.runMutation({ ...call, v: 1, idempotency: null, job: key });
      return DONE;
    case "Action":
      return (await system(START_OP)) === "true" ? { kind: "action", call } : DONE;
    default:
      logEnd(ports, call, udfType ?? "Action", await system(REFUSE_OP, { error: refusal(udfType, call.path) }));
      return DONE;
  }
}

const DONE: RunJobAnswer = { kind: "done" };

const ended = z.union([z.literal(false), z.object({ error: z.string().nullable(), warning: z.string().nullable() })]);

/** What never ran has its end in the function log all the same. */
function logEnd(ports: JobPorts, call: FunctionCall, udfType: UdfType, answer: string): void {
  const end = ended.parse(JSON.parse(answer));
  if (end === false) return;
  const logLines = end.warning === null ? [] : [warningLine(end.warning, ports.clock.now())];
  const outcome: FunctionOutcome = { ok: false, error: { message: end.error ?? "" }, logLines };
  ports.executions.completed(new Execution(ports, call, udfType).completion(outcome));
}

/** E-B-10. */
function refusal(udfType: UdfType | null, path: FunctionPath): string {
  if (udfType === null) return `Could not find function for ${describePath(path)}.`;
  return (
    `Unsupported function type. "${path.function}" in module "${stripExtension(path.module)}" is defined as a ${udfType}. ` +
    "Only Mutation and Action can be scheduled."
  );
}
