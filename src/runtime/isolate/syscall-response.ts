import type { SyscallResponse } from "../../protocol/invocation.ts";
import { assert } from "../../shared/assert.ts";

export interface Settle {
  readonly resolve: (result: string) => void;
  readonly reject: (error: unknown) => void;
}

export function parseResponses(text: string, expected: number): readonly SyscallResponse[] {
  const responses: unknown = JSON.parse(text);
  assert(Array.isArray(responses) && responses.length === expected, "one response per syscall");
  return responses as readonly SyscallResponse[];
}

/** What `convex` expects of a failed syscall: `message`, and parsed `data` only for a ConvexError (`abi.md` §2.1.2). */
export function rejection(failed: Extract<SyscallResponse, { ok: false }>): Error {
  const error = new Error(failed.message);
  return failed.data === undefined ? error : Object.assign(error, { data: JSON.parse(failed.data) as unknown });
}
