import type { JsonValue } from "../../shared/json.ts";
import type { ActionExecution } from "../functions/action-execution.ts";

/** Answers with the JSON text of the result. */
export type ActionSyscall = (execution: ActionExecution, args: JsonValue) => Promise<string>;
