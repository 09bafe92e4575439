import type { DatabaseSyscall } from "./database-syscall.ts";
import { getUserIdentity, signJwt } from "./auth.ts";
import { createFunctionHandle, runUdf } from "./functions.ts";
import { deploymentMetadata, functionMetadata, requestMetadata } from "./meta.ts";
import { DOCUMENT_SYSCALLS } from "./db.ts";
import { cancelJob, schedule } from "./schedule.ts";
import { QUERY_SYSCALLS } from "./query.ts";
import { STORAGE_SYSCALLS } from "./storage.ts";

const own: Record<string, DatabaseSyscall> = {
  "1.0/runUdf": runUdf,
  "1.0/createFunctionHandle": (execution, args) =>
    createFunctionHandle(
      execution.scope.deployment.app,
      execution.component,
      execution.scope.runtime.handles(execution.scope.deployment),
      args,
    ),
  "1.0/getUserIdentity": ({ scope }) => {
    scope.onIdentityRead?.();
    return getUserIdentity(scope.identity);
  },
  "1.0/getFunctionMetadata": (execution) => functionMetadata(execution.found.path),
  "1.0/getDeploymentMetadata": (execution) => deploymentMetadata(execution.scope.runtime.instanceName),
  "1.0/getRequestMetadata": (execution) =>
    requestMetadata(execution.scope.context, execution.scope.identity, execution.found.udfType),
  // Variables are resolved when a log is emitted; there is no audit log to emit to (`abi.md` §2.3.7).
  "1.0/auditLog": () => Promise.resolve("null"),
  "1.0/signJwt": signJwt,
  "1.0/schedule": schedule,
  "1.0/cancel_job": cancelJob,
};

const database: Record<string, DatabaseSyscall> = Object.fromEntries(
  Object.entries({ ...DOCUMENT_SYSCALLS, ...QUERY_SYSCALLS }).map(([op, handler]): [string, DatabaseSyscall] => [
    op,
    (execution, args) => handler(execution.database, args),
  ]),
);

/** Every async operation of queries and mutations (`abi.md` §2.3). */
export const databaseSyscalls: Readonly<Record<string, DatabaseSyscall>> = {
  ...database,
  ...own,
  ...STORAGE_SYSCALLS,
};
