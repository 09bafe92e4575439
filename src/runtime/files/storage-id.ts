import { type FileNames, type FileRef, isUuid } from "../../engine/file-store.ts";
import type { ComponentPath, InternalId } from "../../engine/names.ts";
import { STORAGE_TABLE_NUMBER } from "../../engine/tables.ts";
import { badRequest } from "../../shared/coded-error.ts";
import { tryDecodeDocumentId } from "../../values/document-id.ts";
import type { SyscallArguments } from "../syscalls/arguments.ts";

/** The file of the component that the argument `storageId` names, which need not exist (E-E-10). */
export async function fileOf(args: SyscallArguments, component: ComponentPath, names: FileNames): Promise<FileRef> {
  const text = args.string("storageId");
  if (isUuid(text)) return { component, id: await names.id(text) };
  const decoded = tryDecodeDocumentId(text);
  if (decoded === null) {
    throw args.invalid(
      "storageId",
      // The line break and the spaces are the original's.
      `Invalid storage ID: "${text}". Storage ID should be an\n                    Id of '_storage' table, or a UUID string.`,
    );
  }
  if (decoded.tableNumber !== STORAGE_TABLE_NUMBER) {
    throw badRequest(
      "InvalidStorageId",
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    );
  }
  return { component, id: decoded.internalId as InternalId }; // A decoded id holds an internal one.
}
