import type { Committer } from "../protocol/execution.ts";
import { CANCEL_OP } from "../runtime/scheduling/operations.ts";

/** On behalf of an admin: in a transaction of its own. */
export async function cancelJob(committer: Pick<Committer, "runSystem">, component: string, id: string): Promise<void> {
  const args = { component, request: { id }, scheduledFunctionId: null };
  await committer.runSystem({ v: 1, op: CANCEL_OP, args });
}
