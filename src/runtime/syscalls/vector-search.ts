import type { IndexAddress, VectorDefinition } from "../../engine/derived-index.ts";
import type { Catalog } from "../../engine/catalog.ts";
import { enabledIndex } from "../../engine/enabled-index.ts";
import type { TableRow } from "../../engine/persistence.ts";
import { parseIndexName } from "../../engine/query/definition.ts";
import { encodeValue } from "../../engine/value-key.ts";
import type { FieldEquality, VectorQuery } from "../../engine/vector-index.ts";
import { must } from "../../shared/assert.ts";
import { type CodedError, badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../shared/json.ts";
import { checkOptionalConvexJson } from "../../values/convex-json.ts";
import { encodeDocumentId } from "../../values/document-id.ts";
import { parseFieldPath } from "../../values/identifier.ts";
import { decodeFloat64, valueKind } from "../../values/special-value.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import { SyscallArguments } from "./arguments.ts";

const DEFAULT_LIMIT = 10;
const MAX_CONDITIONS = 64;

/** `ctx.vectorSearch` (`abi.md` §2.7). */
export async function vectorSearch(execution: ActionExecution, json: JsonValue): Promise<string> {
  const { runtime, deployment, found } = execution;
  const args = new SyscallArguments(json, "vectorSearch");
  args.checkVersion();
  const query = args.value("query");
  if (!isJsonObject(query)) throw args.invalid("query", "expected an object");
  const name = query["indexName"];
  if (typeof name !== "string") throw args.invalid("query", "missing field `indexName`");
  const { table, address } = findIndex(deployment.catalog, found.path.component, name, args);
  const parsed = parseVectorQuery(name, address, query, args, {
    results: runtime.limits.vectorResults,
    note: runtime.limits.notes.vectorResults ?? "",
  });
  const hits = await runtime.vectorIndexes.search(address, parsed);
  const results = hits.map(({ id, score }) => ({ _id: encodeDocumentId(table.number, id), _score: score }));
  return JSON.stringify({ results });
}

function findIndex(
  catalog: Catalog,
  component: string,
  name: string,
  args: SyscallArguments,
): { readonly table: TableRow; readonly address: IndexAddress<VectorDefinition> } {
  const { table: tableName, index: indexName } = args.check("query", () => parseIndexName(name));
  const table = catalog.table(component, tableName);
  const row = table === undefined ? undefined : catalog.index(table.id, indexName);
  const { id, tableId, definition } = enabledIndex(row, name, "vector");
  return { table: must(table, "table of an index"), address: { indexId: id, tableId, definition } };
}

function parseVectorQuery(
  name: string,
  { definition }: IndexAddress<VectorDefinition>,
  query: JsonObject,
  args: SyscallArguments,
  most: { readonly results: number; readonly note: string },
): VectorQuery {
  const limit = query["limit"] ?? DEFAULT_LIMIT;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1) {
    throw args.invalid("query", "`limit` must be a positive integer");
  }
  if (limit > most.results) {
    throw badRequest(
      "VectorLimitTooLargeError",
      `Vector queries can fetch at most ${most.results} results, requested ${limit}.${most.note}`,
    );
  }
  const vector = parseVector(query["vector"], args);
  if (vector.length !== definition.dimensions) {
    throw badRequest(
      "VectorDimensionsMismatch",
      `Expected a vector with dimensions ${definition.dimensions}, received ${vector.length}.`,
    );
  }
  const expressions = query["expressions"] ?? null;
  if (expressions === null) return { vector, limit, anyOf: null };
  const anyOf = conditions(expressions);
  if (anyOf.length > MAX_CONDITIONS) {
    throw badRequest(
      "TooManyElementsInVectorQueryError",
      `Vector query against ${name} has too many conditions. Max: ${MAX_CONDITIONS} Actual: ${anyOf.length}`,
    );
  }
  for (const { field } of anyOf) {
    if (definition.filterFields.includes(field)) continue;
    throw badRequest(
      "IncorrectVectorFilterField",
      `Vector query against ${name} contains a filter on "${field}" but that field isn't indexed for filtering in \`filterFields\`.`,
    );
  }
  return { vector, limit, anyOf };
}

function parseVector(json: JsonValue | undefined, args: SyscallArguments): readonly number[] {
  const invalid = (): CodedError => args.invalid("query", "`vector` must be an array of finite numbers");
  if (!Array.isArray(json)) throw invalid();
  return json.map((component: JsonValue) => {
    const value = valueKind(component) === "float64" ? decodeFloat64(component) : Number.NaN;
    if (!Number.isFinite(value)) throw invalid();
    return value;
  });
}

/** One condition or an `$or` of them, however nested. */
function conditions(json: JsonValue): readonly FieldEquality[] {
  const [[operator, operands] = [], ...rest] = isJsonObject(json) ? Object.entries(json) : [];
  if (rest.length > 0 || !Array.isArray(operands) || (operator !== "$or" && operator !== "$eq")) {
    throw invalidFilter("Filters should be a combination of `q.eq` and `q.or`.");
  }
  if (operator === "$or") return operands.flatMap((operand: JsonValue) => conditions(operand));
  const [left, right]: (JsonValue | undefined)[] = operands;
  const field = isJsonObject(left) ? left["$field"] : undefined;
  const literal = isJsonObject(right) ? right["$literal"] : undefined;
  if (operands.length !== 2 || typeof field !== "string" || literal === undefined) {
    throw invalidFilter("`q.eq` must take a field path as its first argument and a value as its second");
  }
  return [{ field: parseFieldPath(field).join("."), key: encodeValue(checkOptionalConvexJson(literal)?.value) }];
}

function invalidFilter(message: string): CodedError {
  return badRequest("InvalidVectorSearchFilter", message);
}
