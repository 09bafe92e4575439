import type { JsonValue } from "../../shared/json.ts";
import type { DatabaseExecution } from "../functions/database-execution.ts";

/** Answers with the JSON text of the result. */
export type DatabaseSyscall = (execution: DatabaseExecution, args: JsonValue) => Promise<string>;
