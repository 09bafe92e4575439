import type { FunctionLogLine } from "../../protocol/execution.ts";
import type { LogLine, NestedCalls } from "../../protocol/invocation.ts";
import { mapStack, type SourceMaps } from "../code/source-map.ts";

/**
 * A function's own lines with those of the functions it called, each group at the place of its call. `calls` comes
 * from the isolate: a call has as many lines before it as it says, within what there is.
 */
export function mergeLines(
  own: readonly FunctionLogLine[],
  calls: NestedCalls,
  groups: readonly (readonly FunctionLogLine[])[],
): FunctionLogLine[] {
  const merged: FunctionLogLine[] = [];
  let printed = 0;
  for (const [i, group] of groups.entries()) {
    const before = Math.max(printed, calls[i] ?? own.length);
    merged.push(...own.slice(printed, before), ...group);
    printed = before;
  }
  merged.push(...own.slice(printed));
  return merged;
}

/** Lines of `console.trace` get the frames as the developer knows them. */
export async function withStacks(lines: readonly LogLine[], maps: SourceMaps): Promise<LogLine[]> {
  return Promise.all(
    lines.map(async ({ stack, ...line }) =>
      stack === undefined ? line : { ...line, messages: [...line.messages, (await mapStack(stack, maps)).join("\n")] },
    ),
  );
}
