import { CodedError } from "../../shared/coded-error.ts";
import type { SyscallArguments } from "../syscalls/arguments.ts";

/** E-E-10: named as the caller named it. */
export function fileNotFound(args: SyscallArguments): CodedError {
  return new CodedError("NotFound", "StorageIdNotFound", `storage id ${args.string("storageId")} not found`);
}
