import type { MutationCall } from "../../protocol/execution.ts";
import type { SystemContext } from "../scheduling/job-table.ts";

/** Mutations of the backend itself, which admins call by their paths like those of the app. */
export interface NativeMutations {
  /**
   * ConvexJSON text of the result; everything it does is in the transaction. Throws the developer's failures. `null`:
   * the caller finds no such mutation.
   */
  find(call: MutationCall): ((context: SystemContext) => Promise<string>) | null;
}

export const NO_NATIVE_MUTATIONS: NativeMutations = { find: () => null };
