import { v } from "convex/values";
import { z } from "zod";
import { BY_CREATION_TIME, BY_ID, orderedFields } from "../engine/index-definition.ts";
import { parseQuery, type QueryDefinition } from "../engine/query/definition.ts";
import type { Expression } from "../engine/query/expression.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { dependOnApp, dependOnTables } from "./dependencies.ts";
import { compileClauses, documentClause, type FilterMistake, isUnset, parseValue } from "./document-filters.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";
import { pageText, readQueryPage } from "./table-page.ts";

/** What one page reads at most, so that a filter that matches little is answered in steps. */
const CAPS = { rows: 2_000, bytes: 4 * 1024 * 1024 };

const EVERY_DOCUMENT: Expression = () => true;

const rangeClause = z.union([
  z.object({ type: z.literal("indexEq"), enabled: z.boolean(), value: z.json().optional() }),
  z.object({
    type: z.literal("indexRange"),
    enabled: z.boolean(),
    lowerOp: z.enum(["gt", "gte"]).optional(),
    lowerValue: z.json().optional(),
    upperOp: z.enum(["lt", "lte"]).optional(),
    upperValue: z.json().optional(),
  }),
]);
const searchClause = z.object({ field: z.string(), enabled: z.boolean(), value: z.json().optional() });

const filterExpression = z.object({
  clauses: z.array(documentClause).default([]),
  order: z.enum(["asc", "desc"]).default("desc"),
  index: z
    .union([
      z.object({ name: z.string(), search: z.string(), clauses: z.array(searchClause).default([]) }),
      z.object({ name: z.string(), clauses: z.array(rangeClause).default([]) }),
    ])
    .optional(),
});
type FilterExpression = z.infer<typeof filterExpression>;

/**
 * Documents of a table, those that the dashboard's filters leave, one page. `filters`: JSON in base64. Mistakes in them
 * are the page instead, each with the number of its clause.
 */
export const paginatedTableDocuments = adminQuery(
  { table: v.string(), filters: v.optional(v.union(v.string(), v.null())), paginationOpts },
  async (context, { table, filters, paginationOpts: options }) => {
    dependOnTables(context);
    // Which of its indexes a table has.
    dependOnApp(context);
    const expression = parseFilters(filters ?? null);
    const { mistakes, tests } = compileClauses(expression.clauses);
    if (mistakes.length > 0) return mistakesPage(mistakes);
    const found = sourceOf(context, table, expression);
    if (found.source === null) return mistakesPage([{ filter: -1, error: found.mistake }]);
    const { source } = found;
    const query: QueryDefinition = {
      ...parseQuery({ source, operators: [] }),
      operators: [{ type: "filter", expression: allOf(tests) }],
      // A cursor belongs to its filters as well.
      text: JSON.stringify([source, expression.clauses]),
    };
    return pageText(await readQueryPage(context, query, pageOptions(options, CAPS)));
  },
);

function parseFilters(base64: string | null): FilterExpression {
  let json: unknown = {};
  try {
    if (base64 !== null && base64 !== "") {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      json = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
    }
    return filterExpression.parse(json);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badRequest("InvalidFilters", `Invalid filters: ${reason}`);
  }
}

function allOf(tests: readonly Expression[]): Expression {
  return tests.length === 0 ? EVERY_DOCUMENT : (document) => tests.every((test) => test(document) === true);
}

type FoundSource =
  /** Of a query, in JSON. */
  { readonly source: JsonObject } | { readonly source: null; readonly mistake: string };

