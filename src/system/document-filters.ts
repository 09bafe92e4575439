import { z } from "zod";
import type { Order } from "../engine/query/definition.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";

const clause = z.object({
  op: z.string(),
  field: z.string().default(""),
  value: z.json().optional(),
  enabled: z.boolean().default(true),
});

type Clause = z.infer<typeof clause>;

const filterExpression = z.object({
  clauses: z.array(clause).default([]),
  order: z.enum(["asc", "desc"]).nullish(),
  index: z.unknown().optional(),
});

const COMPARISONS: ReadonlySet<string> = new Set(["eq", "neq", "gt", "gte", "lt", "lte"]);
/** As in filters of queries: a field that is not there. */
const MISSING: JsonValue = { $undefined: null };

export interface DocumentFilters {
  readonly order: Order;
  /** Of the query, in JSON. */
  readonly operators: readonly JsonValue[];
}

/** `text`: JSON in base64. The newest documents come first unless it says otherwise. */
export function parseFilters(text: string | null): DocumentFilters {
  if (text === null || text === "") return { order: "desc", operators: [] };
  const parsed = filterExpression.safeParse(decode(text));
  if (!parsed.success) throw malformed("The filters are not in the form of the dashboard's.");
  const { clauses, order, index } = parsed.data;
  if (index !== undefined && index !== null) throw malformed("Filters by an index are not available yet.");
  const enabled = clauses.filter((one) => one.enabled && one.field !== "");
  return { order: order ?? "desc", operators: enabled.map((one) => ({ filter: expression(one) })) };
}

function expression({ op, field, value }: Clause): JsonValue {
  const equals = (one: JsonValue): JsonValue => ({ $eq: [{ $field: field }, { $literal: one }] });
  if (COMPARISONS.has(op))
    return { [`$${op}`]: [{ $field: field }, { $literal: value ?? (value === null ? null : MISSING) }] };
  if ((op !== "anyOf" && op !== "noneOf") || !Array.isArray(value)) {
    throw malformed(`Filters by ${op} are not available yet.`);
  }
  const among: JsonValue = { $or: value.map(equals) };
  return op === "anyOf" ? among : { $not: among };
}

function decode(text: string): unknown {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw malformed("The filters are no JSON in base64.");
  }
}

function malformed(reason: string): Error {
  return badRequest("InvalidFilters", reason);
}
