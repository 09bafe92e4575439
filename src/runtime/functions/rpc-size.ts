import { formatBytes } from "../../values/format-bytes.ts";
import type { ResolvedFunction } from "../code/app.ts";
import type { SizeLimits } from "./size-limits.ts";
import { FunctionError, plainFailure } from "./failure.ts";

/** Compatibility date 2026-11-01. Strings beyond Latin-1 count two bytes per character. */
const TOO_LARGE =
  /^Serialized RPC arguments or return values are limited to \S+, but the size of this value was: (\d+) bytes/;

/** A result too large to leave its isolate is a mistake of the function (E-F-7), not of ours. */
export async function withinRpcSize<T>(answer: Promise<T>, found: ResolvedFunction, limits: SizeLimits): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const size = TOO_LARGE.exec(error instanceof Error ? error.message : "")?.[1];
    if (size === undefined) throw error;
    throw new FunctionError(plainFailure(returnTooLarge(found, Number(size), limits)));
  }
}

/** E-F-7. */
export function returnTooLarge({ path }: ResolvedFunction, bytes: number, limits: SizeLimits): string {
  return (
    `Function ${path.module}:${path.function} return value is too large (actual: ${formatBytes(bytes)}, ` +
    `limit: ${formatBytes(limits.returnBytes)})${limits.notes.returnBytes ?? ""}`
  );
}
