import { badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../shared/json.ts";
import { checkOptionalConvexJson } from "../../values/convex-json.ts";
import { compileExpression, type Expression } from "./expression.ts";
import { checkIdentifier, parseFieldPath } from "../../values/identifier.ts";
import type { SearchFilter } from "./search-filters.ts";

export type Order = "asc" | "desc";

export type Comparison = "Eq" | "Gt" | "Gte" | "Lt" | "Lte";

/** One condition of an index range. `value: undefined` stands for a missing field. */
export interface RangeExpression {
  readonly type: Comparison;
  readonly field: string;
  readonly value: JsonValue | undefined;
}

export type QuerySource =
  | { readonly type: "FullTableScan"; readonly table: string; readonly order: Order }
  | {
      readonly type: "IndexRange";
      readonly table: string;
      readonly index: string;
      readonly range: readonly RangeExpression[];
      readonly order: Order;
    }
  | {
      readonly type: "Search";
      readonly table: string;
      readonly index: string;
      readonly filters: readonly SearchFilter[];
    };

export type QueryOperator =
  | { readonly type: "filter"; readonly expression: Expression }
  | { readonly type: "limit"; readonly count: number };

/** Query JSON of `abi.md` §2.5, parsed. */
export interface QueryDefinition {
  readonly source: QuerySource;
  readonly operators: readonly QueryOperator[];
  /** The JSON text as it came: part of the fingerprint that ties a cursor to its query. */
  readonly text: string;
}

const MAX_OPERATORS = 256;

/** Throws `CodedError`s whose messages the caller prefixes with the name of the argument. */
export function parseQuery(json: JsonValue | undefined): QueryDefinition {
  if (!isJsonObject(json)) throw malformed("expected an object");
  const { source, operators = [] } = json;
  if (!isJsonObject(source)) throw malformed("missing field `source`");
  if (!Array.isArray(operators)) throw malformed("field `operators` is not an array");
  if (operators.length > MAX_OPERATORS) {
    throw badRequest("TooManyOperators", `Query has too many operators: ${operators.length}`);
  }
  return { source: parseSource(source), operators: operators.map(parseOperator), text: JSON.stringify(json) };
}

function parseSource(source: JsonObject): QuerySource {
  switch (source["type"]) {
    case "FullTableScan":
      return { type: "FullTableScan", table: tableName(source), order: parseOrder(source) };
    case "IndexRange": {
      const { range } = source;
      if (!Array.isArray(range)) throw malformed("field `range` is not an array");
      return {
        type: "IndexRange",
        ...parseIndexName(text(source, "indexName")),
        range: range.map(parseRangeExpression),
        order: parseOrder(source),
      };
    }
    case "Search": {
      const { filters } = source;
      if (!Array.isArray(filters)) throw malformed("field `filters` is not an array");
      return {
        type: "Search",
        ...parseIndexName(text(source, "indexName")),
        filters: filters.map(parseSearchFilter),
      };
    }
    default:
      throw malformed(`unknown source type ${JSON.stringify(source["type"] ?? null)}`);
  }
}

function tableName(source: JsonObject): string {
  const name = text(source, "tableName");
  checkIdentifier(name);
  return name;
}

/** `name`: `<table>.<index>`. */
export function parseIndexName(name: string): { table: string; index: string } {
  const dot = name.indexOf(".");
  if (dot <= 0 || dot === name.length - 1) throw malformed(`${name} is not of the form <table>.<index>`);
  return { table: name.slice(0, dot), index: name.slice(dot + 1) };
}

function parseOrder({ order }: JsonObject): Order {
  if (order === undefined || order === null || order === "asc") return "asc";
  if (order === "desc") return "desc";
  throw malformed(`unknown order ${JSON.stringify(order)}`);
}

function parseRangeExpression(json: JsonValue): RangeExpression {
  if (!isJsonObject(json)) throw malformed("range expression is not an object");
  const { type, value } = json;
  if (type !== "Eq" && type !== "Gt" && type !== "Gte" && type !== "Lt" && type !== "Lte") {
    throw malformed(`unknown range expression ${JSON.stringify(type ?? null)}`);
  }
  if (value === undefined) throw malformed("missing field `value`");
  return {
    type,
    field: parseFieldPath(text(json, "fieldPath")).join("."),
    value: checkOptionalConvexJson(value)?.value,
  };
}

function parseSearchFilter(json: JsonValue): SearchFilter {
  if (!isJsonObject(json)) throw malformed("search filter is not an object");
  const { type, value } = json;
  const field = parseFieldPath(text(json, "fieldPath")).join(".");
  if (type === "Search") return { type, field, text: text(json, "value") };
  if (type !== "Eq") throw malformed(`unknown search filter ${JSON.stringify(type ?? null)}`);
  if (value === undefined) throw malformed("missing field `value`");
  return { type, field, value: checkOptionalConvexJson(value)?.value };
}

function parseOperator(json: JsonValue): QueryOperator {
  if (isJsonObject(json)) {
    const { filter, limit } = json;
    if (filter !== undefined) return { type: "filter", expression: compileExpression(filter) };
    if (limit !== undefined) {
      if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 0) {
        throw malformed(`invalid limit ${JSON.stringify(limit)}`);
      }
      return { type: "limit", count: limit };
    }
  }
  throw malformed("unknown query operator");
}

function text(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== "string") throw malformed(`field \`${name}\` is not a string`);
  return value;
}

function malformed(reason: string): Error {
  return badRequest("InvalidQuery", reason);
}
