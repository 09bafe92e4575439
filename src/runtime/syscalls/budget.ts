import { METRICS, type TransactionLimits } from "../../engine/limits.ts";
import { type JsonValue, isJsonObject } from "../../shared/json.ts";
import type { SyscallArguments } from "./arguments.ts";

/** `transactionLimits` of a nested call: what it may use at most. */
export function parseBudget(args: SyscallArguments): Partial<TransactionLimits> {
  const json: JsonValue = args.value("transactionLimits") ?? {};
  if (!isJsonObject(json)) throw args.invalid("transactionLimits", "expected an object");
  const budget: { -readonly [M in keyof TransactionLimits]?: number } = {};
  for (const metric of METRICS) {
    const limit = json[metric];
    if (limit === undefined || limit === null) continue;
    if (typeof limit !== "number" || limit < 0) throw args.invalid("transactionLimits", `${metric} is no valid limit`);
    budget[metric] = limit;
  }
  return budget;
}
