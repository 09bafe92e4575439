import type { SystemMutationFunctions } from "../runtime/functions/system-mutation.ts";
import {
  addDocument,
  clearTablePage,
  createTable,
  deleteDocuments,
  patchDocumentsFields,
  replaceDocument,
} from "./document-mutations.ts";
import { deleteFile, deleteFiles, generateUploadUrl } from "./stored-files.ts";

/** What admins change by the dashboard. By the path that people write; a default export goes by its module alone. */
export const SYSTEM_MUTATIONS: SystemMutationFunctions = new Map([
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
