import { DATABASE_SYSCALLS } from "../../src/protocol/database-syscalls.ts";
import type { NodeSyscallResponse } from "../../src/protocol/node-actions.ts";
import { invocations, LEFTOVER, type Invocation } from "./invocation.ts";
import { getBlob, storeBlob } from "./storage.ts";

/** What an action may ask of its deployment (`abi.md` §2.4). */
const OPERATIONS = new Set([
  "1.0/actions/query",
  "1.0/actions/mutation",
  "1.0/actions/action",
  "1.0/actions/schedule",
  "1.0/actions/cancel_job",
  "1.0/actions/vectorSearch",
  "1.0/createFunctionHandle",
  "1.0/createServiceToken",
  "1.0/getServiceUrl",
  "1.0/storageGenerateUploadUrl",
  "1.0/storageGetUrl",
  "1.0/storageGetMetadata",
  "1.0/storageDelete",
  "1.0/auditLog",
  "1.0/getUserIdentity",
  "1.0/getFunctionMetadata",
  "1.0/getDeploymentMetadata",
  "1.0/getRequestMetadata",
]);

/** More can't be an argument or a file name; it would only fill the service's memory. */
const MAX_ARGUMENT_CHARACTERS = 32 * 1024 * 1024;

const DATABASE_OUTSIDE =
  "The Convex database object is being used outside of a Convex query or mutation. " +
  "Did you mean to use `ctx.query` or `ctx.mutation` to access the database?";
const SCHEDULER_OUTSIDE =
  "The mutation scheduler is being used outside of a Convex mutation. " +
  "Did you mean to use `ctx.mutation` to access the database?";
const TOO_MANY =
  "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.";

/** `globalThis.Convex`. `current`: the call that this process runs now. */
export function convexGlobal(current: () => Invocation | undefined): object {
  return {
    syscall: (op: string): never => {
      throw unavailable(op);
    },
    asyncSyscall: async (op: string, args: string): Promise<string> => {
      if (!OPERATIONS.has(op)) throw unavailable(op);
      const invocation = owner(requestIdIn(args), current());
      const known = invocation.localAnswers[op];
      if (known !== undefined && Object.hasOwn(invocation.localAnswers, op)) return known;
      return resultOf(await operation(invocation, op, args));
    },
    jsSyscall: async (op: string, args: Readonly<Record<string, unknown>>): Promise<unknown> => {
      if (op !== "storage/storeBlob" && op !== "storage/getBlob") throw unavailable(op);
      const invocation = owner(args["requestId"], current());
      assertRoom(invocation);
      const ask = async (name: string, asked: object): Promise<unknown> =>
        JSON.parse(resultOf(await invocation.syscall(name, JSON.stringify(asked))));
      return invocation.transfer<unknown>(op, () =>
        op === "storage/storeBlob" ? storeBlob(args, ask) : getBlob(args, ask),
      );
    },
  };
}

function operation(invocation: Invocation, op: string, args: string): Promise<NodeSyscallResponse> {
  assertRoom(invocation);
  if (args.length > MAX_ARGUMENT_CHARACTERS) throw new Error(`Arguments of ${op} are too large.`);
  return invocation.syscall(op, args);
}

/** E-C-6. */
function assertRoom({ operations, limits }: Invocation): void {
  if (operations >= limits.concurrentOperations)
    throw new Error(TOO_MANY + (limits.notes["concurrentOperations"] ?? ""));
}

/**
 * The call that asks. It says so by the id it was given; what carries none belongs to the call whose code is running.
 * E-C-9b when that one has ended.
 */
function owner(requestId: unknown, running: Invocation | undefined): Invocation {
  const asking = invocations.getStore() ?? running;
  if (running === undefined || asking === undefined) throw new Error(LEFTOVER);
  if (requestId === undefined ? asking !== running : requestId !== running.executionId) throw new Error(LEFTOVER);
  return running;
}

function requestIdIn(args: string): unknown {
  const parsed: unknown = JSON.parse(args);
  return typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "requestId") : undefined;
}

/** What `convex` expects of a failed syscall: `message`, and parsed `data` only for a ConvexError (`abi.md` §2.1.2). */
function resultOf(response: NodeSyscallResponse): string {
  if (response.ok) return response.result;
  const error = new Error(response.message);
  throw response.data === undefined ? error : Object.assign(error, { data: JSON.parse(response.data) as unknown });
}

function unavailable(op: string): Error {
  if (DATABASE_SYSCALLS.has(op) || op === "1.0/runUdf") return new Error(DATABASE_OUTSIDE);
  if (op === "1.0/schedule" || op === "1.0/cancel_job") return new Error(SCHEDULER_OUTSIDE);
  // `convex` looks for these words and says which functions have metrics (E-D-9).
  if (op === "1.0/getTransactionMetrics") return new Error(`Unknown async operation ${op}`);
  return new Error(`Unknown operation ${op}`);
}
