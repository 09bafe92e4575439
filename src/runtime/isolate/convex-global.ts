import { DATABASE_SYSCALLS } from "../../protocol/database-syscalls.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../shared/json.ts";
import { identifierError } from "../../values/identifier.ts";
import type { Call } from "./call.ts";
import { fromLegacyId, tableNumberOf } from "./decode-id.ts";
import { failUncatchably } from "./forbidden.ts";
import { importingModule } from "./import-phase.ts";
import { jsSyscall } from "./js-syscalls.ts";
import { refusedAtImport } from "./refused-promise.ts";
import { currentCall } from "./running.ts";

const FUNCTION_CALLS = new Set(["1.0/runUdf", "1.0/actions/query", "1.0/actions/mutation", "1.0/actions/action"]);
/** System tables that user code may name: virtual ones, numbered like the tables behind them. */
const VIRTUAL_TABLES = new Set(["_storage", "_scheduled_functions"]);

type SyncSyscall = (call: Call, args: JsonObject) => JsonValue;

const SYNC_SYSCALLS: Readonly<Record<string, SyncSyscall>> = {
  "1.0/queryStream": queryStream,
  "1.0/queryCleanup": (call, args) => call.ordered?.closeStream(Number(args["queryId"])) ?? false,
  "1.0/db/normalizeId": normalizeId,
  "1.0/componentArgument": componentArgument,
  "1.0/getSnapshotTs": getSnapshotTs,
};
const ACTION_SYNC_SYSCALLS = new Set(["1.0/componentArgument"]);

/** A mistake in the query or its index surfaces at the first row: the package asks for that in the same step. */
function queryStream(call: Call, args: JsonObject): JsonValue {
  const query = args["query"];
  if (query === undefined) throw new Error("Invalid argument `query` for `queryStream`: missing field `query`");
  return { queryId: call.ordered?.openStream(query) ?? 0 };
}

function normalizeId(call: Call, args: JsonObject): JsonValue {
  const { table, idString: id } = args;
  if (typeof table !== "string" || typeof id !== "string") {
    throw new Error("Invalid arguments for `db.normalizeId`: expected strings");
  }
  const mistake = identifierError(table);
  if (mistake !== null) throw new Error(`Invalid argument \`table\` for \`db.normalizeId\`: ${mistake}`);
  if (table.startsWith("_") && !VIRTUAL_TABLES.has(table)) return { id: null };
  const tables = call.tables?.tables[call.invocation.target.component];
  const number = tables !== undefined && Object.hasOwn(tables, table) ? tables[table] : undefined;
  if (number === undefined) return { id: null };
  const actual = tableNumberOf(id);
  if (actual !== undefined) return { id: actual === number ? id : null };
  return { id: fromLegacyId(id, number) ?? null };
}

function componentArgument(call: Call): JsonValue {
  if (call.invocation.target.component === "") {
    throw new Error("Component arguments are not available within the app");
  }
  return {};
}

function getSnapshotTs(call: Call): JsonValue {
  call.observed.time = true;
  const { snapshotTs } = call.invocation;
  if (snapshotTs === undefined) {
    call.fail({ kind: "needsSnapshot" });
    throw new Error("The snapshot is not pinned yet: the function runs again.");
  }
  return { $integer: int64ToBase64(BigInt(snapshotTs)) };
}

/** ConvexJSON form: eight bytes, little-endian. */
function int64ToBase64(value: bigint): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return btoa(String.fromCharCode(...bytes));
}

function syncAtImport(op: string): Error {
  if (op === "1.0/componentArgument") return new Error("Can't use `componentArg` at import time");
  if (importingModule()?.evaluation === "schema") return new Error(`Syscall ${op} unsupported when evaluating schema`);
  if (DATABASE_SYSCALLS.has(op)) return new Error("Can't use database at import time");
  return new Error(`Syscall ${op} unsupported at import time`);
}

function asyncAtImport(op: string): Error {
  if (importingModule()?.evaluation === "schema") return new Error(`${op} unsupported while evaluating schema`);
  if (DATABASE_SYSCALLS.has(op)) return new Error("Can't use database at import time");
  if (FUNCTION_CALLS.has(op)) return new Error("Cannot call another function at import time");
  return new Error(`${op} unsupported at import time`);
}

function syscall(op: string, args: string): string {
  const call = currentCall();
  if (call === undefined) throw syncAtImport(op);
  const known = call.deterministic || ACTION_SYNC_SYSCALLS.has(op);
  const handler = known && Object.hasOwn(SYNC_SYSCALLS, op) ? SYNC_SYSCALLS[op] : undefined;
  if (handler === undefined) throw new Error(`Unknown operation ${op}`);
  const parsed: unknown = JSON.parse(args);
  if (!isJsonObject(parsed)) throw new Error(`Invalid arguments for \`${op}\`: expected an object`);
  return JSON.stringify(handler(call, parsed));
}

function asyncSyscall(op: string, args: string): Promise<string> {
  const call = currentCall();
  return call === undefined ? refusedAtImport(asyncAtImport(op)) : call.asyncSyscall(op, args);
}

/**
 * `globalThis.Convex`: the only contract between a bundle and its host besides Web globals (`abi.md` §2.1.1). Calls share
 * it, so none of them may change it.
 */
export function installConvexGlobal(): void {
  const value = Object.freeze({
    syscall,
    asyncSyscall,
    jsSyscall: (op: string, args: Record<string, unknown>): unknown => {
      const handler = jsSyscall(op);
      if (handler !== undefined) return handler(args);
      const error = new Error(`Unknown JS syscall: ${op}`);
      failUncatchably(error);
      throw error;
    },
  });
  Object.defineProperty(globalThis, "Convex", { value, writable: false, configurable: false, enumerable: false });
}
