import type { LogLine, ThrownError } from "../../protocol/invocation.ts";
import type { ExecuteEvent, NodeThrownError } from "../../protocol/node-actions.ts";
import { moduleKeysInStack } from "./node-stack.ts";

/** What the service tells, in the words of the runtime. */

type NodeLogLine = Extract<ExecuteEvent, { kind: "log" }>["lines"][number];

export function plainLogLine({ code, ...line }: NodeLogLine): LogLine {
  return code === undefined ? line : { ...line, code };
}

/** With the frames of `modules` named by their keys. */
export function thrownError(
  { name, message, stack, data, whole }: NodeThrownError,
  modules: readonly { readonly key: string; readonly path: string }[],
): ThrownError {
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack: moduleKeysInStack(stack, modules) }),
    ...(data === undefined ? {} : { data }),
    ...(whole === undefined ? {} : { whole }),
  };
}
