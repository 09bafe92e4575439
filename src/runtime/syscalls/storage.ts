import { Base64 } from "convex/values";
import type { FileNames, FileRef } from "../../engine/file-store.ts";
import { deleteFile, findFile, recordFile, type StoredFile } from "../../engine/stored-files.ts";
import type { InternalId } from "../../engine/names.ts";
import { toHex } from "../../shared/bytes.ts";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { allocateInternalId } from "../../values/document-id.ts";
import { decodeBase64 } from "../files/decode-base64.ts";
import { fileNotFound } from "../files/file-not-found.ts";
import { metadataOf } from "../files/file-metadata.ts";
import { fileOf } from "../files/storage-id.ts";
import type { DatabaseExecution } from "../functions/database-execution.ts";
import { SyscallArguments } from "./arguments.ts";
import type { DatabaseSyscall } from "./database-syscall.ts";

/** `ctx.storage` of queries and mutations (`abi.md` §2.8): everything is part of the transaction. */
export const STORAGE_SYSCALLS: Readonly<Record<string, DatabaseSyscall>> = {
  "1.0/storageGetUrl": getUrl,
  "1.0/storageGetMetadata": getMetadata,
  "1.0/storageGenerateUploadUrl": generateUploadUrl,
  "1.0/storageDelete": remove,
  "1.0/storageStore": store,
  "1.0/storageGet": get,
};

async function getUrl(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  const { file } = await find(execution, new SyscallArguments(json, "storage.getUrl"));
  return JSON.stringify(file === null ? null : await urlOf(execution, file.ref));
}

async function getMetadata(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  const { file } = await find(execution, new SyscallArguments(json, "storage.getMetadata"));
  return JSON.stringify(file === null ? null : await metadataOf(namesOf(execution), file));
}

async function generateUploadUrl(execution: DatabaseExecution): Promise<string> {
  refuseInQuery(execution);
  return JSON.stringify(await execution.scope.runtime.files.addresses.uploadUrl(execution.component));
}

async function remove(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  refuseInQuery(execution);
  const args = new SyscallArguments(json, "storage.delete");
  const ref = await fileOf(args, execution.component, namesOf(execution));
  if (!(await deleteFile(execution.scope.transaction, ref))) throw fileNotFound(args);
  return "null";
}

/** The bytes are stored at once, under an id that nobody knows before the commit. Without one they are swept away. */
async function store(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  refuseInQuery(execution);
  const args = new SyscallArguments(json, "storage.store");
  const bytes = decodeBase64(args.string("blob"));
  if (bytes === null) throw args.invalid("blob", "expected base64");
  const contentType = args.optionalString("contentType");
  const { runtime, transaction } = execution.scope;
  transaction.chargeFileWrite(bytes.byteLength);
  const ref: FileRef = {
    component: execution.component,
    // The hex of 16 bytes is an internal id.
    id: toHex(allocateInternalId(runtime.random, runtime.clock)) as InternalId,
  };
  const stored = await runtime.files.store.put(ref, {
    bytes: [bytes],
    size: bytes.byteLength,
    sha256: args.optionalString("sha256"),
  });
  const file = { ...stored, ref, contentType: contentType === "" ? null : contentType };
  return JSON.stringify(recordFile(transaction, file));
}

async function get(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  refuseInQuery(execution);
  const { file } = await find(execution, new SyscallArguments(json, "storage.get"));
  if (file === null) return "null";
  const { transaction, runtime } = execution.scope;
  transaction.chargeFileRead(file.size);
  const bytes = await runtime.files.store.get(file.ref);
  if (bytes === null) throw new Error(`the bytes of file ${file.ref.id} are missing`);
  const blob = Base64.fromByteArray(new Uint8Array(await new Response(bytes).arrayBuffer()));
  return JSON.stringify({ blob, contentType: file.contentType });
}

async function find(
  execution: DatabaseExecution,
  args: SyscallArguments,
): Promise<{ readonly file: StoredFile | null }> {
  const ref = await fileOf(args, execution.component, namesOf(execution));
  return { file: await findFile(execution.scope.transaction, ref) };
}

async function urlOf(execution: DatabaseExecution, { component, id }: FileRef): Promise<string> {
  const { addresses } = execution.scope.runtime.files;
  return addresses.downloadUrl(component, await namesOf(execution).uuid(id));
}

function namesOf({ scope }: DatabaseExecution): FileNames {
  return scope.runtime.files.addresses.names(scope.deployment.catalog);
}

/** What the package offers to mutations alone. */
function refuseInQuery({ found }: DatabaseExecution): void {
  if (found.udfType === "Mutation") return;
  throw badRequest("StorageInQuery", "Queries can't store, read or delete files. Use a mutation or an action instead.");
}
