import type { FunctionScope } from "../../engine/function-scope.ts";
import type { InternalId, TableNumber } from "../../engine/names.ts";
import type { TableRow } from "../../engine/persistence.ts";
import { VIRTUAL_SYSTEM_TABLES, isSystemTable } from "../../engine/tables.ts";
import { type CodedError, badRequest } from "../../shared/coded-error.ts";
import type { JsonObject, JsonValue } from "../../shared/json.ts";
import { checkConvexJson, checkPatch } from "../../values/convex-json.ts";
import { decodeDocumentId } from "../../values/document-id.ts";
import { checkIdentifier } from "../../values/identifier.ts";
import { isPlainObject } from "../../values/special-value.ts";
import { SyscallArguments } from "./arguments.ts";

/** Answers one operation with the JSON text of its result. Throws what the promise in user code rejects with. */
export type ScopeSyscall = (scope: FunctionScope, args: JsonValue) => Promise<string>;

/** Operations of `abi.md` §2.3.1 and §2.3.2 on documents and on the transaction. */
export const DOCUMENT_SYSCALLS: Readonly<Record<string, ScopeSyscall>> = {
  "1.0/get": get,
  "1.0/insert": insert,
  "1.0/shallowMerge": shallowMerge,
  "1.0/replace": replace,
  "1.0/remove": remove,
  "1.0/count": count,
  "1.0/getTransactionMetrics": getTransactionMetrics,
};

async function get(scope: FunctionScope, json: JsonValue): Promise<string> {
  const isSystem = new SyscallArguments(json, "db.get").value("isSystem") === true;
  const args = new SyscallArguments(json, isSystem ? "db.system.get" : "db.get");
  args.checkVersion();
  const { table, id } = findTable(scope, args);
  if (table === null) {
    await scope.transaction.pin();
    return "null";
  }
  if (isSystem && !isSystemTable(table.name)) {
    throw badRequest("UserTableError", "User tables cannot be accessed with db.system.");
  }
  if (!isSystem && isSystemTable(table.name)) throw systemTable();
  if (isSystem && !VIRTUAL_SYSTEM_TABLES.has(table.name)) return "null";
  checkTable(args, table);
  return (await scope.transaction.get(table, id)) ?? "null";
}

async function insert(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "db.insert");
  const table = tableName(args);
  if (isSystemTable(table)) throw systemTable();
  const id = scope.transaction.insert(scope.component, table, objectValue(args));
  return JSON.stringify({ _id: id });
}

async function shallowMerge(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "db.patch");
  const { table, id } = await findTableToWrite(scope, args);
  const value = args.value("value");
  if (!isPlainObject(value)) throw args.invalid("value", "Value must be an Object");
  const fields = args.check("value", () => checkPatch(value));
  const patch = new Map([...fields].map(([name, field]) => [name, field?.value]));
  return await scope.transaction.patch(table, id, patch);
}

async function replace(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "db.replace");
  const { table, id } = await findTableToWrite(scope, args);
  return await scope.transaction.replace(table, id, objectValue(args));
}

async function remove(scope: FunctionScope, json: JsonValue): Promise<string> {
  const { table, id } = await findTableToWrite(scope, new SyscallArguments(json, "db.delete"));
  return await scope.transaction.remove(table, id);
}

async function count(scope: FunctionScope, json: JsonValue): Promise<string> {
  return JSON.stringify(await scope.count(tableName(new SyscallArguments(json, "db.count"))));
}

async function getTransactionMetrics({ transaction }: FunctionScope): Promise<string> {
  return JSON.stringify(transaction.metrics());
}

interface Found {
  readonly table: TableRow | null;
  readonly id: InternalId;
}

/** `table: null`: the id is well formed, but of no table. */
function findTable({ transaction, component }: FunctionScope, args: SyscallArguments): Found {
  const text = args.string("id");
  const { tableNumber, internalId } = args.check("id", () => decodeDocumentId(text));
  // A decoded id holds just these.
  const table = transaction.tables.numbered(component, tableNumber as TableNumber);
  return { table, id: internalId as InternalId };
}

async function findTableToWrite(scope: FunctionScope, args: SyscallArguments): Promise<Found & { table: TableRow }> {
  const { table, id } = findTable(scope, args);
  if (table === null) {
    await scope.transaction.pin();
    throw args.invalid("id", `Table for ID "${args.string("id")}" not found`);
  }
  if (isSystemTable(table.name)) throw systemTable();
  checkTable(args, table);
  return { table, id };
}

/** The two-argument forms say which table they mean. */
function checkTable(args: SyscallArguments, table: TableRow): void {
  const expected = args.optionalString("table");
  if (expected === null || expected === table.name) return;
  throw args.invalid("id", `expected to be an Id<"${expected}">, got Id<"${table.name}"> instead.`);
}

function tableName(args: SyscallArguments): string {
  const name = args.string("table");
  args.check("table", () => checkIdentifier(name));
  return name;
}

function objectValue(args: SyscallArguments): JsonObject {
  const json = args.value("value");
  if (!isPlainObject(json)) throw args.invalid("value", "Value must be an Object");
  const { value } = args.check("value", () => checkConvexJson(json));
  if (!isPlainObject(value)) throw args.invalid("value", "Value must be an Object");
  return value;
}

function systemTable(): CodedError {
  return badRequest("SystemTableError", "System tables can only be accessed with db.system.");
}
