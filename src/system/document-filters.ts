import { z } from "zod";
import { fieldAt, parsePath } from "../engine/index-key.ts";
import type { Expression } from "../engine/query/expression.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { compareConvexJson } from "../values/compare.ts";
import { parseConvexJson } from "../values/convex-json.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { valueKind } from "../values/special-value.ts";

const COMPARISONS = {
  eq: (order: number) => order === 0,
  neq: (order: number) => order !== 0,
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
} as const;

const TYPES = ["string", "boolean", "number", "bigint", "null", "id", "array", "object", "bytes", "unset"] as const;
type TypeName = (typeof TYPES)[number];

const condition = { field: z.string().optional(), id: z.string().optional(), enabled: z.boolean().optional() };

/** One condition on documents, as the dashboard writes it. One without a field is not finished yet. */
export const documentClause = z.union([
  z.object({ ...condition, op: z.enum(["eq", "neq", "lt", "lte", "gt", "gte"]), value: z.json().optional() }),
  z.object({ ...condition, op: z.enum(["anyOf", "noneOf"]), value: z.array(z.json()).optional() }),
  z.object({ ...condition, op: z.enum(["type", "notype"]), value: z.enum(TYPES).optional() }),
]);
type DocumentClause = z.infer<typeof documentClause>;

/** What is wrong with a clause, shown beside it. `filter: -1`: with the index and its range. */
export interface FilterMistake {
  readonly filter: number;
  readonly error: string;
}

/** What stands for a missing field where JSON has no word for it. */
export function isUnset(value: JsonValue | undefined): boolean {
  return value === undefined || (typeof value === "string" && value.startsWith("__CONVEX_PLACEHOLDER_undefined_"));
}

/** The conditions that count as functions of a document. */
export function compileClauses(clauses: readonly DocumentClause[]): {
  readonly mistakes: readonly FilterMistake[];
  readonly tests: readonly Expression[];
} {
  const mistakes: FilterMistake[] = [];
  const tests: Expression[] = [];
  for (const [filter, clause] of clauses.entries()) {
    if (clause.field === undefined || clause.enabled === false) continue;
    const path = parsePath(clause.field);
    try {
      const test = testOf(clause);
      if (test !== null) tests.push((document) => test(fieldAt(document, path)));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      mistakes.push({ filter, error: `Invalid value: ${JSON.stringify(clause.value)}.` });
    }
  }
  return { mistakes, tests };
}

/** `null`: it holds for every document. Throws `CodedError` for what is not ConvexJSON. */
function testOf(clause: DocumentClause): ((value: JsonValue | undefined) => boolean) | null {
  switch (clause.op) {
    case "type":
    case "notype": {
      const { value: type, op } = clause;
      return type === undefined ? null : (value) => hasType(value, type) === (op === "type");
    }
    case "anyOf":
    case "noneOf": {
      const listed = (clause.value ?? []).map(parseValue);
      if (listed.length === 0) return null;
      const wanted = clause.op === "anyOf";
      return (value) => listed.some((one) => compareConvexJson(value, one) === 0) === wanted;
    }
    default: {
      const operand = parseValue(clause.value);
      const holds = COMPARISONS[clause.op];
      return (value) => holds(compareConvexJson(value, operand));
    }
  }
}

export function parseValue(value: JsonValue | undefined): JsonValue | undefined {
  return value === undefined || isUnset(value) ? undefined : parseConvexJson(JSON.stringify(value));
}

function hasType(value: JsonValue | undefined, type: TypeName): boolean {
  if (value === undefined) return type === "unset";
  const kind = valueKind(value);
  switch (type) {
    case "id":
      return typeof value === "string" && tryDecodeDocumentId(value) !== null;
    case "number":
      return kind === "float64";
    case "bigint":
      return kind === "int64" || kind === "commitTs";
    default:
      return kind === type;
  }
}
