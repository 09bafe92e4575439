import { assert } from "../shared/assert.ts";
import type { JsonObject } from "../shared/json.ts";
import { encodeDocumentId } from "../values/document-id.ts";
import type { FileRef, StoredBytes } from "./file-store.ts";
import type { ComponentPath, InternalId } from "./names.ts";
import { STORAGE_TABLE } from "./tables.ts";
import type { Transaction } from "./transaction.ts";

/** Hidden from apps: a document, under the internal id of the file, for each file that is deleted and has its bytes. */
export const DELETED_FILES_TABLE = "_deleted_files";

export interface StoredFile extends StoredBytes {
  readonly ref: FileRef;
  readonly contentType: string | null;
}

/** The transaction depends on whether it exists from now on. */
export async function findFile(transaction: Transaction, ref: FileRef): Promise<StoredFile | null> {
  const table = transaction.tables.named(ref.component, STORAGE_TABLE);
  if (table === null) {
    await transaction.pin();
    return null;
  }
  const document = await transaction.system.get(table, ref.id);
  return document === null ? null : { ref, ...parseDocument(document) };
}

/** Returns the document's id. The file's own id was just drawn: nothing has it. */
export function recordFile(transaction: Transaction, { ref, sha256, size, contentType }: StoredFile): string {
  const table = transaction.systemTable(ref.component, STORAGE_TABLE);
  return transaction.system.insert(table, { sha256, size, contentType }, ref.id);
}

/** Returns the document's id. A file that is recorded already stays as it is. */
export async function recordFileAgain(transaction: Transaction, file: StoredFile): Promise<string> {
  const { ref } = file;
  const table = transaction.systemTable(ref.component, STORAGE_TABLE);
  if ((await transaction.system.get(table, ref.id)) !== null) return encodeDocumentId(table.number, ref.id);
  return recordFile(transaction, file);
}

/** False: there is no such file. Its bytes are kept for a while, for a database that is restored. */
export async function deleteFile(transaction: Transaction, ref: FileRef): Promise<boolean> {
  if ((await findFile(transaction, ref)) === null) return false;
  const { component, id } = ref;
  await transaction.system.replace(transaction.systemTable(component, STORAGE_TABLE), id, null);
  transaction.system.insert(transaction.systemTable(component, DELETED_FILES_TABLE), {}, id);
  return true;
}

/** Forgets deleted files whose bytes are gone. */
export async function forgetFiles(
  transaction: Transaction,
  component: ComponentPath,
  ids: readonly InternalId[],
): Promise<void> {
  const table = transaction.systemTable(component, DELETED_FILES_TABLE);
  for (const id of ids) await transaction.system.replace(table, id, null);
}

function parseDocument({ sha256, size, contentType }: JsonObject): Omit<StoredFile, "ref"> {
  assert(typeof sha256 === "string" && typeof size === "number", "a document of _storage says what is stored");
  return { sha256, size, contentType: typeof contentType === "string" ? contentType : null };
}
