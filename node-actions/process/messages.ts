import { z } from "zod";
import {
  analyzeResponse,
  logLine,
  nodeThrownError,
  type ExecuteRequest,
  type NodeSyscallResponse,
} from "../../src/protocol/node-actions.ts";

/**
 * What the service and a child process say to each other. A child runs user code, so the service parses what it says
 * and gives it nothing but the rights of the call it was given.
 */
export type ToChild =
  /** Once, before any call: the package and the environment that this process belongs to from now on. */
  | { readonly type: "bind"; readonly directory: string; readonly variables: Readonly<Record<string, string>> }
  | ({ readonly type: "run"; readonly call: number } & RunCall)
  | { readonly type: "analyze"; readonly call: number; readonly modules: readonly string[] }
  | { readonly type: "answer"; readonly call: number; readonly id: number; readonly response: NodeSyscallResponse }
  /** The time is over: a child that still listens says which function it was. */
  | { readonly type: "timeout"; readonly call: number };

export type RunCall = Pick<ExecuteRequest, "executionId" | "module" | "function" | "args" | "localAnswers" | "limits">;

const call = z.int().nonnegative();

const callResult = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), value: z.string() }),
  z.object({ ok: z.literal(false), error: nodeThrownError }),
]);

export const fromChild = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("syscall"), call, id: z.int().nonnegative(), op: z.string(), args: z.string() }),
  z.object({ type: z.literal("log"), call, lines: z.array(logLine) }),
  /** `spent`: the process must not run anything else. */
  z.object({ type: z.literal("result"), call, result: callResult, spent: z.boolean() }),
  z.object({ type: z.literal("analyzed"), call, response: analyzeResponse }),
  /** Something that an earlier call left behind has failed. Of no concern to the call that runs now. */
  z.object({ type: z.literal("stray"), executionId: z.string(), error: nodeThrownError }),
]);

export type FromChild = z.infer<typeof fromChild>;
export type CallResult = z.infer<typeof callResult>;
