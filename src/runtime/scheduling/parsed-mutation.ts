import type { z } from "zod";
import type { SystemContext, SystemMutation } from "./job-table.ts";
import type { JsonValue } from "../../shared/json.ts";

/** A change of the backend's own, in a transaction of its own, whose arguments are of a schema. */
export function parsedMutation<Schema extends z.ZodType>(
  schema: Schema,
  run: (context: SystemContext, args: z.output<Schema>) => Promise<JsonValue>,
): SystemMutation {
  return (context, args) => run(context, schema.parse(args));
}
