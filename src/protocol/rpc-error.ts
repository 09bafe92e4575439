import { CodedError, type ErrorClass } from "../shared/coded-error.ts";
import type { FunctionCompletion } from "./function-log.ts";

/**
 * Errors cross RPC as data, because thrown ones lose their class and properties on the way. `Internal` is a bug of
 * ours: it was logged where it happened, and only a bare text travels.
 */
export interface RpcError {
  readonly errorClass: ErrorClass | "Internal";
  readonly code: string;
  readonly message: string;
  readonly data?: string;
}

/** Answer of an RPC method, as JSON text. `v` because old objects meet new Workers. */
export type RpcAnswer = ({ readonly value: unknown } | { readonly error: RpcError }) & {
  readonly v: 1;
  /** What was run to get there, for the caller to log. */
  readonly executions?: readonly FunctionCompletion[];
};

/** `value` is JSON text already. */
export function encodeRpcValue(value: string, executions: readonly FunctionCompletion[] = []): string {
  const logged = executions.length === 0 ? "" : `,"executions":${JSON.stringify(executions)}`;
  return `{"v":1,"value":${value}${logged}}`;
}

export function encodeRpcError(error: unknown, executions: readonly FunctionCompletion[] = []): string {
  const logged = executions.length === 0 ? {} : { executions };
  return JSON.stringify({ v: 1, error: rpcError(error), ...logged } satisfies RpcAnswer);
}

/** The value of an answer, or throws the error it carries. The shape of the value is the method's own. */
export function decodeRpcAnswer(
  text: string,
  onExecution: (execution: FunctionCompletion) => void = () => {},
): unknown {
  const answer: RpcAnswer = JSON.parse(text);
  if (answer.v !== 1) throw new Error(`Unknown version of an RPC answer: ${String(answer.v)}`);
  for (const execution of answer.executions ?? []) onExecution(execution);
  if (!("error" in answer)) return answer.value;
  const { errorClass, code, message, data } = answer.error;
  if (errorClass === "Internal") throw new Error(message);
  throw new CodedError(errorClass, code, message, data === undefined ? {} : { data });
}

function rpcError(error: unknown): RpcError {
  if (!(error instanceof CodedError)) {
    return { errorClass: "Internal", code: "InternalServerError", message: "The Transactor failed; its log says why." };
  }
  const { errorClass, code, message, data } = error;
  return data === undefined ? { errorClass, code, message } : { errorClass, code, message, data };
}
