import type { FileNames, FileRef } from "../../engine/file-store.ts";
import { findFile, type StoredFile } from "../../engine/stored-files.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import { metadataOf } from "../files/file-metadata.ts";
import { DELETE_FILE_OP } from "../files/operations.ts";
import { fileOf } from "../files/storage-id.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import type { ActionSyscall } from "./action-syscall.ts";
import { SyscallArguments } from "./arguments.ts";

/** `ctx.storage` of actions (`abi.md` §2.8): each call stands for itself. */
export const STORAGE_ACTION_SYSCALLS: Readonly<Record<string, ActionSyscall>> = {
  "1.0/storageGetUrl": getUrl,
  "1.0/storageGetMetadata": getMetadata,
  "1.0/storageGenerateUploadUrl": generateUploadUrl,
  "1.0/storageDelete": remove,
};

async function getUrl(execution: ActionExecution, json: JsonValue): Promise<string> {
  const file = await findForAction(execution, new SyscallArguments(json, "storage.getUrl"));
  return JSON.stringify(file === null ? null : await urlOf(execution, file.ref));
}

async function getMetadata(execution: ActionExecution, json: JsonValue): Promise<string> {
  const file = await findForAction(execution, new SyscallArguments(json, "storage.getMetadata"));
  return JSON.stringify(file === null ? null : await metadataOf(namesOf(execution), file));
}

async function generateUploadUrl({ runtime, found }: ActionExecution): Promise<string> {
  return JSON.stringify(await runtime.files.addresses.uploadUrl(found.path.component));
}

async function remove({ committer, found }: ActionExecution, json: JsonValue): Promise<string> {
  const args = {
    component: found.path.component,
    // What is no object is refused like one that lacks everything.
    request: isJsonObject(json) ? json : {},
  };
  return JSON.stringify(await committer.runSystem({ v: 1, op: DELETE_FILE_OP, args }));
}

/** As of the newest commit. */
export async function findForAction(execution: ActionExecution, args: SyscallArguments): Promise<StoredFile | null> {
  const ref = await fileOf(args, execution.found.path.component, namesOf(execution));
  return execution.queries.look((transaction) => findFile(transaction, ref));
}

async function urlOf(execution: ActionExecution, { component, id }: FileRef): Promise<string> {
  const { addresses } = execution.runtime.files;
  return addresses.downloadUrl(component, await namesOf(execution).uuid(id));
}

function namesOf({ runtime, deployment }: ActionExecution): FileNames {
  return runtime.files.addresses.names(deployment.catalog);
}