function sourceOf(context: SystemContext, table: string, expression: FilterExpression): FoundSource {
  const { index, order } = expression;
  if (index === undefined) {
    // The dashboard's way of looking for one document.
    const [only] = expression.clauses.filter(({ enabled, field }) => enabled !== false && field !== undefined);
    const isOne = only?.op === "eq" && only.field === "_id" && typeof only.value === "string";
    if (isOne) return ofRange(`${table}.${BY_ID}`, order, [equals("_id", only.value)]);
    return { source: { type: "FullTableScan", tableName: table, order } };
  }
  if ("search" in index) {
    const searchField = searchFieldOf(context, table, index.name);
    if (searchField === null) return mistaken(`Index ${index.name} does not exist.`);
    const equalities = index.clauses
      .filter(({ enabled }) => enabled)
      .map(({ field, value }): JsonObject => equals(field, value));
    const search = { type: "Search", fieldPath: searchField, value: index.search };
    return {
      source: { type: "Search", indexName: `${table}.${index.name}`, filters: [search, ...equalities] },
    };
  }
  const fields = indexFields(context, table, index.name);
  if (fields === null) return mistaken(`Index ${index.name} does not exist.`);
  const firstOff = index.clauses.findIndex(({ enabled }) => !enabled);
  const used = firstOff === -1 ? index.clauses : index.clauses.slice(0, firstOff);
  if (used.length < index.clauses.filter(({ enabled }) => enabled).length) {
    return mistaken("A condition on an index field needs those on the fields before it.");
  }
  if (used.length > fields.length) {
    return mistaken(`Index ${index.name} has ${fields.length} fields and not ${used.length}.`);
  }
  if (used.slice(0, -1).some(({ type }) => type === "indexRange")) {
    return mistaken("Only the last condition on an index can be a range.");
  }
  const range = used.flatMap((clause, at) => rangeOf(clause, fields[at] ?? ""));
  return ofRange(`${table}.${index.name}`, order, range);
}

function mistaken(mistake: string): FoundSource {
  return { source: null, mistake };
}

function rangeOf(clause: z.infer<typeof rangeClause>, field: string): JsonObject[] {
  if (clause.type === "indexEq") return [equals(field, clause.value)];
  const { lowerOp, lowerValue, upperOp, upperValue } = clause;
  return [
    ...(lowerOp === undefined ? [] : [{ ...equals(field, lowerValue), type: lowerOp === "gt" ? "Gt" : "Gte" }]),
    ...(upperOp === undefined ? [] : [{ ...equals(field, upperValue), type: upperOp === "lt" ? "Lt" : "Lte" }]),
  ];
}

function equals(fieldPath: string, value: JsonValue | undefined): JsonObject {
  return { type: "Eq", fieldPath, value: literal(value) };
}

/** What is not ConvexJSON is taken as it is, and refused by whoever reads it. */
function literal(value: JsonValue | undefined): JsonValue {
  if (value === undefined || isUnset(value)) return { $undefined: null };
  try {
    return parseValue(value) ?? null;
  } catch (error) {
    if (error instanceof CodedError) return value;
    throw error;
  }
}

function ofRange(indexName: string, order: string, range: readonly JsonObject[]): FoundSource {
  return { source: { type: "IndexRange", indexName, range, order } };
}

/** `null`: the table has no such index that can be queried. */
function indexFields({ transaction, component }: SystemContext, table: string, name: string): readonly string[] | null {
  if (name === BY_ID) return ["_id"];
  if (name === BY_CREATION_TIME) return ["_creationTime"];
  const row = transaction.tables.named(component, table);
  const index = row === null ? undefined : transaction.tables.index(row.id, name);
  if (index?.state !== "enabled" || index.definition.type !== "database") return null;
  return orderedFields(index.definition);
}

function searchFieldOf({ transaction, component }: SystemContext, table: string, name: string): string | null {
  const row = transaction.tables.named(component, table);
  const index = row === null ? undefined : transaction.tables.index(row.id, name);
  if (index?.state !== "enabled" || index.definition.type !== "search") return null;
  return index.definition.searchField;
}

function mistakesPage(mistakes: readonly FilterMistake[]): string {
  return JSON.stringify({ page: mistakes, isDone: true, continueCursor: "" });
}
