import {
  addDocument,
  clearTablePage,
  createTable,
  deleteDocuments,
  patchDocumentsFields,
  replaceDocument,
} from "./data-mutations.ts";
import { deleteFile, deleteFiles, generateUploadUrl } from "./stored-files.ts";
import type { SystemMutation } from "./system-mutation.ts";

/** By the path that people write; a default export goes by its module alone. */
export const SYSTEM_MUTATIONS: ReadonlyMap<string, SystemMutation> = new Map([
  ["_system/frontend/addDocument", addDocument],
  ["_system/frontend/patchDocumentsFields", patchDocumentsFields],
  ["_system/frontend/replaceDocument", replaceDocument],
  ["_system/frontend/deleteDocuments", deleteDocuments],
  ["_system/frontend/clearTablePage", clearTablePage],
  ["_system/frontend/createTable", createTable],
  ["_system/frontend/fileStorageV2:deleteFile", deleteFile],
  ["_system/frontend/fileStorageV2:deleteFiles", deleteFiles],
  ["_system/frontend/fileStorageV2:generateUploadUrl", generateUploadUrl],
]);
